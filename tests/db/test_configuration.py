"""The rows of a centre say what its settings say; what is gone from them becomes inactive."""

from __future__ import annotations

from datetime import time
from typing import Any

import msgspec
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.configuration import sync_centre
from ess_pbx.db.tables import agencies, agents, centres, shift_members, shifts, trunks
from ess_pbx.domain.config import Agency, Category, Centre, Operator, Queue, Shift

from .story import everything


class Trunk(msgspec.Struct, frozen=True):
    id: str
    name: str
    address: str
    port: int


TELKOM = Trunk("telkom", "Telkom", "192.0.2.1", 5060)
SITI, BUDI = Operator(extension="2001", name="Siti"), Operator(extension="2002", name="Budi")
PSC = Agency(id="psc119", name="PSC 119", code="119", contact="sip:119@192.0.2.9")
CILEGON = Centre(
    id="cilegon",
    name="112 Cilegon",
    default_queue="darurat",
    default_category="lainnya",
    queues=(Queue(id="darurat", name="Darurat"),),
    categories=(Category(id="lainnya", name="Lainnya", queue="darurat"),),
    shifts=(
        Shift(id="pagi", name="Pagi", starts=time(7), ends=time(15), operators=("2001", "2002")),
        Shift(id="malam", name="Malam", starts=time(23), ends=time(7), operators=("2002",)),
    ),
    operators=(SITI, BUDI),
    agencies=(PSC,),
)


async def rows(engine: AsyncEngine, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        query = select(*(table.c[name] for name in columns)).order_by(*table.primary_key)
        return [tuple(row) for row in await connection.execute(query)]


async def test_settings_become_rows(engine: AsyncEngine) -> None:
    await sync_centre(engine, CILEGON, [TELKOM])
    assert await rows(engine, centres, "id", "name", "time_zone", "language") == [
        ("cilegon", "112 Cilegon", "Asia/Jakarta", "id")
    ]
    assert await rows(engine, trunks, "id", "address", "port", "active") == [
        ("telkom", "192.0.2.1", 5060, True)
    ]
    assert await rows(engine, agents, "extension", "name", "active") == [
        ("2001", "Siti", True),
        ("2002", "Budi", True),
    ]
    assert await rows(engine, shifts, "id", "starts", "ends") == [
        ("malam", time(23), time(7)),
        ("pagi", time(7), time(15)),
    ]
    assert await rows(engine, shift_members, "shift", "agent") == [
        ("malam", "2002"),
        ("pagi", "2001"),
        ("pagi", "2002"),
    ]
    assert await rows(engine, agencies, "id", "code") == [("psc119", "119")]


async def test_the_same_settings_again_change_nothing(engine: AsyncEngine) -> None:
    await sync_centre(engine, CILEGON, [TELKOM])
    before = await everything(engine)
    await sync_centre(engine, CILEGON, [TELKOM])
    assert await everything(engine) == before


async def test_what_left_the_settings_is_inactive_and_active_when_it_returns(
    engine: AsyncEngine,
) -> None:
    await sync_centre(engine, CILEGON, [TELKOM])
    night = msgspec.structs.replace(CILEGON.shifts[1], operators=("2002",))
    smaller = msgspec.structs.replace(
        CILEGON, operators=(BUDI,), shifts=(night,), agencies=(), name="112"
    )
    await sync_centre(engine, smaller, [])
    assert await rows(engine, agents, "extension", "active") == [("2001", False), ("2002", True)]
    assert await rows(engine, shifts, "id", "active") == [("malam", True), ("pagi", False)]
    assert await rows(engine, trunks, "active") == await rows(engine, agencies, "active")
    assert await rows(engine, trunks, "active") == [(False,)]
    assert await rows(engine, shift_members, "shift", "agent") == [("malam", "2002")]
    await sync_centre(engine, CILEGON, [TELKOM])
    assert await rows(engine, agents, "active") == [(True,), (True,)]


async def test_another_centre_is_left_alone(engine: AsyncEngine) -> None:
    await sync_centre(engine, CILEGON, [TELKOM])
    serang = msgspec.structs.replace(CILEGON, id="serang", operators=(), shifts=(), agencies=())
    await sync_centre(engine, serang, [])
    assert await rows(engine, agents, "centre", "active") == [("cilegon", True)] * 2
    assert len(await rows(engine, shift_members, "agent")) == 3
