"""One call that a SIPp process has: what happened to it, and what it is told to do."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ess_pbx.phones import CallRefusedError, PhoneError, PhoneTimeoutError
from ess_pbx.phones.rtp import RtpParty

Step = Literal[
    "invited", "trying", "ringing", "progress", "answered", "reinvited",
    "refused", "cancelled", "ended",
]  # fmt: skip
_STEPS: frozenset[str] = frozenset(Step.__args__)  # type: ignore[attr-defined]
_OVER: frozenset[str] = frozenset({"refused", "cancelled", "ended"})
_RING_PATIENCE = 1.0
"""Seconds: a CANCEL may only follow a provisional response (RFC 3261 section 9.1)."""


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended: ``ended`` by BYE, ``cancelled`` before the answer, or ``refused``.

    ``by`` is ``near`` for this phone, ``far`` for the other side; ``status`` that of a refusal.
    """

    how: Literal["ended", "cancelled", "refused"]
    by: Literal["near", "far"]
    status: int | None = None


class SippCall:
    """A call of a caller or an agency. ``at`` holds when each step was first seen (monotonic)."""

    def __init__(
        self,
        call_id: str,
        rtp: RtpParty | None,
        *,
        incoming: bool,
        tell: Callable[[str, str], None],
    ) -> None:
        self.call_id = call_id
        self.rtp = rtp
        self.incoming = incoming
        self.caller_id = ""
        """The From of an incoming call, as it came."""
        self.uri = self.asserted = self.priority = ""
        """Its Request-URI, P-Asserted-Identity and Priority; empty where there is none."""
        self.at: dict[str, float] = {}
        self.end: CallEnd | None = None
        self.failure: str | None = None
        self._tell = tell
        self._media: tuple[str, int] | None = None
        self._changed = asyncio.Event()

    async def ringing(self, within: float) -> float:
        """Wait for 180; returns when it came. Raises as ``reached`` does."""
        return await self.reached("ringing", within)

    async def answered(self, within: float) -> float:
        """Wait until the call stands (200 and ACK); returns when. Raises as ``reached`` does."""
        return await self.reached("answered", within)

    async def ended(self, within: float) -> CallEnd:
        """Wait for the end, whoever makes it. Raises PhoneError or PhoneTimeoutError."""
        await self._until(lambda: self.end is not None, "end", within)
        assert self.end is not None  # noqa: S101 - what was waited for
        return self.end

    async def reached(self, step: Step, within: float) -> float:
        """Wait for a step of the call; returns when it came (monotonic seconds).

        Raises CallRefusedError when the other side refuses, PhoneError when the call ends
        otherwise or SIPp fails before that step, PhoneTimeoutError after ``within`` seconds.
        """
        await self._until(lambda: step in self.at or self.end is not None, step, within)
        if step in self.at:
            return self.at[step]
        assert self.end is not None  # noqa: S101 - what was waited for
        message = f"call {self.call_id} was not {step}: {self.end.how} {self.end.status or ''}"
        if self.end.how == "refused":
            raise CallRefusedError(message, self.end.status or 0)
        raise PhoneError(f"{message.rstrip()} by the {self.end.by} side")

    def answer(self) -> None:
        """Answer this incoming call now (200 with SDP)."""
        if not self.incoming:
            raise PhoneError(f"call {self.call_id} cannot be answered: this phone made it")
        self._tell("ANSWER", self.call_id)

    async def hang_up(self, within: float = 5.0) -> CallEnd:
        """Hang up now: BYE, or CANCEL (603 for an incoming call) before the answer.

        Returns when the other side has confirmed it, or when the call was over already.
        Raises PhoneTimeoutError when nothing confirms it within that many seconds.
        """
        if not self.incoming:
            await self._until(lambda: "invited" in self.at, "invited", within)
            patience = min(_RING_PATIENCE, within)
            with contextlib.suppress(PhoneTimeoutError):
                await self._until(lambda: len(self.at) > 1, "answered in any way", patience)
        if self.end is None:
            self._tell("HANGUP", self.call_id)
        return await self.ended(within)

    def happened(self, step: str, words: list[str]) -> None:
        """SIPp reports a step of this call; its process calls this."""
        if step not in _STEPS:
            raise PhoneError(f"SIPp reported {step!r}; expected one of {sorted(_STEPS)}")
        self.at.setdefault(step, time.monotonic())
        if step in _OVER:
            self._over(step, words)
            self._changed.set()
            return
        if len(words) >= 2 and words[1].isdigit():
            self._media = (words[0], int(words[1]))
        # A phone that only rings is silent, though it knows where its audio would go.
        if self.rtp is not None and self._media is not None and "answered" in self.at:
            self.rtp.send_to(*self._media)
        self._changed.set()

    def failed(self, reason: str) -> None:
        """SIPp gave the call up, or its process ended."""
        if self.end is None and self.failure is None:
            self.failure = reason
            self._changed.set()
            if self.rtp is not None:
                self.rtp.send_nowhere()

    def _over(self, step: str, words: list[str]) -> None:
        # Only the side that made a call cancels it, and only the other refuses it.
        if step == "cancelled":
            self.end = CallEnd("cancelled", "far" if self.incoming else "near")
        elif step == "refused":
            self.end = CallEnd("refused", "near" if self.incoming else "far", int(words[0]))
        else:
            self.end = CallEnd("ended", "near" if words[:1] == ["near"] else "far")
        if self.rtp is not None:
            self.rtp.send_nowhere()

    async def _until(self, is_true: Callable[[], bool], wanted: str, within: float) -> None:
        deadline = time.monotonic() + within
        while not is_true():
            if self.failure is not None:
                raise PhoneError(f"call {self.call_id} was not {wanted}: {self.failure}")
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), max(deadline - time.monotonic(), 0))
            except TimeoutError:
                seen = ", ".join(self.at) or "nothing"
                raise PhoneTimeoutError(
                    f"call {self.call_id} was not {wanted} within {within} s; seen: {seen}"
                ) from None
