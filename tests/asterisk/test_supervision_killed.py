"""The engine is killed while a supervisor is with a call: all hear what they heard before."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.commands import Mode
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.softphone import Answer
from ess_pbx.phones.softphone_call import SoftCall
from ess_pbx.web.control import Control, control_socket

from .killable import KillableStory
from .story import CALLER_TONE, SOON, UNBROKEN, Caller, GivenCentre
from .test_adoption import given_killable, when_the_engine_dies_and_another_comes
from .test_supervision import (
    OPERATOR,
    OPERATOR_TONE,
    SUPERVISOR,
    SUPERVISOR_TONE,
    Stage,
    a_while,
    assert_hears_only,
)

pytestmark = pytest.mark.asterisk

MODES = [Mode.LISTEN, Mode.WHISPER, Mode.BARGE]


async def given_supervised(
    given_centre: GivenCentre, mode: Mode
) -> tuple[KillableStory, Caller, SoftCall, SoftCall]:
    """A call with which a supervisor is, whose phone was rung."""
    story = await given_killable(given_centre)
    caller, operator = await story.given_talking(OPERATOR)
    await story.given_operators(SUPERVISOR, behaviour=Answer(0.1), desk=1)
    arrived = await story.assert_fact(FactKind.CALL_ARRIVED)
    asked = {"supervisor": SUPERVISOR, "mode": mode.value}
    await control(story).ask("POST", f"/calls/{arrived.call}/supervise", asked)
    supervisor = await story.desks[1].incoming(SUPERVISOR, SOON)
    await supervisor.answered(SOON)
    await supervisor.heard_sound(SOON)
    return story, caller, operator, supervisor


def control(story: KillableStory) -> Control:
    return Control(control_socket(story.settings))


async def state_of(story: KillableStory, extension: str) -> str:
    operators = await control(story).ask("GET", "/operators")
    (state,) = [each["state"] for each in operators if each["extension"] == extension]
    return str(state)


def assert_as(
    mode: Mode, stage: Stage, caller: Caller, operator: SoftCall, supervisor: SoftCall
) -> None:
    """Who hears whom, and nobody else, while a supervisor is there in this way."""
    to_caller = (SUPERVISOR_TONE,) if mode is Mode.BARGE else ()
    to_operator = () if mode is Mode.LISTEN else (SUPERVISOR_TONE,)
    assert_hears_only(supervisor, stage, CALLER_TONE, OPERATOR_TONE)
    assert_hears_only(caller.rtp, stage, OPERATOR_TONE, *to_caller)
    assert_hears_only(operator, stage, CALLER_TONE, *to_operator)


@pytest.mark.parametrize("mode", MODES)
async def test_who_hears_whom_stays_when_the_engine_is_killed_and_the_next_one_has_it(
    given_centre: GivenCentre, mode: Mode, record_property: Callable[[str, object], None]
) -> None:
    story, caller, operator, supervisor = await given_supervised(given_centre, mode)
    everyone = caller.rtp, operator, supervisor
    assert_as(mode, await a_while(*everyone), caller, operator, supervisor)
    began = time.monotonic()

    await when_the_engine_dies_and_another_comes(story, "talking")

    stage = await a_while(*everyone)
    assert_as(mode, (began, began + 1.0), caller, operator, supervisor)  # without any engine
    assert_as(mode, stage, caller, operator, supervisor)
    gaps = [each.longest_silence(began, stage[1]) for each in everyone]
    record_property("gaps_ms", [round(1000 * gap) for gap in gaps])
    assert max(gaps) <= UNBROKEN, gaps
    assert await state_of(story, SUPERVISOR) == AgentState.SUPERVISING

    # The keys of the supervisor's phone are the next engine's.
    await supervisor.press("4")
    await story.assert_fact(FactKind.TAKEN_OVER, agent=SUPERVISOR, former=OPERATOR)
    await operator.ended(SOON)
    stage = await a_while(caller.rtp, supervisor)
    assert_hears_only(caller.rtp, stage, SUPERVISOR_TONE)
    assert_hears_only(supervisor, stage, CALLER_TONE)
    await caller.call.hang_up()
    record = await story.assert_whole_record(caller)
    assert record.call["operator"] == SUPERVISOR


@pytest.mark.parametrize("mode", MODES)
async def test_a_supervisor_who_left_while_no_engine_was_there_is_free_and_the_call_goes_on(
    given_centre: GivenCentre, mode: Mode
) -> None:
    story, caller, operator, supervisor = await given_supervised(given_centre, mode)
    await story.when_the_engine_is_killed()
    await supervisor.hang_up()

    await story.when_the_engine_is_back()

    await story.assert_fact(FactKind.SUPERVISION_ENDED, supervisor=SUPERVISOR)
    stage = await a_while(caller.rtp, operator)
    assert_hears_only(caller.rtp, stage, OPERATOR_TONE)
    assert_hears_only(operator, stage, CALLER_TONE)
    assert await state_of(story, SUPERVISOR) == AgentState.IDLE
    await caller.call.hang_up()
    record = await story.assert_whole_record(caller)
    assert sorted(leg["role"] for leg in record.legs) == ["caller", "operator", "supervisor"]
