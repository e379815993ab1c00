"""``ess-pbx audit``: what people asked for, out of the database."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from cyclopts import Parameter

from ess_pbx.errors import SettingsError
from ess_pbx.log import HIDDEN, masked
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import Settings
from ess_pbx.terminal import Named, err, print_json, print_rows, run

OF_LISTS = frozenset({"kind", "category", "subcategory", "priority"})
"""Fields of a report that take a value of the centre's lists, and so say nothing of a person."""
FREE_TEXT = frozenset({"note", "outcome"})
COLUMNS = ("at", "by", "via", "action", "call", "subject")
SettingsFile = Annotated[Path, Parameter(help="The centre's TOML file.")]


def audit(
    settings: SettingsFile,
    *,
    since: Annotated[str | None, Parameter(help="2026-11-21 or 2026-11-21T07:00.")] = None,
    until: Annotated[str | None, Parameter(help="Likewise; not included.")] = None,
    by: Annotated[str | None, Parameter(help="An extension or account.")] = None,
    limit: Annotated[int, Parameter(help="The newest so many.")] = 100,
    centre: Named = None,
    whole: Annotated[bool, Parameter(help="Personal data in full.", negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", help="JSON on stdout.", negative="")] = False,
) -> int:
    """Show who asked for what, the newest first; times are the centre's own."""
    loaded = load_settings(settings)
    named = loaded.centre_named(centre)
    zone = ZoneInfo(named.time_zone)
    bounds = {"since": _moment(since, "--since", zone), "until": _moment(until, "--until", zone)}
    rows = [
        _shown(row, zone, whole=whole) for row in run(_read(loaded, named.id, bounds, by, limit))
    ]
    if as_json:
        print_json(rows)
        return 0
    if not rows:
        err.print("Nothing was asked for, or nothing of it is in the database yet.")
        return 0
    lines = [{**row, "subject": msgspec.json.encode(row["subject"]).decode()} for row in rows]
    print_rows(lines, COLUMNS)
    return 0


async def _read(
    loaded: Settings, centre: str, bounds: dict[str, datetime | None], by: str | None, limit: int
) -> list[dict[str, Any]]:
    from ess_pbx.db.connect import create_engine
    from ess_pbx.db.queries import audit_log

    database = create_engine(loaded.database.url)
    try:
        return await audit_log(database, centre, by=by, limit=limit, **bounds)
    finally:
        await database.dispose()


def _shown(row: dict[str, Any], zone: ZoneInfo, *, whole: bool) -> dict[str, Any]:
    subject = row["subject"] if whole else _masked(row["subject"])
    at = row["at"].astimezone(zone).isoformat(sep=" ", timespec="seconds")
    return {**{name: row[name] for name in COLUMNS}, "at": at, "subject": subject}


def _masked(subject: dict[str, Any]) -> dict[str, Any]:
    """Without what people wrote of callers: which fields of a report they wrote stays."""
    shown: dict[str, Any] = masked(subject)
    for name in FREE_TEXT & shown.keys():
        shown[name] = shown[name] and HIDDEN
    fields = shown.get("fields")
    if isinstance(fields, dict):
        shown["fields"] = {
            name: value if name in OF_LISTS or value is None else HIDDEN
            for name, value in fields.items()
        }
    return shown


def _moment(text: str | None, option: str, zone: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{option} {text}: no time; expected 2026-11-21 or 2026-11-21T07:00"
        ) from None
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
