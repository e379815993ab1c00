"""A database behind a simulated centre: the facts go in by the real projector, whatever it meets.

It stops at any statement, and a commit may succeed of which nobody hears. No call waits for it, so
that few stories have one: to make the tables takes longer than to tell a story.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.connect import create_engine, create_sync_engine
from ess_pbx.db.projector import BATCH, Projector, project
from ess_pbx.db.replay import differences
from ess_pbx.db.tables import call_events, metadata
from ess_pbx.domain.facts import Fact
from ess_pbx.engine.segments import JournalError, Record

if TYPE_CHECKING:
    from ess_pbx.engine.journal import Journal
    from ess_pbx.simulation.world import World

LOOK_SECONDS = 5.0
"""How often what is durable goes in."""
STATEMENTS = 7
"""It stops at one of so many, counted from the first after it began to."""


class Facts:
    """The part of ``engine.journal`` that the projector needs, of a run's facts."""

    id = "simulated"
    folder = Path("journal")

    def __init__(self) -> None:
        self.facts: Sequence[Fact] = ()

    @property
    def durable(self) -> int:
        """How many are on the disk."""
        return len(self.facts)

    def cursor(self, at: int) -> Cursor:
        """What follows from there on."""
        return Cursor(self.facts, at - 1)

    async def flushed(self, _: int) -> None:
        """More there is not now."""
        raise JournalError("there is no more")


class Cursor:
    """A place in the facts."""

    def __init__(self, facts: Sequence[Fact], at: int) -> None:
        self._facts, self._at = facts, at

    def take(self, count: int) -> list[Record]:
        """So many more, or as many as there are."""
        taken = self._facts[self._at : self._at + count]
        began, self._at = self._at, self._at + len(taken)
        return [(began + number, fact) for number, fact in enumerate(taken, start=1)]


class Database:
    """The tables of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._runner = asyncio.Runner()
        self._facts = Facts()
        self._tables = self._runner.run(_empty())
        self._fails_at: list[int] = []
        """At which statement it fails, then at which after that."""
        self._unseen = 0
        """Commits that succeed and are not told of."""
        self._down_until = 0.0
        self._break(self._tables)
        world.later(LOOK_SECONDS, self._look)

    def stops(self, seconds: float, count: int) -> None:
        """It fails some times, in the middle of a batch or after it, and then is away."""
        self._follow()
        self._fails_at += [(count + each) % STATEMENTS for each in range(1 + count % 3)]
        self._unseen += count % 2
        self._follow()
        self._down_until = max(self._down_until, self._world.now + seconds)

    def is_over(self) -> Iterator[str]:
        """All is in the tables, once."""
        self._fails_at.clear()
        self._unseen = 0
        self._follow()
        yield from self._runner.run(self._otherwise())

    def close(self) -> None:
        """Give the memory back."""
        self._runner.run(self._tables.dispose())
        self._runner.close()

    def _look(self) -> None:
        if self._world.now >= self._down_until:
            self._follow()
        if not self._world.over:
            self._world.later(LOOK_SECONDS, self._look)

    def _follow(self) -> None:
        facts = self._world.durable_facts()
        if len(facts) == len(self._facts.facts):
            return
        self._facts.facts = facts
        journal = cast("Journal", self._facts)
        self._runner.run(Projector(journal, self._tables, backoff_seconds=(0.0,)).run())

    async def _otherwise(self) -> list[str]:
        anew = await _empty()
        facts = Cursor(self._facts.facts, 0)
        while batch := facts.take(BATCH):
            async with anew.begin() as connection:
                await project(connection, batch, Facts.id)
        async with self._tables.connect() as connection:
            held = (
                await connection.execute(select(func.count()).select_from(call_events))
            ).scalar()
        found = [f"the database: {each}" for each in await differences(self._tables, anew)]
        await anew.dispose()
        wanted = len({fact.id for fact in self._facts.facts})
        return found if held == wanted else [*found, f"the database has {held} of {wanted} facts"]

    def _break(self, engine: AsyncEngine) -> None:
        dialect: Any = engine.sync_engine.dialect
        execute, executemany, commit = (
            dialect.do_execute,
            dialect.do_executemany,
            dialect.do_commit,
        )

        def fails() -> None:
            if self._fails_at:
                self._fails_at[0] -= 1
                if self._fails_at[0] < 0:
                    del self._fails_at[0]
                    raise sqlite3.OperationalError("disk I/O error")

        def do_execute(*arguments: Any, **named: Any) -> None:
            fails()
            execute(*arguments, **named)

        def do_executemany(*arguments: Any, **named: Any) -> None:
            fails()
            executemany(*arguments, **named)

        def do_commit(connection: Any) -> None:
            commit(connection)
            if self._unseen:
                self._unseen -= 1
                raise sqlite3.OperationalError("disk I/O error")

        dialect.do_execute, dialect.do_executemany = do_execute, do_executemany
        dialect.do_commit = do_commit


@lru_cache(maxsize=1)
def _definitions() -> str:
    """The tables in SQL: SQLAlchemy takes 40 ms to work them out."""
    made = create_sync_engine("sqlite:///:memory:")
    with made.begin() as connection:
        metadata.create_all(connection)
        rows = connection.execute(text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
        definitions = ";".join(rows.scalars())
    made.dispose()
    return definitions


async def _empty() -> AsyncEngine:
    engine = create_engine("sqlite:///:memory:")
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.executescript(_definitions())
    return engine
