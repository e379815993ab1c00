"""Calls that are supervised, for the tests of it."""

from __future__ import annotations

from msgspec.structs import replace

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.commands import Asker, Mode, Supervise, Via
from ess_pbx.domain.config import Centre, Operator
from ess_pbx.domain.effects import (
    EngineEffect,
    Refused,
)
from ess_pbx.domain.events import DeskCallArrived, PinChecked
from ess_pbx.domain.ids import CallId, LegId, bridge_of, caller_leg, side_bridge
from ess_pbx.domain.supervision import Supervision

from . import given
from .centre import CALL, NO_MENU, of
from .story import Story

BOSS, SECOND_BOSS = "3001", "3002"
BY = Asker("diskominfo", Via.API)
DESK = CallId("ess1-1700000099.1")
BY_PHONE, PHONE = Asker(BOSS, Via.PHONE), caller_leg(DESK)
BRIDGE, SIDE = bridge_of(CALL), side_bridge(CALL)
SUPERVISED = replace(
    NO_MENU,
    operators=(
        *NO_MENU.operators,
        *(Operator(extension=each, name=each, role="supervisor") for each in (BOSS, SECOND_BOSS)),
    ),
)
PHONES = ("2001", BOSS, SECOND_BOSS)


def talking(config: Centre = SUPERVISED) -> Story:
    story = given.waiting(config, PHONES)
    story.answers(story.operator)
    return story


def asked(story: Story, mode: Mode, supervisor: str = BOSS) -> list[EngineEffect]:
    return story.feed(Supervise(BY, CALL, supervisor, mode))


def supervision(story: Story) -> Supervision:
    assert story.call.supervision is not None
    return story.call.supervision


def leg(story: Story) -> LegId:
    return supervision(story).leg


def comes(story: Story) -> list[EngineEffect]:
    """The snoop channel that was asked for is there."""
    snoop = supervision(story).coming
    assert snoop is not None
    return story.answers(snoop)


def supervised(mode: Mode, config: Centre = SUPERVISED) -> Story:
    """The supervisor's phone was rung and picked up, and the mode holds."""
    story = talking(config)
    asked(story, mode)
    story.answers(leg(story))
    if mode in (Mode.LISTEN, Mode.WHISPER):
        comes(story)
    return story


def seat(story: Story, agent: str) -> AgentState:
    return story.core.acd.seats[agent].state


def refused(story: Story) -> str:
    (refusal,) = of(story.effects, Refused)
    return refusal.code


def listens_by_phone(story: Story, extension: str = "2001") -> list[EngineEffect]:
    story.feed(DeskCallArrived(DESK, BOSS, f"*18{extension}"))
    story.answers(DESK)
    story.presses("123456", DESK)
    return story.feed(PinChecked(DESK, True))
