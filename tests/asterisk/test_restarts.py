"""Asterisk or the engine goes and comes back; and what is done when they cannot start."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine import recordings
from ess_pbx.errors import PortTakenError
from ess_pbx.phones import audio
from ess_pbx.phones.softphone import Answer

from .story import CALLER_TONE, HEARD_DBOV, QUICK, SOON, GivenCentre, until

pytestmark = pytest.mark.asterisk

RINGS_WITHIN = 2.0
"""Seconds from the INVITE to an operator's phone when no engine is there, on a machine that is busy
with other tests; `ess chaos` holds the bound itself.
"""
TALK = 1.0
"""Seconds: the recording is looked at by half seconds."""
RINGS = replace(QUICK, ring=6)
"""Long enough to be picked up on a busy machine."""


@pytest.mark.parametrize("which", ["sip_port", "ari_port"])
async def test_a_taken_port_is_named_and_nothing_is_left_running(
    which: str, given_centre: GivenCentre
) -> None:
    story = await given_centre(started=False)
    port = getattr(story.settings.asterisk, which)
    kind = socket.SOCK_DGRAM if which == "sip_port" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as other_program:
        other_program.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            other_program.listen()

        with pytest.raises(PortTakenError, match=rf"{which}: 127.0.0.1:{port}"):
            await story.given_it_runs()

        assert programs_of(story.folder) == []
    assert story.facts == []


async def test_after_a_restart_of_asterisk_the_next_call_is_taken(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.given_operators("1001", behaviour=Answer(0.1))
    engine = story.engine

    await story.installation.asterisk.stop()
    await until(lambda: not engine.ari.connected, "the engine notices")
    await story.installation.asterisk.start()
    await engine.ari.wait_connected(SOON)
    await story.assert_reachable("1001")

    caller = await story.when_caller_dials()
    await caller.chooses("1")
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_without_an_engine_the_phones_on_shift_ring_at_once_and_the_call_is_recorded(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(off_duty=("1003",), policy=RINGS)
    await story.given_operators("1001", "1002", "1003")
    await story.when_the_engine_stops()
    told = len(story.facts)

    caller = await story.when_caller_dials()
    operator = await story.phones.incoming("1001", SOON)
    other = await story.phones.incoming("1002", SOON)
    for phone in (operator, other):
        assert phone.at["incoming"] - caller.call.at["invited"] < RINGS_WITHIN
    await caller.hears_the_centre()
    await operator.answer()
    await story.assert_they_talk(caller, operator)
    assert await other.ended(SOON) == "far"
    await asyncio.sleep(TALK)
    await caller.call.hang_up()
    assert await operator.ended(SOON) == "far"

    assert {call.account for call in story.phones.calls} == {"1001", "1002"}
    assert story.facts[told:] == []
    (raw,) = recorded_raw(story.settings.folders.recordings)
    await until(lambda: not recordings.still_written(raw), "Asterisk closed the recording")
    caller_side, other_side = np.fromfile(raw, "<i2").reshape(-1, recordings.CHANNELS).T
    assert loudest(caller_side, CALLER_TONE) >= HEARD_DBOV
    assert loudest(other_side, operator_tone("1001")) >= HEARD_DBOV


async def test_the_engine_that_is_back_takes_the_next_call(given_centre: GivenCentre) -> None:
    story = await given_centre()
    await story.given_operators("1001", behaviour=Answer(0.1))
    await story.when_the_engine_stops()

    await story.when_the_engine_is_back()
    await story.assert_reachable("1001")

    caller = await story.when_caller_dials()
    await caller.chooses("1")
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_the_engine_that_is_back_takes_over_who_waited_without_it(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(first_menu=None, policy=RINGS)
    await story.given_operators("1001")
    await story.when_the_engine_stops()
    caller = await story.when_caller_dials()
    unanswered = await story.phones.incoming("1001", SOON)

    await story.when_the_engine_is_back()
    assert await unanswered.ended(RINGS.ring + SOON) == "far"
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_fact(FactKind.OPERATOR_RUNG, agent="1001")
    await operator.answer()

    await story.assert_they_talk(caller, operator)
    assert caller.rtp.longest_silence(since=caller.call.at["answered"]) < 3.0
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)
    assert [each["state"] for each in record.recordings] == ["finished"]


async def test_who_was_in_the_menu_when_the_engine_went_gets_an_operator_from_the_next(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.given_operators("1001", behaviour=Answer(0.1))
    caller = await story.when_caller_dials()
    await caller.hears_the_centre()
    await story.when_the_engine_stops()

    await story.when_the_engine_is_back()
    await story.assert_fact(FactKind.CALL_ADOPTED, phase="ivr")
    await caller.rtp.press("1")
    operator = await story.phones.incoming("1001", SOON)

    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


def programs_of(folder: Path) -> list[str]:
    """Programs on this machine that were started with something in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().decode(errors="replace")
        except OSError:  # it ended just now
            continue
        if str(folder) in words:
            found.append(words)
    return found


def recorded_raw(folder: Path) -> list[Path]:
    return list(folder.glob("*.raw"))


def loudest(samples: audio.Samples, hertz: int) -> float:
    """The highest level (dBov) of one frequency in any half second."""
    parts = [samples[at : at + 4000] for at in range(0, samples.size - 4000, 2000)]
    return max(audio.tone_level_dbov(part, hertz) for part in parts)


async def test_stopping_the_centre_ends_its_calls_on_record_and_with_their_recordings(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",))
    caller, operator = await story.given_talking()

    await story.installation.stop()

    assert await operator.ended(SOON) == "far"
    (ended,) = story.told_of(FactKind.CALL_ENDED)
    assert (ended.data["result"], ended.data["reason"]) == ("server", "stopped")
    assert len(story.told_of(FactKind.RECORDING_FINISHED)) == 1
    assert ended.call is not None
    record = await story.stored(ended.call)
    assert record is not None
    assert record.call["result"] == "server"
    assert await caller.call.ended(SOON)
