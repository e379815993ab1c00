"""A disk that is nearly full is told of before it is, once, until there is room again."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ess_pbx.domain.events import AlarmChanged
from ess_pbx.engine.disk_watch import LOW_BYTES, DiskWatch, disks

GIB = 1024**3


class GivenDisk:
    """A disk of so many bytes, and what is told of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
        self.told: list[tuple[str, bool]] = []
        self.watch = DiskWatch("recordings", Path("/recordings"), self._tell)
        self._monkeypatch, self._size = monkeypatch, size

    async def has_free(self, free: int) -> list[tuple[str, bool]]:
        """What is told when so many bytes are free."""
        self.told.clear()

        def statvfs(_: Any) -> Any:
            return SimpleNamespace(f_bavail=free // 512, f_blocks=self._size // 512, f_frsize=512)

        self._monkeypatch.setattr(os, "statvfs", statvfs)
        await self.watch.look()
        return list(self.told)

    def _tell(self, event: AlarmChanged) -> None:
        self.told.append((event.alarm, event.standing))


async def test_an_alarm_is_raised_once_and_falls_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = GivenDisk(monkeypatch, 500 * GIB)

    assert await disk.has_free(100 * GIB) == [("disk:recordings", False)]
    assert await disk.has_free(LOW_BYTES + 512) == []
    assert await disk.has_free(LOW_BYTES - 512) == [("disk:recordings", True)]
    assert await disk.has_free(0) == []
    assert await disk.has_free(LOW_BYTES + 512) == []
    assert await disk.has_free(2 * LOW_BYTES) == [("disk:recordings", False)]


async def test_a_small_disk_goes_by_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = GivenDisk(monkeypatch, 256 * 1024)

    assert await disk.has_free(14_000) == [("disk:recordings", False)]
    assert await disk.has_free(13_000) == [("disk:recordings", True)]


async def test_a_disk_that_cannot_be_asked_says_nothing(tmp_path: Path) -> None:
    told: list[AlarmChanged] = []

    await DiskWatch("recordings", tmp_path / "gone", told.append).look()

    assert told == []


def test_folders_on_one_disk_are_watched_once(tmp_path: Path) -> None:
    recordings = tmp_path / "recordings"
    recordings.mkdir()

    assert disks(recordings, tmp_path) == {"state": tmp_path}
    assert disks(Path("/proc"), tmp_path) == {"recordings": Path("/proc"), "state": tmp_path}
