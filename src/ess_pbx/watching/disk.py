"""Whether there is room where the journal and the recordings lie."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 2.0
ANSWERS_WITHIN = 5.0
"""Seconds; a disk that takes longer to say how much room it has is no disk to write to."""
ENOUGH_AGAIN = 1.1
"""So many times the least room ends the alarm: files that come and go do not raise it each time."""
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Room:
    """A folder, and the least room (bytes) that its disk should have."""

    name: str
    folder: Path
    least: int


def free_bytes(folder: Path) -> int:
    """The room that this user may fill; blocks. Raises OSError."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


class DiskWatch:
    """Looks at disks until it is cancelled.

    ``tell(name, trouble)`` is told after each look what is wrong, None when nothing is;
    ``measured(name, bytes)`` how much room there is.
    """

    def __init__(
        self,
        rooms: Sequence[Room],
        tell: Callable[[str, str | None], object],
        measured: Callable[[str, float], object],
        free: Callable[[Path], int] = free_bytes,
        answers_within: float = ANSWERS_WITHIN,
    ) -> None:
        self._rooms = rooms
        self._tell = tell
        self._measured = measured
        self._free = free
        self._answers_within = answers_within
        self._low: set[str] = set()

    async def run(self) -> None:
        """Look at each disk by itself: one that hangs hides no other."""
        await asyncio.gather(*(self._follow(room) for room in self._rooms))

    async def _follow(self, room: Room) -> None:
        while True:
            await self.look(room)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, room: Room) -> None:
        """Look once, for as long as it takes: a second look at a disk that hangs would hang too."""
        asked = asyncio.ensure_future(asyncio.to_thread(self._free, room.folder))
        await asyncio.wait([asked], timeout=self._answers_within)
        if not asked.done():
            self._tell(room.name, f"{room.folder}: the disk does not answer; see its mount")
        try:
            free = await asked
        except OSError as error:
            self._tell(room.name, f"{room.folder}: {error.strerror}; expected a folder with room")
            return
        self._measured(room.name, free)
        enough = room.least * (ENOUGH_AGAIN if room.name in self._low else 1)
        if free >= enough:
            self._low.discard(room.name)
            self._tell(room.name, None)
            return
        self._low.add(room.name)
        least = room.least / MEGABYTE
        self._tell(
            room.name, f"{room.folder}: less than {least:.0f} MB free; make room on its disk"
        )
