"""The tables can be made anew from the journal, and what differs is named."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db import migrate
from ess_pbx.db.connect import create_engine
from ess_pbx.db.projector import Projector
from ess_pbx.db.replay import differences, replay
from ess_pbx.db.tables import agents, calls, legs
from ess_pbx.domain.facts import Fact
from ess_pbx.engine.journal import Journal

from .story import a_call_back, a_whole_call


async def given_a_database_that_followed(folder: Path, engine: AsyncEngine) -> str:
    """Returns the journal's id."""
    journal = Journal(folder)
    last = [journal.append(fact) for fact in facts()][-1]
    projector = Projector(journal, engine)
    task = asyncio.create_task(projector.run())
    await asyncio.wait_for(projector.reached(last), 10)
    await journal.close()
    await asyncio.wait_for(task, 10)
    return journal.id


def facts() -> list[Fact]:
    return [*a_whole_call(), *a_whole_call("call-9", 400), *a_call_back(made="call-10", first=800)]


@pytest.fixture
async def followed(tmp_path: Path, engine: AsyncEngine) -> tuple[AsyncEngine, AsyncEngine]:
    """The database that followed the journal and one made anew from it."""
    folder = tmp_path / "journal"
    journal = await given_a_database_that_followed(folder, engine)
    url = f"sqlite+aiosqlite:///{tmp_path / 'anew.sqlite3'}"
    await asyncio.to_thread(migrate.upgrade, url)
    anew = create_engine(url)
    told: list[int] = []
    assert await replay(folder, anew, journal, told.append) == len(facts())
    assert told[-1] == len(facts())
    assert await replay(folder, anew, journal, told.append) == len(facts())
    return anew, engine


async def test_tables_made_anew_from_the_journal_are_the_same(
    followed: tuple[AsyncEngine, AsyncEngine],
) -> None:
    anew, engine = followed
    assert await differences(anew, engine) == []
    await anew.dispose()


async def test_a_value_and_a_row_that_differ_are_named(
    followed: tuple[AsyncEngine, AsyncEngine],
) -> None:
    anew, engine = followed
    async with engine.begin() as connection:
        await connection.execute(
            update(calls).where(calls.c.id == "call-9").values(category="banjir")
        )
        await connection.execute(delete(legs).where(legs.c.call == "call-1"))
    found = await differences(anew, engine)
    assert "calls call-9: category is 'medis' and 'banjir'" in found
    assert "legs call-1-ag1: only in the first" in found
    await anew.dispose()


async def test_an_operators_state_that_differs_is_named_and_their_name_is_the_settings_own(
    followed: tuple[AsyncEngine, AsyncEngine],
) -> None:
    anew, engine = followed
    async with engine.begin() as connection:
        await connection.execute(update(agents).values(name="Sari", state="talking"))
    (difference,) = await differences(anew, engine)
    assert "state is 'waiting' and 'talking'" in difference
    await anew.dispose()
