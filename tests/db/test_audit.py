"""What somebody asked for is in the audit log, on both databases, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.projector import project
from ess_pbx.db.queries import audit_log
from ess_pbx.domain.facts import Fact, FactKind

from .story import STARTED, a_fact

SAID = datetime.fromtimestamp(STARTED, UTC)


async def given(engine: AsyncEngine, *facts: Fact) -> None:
    async with engine.begin() as connection:
        await project(connection, list(enumerate(facts, 1)), "journal")


async def test_a_fact_with_who_asked_and_how_is_in_the_log(engine: AsyncEngine) -> None:
    fact = a_fact(1, FactKind.ALARM_ACKNOWLEDGED, None, alarm="roster", by="3001", via="api")
    await given(engine, fact)
    (row,) = await audit_log(engine, "cilegon")
    assert row == {
        "id": "boot-1",
        "centre": "cilegon",
        "at": SAID + timedelta(seconds=1),
        "by": "3001",
        "via": "api",
        "action": "alarm_acknowledged",
        "call": None,
        "subject": {"alarm": "roster"},
    }


async def test_kinds_of_a_newer_engine_are_in_it_too_with_their_call(engine: AsyncEngine) -> None:
    await given(engine, a_fact(1, "teleported", "call-1", by="1001", via="phone", to=["x", None]))
    (row,) = await audit_log(engine, "cilegon")
    assert (row["action"], row["call"], row["subject"]) == (
        "teleported",
        "call-1",
        {"to": ["x", None]},
    )


async def test_what_nobody_asked_for_is_not_in_it(engine: AsyncEngine) -> None:
    await given(
        engine,
        a_fact(1, FactKind.ANNOUNCED, prompt="x"),
        a_fact(2, FactKind.ANNOUNCED, prompt="x", by="1001"),
        a_fact(3, FactKind.ANNOUNCED, prompt="x", by=None, via=None),
    )
    assert await audit_log(engine, "cilegon") == []


async def test_a_fact_that_comes_twice_is_in_it_once(engine: AsyncEngine) -> None:
    fact = a_fact(1, FactKind.ALARM_ACKNOWLEDGED, None, alarm="roster", by="3001", via="api")
    await given(engine, fact, fact)
    await given(engine, fact)
    assert len(await audit_log(engine, "cilegon")) == 1


async def test_it_is_asked_by_time_and_person_newest_first(engine: AsyncEngine) -> None:
    people = ("3001", "3002", "3001", "admin")
    await given(
        engine,
        *(
            a_fact(n, FactKind.ALARM_ACKNOWLEDGED, None, alarm=f"a{n}", by=by, via="cli")
            for n, by in enumerate(people)
        ),
    )

    async def asked(**limits: object) -> list[str]:
        rows = await audit_log(engine, "cilegon", **limits)  # type: ignore[arg-type]
        return [row["subject"]["alarm"] for row in rows]

    assert await asked() == ["a3", "a2", "a1", "a0"]
    assert await asked(by="3001") == ["a2", "a0"]
    assert await asked(by="3001' OR '1'='1") == []
    assert await asked(since=SAID + timedelta(seconds=2)) == ["a3", "a2"]
    assert await asked(until=SAID + timedelta(seconds=2)) == ["a1", "a0"]
    assert await asked(limit=1) == ["a3"]
    assert await audit_log(engine, "tetangga") == []


async def test_what_no_column_can_hold_is_held_all_the_same(
    engine: AsyncEngine,
) -> None:
    reason = "a\0" + "x" * 10_000
    await given(engine, a_fact(1, "surge_declared", None, reason=reason, by="1\0", via="api"))
    (row,) = await audit_log(engine, "cilegon")
    assert row["subject"]["reason"].startswith("a\ufffdx")
