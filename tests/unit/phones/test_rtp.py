import asyncio
import itertools
import math
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ess_pbx.phones import PhoneError, PhoneTimeoutError, audio
from ess_pbx.phones.rtp import RtpParty, speech, tone
from ess_pbx.phones.rtp_packet import PCMA, PCMU, RtpPacket


async def until(is_true: Callable[[], bool], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not is_true():  # noqa: ASYNC110 - packets come from the network
            await asyncio.sleep(0.005)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[RtpParty, RtpParty]]:
    """A knows where B is; B learns where A is from its first packet."""
    async with RtpParty(tone(440)) as a, RtpParty(tone(620)) as b:
        a.send_to(*b.local)
        yield a, b


async def test_two_parties_hear_each_other_and_not_themselves(
    pair: tuple[RtpParty, RtpParty],
) -> None:
    a, b = pair
    await asyncio.gather(a.heard_tone(620, within=5), b.heard_tone(440, within=5))

    def hears_b_alone() -> bool:
        # Where packets were late there are gaps, which cost level and sound at every frequency.
        whole = a.tone_level_dbov(620) == pytest.approx(-13, abs=0.5)
        return whole and a.tone_level_dbov(440) < -50

    await until(hears_b_alone)
    assert b.remote == a.local
    assert a.received_first_at is not None


async def test_a_pressed_key_replaces_the_audio_and_is_heard_once(
    pair: tuple[RtpParty, RtpParty],
) -> None:
    a, b = pair
    await b.heard_tone(440, within=5)
    await a.press("1#", held_ms=80, pause_ms=60)
    await until(lambda: len(b.keys_heard) >= 2)
    await b.heard_tone(440, within=5)
    assert [k.key for k in b.keys_heard] == ["1", "#"]
    assert b.longest_silence(since=b.received_first_at) >= 0.2


async def test_keys_pressed_by_two_at_once_follow_each_other(
    pair: tuple[RtpParty, RtpParty],
) -> None:
    a, b = pair
    await asyncio.gather(
        a.press("12", held_ms=40, pause_ms=40), a.press("3", held_ms=40, pause_ms=40)
    )
    await until(lambda: len(b.keys_heard) >= 3)
    await b.heard_tone(440, within=5)
    assert "".join(k.key for k in b.keys_heard) == "123"


async def test_the_stream_has_one_ssrc_steady_numbers_and_160_units_a_packet() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.setblocking(False)
        async with RtpParty(tone(440)) as party:
            party.send_to(*wire.getsockname())
            loop = asyncio.get_running_loop()
            packets = [
                RtpPacket.parse(await asyncio.wait_for(loop.sock_recv(wire, 2000), 5))
                for _ in range(10)
            ]
    heard = [p for p in packets if p]
    assert len(heard) == 10
    assert len({p.ssrc for p in heard}) == 1
    assert {(b.sequence - a.sequence) % 65536 for a, b in itertools.pairwise(heard)} == {1}
    # Where a process stands still whole frames are left out.
    steps = [(b.timestamp - a.timestamp) % 2**32 for a, b in itertools.pairwise(heard)]
    assert min(steps) == 160
    assert {step % 160 for step in steps} == {0}
    assert [p.marker for p in heard] == [True] + [False] * 9


async def test_the_pace_is_one_packet_each_20_ms(pair: tuple[RtpParty, RtpParty]) -> None:
    a, b = pair
    await b.heard_sound(within=5)
    await assert_paced(a)


async def assert_paced(party: RtpParty) -> None:
    """Its stream goes on as fast as the clock, within 6 %, however late single packets are."""

    async def most_ahead() -> float:
        """How far its numbers are before the clock where they are furthest, in half a second."""
        ends, most = time.monotonic() + 0.5, -math.inf
        while time.monotonic() < ends:
            most = max(most, party._timestamp / audio.SAMPLE_RATE - time.monotonic())
            await asyncio.sleep(0.005)
        return most

    before = await most_ahead()
    async with asyncio.timeout(10):
        while abs((after := await most_ahead()) - before) > 0.03:
            before = after


async def test_a_time_without_packets_is_silence(pair: tuple[RtpParty, RtpParty]) -> None:
    a, b = pair
    await b.heard_tone(440, within=5)
    await a.stop()
    stopped = time.monotonic()
    await until(lambda: b.heard_until() >= stopped + 0.4)
    # What was on its way is in time still: 20 ms a packet, by its own number.
    assert b.longest_silence(stopped - 0.1, stopped + 0.4) == pytest.approx(0.4, abs=0.1)
    assert b.level_dbov(stopped + 0.1, stopped + 0.3) == audio.SILENCE_DBOV


async def test_what_came_while_this_process_stood_still_is_heard_at_the_time_it_came() -> None:
    packet = RtpPacket(PCMA, 0, 0, 7, tone(440).frames[0]).pack()
    async with RtpParty() as party:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.sendto(packet, party.local)
        sent = time.monotonic()
        time.sleep(0.5)  # noqa: ASYNC251 - nothing else is done meanwhile
        await until(lambda: party.packets_received == 1)
    assert party.received_first_at == pytest.approx(sent, abs=0.2)
    assert party.level_dbov(sent - 0.2, sent + 0.2) > audio.QUIET_DBOV


async def test_what_was_not_read_yet_is_no_silence() -> None:
    packet = RtpPacket(PCMA, 0, 0, 7, tone(440).frames[0]).pack()
    async with RtpParty() as party:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.sendto(packet, party.local)
        # The loop had no turn to read it.
        since = party.heard_since()
        assert party.level_dbov(since, since + 0.3) > audio.QUIET_DBOV


async def test_mulaw_is_decoded_as_mulaw() -> None:
    async with RtpParty() as party:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            for n in range(3):
                packet = RtpPacket(PCMU, n, 160 * n, 7, b"\x80" * 160)
                far.sendto(packet.pack(), party.local)
            await until(lambda: party.packets_received == 3)
    first = party.received_first_at
    assert first is not None
    assert party.samples(first, first + 0.06).tolist() == [32124] * 480


async def test_what_was_heard_is_saved_as_wav(
    pair: tuple[RtpParty, RtpParty], tmp_path: Path
) -> None:
    _, b = pair
    await until(lambda: b.packets_received >= 20)
    b.save(tmp_path / "heard.wav")
    saved = audio.wav_samples(tmp_path / "heard.wav")
    assert saved.size >= 19 * 160
    # By the piece, for a packet that came late leaves a gap.
    pieces = [saved[at : at + 160] for at in range(0, saved.size - 159, 160)]
    level = statistics.median(audio.tone_level_dbov(piece, 440) for piece in pieces)
    assert level == pytest.approx(-13, abs=0.5)


async def test_a_file_that_does_not_loop_ends_in_silence(tmp_path: Path) -> None:
    audio.save_wav(tmp_path / "short.wav", audio.tone_samples(500, -13, 0.3))
    async with RtpParty(speech(tmp_path / "short.wav", loops=False)) as a, RtpParty() as b:
        a.send_to(*b.local)
        await until(lambda: b.packets_received >= 30)
        await until(lambda: audio.level_dbov(b.latest()) < audio.QUIET_DBOV)
        first = b.received_first_at
        assert first is not None
        assert b.tone_level_dbov(500, (first, first + 0.2)) > -25


async def test_waiting_for_a_tone_that_never_comes_says_what_was_heard() -> None:
    async with RtpParty() as party:
        with pytest.raises(PhoneTimeoutError, match=r"0 packets received.*440 Hz.*within 0\.1 s"):
            await party.heard_tone(440, within=0.1)


async def test_a_key_cannot_be_pressed_before_there_is_a_call() -> None:
    async with RtpParty() as party:
        with pytest.raises(PhoneError, match="nowhere to send"):
            await party.press("1")


async def test_a_port_that_is_taken_is_named() -> None:
    async with RtpParty() as party:
        with pytest.raises(PhoneError, match=f"no RTP port 127.0.0.1:{party.local[1]}"):
            await RtpParty(port=party.local[1]).start()


async def test_pressing_keys_into_a_call_that_ends_says_which_key_was_lost(
    pair: tuple[RtpParty, RtpParty],
) -> None:
    a, b = pair
    pressing = asyncio.create_task(a.press("12", pause_ms=4000))
    await until(lambda: len(b.keys_heard) == 1)
    a.send_nowhere()
    with pytest.raises(PhoneError, match="ended before '2' was sent"):
        await asyncio.wait_for(pressing, 5)


async def test_a_call_over_is_not_taken_up_again_by_a_late_packet(
    pair: tuple[RtpParty, RtpParty],
) -> None:
    a, b = pair
    await b.heard_sound(within=5)
    b.send_nowhere()
    heard, sent = b.packets_received, b.packets_sent
    await until(lambda: b.packets_received >= heard + 3)
    assert b.packets_sent == sent
    assert a.packets_sent > 0


async def test_200_parties_in_one_process_keep_their_pace() -> None:
    parties = [RtpParty(tone(440)) for _ in range(200)]
    for party in parties:
        await party.start()
    for a, b in zip(parties[::2], parties[1::2], strict=True):
        a.send_to(*b.local)
    await until(lambda: min(p.packets_received for p in parties) >= 40, within=10)
    await assert_paced(parties[-1])
    for party in parties:
        await party.stop()
