"""The Asterisk of a state folder is found by its command line, and only while it lives."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ess_pbx.asterisk.server import find_process, is_alive

SLEEP = "import sys; print('up', flush=True); sys.stdin.read()"


async def started(*words: str) -> asyncio.subprocess.Process:
    """A program that runs until it is killed, with these words in its command line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SLEEP, *words, stdin=-1, stdout=-1
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    return process


async def test_what_was_started_by_the_configuration_file_is_found_while_it_lives(
    tmp_path: Path,
) -> None:
    config = tmp_path / "asterisk.conf"
    process = await started("-C", str(config), "-f", "-n")
    assert find_process(config) == process.pid
    assert find_process(tmp_path / "other.conf") is None
    process.kill()
    await process.wait()
    assert not is_alive(process.pid)
    assert find_process(config) is None


async def test_a_console_with_the_same_file_is_not_taken_for_it(tmp_path: Path) -> None:
    config = tmp_path / "asterisk.conf"
    console = await started("-C", str(config), "-rx", "core show channels count")
    assert find_process(config) is None
    console.kill()
    await console.wait()
