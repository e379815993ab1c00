"""A report on the terminal, as CSV and as XLSX.

The CSV is for machines and is RFC 4180: ``,`` between fields, CRLF, a decimal point, one row per
figure so that new figures move no column; its BOM tells Excel that it is UTF-8. ``;`` and a decimal
comma would suit a double click in an Excel set to Indonesian, where it comes up in one column, and
break every other reader; for Excel there is XLSX, right in any locale.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, ClassVar

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ess_pbx.errors import EssPbxError
from ess_pbx.report.tables import Column, Line, Report, Section, Unit, Value

CSV_HEADINGS = (
    *("Pusat", "Periode", "Mulai", "Sampai", "Bagian", "Kode", "Nama"),
    *("Angka", "Nilai", "Satuan", "Keterangan"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet may take for the start of a formula (OWASP, CSV injection). A caller or a
trunk must not get a command into the supervisor's spreadsheet."""
NUMBER_FORMATS = {Unit.CALLS: "#,##0", Unit.TIMES: "#,##0", Unit.SHARE: "0.0%"}
DECIMALS = {Unit.CALLS: 0, Unit.TIMES: 0, Unit.SHARE: 1, Unit.SECONDS: 1, Unit.HOURS: 2}


class ReportError(EssPbxError):
    """A report cannot be written."""

    code: ClassVar[str] = "report"


def show(report: Report, console: Console) -> None:
    """Print the report as tables."""
    console.print(f"[bold]{escape(report.centre)}[/]: {escape(report.period.label)}")
    console.print(f"{_local(report, 'start')} sampai {_local(report, 'end')}")
    if not report.offered:
        console.print("Tidak ada panggilan pada periode ini.")
    for section in report.sections:
        console.print(_table(section))


def write_csv(report: Report, path: Path) -> None:
    """Write the report as CSV; raises ReportError."""
    period = report.period
    head = (report.centre, period.label, period.start.isoformat(), period.end.isoformat())
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(CSV_HEADINGS)
            for section in report.sections:
                for line in section.lines:
                    for column, value in zip(section.columns, line.values, strict=True):
                        names = (*head, section.title, line.code, line.name, column.heading)
                        note = line.none if value is None else ""
                        shown = _machine(column, value)
                        texts = (*map(_inert, names), shown, column.unit, _inert(note))
                        writer.writerow(texts)
    except OSError as error:
        raise _not_written(path, error) from error


def write_xlsx(report: Report, path: Path) -> None:
    """Write the report as XLSX, a sheet for each table; raises ReportError."""
    book = Workbook()
    first = book.active
    if not isinstance(first, Worksheet):  # for mypy: a new workbook has one
        raise TypeError(first)
    first.title = "Periode"
    about = (
        ("Pusat", report.centre),
        ("Periode", report.period.label),
        ("Mulai", _local(report, "start")),
        ("Sampai", _local(report, "end")),
        ("Dibuat", f"{report.made:%Y-%m-%d %H:%M:%S %Z}"),
        ("Panggilan", "" if report.offered else "tidak ada panggilan"),
    )
    for number, (name, text) in enumerate(about, 1):
        _put(first, number, 1, name).font = Font(bold=True)
        _put(first, number, 2, text)
    if report.offered:
        first.cell(len(about), 2, report.offered)
    first.column_dimensions["A"].width, first.column_dimensions["B"].width = 14, 48
    for section in report.sections:
        _fill(book.create_sheet(section.title), section)
    try:
        book.save(path)
    except OSError as error:
        raise _not_written(path, error) from error


def _fill(sheet: Worksheet, section: Section) -> None:
    headings = ("Kode", section.group, *(_heading(column) for column in section.columns))
    for place, heading in enumerate(headings, 1):
        cell = _put(sheet, 1, place, heading)
        cell.font, cell.alignment = Font(bold=True), Alignment(wrap_text=True, vertical="top")
        sheet.column_dimensions[get_column_letter(place)].width = 28 if place == 2 else 16
    sheet.freeze_panes = "C2"
    for row, line in enumerate(section.lines, 2):
        _put(sheet, row, 1, line.code)
        _put(sheet, row, 2, line.name)
        pairs = zip(section.columns, line.values, strict=True)
        for place, (column, value) in enumerate(pairs, 3):
            if value is None:
                _put(sheet, row, place, line.none)
                continue
            number = sheet.cell(row, place, value)
            number.number_format = NUMBER_FORMATS.get(column.unit, "#,##0.00")


def _put(sheet: Worksheet, row: int, place: int, text: str) -> Cell:
    """Write text that stays text, whatever it looks like."""
    cell: Any = sheet.cell(row, place)
    cell.value = ILLEGAL_CHARACTERS_RE.sub("\ufffd", text)
    if text.startswith(FORMULA):
        # openpyxl takes "=" for a formula; the prefix keeps Excel from doing so when it is edited.
        cell.data_type, cell.quotePrefix = "s", True
    done: Cell = cell
    return done


def _table(section: Section) -> Table:
    """The longer side goes down, so that one group's figures are a list."""
    title, columns, lines = section.title, section.columns, section.lines
    if len(lines) > len(columns):
        table = Table(section.group, title=title, title_justify="left")
        for column in columns:
            table.add_column(_heading(column), justify="right")
        for line in lines:
            cells = (_human(c, v, line) for c, v in zip(columns, line.values, strict=True))
            table.add_row(_title(line), *cells)
        return table
    table = Table(section.group, title=title, title_justify="left")
    for line in lines:
        table.add_column(_title(line), justify="right")
    for place, column in enumerate(columns):
        cells = (_human(column, line.values[place], line) for line in lines)
        table.add_row(_heading(column), *cells)
    return table


def _title(line: Line) -> str:
    # Operators are known by their extension, all else by its name.
    both = line.code.isdigit() and line.code != line.name
    return escape(f"{line.code} {line.name}" if both else line.name)


def _heading(column: Column) -> str:
    return column.heading if column.unit is Unit.CALLS else f"{column.heading} ({column.unit})"


def _human(column: Column, value: Value, line: Line) -> str:
    """As Indonesians write numbers: 1.234,5."""
    if value is None:
        return escape(line.none)
    shown = value * 100 if column.unit is Unit.SHARE else value
    return f"{shown:,.{DECIMALS[column.unit]}f}".translate(str.maketrans(",.", ".,"))


def _machine(column: Column, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return f"{value * 100:.3f}" if column.unit is Unit.SHARE else f"{value:.3f}"


def _inert(text: str) -> str:
    """A CSV field has no type: an apostrophe makes a spreadsheet read it as text."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _local(report: Report, end: str) -> str:
    moment = report.period.start if end == "start" else report.period.end
    return f"{moment:%Y-%m-%d %H:%M %Z}"


def _not_written(path: Path, error: OSError) -> ReportError:
    return ReportError(
        f"{path} cannot be written: {error.strerror}; expected a file in a folder that exists "
        "and may be written to: give another one"
    )
