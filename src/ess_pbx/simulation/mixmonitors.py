"""What the virtual Asterisk records: MixMonitors on legs, and the files that they write.

As the real one does (``tests/asterisk/test_virtual_recordings.py``): a file is there at once, grows
while the leg that it is of is up, about each second, and ends with it; a leg may have a MixMonitor
that writes only while it is in a bridge (``b``). The files outlive every engine, and Asterisk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess_pbx.domain.ids import LegId
from ess_pbx.domain.recording_watch import Written
from ess_pbx.simulation.virtual_asterisk import ImpossibleRequest

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World

BYTES_A_SECOND = 32_000


@dataclass
class File:
    """One of a recording's."""

    name: str
    seconds: float = 0.0
    growing: float | None = None
    """Since when it is written; None while it is not."""

    def stands_still(self, now: float) -> None:
        """Nothing is written any more."""
        if self.growing is not None:
            self.seconds += now - self.growing
            self.growing = None


@dataclass
class MixMonitor:
    """What writes it."""

    file: File
    in_bridges_only: bool = False
    silent: bool = False
    """It is there, and writes no more."""


class MixMonitors:
    """All of one Asterisk."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._of: dict[LegId, MixMonitor] = {}
        self.files: dict[str, list[File]] = {}
        """Those of each recording, the first first."""
        self._full_until = 0.0

    def starts(self, leg: LegId, recording: str, *, in_bridges_only: bool = False) -> None:
        """Record a leg into the next file of a recording; nothing when the leg is not there."""
        if leg not in self._world.line.asterisk.channels:
            return
        if leg in self._of:
            raise ImpossibleRequest(f"{leg} is recorded twice at a time")
        files = self.files.setdefault(recording, [])
        files.append(File(f"{recording}~{len(files) + 1}"))
        self._of[leg] = MixMonitor(files[-1], in_bridges_only)
        self.follow()

    def stops(self, leg: LegId) -> None:
        """Let it end; nothing when there is none."""
        if (it := self._of.pop(leg, None)) is not None:
            it.file.stands_still(self._world.now)

    def falls_silent(self, which: int) -> None:
        """One that writes does not any more, and nothing is told of it."""
        writing = [each for each in self._of.values() if each.file.growing is not None]
        if writing:
            writing[which % len(writing)].silent = True
            self.follow()

    def disk_is_full(self, seconds: float) -> None:
        """Nothing is written for so long."""
        self._full_until = max(self._full_until, self._world.now + seconds)
        self._world.later(seconds, self.follow)
        self.follow()

    def follow(self) -> None:
        """Something has happened to legs: what is written now."""
        now, channels = self._world.now, self._world.line.asterisk.channels
        for leg, it in list(self._of.items()):
            channel = channels.get(leg)
            if channel is None:
                self.stops(leg)
                continue
            heard = channel.up and (channel.bridge is not None or not it.in_bridges_only)
            if it.silent or now < self._full_until or not heard:
                it.file.stands_still(now)
            elif it.file.growing is None:
                it.file.growing = now

    def is_written(self, leg: LegId) -> bool:
        """Whether what is said on a leg is recorded now."""
        return leg in self._of and self._of[leg].file.growing is not None

    def is_open(self, recording: str) -> bool:
        """Whether Asterisk may write to it yet."""
        return any(self.holds(file) for file in self.files[recording])

    def holds(self, file: File) -> bool:
        """Whether a MixMonitor has it, whether it writes or not."""
        return any(each.file is file for each in self._of.values())

    def written(self) -> dict[str, Written]:
        """What can be seen on the disk."""
        return {
            recording: Written(files[-1].name, self._bytes(files[-1]))
            for recording, files in self.files.items()
            if files
        }

    def has_sound(self, recording: str) -> bool:
        """Whether there is anything to be heard in it."""
        return any(each.seconds or each.growing is not None for each in self.files[recording])

    def discard(self, recording: str) -> None:
        """Its files are made into one that is kept elsewhere."""
        self.files.pop(recording, None)

    def _bytes(self, file: File) -> int:
        if file.growing is None:
            return round(file.seconds * BYTES_A_SECOND)
        # Asterisk writes about each second.
        return int(file.seconds + self._world.now - file.growing) * BYTES_A_SECOND
