"""The SQL of changes, one statement for all changes of the same shape, for both databases."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Table, bindparam, func, update
from sqlalchemy.dialects import postgresql, sqlite

from ess_pbx.db.changes import Change, Upsert, Values
from ess_pbx.db.tables import metadata


class Shape(NamedTuple):
    """What two changes share when one statement serves both."""

    table: str
    upsert: bool
    key: tuple[str, ...]
    once: tuple[str, ...]
    latest: tuple[str, ...]
    unless: str | None


def by_shape(changes: Iterable[Change]) -> dict[Shape, list[Values]]:
    """The parameters of each shape's statement, in the order of ``changes``."""
    shapes: dict[Shape, list[Values]] = {}
    for change in changes:
        if isinstance(change, Upsert):
            columns = tuple(change.key), tuple(change.once), tuple(change.latest)
            shape = Shape(change.table.name, True, *columns, change.unless)
            row = {**change.once, **change.latest, **change.key}
        else:
            columns = tuple(change.match), tuple(change.once), ()
            shape = Shape(change.table.name, False, *columns, None)
            row = {f"match_{name}": value for name, value in change.match.items()}
            row |= {f"fill_{name}": value for name, value in change.once.items()}
        shapes.setdefault(shape, []).append(row)
    return shapes


@lru_cache(maxsize=512)
def statement(dialect: str, shape: Shape) -> Any:
    """The statement of ``shape``; building one costs more than running it."""
    table = metadata.tables[shape.table]
    if not shape.upsert:
        matches = (table.c[n] == bindparam(f"match_{n}", type_=table.c[n].type) for n in shape.key)
        filled = {
            n: func.coalesce(table.c[n], bindparam(f"fill_{n}", type_=table.c[n].type))
            for n in shape.once
        }
        return update(table).where(*matches).values(filled)
    insert = _insert(dialect, table)
    new = insert.excluded
    setting = {
        **{name: func.coalesce(table.c[name], new[name]) for name in shape.once},
        **{name: new[name] for name in shape.latest},
    }
    empty = None if shape.unless is None else table.c[shape.unless].is_(None)
    return insert.on_conflict_do_update(index_elements=shape.key, set_=setting, where=empty)


@lru_cache(maxsize=16)
def insert_missing(dialect: str, table: Table) -> Any:
    """Insert rows, leaving those that are there as they are."""
    return _insert(dialect, table).on_conflict_do_nothing()


def _insert(dialect: str, table: Table) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)
