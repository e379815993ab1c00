"""A centre in a process of its own, which a test may kill: ``python centre_process.py FOLDER``.

The folder holds ``settings.pickle``; every fact is written there into ``facts.jsonl``. SIGTERM ends
the centre, SIGHUP leaves its Asterisk to the next one.
"""

from __future__ import annotations

import asyncio
import pickle
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from ess_pbx import log
from ess_pbx.domain.facts import Fact
from ess_pbx.installation import Installation


async def run(folder: Path) -> None:
    settings = pickle.loads((folder / "settings.pickle").read_bytes())  # noqa: S301 - ours
    with (folder / "facts.jsonl").open("ab", buffering=0) as facts:

        def write(fact: Fact) -> None:
            facts.write(msgspec.json.encode(fact) + b"\n")

        loop, stopped, keep = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stopped.set)

        def leave() -> None:
            keep.set()
            stopped.set()

        loop.add_signal_handler(signal.SIGHUP, leave)
        installation = Installation(settings)
        try:
            await installation.start(write)
            (folder / "started").touch()
            await stopped.wait()
        finally:
            await installation.stop(keep_asterisk=keep.is_set())


if __name__ == "__main__":
    where = Path(sys.argv[1])
    with (where / "engine.log").open("a") as log_file:
        log.configure("info", log_file)
        uvloop.run(run(where))
