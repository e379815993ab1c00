"""What operators say of themselves reaches their row, and is no time on duty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.unit.domain.centre import NO_MENU

from ess_pbx.db.figures import read_period
from ess_pbx.db.projector import project
from ess_pbx.db.tables import agents, call_events
from ess_pbx.domain.agent import Status
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Asker, LogIn, LogOut, TakeBreak, Via
from ess_pbx.domain.effects import Record
from ess_pbx.domain.events import CentreEvent, ClockRead, PhoneReachable
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.service_level import work

NINE = datetime(2026, 1, 1, 9, tzinfo=UTC)
BY = Asker("3001", Via.API)
HOUR = 3600.0


def facts_of(*events: CentreEvent, every: float = HOUR) -> list[Fact]:
    """The facts of events that lie so many seconds apart, from nine o'clock on."""
    core = CallCentre(NO_MENU)
    facts: list[Fact] = []
    core.decide(ClockRead(NINE), 0.0)
    for number, event in enumerate(events):
        for effect in core.decide(event, number * every):
            assert isinstance(effect, Record)
            fact = Fact(
                id=f"boot-{len(facts)}",
                centre="contoh",
                call=None,
                kind=effect.kind,
                at=core.wall(number * every),
                ms=None,
                data=effect.data,
            )
            assert fields_differ(fact) is None
            facts.append(fact)
    return facts


EVENTS = (
    PhoneReachable("2001"),
    PhoneReachable("2002"),
    TakeBreak(BY, "2001", "makan"),
    LogOut(BY, "2002"),
)


async def test_status_and_state_are_in_the_operators_row(engine: AsyncEngine) -> None:
    facts = facts_of(*EVENTS)
    async with engine.begin() as connection:
        await project(connection, list(enumerate(facts, 1)), "journal")
        rows = {row.extension: row for row in await connection.execute(select(agents))}
        told = [
            row.data
            for row in await connection.execute(
                select(call_events).where(call_events.c.kind == FactKind.AGENT_STATUS)
            )
        ]

    assert (rows["2001"].status, rows["2001"].state) == (Status.BREAK, "idle")
    assert (rows["2002"].status, rows["2002"].state) == (Status.LOGGED_OUT, "idle")
    assert {data["by"] for data in told} == {"3001"}
    assert {data["reason"] for data in told} == {"makan", None}


async def test_a_break_and_the_time_logged_out_are_no_time_on_duty(engine: AsyncEngine) -> None:
    facts = facts_of(*EVENTS, LogIn(BY, "2002"))
    async with engine.begin() as connection:
        await project(connection, list(enumerate(facts, 1)), "journal")

    period = await read_period(engine, "contoh", NINE, NINE + timedelta(hours=6))

    start = NINE.timestamp()
    done = work(period.states, [(start, start + 6 * HOUR)], start + 6 * HOUR)
    assert done["2001"].on_duty == 2 * HOUR
    assert done["2002"].on_duty == (2 + 2) * HOUR
