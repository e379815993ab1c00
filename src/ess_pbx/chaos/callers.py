"""Callers with RTP through the trunk, and what became of each as they themselves saw it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ess_pbx.chaos.operators import Operators
from ess_pbx.chaos.stage import Load
from ess_pbx.chaos.verdict import Check
from ess_pbx.phones import PhoneError
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import Invite, SippCallers
from ess_pbx.phones.sipp_call import SippCall
from ess_pbx.settings.model import Settings, Trunk

CALLER_TONE = 1250
FIRST_NUMBER = 8127_000_000
PATIENCE = 45.0
"""Seconds that a caller waits for an operator before the run counts it as never served."""
LONGEST_SILENCE, WIDEST_SILENCE = 3.0, 5.0
"""On a busy machine the latter: as long as a caller was in silence whom nobody cared for."""
MENU_KEY, LISTENS_EVERY = "1", 3
"""What callers press who do not want to hear the menu; every so many hear it to its end."""
_LOOK = 0.05


@dataclass
class Caller:
    """One caller, and what became of the call. Times are monotonic."""

    number: str
    call: SippCall
    rtp: RtpParty
    left_at: float | None = None
    served: bool = False
    key: str = ""
    """What they press as soon as somebody answers."""

    @property
    def invited(self) -> float | None:
        """When the INVITE left."""
        return self.call.at.get("invited")

    @property
    def known(self) -> bool:
        """Whether Asterisk said anything at all to the INVITE."""
        return len(self.call.at) > 1

    @property
    def established(self) -> bool:
        """Whether the call ever stood."""
        return "answered" in self.call.at

    @property
    def dropped(self) -> bool:
        """Whether it stood, and ended otherwise than by the caller's hanging up."""
        if not self.established or self.left_at is not None:
            return False
        return self.call.end is not None or self.call.failure is not None

    @property
    def failed(self) -> bool:
        """Whether it was refused, or never stood."""
        return self.invited is not None and not self.established

    def standing(self, at: float) -> bool:
        """Whether the call stood at that moment."""
        end = self.left_at or self.call.at.get("ended")
        return self.established and self.call.at["answered"] <= at and (end is None or end > at)

    def longest_silence(self, since: float | None = None) -> float:
        """Seconds, from the answer, or from later on, until the caller left."""
        if not self.established or self.left_at is None:
            return 0.0
        first = max(self.call.at["answered"], since or 0.0)
        return self.rtp.longest_silence(first, self.left_at) if first < self.left_at else 0.0


class Callers:
    """The load: who calls, talks, and hangs up."""

    def __init__(
        self,
        settings: Settings,
        operators: Operators,
        folder: Path,
        load: Load,
        *,
        trunk: Trunk | None = None,
        first: int = 0,
        menu: bool = False,
    ) -> None:
        """``first`` numbers the callers, so that two loads have none in common.

        With a ``menu`` most press a key in it at once.
        """
        from_trunk = trunk or settings.trunks[0]
        self._operators, self.load = operators, load
        invites = [
            Invite("112", f"+62{FIRST_NUMBER + first + n}", rtp=RtpParty(tone(CALLER_TONE)))
            for n in range(load.calls)
        ]
        self._sipp = SippCallers(
            (settings.asterisk.sip_host, settings.asterisk.sip_port),
            invites,
            folder,
            local=(from_trunk.address, from_trunk.port),
            per_second=load.per_second,
            time_limit=round(load.seconds + load.talk + 2 * PATIENCE) + 60,
        )
        self.all = [
            Caller(invite.caller, call, invite.rtp, key=self._key(number) if menu else "")
            for number, (invite, call) in enumerate(zip(invites, self._sipp.calls, strict=True))
            if invite.rtp is not None
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Callers:
        await self._sipp.start()
        self._tasks = [asyncio.create_task(self._behave(caller)) for caller in self.all]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sipp.close()

    @property
    def live(self) -> int:
        """Calls that stand now."""
        return sum(caller.standing(time.monotonic()) for caller in self.all)

    async def one_leaves(self) -> None:
        """One who talks to an operator hangs up before the time; nobody where nobody talks."""
        for caller in self.all:
            ring = self._operators.taken(caller.number)
            talks = ring is not None and ring.call.ended_by is None
            if talks and caller.standing(time.monotonic()):
                caller.left_at = caller.rtp.heard_until()
                with contextlib.suppress(PhoneError):
                    await caller.call.hang_up()
                return

    def join(self, others: Callers) -> None:
        """From now on those of another load count, and are waited for, with these."""
        self.all += others.all
        self._tasks += others._tasks

    async def over(self) -> None:
        """Wait until everyone has hung up, or was cut off."""
        await asyncio.gather(*self._tasks)

    def ring_seconds(
        self,
        since: float = 0.0,
        until: float = float("inf"),
        *,
        without: Container[str] = (),
    ) -> list[float]:
        """INVITE to the first phone, of those who called in that time; inf for never.

        ``without`` those whose numbers these are.
        """
        found = []
        for caller in self.all:
            if caller.invited is None or not since <= caller.invited < until:
                continue
            if caller.number in without:
                continue
            rings = self._operators.rings(caller.number)
            found.append(rings[0].at - caller.invited if rings else float("inf"))
        return found

    def checks(self, *, since: float | None = None) -> list[Check]:
        """What holds under nearly every fault: nobody dropped, refused, unserved or in silence."""
        heard = [caller.longest_silence(since) for caller in self.all]
        return [
            Check("calls", len(self.all)),
            Check("dropped", sum(caller.dropped for caller in self.all), at_most=0),
            Check("failed", sum(caller.failed for caller in self.all), at_most=0),
            Check("never served", sum(not caller.served for caller in self.all), at_most=0),
            Check(
                "longest silence",
                max(heard),
                at_most=LONGEST_SILENCE,
                unit="s",
                widest=WIDEST_SILENCE,
            ),
        ]

    @staticmethod
    def _key(number: int) -> str:
        return "" if number % LISTENS_EVERY == LISTENS_EVERY - 1 else MENU_KEY

    async def _behave(self, caller: Caller) -> None:
        """Wait for a human, talk, hang up."""
        with contextlib.suppress(PhoneError):
            await caller.call.answered(self.load.seconds + PATIENCE)
            if caller.key:
                await caller.rtp.press(caller.key)
            await self._talk(caller)
            if caller.call.end is None and caller.call.failure is None:
                caller.left_at = caller.rtp.heard_until()
            await caller.call.hang_up()

    async def _talk(self, caller: Caller) -> None:
        deadline = time.monotonic() + PATIENCE
        while caller.call.end is None and caller.call.failure is None:
            now = time.monotonic()
            ring = self._operators.taken(caller.number)
            if ring is not None and now - ring.call.at["answered"] > self.load.talk:
                caller.served = True
                return
            # Whose operator is gone waits for the next one, but not for ever.
            if ring is None and now > deadline:
                return
            await asyncio.sleep(_LOOK)
        caller.served = self._operators.taken(caller.number) is not None


def longest(seconds: list[float]) -> float | None:
    """The longest; None when there is none, or one never came."""
    return None if not seconds or max(seconds) == float("inf") else max(seconds)
