"""Engines for the two databases, set up so that trouble shows soon and waits for nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy import create_engine as create_blocking
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ess_pbx.errors import EssPbxError

_DRIVERS = {"sqlite": ("sqlite+aiosqlite", "sqlite"), "postgresql": ("postgresql+psycopg",) * 2}

SQLITE_BUSY_MS = 5000


class DatabaseError(EssPbxError):
    """The database cannot be used."""

    code: ClassVar[str] = "database"
    http_status: ClassVar[int] = 503


def create_engine(url: str) -> AsyncEngine:
    """The engine's async SQLAlchemy engine; connects at first use.

    Raises DatabaseError when ``url`` is neither of SQLite nor of PostgreSQL.
    """
    parsed = parse_url(url)
    parsed = parsed.set(drivername=_DRIVERS[parsed.get_backend_name()][0])
    engine = create_async_engine(parsed, **_options(parsed))
    _prepare(engine.sync_engine)
    return engine


def create_sync_engine(url: str) -> Engine:
    """The same database for blocking use, as migrations need it; see ``create_engine``."""
    parsed = parse_url(url)
    parsed = parsed.set(drivername=_DRIVERS[parsed.get_backend_name()][1])
    engine = create_blocking(parsed, **_options(parsed))
    _prepare(engine)
    return engine


@asynccontextmanager
async def reading(engine: AsyncEngine, what: str) -> AsyncIterator[AsyncConnection]:
    """A connection to read ``what`` over. Raises DatabaseError, which says what to do."""
    try:
        async with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise DatabaseError(
            f"{what} cannot be read: {reason}; expected a database that runs and has its tables: "
            "start the centre once, or run ess-pbx migrate with its settings"
        ) from error


def parse_url(url: str) -> URL:
    """``url`` taken apart; DatabaseError when it is not one that ess-pbx can use."""
    expected = (
        "expected sqlite:///folder/file.db or postgresql://user:password@host:5432/database; "
        "correct the database's url in the settings"
    )
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text may hold a password, so it is not repeated.
        raise DatabaseError(f"the database's url cannot be read: {expected}") from None
    if parsed.get_backend_name() not in _DRIVERS:
        raise DatabaseError(f"database {parsed.render_as_string()}: {expected}")
    return parsed


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {}
    return {
        "pool_size": 5,
        "max_overflow": 5,
        "pool_timeout": 5,
        "pool_pre_ping": True,
        "pool_recycle": 1800,
        # A server that vanished without a word is noticed within about 15 s, not after hours.
        "connect_args": {
            "connect_timeout": 5,
            "keepalives_idle": 5,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "tcp_user_timeout": 15000,
            "application_name": "ess-pbx",
        },
    }


def _prepare(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "do_connect")
    def make_folder(_dialect: object, _record: object, _arguments: object, _named: object) -> None:
        if engine.url.database and engine.url.database != ":memory:":
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:
        # Python's sqlite3 would begin by itself, and not before DDL or SAVEPOINT.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        # A power cut may take the last transactions; the journal has them, with the position.
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")
