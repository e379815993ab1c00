"""RTP (RFC 3550) and telephone-event (RFC 4733) as they are on the wire."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ess_pbx.phones import PhoneError

PCMU = 0
PCMA = 8
TELEPHONE_EVENT = 101
"""Payload types: the first two by RFC 3551, the last as our SDP and Asterisk's have it."""

KEYS = "0123456789*#ABCD"
"""Each key's event code is its place here (RFC 4733 section 3.2)."""

_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_VERSION_2 = 0x80


@dataclass(frozen=True, slots=True)
class RtpPacket:
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def pack(self) -> bytes:
        kind = self.payload_type | (0x80 if self.marker else 0)
        header = _HEADER.pack(
            _VERSION_2, kind, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc
        )
        return header + self.payload

    @classmethod
    def parse(cls, datagram: bytes) -> RtpPacket | None:
        """The packet, or None for what is no RTP (STUN, RTCP on the same port, noise)."""
        if len(datagram) < _HEADER.size:
            return None
        first, kind, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
        if first >> 6 != 2 or 64 <= kind & 0x7F <= 95:  # RFC 5761 section 4: those are RTCP
            return None
        start = _HEADER.size + 4 * (first & 0x0F)
        if first & 0x10:
            if len(datagram) < start + 4:
                return None
            start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
        end = len(datagram)
        if first & 0x20:
            end -= datagram[-1]
        if start > end:
            return None
        return cls(kind & 0x7F, sequence, timestamp, ssrc, datagram[start:end], bool(kind & 0x80))


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    """One report of a key: ``duration`` in timestamp units (1/8000 s), ``volume`` in -dBm0."""

    key: str
    end: bool
    duration: int
    volume: int = 10

    def pack(self) -> bytes:
        return _EVENT.pack(
            KEYS.index(self.key), (0x80 if self.end else 0) | self.volume, self.duration
        )

    @classmethod
    def parse(cls, payload: bytes) -> TelephoneEvent | None:
        """The report, or None when it is too short or of no key (flash, tones)."""
        if len(payload) < _EVENT.size:
            return None
        code, flags, duration = _EVENT.unpack_from(payload)
        if code >= len(KEYS):
            return None
        return cls(KEYS[code], bool(flags & 0x80), duration, flags & 0x3F)


@dataclass(frozen=True, slots=True)
class KeyStep:
    """What goes out in one 20 ms step while keys are sent; ``event`` None is a pause."""

    event: TelephoneEvent | None
    marker: bool = False
    steps_since_pressed: int = 0


def key_steps(digits: str, held_ms: int, pause_ms: int) -> list[KeyStep]:
    """The steps that send these keys: updates, the end three times (section 2.5.1.4), a pause.

    Raises PhoneError for a key that no telephone has.
    """
    steps: list[KeyStep] = []
    held = max(held_ms // 20, 2)
    for key in digits.upper():
        if key not in KEYS:
            raise PhoneError(f"{digits!r} cannot be pressed: {key!r} is none of {KEYS}")
        for step in range(held):
            ended = step == held - 1
            event = TelephoneEvent(key, ended, 160 * (step + 1))
            steps.append(KeyStep(event, marker=step == 0, steps_since_pressed=step))
        end = TelephoneEvent(key, end=True, duration=160 * held)
        steps += [KeyStep(end, steps_since_pressed=held + again) for again in range(2)]
        steps += [KeyStep(None)] * (pause_ms // 20)
    return steps
