"""The tables made anew from the journal alone, and held against those that are in use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.connect import DatabaseError
from ess_pbx.db.projector import BATCH, project
from ess_pbx.db.tables import metadata
from ess_pbx.engine.segments import Damage, Record, list_segments, scan

OF_SETTINGS = frozenset({"agencies", "centres", "projection", "shift_members", "shifts", "trunks"})
"""Tables that say what the settings say, or where the projector is: no facts make them whole."""
OF_FACTS = {"agents": ("centre", "extension", "status", "state", "call", "state_at")}
"""Of a table that says both, the columns that facts make."""
SHOWN = 5
"""Differences of a table that are told one by one."""


def read_journal(folder: Path) -> Iterator[Record | Damage]:
    """All of a journal, which an engine may be writing; its unfinished last line is left out."""
    segments = list_segments(folder)
    for number, (_, path) in enumerate(segments, 1):
        with path.open("rb") as file:
            for item in scan(file, path, path.stat().st_size):
                torn = isinstance(item, Damage) and item.unfinished
                if not (torn and number == len(segments)):
                    yield item


async def replay(
    folder: Path, engine: AsyncEngine, journal: str, progress: Callable[[int], None]
) -> int:
    """Project every fact of a journal into a migrated database; returns how many.

    ``progress`` is told how many are done. Facts that are there already change nothing.
    """
    facts = (item for item in read_journal(folder) if not isinstance(item, Damage))
    done = 0
    while batch := list(islice(facts, BATCH)):
        async with engine.begin() as connection:
            await project(connection, batch, journal)
        done += len(batch)
        progress(done)
    return done


async def differences(one: AsyncEngine, other: AsyncEngine) -> list[str]:
    """Where two databases do not hold the same: table, key, column and both values.

    Raises DatabaseError when one cannot be read.
    """
    found: list[str] = []
    try:
        for table in metadata.sorted_tables:
            if table.name not in OF_SETTINGS:
                rows = [rows async for rows in _pairs(table, one, other)]
                found += _told(table, rows)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise DatabaseError(
            f"the databases cannot be compared: {reason}; expected one that the engine has filled: "
            "start the centre once, or run ess-pbx migrate with its settings"
        ) from error
    return found


async def _pairs(
    table: Table, one: AsyncEngine, other: AsyncEngine
) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows that differ, by key; one that is missing is empty."""
    keys = [column.name for column in table.primary_key]
    first, second = [await _rows(table, engine, keys) for engine in (one, other)]
    for key in dict.fromkeys((*first, *second)):
        pair = first.get(key, {}), second.get(key, {})
        if pair[0] != pair[1]:
            yield pair


async def _rows(
    table: Table, engine: AsyncEngine, keys: Iterable[str]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    wanted = OF_FACTS.get(table.name)
    query = select(table)
    if wanted is not None:
        query = select(*(table.c[name] for name in wanted)).where(table.c[wanted[-1]].is_not(None))
    async with engine.connect() as connection:
        rows = (await connection.execute(query)).mappings()
        return {tuple(row[key] for key in keys): dict(row) for row in rows}


def _told(table: Table, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[str]:
    lines = []
    for one, other in pairs[:SHOWN]:
        key = "/".join(str((one or other)[column.name]) for column in table.primary_key)
        if not one or not other:
            lines.append(f"{table.name} {key}: only in the {'first' if one else 'second'}")
            continue
        for name in one:
            if one[name] != other[name]:
                lines.append(f"{table.name} {key}: {name} is {one[name]!r} and {other[name]!r}")
    if len(pairs) > SHOWN:
        lines.append(f"{table.name}: {len(pairs) - SHOWN} more rows differ")
    return lines
