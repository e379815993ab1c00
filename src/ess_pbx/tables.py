"""What commands print on stdout: tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console(highlight=False)


def print_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table on stdout; what is not known stays empty."""
    table = Table(*columns)
    for row in rows:
        values = (row.get(name) for name in columns)
        table.add_row(*("" if value is None else escape(str(value)) for value in values))
    out.print(table)


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(msgspec.json.encode(content, enc_hook=str).decode() + "\n")
