"""Migrations make the tables that the program expects, on both databases, there and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from ess_pbx.db import migrate
from ess_pbx.db.connect import DatabaseError, create_sync_engine
from ess_pbx.db.tables import metadata


def schema(url: str) -> dict[str, Any]:
    """Every table with its columns, keys and indexes."""
    engine = create_sync_engine(url)
    try:
        inspector = inspect(engine)
        return {
            name: (
                [str(column) for column in inspector.get_columns(name)],
                str(inspector.get_pk_constraint(name)),
                sorted(map(str, inspector.get_foreign_keys(name))),
                sorted(map(str, inspector.get_indexes(name))),
            )
            for name in inspector.get_table_names()
        }
    finally:
        engine.dispose()


def execute(url: str, statement: str) -> None:
    engine = create_sync_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_up_down_and_up_again_leaves_the_same_schema(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    first = schema(empty_url)
    migrate.downgrade(empty_url, "base")
    assert set(schema(empty_url)) == {"alembic_version"}
    assert migrate.current(empty_url) is None
    migrate.upgrade(empty_url)
    assert schema(empty_url) == first
    assert set(first) == {*metadata.tables, "alembic_version"}


def test_every_revision_can_be_taken_back_and_made_again(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    before = schema(empty_url)
    migrate.downgrade(empty_url, "-1")
    migrate.upgrade(empty_url, "+1")
    assert schema(empty_url) == before


def test_autogenerate_finds_no_difference_between_migrations_and_tables(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    engine = create_sync_engine(empty_url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_upgrading_what_is_up_to_date_changes_nothing(empty_url: str) -> None:
    assert migrate.current(empty_url) is None
    migrate.upgrade(empty_url)
    migrate.upgrade(empty_url)
    assert migrate.current(empty_url) == migrate.head()


def test_engines_that_start_together_do_not_migrate_at_once(empty_url: str) -> None:
    program = "import sys; from ess_pbx.db.migrate import upgrade; upgrade(sys.argv[1])"
    engines = [subprocess.Popen([sys.executable, "-c", program, empty_url]) for _ in range(4)]
    try:
        assert [engine.wait(60) for engine in engines] == [0, 0, 0, 0]
    finally:
        for engine in engines:
            engine.kill()
            engine.wait()
    assert migrate.current(empty_url) == migrate.head()


def test_a_migration_that_fails_halfway_leaves_nothing_behind(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = command.upgrade

    def upgrade_and_fail(*arguments: Any) -> None:
        real(*arguments)
        raise RuntimeError("power cut")

    monkeypatch.setattr(command, "upgrade", upgrade_and_fail)
    with pytest.raises(RuntimeError, match="power cut"):
        migrate.upgrade(empty_url)
    assert schema(empty_url) == {}


def test_a_database_newer_than_the_program_is_refused_untouched(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    execute(empty_url, "UPDATE alembic_version SET version_num = '9999'")
    before = schema(empty_url)
    for change in (migrate.upgrade, lambda url: migrate.downgrade(url, "base")):
        with pytest.raises(migrate.DatabaseTooNewError, match=r"9999.*newest is 0\d{3}"):
            change(empty_url)
    assert schema(empty_url) == before


def test_a_postgresql_that_does_not_answer_is_named_without_its_password() -> None:
    url = "postgresql://ess:geheim@127.0.0.1:1/ess"
    with pytest.raises(migrate.DatabaseUnreachableError) as caught:
        migrate.upgrade(url)
    assert "127.0.0.1:1/ess cannot be opened" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_an_sqlite_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(migrate.DatabaseUnreachableError, match=r"notes\.db cannot be opened"):
        migrate.current(f"sqlite:///{tmp_path}/notes.db")


def test_an_sqlite_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(migrate.DatabaseUnreachableError, match=r"ess\.db cannot be opened"):
        migrate.upgrade(f"sqlite:///{tmp_path}/file/ess.db")


@pytest.mark.parametrize("url", ["mysql://ess:geheim@host/ess", "geheim", ""])
def test_another_database_is_refused_saying_what_is_expected(url: str) -> None:
    with pytest.raises(DatabaseError, match="expected sqlite:///folder") as caught:
        migrate.upgrade(url)
    assert "geheim" not in str(caught.value)
