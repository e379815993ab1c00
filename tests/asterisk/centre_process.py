"""A centre in a process of its own, which a test may kill: ``python centre_process.py FOLDER``.

The folder holds ``settings.pickle``; every fact is written there into ``facts.jsonl``, and
``started`` holds the process that takes calls. A second process stands by. SIGTERM ends the centre,
or hands it over; SIGHUP leaves its Asterisk to the next one.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import msgspec
import uvloop

from ess_pbx import log
from ess_pbx.domain.facts import Fact
from ess_pbx.installation import Installation
from ess_pbx.serving import serve


async def run(folder: Path) -> None:
    settings = pickle.loads((folder / "settings.pickle").read_bytes())  # noqa: S301 - ours
    with (folder / "facts.jsonl").open("ab", buffering=0) as facts:

        def write(fact: Fact) -> None:
            facts.write(msgspec.json.encode(fact) + b"\n")

        await serve(
            Installation(settings),
            stand_by=True,
            on_fact=write,
            on_lead=lambda: (folder / "started").write_text(str(os.getpid())),
        )


if __name__ == "__main__":
    where = Path(sys.argv[1])
    with (where / "engine.log").open("a") as log_file:
        log.configure("info", log_file)
        uvloop.run(run(where))
