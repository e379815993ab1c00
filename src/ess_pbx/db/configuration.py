"""The settings of a centre as rows, for reports to join with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import Table, delete, insert, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ess_pbx.db.tables import agencies, agents, centres, shift_members, shifts, trunks
from ess_pbx.domain.config import Agency, Centre


class TrunkRow(Protocol):
    """What is stored of a trunk; ``ess_pbx.settings.model.Trunk`` has it."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...


async def sync_centre(engine: AsyncEngine, centre: Centre, trunk_rows: Iterable[TrunkRow]) -> None:
    """Make the rows of ``centre`` say what its settings say, in one transaction.

    What the settings no longer have becomes inactive; calls of the past still name it.
    """
    own = {"centre": centre.id}
    trunk_values = [
        {**own, "id": trunk.id, "name": trunk.name, "address": str(trunk.address)}
        | {"port": trunk.port}
        for trunk in trunk_rows
    ]
    agent_values = [{**own, "extension": o.extension, "name": o.name} for o in centre.operators]
    shift_values = [
        {**own, "id": shift.id, "name": shift.name, "starts": shift.starts, "ends": shift.ends}
        for shift in centre.shifts
    ]
    agency_values = [
        {**own, "id": a.id, "name": a.name, "code": a.code, "contact": _contacts(a)}
        for a in centre.agencies
    ]
    members = [
        {**own, "shift": shift.id, "agent": agent}
        for shift in centre.shifts
        for agent in dict.fromkeys(shift.operators)
    ]
    names = {"name": centre.name, "time_zone": centre.time_zone, "language": centre.language}
    writing = engine.execution_options(sqlite_begin="IMMEDIATE")
    async with writing.begin() as connection:
        await _put(connection, centres, [{"id": centre.id, **names}])
        for table, rows in (
            (trunks, trunk_values),
            (agents, agent_values),
            (shifts, shift_values),
            (agencies, agency_values),
        ):
            await _put(connection, table, [{**row, "active": True} for row in rows])
            await _retire(connection, table, centre.id, rows)
        await connection.execute(delete(shift_members).where(shift_members.c.centre == centre.id))
        if members:
            await connection.execute(insert(shift_members), members)


async def _put(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    key = [column.name for column in table.primary_key]
    setting = {name: statement.excluded[name] for name in rows[0] if name not in key}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=key, set_=setting), rows
    )


async def _retire(
    connection: AsyncConnection, table: Table, centre: str, rows: Sequence[dict[str, Any]]
) -> None:
    key = [column.name for column in table.primary_key]
    kept = [tuple(row[name] for name in key) for row in rows]
    await connection.execute(
        update(table)
        .where(table.c.centre == centre, tuple_(*(table.c[n] for n in key)).not_in(kept))
        .values(active=False)
    )


def _contacts(agency: Agency) -> str:
    """All ways to reach an agency, in order, as people read them."""
    numbers = (
        f"{way.number}@{way.trunk}" if way.trunk else way.sip or way.extension or ""
        for way in agency.ways
    )
    return ", ".join(numbers)
