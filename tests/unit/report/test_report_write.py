"""What is written can be read again, by people and by spreadsheets, and starts no formula."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from openpyxl import load_workbook
from rich.console import Console

from ess_pbx.report.asked import By
from ess_pbx.report.tables import NO_CALLS, Report
from ess_pbx.report.write import CSV_HEADINGS, ReportError, show, write_csv, write_xlsx

from .small_centre import a_day, a_report, no_calls

ATTACKS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x","y")']


def printed(report: Report) -> str:
    console = Console(file=io.StringIO(), width=160)
    show(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def with_category(text: str) -> Report:
    facts = a_day()
    calls = tuple(replace(call, category=text) for call in facts.calls)
    return a_report(replace(facts, calls=calls), By.CATEGORY)


def test_the_terminal_shows_numbers_as_indonesians_write_them() -> None:
    text = printed(a_report(a_day()))
    assert "Sabtu, 21 November 2026" in text
    assert "2026-11-21 00:00 WIB sampai 2026-11-22 00:00 WIB" in text
    assert "33,3" in text
    assert "Tidak ada panggilan" not in text


def test_the_terminal_says_that_there_were_no_calls() -> None:
    text = printed(a_report(no_calls()))
    assert "Tidak ada panggilan pada periode ini." in text
    assert NO_CALLS in text


def test_names_are_no_markup() -> None:
    assert "[red]api[/red]" in printed(with_category("[red]api[/red]"))


def test_csv_is_rfc_4180_with_a_bom_and_a_decimal_point(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    write_csv(a_report(a_day()), path)
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfPusat,Periode,")
    assert raw.count(b"\r\n") == raw.count(b"\n")
    rows = rows_of(path)
    assert tuple(rows[0]) == CSV_HEADINGS
    assert all(None not in row.values() and None not in row for row in rows)
    (level,) = (row for row in rows if row["Angka"] == "Dijawab ≤ 10 detik")
    assert (level["Nilai"], level["Satuan"], level["Keterangan"]) == ("33.333", "%", "")
    assert level["Mulai"] == "2026-11-21T00:00:00+07:00"


def test_csv_of_a_day_without_calls_says_why_a_value_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    write_csv(a_report(no_calls()), path)
    rows = {row["Angka"]: row for row in rows_of(path)}
    assert (rows["Masuk"]["Nilai"], rows["Masuk"]["Keterangan"]) == ("0", "")
    level = rows["Dijawab ≤ 10 detik"]
    assert (level["Nilai"], level["Keterangan"]) == ("", NO_CALLS)


@pytest.mark.parametrize("attack", ATTACKS)
def test_csv_text_never_starts_a_formula(tmp_path: Path, attack: str) -> None:
    path = tmp_path / "report.csv"
    write_csv(with_category(attack), path)
    names = {row["Nama"] for row in rows_of(path)}
    assert f"'{attack}" in names
    assert attack not in names


@pytest.mark.parametrize("attack", [*ATTACKS, "\x00\x0bnul"])
def test_xlsx_text_never_starts_a_formula(tmp_path: Path, attack: str) -> None:
    path = tmp_path / "report.xlsx"
    write_xlsx(with_category(attack), path)
    with zipfile.ZipFile(path) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        assert not any(b"<f>" in archive.read(name) for name in sheets)
    cell = load_workbook(path)["Hasil"]["B3"]
    assert cell.data_type == "s"
    if "\x00" not in attack:
        assert (cell.value, cell.quotePrefix) == (attack, True)


def test_xlsx_has_a_sheet_for_each_table_with_numbers_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    write_xlsx(a_report(a_day(), By.SHIFT), path)
    book = load_workbook(path)
    assert book.sheetnames == [
        "Periode",
        *("Corong kehilangan", "Hasil", "Kecepatan jawab"),
        *("Penelepon ditahan", "Tanda panggilan"),
        *("Beban kerja operator", "Instansi", "Telepon balik", "Panggilan keluar petugas"),
    ]
    speed = book["Kecepatan jawab"]
    assert [cell.value for cell in speed[1]][:3] == ["Kode", "Regu", "Dijawab ≤ 10 detik (%)"]
    assert speed["C2"].value == pytest.approx(1 / 3)
    assert speed["C2"].number_format == "0.0%"
    assert book["Periode"]["B6"].value == 3


def test_xlsx_of_a_day_without_calls_says_so(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    write_xlsx(a_report(no_calls()), path)
    book = load_workbook(path)
    assert (book["Periode"]["B6"].value, book["Kecepatan jawab"]["C2"].value) == (NO_CALLS,) * 2
    assert book["Hasil"]["C2"].value == 0


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for write, name in ((write_csv, "a.csv"), (write_xlsx, "a.xlsx")):
        with pytest.raises(ReportError, match=name):
            write(a_report(no_calls()), tmp_path / "missing" / name)
