"""Call-backs in the tables: listed, linked to calls, and never counted as calls that came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.figures import PeriodFacts, read_period
from ess_pbx.db.projector import project
from ess_pbx.db.queries import call_with_everything, open_call_backs
from ess_pbx.db.tables import call_backs
from ess_pbx.domain.call_back_figures import call_back_figures
from ess_pbx.domain.facts import Fact
from ess_pbx.domain.service_level import figures

from .story import STARTED, a_call_back, a_whole_call


async def given(engine: AsyncEngine, facts: list[Fact], first: int = 1) -> None:
    async with engine.begin() as connection:
        await project(connection, list(enumerate(facts, first)), "journal")


async def the_period(engine: AsyncEngine, **only: str) -> PeriodFacts:
    start = datetime.fromtimestamp(STARTED, UTC)
    return await read_period(engine, "cilegon", start, start + timedelta(days=1), **only)


async def test_a_task_is_open_until_its_caller_is_reached(engine: AsyncEngine) -> None:
    facts = a_call_back()
    await given(engine, facts[:5])
    (task,) = await open_call_backs(engine, "cilegon")
    assert (task["id"], task["attempts"], task["last_outcome"]) == ("call-1", 1, "busy")
    assert task["due_at"] == datetime.fromtimestamp(STARTED + 220, UTC)

    await given(engine, facts[5:], 6)
    assert await open_call_backs(engine, "cilegon") == []
    async with engine.connect() as connection:
        row = (await connection.execute(select(call_backs))).one()
    assert (row.outcome, row.attempts, row.priority, row.due_at) == ("reached", 2, 9, None)


async def test_the_call_that_was_made_is_linked_to_the_one_that_came(engine: AsyncEngine) -> None:
    await given(engine, a_call_back())
    record = await call_with_everything(engine, "call-2")
    assert record is not None
    assert (record.call["direction"], record.call["earlier"]) == ("out", "call-1")
    assert record.call["caller_e164"] == "+628123456789"
    assert [(leg["id"], leg["role"]) for leg in record.legs] == [("call-2~cb", "caller")]
    redial = await call_with_everything(engine, "call-4")
    assert redial is not None
    assert redial.call["earlier"] == "call-1"


async def test_calls_that_were_made_are_in_no_figure_of_those_that_came(
    engine: AsyncEngine,
) -> None:
    await given(engine, a_whole_call())
    before = figures((await the_period(engine)).calls)
    made = [fact for fact in a_call_back() if fact.call == "call-2"]
    offer = a_whole_call("call-2", 300)
    await given(engine, [*made, *(f for f in offer if f.kind != "call_arrived")], 100)

    period = await the_period(engine)
    assert figures(period.calls, period.missed).missed_offers == 1
    assert figures(period.calls) == before
    assert before.offered == 1


async def test_the_figures_of_call_backs(engine: AsyncEngine) -> None:
    await given(engine, a_call_back())
    period = await the_period(engine)
    found = call_back_figures(period.call_backs)
    assert (found.created, found.reached, found.open, found.not_callable) == (1, 1, 0, 0)
    assert found.to_reach.p50 == 7.0
    assert (await the_period(engine, category="kebakaran")).call_backs == ()
    assert len((await the_period(engine, category="medis", trunk="telkom")).call_backs) == 1
