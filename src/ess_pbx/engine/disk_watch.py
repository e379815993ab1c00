"""Tells in time that the disk of recordings, or of the journal and the database, is nearly full.

Asterisk says nothing when a recording cannot be written, and the engine would learn of it only at
the end of the call.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from ess_pbx.domain.events import AlarmChanged
from ess_pbx.settings.model import Settings

WATCH_SECONDS = 1.0
LOW_BYTES = 2 * 1024**3
"""Twenty minutes of fifty recordings at 32 kB a second."""
LOW_SHARE = 0.05
"""Of a disk that is smaller than forty times as much."""
ENOUGH = 2
"""Times as much must be free until the alarm is over: it does not come and go."""


class DiskWatch:
    """Watches the disk of one folder; ``alarm`` names what it is for, ``centre`` whom it tells."""

    def __init__(
        self, alarm: str, folder: Path, tell: Callable[[AlarmChanged], None], centre: str = ""
    ) -> None:
        self._alarm, self._folder, self._tell, self._centre = alarm, folder, tell, centre
        self._low: bool | None = None
        self._log = structlog.get_logger(__name__)

    async def look(self) -> None:
        """Look once. Never raises: a disk that cannot be asked is one that nothing is known of."""
        try:
            # In a thread: one over a network may not answer.
            disk = await asyncio.to_thread(os.statvfs, self._folder)
        except OSError as error:
            self._log.warning("disk.not_seen", folder=str(self._folder), error=str(error))
            return
        free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        low = min(LOW_BYTES, size * LOW_SHARE) * (ENOUGH if self._low else 1)
        if (free < low) is self._low:
            return
        self._low = free < low
        detail = f"{self._folder}: {free // 2**20} of {size // 2**20} MiB free"
        self._tell(AlarmChanged(f"disk:{self._alarm}", self._low, detail, centre=self._centre))


def disks(recordings: Path, state: Path) -> dict[str, Path]:
    """The folders whose disks are to be watched, by name; one where both are on the same disk."""
    if not recordings.exists() or recordings.stat().st_dev == state.stat().st_dev:
        return {"state": state}
    return {"recordings": recordings, "state": state}


async def watch_disks(settings: Settings, tell: Callable[[AlarmChanged], None]) -> None:
    """Watch the disks of an installation until cancelled; its first centre is told."""
    folders, first = settings.folders, settings.centres[0].id

    async def watch(alarm: str, folder: Path) -> None:
        disk = DiskWatch(alarm, folder, tell, first)
        while True:
            await disk.look()
            await asyncio.sleep(WATCH_SECONDS)

    async with asyncio.TaskGroup() as watches:
        for alarm, folder in disks(folders.recordings, folders.state).items():
            watches.create_task(watch(alarm, folder), name=f"disk-{alarm}")
