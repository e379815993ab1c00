"""Who does not speak, who calls again and who is known for pranks, on the real Asterisk."""

from __future__ import annotations

import asyncio
import socket
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.domain.commands import Asker, ConfirmPrank, Via
from ess_pbx.domain.config import Policy
from ess_pbx.domain.facts import FactKind
from ess_pbx.installation import Installation
from ess_pbx.phones import audio
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.rtp import NO_PACKETS, SILENCE, RtpParty, Source, tone
from ess_pbx.phones.softphone import Answer

from .story import CALLER_TONE, QUICK, SOON, Caller, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

SOON_ASKED = replace(QUICK, ring=10, silent_after=2, silent_every=30, comfort=60)
ASK, ACCEPTED, OPERATOR_TOLD, MARKED = (
    *("tekan-lima-bila-diam", "diam-diterima", "penelepon-diam", "dicatat"),
)
NUMBERS = ("+6281234567890", "+6281234567891", "+6281234567892")
ALIKE = 0.45
"""How like a prompt what was heard must be, 1 being the same; other prompts stay below 0.35. A
packet lost on a busy machine costs much of it."""


async def given_trunks(
    given_centre: GivenCentre, policy: Policy = SOON_ASKED, count: int = 3, **options: object
) -> Story:
    """A centre without a menu, whose callers come over trunks of their own."""
    story = await given_centre(
        started=False, policy=policy, first_menu=None, greeting=None, **options
    )
    first = story.settings.trunks[0]
    others = [
        replace(first, id=f"telco-{number}", port=free_port(socket.SOCK_DGRAM))
        for number in range(1, count)
    ]
    story.settings = replace(story.settings, trunks=(first, *others))
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    return story


async def calls(story: Story, number: int, source: Source | None = None, trunk: int = 0) -> Caller:
    """Someone dials 112 and hears the centre."""
    caller = await story.when_caller_dials(
        number=NUMBERS[number],
        rtp=RtpParty(source or tone(CALLER_TONE)),
        from_port=story.settings.trunks[trunk].port,
    )
    await caller.hears_the_centre()
    return caller


def call_of(story: Story, number: int, which: int = -1) -> str:
    """The id of a number's call, the latest unless told."""
    call = story.told_of(FactKind.CALL_ARRIVED, caller_e164=NUMBERS[number])[which].call
    assert call is not None
    return call


async def assert_prompt(story: Story, listener: Listener, name: str, since: float) -> None:
    """This prompt is heard, in its own sound."""
    deadline = time.monotonic() + SOON
    while (alike := likeness(story, listener, name, since)) < ALIKE:
        wanted = f"{listener.name_for_errors()} hears {name}, likeness {alike:.2f}"
        assert time.monotonic() < deadline, wanted
        await asyncio.sleep(0.2)  # to compare takes the time of a packet or two


def likeness(story: Story, listener: Listener, name: str, since: float) -> float:
    """Where what was heard is most like half a second of a prompt, from 0 to 1."""
    heard = listener.samples(since, listener.heard_until()).astype(float)
    wanted = loudest_part(story.installation.folders.prompts / "id" / f"{name}.alaw")
    if heard.size < wanted.size:
        return 0.0
    length = 1 << (heard.size + wanted.size).bit_length()
    spectrum = np.fft.rfft(heard, length) * np.conj(np.fft.rfft(wanted, length))
    products = np.fft.irfft(spectrum, length)[: heard.size - wanted.size + 1]
    energies = np.maximum(energies_of(heard, wanted.size), 1.0)
    return float(np.max(products / np.sqrt(energies * np.sum(wanted**2))))


@cache
def loudest_part(spoken: Path) -> NDArray[np.float64]:
    """Half a second of a prompt."""
    samples = audio.g711_decoded(spoken.read_bytes(), audio.ALAW).astype(float)
    size = audio.SAMPLE_RATE // 2
    loudest = int(np.argmax(energies_of(samples, size)))
    return samples[loudest : loudest + size]


def energies_of(sound: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Of every stretch of that many samples."""
    sums = np.cumsum(np.concatenate(([0.0], sound**2)))
    energies: NDArray[np.float64] = sums[size:] - sums[:-size]
    return energies


async def test_who_cannot_speak_is_asked_presses_5_and_comes_first(
    given_centre: GivenCentre,
) -> None:
    story = await given_trunks(given_centre)
    earlier = await calls(story, 0)
    since = time.monotonic()
    silent = await calls(story, 1, SILENCE, trunk=1)

    # After what is being said, and on record when it begins.
    asked = await story.assert_fact(FactKind.ANNOUNCED, within=2 * SOON, prompt=ASK)
    assert asked.call == call_of(story, 1)
    await assert_prompt(story, silent.rtp, ASK, since)
    await silent.rtp.press("5")
    await story.assert_fact(FactKind.SILENT_CALLER, phase="waiting", priority=9)
    await assert_prompt(story, silent.rtp, ACCEPTED, since)
    await story.given_operators("1001", behaviour=Answer(0.1))
    operator = await story.phones.incoming("1001", SOON)

    assert "Penelepon diam, " in operator.caller_id
    assert [fact.call for fact in story.told_of(FactKind.OFFERED)] == [call_of(story, 1)]
    picked_up = await operator.answered(SOON)
    await assert_prompt(story, operator, OPERATOR_TOLD, picked_up)
    await silent.rtp.heard_tone(540, SOON)
    # From the operator's answer to the operator's voice no three seconds of silence.
    assert silent.rtp.longest_silence(picked_up - 0.5) < 3.0
    await earlier.call.hang_up(SOON)
    await silent.call.hang_up(SOON)
    await story.assert_all_released()
    assert story.engine.failed_requests == 0


@pytest.mark.parametrize("source", [SILENCE, NO_PACKETS], ids=["silence", "no-packets"])
async def test_who_sends_nothing_is_asked_and_who_speaks_is_not(
    given_centre: GivenCentre, source: Source
) -> None:
    # Who speaks is sent by this process, which may stand still a moment.
    policy = replace(SOON_ASKED, silent_after=4)
    story = await given_trunks(given_centre, policy)
    await calls(story, 0)
    await calls(story, 1, source, trunk=1)

    await story.assert_fact(FactKind.ANNOUNCED, within=2 * SOON, prompt=ASK)
    await asyncio.sleep(policy.silent_after)

    asked = {fact.call for fact in story.told_of(FactKind.ANNOUNCED, prompt=ASK)}
    assert asked == {call_of(story, 1)}


async def test_a_caller_who_says_nothing_to_the_operator_is_asked_and_both_hear_it(
    given_centre: GivenCentre,
) -> None:
    story = await given_trunks(given_centre, replace(SOON_ASKED, silent_after=3))
    await story.given_operators("1001", behaviour=Answer(0.1))
    caller = await story.when_caller_dials(rtp=RtpParty(SILENCE))
    operator = await story.phones.incoming("1001", SOON)
    answered = await operator.answered(SOON)
    await operator.play(None)

    await story.assert_fact(FactKind.ANNOUNCED, prompt=ASK)
    await assert_prompt(story, caller.rtp, ASK, answered)
    await assert_prompt(story, operator, ASK, answered)
    await caller.rtp.press("5")
    await story.assert_fact(FactKind.SILENT_CALLER, phase="talking")
    await assert_prompt(story, operator, OPERATOR_TOLD, answered)
    assert likeness(story, caller.rtp, OPERATOR_TOLD, answered) < ALIKE

    # Nobody was dropped, and the operator hears the caller again.
    caller.rtp.play(tone(CALLER_TONE))
    await operator.heard_tone(CALLER_TONE, SOON)
    assert story.told_of(FactKind.CALL_ENDED) == []


async def test_an_operator_marks_a_call_and_hears_that_it_was_noted(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    caller, operator = await story.given_talking()
    since = time.monotonic()

    await operator.press("*73#")

    marked = await story.assert_fact(FactKind.CALL_MARKED, mark="prank", by="1001", via="phone")
    assert marked.data["number"] == caller.number
    await assert_prompt(story, operator, MARKED, since)
    await story.assert_they_talk(caller, operator)
    await operator.press("*71#")
    await story.assert_fact(FactKind.CALL_MARKED, mark="normal")
    await caller.call.hang_up(SOON)
    record = await story.assert_one_ending(caller)
    assert record.call["mark"] == "normal"
    await until(lambda: "call_marked" in log_of(story), "the mark in the log")
    assert caller.number not in log_of(story)


def log_of(story: Story) -> str:
    return (story.folder / "engine.log").read_text()


async def test_a_prankster_waits_behind_a_later_caller_and_is_answered(
    given_centre: GivenCentre,
) -> None:
    story = await given_trunks(given_centre)
    by = Asker("penyelia", Via.CLI)
    refused = story.engine.dispatcher.command(ConfirmPrank(by, NUMBERS[0], "iseng tiap malam"))
    assert refused is None
    await calls(story, 0)
    await story.assert_fact(FactKind.PRANK_HELD, priority=1)
    later = await calls(story, 1, trunk=1)

    await story.given_operators("1001", behaviour=Answer(0.1))
    first = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(later, first)
    await story.given_operators("1002", behaviour=Answer(0.1))
    second = await story.phones.incoming("1002", SOON)
    await story.assert_they_talk(story.callers[0], second)

    offered = [fact.call for fact in story.told_of(FactKind.OFFERED)]
    assert offered == [call_of(story, 1), call_of(story, 0)]
    await until(lambda: "prank_confirmed" in log_of(story), "the confirmation in the log")
    assert NUMBERS[0] not in log_of(story)


async def test_who_calls_again_comes_before_an_earlier_caller(given_centre: GivenCentre) -> None:
    story = await given_trunks(given_centre)
    await calls(story, 1, trunk=1)
    in_vain = await calls(story, 0)
    await in_vain.call.hang_up(SOON)
    await story.assert_fact(FactKind.CALL_ENDED, reason="abandoned")

    again = await calls(story, 0, trunk=2)
    redial = await story.assert_fact(FactKind.REDIAL, earlier=call_of(story, 0, 0))
    await story.given_operators("1001", behaviour=Answer(0.1))
    operator = await story.phones.incoming("1001", SOON)

    assert redial.call == call_of(story, 0)
    await story.assert_they_talk(again, operator)


async def test_a_trunks_priority_decides_where_nothing_else_does(given_centre: GivenCentre) -> None:
    story = await given_centre(started=False, policy=SOON_ASKED, first_menu=None, greeting=None)
    (trunk,) = story.settings.trunks
    urgent = replace(trunk, id="telco-b", port=free_port(socket.SOCK_DGRAM), priority=8)
    story.settings = replace(story.settings, trunks=(trunk, urgent))
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    await calls(story, 0)
    await calls(story, 1, trunk=1)

    await story.assert_fact(FactKind.QUEUED, priority=5)
    await story.assert_fact(FactKind.QUEUED, priority=8)
