"""A test call's recording shows that calls can be recorded, and is taken away."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from ess_pbx.watching.recorded import OLD, clear, was_recorded


def left(folder: Path) -> list[str]:
    return [each.stem for each in folder.iterdir()]


async def test_what_was_recorded_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "ess1-1.1.raw").write_bytes(b"\x00" * 320)
    assert await was_recorded(tmp_path, "ess1-1.1")
    assert left(tmp_path) == []


async def test_an_empty_file_and_none_are_no_recording(tmp_path: Path) -> None:
    (tmp_path / "ess1-1.1.raw").touch()
    assert not await was_recorded(tmp_path, "ess1-1.1", 0.1)
    assert not await was_recorded(tmp_path, "ess1-1.2", 0.1)
    assert not await was_recorded(tmp_path / "gone", "ess1-1.3", 0.1)


async def test_a_file_that_is_still_written_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "ess1-1.1.raw"
    written = path.open("wb")

    def finish() -> None:
        written.write(b"\x00" * 320)
        written.close()

    threading.Timer(0.3, finish).start()
    assert await was_recorded(tmp_path, "ess1-1.1")


async def test_a_file_that_is_made_with_the_first_sound_is_waited_for(tmp_path: Path) -> None:
    def begin() -> None:
        (tmp_path / "ess1-1.1.raw").write_bytes(b"\x00" * 320)

    threading.Timer(0.3, begin).start()
    assert await was_recorded(tmp_path, "ess1-1.1")


async def test_what_calls_that_nobody_claimed_left_goes_when_it_is_old(tmp_path: Path) -> None:
    for name, age in (("old", OLD + 1), ("new", 0.0)):
        (tmp_path / f"{name}.raw").touch()
        at = time.time() - age
        os.utime(tmp_path / f"{name}.raw", (at, at))
    await was_recorded(tmp_path, "other", 0.0)
    assert left(tmp_path) == ["new"]
    clear(tmp_path)
    assert left(tmp_path) == []
