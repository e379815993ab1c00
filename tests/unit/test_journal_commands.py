"""``ess-pbx journal`` says whether the journal is whole, and where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.db import migrate
from ess_pbx.db.connect import DatabaseError
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.segments import list_segments, segment_path
from ess_pbx.journal_commands import replay, verify
from ess_pbx.settings.model import CHECKOUT


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    text = (CHECKOUT / "deploy/sample/centre.toml").read_text()
    text = text.replace("../../dialplan", str(CHECKOUT / "dialplan"))
    text = text.replace("../../var/contoh", str(tmp_path / "state"))
    path = tmp_path / "centre.toml"
    path.write_text(text)
    return path


def given_journal(folder: Path, count: int) -> Path:
    journal = Journal(folder / "state" / "journal")
    for number in range(count):
        data = {"key": "1", "menu": None}
        kind = FactKind.KEY_PRESSED
        journal.append(
            Fact(id=f"b-{number}", centre="contoh", call="c", kind=kind, at=1.0, ms=0, data=data)
        )
    journal.close_now()
    return list_segments(journal.folder)[-1][1]


def test_an_empty_journal_is_no_trouble(settings: Path) -> None:
    assert verify(settings) == 0


def test_a_whole_journal_is_counted(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given_journal(tmp_path, 3)
    assert verify(settings) == 0
    told = capsys.readouterr()
    assert "key_pressed" in told.out
    assert "3 records" in told.err


def test_a_changed_byte_and_a_missing_record_are_named(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = given_journal(tmp_path, 3)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + lines[1].replace(b'"1"', b'"2"') + lines[2])
    assert verify(settings) == 1
    told = capsys.readouterr().err
    assert "checksum wrong" in told
    assert "record 3 follows 1" in told


def test_an_unfinished_last_line_is_an_engine_at_work(settings: Path, tmp_path: Path) -> None:
    segment = given_journal(tmp_path, 2)
    with segment.open("ab") as file:
        file.write(b"0a1b2c3d 3 {")
    assert verify(settings) == 0


def test_a_damaged_last_record_that_is_whole_is_no_engine_at_work(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = given_journal(tmp_path, 2)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + lines[1].replace(b'"1"', b'"2"'))
    assert verify(settings) == 1
    assert "checksum wrong" in capsys.readouterr().err


def test_an_unfinished_line_that_another_segment_follows_is_damage(
    settings: Path, tmp_path: Path
) -> None:
    segment = given_journal(tmp_path, 2)
    first, second = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(first + second[:-9])
    segment_path(segment.parent, 2).write_bytes(second)
    assert verify(settings) == 1


def test_what_is_damaged_is_named_when_it_is_replayed(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = given_journal(tmp_path, 2)
    segment.write_bytes(segment.read_bytes().replace(b'"1"', b'"2"', 1))
    assert replay(settings, to=f"sqlite+aiosqlite:///{tmp_path / 'anew.sqlite3'}") == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "1 facts replayed" in told
    assert "1 places of the journal are damaged" in told


def test_a_database_without_tables_is_told_in_a_sentence(settings: Path, tmp_path: Path) -> None:
    given_journal(tmp_path, 2)
    with pytest.raises(DatabaseError, match="run ess-pbx migrate"):
        replay(settings)


def test_a_database_that_never_followed_differs(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given_journal(tmp_path, 2)
    migrate.upgrade(f"sqlite+aiosqlite:///{tmp_path / 'state' / 'ess-pbx.sqlite3'}")
    assert replay(settings) == 1
    assert "call_events" in capsys.readouterr().out


def test_a_database_that_followed_does_not_differ(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given_journal(tmp_path, 2)
    assert replay(settings, to=f"sqlite+aiosqlite:///{tmp_path / 'state' / 'ess-pbx.sqlite3'}") == 0
    assert replay(settings) == 0
    assert "The tables are what the journal says." in capsys.readouterr().out
