"""Questions that the command line, the demo and the console ask of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Select, Table, func, nulls_last, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ess_pbx.db.connect import reading
from ess_pbx.db.tables import (
    audit,
    call_backs,
    call_events,
    calls,
    legs,
    metadata,
    recordings,
    report_calls,
    report_steps,
    reports,
)
from ess_pbx.domain.facts import FactKind

Row: TypeAlias = dict[str, Any]
"""Column name to value; times are aware and in UTC, None is what is not known."""


_OF_REPORTS = [
    kind.value
    for kind in FactKind
    if kind.name.startswith("REPORT_") and kind is not FactKind.REPORT_DRAFTED
]


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All that the database holds of one call."""

    call: Row
    legs: list[Row]
    events: list[Row]
    recordings: list[Row]
    reports: list[Row] = []
    """What was written of it, also in reports that those were joined to: each with its ``calls``,
    its ``steps`` and its ``versions``, which are the facts that made it what it is."""
    audit: list[Row] = []
    """What people asked for of the call, its reports and its recordings."""


async def call_with_everything(engine: AsyncEngine, call_id: str) -> CallRecord | None:
    """The call with all that belongs to it, in order of time; None when unknown.

    Raises DatabaseError when it cannot be read.
    """
    async with reading(engine, f"call {call_id}") as connection:
        found = await _rows(connection, select(calls).where(calls.c.id == call_id))
        if not found:
            return None
        # Order by the monotonic clock: the wall clock may have jumped during the call.
        events = _of(call_events, call_id).order_by(
            nulls_last(call_events.c.ms), call_events.c.position, call_events.c.id
        )
        recorded = await _rows(connection, _by_start(recordings, call_id))
        written = await _reports(connection, found[0]["centre"], call_id)
        return CallRecord(
            call=found[0],
            legs=await _rows(connection, _by_start(legs, call_id)),
            events=await _rows(connection, events),
            recordings=recorded,
            reports=written,
            audit=await _asked(connection, found[0], written),
        )


async def recent_calls(
    engine: AsyncEngine, limit: int = 50, centre: str | None = None
) -> list[Row]:
    """The newest calls first, of one centre or of all."""
    query = select(calls).order_by(nulls_last(calls.c.invited_at.desc()), calls.c.id).limit(limit)
    if centre is not None:
        query = query.where(calls.c.centre == centre)
    async with reading(engine, "the latest calls") as connection:
        return await _rows(connection, query)


async def audit_log(
    engine: AsyncEngine,
    centre: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    by: str | None = None,
    limit: int = 100,
) -> list[Row]:
    """What people asked for, the newest first; ``until`` is not included."""
    query = select(audit).where(audit.c.centre == centre)
    if since is not None:
        query = query.where(audit.c.at >= since)
    if until is not None:
        query = query.where(audit.c.at < until)
    if by is not None:
        query = query.where(audit.c.by == by)
    query = query.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    async with reading(engine, "the audit log") as connection:
        return await _rows(connection, query)


async def calls_of_number(
    engine: AsyncEngine, centre: str, number: str, since: datetime, limit: int
) -> list[Row]:
    """A centre's calls of a number (E.164), the newest first."""
    columns = calls.c
    query = (
        select(calls)
        .where(columns.centre == centre, columns.caller_e164 == number, columns.invited_at >= since)
        .order_by(columns.invited_at.desc(), columns.id)
        .limit(limit)
    )
    async with engine.connect() as connection:
        return await _rows(connection, query)


async def reports_of_calls(engine: AsyncEngine, centre: str, of: Sequence[str]) -> list[Row]:
    """What was written of these calls: a centre's reports, each with the ``call`` it is of."""
    query = (
        select(reports, report_calls.c.call)
        .join(report_calls, report_calls.c.report == reports.c.number)
        .where(reports.c.centre == centre, report_calls.c.call.in_(of))
        .order_by(reports.c.opened_at, reports.c.number)
    )
    async with engine.connect() as connection:
        return await _rows(connection, query)


async def open_call_backs(engine: AsyncEngine, centre: str) -> list[Row]:
    """Whom a centre has still to call back, the most urgent first; who cannot be called is last."""
    columns = call_backs.c
    query = (
        select(call_backs)
        .where(columns.centre == centre, columns.outcome.is_(None))
        .order_by(columns.not_callable.is_not(None), columns.priority.desc(), columns.created_at)
    )
    async with engine.connect() as connection:
        return await _rows(connection, query)


async def table_counts(engine: AsyncEngine) -> dict[str, int]:
    """How many rows each table holds."""
    async with engine.connect() as connection:
        return {
            table.name: (
                await connection.execute(select(func.count()).select_from(table))
            ).scalar_one()
            for table in metadata.sorted_tables
        }


async def _reports(connection: AsyncConnection, centre: str, call_id: str) -> list[Row]:
    """The reports of a call, and those that they were joined to."""
    linked = select(report_calls.c.report).where(report_calls.c.call == call_id)
    numbers = list((await connection.execute(linked)).scalars())
    found: list[Row] = []
    for number in numbers:  # grows by those that they were joined to
        for row in await _rows(connection, select(reports).where(reports.c.number == number)):
            found.append({**row, **await _parts(connection, centre, row)})
            if row["joined_to"] is not None and row["joined_to"] not in numbers:
                numbers.append(row["joined_to"])
    return sorted(found, key=lambda row: row["number"])


async def _parts(connection: AsyncConnection, centre: str, report: Row) -> Row:
    number = report["number"]
    others = select(report_calls).where(report_calls.c.report == number)
    steps = select(report_steps).where(report_steps.c.report == number)
    events = call_events.c
    versions = (
        select(events.at, events.kind, events.data)
        .where(events.centre == centre, events.kind.in_(_OF_REPORTS))
        .where(events.data["report"].as_string() == number, events.at >= _since(report))
        .order_by(events.at, events.position, events.id)
    )
    return {
        "calls": await _rows(connection, others.order_by(report_calls.c.linked_at)),
        "steps": await _rows(connection, steps.order_by(report_steps.c.at)),
        "versions": await _rows(connection, versions),
    }


async def _asked(connection: AsyncConnection, call: Row, written: Sequence[Row]) -> list[Row]:
    subject = audit.c.subject
    query = (
        select(audit)
        .where(audit.c.centre == call["centre"], audit.c.at >= _since(call, *written))
        .where(
            or_(
                audit.c.call == call["id"],
                subject["linked"].as_string() == call["id"],
                subject["report"].as_string().in_([each["number"] for each in written]),
            )
        )
        .order_by(audit.c.at, audit.c.id)
    )
    return await _rows(connection, query)


def _since(*rows: Row) -> datetime:
    """Before the first of these rows began, whatever a clock that was set says: read no further."""
    began = [each[name] for each in rows for name in ("invited_at", "opened_at") if each.get(name)]
    return min(began) - timedelta(days=1) if began else datetime.min.replace(tzinfo=UTC)


def _of(table: Table, call_id: str) -> Select[Any]:
    return select(table).where(table.c.call == call_id)


def _by_start(table: Table, call_id: str) -> Select[Any]:
    return _of(table, call_id).order_by(nulls_last(table.c.started_at), table.c.id)


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in (await connection.execute(query)).mappings()]
