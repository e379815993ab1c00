"""The recording has all that the caller said and heard, each on its side, in time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones import audio
from ess_pbx.phones.rtp import NO_PACKETS, RtpParty, tone
from ess_pbx.phones.softphone import Answer

from .story import AGENCY_TONE, CALLER_TONE, HEARD_DBOV, NOT_HEARD_DBOV, SOON, GivenCentre

pytestmark = pytest.mark.asterisk

OPERATOR_TONE = operator_tone("1001")
LAST_CALLER_TONE, LAST_AGENCY_TONE = 900, 2100
"""Hz; both begin in the same moment near the end, so that the sides can be compared."""
STAGE = 1.0
"""Seconds that each stage lasts: enough for several windows."""
WINDOW = 0.2
IN_SYNC = 0.1
"""Seconds by which either side may be off from the other and from the clock."""
PLACED = 0.1
"""Seconds by which a phone may place what it heard: by the packets' timestamps, unless one is later
than this (``phones/rtp.py``)."""
AUDIBLE_DBOV = -40.0
LOWER_DB = 6.0
Stage = tuple[float, float]


@pytest.mark.parametrize("sends", ["always", "late", "only keys"])
async def test_the_recording_has_all_that_the_caller_said_and_heard(
    given_centre: GivenCentre, sends: str
) -> None:
    story = await given_centre(on_duty=("1001",))
    agency = await story.given_agency(answer_after=0.5)
    await story.given_operators("1001", behaviour=Answer(STAGE))
    speech = tone(CALLER_TONE)
    stages: dict[str, Stage] = {}

    rtp = RtpParty(speech if sends == "always" else NO_PACKETS)
    caller = await story.when_caller_dials(rtp=rtp)
    await caller.hears_the_centre()
    stages["menu"] = await _stage()
    await caller.rtp.press("1")
    await story.assert_fact(FactKind.QUEUED)
    stages["queue"] = await _stage()
    if sends == "late":
        rtp.play(speech)
    operator = await story.phones.incoming("1001", SOON)
    await operator.answered(SOON)
    await rtp.heard_tone(OPERATOR_TONE, SOON)
    stages["operator"] = await _stage()

    await operator.press("*119#")
    await story.assert_fact(FactKind.CONSULT_STARTED)
    called = await agency.invited(SOON)
    await called.answered(SOON)
    await operator.heard_tone(AGENCY_TONE, SOON)
    stages["consult"] = await _stage()

    await operator.press("*3#")
    await story.assert_fact(FactKind.CONFERENCE)
    await story.assert_hears(rtp, OPERATOR_TONE, AGENCY_TONE)
    stages["conference"] = await _stage()

    await operator.press("*4#")
    await story.assert_fact(FactKind.OPERATOR_LEFT)
    await rtp.heard_tone(AGENCY_TONE, SOON)
    stages["agency"] = await _stage()

    changed = time.monotonic()
    story.agency_line.play(tone(LAST_AGENCY_TONE))
    if sends != "only keys":
        rtp.play(tone(LAST_CALLER_TONE))
    await _stage()
    ended = time.monotonic()
    await caller.call.hang_up()
    over = time.monotonic()
    record = await story.assert_one_ending(caller)

    left, right = _channels(Path(record.recordings[0]["path"]))
    began = recording_began(right, rtp)
    said = set() if sends == "only keys" else {CALLER_TONE}
    for name, others in (
        ("menu", set()),
        ("queue", set()),
        ("operator", {OPERATOR_TONE}),
        ("consult", set()),
        ("conference", {OPERATOR_TONE, AGENCY_TONE}),
        ("agency", {AGENCY_TONE}),
    ):
        silent = sends == "late" and name in ("menu", "queue")
        assert _tones(_part(left, began, stages[name])) == (set() if silent else said), name
        assert _tones(_part(right, began, stages[name])) == others, name
    _assert_never_silent_while_heard(right, began, rtp, (began, ended))
    # On a busy machine a phone sends late; when it was heard at the other end Asterisk had it.
    turned = _turned(right, LAST_AGENCY_TONE, began, changed)
    assert abs(turned - _heard_first(rtp, LAST_AGENCY_TONE, changed)) <= IN_SYNC + PLACED
    if said:
        turned = _turned(left, LAST_CALLER_TONE, began, changed)
        heard = _heard_first(story.agency_line, LAST_CALLER_TONE, changed)
        assert abs(turned - heard) <= IN_SYNC + PLACED
    seconds = len(right) / audio.SAMPLE_RATE
    assert ended - began - 2 * IN_SYNC <= seconds <= over - began + 2 * IN_SYNC


async def _stage() -> Stage:
    await asyncio.sleep(WINDOW)  # what was just heard may have begun in the middle of a packet
    since = time.monotonic()
    await asyncio.sleep(STAGE)
    return since, time.monotonic()


def _channels(path: Path) -> tuple[audio.Samples, audio.Samples]:
    sound, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert rate == audio.SAMPLE_RATE
    return sound[:, 0], sound[:, 1]


def recording_began(right: audio.Samples, rtp: RtpParty) -> float:
    """When the file begins: where its first second on the right is most like what was heard."""
    assert rtp.received_first_at is not None
    second, before = audio.SAMPLE_RATE, 0.5
    first = right[:second].astype(float)
    heard = rtp.samples(
        rtp.received_first_at - before, rtp.received_first_at + before + 1.0
    ).astype(float)
    alike = np.correlate(heard, first, mode="valid")
    return rtp.received_first_at - before + int(np.argmax(alike)) / audio.SAMPLE_RATE


def assert_recorded_only(
    right: audio.Samples, began: float, stage: Stage, voices: Iterable[int], heard: set[int]
) -> None:
    """Of these voices the caller's recording has in that time those that were heard alone."""
    part = _part(right, began, stage)
    pieces = [part[at : at + 800] for at in range(0, part.size - 799, 800)]
    for each in voices:
        levels = [audio.tone_level_dbov(piece, each) for piece in pieces]
        if each in heard:
            assert statistics.median(levels) >= HEARD_DBOV
        else:
            assert max(levels) < NOT_HEARD_DBOV


def _part(side: audio.Samples, began: float, stage: Stage) -> audio.Samples:
    first, last = (max(round((at - began) * audio.SAMPLE_RATE), 0) for at in stage)
    return side[first:last]


def _tones(sound: audio.Samples) -> set[int]:
    known = (CALLER_TONE, OPERATOR_TONE, AGENCY_TONE)
    return {each for each in known if audio.tone_level_dbov(sound, each) >= HEARD_DBOV}


def _assert_never_silent_while_heard(
    right: audio.Samples, began: float, rtp: RtpParty, call: Stage
) -> None:
    """Wherever the caller's phone received sound, the file has it, within the tolerance of time."""
    since, missing = call[0] + IN_SYNC, []
    while since + WINDOW + IN_SYNC < call[1]:
        heard = rtp.level_dbov(since, since + WINDOW)
        around = _part(right, began, (since - IN_SYNC, since + WINDOW + IN_SYNC))
        recorded = audio.level_dbov(around)
        if heard > AUDIBLE_DBOV and recorded < heard - LOWER_DB:
            missing.append(f"{since - began:.1f} s: heard {heard:.0f}, recorded {recorded:.0f}")
        since += WINDOW
    assert missing == []


def _turned(side: audio.Samples, hertz: int, began: float, near: float) -> float:
    """When this tone begins on a side, looked for around a time; to 10 ms."""
    return _begins(lambda at: _part(side, began, (at, at + 0.04)), hertz, near)


def _heard_first(party: RtpParty, hertz: int, near: float) -> float:
    """When this tone begins at a phone."""
    return _begins(lambda at: party.samples(at, at + 0.04), hertz, near)


def _begins(sound: Callable[[float], audio.Samples], hertz: int, near: float) -> float:
    for step in range(-50, 100):
        at = near + step / 100
        if audio.tone_level_dbov(sound(at), hertz) >= HEARD_DBOV:
            return at
    raise AssertionError(f"no {hertz} Hz within 0.5 s before and 1 s after it was sent")
