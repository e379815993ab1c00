"""The roster file is read again when it is another, and only then."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from ess_pbx.demo.stage import sample
from ess_pbx.domain.roster import Entry, Kind
from ess_pbx.engine.roster_file import SHOWN_ERRORS, RosterChange, RosterFile

HEADER = "tanggal,regu,operator,keterangan\n"
GOOD = HEADER + "2026-01-31,pagi,1003,tugas\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "roster.csv").write_text(GOOD)
    return tmp_path / "roster.csv"


def write(path: Path, text: str, mtime: int) -> None:
    path.write_text(text)
    os.utime(path, (mtime, mtime))


def test_a_file_is_read_once_until_it_changes(path: Path) -> None:
    file = RosterFile(path, sample().centre_named())
    entry = Entry(date(2026, 1, 31), "pagi", "1003", Kind.DUTY)
    assert file.read() == RosterChange((entry,), None)
    assert file.read() is None
    write(path, HEADER, 1)
    assert file.read() == RosterChange((), None)
    assert file.read() is None


def test_what_is_wrong_is_told_once_and_the_next_good_file_is_read(path: Path) -> None:
    file = RosterFile(path, sample().centre_named())
    file.read()
    write(path, HEADER + "x,pagi,1003,tugas\n", 1)
    change = file.read()
    assert change is not None
    assert "roster.csv:2: tanggal" in str(change.error)
    assert file.read() is None
    write(path, GOOD, 2)
    again = file.read()
    assert again is not None
    assert again.error is None


def test_a_file_that_is_gone_is_told_once(path: Path) -> None:
    file = RosterFile(path, sample().centre_named())
    file.read()
    path.unlink()
    change = file.read()
    assert change is not None
    assert "No such file" in str(change.error)
    assert file.read() is None


def test_of_very_many_errors_the_first_are_told_and_how_many_more(path: Path) -> None:
    write(path, HEADER + "x,pagi,1003,tugas\n" * 1000, 1)
    change = RosterFile(path, sample().centre_named()).read()
    assert change is not None
    lines = str(change.error).splitlines()
    assert len(lines) == SHOWN_ERRORS + 1
    assert lines[-1] == f"and {1000 - SHOWN_ERRORS} more"
