"""Short forms of faults, judged as ``ess-pbx chaos`` judges them, under a small load."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ess_pbx.chaos.catalogue import FAULTS, Fault
from ess_pbx.chaos.run import run_faults
from ess_pbx.chaos.stage import SHORT
from ess_pbx.settings.model import CHECKOUT

from .conftest import FAILED
from .story import SLACK, until

# One after another on one worker: each has a crowd and is timed.
pytestmark = [pytest.mark.asterisk, pytest.mark.database, pytest.mark.xdist_group("chaos")]


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder with a short path, removed afterwards unless the test fails."""
    path = Path(tempfile.mkdtemp(prefix="ess-"))
    # The database's server may run as nobody.
    path.chmod(0o755)
    yield path
    if not request.node.stash.get(FAILED, False):
        shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("fault", [each for each in FAULTS if each.short], ids=lambda each: each.id)
async def test_the_fault_costs_no_more_than_it_may(fault: Fault, folder: Path) -> None:
    told: list[str] = []

    (verdict,) = await run_faults([fault], SHORT, folder, told.append, SLACK)

    print(verdict.measured)
    assert verdict.passed, "\n".join([verdict.measured, *told, f"see {folder}"])
    await assert_none_is_left(folder)


async def test_ctrl_c_in_the_middle_of_a_fault_leaves_no_process() -> None:
    before = set((CHECKOUT / "var" / "chaos").glob("*"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ess_pbx.cli", "chaos", "engine-frozen", "--seconds", "30"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and all they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        # An older run may have had the same number.
        while not (found := set((CHECKOUT / "var" / "chaos").glob(f"*-{process.pid}")) - before):
            assert time.monotonic() < deadline, "the run has begun"
            await asyncio.sleep(0.1)
        (folder,) = found
        while b"T" not in processes_of(folder).values():
            assert time.monotonic() < deadline, "the engine is frozen"
            await asyncio.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 60) == 130
        await assert_none_is_left(folder)
        shutil.rmtree(folder)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 60)
            finally:
                if process.returncode is None:
                    process.kill()


async def assert_none_is_left(folder: Path) -> None:
    """One that was killed may take a moment to end."""
    await until(lambda: not processes_of(folder), f"no process of {folder} is left")


def processes_of(folder: Path) -> dict[str, bytes]:
    """The state of each process that has anything of this run in its command line, by its words."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:  # it ended just now
            continue
        if str(folder).encode() in words:
            found[words.replace(b"\0", b" ").decode()] = state
    return found
