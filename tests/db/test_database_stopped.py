"""A database that stops under the projector costs time, never a fact, and never repeats one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db import migrate
from ess_pbx.db.connect import create_engine
from ess_pbx.db.projector import Projector
from ess_pbx.db.queries import table_counts
from ess_pbx.engine.journal import Journal

from . import postgres
from .postgres import PostgresServer
from .story import a_whole_call

pytestmark = pytest.mark.database

CALLS = 60


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stopped")


@pytest.fixture
def server(folder: Path) -> Iterator[PostgresServer]:
    """A server that the test may stop; the session's one serves others."""
    with PostgresServer() as server:
        server.start(folder)
        yield server


async def write_calls(journal: Journal, first: int) -> int:
    last = 0
    for number in range(first, first + CALLS):
        for fact in a_whole_call(f"call-{number}", 1 + 100 * number):
            last = journal.append(fact)
        await asyncio.sleep(0)
    return last


async def test_stopped_in_the_middle_and_started_again_nothing_is_lost_or_twice(
    server: PostgresServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.create_database("ess")
    migrate.upgrade(url)
    engine: AsyncEngine = create_engine(url)
    troubles: list[str] = []
    in_trouble, recovered = asyncio.Event(), asyncio.Event()

    def on_trouble(reason: str) -> None:
        troubles.append(reason)
        in_trouble.set()

    journal = Journal(tmp_path / "journal")
    projector = Projector(
        journal,
        engine,
        on_trouble=on_trouble,
        on_recovered=recovered.set,
        backoff_seconds=[0.05],
    )
    task = asyncio.create_task(projector.run())
    try:
        await write_calls(journal, 0)
        await asyncio.wait_for(projector.reached(300), 20)
        await asyncio.to_thread(server.stop)
        await asyncio.wait_for(in_trouble.wait(), 20)
        stopped_at = projector.position
        last = await write_calls(journal, CALLS)
        await asyncio.wait_for(journal.flushed(last), 5)
        assert projector.lag == last - stopped_at > 0
        assert not recovered.is_set()

        port = server.port
        monkeypatch.setattr(postgres, "_free_port", lambda: port)
        await asyncio.to_thread(server.start, folder)
        await asyncio.wait_for(projector.reached(last), 30)
        await asyncio.wait_for(recovered.wait(), 5)
        assert not task.done()
        counts = await table_counts(engine)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await journal.close()
        await engine.dispose()
    assert counts["call_events"] == last == 2 * CALLS * len(a_whole_call())
    assert counts["calls"] == 2 * CALLS
    assert len(troubles) == 1
    assert "facts wait in the journal" in troubles[0]
