"""A recording is paused where the centre allows it; who asked, why and how long is on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Asker, PauseRecording, ResumeRecording, Via
from ess_pbx.domain.effects import EngineEffect, Record, Refused
from ess_pbx.domain.events import ClockRead
from ess_pbx.domain.facts import Fact, FactKind

from . import given
from .centre import CALL, CALLER, CENTRE, of
from .story import Story

OPERATOR = Asker("2001", Via.API)
PAUSE = PauseRecording(OPERATOR, CALL, "nomor rekening")
ALLOWED = replace(CENTRE, policy=replace(CENTRE.policy, recording_pause=30.0))


def kinds(effects: list[EngineEffect]) -> list[FactKind]:
    return [each.kind for each in of(effects, Record)]


def clock_read(story: Story) -> list[EngineEffect]:
    return story.feed(ClockRead(datetime(2026, 1, 1, 9), wall=story.core.wall(story.now)))


def allowed() -> Story:
    story = given.talking()
    story.core.config = ALLOWED
    return story


def test_who_paused_it_and_why_and_until_when_is_on_record() -> None:
    story = allowed()
    (paused,) = of(story.feed(PAUSE), Record)
    at = story.core.wall(story.now)
    until = at + 30.0
    data = {"reason": "nomor rekening", "until": until, "by": "2001", "via": "api"}
    assert (paused.call, paused.kind, paused.data) == (CALL, FactKind.RECORDING_PAUSED, data)
    resumed = story.feed(ResumeRecording(OPERATOR, CALL))
    assert kinds(resumed) == [FactKind.RECORDING_RESUMED]


def test_it_ends_by_itself_when_its_time_is_over() -> None:
    story = allowed()
    story.feed(PAUSE)
    story.after(29.0)
    assert FactKind.RECORDING_RESUMED not in kinds(clock_read(story))
    story.after(2.0)
    assert FactKind.RECORDING_RESUMED in kinds(clock_read(story))
    assert FactKind.RECORDING_RESUMED not in kinds(clock_read(story))


def test_it_ends_at_once_when_the_clock_is_set_back_rather_than_an_hour_later() -> None:
    story = allowed()
    story.feed(PAUSE)
    set_back = ClockRead(datetime(2026, 1, 1, 8), wall=story.core.wall(story.now) - 3600)
    assert FactKind.RECORDING_RESUMED in kinds(story.feed(set_back))


@pytest.mark.parametrize("situation", [given.talking, given.waiting])
def test_a_centre_that_does_not_allow_it_says_so(situation: Callable[[], Story]) -> None:
    (refused,) = of(situation().feed(PAUSE), Refused)
    assert refused.code == "not-allowed"
    assert "recording_pause" in refused.detail


def test_what_a_caller_says_who_waits_is_always_recorded() -> None:
    story = given.waiting()
    story.core.config = ALLOWED
    (refused,) = of(story.feed(PAUSE), Refused)
    assert refused.code == "not-talking"


def test_what_is_not_paused_is_not_resumed() -> None:
    (refused,) = of(allowed().feed(ResumeRecording(OPERATOR, CALL)), Refused)
    assert refused.code == "not-paused"


def test_it_ends_with_its_call() -> None:
    story = allowed()
    story.feed(PAUSE)
    story.gone(CALLER)
    assert not story.core.recording_pauses.until


def test_the_next_engine_ends_it_in_time_too() -> None:
    story = allowed()
    (paused,) = of(story.feed(PAUSE), Record)
    told = Fact(id="", centre="", call=CALL, kind=paused.kind, at=0.0, ms=0, data=paused.data)
    next_core, from_checkpoint = CallCentre(ALLOWED), CallCentre(ALLOWED)
    next_core.recall(told)
    from_checkpoint.recording_pauses.load(next_core.recording_pauses.dump())
    for core in (next_core, from_checkpoint):
        assert [
            each.call
            for each in core.recording_pauses.clock(story.core.wall(0) + 1e9, ALLOWED.policy)
        ] == [CALL]
