"""What the command line and the demo ask of the tables is answered on both databases."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.connect import DatabaseError, create_engine
from ess_pbx.db.projector import project
from ess_pbx.db.queries import audit_log, call_with_everything, recent_calls, table_counts
from ess_pbx.db.tables import metadata
from ess_pbx.domain.facts import FactKind

from .story import a_destroyed_recording, a_fact, a_whole_call


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


async def test_a_call_comes_with_its_reports_and_what_was_asked_of_all_of_it(
    engine: AsyncEngine,
) -> None:
    asked = {"entry": 3, "reason": "LP/7", "user": "root", "by": "3001", "via": "cli"}
    facts = [
        *a_whole_call("call-1"),
        a_fact(500, FactKind.RECORDING_HELD, "call-1", recording="call-1-rec", **asked),
        a_fact(501, FactKind.RECORDING_HELD, "call-9", recording="call-9", **asked),
        a_fact(502, FactKind.ALARM_ACKNOWLEDGED, None, alarm="roster", by="3001", via="api"),
        a_fact(503, FactKind.REPORT_OPENED, None, report="x", linked=None, by="1", via="api"),
    ]
    async with engine.begin() as connection:
        await project(connection, list(enumerate(facts, 1)), "journal")

    record = await call_with_everything(engine, "call-1")

    assert record is not None
    (report,) = record.reports
    assert (report["number"], report["narrative"]) == ("cilegon-20250615-0001", "Dua orang")
    assert [step["agency"] for step in report["steps"]] == ["psc119"]
    assert [each["call"] for each in report["calls"]] == ["call-1", "call-2"]
    kinds = [each["kind"] for each in report["versions"]]
    assert kinds == [
        *("report_opened", "report_saved", "report_linked", "report_step", "report_closed"),
        "report_reopened",
    ]
    actions = [row["action"] for row in record.audit]
    assert set(kinds) | {"report_drafted", "call_marked", "recording_held"} == set(actions)
    assert {row["subject"].get("recording") for row in record.audit} == {None, "call-1-rec"}
    # A report that was joined to another goes on in that one.
    async with engine.begin() as connection:
        linked = a_fact(504, FactKind.REPORT_LINKED, None, report="cilegon-20250615-0002")
        linked = replace(linked, data={**linked.data, "linked": "call-3", "by": "1", "via": "api"})
        arrived = a_fact(505, FactKind.CALL_ANSWERED, "call-3")
        await project(connection, [(504, linked), (505, arrived)], "journal")
    of_joined = await call_with_everything(engine, "call-3")
    assert of_joined is not None
    assert [each["number"] for each in of_joined.reports] == [
        "cilegon-20250615-0001",
        "cilegon-20250615-0002",
    ]


async def test_a_destroyed_recording_has_no_path_any_more(engine: AsyncEngine) -> None:
    facts = [*a_whole_call("call-1"), a_destroyed_recording("call-1")]
    async with engine.begin() as connection:
        await project(connection, list(enumerate(facts, 1)), "journal")
    record = await call_with_everything(engine, "call-1")
    assert record is not None
    row = next(each for each in record.recordings if each["id"] == "call-1-rec")
    assert (row["state"], row["path"], row["reason"]) == ("destroyed", None, "kept 365 days")
    assert row["sha256"] == "cd" * 32


async def test_without_tables_the_error_says_what_to_do(empty_url: str) -> None:
    engine = create_engine(empty_url)
    try:
        for asked in (
            call_with_everything(engine, "call-1"),
            recent_calls(engine),
            audit_log(engine, "cilegon"),
        ):
            with pytest.raises(DatabaseError, match=r"cannot be read: .*ess-pbx migrate"):
                await asked
    finally:
        await engine.dispose()


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
