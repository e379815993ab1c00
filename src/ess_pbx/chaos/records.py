"""What the database says afterwards of the calls that were made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from ess_pbx.chaos.callers import Caller
from ess_pbx.chaos.verdict import Check
from ess_pbx.db.connect import create_engine
from ess_pbx.db.queries import Row
from ess_pbx.db.tables import call_backs, calls

STORED_WITHIN = 30.0
"""Seconds after the last call until everything must be in the database."""


async def calls_of(url: str) -> list[Row]:
    """Every call that came in, on record; those that the centre made itself are left out."""
    database = create_engine(url)
    query = select(calls).where(calls.c.direction.is_distinct_from("out"))
    try:
        async with database.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]
    finally:
        await database.dispose()


async def call_back_numbers(url: str) -> dict[str, int]:
    """The numbers that are to be called back, with their priorities."""
    database = create_engine(url)
    try:
        async with database.connect() as connection:
            rows = (await connection.execute(select(call_backs))).mappings()
            return {str(row["caller_e164"]): int(row["priority"] or 0) for row in rows}
    finally:
        await database.dispose()


async def record_checks(
    url: str, callers: Iterable[Caller], within: float = STORED_WITHIN
) -> list[Check]:
    """Calls without a terminal record, and numbers with more calls than they made (one each)."""
    wanted = {caller.number for caller in callers if caller.known}
    deadline = time.monotonic() + within
    while True:
        lost, twice = await _compare(url, wanted)
        if (lost == 0 and twice == 0) or time.monotonic() > deadline:
            return [
                Check("lost", lost, at_most=0),
                Check("duplicated", twice, at_most=0),
            ]
        await asyncio.sleep(0.25)


async def _compare(url: str, wanted: set[str]) -> tuple[int, int]:
    try:
        rows = await calls_of(url)
    except (SQLAlchemyError, OSError):  # it is not back yet
        return len(wanted), 0
    ended = [str(row["caller_e164"]) for row in rows if row["result"] is not None]
    numbers = [str(row["caller_e164"]) for row in rows if str(row["caller_e164"]) in wanted]
    return len(wanted - set(ended)), len(numbers) - len(set(numbers))
