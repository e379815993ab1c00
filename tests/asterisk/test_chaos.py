"""Short forms of faults, judged as ``ess-pbx chaos`` judges them, under a small load."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ess_pbx.chaos.catalogue import FAULTS, Fault
from ess_pbx.chaos.run import run_faults
from ess_pbx.chaos.stage import SHORT

# One after another on one worker: each has a crowd and is timed.
pytestmark = [pytest.mark.asterisk, pytest.mark.database, pytest.mark.xdist_group("chaos")]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="ess-"))
    # The database's server may run as nobody.
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("fault", [each for each in FAULTS if each.short], ids=lambda each: each.id)
async def test_the_fault_costs_no_more_than_it_may(fault: Fault, folder: Path) -> None:
    told: list[str] = []

    (verdict,) = await run_faults([fault], SHORT, folder, told.append)

    print(verdict.measured)
    assert verdict.passed, "\n".join([verdict.measured, *told])
    assert left_running(folder) == []


def left_running(folder: Path) -> list[str]:
    """Processes that have anything of this run in their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found
