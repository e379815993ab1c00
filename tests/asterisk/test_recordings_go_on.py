"""A recording that stops is an alarm and begun again; one is paused, and resumed, when asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import soundfile
from msgspec.structs import replace

from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.commands import Asker, PauseRecording, ResumeRecording, Via
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.recording_watch import ALARM, STALLED_SECONDS
from ess_pbx.engine.recorder import LOST
from ess_pbx.phones import audio
from ess_pbx.phones.rtp import tone

from .story import AGENCY_TONE, CALLER_TONE, HEARD_DBOV, QUICK, SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

STRETCH = 1.5
"""Seconds that each stretch of a recording lasts here."""
OPERATOR_TONE, SECRET_TONE = operator_tone("1001"), 950
OPERATOR = Asker("1001", Via.API)


def sides(path: str) -> tuple[audio.Samples, audio.Samples]:
    sound, rate = soundfile.read(Path(path), dtype="int16", always_2d=True)
    assert rate == audio.SAMPLE_RATE
    return sound[:, 0], sound[:, 1]


def has(samples: audio.Samples, hertz: int) -> bool:
    """Whether the tone is heard anywhere, at the level at which it was sent."""
    step = audio.SAMPLE_RATE // 5
    stretches = [samples[at : at + step] for at in range(0, len(samples), step)]
    return any(audio.tone_level_dbov(each, hertz) >= HEARD_DBOV for each in stretches)


def the_call(story: Story) -> CallId:
    (call,) = story.engine.centres.calls
    return call


async def parts_written(story: Story, call: CallId, count: int) -> None:
    folder = story.settings.folders.recordings
    await until(
        lambda: len([*folder.glob(f"{call}*.raw")]) == count, f"{count} files of the recording"
    )


async def nothing(*_: object) -> None:
    """What a recorder did that was killed before it could."""


async def assert_stands_still(file: Path) -> None:
    """Asterisk writes about each second, while it records."""
    sizes = [-1, 0]

    def stands_still() -> bool:
        sizes.append(file.stat().st_size)
        return sizes[-1] == sizes[-2]

    deadline = asyncio.get_running_loop().time() + SOON
    while not stands_still():
        assert asyncio.get_running_loop().time() < deadline, f"{file} grows"
        await asyncio.sleep(2 * STRETCH)


async def test_a_recording_that_stops_is_an_alarm_and_begun_again(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",))
    caller, operator = await story.given_talking()
    call = the_call(story)
    await asyncio.sleep(STRETCH)

    await story.installation.console.ask(f"mixmonitor stop {call}")

    within = STALLED_SECONDS + SOON
    await story.assert_fact(FactKind.RECORDING_FAILED, within, recording=call)
    await story.assert_fact(FactKind.ALARM_RAISED, alarm=ALARM)
    await story.assert_fact(FactKind.ALARM_CLEARED, alarm=ALARM)
    await story.assert_they_talk(caller, operator)
    caller.rtp.play(tone(SECRET_TONE))
    await operator.heard_tone(SECRET_TONE, SOON)
    await asyncio.sleep(STRETCH)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)

    (recording,) = record.recordings
    left, _ = sides(recording["path"])
    assert has(left, CALLER_TONE), "what was said before"
    assert has(left, SECRET_TONE), "what was said after"
    finished = await story.assert_fact(FactKind.RECORDING_FINISHED)
    answered = await story.assert_fact(FactKind.CALL_ANSWERED)
    ended = await story.assert_fact(FactKind.CALL_ENDED)
    # What lies between is silence, so that the clock of the recording is that of the call.
    assert finished.data["seconds"] == pytest.approx(ended.at - answered.at, abs=2.0)
    assert STALLED_SECONDS > 2 * 2.0, "it would be so without that silence too"


async def test_what_is_said_while_the_recording_is_paused_is_not_in_it(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=replace(QUICK, recording_pause=60.0))
    caller, operator = await story.given_talking()
    call, dispatcher = the_call(story), story.engine.dispatcher
    await asyncio.sleep(STRETCH)

    assert dispatcher.command(PauseRecording(OPERATOR, call, "nomor rekening")) is None
    await story.engine.settled()
    caller.rtp.play(tone(SECRET_TONE))
    await operator.heard_tone(SECRET_TONE, SOON)
    await asyncio.sleep(STRETCH)
    caller.rtp.play(tone(CALLER_TONE))
    await operator.heard_tone(CALLER_TONE, SOON)
    assert dispatcher.command(ResumeRecording(OPERATOR, call)) is None
    await parts_written(story, call, 2)
    await asyncio.sleep(STRETCH)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)

    (recording,) = record.recordings
    left, right = sides(recording["path"])
    assert not has(left, SECRET_TONE)
    second = audio.SAMPLE_RATE
    assert has(left[-second:], CALLER_TONE)
    assert has(right[-second:], OPERATOR_TONE)
    assert not story.told_of(FactKind.RECORDING_FAILED)


async def test_a_consult_has_a_recording_of_its_own(given_centre: GivenCentre) -> None:
    story = await given_centre(on_duty=("1001",))
    agency = await story.given_agency()
    caller, operator = await story.given_talking()
    await operator.press("*119#")
    await (await agency.invited(SOON)).answered(SOON)
    await operator.heard_tone(AGENCY_TONE, SOON)
    await parts_written(story, the_call(story), 2)
    await asyncio.sleep(STRETCH)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)

    of_call, of_consult = record.recordings
    assert of_consult["id"].startswith(f"{of_call['id']}~ag")
    _, heard_by_caller = sides(of_call["path"])
    assert not has(heard_by_caller, AGENCY_TONE)
    from_agency, to_agency = sides(of_consult["path"])
    assert has(from_agency, AGENCY_TONE)
    assert has(to_agency, OPERATOR_TONE)
    assert not has(to_agency, CALLER_TONE)


async def test_a_consult_that_begins_in_a_pause_is_recorded_from_its_end_on(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=replace(QUICK, recording_pause=60.0))
    agency = await story.given_agency()
    caller, operator = await story.given_talking()
    call, dispatcher = the_call(story), story.engine.dispatcher
    assert dispatcher.command(PauseRecording(OPERATOR, call, "nomor rekening")) is None
    await operator.press("*119#")
    await (await agency.invited(SOON)).answered(SOON)
    await operator.heard_tone(AGENCY_TONE, SOON)
    await story.assert_fact(FactKind.PARTY_CONSULTED)
    await story.engine.settled()
    assert [*story.settings.folders.recordings.glob(f"{call}~ag*.raw")] == []

    assert dispatcher.command(ResumeRecording(OPERATOR, call)) is None
    await story.engine.settled()
    await asyncio.sleep(STRETCH)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)

    _, of_consult = record.recordings
    from_agency, _ = sides(of_consult["path"])
    assert has(from_agency, AGENCY_TONE)


async def test_a_pause_that_its_engine_did_not_carry_out_the_next_one_does(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await given_centre(on_duty=("1001",), policy=replace(QUICK, recording_pause=60.0))
    caller, operator = await story.given_talking()
    call = the_call(story)
    # As when it is killed between the fact and what follows from it.
    monkeypatch.setattr(story.engine.recorder, "_stop", nothing)
    command = PauseRecording(OPERATOR, call, "nomor rekening")
    assert story.engine.dispatcher.command(command) is None
    await story.when_the_engine_stops()
    await story.when_the_engine_is_back()
    await assert_stands_still(story.settings.folders.recordings / f"{call}.raw")

    caller.rtp.play(tone(SECRET_TONE))
    await operator.heard_tone(SECRET_TONE, SOON)
    await asyncio.sleep(STRETCH)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)

    (recording,) = record.recordings
    left, _ = sides(recording["path"])
    assert has(left, CALLER_TONE)
    assert not has(left, SECRET_TONE)


async def test_a_consult_that_its_engine_did_not_record_the_next_one_does(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await given_centre(on_duty=("1001",))
    agency = await story.given_agency()
    caller, operator = await story.given_talking()
    monkeypatch.setattr(story.engine.recorder, "_begin", nothing)
    await operator.press("*119#")
    await (await agency.invited(SOON)).answered(SOON)
    await operator.heard_tone(AGENCY_TONE, SOON)
    await story.when_the_engine_stops()
    await story.when_the_engine_is_back()

    await parts_written(story, the_call(story), 2)
    await asyncio.sleep(STRETCH)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)

    _, of_consult = record.recordings
    from_agency, to_agency = sides(of_consult["path"])
    assert has(from_agency, AGENCY_TONE)
    assert has(to_agency, OPERATOR_TONE)
    assert not story.told_of(FactKind.RECORDING_FAILED)


async def test_the_recording_of_a_consult_that_stops_is_an_alarm_and_begun_again(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",))
    agency = await story.given_agency()
    caller, operator = await story.given_talking()
    await operator.press("*119#")
    await (await agency.invited(SOON)).answered(SOON)
    await operator.heard_tone(AGENCY_TONE, SOON)
    await parts_written(story, the_call(story), 2)
    leg = (await story.assert_fact(FactKind.AGENCY_ANSWERED)).data["leg"]
    await asyncio.sleep(STRETCH)

    await story.installation.console.ask(f"mixmonitor stop {leg}")

    within = STALLED_SECONDS + SOON
    await story.assert_fact(FactKind.RECORDING_FAILED, within, recording=leg)
    await story.assert_fact(FactKind.ALARM_RAISED, alarm=ALARM)
    await parts_written(story, the_call(story), 3)
    await story.assert_fact(FactKind.ALARM_CLEARED, alarm=ALARM)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_a_talk_too_short_to_be_begun_again_is_an_alarm_when_nothing_of_it_was_recorded(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",))
    folder = story.settings.folders.recordings
    kept = folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("nowhere")
    caller, _ = await story.given_talking()
    call = the_call(story)

    await caller.call.hang_up()
    await story.engine.settled()
    folder.unlink()
    kept.rename(folder)

    await story.assert_fact(FactKind.RECORDING_FAILED, recording=call)
    await story.assert_fact(FactKind.ALARM_RAISED, alarm=f"{LOST}:{call}")
