"""One call of a softphone, and what it heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ess_pbx.phones import PhoneError, PhoneTimeoutError, audio
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.rtp import KeyHeard

_WAV_HEADER = 44
Ask = Callable[..., Awaitable[Any]]


class SoftCall(Listener):
    """A call of a registered phone. ``at`` holds when each step was first seen (monotonic).

    What it heard is read from the recording that pjsua is writing, about 0.25 s behind.
    """

    def __init__(self, name: str, account: str, caller_id: str, ask: Ask) -> None:
        self.name = name
        self.account = account
        self.caller_id = caller_id
        """The From of a call that came in, as pjsua shows it."""
        self.at: dict[str, float] = {}
        self.keys_heard: list[KeyHeard] = []
        self.recording: Path | None = None
        self.has_media = False
        self.ended_by: str | None = None
        """``near`` or ``far``, once the call is over."""
        self.end_status = 0
        """The SIP status it ended with: 200 after a normal BYE."""
        self.transfer_status = 0
        self.transfer_told: list[int] = []
        self._ask = ask
        self._recorded_since = 0.0
        self._changed = asyncio.Event()
        self._failure: str | None = None

    async def answer(self) -> None:
        """Answer now. Raises PhoneError when the call is gone."""
        await self._ask("answer", call=self.name)

    async def hang_up(self, within: float = 5.0, status: int = 0) -> None:
        """Hang up now and wait until it is over; ``status`` refuses an unanswered call with it.

        Nothing happens when it is over already. Raises PhoneTimeoutError.
        """
        if self.ended_by is None:
            await self._ask("hang_up", call=self.name, status=status)
            await self.ended(within)

    async def press(self, digits: str) -> None:
        """Send keys (RFC 4733). Raises PhoneError when there is no media."""
        await self._ask("press", call=self.name, digits=digits)

    async def hold(self, within: float = 5.0) -> None:
        """Put the other side on hold by re-INVITE, and wait until it is."""
        await self._ask("hold", call=self.name)
        await self._until(lambda: not self.has_media, "held", within)

    async def unhold(self, within: float = 5.0) -> None:
        """Take the other side back, and wait until there is audio again."""
        await self._ask("unhold", call=self.name)
        await self._until(lambda: self.has_media, "taken back", within)

    async def transfer(
        self, uri: str, headers: Mapping[str, str] | None = None, *, stays: bool = False
    ) -> None:
        """Ask by REFER for a transfer to a SIP URI, which may name a call to be replaced.

        Once it is done this phone leaves, unless it ``stays``. ``transfer_status`` gets what it
        was told last, ``transfer_told`` all of it. Raises PhoneError when it cannot be asked for.
        """
        named = dict(headers or {})
        await self._ask("transfer", call=self.name, uri=uri, headers=named, stays=stays)

    async def transfer_to(self, other: SoftCall) -> None:
        """Attended transfer: REFER whose Refer-To replaces another call of this phone."""
        await self._ask("transfer_to_call", call=self.name, other=other.name)

    async def play(self, sound: Path | None) -> None:
        """Send this WAV file without end; None sends silence."""
        await self._ask("play", call=self.name, sound=str(sound) if sound else None)

    async def answered(self, within: float) -> float:
        """Wait until the call stands; returns when. Raises PhoneError, PhoneTimeoutError."""
        return await self._reached("answered", within)

    async def media(self, within: float) -> float:
        """Wait until audio can flow; returns when. Raises PhoneError, PhoneTimeoutError."""
        return await self._reached("media", within)

    async def ended(self, within: float) -> str:
        """Wait for the end; returns ``near`` or ``far``. Raises PhoneTimeoutError."""
        await self._until(lambda: self.ended_by is not None, "ended", within)
        return self.ended_by or "far"

    async def key(self, key: str, within: float) -> float:
        """Wait until that key was heard; returns when. Raises PhoneTimeoutError."""
        await self._until(lambda: key in [k.key for k in self.keys_heard], f"sent {key}", within)
        return next(k.at for k in self.keys_heard if k.key == key)

    def samples(self, since: float, until: float) -> audio.Samples:
        """What was heard in that time, silence where the recording does not reach."""
        out = np.zeros(max(round((until - since) * audio.SAMPLE_RATE), 0), np.int16)
        recorded = self._recorded()
        place = round((self._recorded_since - since) * audio.SAMPLE_RATE)
        first, last = max(place, 0), min(place + recorded.size, out.size)
        if first < last:
            out[first:last] = recorded[first - place : last - place]
        return out

    def heard_since(self) -> float:
        return self._recorded_since

    def heard_until(self) -> float:
        return self._recorded_since + self._recorded().size / audio.SAMPLE_RATE

    def name_for_errors(self) -> str:
        return f"softphone {self.account} in call {self.name} ({', '.join(self.at)})"

    def happened(self, event: dict[str, Any]) -> None:
        """The phone's process reports on this call; its driver calls this."""
        name, at = event["event"], float(event["at"])
        self.at.setdefault(name, at)
        if name == "media":
            self.has_media = True
            if self.recording is None:
                self.recording, self._recorded_since = Path(event["recording"]), at
        elif name == "media_off":
            self.has_media = False
        elif name == "key":
            self.keys_heard.append(KeyHeard(event["key"], at))
        elif name == "transfer":
            self.transfer_status = event["status"]
            self.transfer_told.append(event["status"])
        elif name == "ended":
            self.has_media = False
            self.ended_by, self.end_status = event["by"], event["status"]
        self._changed.set()

    def failed(self, reason: str) -> None:
        """The phone's process is gone."""
        self._failure = reason
        self._changed.set()

    def _recorded(self) -> audio.Samples:
        if self.recording is None or not self.recording.exists():
            return np.zeros(0, np.int16)
        octets = self.recording.read_bytes()[_WAV_HEADER:]
        return np.frombuffer(octets[: len(octets) & ~1], np.int16)

    async def _reached(self, step: str, within: float) -> float:
        await self._until(lambda: step in self.at or self.ended_by is not None, step, within)
        if step not in self.at:
            raise PhoneError(
                f"call {self.name} of softphone {self.account} was not {step}: "
                f"ended by the {self.ended_by} side with {self.end_status}"
            )
        return self.at[step]

    async def _until(self, is_true: Callable[[], bool], wanted: str, within: float) -> None:
        deadline = time.monotonic() + within
        while not is_true():
            if self._failure is not None:
                raise PhoneError(f"call {self.name} was not {wanted}: {self._failure}")
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), max(deadline - time.monotonic(), 0))
            except TimeoutError:
                raise PhoneTimeoutError(
                    f"call {self.name} of softphone {self.account} was not {wanted} within "
                    f"{within} s; seen: {', '.join(self.at) or 'nothing'}"
                ) from None
