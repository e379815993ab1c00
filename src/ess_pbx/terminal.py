"""What all commands share: where they print, how they run and how they tell that they go on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import uvloop
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ess_pbx.settings.model import CHECKOUT

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False)

Named = Annotated[str | None, Parameter(help="A centre's id, where there are several.")]
"""``--centre``."""
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop; Ctrl-C and SIGTERM cancel the work and let it clean up."""

    async def cancellable() -> T:
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(cancellable())


class Progress:
    """Lines with the seconds since the start, on stderr."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, line: str) -> None:
        err.print(f"[dim]{time.monotonic() - self._started:6.1f} s[/]  {line}")


def run_folder(kind: str) -> Path:
    """A folder of its own for each run of the demo or a benchmark; not made yet."""
    return CHECKOUT / "var" / kind / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"


COPIED = frozenset({"id", "call", "recording", "report", "task", "extension"})


def print_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table on stdout; what is not known stays empty."""
    table = Table()
    for name in columns:
        # What is copied into the next command must be there whole.
        table.add_column(name, no_wrap=name in COPIED)
    for row in rows:
        values = (row.get(name) for name in columns)
        table.add_row(*("" if value is None else escape(str(value)) for value in values))
    out.print(table)


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(msgspec.json.encode(content, enc_hook=str).decode() + "\n")
