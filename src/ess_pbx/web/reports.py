"""Reports of incidents as the API shows them, and what the database knows of a caller."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.queries import calls_of_number, reports_of_calls
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.effects import Refused
from ess_pbx.domain.incident import Incident, conflicts, likely_same
from ess_pbx.evidence.retention import keep_days
from ess_pbx.sip.numbers import mask_number
from ess_pbx.web.answers import NOT_OF_THE_LIST, ApiError, refused
from ess_pbx.web.models import (
    ConflictError,
    EarlierCall,
    EarlierReport,
    HandOverView,
    LikelySame,
    Overwritten,
    ReportView,
    ReportWithTwins,
    WrongInReportError,
)
from ess_pbx.web.old_reports import of_database
from ess_pbx.web.whose import number_of

WRONG = frozenset({"invalid-answer", "invalid-contact-number"})
"""Refusals of what is in a report, beside what the centre's lists do not have."""
MOST = 50
"""Earlier calls, the newest."""


def open_reports(core: CallCentre, *, whole: bool) -> list[ReportView]:
    """The open reports, in the order in which they were opened."""
    centre = core.config.id
    reports = (each for each in core.incidents.open.values() if each.closed_at is None)
    return [ReportView(centre=centre, report=_shown(each, whole=whole)) for each in reports]


def hand_overs(core: CallCentre) -> list[HandOverView]:
    """What neighbours get, the oldest first."""
    return [
        HandOverView(
            centre=core.config.id,
            report=each.report,
            neighbour=each.agency,
            since=each.since,
            version=each.version,
            acknowledged=each.acknowledged,
            theirs=each.theirs,
            failed=each.failed,
        )
        for each in core.hand_overs.outgoing
    ]


def report(core: CallCentre, number: str, old: Incident | None, *, whole: bool) -> ReportWithTwins:
    """One report, at hand or as the database has it. Raises ApiError (404)."""
    found = core.incidents.open.get(number, old)
    if found is None:
        raise ApiError(
            404,
            "unknown-report",
            f"no report {number!r}",
            "one of GET /reports, or of POST /reports/search",
        )
    shown, twins = _shown(found, whole=whole), _twins(core, found)
    return ReportWithTwins(centre=core.config.id, report=shown, likely_same=twins)


def not_saved(core: CallCentre, why: Refused, fields: Mapping[str, Any]) -> ApiError:
    """A command that was refused; for a program, with where what was typed is kept, and what
    others wrote."""
    error = refused(why)
    if "fields" in fields and why.code in NOT_OF_THE_LIST | WRONG:
        number = fields.get("report") or core.incidents.latest
        said = {name: getattr(error.error, name) for name in error.error.__struct_fields__}
        error.error = WrongInReportError(**said, report=number)
    incident = core.incidents.open.get(fields.get("report", ""))
    if why.code != "conflict" or incident is None:
        return error
    found = conflicts(incident, fields["base"], fields["fields"])
    error.error = ConflictError(
        code=error.error.code,
        message=error.error.message,
        expected=f"base {incident.version}, once what others wrote was seen",
        version=incident.version,
        conflicts=[
            Overwritten(
                field=each.field,
                now=each.now,
                by=each.written.by,
                at=each.written.at,
                version=each.written.version,
            )
            for each in found
        ],
    )
    return error


async def history(
    core: CallCentre, database: AsyncEngine, call: str, now: float
) -> list[EarlierCall]:
    """Earlier calls of the number that a call came from; ``now`` is epoch seconds.

    No older than recordings of their category are kept. Raises ApiError (404, 503).
    """
    number = number_of(core, call)
    if number is None:
        raise ApiError(404, "unknown-call", "no such call", "a call that goes on, or of a day")
    if not number:
        return []
    return await of_database(_history(core, database, call, number, now), "history")


async def _history(
    core: CallCentre, database: AsyncEngine, call: str, number: str, now: float
) -> list[EarlierCall]:
    centre, days = core.config.id, keep_days([core.config])
    kept = [days(centre, each.id) for each in core.config.categories]
    today = datetime.fromtimestamp(now, UTC)
    since = today - timedelta(days=max(kept, default=0))
    rows = [
        row
        for row in await calls_of_number(database, centre, number, since, MOST + 1)
        if row["id"] != call
        and row["invited_at"] >= today - timedelta(days=days(centre, row["category"] or ""))
    ]
    written = await reports_of_calls(database, centre, [row["id"] for row in rows])
    return [
        EarlierCall(
            call=row["id"],
            at=row["invited_at"].timestamp(),
            **{name: row[name] for name in ("category", "operator", "result", "reason", "mark")},
            reports=[
                EarlierReport(**{name: of[name] for name in EarlierReport.__struct_fields__})
                for of in written
                if of["call"] == row["id"]
            ],
        )
        for row in rows[:MOST]
    ]


def _shown(incident: Incident, *, whole: bool) -> Incident:
    """A report; ``whole`` with the numbers that a neighbouring centre told of its callers."""
    origin = incident.origin
    if whole or origin is None:
        return incident
    calls = tuple(
        each if each.number is None else replace(each, number=mask_number(each.number))
        for each in origin.calls
    )
    return replace(incident, origin=replace(origin, calls=calls))


def _twins(core: CallCentre, incident: Incident) -> list[LikelySame]:
    if incident.closed_at is not None:
        return []
    found = likely_same(incident, core.incidents.open.values())
    return [LikelySame(number=other.number, why=why) for other, why in found]
