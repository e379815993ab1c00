"""Where a centre does not record callers who wait, what is said from a human's answer on is."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import soundfile
from msgspec.structs import replace

from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine import recordings
from ess_pbx.phones import audio
from ess_pbx.phones.rtp import tone

from .story import CALLER_TONE, HEARD_DBOV, QUICK, SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

WAITING_TONE, OPERATOR_TONE = 950, operator_tone("1001")
TALK = replace(QUICK, record_waiting=False, ring=10)
WAITS = 2.0
"""Seconds that the caller waits with sound behind them, and that they talk after."""


def has(samples: audio.Samples, hertz: int) -> bool:
    """Whether the tone is heard anywhere, at the level at which it was sent."""
    step = audio.SAMPLE_RATE // 5
    stretches = [samples[at : at + step] for at in range(0, len(samples), step)]
    return any(audio.tone_level_dbov(each, hertz) >= HEARD_DBOV for each in stretches)


async def recorded(story: Story) -> audio.Samples:
    """Both sides of the only recording, once it is finished."""
    finished = await story.assert_fact(FactKind.RECORDING_FINISHED)
    path = finished.data["path"]
    assert isinstance(path, str)
    sound, _ = await asyncio.to_thread(soundfile.read, path, dtype="int16", always_2d=True)
    return np.asarray(sound)


async def test_with_an_engine_it_begins_when_the_operator_answers(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=TALK)
    await story.given_operators("1001")
    caller = await story.when_caller_dials()
    caller.rtp.play(tone(WAITING_TONE))
    await caller.chooses("1")
    operator = await story.phones.incoming("1001", SOON)
    await asyncio.sleep(WAITS)
    folder = story.settings.folders.recordings
    assert [*folder.glob("*.raw")] == []
    caller.rtp.play(tone(CALLER_TONE))
    await operator.answer()
    await story.assert_they_talk(caller, operator)
    await asyncio.sleep(WAITS)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)

    left, right = (await recorded(story)).T
    assert has(left, CALLER_TONE)
    assert has(right, OPERATOR_TONE)
    assert not has(left, WAITING_TONE)
    answered = await story.assert_fact(FactKind.OPERATOR_ANSWERED)
    ended = await story.assert_fact(FactKind.CALL_ENDED)
    # Its clock is that of the talk; of the wait it has nothing, which lasted longer than this.
    assert len(left) / audio.SAMPLE_RATE == pytest.approx(ended.at - answered.at, abs=0.75 * WAITS)
    assert not story.told_of(FactKind.RECORDING_FAILED)


async def test_who_leaves_before_anybody_answers_is_not_recorded(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=TALK)
    await story.given_operators("1001")
    caller = await story.when_caller_dials()
    await caller.chooses("1")
    await story.phones.incoming("1001", SOON)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)

    assert record.recordings == []
    assert not story.told_of(FactKind.RECORDING_FAILED)
    assert not story.told_of(FactKind.ALARM_RAISED, alarm="recording-lost")


async def test_the_next_engine_neither_begins_it_twice_nor_forgets_it(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=TALK)
    caller, operator = await story.given_talking()
    folder = story.settings.folders.recordings
    await until(lambda: any(raw.stat().st_size for raw in folder.glob("*.raw")), "it is recorded")
    await story.when_the_engine_stops()
    await story.when_the_engine_is_back()
    await story.assert_they_talk(caller, operator)
    await asyncio.sleep(WAITS)
    assert len([*folder.glob("*.raw")]) == 1
    await caller.call.hang_up()
    left, right = (await recorded(story)).T
    assert has(left[-audio.SAMPLE_RATE :], CALLER_TONE)
    assert has(right[-audio.SAMPLE_RATE :], OPERATOR_TONE)


async def test_without_an_engine_it_begins_when_a_phone_answers(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=TALK)
    await story.given_operators("1001")
    await story.when_the_engine_stops()
    caller = await story.when_caller_dials()
    caller.rtp.play(tone(WAITING_TONE))
    operator = await story.phones.incoming("1001", SOON)
    await caller.hears_the_centre()
    await asyncio.sleep(WAITS)
    caller.rtp.play(tone(CALLER_TONE))
    await operator.answer()
    await story.assert_they_talk(caller, operator)
    await asyncio.sleep(WAITS)
    await caller.call.hang_up()
    assert await operator.ended(SOON) == "far"
    talked = operator.at["ended"] - operator.at["answered"]

    (raw,) = story.settings.folders.recordings.glob("*.raw")
    await until(lambda: not recordings.still_written(raw), "Asterisk closed the recording")
    frames = await asyncio.to_thread(np.fromfile, raw, "<i2")
    left, right = frames.reshape(-1, recordings.CHANNELS).T
    assert has(left, CALLER_TONE)
    assert has(right, OPERATOR_TONE)
    assert not has(left, WAITING_TONE)
    assert len(left) / audio.SAMPLE_RATE < talked + 0.5 * WAITS
