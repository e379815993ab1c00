"""The engine as a process of its own, which may be killed: ``… engine_process FOLDER``.

FOLDER holds ``order.pickle``. Every fact is appended to ``facts.jsonl``; ``started`` holds the
process that takes calls. SIGTERM ends engine and Asterisk. SIGUSR1 reads the seconds that the wall
clock is off from ``clock``, and takes that file away.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvloop
from msgspec.structs import replace

from ess_pbx import log
from ess_pbx.domain.facts import Fact
from ess_pbx.engine.clock import SystemClock
from ess_pbx.engine.service import Engine
from ess_pbx.installation import Installation
from ess_pbx.serving import serve
from ess_pbx.settings.credentials import Credentials
from ess_pbx.settings.model import Settings

ORDER, STARTED, FACTS, CLOCK = "order.pickle", "started", "facts.jsonl", "clock"


@dataclass(frozen=True)
class Order:
    """What is to be run. ``ari_port`` is where the engine finds Asterisk, if not at its own."""

    settings: Settings
    ari_port: int | None = None
    standby: bool = False
    """Whether a second process stands by for the first."""


class JumpingClock(SystemClock):
    """The machine's clocks, the wall clock set forward or back by ``jumped`` seconds."""

    jumped = 0.0

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC, as a machine with a wrong clock believes."""
        return time.time() + self.jumped


class TroubledInstallation(Installation):
    """An installation whose engine has another clock, and another line to Asterisk."""

    def __init__(self, order: Order, clock: JumpingClock) -> None:
        super().__init__(order.settings)
        self._order, self._clock = order, clock

    def make_engine(
        self, credentials: Credentials, on_fact: Callable[[Fact], None] | None
    ) -> Engine:
        """The engine, as it was ordered."""
        settings = self.settings
        if self._order.ari_port is not None:
            asterisk = replace(settings.asterisk, ari_port=self._order.ari_port)
            settings = replace(settings, asterisk=asterisk)
        return Engine(settings, credentials, self.folders, clock=self._clock, on_fact=on_fact)


async def run(folder: Path) -> None:
    """Run until SIGTERM."""
    order = pickle.loads((folder / ORDER).read_bytes())  # noqa: S301 - written by our parent
    clock = JumpingClock()

    def jump() -> None:
        clock.jumped = float((folder / CLOCK).read_text())
        (folder / CLOCK).unlink()

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, jump)
    installation = TroubledInstallation(order, clock)
    with (folder / FACTS).open("ab", buffering=0) as facts:
        await serve(
            installation,
            stand_by=order.standby,
            on_fact=lambda fact: _write(facts.write, fact),
            on_lead=lambda: (folder / STARTED).write_text(str(os.getpid())),
        )


def _write(write: Callable[[bytes], object], fact: Fact) -> None:
    write(msgspec.json.encode(fact) + b"\n")


if __name__ == "__main__":
    where = Path(sys.argv[1])
    with (where / "engine.log").open("a") as log_file:
        log.configure("info", log_file)
        uvloop.run(run(where))
