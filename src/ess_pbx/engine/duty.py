"""Who is on duty in one centre, by its roster and its own local time: told to the core, and to the
list of phones that ring when no engine answers.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.events import AlarmChanged, ClockRead, RosterRead
from ess_pbx.engine import fallback
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.roster_file import RosterFile

ALARM = "fallback-list"


class Duty:
    """Keeps one centre's core told of the time and of its roster."""

    def __init__(
        self, core: CallCentre, dispatcher: Dispatcher, roster: Path | None, phones: Path
    ) -> None:
        """``roster`` is the centre's file, if it has one; ``phones`` the list for the dialplan."""
        self.on_duty: frozenset[str] | None = None
        """Extensions of the operators whose shift it is; None before the clock was read."""
        self._core = core
        self._centre = core.config.id
        self._zone = ZoneInfo(core.config.time_zone)
        self._dispatcher = dispatcher
        self._path = roster
        self._roster = None if roster is None else RosterFile(roster, core.config)
        self._phones = phones
        self._written = False
        """Whether the dialplan's list says who is on duty now."""
        self._log = structlog.get_logger(__name__)

    async def read_roster(self) -> AlarmChanged | None:
        """Take over a roster that changed; while it is wrong, the last good one goes on.

        Returns whether it is right, when it was read anew.
        """
        if self._roster is None:
            return None
        try:
            change = await asyncio.to_thread(self._roster.read)
        except Exception:
            # A defect in reading must not stop the clock, and with it every change of shift.
            self._log.exception("roster.failed", centre=self._centre)
            return None
        if change is None:
            return None
        if change.error is None:
            self._dispatcher.feed(RosterRead(change.entries, centre=self._centre))
            self._log.info("roster.read", centre=self._centre, entries=len(change.entries))
        wrong, detail = change.error is not None, change.error or str(self._path)
        return AlarmChanged("roster", wrong, detail, centre=self._centre)

    async def read_clock(self, wall: float, *, phones_known: bool) -> None:
        """It is ``wall`` (epoch seconds): whose duty is it, in the centre's own time zone?"""
        local = datetime.fromtimestamp(wall, self._zone)
        on_duty = self._core.on_duty(local)
        if on_duty != self.on_duty:
            self.on_duty = on_duty
            self._written = False
            self._log.info("shift.on_duty", centre=self._centre, operators=sorted(on_duty))
        if not self._written:
            await self._write_phones(on_duty)
        self._dispatcher.feed(ClockRead(local, phones_known, wall, centre=self._centre))

    async def _write_phones(self, on_duty: frozenset[str]) -> None:
        everyone = [operator.extension for operator in self._core.config.operators]
        trouble = ""
        try:
            await asyncio.to_thread(fallback.write, self._phones, on_duty, everyone)
            self._written = True
        except OSError as error:
            trouble = (
                f"{self._phones}: {error.strerror or error}; without an engine the phones of "
                "another shift would ring: free space on its disk, or mend its owner"
            )
        self._dispatcher.feed(AlarmChanged(ALARM, not self._written, trouble, centre=self._centre))
