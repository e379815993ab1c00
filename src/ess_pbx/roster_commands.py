"""``ess-pbx roster``: take over a roster from a spreadsheet, hand one out, show who is on duty."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ess_pbx.domain.config import Centre
from ess_pbx.domain.roster import Entry, Kind, Roster
from ess_pbx.errors import SettingsError
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import Settings
from ess_pbx.settings.roster import read_roster, render_roster
from ess_pbx.terminal import Named

roster = App(name="roster", help="Who is on duty on which date.")

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False)

SettingsFile = Annotated[Path, Parameter(help="The TOML file of the installation.")]


@roster.command(name="import")
def import_(
    settings: SettingsFile,
    file: Annotated[Path, Parameter(help="The roster in CSV.")],
    *,
    centre: Named = None,
) -> int:
    """Check a roster and put it in the place of the centre's; a running engine takes it over."""
    loaded = load_settings(settings)
    chosen = loaded.centre_named(centre)
    path = loaded.rosters.get(chosen.id)
    if path is None:
        raise SettingsError(
            f"{settings}: {chosen.id}: [centre] has no roster; expected a file's name, such as "
            'roster = "roster.csv"'
        )
    fresh = render_roster(read_roster(file, chosen))
    try:
        before = render_roster(read_roster(path, chosen)) if path.exists() else ""
    except SettingsError as error:
        err.print(f"The roster until now was wrong:\n{error}", markup=False)
        before = ""
    changes = [
        line
        for line in difflib.ndiff(before.splitlines()[1:], fresh.splitlines()[1:])
        if line[0] in "+-"
    ]
    for line in changes:
        out.print(line, markup=False)
    backup = replace_file(path, fresh)
    kept = f"; the one before is {backup}" if backup else ""
    added = sum(line.startswith("+") for line in changes)
    err.print(f"{path}: {added} rows added, {len(changes) - added} taken away{kept}", markup=False)
    return 0


@roster.command
def export(
    settings: SettingsFile,
    *,
    since: Annotated[date, Parameter(name="--from", help="The first date.")],
    to: Annotated[date, Parameter(help="The last date, included.")],
    out: Annotated[Path | None, Parameter(help="The file; stdout when none is given.")] = None,
    filled: Annotated[bool, Parameter(help="With those whom the templates name.")] = False,
    semicolon: Annotated[bool, Parameter(help="Semicolons, for Excel in Indonesian.")] = False,
    centre: Named = None,
) -> int:
    """Write the roster of some dates as CSV, to edit and import again."""
    if to < since:
        raise SettingsError(f"--to {to} is before --from {since}; expected the same date or later")
    _, planned = _planned(load_settings(settings), centre)
    entries = tuple(each for each in planned.entries if since <= each.date <= to)
    text = render_roster(
        planned.filled(since, to) if filled else entries, ";" if semicolon else ","
    )
    if out is None:
        sys.stdout.write(text)
        return 0
    # A byte-order mark tells spreadsheets that it is UTF-8.
    replace_file(out, "\ufeff" + text)
    err.print(f"{out}: {text.count(chr(10)) - 1} rows", markup=False)
    return 0


@roster.command
def show(
    settings: SettingsFile,
    *,
    date: Annotated[date | None, Parameter(help="Today when none is given.")] = None,
    days: Annotated[int, Parameter(help="How many dates.")] = 1,
    centre: Named = None,
) -> int:
    """Show who is on duty when."""
    chosen, planned = _planned(load_settings(settings), centre)
    now = datetime.now(ZoneInfo(chosen.time_zone))
    first = date or now.date()
    out.print(duty_table(planned, chosen, first, days))
    on_duty = ", ".join(_named(chosen, planned.on_duty(now))) or "nobody"
    out.print(f"On duty now ({now:%Y-%m-%d %H:%M %Z}): {on_duty}", markup=False)
    return 0


def duty_table(planned: Roster, centre: Centre, first: date, days: int) -> Table:
    """The duties that start on some dates, and what made each other than its template."""
    table = Table("tanggal", "regu", "mulai", "selesai", "operator", "minimum", "keterangan")
    last = first + timedelta(days=max(1, days) - 1)
    for duty in planned.duties(first, last, ZoneInfo(centre.time_zone)):
        shift = duty.shift
        named = _named(centre, duty.operators)
        short = len(named) < shift.minimum
        entries = [each for each in planned.entries if each.date == duty.date]
        table.add_row(
            str(duty.date),
            shift.id,
            f"{shift.starts:%H:%M}",
            f"{shift.ends:%H:%M}",
            escape("\n".join(named)) or "tidak ada",
            str(shift.minimum),
            escape("\n".join(_remarks(entries, shift.id))),
            style="red" if short else None,
        )
    return table


def replace_file(path: Path, text: str) -> Path | None:
    """Put a text in a file's place, whole or not at all.

    Returns where the file before is kept (``.bak`` behind its name), or None when there was none.
    Raises SettingsError when it cannot be written.
    """
    fresh, backup = path.with_name(path.name + ".new"), path.with_name(path.name + ".bak")
    try:
        with fresh.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        kept = path.exists()
        if kept:
            shutil.copymode(path, fresh)
            shutil.copy2(path, backup)
        fresh.replace(path)
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be written: {error.strerror}; expected a folder that you may write in"
        ) from error
    return backup if kept else None


def _planned(loaded: Settings, name: str | None) -> tuple[Centre, Roster]:
    centre = loaded.centre_named(name)
    path = loaded.rosters.get(centre.id)
    return centre, Roster.of(centre, read_roster(path, centre) if path else ())


def _named(centre: Centre, extensions: frozenset[str]) -> list[str]:
    names = {operator.extension: operator.name for operator in centre.operators}
    return [f"{extension} {names.get(extension, '')}".strip() for extension in sorted(extensions)]


def _remarks(entries: list[Entry], shift: str) -> list[str]:
    remarks = []
    for entry in entries:
        reason = f" ({entry.note})" if entry.note else ""
        if entry.is_holiday:
            remarks.append(f"hari libur{reason}")
        elif entry.kind is Kind.OFF and entry.shift in (None, shift):
            remarks.append(f"{entry.operator} libur{reason}")
        elif entry.kind is Kind.REPLACES and entry.shift == shift:
            remarks.append(f"{entry.operator} ganti {entry.replaces}")
    if not any(entry.kind is Kind.DUTY and entry.shift == shift for entry in entries):
        remarks.append("menurut templat")
    return remarks
