"""Changes of rows, and the values that both databases can hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Table

from ess_pbx.domain.facts import JSON

Values: TypeAlias = dict[str, Any]

LONGEST = 500
"""Characters of a text column; an index entry of PostgreSQL holds 2704 bytes. The fact's own data
is kept whole in call_events."""


class Upsert(msgspec.Struct, frozen=True):
    """The row with ``key`` gets ``once`` where it is still empty, and ``latest``; it is made if
    there is none. With ``unless``, nothing changes once that column is set.
    """

    table: Table
    key: Values
    once: Values = {}
    latest: Values = {}
    unless: str | None = None


class Fill(msgspec.Struct, frozen=True):
    """Rows that match get ``once`` where they are still empty."""

    table: Table
    match: Values
    once: Values


Change: TypeAlias = Upsert | Fill


def fold(all_changes: Iterable[Change]) -> list[Change]:
    """Fewer changes that leave the same rows as ``all_changes`` one after another.

    Upserts of a row become one; fills come last, when the rows that they complete are there.
    """
    upserts: dict[tuple[Any, ...], Upsert] = {}
    fills: list[Change] = []
    for change in all_changes:
        if isinstance(change, Fill):
            fills.append(change)
            continue
        row = (change.table.name, change.unless, *change.key.values())
        earlier = upserts.get(row)
        if earlier is None:
            upserts[row] = change
        elif change.unless is None:
            upserts[row] = _merged(earlier, change)
    return [*upserts.values(), *fills]


def _merged(earlier: Upsert, later: Upsert) -> Upsert:
    once = dict(earlier.once)  # what latest has too counts there
    latest = {**earlier.latest, **later.latest}
    for name, value in later.once.items():
        target = latest if name in latest else once
        if target.get(name) is None:
            target[name] = value
    return Upsert(earlier.table, earlier.key, once, latest)


def moment(seconds: JSON) -> datetime | None:
    """Epoch seconds as an aware UTC time; None for what is no time."""
    if not isinstance(seconds, int | float) or not isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def text(value: JSON) -> str | None:
    """As text for a column, which both databases can hold and index; None stays None."""
    return None if value is None else _printable(str(value))[:LONGEST]


def clean(value: JSON) -> Any:
    """The same document, holding only what both databases can hold."""
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, Mapping):
        return {_printable(key): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value


def _printable(value: str) -> str:
    return value.replace("\0", "\ufffd")  # PostgreSQL's text has no NUL


def whole(value: JSON, bits: int = 31) -> int | None:
    """A whole number that a column of so many bits holds; None for what is none."""
    number = isinstance(value, int) or (isinstance(value, float) and isfinite(value))
    whole = int(value) if number else None  # type: ignore[arg-type]
    return whole if whole is not None and abs(whole) < 2**bits else None


def real(value: JSON) -> float | None:
    """A number; None for what is none, or not finite."""
    return float(value) if isinstance(value, int | float) and isfinite(value) else None
