"""One engine of a pair, a process of its own: ``… pair_process FOLDER``.

FOLDER holds ``settings.pickle``. Each line on stdout says what it does; ``LEADS`` that it leads.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import uvloop

from ess_pbx import log
from ess_pbx.installation import Installation
from ess_pbx.serving import serve

SETTINGS, LOG = "settings.pickle", "engine.log"
LEADS = "leads: calls are taken"


def say(line: str) -> None:
    """Tell the process that shows it."""
    print(line, flush=True)


def main(folder: Path) -> None:
    """Run until SIGTERM."""
    settings = pickle.loads((folder / SETTINGS).read_bytes())  # noqa: S301 - written by our parent
    with (folder / LOG).open("a") as log_file:
        log.configure("info", log_file)
        uvloop.run(serve(Installation(settings, say), stand_by=True, on_lead=lambda: say(LEADS)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
