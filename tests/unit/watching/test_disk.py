"""A disk without room, or that does not answer, is told of; one with room again too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from ess_pbx.watching.disk import MEGABYTE, DiskWatch, Room, free_bytes

FOLDER = Path("/var/lib/ess")
ROOM = Room("journal", FOLDER, 500 * MEGABYTE)


class Told:
    def __init__(self, free: Callable[[Path], int]) -> None:
        self.troubles: list[str | None] = []
        self.measured: list[float] = []
        self.watch = DiskWatch(
            [ROOM],
            lambda _, trouble: self.troubles.append(trouble),
            lambda _, free: self.measured.append(free),
            free,
            answers_within=0.05,
        )


async def test_less_than_the_least_room_is_told_and_some_more_ends_it() -> None:
    free = [600, 500, 499, 500, 549, 550, 500]
    told = Told(lambda _: free[len(told.measured)] * MEGABYTE)
    for _ in free:
        await told.watch.look(ROOM)
    assert [each is not None for each in told.troubles] == [
        *(False, False, True, True, True),
        *(False, False),
    ]
    low = "/var/lib/ess: less than 500 MB free; make room on its disk"
    assert told.troubles[2] == low
    assert told.measured == [each * MEGABYTE for each in free]


async def test_a_folder_that_is_gone_is_told_with_the_reason() -> None:
    told = Told(free_bytes)
    await told.watch.look(ROOM)
    assert told.troubles == [f"{FOLDER}: No such file or directory; expected a folder with room"]


async def test_a_disk_that_hangs_is_told_of_and_asked_once_until_it_answers() -> None:
    gate, asked = threading.Event(), list[Path]()

    def hangs(folder: Path) -> int:
        asked.append(folder)
        assert gate.wait(5)
        return 900 * MEGABYTE

    told = Told(hangs)
    looking = asyncio.create_task(told.watch.run())
    async with asyncio.timeout(5):
        while not told.troubles:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        assert told.troubles == [f"{FOLDER}: the disk does not answer; see its mount"]
        gate.set()
        while len(told.troubles) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert told.troubles[1] is None
    assert asked == [FOLDER]
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


def test_the_room_of_a_real_folder_is_some(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0
