"""One end of an RTP stream: it sends a tone, speech or silence, presses keys, and listens.

All parties of an event loop are paced by one task, so that two hundred of them cost little more
than their packets. Nothing is decoded until somebody measures.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import secrets
import socket
import struct
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np

from ess_pbx.phones import PhoneError, audio
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.rtp_pacer import FRAME_SECONDS, RtpPacer
from ess_pbx.phones.rtp_packet import (
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    KeyStep,
    RtpPacket,
    TelephoneEvent,
    key_steps,
)

FRAME_SAMPLES = 160
_ORDER_SECONDS = 1.0
"""Packets are kept as they came; none is out of order by more than this."""
_JUMP_SECONDS = 0.1
"""A packet this far from where its timestamp puts it starts a new stretch of the stream."""
_SO_TIMESTAMPNS = 35
"""Linux, socket(7): with each datagram comes when the kernel had it."""
_TIMESPEC = struct.Struct("@ll")
_DATAGRAM_BYTES = 2048

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Source:
    """Audio ready to be sent: A-law payloads of 20 ms. One that does not loop ends in silence."""

    frames: tuple[bytes, ...]
    loops: bool = True


@lru_cache(maxsize=64)
def tone(hertz: int, dbov: float = -13.0) -> Source:
    """A sine without end. Raises PhoneError as audio.tone_samples does."""
    return Source(_frames(audio.tone_samples(hertz, dbov)))


def speech(path: Path, *, loops: bool = True) -> Source:
    """A sound file of any rate. Raises PhoneError when it cannot be read."""
    return Source(_frames(audio.wav_samples(path)), loops)


def _frames(samples: audio.Samples) -> tuple[bytes, ...]:
    octets = audio.alaw_encoded(samples)
    last = octets[len(octets) - len(octets) % FRAME_SAMPLES :]
    whole = range(0, len(octets) - len(last), FRAME_SAMPLES)
    frames = [octets[at : at + FRAME_SAMPLES] for at in whole]
    if last:
        frames.append(last.ljust(FRAME_SAMPLES, audio.alaw_encoded(np.zeros(1, np.int16))))
    return tuple(frames)


SILENCE = Source(_frames(np.zeros(FRAME_SAMPLES, np.int16)))
"""A microphone in a quiet room: packets, but nothing in them."""
NO_PACKETS = Source(())
"""A phone whose audio never reaches us."""


@dataclass(frozen=True, slots=True)
class KeyHeard:
    """A key that was received whole; ``at`` in seconds of time.monotonic."""

    key: str
    at: float


class RtpParty(Listener):
    """A phone's media. ``local`` is known after ``start``; times are those of time.monotonic.

    A packet came when the kernel had it: on a busy machine this process may read it much later.
    """

    def __init__(self, source: Source = SILENCE, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.local: Address = (host, port)
        self.remote: Address | None = None
        self.packets_sent = 0
        self.packets_received = 0
        self.received_first_at: float | None = None
        self.keys_heard: list[KeyHeard] = []
        self._source = source
        self._frame = 0
        self._steps: list[KeyStep] = []
        self._steps_done: asyncio.Future[None] | None = None
        self._socket: socket.socket | None = None
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._talkspurt = True
        self._learns = True
        self._heard: list[tuple[float, int, bytes]] = []
        self._stretch: tuple[int, int, float] | None = None
        self._last_key: tuple[int, int] | None = None
        self._started_at = time.monotonic()

    async def __aenter__(self) -> RtpParty:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> Address:
        """Open the port and begin to send as soon as it is known where to; returns ``local``.

        Raises PhoneError when the port cannot be had.
        """
        if self._socket is not None:
            return self.local
        loop = asyncio.get_running_loop()
        line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            line.bind(self.local)
        except OSError as error:
            line.close()
            host, port = self.local
            raise PhoneError(f"no RTP port {host}:{port}: {error}; use port 0 for any") from error
        self._socket = line
        self.local = line.getsockname()
        self._started_at = time.monotonic()
        loop.add_reader(line, self._read)
        RtpPacer.of(loop).add(self)
        return self.local

    async def stop(self) -> None:
        """Send no more and close the port; what was heard can still be measured. Idempotent."""
        if self._socket is None:
            return
        loop = asyncio.get_running_loop()
        RtpPacer.of(loop).remove(self)
        loop.remove_reader(self._socket)
        self._read()
        self._socket.close()
        self._socket = None
        self._end_steps()

    def send_to(self, host: str, port: int) -> None:
        """Send there, whoever else sends here; unless told, to where the first packet is from."""
        self.remote = (host, port)

    def send_nowhere(self) -> None:
        """The call is over: send no more, and learn nothing from packets that are still coming."""
        self.remote, self._learns = None, False
        self._end_steps()

    def play(self, source: Source) -> None:
        """Send this from the next packet on."""
        self._source, self._frame = source, 0

    def restart_stream(self, behind: int) -> None:
        """Go on as another source would: a new SSRC, numbers that many behind (RFC 3550 §8)."""
        self._ssrc = secrets.randbits(32)
        self._sequence = (self._sequence - behind) & 0xFFFF
        self._talkspurt = True

    async def press(self, digits: str, *, held_ms: int = 160, pause_ms: int = 100) -> None:
        """Send keys as telephone-events in place of the audio; returns when the last is sent.

        Raises PhoneError for an unknown key, when it is not known where to send, or when the call
        ends before all keys are out.
        """
        if self._socket is None or self.remote is None:
            raise PhoneError(f"{digits!r} cannot be pressed: no call, so nowhere to send it to")
        steps = key_steps(digits, held_ms, pause_ms)
        while self._steps_done is not None and not self._steps_done.done():
            await asyncio.wait([self._steps_done])
        self._steps, self._steps_done = steps, asyncio.get_running_loop().create_future()
        await self._steps_done

    def samples(self, since: float, until: float) -> audio.Samples:
        """What was heard from ``since`` to ``until``; where no packet came there is silence."""
        self._read()
        size = max(round((until - since) * audio.SAMPLE_RATE), 0)
        out = np.zeros(size, np.int16)
        first = bisect.bisect_left(self._heard, (since - _ORDER_SECONDS,))
        last = bisect.bisect_right(self._heard, (until + _ORDER_SECONDS,))
        for at, law, payload in self._heard[first:last]:
            place = round((at - since) * audio.SAMPLE_RATE)
            start, end = max(place, 0), min(place + len(payload), size)
            if start < end:
                decoded = audio.g711_decoded(payload, audio.ULAW if law == PCMU else audio.ALAW)
                out[start:end] = decoded[start - place : end - place]
        return out

    def heard_until(self) -> float:
        """A packet that has not come by now may still be on its way: one frame ago."""
        return time.monotonic() - FRAME_SECONDS

    def heard_since(self) -> float:
        return self._started_at

    def name_for_errors(self) -> str:
        return (
            f"RTP party on port {self.local[1]} ({self.packets_received} packets received, "
            f"{self.packets_sent} sent)"
        )

    def save(self, path: Path) -> None:
        """Write all that was heard, from the first packet to the last, as WAV (8000 Hz, mono)."""
        if not self._heard:
            audio.save_wav(path, np.zeros(0, np.int16))
            return
        since, until = self._heard[0][0], self._heard[-1][0] + FRAME_SECONDS
        audio.save_wav(path, self.samples(since, until))

    # The wire

    def _read(self) -> None:
        """Take all packets that came."""
        while self._socket is not None:
            try:
                data, extra, _, addr = self._socket.recvmsg(
                    _DATAGRAM_BYTES, socket.CMSG_SPACE(_TIMESPEC.size)
                )
            except OSError:  # that was all
                return
            self._received(data, addr, _came_at(extra))

    def _received(self, data: bytes, addr: Address, came: float) -> None:
        packet = RtpPacket.parse(data)
        if packet is None:
            return
        self.packets_received += 1
        if self.received_first_at is None:
            self.received_first_at = came
        if self.remote is None and self._learns:
            self.remote = addr
        if packet.payload_type in (PCMA, PCMU):
            self._heard.append((self._place(packet, came), packet.payload_type, packet.payload))
        elif packet.payload_type == TELEPHONE_EVENT:
            self._key_received(packet, came)

    def _place(self, packet: RtpPacket, came: float) -> float:
        """When this packet's sound belongs: by its timestamp, as arrival jitters."""
        if self._stretch is not None:
            ssrc, timestamp, at = self._stretch
            ahead = (packet.timestamp - timestamp + 2**31) % 2**32 - 2**31
            place = at + ahead / audio.SAMPLE_RATE
            if ssrc == packet.ssrc and abs(place - came) < _JUMP_SECONDS:
                return place
        self._stretch = (packet.ssrc, packet.timestamp, came)
        return came

    def _key_received(self, packet: RtpPacket, came: float) -> None:
        event = TelephoneEvent.parse(packet.payload)
        stroke = (packet.ssrc, packet.timestamp)
        if event is not None and event.end and stroke != self._last_key:
            self._last_key = stroke
            self.keys_heard.append(KeyHeard(event.key, came))

    def send_frame(self) -> None:
        """Send what is due in this 20 ms; called by the pacer."""
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        if self._socket is None or self.remote is None:
            return
        if self._steps:
            self._send_step(self._steps.pop(0))
            return
        frames = self._source.frames
        if not frames:
            return
        if self._frame >= len(frames):
            frames, self._frame = (frames, 0) if self._source.loops else (SILENCE.frames, 0)
            self._source = self._source if self._source.loops else SILENCE
        self._send(PCMA, self._timestamp, frames[self._frame], marker=self._talkspurt)
        self._talkspurt = False
        self._frame += 1

    def _send_step(self, step: KeyStep) -> None:
        if step.event is not None:
            pressed_at = self._timestamp - FRAME_SAMPLES * step.steps_since_pressed
            self._send(TELEPHONE_EVENT, pressed_at, step.event.pack(), marker=step.marker)
        if not self._steps:
            self._talkspurt = True
            self._end_steps()

    def _end_steps(self) -> None:
        """Whoever pressed keys goes on; keys that are not out by now are lost."""
        lost = [s.event.key for s in self._steps if s.event is not None and not s.event.end]
        self._steps = []
        if self._steps_done is None or self._steps_done.done():
            return
        if lost:
            self._steps_done.set_exception(
                PhoneError(f"the call ended before {lost[-1]!r} was sent whole")
            )
        else:
            self._steps_done.set_result(None)

    def _send(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        packet = RtpPacket(payload_type, self._sequence, timestamp, self._ssrc, payload, marker)
        assert self._socket is not None  # noqa: S101 - send_frame looked
        assert self.remote is not None  # noqa: S101
        # What cannot be sent now is lost, as on any network.
        with contextlib.suppress(OSError):
            self._socket.sendto(packet.pack(), self.remote)
        self.packets_sent += 1

    def skip_frames(self, count: int) -> None:
        """Let that much of the stream pass unsent."""
        self._timestamp = (self._timestamp + FRAME_SAMPLES * count) & 0xFFFFFFFF


def _came_at(extra: list[tuple[int, int, bytes]]) -> float:
    """When the kernel had a datagram, in seconds of time.monotonic."""
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            since: float = time.time() - seconds - nanoseconds / 1e9
            return time.monotonic() - max(since, 0.0)
    return time.monotonic()
