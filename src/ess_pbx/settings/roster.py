"""Reads and writes the roster: a CSV file that people edit in a spreadsheet.

::

    tanggal,regu,operator,keterangan
    2026-01-31,malam,1003,tugas              1003 is on the night shift that starts on this date
    2026-01-31,pagi,1004,ganti:1001          1004 takes 1001's duty
    2026-01-31,siang,1002,libur:sakit        1002 is away from this shift; without regu, all day
    2026-02-17,,,libur:Tahun Baru Imlek      a holiday: the shifts made for holidays, if any

The first ``tugas`` of a date and shift sets the template's operators aside. Commas or semicolons,
with or without a byte-order mark; the text after ``libur:`` is free. A file with one wrong row is
wrong as a whole.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from unicodedata import category

from ess_pbx.domain.config import Centre
from ess_pbx.domain.roster import Entry, Kind, Roster, passed_on
from ess_pbx.errors import SettingsError
from ess_pbx.settings.reading import Problem, render_errors, shown

COLUMNS = ("tanggal", "regu", "operator", "keterangan")
DATE, SHIFT, OPERATOR, KIND = COLUMNS
KINDS = '"tugas", "ganti:" and an extension, "libur", or "libur:" and the reason'


@dataclass(frozen=True)
class _Row:
    line: int
    entry: Entry


def read_roster(path: Path, centre: Centre) -> tuple[Entry, ...]:
    """Read a roster for a centre.

    Raises SettingsError, whose text has a line for every wrong cell: file, row, column, what stands
    there and what was expected.
    """
    try:
        source = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _fail(path, 1, f"cannot be read: {error.strerror}", "a roster in CSV") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        expected = 'CSV in UTF-8 (save it as "CSV UTF-8")'
        raise _fail(path, line, "bytes that are not UTF-8", expected) from error
    return parse_roster(source, centre, str(path))


def parse_roster(source: str, centre: Centre, file: str) -> tuple[Entry, ...]:
    """Read the text of a roster; ``file`` is its name in messages. Raises as ``read_roster``."""
    reading = _Reading(centre, file)
    reading.read(source)
    reading.check()
    if reading.problems:
        raise SettingsError(render_errors(sorted(reading.problems, key=lambda each: each.line)))
    return tuple(row.entry for row in reading.rows)


def render_roster(entries: Iterable[Entry], separator: str = ",") -> str:
    """Write a roster that ``parse_roster`` reads as the same entries, by date and shift."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = [
        (each.date.isoformat(), each.shift or "", each.operator or "", _spelled(each))
        for each in entries
    ]
    writer.writerows(sorted(rows))
    return text.getvalue()


class _Reading:
    """One file being read: its good rows and what is wrong in the others."""

    def __init__(self, centre: Centre, file: str) -> None:
        self.problems: list[Problem] = []
        self.rows: list[_Row] = []
        self._file = file
        self._shifts = {shift.id: shift for shift in centre.shifts}
        self._extensions = [operator.extension for operator in centre.operators]
        self._centre = centre
        self._in_doubt: set[date | None] = set()
        """Dates of wrong rows (None: unknown), where what others refer to may be missing."""

    def read(self, source: str) -> None:
        """Read row by row; each is held against the centre by itself."""
        header, _, _ = source.partition("\n")
        lines = csv.reader(io.StringIO(source), delimiter=";" if ";" in header else ",")
        try:
            found = [cell.strip().lower() for cell in next(lines, [])]
            if found != list(COLUMNS):
                self._wrong(1, "", shown(header.strip()), "the columns " + ",".join(COLUMNS))
                return
            for cells in lines:
                if any(cell.strip() for cell in cells):
                    self._row(lines.line_num, [cell.strip() for cell in cells])
        except csv.Error as error:
            self._wrong(lines.line_num, "", f"not CSV: {error}", "a roster in CSV")

    def check(self) -> None:
        """Hold rows against each other, and duties that are passed on against who has them."""
        roster = Roster(self._centre.shifts, [row.entry for row in self.rows])
        of_date: dict[date, list[_Row]] = {}
        for row in self.rows:
            of_date.setdefault(row.entry.date, []).append(row)
        for day, rows in of_date.items():
            self._check_repeated(rows)
            if not self._in_doubt & {None, day}:
                self._check_held(rows, roster)
                for shift in dict.fromkeys(row.entry.shift for row in rows):
                    if shift is not None:
                        self._check_taken(shift, rows, roster)

    def _row(self, line: int, cells: list[str]) -> None:
        before = len(self.problems)
        if len(cells) > len(COLUMNS) and not any(cells[len(COLUMNS) :]):
            cells = cells[: len(COLUMNS)]  # spreadsheets leave empty columns behind
        if len(cells) != len(COLUMNS):
            self._wrong(line, "", f"{len(cells)} cells", f"{len(COLUMNS)} cells")
            self._in_doubt.add(None)
            return
        day = self._date(line, cells[0])
        shift, operator = cells[1] or None, cells[2] or None
        kind, replaces, note = self._kind(line, cells[3])
        if shift is None and kind in (Kind.DUTY, Kind.REPLACES):
            self._wrong(line, SHIFT, "nothing", self._shift_ids())
        elif shift is not None and shift not in self._shifts:
            self._wrong(line, SHIFT, shown(shift), self._shift_ids())
        if operator is None and (kind in (Kind.DUTY, Kind.REPLACES) or shift is not None):
            self._wrong(line, OPERATOR, "nothing", "an operator's extension")
        elif operator is not None and operator not in self._extensions:
            self._wrong(line, OPERATOR, shown(operator), self._operators())
        if replaces is not None and replaces not in self._extensions:
            self._wrong(line, KIND, shown(cells[3]), f'"ganti:" and {self._operators()}')
        elif replaces is not None and replaces == operator:
            self._wrong(line, KIND, shown(cells[3]), "another operator's extension")
        if len(self.problems) == before and day is not None and kind is not None:
            self.rows.append(_Row(line, Entry(day, shift, operator, kind, replaces, note)))
        else:
            self._in_doubt.add(day)

    def _date(self, line: int, cell: str) -> date | None:
        # Nothing but ISO: 2/1/2026 is February to one spreadsheet and January to another.
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
            try:
                day = date.fromisoformat(cell)
            except ValueError:
                pass
            else:
                if 2000 <= day.year < 2200:
                    return day
        expected = "a date such as 2026-01-31 (year-month-day; in a spreadsheet, a column of text)"
        self._wrong(line, DATE, shown(cell or None), expected)
        return None

    def _kind(self, line: int, cell: str) -> tuple[Kind | None, str | None, str]:
        word, colon, rest = (part.strip() for part in cell.partition(":"))
        plain = not any(category(char) in ("Cc", "Cs", "Zl", "Zp") for char in rest)
        match word.lower():
            case Kind.DUTY if not colon:
                return Kind.DUTY, None, ""
            case Kind.REPLACES if rest:
                return Kind.REPLACES, rest, ""
            case Kind.OFF if plain and len(rest) <= 200:
                return Kind.OFF, None, rest
        self._wrong(line, KIND, shown(cell or None), KINDS)
        return None, None, ""

    def _check_repeated(self, rows: list[_Row]) -> None:
        first: dict[Entry, int] = {}
        for row in rows:
            earlier = first.setdefault(replace(row.entry, note=""), row.line)
            if earlier != row.line:
                self._wrong(row.line, "", f"the same as row {earlier}", "each row once")

    def _check_held(self, rows: list[_Row], roster: Roster) -> None:
        day = rows[0].entry.date
        held = [shift.id for shift in roster.templates(day)]
        for row in rows:
            if row.entry.shift is not None and row.entry.shift not in held:
                found = f"{shown(row.entry.shift)}, which is not held on {day}"
                self._wrong(row.line, SHIFT, found, f"a shift of that date ({', '.join(held)})")

    def _check_taken(self, shift: str, rows: list[_Row], roster: Roster) -> None:
        """Hold the take-overs of one shift on one date against each other."""
        where = f"{shift} on {rows[0].entry.date}"
        assigned = roster.assigned(self._shifts[shift], rows[0].entry.date)
        taken: dict[str, str] = {}
        by: dict[str, int] = {}
        away = {
            row.entry.operator: row.line
            for row in rows
            if row.entry.kind is Kind.OFF and row.entry.shift in (None, shift)
        }
        taking = [
            (row.line, row.entry.operator, row.entry.replaces)
            for row in rows
            if row.entry.shift == shift and row.entry.operator and row.entry.replaces
        ]
        for line, operator, replaces in taking:
            if replaces in taken:
                found = f"{replaces}, whose duty {taken[replaces]} takes already"
                self._wrong(line, KIND, found, "one who takes it")
            elif operator in assigned:
                found = f"{shown(operator)}, who is on {where} anyway"
                self._wrong(line, OPERATOR, found, "someone who is not")
            elif operator in by:
                found = (
                    f"{shown(operator)}, who takes another duty of {where} by row {by[operator]}"
                )
                self._wrong(line, OPERATOR, found, "someone else for one of them")
            taken.setdefault(replaces, operator)
            by.setdefault(operator, line)
        for line, operator, replaces in taking:
            if replaces not in assigned | by.keys():
                named = ", ".join(sorted(assigned)) or "there is nobody"
                found = f"{shown(replaces)}, who is not on {where}"
                self._wrong(line, KIND, found, f"someone who is ({named})")
            elif passed_on(replaces, taken) == replaces:
                found = f"a duty of {where} that comes back to {shown(replaces)}"
                self._wrong(line, KIND, found, "someone at the end who has it")
            elif operator in away and operator not in taken:
                found = f"{shown(operator)}, who is away by row {away[operator]}"
                self._wrong(line, OPERATOR, found, "someone who is not")

    def _shift_ids(self) -> str:
        return f"the id of a shift ({', '.join(self._shifts)})"

    def _operators(self) -> str:
        return f"an operator's extension ({', '.join(self._extensions)})"

    def _wrong(self, line: int, column: str, found: str, expected: str) -> None:
        self.problems.append(Problem(self._file, line, column, found, expected))


def _spelled(entry: Entry) -> str:
    match entry.kind:
        case Kind.REPLACES:
            return f"{Kind.REPLACES}:{entry.replaces}"
        case Kind.OFF if entry.note:
            return f"{Kind.OFF}:{entry.note}"
    return str(entry.kind)


def _fail(path: Path, line: int, found: str, expected: str) -> SettingsError:
    return SettingsError(render_errors([Problem(str(path), line, "", found, expected)]))
