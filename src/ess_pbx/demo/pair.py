"""Two engines of one centre: one leads, the other stands by; whichever ends is started again."""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from msgspec.structs import replace

from ess_pbx.demo.pair_process import LEADS, SETTINGS
from ess_pbx.errors import EssPbxError
from ess_pbx.installation import Installation
from ess_pbx.settings.model import Settings, Standby

AGAIN_AFTER = 2.0
"""Seconds until one that ended is started again, as a supervisor would."""
LAST_WORDS_SECONDS = 0.2
STOPS_WITHIN = 30.0
NAMES = ("A", "B")
# One who is killed leaves no process behind that was started for it.
DIES_WITH_ITS_PARENT = ("setpriv", "--pdeathsig=TERM", "--") if shutil.which("setpriv") else ()


class Pair:
    """Both processes, from ``async with`` on; ``leads`` is set once either takes calls."""

    def __init__(self, settings: Settings, folder: Path, say: Callable[[str], None]) -> None:
        self.settings = replace(settings, standby=Standby(wanted=True))
        self.leads = asyncio.Event()
        self._folder = folder
        self._say = say
        self._leader = ""
        self._stopping = False
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Pair:
        path = self._folder / SETTINGS
        path.touch(0o600)
        path.write_bytes(pickle.dumps(self.settings))
        for name in NAMES:
            self._tasks[name] = asyncio.create_task(self._keep(name), name=f"engine-{name}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping = True
        # A leader that is asked to stop while the other stands by would hand over.
        for name in sorted(NAMES, key=lambda name: name == self._leader):
            await self._stop(name)
        (self._folder / SETTINGS).unlink(missing_ok=True)
        # Both may have been killed at once.
        asterisk = Installation(self.settings).asterisk
        if asterisk.find():
            await asterisk.stop()

    async def started(self) -> None:
        """Wait until calls are taken. Raises EssPbxError when neither engine comes up."""
        leads = asyncio.create_task(self.leads.wait())
        await asyncio.wait([leads, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        leads.cancel()
        if not self.leads.is_set():
            raise EssPbxError(f"no engine came up; see {self._folder}/engine.log")

    async def _keep(self, name: str) -> None:
        """Start one again whenever it ends, unless it never came up."""
        while not self._stopping:
            process = self._processes[name] = await asyncio.create_subprocess_exec(
                *DIES_WITH_ITS_PARENT,
                *(sys.executable, "-m", "ess_pbx.demo.pair_process", str(self._folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us to pass on, in order
            )
            self._say(f"engine {name} (process {process.pid}) starts")
            # Its stdout does not end with it: uvloop leaves a copy to its Asterisk.
            told = asyncio.create_task(self._listen(name, process))
            code = await process.wait()
            await asyncio.wait([told], timeout=LAST_WORDS_SECONDS)
            told.cancel()
            if self._stopping:
                return
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._say(f"engine {name} (process {process.pid}) ended: {how}")
            if not self.leads.is_set():
                return
            await asyncio.sleep(AGAIN_AFTER)

    async def _listen(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe
        async for line in process.stdout:
            words = line.decode().rstrip()
            self._say(f"engine {name}: {words}")
            if words == LEADS:
                self._leader = name
                self.leads.set()
                self._say(f"try: kill -9 {process.pid}, or kill -STOP {process.pid}")

    async def _stop(self, name: str) -> None:
        process, task = self._processes.get(name), self._tasks.get(name)
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOPS_WITHIN)
            except TimeoutError:
                os.kill(process.pid, 9)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
