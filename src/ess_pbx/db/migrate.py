"""Alembic without its command line: the service and ``ess-pbx migrate`` bring tables up to date.

All functions block; call them in a thread (``asyncio.to_thread``) from a loop.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ess_pbx.db.connect import DatabaseError, create_sync_engine, parse_url

# Any number, the same for every engine: two that start together must not migrate at once.
_ADVISORY_LOCK = 112_000_112

# Alembic keeps what it works on in a global of the process.
_one_at_a_time = threading.Lock()


class DatabaseUnreachableError(DatabaseError):
    """The database does not answer."""

    code: ClassVar[str] = "database-unreachable"


class DatabaseTooNewError(DatabaseError):
    """A newer ess-pbx has changed the tables."""

    code: ClassVar[str] = "database-too-new"


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the tables to ``revision``, all in one transaction.

    Raises DatabaseUnreachableError or DatabaseTooNewError; then nothing was changed.
    """
    _migrate(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Take the tables back to ``revision`` (``base``: none), with what newer ones hold.

    Raises DatabaseUnreachableError or DatabaseTooNewError; then nothing was changed.
    """
    _migrate(url, lambda config: command.downgrade(config, revision))


def current(url: str) -> str | None:
    """The revision of the tables, None when there are none; DatabaseUnreachableError."""
    with _transaction(url) as connection:
        return _revision(connection)


def head() -> str | None:
    """The newest revision that this program knows."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration, working on ``connection``."""
    config = Config()
    config.set_main_option("script_location", str(_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _migrate(url: str, action: Callable[[Config], None]) -> None:
    with _one_at_a_time, _transaction(url) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK}
            )
        config = configuration(connection)
        revision = _revision(connection)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if revision is not None and revision not in known:
            raise DatabaseTooNewError(
                f"database {parse_url(url).render_as_string()} is at revision {revision}, which "
                f"this ess-pbx does not know (its newest is {head()}): a newer one has used it; "
                "install that version again, or restore the backup made before its upgrade"
            )
        action(config)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _transaction(url: str) -> Iterator[Connection]:
    engine = create_sync_engine(url)
    try:
        try:
            connection = engine.connect().execution_options(sqlite_begin="IMMEDIATE")
        except (DBAPIError, sqlite3.Error, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise DatabaseUnreachableError(
                f"database {parse_url(url).render_as_string()} cannot be opened: "
                f"{str(cause).strip()}; start it, or correct the url in the settings"
            ) from error
        with connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def _folder() -> Path:
    package = Path(__file__).resolve().parents[1]
    places = (package / "migrations", package.parents[1] / "migrations")
    for place in places:
        if (place / "env.py").is_file():
            return place
    raise DatabaseError(
        f"migrations not found; expected them in {places[0]} (installed) or {places[1]} "
        "(checkout): install ess-pbx again"
    )
