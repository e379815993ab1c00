"""Nobody is there to answer: the caller is told so and waits, and an alarm is raised."""

from __future__ import annotations

import asyncio
import time

import pytest
from msgspec.structs import replace

from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.softphone import Answer

from .story import QUICK, SOON, Caller, GivenCentre, Story

pytestmark = pytest.mark.asterisk

LONGEST_SILENCE = 3.0
"""Seconds; mission.md has it among what must never happen."""
PROMPT_AND_MUSIC = 12.0
"""Seconds in which the announcement ends (8.2 s) and music must follow."""


async def when_someone_waits(story: Story) -> Caller:
    caller = await story.when_caller_dials()
    await caller.chooses("1")
    await story.assert_fact(FactKind.ALARM_RAISED, alarm="no-operator:medis")
    await story.assert_fact(FactKind.NO_OPERATOR, queue="medis")
    return caller


async def test_a_caller_waits_while_no_phone_is_registered_and_gets_the_first_that_comes(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=replace(QUICK, comfort=60))
    caller = await when_someone_waits(story)

    answered = caller.call.at["answered"]
    await asyncio.sleep(max(0.0, answered + PROMPT_AND_MUSIC - time.monotonic()))
    # The first packet of the greeting needs a moment after the 200.
    assert caller.rtp.longest_silence(since=answered) < LONGEST_SILENCE
    assert caller.call.end is None

    await story.given_operators("1001", behaviour=Answer(0.1))
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, operator)
    await story.assert_fact(FactKind.ALARM_CLEARED, alarm="no-operator:medis")
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)
    assert record.call["result"] == "success"


async def test_a_caller_waits_while_nobody_is_on_shift(given_centre: GivenCentre) -> None:
    story = await given_centre(on_duty=(), off_duty=("1003",))
    await story.given_operators("1003")

    caller = await when_someone_waits(story)
    await caller.rtp.heard_sound(SOON)

    assert caller.call.end is None
    assert story.phones.calls == []
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)
    assert record.call["reason"] == "abandoned"
