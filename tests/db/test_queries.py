"""What the command line and the demo ask of the tables is answered on both databases."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.projector import project
from ess_pbx.db.queries import call_with_everything, recent_calls, table_counts
from ess_pbx.db.tables import metadata

from .story import a_whole_call


async def given_calls(engine: AsyncEngine, *calls: str) -> None:
    async with engine.begin() as connection:
        for number, call in enumerate(calls):
            facts = [
                fact for fact in a_whole_call(call, 1 + 1000 * number) if fact.call is not None
            ]
            await project(connection, list(enumerate(facts, 1 + 1000 * number)), "journal")


async def test_an_unknown_call_is_none(engine: AsyncEngine) -> None:
    assert await call_with_everything(engine, "call-1") is None


async def test_a_call_comes_with_its_own_rows_only_in_order(engine: AsyncEngine) -> None:
    await given_calls(engine, "call-1", "call-2")
    record = await call_with_everything(engine, "call-2")
    assert record is not None
    assert record.call["id"] == "call-2"
    assert {row["call"] for row in record.legs + record.events + record.recordings} == {"call-2"}
    assert [row["id"] for row in record.legs] == [
        f"call-2-{leg}" for leg in ("in", "op1", "op2", "ag1", "ag2")
    ]
    milliseconds = [event["ms"] for event in record.events]
    assert milliseconds == sorted(milliseconds)


async def test_recent_calls_are_the_newest_of_the_centre(engine: AsyncEngine) -> None:
    await given_calls(engine, "call-1", "call-2", "call-3")
    assert [call["id"] for call in await recent_calls(engine, 2)] == ["call-3", "call-2"]
    assert len(await recent_calls(engine, centre="cilegon")) == 3
    assert await recent_calls(engine, centre="serang") == []


async def test_every_table_is_counted(engine: AsyncEngine) -> None:
    await given_calls(engine, "call-1")
    counts = await table_counts(engine)
    assert set(counts) == set(metadata.tables)
    assert (counts["calls"], counts["legs"], counts["recordings"], counts["agents"]) == (1, 5, 2, 0)


async def test_sqlite_keeps_its_references_and_does_not_block_readers(engine: AsyncEngine) -> None:
    if engine.dialect.name != "sqlite":
        return
    async with engine.connect() as connection:
        for pragma, value in (("foreign_keys", 1), ("journal_mode", "wal"), ("busy_timeout", 5000)):
            found = (await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one()
            assert (pragma, found) == (pragma, value)
    writing = engine.execution_options(sqlite_begin="IMMEDIATE")
    async with writing.begin() as writer, engine.begin() as reader:
        await writer.execute(text("INSERT INTO centres (id) VALUES ('cilegon')"))
        assert (await reader.execute(text("SELECT count(*) FROM centres"))).scalar_one() == 0
