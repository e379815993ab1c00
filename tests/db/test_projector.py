"""Facts reach the tables exactly once, whatever stops on the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db import migrate
from ess_pbx.db import projector as projector_module
from ess_pbx.db.projections import PROJECTIONS
from ess_pbx.db.projector import Projector, project
from ess_pbx.db.queries import call_with_everything, table_counts
from ess_pbx.db.tables import agents, call_events, calls, report_calls, report_steps, reports
from ess_pbx.domain.facts import FIELDS, Fact, fields_differ
from ess_pbx.engine.journal import Journal

from .story import (
    STARTED,
    K,
    a_call_back,
    a_call_taken_over,
    a_destroyed_recording,
    a_fact,
    a_whole_call,
    an_outbound_call,
    an_overflowing_call,
    everything,
)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path / "journal")
    yield journal
    await journal.close()


@asynccontextmanager
async def running(projector: Projector) -> AsyncIterator[Projector]:
    task = asyncio.create_task(projector.run())
    try:
        yield projector
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def append(journal: Journal, facts: list[Fact]) -> int:
    return [journal.append(fact) for fact in facts][-1]


async def carried_over(
    journal: Journal, engine: AsyncEngine, facts: list[Fact], **options: Any
) -> None:
    last = append(journal, facts)
    async with running(Projector(journal, engine, **options)) as projector:
        await asyncio.wait_for(projector.reached(last), 10)


async def count_of_events(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return (await connection.execute(select(func.count(call_events.c.id)))).scalar_one()


def at(number: int) -> datetime:
    return datetime.fromtimestamp(STARTED + number, UTC)


def test_the_story_tells_every_fact_that_changes_a_table_with_exactly_its_fields() -> None:
    story = [*a_whole_call(), *a_call_back(), *an_overflowing_call("call-5")]
    story += [*a_call_taken_over(), *an_outbound_call(), a_destroyed_recording()]
    assert set(PROJECTIONS) <= {fact.kind for fact in story} <= set(FIELDS)
    assert [fields_differ(fact) for fact in story] == [None] * len(story)


def test_fields_that_differ_are_named() -> None:
    assert fields_differ(a_fact(1, K.QUEUED, queue="a", place=1)) == (
        "queued: missing ['menu', 'priority'], unknown ['place']"
    )
    assert "kind 'teleported' is unknown" in str(fields_differ(a_fact(1, "teleported")))


async def test_an_overflow_is_told_by_its_legs(journal: Journal, engine: AsyncEngine) -> None:
    await carried_over(journal, engine, an_overflowing_call())
    record = await call_with_everything(engine, "call-2")
    assert record is not None
    assert (record.call["operator"], record.call["agency"]) == (None, "psc119")
    legs = {leg["id"].removeprefix("call-2-"): leg for leg in record.legs}
    assert (legs["ag1"]["role"], legs["ag1"]["party"], legs["ag1"]["cause"]) == (
        *("agency", "tetangga", "busy"),
    )
    assert (legs["ag2"]["started_at"], legs["ag2"]["answered_at"]) == (at(7), at(9))


async def test_an_operators_own_call_is_a_call_out_that_counts_as_none_in(
    journal: Journal, engine: AsyncEngine
) -> None:
    await carried_over(journal, engine, an_outbound_call())
    record = await call_with_everything(engine, "call-7")
    assert record is not None
    told = [record.call[each] for each in ("direction", "operator", "caller_e164", "trunk")]
    assert told == ["out", "2001", "+622541234567", "telkom"]
    assert (record.call["invited_at"], record.call["ended_at"]) == (at(1), at(3))
    assert (record.call["result"], record.call["reason"]) == ("success", "completed")


async def test_a_call_is_whose_who_took_it_over(journal: Journal, engine: AsyncEngine) -> None:
    await carried_over(journal, engine, a_call_taken_over())
    record = await call_with_everything(engine, "call-6")
    assert record is not None
    assert (record.call["operator"], record.call["operator_answered_at"]) == ("3001", at(1))
    legs = {leg["id"].removeprefix("call-6-"): leg for leg in record.legs}
    assert {name: (leg["role"], leg["party"]) for name, leg in legs.items()} == {
        "op1": ("operator", "2001"),
        "sv2": ("operator", "3001"),
    }
    assert legs["sv2"]["answered_at"] == at(4)


async def test_a_whole_call_is_told_by_its_rows(journal: Journal, engine: AsyncEngine) -> None:
    await carried_over(journal, engine, a_whole_call())
    record = await call_with_everything(engine, "call-1")
    assert record is not None
    told = record.call
    assert (told["caller_e164"], told["called"], told["trunk"]) == (
        "+628123456789",
        "112",
        "telkom",
    )
    assert (told["category"], told["queue"], told["priority"]) == ("medis", "darurat", 3)
    assert (told["operator"], told["agency"]) == ("2002", "psc119")
    assert (told["result"], told["reason"], told["ended_by"]) == ("success", "hangup", "caller")
    assert told["invited_at"] == datetime.fromtimestamp(STARTED + 0.75, UTC)
    assert (told["operator_answered_ms"], told["ended_at"]) == (20_000, at(33))
    legs = {leg["id"].removeprefix("call-1-"): leg for leg in record.legs}
    assert {name: (leg["role"], leg["party"], leg["cause"]) for name, leg in legs.items()} == {
        "in": ("caller", "+628123456789", "16"),
        "op1": ("operator", "2001", "no-answer"),
        "op2": ("operator", "2002", "16"),
        "ag1": ("agency", "damkar", "busy"),
        "ag2": ("agency", "psc119", None),
    }
    assert (legs["in"]["answered_at"], legs["op2"]["rung_at"]) == (at(3), at(19))
    assert (legs["op2"]["answered_at"], legs["op2"]["ended_at"]) == (at(20), at(29))
    sealed, failed = record.recordings
    assert (sealed["state"], sealed["rms_dbov"], sealed["bytes"]) == (
        "sealed",
        [-21.5, -19.0],
        240_120,
    )
    assert sealed["path"].endswith(".flac.sealed")
    assert (failed["state"], failed["reason"]) == ("failed", "disk full")
    assert [event["kind"] for event in record.events] == [
        fact.kind for fact in a_whole_call() if fact.call
    ]
    assert await count_of_events(engine) == len(a_whole_call())
    async with engine.connect() as connection:
        agent = (await connection.execute(select(agents))).one()
    assert (agent.extension, agent.status, agent.state, agent.state_at) == (
        "2001",
        "available",
        "waiting",
        at(2),
    )


async def test_the_same_facts_again_change_nothing(journal: Journal, engine: AsyncEngine) -> None:
    story = a_whole_call()
    await carried_over(journal, engine, story)
    before = await everything(engine)
    async with engine.begin() as connection:
        await project(connection, list(enumerate(story, 1)), journal.id)
        await project(connection, list(enumerate(story + story, 100)), "another journal")
        await project(connection, list(enumerate(story[:10], 1)), journal.id)
    assert await everything(engine) == before


async def test_every_change_may_be_applied_again(journal: Journal, engine: AsyncEngine) -> None:
    story = a_whole_call()
    await carried_over(journal, engine, story)
    # Facts under other ids are other rows of the lists of facts.
    before = await everything(engine, without=("call_events", "audit"))
    again = [Fact(**{**fact_fields(fact), "id": f"again-{fact.id}"}) for fact in story]
    async with engine.begin() as connection:
        await project(connection, list(enumerate(again, 100)), journal.id)
    assert await everything(engine, without=("call_events", "audit")) == before


async def test_batches_of_any_size_leave_the_same_rows(
    tmp_path: Path, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls_of_two = [a_whole_call("one"), a_whole_call("two", 500)]
    facts = [fact for pair in zip(*calls_of_two, strict=True) for fact in pair]
    facts += [a_fact(900, K.QUEUED, "one", queue="umum", priority=9)]
    facts += [a_fact(901, K.AGENT_STATE, None, agent="2001", status="on-break", state=None)]
    arrivals, others = facts[:6], facts[6:]
    random.Random(112).shuffle(others)
    facts = arrivals + others
    told = []
    for size in (1, 3, 1000):
        monkeypatch.setattr(projector_module, "BATCH", size)
        journal = Journal(tmp_path / str(size))
        await carried_over(journal, engine, facts)
        await journal.close()
        told.append(await everything(engine, without=("projection", "call_events")))
        migrate.downgrade(empty_url_of(engine), "base")
        migrate.upgrade(empty_url_of(engine))
        await engine.dispose()
    assert told[0] == told[1] == told[2]
    assert len(told[0]["calls"]) == 2


def empty_url_of(engine: AsyncEngine) -> str:
    return engine.url.render_as_string(hide_password=False)


async def test_old_facts_again_do_not_take_the_call_back(
    journal: Journal, engine: AsyncEngine
) -> None:
    first = a_fact(1, K.QUEUED, queue="darurat", priority=5)
    second = a_fact(2, K.QUEUED, queue="umum", priority=1)
    await carried_over(journal, engine, [first, second])
    async with engine.begin() as connection:
        await project(connection, [(1, first)], journal.id)
    record = await call_with_everything(engine, "call-1")
    assert record is not None
    assert (record.call["queue"], record.call["priority"]) == ("umum", 1)


@pytest.mark.parametrize("batch", [1, 100])
async def test_a_call_has_one_terminal_record_the_first(
    journal: Journal, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(projector_module, "BATCH", batch)
    ends = [
        a_fact(1, K.CALL_ENDED, result="success", reason=None, channel_cause=16, ended_by=None),
        a_fact(2, K.CALL_ENDED, result="server", reason="x", channel_cause=0, ended_by="engine"),
    ]
    await carried_over(journal, engine, ends)
    record = await call_with_everything(engine, "call-1")
    assert record is not None
    told = [record.call[name] for name in ("result", "reason", "ended_by", "ended_at", "ended_ms")]
    assert told == ["success", None, None, at(1), 1000]
    assert len(record.events) == 2


async def test_a_call_whose_arrival_was_lost_is_kept(journal: Journal, engine: AsyncEngine) -> None:
    await carried_over(journal, engine, a_whole_call()[5:])
    record = await call_with_everything(engine, "call-1")
    assert record is not None
    assert (record.call["caller_raw"], record.call["operator"]) == (None, "2002")
    assert record.call["result"] == "success"


async def test_odd_values_and_kinds_of_a_newer_engine_are_kept(
    journal: Journal, engine: AsyncEngine
) -> None:
    troubles: list[str] = []
    odd = [
        a_fact(
            1,
            K.CALL_ARRIVED,
            caller_raw="a\0b",
            caller_e164=random.Random(1).randbytes(4500).hex(),
            channel="c\0",
        ),
        a_fact(2, K.QUEUED, queue=["q"], priority="first"),
        a_fact(3, K.CLASSIFIED, priority=2**40),
        a_fact(4, K.CALL_ARRIVED, "call-2", invited_at=1e300),
        a_fact(5, "teleported", to={"x\0": ["\0", 1.5, None]}),
        a_fact(6, K.RECORDING_FINISHED, recording="r", rms_dbov=None, seconds="long"),
        a_fact(7, K.CALL_ENDED, result=None),
    ]
    await carried_over(journal, engine, odd, on_trouble=troubles.append)
    record = await call_with_everything(engine, "call-1")
    assert record is not None
    assert troubles == []
    assert len(record.events) == 6
    assert record.events[3]["data"] == {"to": {"x\ufffd": ["\ufffd", 1.5, None]}}
    assert (record.call["caller_raw"], record.call["result"]) == ("a\ufffdb", "indeterminate")


async def test_a_fact_that_the_database_cannot_hold_is_told_and_the_others_go_in(
    journal: Journal, engine: AsyncEngine
) -> None:
    troubles: list[str] = []
    facts = a_whole_call()
    too_big = Fact(id="big", centre="cilegon", call="c", kind=K.QUEUED, at=1.0, ms=2**63)
    await carried_over(
        journal, engine, [*facts[:9], too_big, *facts[9:]], on_trouble=troubles.append
    )
    assert await count_of_events(engine) == len(facts)
    assert len(troubles) == 1
    assert "fact big (queued), record 10 of journal" in troubles[0]


async def test_after_a_crash_between_batches_it_goes_on_without_gap_or_repeat(
    journal: Journal, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector_module, "BATCH", 7)
    facts = [fact for n in range(10) for fact in a_whole_call(f"call-{n}", 1 + 100 * n)]
    last = append(journal, facts)
    stopped_at = []
    for share in (5, 3, 2):
        async with running(Projector(journal, engine)) as projector:
            await asyncio.wait_for(projector.reached(last // share), 10)
        stopped_at.append(projector.position)
    async with running(Projector(journal, engine)) as projector:
        await asyncio.wait_for(projector.reached(last), 10)
        assert projector.lag == 0
    assert stopped_at[0] < last
    counts = await table_counts(engine)
    assert (counts["call_events"], counts["calls"]) == (len(facts), 10)
    assert (counts["legs"], counts["recordings"]) == (50, 20)


async def test_facts_and_position_are_stored_together_or_not_at_all(
    journal: Journal, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = append(journal, a_whole_call())
    refused = asyncio.Event()
    store_position = projector_module._store_position

    async def refuse(*_: Any) -> None:
        refused.set()
        raise ConnectionResetError("gone")

    monkeypatch.setattr(projector_module, "_store_position", refuse)
    async with running(Projector(journal, engine, backoff_seconds=[0.01])) as projector:
        await asyncio.wait_for(refused.wait(), 10)
        assert set((await table_counts(engine)).values()) == {0}
        assert projector.lag > 0
        monkeypatch.setattr(projector_module, "_store_position", store_position)
        await asyncio.wait_for(projector.reached(last), 10)
    assert await count_of_events(engine) == last


async def test_facts_appended_while_it_runs_are_followed(
    journal: Journal, engine: AsyncEngine
) -> None:
    async with running(Projector(journal, engine)) as projector:
        for fact in a_whole_call():
            await asyncio.wait_for(projector.reached(journal.append(fact)), 10)
    assert await count_of_events(engine) == len(a_whole_call())


async def test_closing_the_journal_ends_it_once_all_is_stored(
    journal: Journal, engine: AsyncEngine
) -> None:
    projector = Projector(journal, engine)
    task = asyncio.create_task(projector.run())
    append(journal, a_whole_call())
    await journal.close()
    await asyncio.wait_for(task, 10)
    assert await count_of_events(engine) == len(a_whole_call())


async def test_a_journal_that_lost_its_end_is_compared_again_and_nothing_new_is_missed(
    tmp_path: Path, engine: AsyncEngine
) -> None:
    troubles: list[str] = []
    journal = Journal(tmp_path / "journal")
    await carried_over(journal, engine, [a_fact(n) for n in range(1, 11)])
    await journal.close()
    path = tmp_path / "journal" / "facts-00000000000000000001.log"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]))
    shorter = Journal(tmp_path / "journal")
    new = [a_fact(n) for n in range(11, 16)]
    await carried_over(shorter, engine, new, on_trouble=troubles.append)
    await shorter.close()
    assert await count_of_events(engine) == 15
    assert "record 10 is not fact boot-10 any more" in troubles[0]


async def test_a_damaged_last_record_does_not_make_it_spin_or_stop(
    tmp_path: Path, engine: AsyncEngine
) -> None:
    journal = Journal(tmp_path / "journal")
    append(journal, [a_fact(n) for n in range(1, 4)])
    await journal.flushed(3)
    path = tmp_path / "journal" / "facts-00000000000000000001.log"
    path.write_bytes(path.read_bytes().replace(b'"boot-3"', b'"boot-8"'))
    async with running(Projector(journal, engine)) as projector:
        await asyncio.wait_for(projector.reached(2), 10)
        await asyncio.wait_for(projector.reached(journal.append(a_fact(4))), 10)
    await journal.close()
    assert await count_of_events(engine) == 3


async def test_preparing_is_tried_until_it_succeeds_and_then_not_again(
    journal: Journal, engine: AsyncEngine
) -> None:
    tries: list[AsyncEngine] = []

    async def prepare(given: AsyncEngine) -> None:
        tries.append(given)
        if len(tries) < 3:
            raise OSError("no database yet")

    told: list[str] = []
    recovered: Callable[[], None] = lambda: told.append("recovered")  # noqa: E731
    await carried_over(
        journal,
        engine,
        a_whole_call(),
        prepare=prepare,
        backoff_seconds=[0.01],
        on_trouble=told.append,
        on_recovered=recovered,
    )
    assert len(tries) == 3
    assert len(told) == 2
    assert "no database yet" in told[0]
    assert told[1] == "recovered"


def fact_fields(fact: Fact) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


async def test_times_come_back_aware_and_in_utc(journal: Journal, engine: AsyncEngine) -> None:
    await carried_over(journal, engine, a_whole_call())
    async with engine.connect() as connection:
        invited = (await connection.execute(select(calls.c.invited_at))).scalar_one()
    assert invited.tzinfo is UTC


async def test_a_report_stands_as_it_was_written_last(
    journal: Journal, engine: AsyncEngine
) -> None:
    await carried_over(journal, engine, a_whole_call())
    async with engine.connect() as connection:
        first, second = (await connection.execute(select(reports).order_by(reports.c.number))).all()
        linked = (await connection.execute(select(report_calls.c.call))).scalars().all()
        (step,) = (await connection.execute(select(report_steps))).all()
    assert (first.kind, first.place, first.narrative, first.victims) == (
        "normal",
        "Pasar Sumur",
        "Dua orang",
        None,
    )
    assert (first.answers, first.point["latitude"]) == ({"sadar": "ya"}, -6.65)
    assert (first.closed_at, first.opened_by, first.centre) == (None, "2002", "cilegon")
    assert (second.joined_to, second.closed_by) == (first.number, "2002")
    assert sorted(linked) == ["call-1", "call-2"]
    assert (step.agency, step.step, step.by) == ("psc119", "diserahkan", "2002")
