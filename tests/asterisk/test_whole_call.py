"""One call from the INVITE to the agency that goes on with the caller, and what remains of it."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from msgspec.structs import replace

from ess_pbx.db.queries import CallRecord
from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.facts import FactKind, fields_differ
from ess_pbx.phones import audio

from .story import (
    AGENCY_TONE,
    CALLER_TONE,
    HEARD_DBOV,
    NOT_HEARD_DBOV,
    QUICK,
    SOON,
    GivenCentre,
    Story,
    until,
)
from .test_recording import recording_began

pytestmark = pytest.mark.asterisk

PIECE = 800
"""Samples: 100 ms."""
OPERATOR_TONE = operator_tone("1002")
HOLD_PROMPT_SECONDS = 5.0
"""How long the caller is told that an agency is being called."""
TOLD = [
    FactKind.CALL_ARRIVED,
    FactKind.MENU_ENTERED,
    FactKind.CALL_ANSWERED,
    FactKind.GREETING_STARTED,
    FactKind.KEY_PRESSED,
    FactKind.CLASSIFIED,
    FactKind.QUEUED,
    FactKind.OFFERED,
    FactKind.OPERATOR_RUNG,
    FactKind.OFFER_MISSED,
    FactKind.OFFERED,
    FactKind.OPERATOR_RUNG,
    FactKind.OPERATOR_ANSWERED,
    FactKind.CONSULT_STARTED,
    FactKind.AGENCY_RUNG,
    FactKind.AGENCY_ANSWERED,
    FactKind.PARTY_CONSULTED,
    FactKind.PARTY_JOINED,
    FactKind.CONFERENCE,
    FactKind.OPERATOR_LEFT,
    FactKind.CALL_ENDED,
    FactKind.RECORDING_FINISHED,
    FactKind.RECORDING_FINISHED,  # that of the consult
]
BESIDE = {FactKind.LEG_ENDED, FactKind.ANNOUNCED}
"""Told at any point of the story."""
"""A whole call's facts but for the ends of legs, which may cross others."""


async def test_a_call_goes_from_the_menu_over_two_operators_to_119(
    given_centre: GivenCentre,
) -> None:
    policy = replace(QUICK, ring=5)  # to be picked up on a busy machine, and missed before that
    story = await given_centre(on_duty=("1001", "1002"), off_duty=("1003",), policy=policy)
    agency = await story.given_agency(answer_after=1.0)
    await story.given_operators("1003", "1001", "1002")  # who is off shift is idle the longest

    caller = await story.when_caller_dials("112")
    await caller.chooses("1")
    await story.assert_fact(FactKind.CLASSIFIED, category="medis", queue="medis")

    unanswered = await story.phones.incoming("1001", SOON)
    operator = await story.phones.incoming("1002", SOON)
    await story.assert_fact(FactKind.OFFER_MISSED, agent="1001", reason="no answer")
    assert await unanswered.ended(SOON) == "far"
    await operator.answer()
    await story.assert_they_talk(caller, operator)
    two = await _some_time(story)

    await operator.press("*119#")
    called = await agency.invited(SOON)
    announced = time.monotonic()
    await story.assert_fact(FactKind.CONSULT_STARTED, agency="psc-119", agent="1002")
    await called.answered(SOON)
    await operator.heard_tone(AGENCY_TONE, SOON)
    await story.agency_line.heard_tone(OPERATOR_TONE, SOON)
    await _assert_they_consult_alone(story, await _some_time(story))
    # Once more when the announcement is over, and music has followed.
    await asyncio.sleep(max(0.0, announced + HOLD_PROMPT_SECONDS - time.monotonic()))
    await _assert_they_consult_alone(story, await _some_time(story))

    await operator.press("*3#")
    await story.assert_fact(FactKind.CONFERENCE)
    await story.assert_hears(caller.rtp, OPERATOR_TONE, AGENCY_TONE)
    await story.assert_hears(operator, CALLER_TONE, AGENCY_TONE)
    await story.assert_hears(story.agency_line, CALLER_TONE, OPERATOR_TONE)
    three = await _some_time(story)

    await operator.press("*4#")
    await story.assert_fact(FactKind.OPERATOR_LEFT, agent="1002")
    assert await operator.ended(SOON) == "far"
    await caller.rtp.heard_tone(AGENCY_TONE, SOON)
    await story.agency_line.heard_tone(CALLER_TONE, SOON)
    without_operator = await _some_time(story)

    await caller.call.hang_up()
    assert (await called.ended(SOON)).by == "far"
    record = await story.assert_one_ending(caller)
    assert [call.account for call in story.phones.calls] == ["1001", "1002"]
    _assert_facts_are_whole(story)
    _assert_stored(record)
    left, right = _recorded(record)
    begun = recording_began(right, caller.rtp)
    for (since, to), others in (
        (two, {OPERATOR_TONE}),
        (three, {OPERATOR_TONE, AGENCY_TONE}),
        (without_operator, {AGENCY_TONE}),
    ):
        part = slice(round((since - begun) * 8000), round((to - begun) * 8000))
        assert _tones(left[part]) == {CALLER_TONE}
        assert _tones(right[part]) == others


async def _some_time(story: Story) -> tuple[float, float]:
    """Let them talk for a while; returns a time within it (monotonic seconds)."""
    await asyncio.sleep(0.2)  # what was just heard may have begun in the middle of a packet
    since = time.monotonic()
    await asyncio.sleep(1.0)
    listeners = [story.callers[0].rtp, *(c for c in story.phones.calls if c.ended_by is None)]
    # A softphone's recording is a little late.
    ends = since + 1.0
    await until(lambda: all(each.heard_until() >= ends for each in listeners), "heard till then")
    return since, ends


async def _assert_they_consult_alone(story: Story, consult: tuple[float, float]) -> None:
    """The caller hears music, not the others; and nobody hears the caller."""
    (caller,) = story.callers
    operator = story.phones.calls[-1]
    assert caller.rtp.longest_silence(*consult) < 0.5
    story.assert_not_heard(caller.rtp, *consult, OPERATOR_TONE, AGENCY_TONE)
    story.assert_not_heard(story.agency_line, *consult, CALLER_TONE)
    story.assert_not_heard(operator, *consult, CALLER_TONE)


def _assert_facts_are_whole(story: Story) -> None:
    of_call = [fact for fact in story.facts if fact.call is not None]
    assert len({fact.call for fact in of_call}) == 1
    assert [fact.kind for fact in of_call if fact.kind not in BESIDE] == TOLD
    assert len(story.told_of(FactKind.LEG_ENDED)) == 4
    times = [fact.ms for fact in of_call if fact.ms is not None]
    assert len(times) == len(of_call)
    assert times == sorted(times)
    assert [each for each in map(fields_differ, story.facts) if each is not None] == []


def _assert_stored(record: CallRecord) -> None:
    kept = ("category", "operator", "agency", "called", "result", "reason", "ended_by")
    assert [record.call[field] for field in kept] == [
        *("medis", "1002", "psc-119", "112"),
        *("success", "completed", "caller"),
    ]
    assert sorted(leg["role"] for leg in record.legs) == ["agency", "caller", *["operator"] * 2]
    kinds = [event["kind"] for event in record.events]
    assert [kind for kind in kinds if kind not in BESIDE] == TOLD


Samples = np.ndarray[tuple[int, ...], np.dtype[np.int16]]


def _recorded(record: CallRecord) -> tuple[Samples, Samples]:
    """The two channels of the one recording, which is as the database says."""
    recording, _of_the_consult = record.recordings
    path = Path(recording["path"])
    assert recording["state"] == "finished"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == recording["sha256"]
    assert path.stat().st_size == recording["bytes"]
    sound, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert (rate, sound.shape[1]) == (8000, 2)
    return sound[:, 0], sound[:, 1]


def _tones(channel: Samples) -> set[int]:
    """Whose voices are in it; one that is neither clearly there nor clearly not fails.

    A packet that a busy machine sends late shifts a tone's phase, and over a second the tone would
    cancel itself: each voice has the level that it has in the middle one of many short pieces.
    """
    pieces = [channel[at : at + PIECE] for at in range(0, channel.size - PIECE + 1, PIECE)]
    levels = {
        each: statistics.median(audio.tone_level_dbov(piece, each) for piece in pieces)
        for each in (CALLER_TONE, OPERATOR_TONE, AGENCY_TONE)
    }
    assert all(not NOT_HEARD_DBOV < level < HEARD_DBOV for level in levels.values()), levels
    return {each for each, level in levels.items() if level >= HEARD_DBOV}


async def test_two_centres_side_by_side_each_take_a_call(given_centre: GivenCentre) -> None:
    here, there = await asyncio.gather(given_centre(), given_centre())
    talking = await asyncio.gather(here.given_talking(), there.given_talking())
    for story, (caller, operator) in zip((here, there), talking, strict=True):
        await story.assert_they_talk(caller, operator)
        await operator.hang_up()
        record = await story.assert_one_ending(caller)
        assert (record.call["ended_by"], record.call["operator"]) == ("operator", "1001")
        assert len(story.told_of(FactKind.CALL_ARRIVED)) == 1
