"""Callers through a trunk, agencies' phones and those called back, as SIPp with our media.

::

    async with SippCallers(asterisk, [Invite("112", caller="+628123", rtp=party)], folder) as sipp:
        call = sipp.calls[0]
        await call.answered(within=5)
        await party.press("1")
        await call.hang_up()
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from ess_pbx.phones import PhoneError, PhoneTimeoutError
from ess_pbx.phones.rtp import RtpParty
from ess_pbx.phones.sipp_call import CallEnd, SippCall
from ess_pbx.phones.sipp_process import Address, SippProcess

__all__ = ["CallEnd", "Invite", "SippAgency", "SippCall", "SippCallers"]

CallerScenario = Literal[
    "uac-invite-112-wait-bye", "uac-invite-cancel", "uac-invite-expect-refused"
]
AgencyScenario = Literal["uas-agency-ring-answer", "uas-agency-busy", "uas-agency-no-answer"]

ANONYMOUS = "anonymous"
_NO_MEDIA_PORT = 9
"""RFC 863: where nobody listens, for a call whose media is nobody's."""


@dataclass(frozen=True)
class Invite:
    """One call to make.

    ``dialled`` is a number or a whole SIP URI (``urn:`` too). ``caller`` stands in From;
    ``identity`` in P-Asserted-Identity: the caller's number when None, no header when "".
    """

    dialled: str
    caller: str = ANONYMOUS
    identity: str | None = None
    display: str = ""
    rtp: RtpParty | None = None

    def row(self, target: Address, local: Address) -> list[str]:
        """[field0] to [field4] of the uac scenarios."""
        host, port = target
        uri = self.dialled if ":" in self.dialled else f"sip:{self.dialled}@{host}:{port}"
        display = f'"{self.display}" ' if self.display else ""
        domain = "anonymous.invalid" if self.caller == ANONYMOUS else local[0]
        asserted = self.identity
        if asserted is None:
            asserted = "" if self.caller == ANONYMOUS else self.caller
        header = f"P-Asserted-Identity: <sip:{asserted}@{local[0]}>" if asserted else ""
        media = self.rtp.local if self.rtp else (local[0], _NO_MEDIA_PORT)
        return [uri, f"{display}<sip:{self.caller}@{domain}>", header, media[0], str(media[1])]


class SippCallers:
    """Calls into a trunk from one SIP port. RTP parties are started and stopped with it."""

    def __init__(
        self,
        target: Address,
        invites: Sequence[Invite],
        folder: Path,
        *,
        local: Address = ("127.0.0.1", 0),
        scenario: CallerScenario = "uac-invite-112-wait-bye",
        per_second: float = 10.0,
        at_once: int | None = None,
        time_limit: int = 300,
    ) -> None:
        """``per_second`` and ``at_once`` pace many calls; after ``time_limit`` s SIPp gives up."""
        if not invites:
            raise PhoneError("SippCallers has no call to make; expected at least one Invite")
        self._target, self._invites = target, invites
        self._process = SippProcess(
            scenario, folder, local=local, report=self._report, ended=self._ended
        )
        token = uuid.uuid4().hex[:12]
        # %u counts calls from 1, so each Call-ID is known before SIPp runs.
        self._options = [
            *("-m", str(len(invites)), "-cid_str", f"{token}-%u@{local[0]}"),
            *("-r", str(max(round(per_second * 60), 1)), "-rp", "60000"),
            *("-l", str(at_once or len(invites))),
            *("-timeout", f"{time_limit}s", "-timeout_error"),
        ]
        self.calls = [
            SippCall(f"{token}-{n}@{local[0]}", invite.rtp, incoming=False, tell=self._process.tell)
            for n, invite in enumerate(invites, start=1)
        ]
        self._by_id = {call.call_id: call for call in self.calls}

    @property
    def local(self) -> Address:
        """Where the calls come from."""
        return self._process.local

    async def __aenter__(self) -> SippCallers:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Make the calls. Raises as SippProcess.start does."""
        try:
            for invite in self._invites:
                if invite.rtp is not None:
                    await invite.rtp.start()
            rows = [invite.row(self._target, self.local) for invite in self._invites]
            await self._process.start(rows, self._options, self._target)
        except BaseException:
            await self.close()
            raise

    async def finished(self, within: float) -> None:
        """Wait until all calls are over. Raises PhoneError with SIPp's words when one failed."""
        await self._process.finished(within)

    async def hang_up_all(self, within: float = 5.0) -> None:
        """Hang up whatever call still stands. Raises PhoneTimeoutError as SippCall.hang_up."""
        standing = [c for c in self.calls if "invited" in c.at and c.end is None and not c.failure]
        await asyncio.gather(*(call.hang_up(within) for call in standing))

    async def close(self) -> None:
        """End SIPp and the media at once, without a BYE. Idempotent."""
        await self._process.close()
        for invite in self._invites:
            if invite.rtp is not None:
                await invite.rtp.stop()

    def _report(self, words: list[str]) -> None:
        step, call_id, *rest = words
        self._by_id[call_id].happened(step, rest)

    def _ended(self, reason: str) -> None:
        for call in self.calls:
            call.failed(reason)


class SippAgency:
    """An agency's phone. ``lines`` are its RTP parties: the n-th call has the n-th of them."""

    def __init__(
        self,
        folder: Path,
        lines: Sequence[RtpParty],
        *,
        local: Address = ("127.0.0.1", 0),
        scenario: AgencyScenario = "uas-agency-ring-answer",
        answer_after: float | None = 0.0,
        time_limit: int = 3600,
    ) -> None:
        """``answer_after`` seconds of ringing; None rings until ``SippCall.answer``."""
        if not lines:
            raise PhoneError("SippAgency has no line; expected at least one RtpParty")
        self._lines = lines
        self._process = SippProcess(
            scenario, folder, local=local, report=self._report, ended=self._ended
        )
        self._answer_after = answer_after if scenario == "uas-agency-ring-answer" else None
        self._options = ["-timeout", f"{time_limit}s", "-aa"]
        self.calls: list[SippCall] = []
        self._taken = 0
        self._came = asyncio.Event()
        self._failure: str | None = None

    @property
    def local(self) -> Address:
        """Where it can be called."""
        return self._process.local

    async def __aenter__(self) -> SippAgency:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Be there to be called. Raises as SippProcess.start does."""
        try:
            for line in self._lines:
                await line.start()
            rows = [[line.local[0], str(line.local[1])] for line in self._lines]
            await self._process.start(rows, self._options)
        except BaseException:
            await self.close()
            raise

    async def invited(self, within: float) -> SippCall:
        """The next call that comes in, which is ringing then.

        Raises PhoneTimeoutError when none comes within that many seconds.
        """
        deadline = time.monotonic() + within
        while len(self.calls) <= self._taken:
            host, port = self.local
            if self._failure is not None:
                raise PhoneError(f"agency at {host}:{port} is gone: {self._failure}")
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), max(deadline - time.monotonic(), 0))
            except TimeoutError:
                raise PhoneTimeoutError(
                    f"agency at {host}:{port} was not called within {within} s"
                ) from None
        self._taken += 1
        return self.calls[self._taken - 1]

    async def close(self) -> None:
        """End SIPp and the media at once, without a BYE. Idempotent."""
        await self._process.close()
        for line in self._lines:
            await line.stop()

    def _report(self, words: list[str]) -> None:
        step, call_id, *rest = words
        if step == "invited":
            self._invited(call_id, rest)
            return
        for call in self.calls:
            if call.call_id != call_id:
                continue
            if step == "asked":
                call.uri, call.asserted, call.priority = " ".join(rest).split("|")
            else:
                call.happened(step, rest)

    def _invited(self, call_id: str, words: list[str]) -> None:
        our_port, *rest = words
        # An INVITE without SDP names no media; then the address and port are missing here.
        media = rest[:2] if len(rest) > 1 and rest[1].isdigit() else []
        line = next(p for p in self._lines if p.local[1] == int(our_port))
        call = SippCall(call_id, line, incoming=True, tell=self._process.tell)
        call.caller_id = " ".join(rest[len(media) :])
        call.happened("invited", media)
        self.calls.append(call)
        self._came.set()
        if self._answer_after is not None:
            asyncio.get_running_loop().call_later(self._answer_after, self._answer, call)

    def _answer(self, call: SippCall) -> None:
        if call.end is None and self._failure is None:
            call.answer()

    def _ended(self, reason: str) -> None:
        self._failure = reason
        for call in self.calls:
            call.failed(reason)
        self._came.set()
