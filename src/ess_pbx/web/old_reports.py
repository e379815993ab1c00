"""Reports that are not at hand any more, out of the database: read, found, and taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.report_queries import ReportRecord, Row, find_reports, report_with_everything
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.config import Centre
from ess_pbx.domain.incident import Draft, Fields, Incident, Step
from ess_pbx.domain.incident_join import said_otherwise
from ess_pbx.evidence.retention import keep_days
from ess_pbx.log import get_logger
from ess_pbx.sip.numbers import parse_caller
from ess_pbx.web.answers import ApiError
from ess_pbx.web.report_models import FindReportsBody, FoundReport

WITHIN = 3.0
"""Seconds that the database has: an operator does not wait for it with a caller on the line."""
MOST = 50
T = TypeVar("T")
_log = get_logger(__name__)


async def of_database(asked: Awaitable[T], what: str) -> T:
    """What the database answers in time. Raises ApiError (503)."""
    try:
        async with asyncio.timeout(WITHIN):
            return await asked
    except (TimeoutError, SQLAlchemyError, OSError) as error:
        # The statement, which SQLAlchemy tells too, holds callers' numbers.
        _log.warning(f"web.{what}_not_read", reason=str(getattr(error, "orig", error)))
        raise ApiError(503, "no-database", "the database does not answer", "later") from error


async def old_report(core: CallCentre, database: AsyncEngine, number: str) -> Incident | None:
    """A report of this centre as the database has it; None when it has none.

    Raises ApiError (503).
    """
    asked = report_with_everything(database, core.config.id, number)
    found = await of_database(asked, "report")
    return None if found is None else _incident(found)


async def found(
    core: CallCentre, database: AsyncEngine, asked: FindReportsBody, now: float
) -> list[FoundReport]:
    """The reports that fit; ``now`` is epoch seconds. By a caller, no older than any recording.

    Raises ApiError (422, 503).
    """
    if asked == FindReportsBody():
        raise ApiError(422, "nothing-asked", "nothing to search for", "ticket, caller or day")
    since = until = None
    if asked.day is not None:
        since, until = _day(asked.day, core.config)
    if asked.caller is not None:
        oldest = datetime.fromtimestamp(now, UTC) - timedelta(days=_longest(core.config))
        since = oldest if since is None else max(since, oldest)
    rows = await of_database(
        find_reports(
            database,
            core.config.id,
            ticket=asked.ticket,
            caller=None if asked.caller is None else _caller(asked.caller, core.config),
            since=since,
            until=until,
            limit=MOST,
        ),
        "reports",
    )
    return [_found(core.config.id, row) for row in rows]


def _longest(centre: Centre) -> int:
    days = keep_days([centre])
    return max((days(centre.id, each.id) for each in centre.categories), default=0)


def _day(text: str, centre: Centre) -> tuple[datetime, datetime]:
    try:
        first = datetime.combine(date.fromisoformat(text), time(), ZoneInfo(centre.time_zone))
        return first.astimezone(UTC), (first + timedelta(days=1)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ApiError(422, "invalid-day", f"no day {text!r}", "a date as 2026-11-22") from None


def _caller(text: str, centre: Centre) -> str:
    """A number as the database has it; a name as it was given."""
    number = parse_caller(text, country=centre.country, area_code=centre.area_code).e164
    return text.strip() if number is None else number


def _found(centre: str, row: Row) -> FoundReport:
    short = ("number", "kind", "category", "place", "district", "outcome", "joined_to")
    return FoundReport(
        centre=centre,
        opened_at=_epoch(row["opened_at"]),
        closed_at=_epoch(row["closed_at"]),
        **{name: row[name] for name in short},
    )


def _incident(found: ReportRecord) -> Incident:
    row, fields = found.report, _fields(found.report)
    agencies: dict[str, dict[Step, float]] = {}
    for step in found.steps:
        agencies.setdefault(step["agency"], {})[Step(step["step"])] = _epoch(step["at"]) or 0.0
    return Incident(
        number=row["number"],
        opened_at=_epoch(row["opened_at"]) or 0.0,
        opened_by=row["opened_by"] or "",
        fields=fields,
        calls=tuple(found.calls),
        agencies=agencies,
        drafts={
            each["by"]: Draft(0, _read(each["fields"]), _epoch(each["at"]) or 0.0)
            for each in found.drafts
        },
        closed_at=_epoch(row["closed_at"]),
        closed_by=row["closed_by"] or "",
        outcome=row["outcome"] or "",
        joined_to=row["joined_to"],
        otherwise={
            each["number"]: differs
            for each in found.joined
            if (differs := said_otherwise(fields, _fields(each))).given()
        },
    )


def _fields(row: Row) -> Fields:
    given = {name: row[name] for name in Fields.__struct_fields__ if row.get(name) is not None}
    return _read(given)


def _read(given: dict[str, Any]) -> Fields:
    """Fields of any version: what cannot be read does not keep the rest from being read."""
    read = Fields()
    for name, value in given.items():
        try:
            fresh = msgspec.convert({name: value}, Fields)
        except msgspec.ValidationError as error:
            _log.warning("web.report_field_not_read", field=name, reason=str(error))
        else:
            read = msgspec.structs.replace(read, **fresh.given())
    return read


def _epoch(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
