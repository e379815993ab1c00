"""A database that stops under the projector costs time, never a fact, and never repeats one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ess_pbx.chaos.postgres import PostgresServer
from ess_pbx.db import migrate
from ess_pbx.db.connect import create_engine
from ess_pbx.db.projector import Projector
from ess_pbx.db.queries import table_counts
from ess_pbx.engine.journal import Journal

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


class Traffic:
    """Calls that go on, whatever the database does."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.calls = 0
        self.last = 0

    async def run(self) -> None:
        while True:
            for fact in a_whole_call(f"call-{self.calls}", 1 + 100 * self.calls):
                self.last = self._journal.append(fact)
            self.calls += 1
            await asyncio.sleep(0.005)

    async def goes_on(self) -> None:
        await self._journal.flushed(self.last + CALLS * len(a_whole_call()))


async def test_stopped_in_the_middle_and_started_again_nothing_is_lost_or_twice(
    server: PostgresServer, folder: Path, tmp_path: Path
) -> None:
    url = server.create_database("ess")
    migrate.upgrade(url)
    engine = create_engine(url)
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
    traffic = Traffic(journal)
    tasks = [asyncio.create_task(projector.run()), asyncio.create_task(traffic.run())]
    try:
        await asyncio.wait_for(projector.reached(300), 20)
        await asyncio.to_thread(server.stop)
        await asyncio.wait_for(in_trouble.wait(), 20)
        stopped_at = projector.position
        await asyncio.wait_for(traffic.goes_on(), 20)
        assert projector.lag >= CALLS
        assert projector.position == stopped_at
        assert not recovered.is_set()

        await asyncio.to_thread(server.start, folder)
        await asyncio.wait_for(recovered.wait(), 20)
        await asyncio.wait_for(traffic.goes_on(), 20)
        tasks[1].cancel()
        await asyncio.wait_for(projector.reached(traffic.last), 20)
        assert not tasks[0].done()
        counts = await table_counts(engine)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await journal.close()
        await engine.dispose()
    assert counts["call_events"] == traffic.last == traffic.calls * len(a_whole_call())
    assert counts["calls"] == traffic.calls
    assert counts["legs"] == traffic.calls * 5
    assert len(troubles) == 1
    assert "facts wait in the journal" in troubles[0]
