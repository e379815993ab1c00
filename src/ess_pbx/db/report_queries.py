"""Reports of incidents in the tables: found, and with all that belongs to each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Integer, Select, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ess_pbx.db.tables import calls, report_calls, report_drafts, report_steps, reports

Row = dict[str, Any]
TELLING = 8
"""The last digits of a number, by which it is known with and without its country code."""


class ReportRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All that the database holds of one report."""

    report: Row
    calls: list[str]
    """In the order in which they were linked."""
    steps: list[Row]
    drafts: list[Row]
    joined: list[Row]
    """The reports that were joined to it."""


async def report_with_everything(
    engine: AsyncEngine, centre: str, number: str
) -> ReportRecord | None:
    """A centre's report of this number; None when there is none."""
    of = {table.name: table.c.report == number for table in (report_calls, report_steps)}
    async with engine.connect() as connection:
        own = (reports.c.centre == centre, reports.c.number == number)
        found = await _rows(connection, select(reports).where(*own))
        if not found:
            return None
        linked = (
            select(report_calls)
            .where(of["report_calls"])
            .order_by(report_calls.c.linked_at, report_calls.c.call)
        )
        steps = select(report_steps).where(of["report_steps"]).order_by(report_steps.c.at)
        drafts = select(report_drafts).where(report_drafts.c.report == number)
        joined = select(reports).where(reports.c.joined_to == number).order_by(reports.c.number)
        return ReportRecord(
            report=found[0],
            calls=[row["call"] for row in await _rows(connection, linked)],
            steps=await _rows(connection, steps),
            drafts=[row for row in await _rows(connection, drafts) if row["fields"]],
            joined=await _rows(connection, joined),
        )


async def find_reports(
    engine: AsyncEngine,
    centre: str,
    *,
    ticket: str | None = None,
    caller: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
) -> list[Row]:
    """A centre's reports, the newest first; ``until`` is not included.

    ``ticket`` is a number or its end. ``caller`` is the E.164 number of one of its calls, whose end
    the second number may have too, or a part of the caller's name.
    """
    query = select(reports).where(reports.c.centre == centre)
    if ticket is not None:
        query = query.where(reports.c.number.endswith(ticket, autoescape=True))
    if caller is not None:
        query = query.where(_of_caller(caller))
    if since is not None:
        query = query.where(reports.c.opened_at >= since)
    if until is not None:
        query = query.where(reports.c.opened_at < until)
    query = query.order_by(reports.c.opened_at.desc(), reports.c.number.desc()).limit(limit)
    async with engine.connect() as connection:
        return await _rows(connection, query)


async def last_tickets(engine: AsyncEngine, centre: str) -> Mapping[str, int]:
    """By local day (20261122), the highest number of a centre's reports."""
    before = len(centre) + 1
    day = func.substr(reports.c.number, before + 1, 8)
    number = cast(func.substr(reports.c.number, before + 10), Integer)
    query = select(day, func.max(number)).where(reports.c.centre == centre).group_by(day)
    async with engine.connect() as connection:
        return {row[0]: row[1] for row in await connection.execute(query)}


def _of_caller(caller: str) -> Any:
    if not caller.startswith("+"):
        return reports.c.caller_name.icontains(caller, autoescape=True)
    of_call = (
        select(report_calls.c.report)
        .join(calls, calls.c.id == report_calls.c.call)
        .where(calls.c.caller_e164 == caller)
    )
    digits: Any = reports.c.contact_number
    for between in " ().-":
        digits = func.replace(digits, between, "")
    return or_(reports.c.number.in_(of_call), digits.endswith(caller[-TELLING:]))


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in (await connection.execute(query)).mappings()]
