"""An empty database for each test, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.chaos.postgres import PostgresServer
from ess_pbx.db import migrate
from ess_pbx.db.connect import create_engine

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.database)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/database/ess.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"test{next(_numbers)}")


@pytest.fixture
async def engine(empty_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a database with all tables and no rows."""
    migrate.upgrade(empty_url)
    engine = create_engine(empty_url)
    yield engine
    await engine.dispose()
