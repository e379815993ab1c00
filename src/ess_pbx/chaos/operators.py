"""Operators' softphones, four to a process, each of which can be killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ess_pbx.chaos import ChaosError
from ess_pbx.demo.stage import register_operators
from ess_pbx.phones.softphone import Answer, Behaviour, SoftPhone
from ess_pbx.phones.softphone_call import SoftCall
from ess_pbx.settings.credentials import Credentials
from ess_pbx.settings.model import Settings

PHONES_A_PROCESS, WITH_A_SECOND_LINE = 4, 2
"""pjsua has four calls at once: one for each phone, or two."""
PICK_UP = Answer(0.3)
_NUMBER = re.compile(r"8127[0-9]{6}")
"""A caller's (``callers.FIRST_NUMBER``). Phones show it as it came, or as it is dialled here: its
end is the same."""


@dataclass(frozen=True)
class Ring:
    """A call at an operator's phone. ``at`` is when its INVITE came (monotonic)."""

    phone: SoftPhone
    call: SoftCall

    @property
    def at(self) -> float:
        """When the phone was called."""
        return self.call.at["incoming"]


class Operators:
    """All operators of the centre. What is known of their calls is what their phones say."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        folder: Path,
        *,
        behaviours: Sequence[Behaviour] = (),
        a_process: int = PHONES_A_PROCESS,
    ) -> None:
        """``behaviours`` are those of the first processes; all others pick up.

        ``a_process`` phones are in one process.
        """
        extensions = [each.extension for each in settings.centre_named().operators]
        self._settings, self._credentials = settings, credentials
        self.groups = [
            extensions[first : first + a_process] for first in range(0, len(extensions), a_process)
        ]
        self._behaviours = [*behaviours, *[PICK_UP] * len(self.groups)]
        self.phones = [SoftPhone(folder / f"phones-{n}") for n in range(len(self.groups))]
        self.killed: set[int] = set()
        self._read = [0] * len(self.phones)
        """How many calls of each are in ``_rings``."""
        self._rings: dict[str, list[Ring]] = {}

    async def __aenter__(self) -> Operators:
        try:
            for phone, some, behaviour in zip(
                self.phones, self.groups, self._behaviours, strict=False
            ):
                await phone.start()
                await register_operators(phone, self._settings, self._credentials, some, behaviour)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all phones. Idempotent."""
        for phone in self.phones:
            await phone.close()

    def rings(self, number: str) -> list[Ring]:
        """The calls of this caller at any phone, the first first."""
        for place, phone in enumerate(self.phones):
            for call in phone.calls[self._read[place] :]:
                if (caller := _NUMBER.search(call.caller_id)) is not None:
                    self._rings.setdefault(caller[0], []).append(Ring(phone, call))
            self._read[place] = len(phone.calls)
        found = self._rings.get(number.removeprefix("+62"), [])
        return sorted(found, key=lambda ring: ring.at)

    def taken(self, number: str) -> Ring | None:
        """The latest call of this caller that was picked up, on a phone that is still there."""
        found = [
            ring
            for ring in self.rings(number)
            if "answered" in ring.call.at and ring.phone.pid not in self.killed
        ]
        return max(found, key=lambda ring: ring.call.at["answered"], default=None)

    def picked_up(self, number: str) -> bool:
        """Whether any operator ever spoke with this caller."""
        return any("answered" in ring.call.at for ring in self.rings(number))

    async def hang_up_what_is_dead(self, since: float, after: float) -> None:
        """Hang up, ``after`` so many seconds, the calls that came before ``since``.

        A person does that who hears nothing more, or nothing at all: whoever picked up in that very
        moment, too. A phone has no other way to learn that the other end is gone without a BYE, and
        a process that is in four dead calls answers the next with 486.
        """
        await asyncio.sleep(max(since + after - time.monotonic(), 0))
        dead = [
            call
            for phone in self.phones
            for call in phone.calls
            if call.ended_by is None and call.at.get("incoming", since) < since
        ]
        done = await asyncio.gather(*(call.hang_up(40.0) for call in dead), return_exceptions=True)
        failed = [each for each in done if isinstance(each, BaseException)]
        if failed:
            raise ChaosError(f"operators cannot hang up: {failed[0]}")

    def kill(self, phone: SoftPhone) -> float:
        """``kill -9`` a phone process: all its phones are gone without a word; returns when."""
        assert phone.pid is not None  # noqa: S101 - it is started
        os.kill(phone.pid, signal.SIGKILL)
        self.killed.add(phone.pid)
        return time.monotonic()

    def cut_off(self, phone: SoftPhone) -> float:
        """Stop a phone process: as with a cable pulled out, nobody says that it is gone."""
        assert phone.pid is not None  # noqa: S101 - it is started
        os.kill(phone.pid, signal.SIGSTOP)
        self.killed.add(phone.pid)
        return time.monotonic()
