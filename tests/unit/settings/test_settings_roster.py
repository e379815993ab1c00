"""What a roster file may say, and what is said of every row that is wrong."""

from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from ess_pbx.demo.stage import SAMPLE, sample
from ess_pbx.domain.config import Centre
from ess_pbx.domain.roster import Entry, Kind
from ess_pbx.errors import SettingsError
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.roster import parse_roster, read_roster, render_roster

HEADER = "tanggal,regu,operator,keterangan\n"
DAY = date(2026, 1, 31)
CENTRE = sample().centre_named()


def with_holiday_shift() -> Centre:
    raya = replace(CENTRE.shifts[0], id="raya", holiday=True)
    return replace(CENTRE, shifts=(*CENTRE.shifts, raya))


def wrong(rows: str, centre: Centre = CENTRE) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_roster(HEADER + rows, centre, "roster.csv")
    return str(caught.value).splitlines()


def test_each_kind_of_row_is_read() -> None:
    source = (
        HEADER
        + "2026-01-31,malam,1003,tugas\n2026-01-31,pagi,1004,ganti:1001\n"
        + '2026-01-31,siang,1003,"libur:sakit, opname"\n2026-01-31,,1002,LIBUR\n'
        + "2026-02-17,,,libur: Tahun Baru Imlek \n"
    )
    entries = parse_roster(source, CENTRE, "roster.csv")
    assert set(parse_roster(render_roster(entries, ";"), CENTRE, "again.csv")) == set(entries)
    assert entries == (
        Entry(DAY, "malam", "1003", Kind.DUTY),
        Entry(DAY, "pagi", "1004", Kind.REPLACES, "1001"),
        Entry(DAY, "siang", "1003", Kind.OFF, None, "sakit, opname"),
        Entry(DAY, None, "1002", Kind.OFF),
        Entry(date(2026, 2, 17), None, None, Kind.OFF, None, "Tahun Baru Imlek"),
    )


def test_what_a_spreadsheet_makes_of_the_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes(
        b"\xef\xbb\xbfTanggal;Regu;Operator;Keterangan\r\n"
        b" 2026-01-31 ;pagi;1003;tugas;;\r\n;;;\r\n\r\n"
    )
    assert read_roster(path, CENTRE) == (Entry(DAY, "pagi", "1003", Kind.DUTY),)


def test_a_file_with_the_columns_alone_changes_nothing() -> None:
    assert parse_roster(HEADER, CENTRE, "roster.csv") == ()


def test_every_wrong_cell_is_named_with_file_row_column_and_what_was_expected() -> None:
    assert wrong(
        "2026-02-30,sore,10,masuk\n2026-01-31,pagi,1003,tugas\n31/01/2026,,1001,tugas\n"
    ) == [
        'roster.csv:2: tanggal: "2026-02-30"; expected a date such as 2026-01-31 '
        "(year-month-day; in a spreadsheet, a column of text)",
        'roster.csv:2: keterangan: "masuk"; expected "tugas", "ganti:" and an extension, '
        '"libur", or "libur:" and the reason',
        'roster.csv:2: regu: "sore"; expected the id of a shift (pagi, siang, malam)',
        'roster.csv:2: operator: "10"; expected an operator\'s extension '
        "(1001, 1002, 1003, 1004, 1005, 1006, 1007)",
        'roster.csv:4: tanggal: "31/01/2026"; expected a date such as 2026-01-31 '
        "(year-month-day; in a spreadsheet, a column of text)",
        "roster.csv:4: regu: nothing; expected the id of a shift (pagi, siang, malam)",
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (",pagi,1001,tugas", 'tanggal: nothing; expected a date such as 2026-01-31'),
        ("2026-01-31,pagi,,tugas", "operator: nothing; expected an operator's extension"),
        ("2026-01-31,pagi,,libur", "operator: nothing; expected an operator's extension"),
        ("2026-01-31,pagi,1001,", "keterangan: nothing; expected"),
        ("2026-01-31,pagi,1001,tugas:x", 'keterangan: "tugas:x"; expected'),
        ("2026-01-31,pagi,1003,ganti", 'keterangan: "ganti"; expected'),
        ("2026-01-31,pagi,1003,ganti:9", '"ganti:9"; expected "ganti:" and an operator'),
        ("2026-01-31,pagi,1003,ganti:1003", "expected another operator's extension"),
        ("2026-01-31,pagi,1003,ganti:1004", "1004\", who is not on pagi on 2026-01-31; exp"),
        ("2026-01-31,pagi,1002,ganti:1001", '"1002", who is on pagi on 2026-01-31 anyway'),
        ("2026-01-31,pagi,1001", "roster.csv:2: 3 cells; expected 4 cells"),
        ("2026-01-31,pagi,1001,tugas,x", "roster.csv:2: 5 cells; expected 4 cells"),
        ("1999-01-31,pagi,1001,tugas", "tanggal:"),
    ],
)  # fmt: skip
def test_one_wrong_row_is_one_line(row: str, says: str) -> None:
    [line] = wrong(row + "\n")
    assert says in line


@pytest.mark.parametrize(
    ("rows", "line", "says"),
    [
        (["pagi,1003,tugas", "pagi,1003,tugas"], 3, "the same as row 2; expected each row once"),
        (["pagi,1003,ganti:1001", "pagi,1004,ganti:1001"], 3, "whose duty 1003 takes already"),
        (["pagi,1003,ganti:1001", "pagi,1003,ganti:1002"], 3, "who takes another duty of pagi"),
        (["pagi,1003,ganti:1001", ",1003,libur"], 2, '"1003", who is away by row 3'),
        (["pagi,1005,tugas", "pagi,1003,ganti:1001"], 3, "expected someone who is (1005)"),
    ],
)
def test_rows_that_contradict_each_other_are_wrong(rows: list[str], line: int, says: str) -> None:
    [found] = wrong("".join(f"2026-01-31,{row}\n" for row in rows))
    assert found.startswith(f"roster.csv:{line}: ")
    assert says in found


def test_duties_that_go_round_are_wrong() -> None:
    found = wrong("2026-01-31,pagi,1003,ganti:1004\n2026-01-31,pagi,1004,ganti:1003\n")
    assert [line.split(";")[0] for line in found] == [
        'roster.csv:2: keterangan: a duty of pagi on 2026-01-31 that comes back to "1004"',
        'roster.csv:3: keterangan: a duty of pagi on 2026-01-31 that comes back to "1003"',
    ]


def test_a_duty_of_someone_away_and_one_passed_on_twice_are_right() -> None:
    rows = "2026-01-31,pagi,1001,libur:sakit\n2026-01-31,pagi,1003,ganti:1001\n"
    rows += "2026-01-31,pagi,1003,libur\n2026-01-31,pagi,1004,ganti:1003\n"
    assert len(parse_roster(HEADER + rows, CENTRE, "roster.csv")) == 4


def test_a_shift_must_be_held_on_its_date() -> None:
    centre = with_holiday_shift()
    [ordinary] = wrong("2026-01-31,raya,1001,tugas\n", centre)
    assert 'regu: "raya", which is not held on 2026-01-31' in ordinary
    [holiday] = wrong("2026-01-31,,,libur\n2026-01-31,pagi,1001,tugas\n", centre)
    assert "expected a shift of that date (raya)" in holiday


def test_a_wrong_row_is_not_told_again_by_rows_that_need_it() -> None:
    [found] = wrong("2026-01-31,pagi,1003,tugs\n2026-01-31,pagi,1004,ganti:1003\n")
    assert found.startswith("roster.csv:2: keterangan")


def test_other_columns_are_not_a_roster() -> None:
    with pytest.raises(SettingsError, match="expected the columns tanggal,regu,operator"):
        parse_roster("date,shift\n", CENTRE, "roster.csv")
    with pytest.raises(SettingsError, match=r'roster\.csv:1: ""; expected'):
        parse_roster("", CENTRE, "roster.csv")


def test_a_file_that_is_missing_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nope\.csv:1: cannot be read: No such file"):
        read_roster(tmp_path / "nope.csv", CENTRE)
    (tmp_path / "old.csv").write_bytes(HEADER.encode() + b"2026-01-31,,,libur:\xe9\n")
    with pytest.raises(SettingsError, match=r"old\.csv:2: bytes that are not UTF-8"):
        read_roster(tmp_path / "old.csv", CENTRE)


def test_a_year_of_a_large_centre_is_read_in_seconds() -> None:
    entries = [
        Entry(DAY + timedelta(days=day), shift.id, operator, Kind.DUTY)
        for day in range(365)
        for shift in CENTRE.shifts
        for operator in ("1001", "1002", "1003", "1004", "1005")
    ]
    entries += [Entry(entry.date, None, "1006", Kind.OFF) for entry in entries[::15]]
    began = time.process_time()
    assert len(parse_roster(render_roster(entries), CENTRE, "roster.csv")) == len(entries)
    assert time.process_time() - began < 5


# In the settings


def settings_file(folder: Path, extra: str = "") -> Path:
    source = SAMPLE.read_text().replace("../../", f"{SAMPLE.parents[2]}/")
    source = source.replace('id = "contoh"\n', 'id = "contoh"\nroster = "roster.csv"\n', 1)
    path = folder / "centre.toml"
    path.write_text(
        source.replace(f"{SAMPLE.parents[2]}/var/contoh", str(folder / "state")) + extra
    )
    return path


def test_the_settings_name_a_roster_beside_them(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(HEADER)
    settings = load_settings(settings_file(tmp_path))
    assert settings.rosters["contoh"] == tmp_path / "roster.csv"
    assert settings.warnings == ()


def test_a_wrong_roster_is_a_warning_for_the_templates_hold(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(HEADER + "2026-01-31,pagi,1,tugas\nx,pagi,1001,tugas\n")
    warnings = load_settings(settings_file(tmp_path)).warnings
    assert len(warnings) == 2
    assert "roster.csv:2: operator" in warnings[0]
    assert "until then the shift templates hold" in warnings[0]


def test_without_a_roster_a_minimum_above_those_of_the_template_is_a_warning(
    tmp_path: Path,
) -> None:
    source = settings_file(tmp_path).read_text()
    path = tmp_path / "centre.toml"
    path.write_text(
        source.replace('roster = "roster.csv"\n', "").replace(
            'name = "Pagi"\n', 'name = "Pagi"\nminimum = 3\n'
        )
    )
    [warning] = load_settings(path).warnings
    assert "shifts[0].minimum: 3, of 2 operators" in warning


def test_holidays_need_their_own_whole_day_and_other_days_theirs(tmp_path: Path) -> None:
    special = (
        '\n[[shifts]]\nid = "raya"\nname = "Raya"\nstarts = "07:00"\nends = "19:00"\n'
        'operators = ["1001"]\nholiday = true\n'
    )
    (tmp_path / "roster.csv").write_text(HEADER)
    [warning] = load_settings(settings_file(tmp_path, special)).warnings
    assert "no shift from 19:00 to 07:00 on holidays" in warning
    path = settings_file(tmp_path)
    path.write_text(path.read_text().replace("ends = ", "holiday = true\nends = "))
    with pytest.raises(SettingsError, match="shifts: all for holidays"):
        load_settings(path)
