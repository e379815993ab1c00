"""``./ess up --standby`` as somebody tries it: two engines, and the one that leads is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ess_pbx.demo.pair_process import LEADS, SETTINGS
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.phones.softphone import Answer
from ess_pbx.settings.credentials import load_credentials
from ess_pbx.web.control import Control, control_socket

from .story import SOON, UNBROKEN, Story, until
from .test_chaos import processes_of

pytestmark = pytest.mark.asterisk

COMES_UP_WITHIN, STOPS_WITHIN = 40.0, 30.0
RINGS_WITHIN = 2.0
"""On a machine that is busy with other tests; `ess chaos` holds the bound itself."""


class UpStory(Story):
    """The centre of the command; what is known of it is what the command says."""

    async def assert_reachable(self, extension: str, reachable: bool = True) -> None:
        """Asterisk has registered it, and the engine that leads was told."""
        control, deadline = Control(control_socket(self.settings)), time.monotonic() + SOON
        while True:
            seats = await control.ask("GET", "/operators")
            (status,) = [each["status"] for each in seats if each["extension"] == extension]
            if (status == "present") is reachable:
                return
            assert time.monotonic() < deadline, f"{extension} reachable: {reachable}"
            await asyncio.sleep(0.05)

    def leave_to_the_command(self) -> None:
        """Its phones' passwords are where the command has made them."""
        extensions = [each.extension for each in self.centre.operators]
        self.installation.credentials = load_credentials(self.settings.folders.state, extensions)


class Command:
    """``ess up --standby`` in a folder, and all that it said so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._reading: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        process = self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ess_pbx.cli", "up", "--standby", "--folder", str(self.folder)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "COLUMNS": "200"},
            # A shell that runs the tests in the background has them ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        streams = (process.stdout, process.stderr)
        self._reading = [asyncio.create_task(self._read(each)) for each in streams if each]

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.said.append(line.decode().rstrip())

    async def says(self, pattern: str, within: float = SOON, after: int = 0) -> re.Match[str]:
        """Wait for a line; ``after`` are the lines before, which do not count."""

        def found() -> re.Match[str] | None:
            matches = (re.search(pattern, line) for line in self.said[after:])
            return next((each for each in matches if each), None)

        try:
            await until(lambda: found() is not None, f"a line with {pattern!r}", within)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.said])) from None
        match = found()
        assert match is not None
        return match

    async def ctrl_c(self) -> int:
        """Returns the exit code, when all that was said is read."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(self._process.wait(), STOPS_WITHIN)
        await asyncio.wait(self._reading, timeout=SOON)
        return code

    async def close(self) -> None:
        """Whatever became of the test."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOPS_WITHIN)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        for each in self._reading:
            each.cancel()


@pytest.fixture
async def command(built_prompts: Path) -> AsyncIterator[Command]:
    """Not started yet, in a folder of its own; ended with the test."""
    folder = Path(tempfile.mkdtemp(prefix="ess", dir="/tmp"))
    shutil.copytree(
        built_prompts, folder / "up" / "prompts", ignore=shutil.ignore_patterns("*.tmp")
    )
    command = Command(folder / "up")
    yield command
    await command.close()
    shutil.rmtree(folder, ignore_errors=True)


async def test_the_leading_engine_is_killed_and_the_command_shows_how_all_goes_on(
    command: Command,
) -> None:
    await command.start()
    first = await command.says(rf"engine (\w): {LEADS}", COMES_UP_WITHIN)
    leader = first[1]
    follower = "B" if leader == "A" else "A"
    pid = int((await command.says(r"try: kill -9 (\d+), or kill -STOP \1"))[1])
    await command.says(f"engine {follower}: stands by", COMES_UP_WITHIN)
    settings = pickle.loads((command.folder / SETTINGS).read_bytes())  # noqa: S301 - ours
    await command.says(f"SIP server {settings.asterisk.sip_host}:{settings.asterisk.sip_port}")
    assert f"engine {leader} (process {pid}) starts" in "\n".join(command.said)
    assert f"engine {follower} (process " in "\n".join(command.said)
    assert processes_of(command.folder)

    async with contextlib.AsyncExitStack() as closing:
        story = UpStory(command.folder.with_name("people"), settings)
        closing.push_async_callback(story.close)
        story.leave_to_the_command()
        now = datetime.now(ZoneInfo(story.centre.time_zone))
        first_operator, second_operator, *_ = sorted(CallCentre(story.centre).on_duty(now))
        await story.given_operators(first_operator, behaviour=Answer(0.1))
        caller = await story.when_caller_dials()
        taken = await story.phones.incoming(first_operator, SOON)
        await story.assert_they_talk(caller, taken)

        began, said = time.monotonic(), len(command.said)
        os.kill(pid, signal.SIGKILL)

        await command.says(rf"engine {leader} \(process {pid}\) ended: signal 9", after=said)
        await command.says(f"engine {follower}: takes over", after=said)
        await command.says(f"engine {follower}: {LEADS}", after=said)
        print(f"\nthe standby leads {1000 * (time.monotonic() - began):.0f} ms later")
        await story.assert_they_talk(caller, taken)
        assert caller.rtp.longest_silence(since=began) < UNBROKEN
        again = await command.says(rf"engine {leader} \(process (\d+)\) starts", after=said)
        assert int(again[1]) != pid
        await command.says(f"engine {leader}: stands by", COMES_UP_WITHIN, after=said)
        await story.assert_they_talk(caller, taken)
        await caller.call.hang_up()
        assert await taken.ended(SOON) == "far"

        await story.given_operators(second_operator, behaviour=Answer(0.1))
        other = await story.when_caller_dials(number="+6281234567891")
        ring = await story.phones.incoming(second_operator, SOON)
        took = ring.at["incoming"] - other.call.at["invited"]
        print(f"a new call rings after {1000 * took:.0f} ms")
        assert took < RINGS_WITHIN
        await story.assert_they_talk(other, ring)
        await other.call.hang_up()

    assert await command.ctrl_c() == 0
    assert command.said[-1].endswith("stopped")
    assert processes_of(command.folder) == {}
