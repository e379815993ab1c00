"""Raw files of a recording become one WAV, with silence for what lies between them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ess_pbx.engine.recordings import (
    discard_raw,
    finish,
    last_written,
    left_behind,
    next_part,
    parts,
    raw_path,
    written,
)

CALL = "ess1-1700000000.1"
RATE = 8000


def given_part(file: Path, seconds: float, level: int, closed_at: float) -> None:
    np.full((round(seconds * RATE), 2), level, dtype="<i2").tofile(file)
    os.utime(file, (closed_at, closed_at))


async def test_one_file_is_the_recording(tmp_path: Path) -> None:
    given_part(raw_path(tmp_path, CALL), 2.0, 100, 1000.0)
    made = await finish(tmp_path, CALL)
    assert made is not None
    assert (made.path.name, made.seconds) == (f"{CALL}.wav", 2.0)


async def test_between_two_files_is_silence_of_the_time_in_between(tmp_path: Path) -> None:
    given_part(raw_path(tmp_path, CALL), 2.0, 100, 1000.0)
    given_part(next_part(tmp_path, CALL), 1.0, 300, 1004.0)
    made = await finish(tmp_path, CALL)
    assert made is not None
    sound, _ = soundfile.read(made.path, dtype="int16")
    assert made.seconds == 6.0
    assert set(sound[: 2 * RATE, 0]) == {100}
    assert set(sound[2 * RATE : 5 * RATE, 0]) == {0}
    assert set(sound[5 * RATE :, 0]) == {300}


@pytest.mark.parametrize(("closed_at", "gap"), [(990.0, 0.0), (1_000_000.0, 3600.0)])
async def test_a_clock_that_was_set_in_between_makes_no_endless_recording(
    tmp_path: Path, closed_at: float, gap: float
) -> None:
    given_part(raw_path(tmp_path, CALL), 2.0, 100, 1000.0)
    given_part(next_part(tmp_path, CALL), 1.0, 300, closed_at)
    made = await finish(tmp_path, CALL)
    assert made is not None
    assert made.seconds == 3.0 + gap


async def test_an_empty_file_and_half_a_frame_are_nothing(tmp_path: Path) -> None:
    raw_path(tmp_path, CALL).write_bytes(b"\0\0\0")
    assert await finish(tmp_path, CALL) is None
    assert await finish(tmp_path, "ess1-1700000000.2") is None


def test_the_files_of_one_recording_are_not_those_of_another(tmp_path: Path) -> None:
    consult, other = f"{CALL}~ag3", f"{CALL}1"
    for recording in (CALL, consult, other):
        for closed in (1000.0, 1001.0):
            given_part(next_part(tmp_path, recording), 0.1, 1, closed)
    names = [[each.name for each in parts(tmp_path, name)] for name in (CALL, consult)]
    assert names == [
        [f"{CALL}.raw", f"{CALL}~2.raw"],
        [f"{consult}.raw", f"{consult}~2.raw"],
    ]
    assert left_behind(tmp_path) == sorted([CALL, consult, other])
    assert last_written(tmp_path, CALL) == 1001.0
    assert written(tmp_path)[CALL] == (tmp_path / f"{CALL}~2.raw", 3200)
    discard_raw(tmp_path, CALL)
    assert left_behind(tmp_path) == sorted([consult, other])


def test_the_tenth_file_comes_after_the_ninth(tmp_path: Path) -> None:
    for _ in range(11):
        given_part(next_part(tmp_path, CALL), 0.1, 1, 1000.0)
    assert parts(tmp_path, CALL)[-1].name == f"{CALL}~11.raw"
