"""The centre under fault: its engine a process of its own, seen from outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import aiohttp
import msgspec

from ess_pbx.asterisk.server import find_process, is_alive
from ess_pbx.chaos import ChaosError
from ess_pbx.chaos.engine_process import CLOCK, FACTS, ORDER, STARTED, Order
from ess_pbx.chaos.verdict import Check
from ess_pbx.demo.pair import DIES_WITH_ITS_PARENT
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import call_of, is_call_back
from ess_pbx.engine.executor import APP
from ess_pbx.settings.credentials import Credentials, load_credentials

STARTS_WITHIN = 40.0
STOPS_WITHIN = 30.0
JUMPS_WITHIN = 5.0
POLL = 0.02


class CentreProcess:
    """One centre. ``wrapper`` goes before the command that starts its engine, which has more in
    its ``environment`` than we.
    """

    def __init__(
        self,
        folder: Path,
        order: Order,
        wrapper: tuple[str, ...] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.folder, self.settings = folder, order.settings
        self._order, self._wrapper, self._environment = order, wrapper, environment
        self._process: asyncio.subprocess.Process | None = None
        self._standby: asyncio.subprocess.Process | None = None
        self._read = 0
        self._reader: asyncio.Task[None] | None = None
        self.facts: list[tuple[float, Fact]] = []
        """Every fact, with when it was seen here (monotonic, up to ``POLL`` late)."""

    async def __aenter__(self) -> CentreProcess:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ORDER).write_bytes(pickle.dumps(self._order))
        self._reader = asyncio.create_task(self._read_facts(), name="facts")
        try:
            await self.start_engine()
            if self._order.standby:
                await self.start_standby()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def credentials(self) -> Credentials:
        """The passwords that the centre made for itself."""
        extensions = [each.extension for each in self.settings.centre_named().operators]
        return load_credentials(self.settings.folders.state, extensions)

    @property
    def engine_pid(self) -> int:
        """The engine's process; raises ChaosError when there is none."""
        if self._process is None:
            raise ChaosError("the engine was not started")
        return self._process.pid

    @property
    def engine_runs(self) -> bool:
        """Whether the engine's process is there, stopped or not."""
        return self._process is not None and self._process.returncode is None

    @property
    def asterisk_pid(self) -> int | None:
        """Asterisk's process, while it runs."""
        return find_process(self.settings.folders.state / "asterisk" / "etc" / "asterisk.conf")

    async def start_engine(self) -> float:
        """Start an engine, and Asterisk unless it runs; returns when its process was begun.

        Waits until calls are taken. Raises ChaosError with its last words.
        """
        await self.launch_engine()
        began = time.monotonic()
        await self.until(
            lambda: (self.folder / STARTED).exists() or not self.engine_runs,
            "the engine has started",
            STARTS_WITHIN,
        )
        if not self.engine_runs:
            words = (self.folder / "engine.out").read_text(errors="replace").strip()[-600:]
            raise ChaosError(f"the engine ended while starting: {words}")
        return began

    async def launch_engine(self) -> None:
        """Start an engine's process without waiting for what it does."""
        (self.folder / STARTED).unlink(missing_ok=True)
        self._process = await self._new_engine()

    async def start_standby(self) -> None:
        """Start a second engine, which stands by; returns when the first knows of it."""
        joined = self._joined()
        self._standby = await self._new_engine()
        await self.until(lambda: self._joined() > joined, "a standby has joined", STARTS_WITHIN)

    async def standby_leads(self) -> float:
        """Wait until the standby takes calls; returns when. It is the engine from then on."""
        standby, started = self._standby, self.folder / STARTED
        assert standby is not None  # noqa: S101 - it is started
        self._process, self._standby = standby, None
        return await self.until(
            lambda: started.read_text() == str(standby.pid), "the standby leads", STARTS_WITHIN
        )

    def _joined(self) -> int:
        return (self.folder / "engine.log").read_text().count("leader.standby_joined")

    async def _new_engine(self) -> asyncio.subprocess.Process:
        with (self.folder / "engine.out").open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *DIES_WITH_ITS_PARENT,
                *self._wrapper,
                *(sys.executable, "-m", "ess_pbx.chaos.engine_process", str(self.folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, **self._environment},
            )

    async def kill_engine(self) -> float:
        """``kill -9``; returns when."""
        assert self._process is not None  # noqa: S101 - it is started
        self._process.kill()
        at = time.monotonic()
        await self._process.wait()
        return at

    def freeze_engine(self) -> float:
        """SIGSTOP; returns when."""
        os.kill(self.engine_pid, signal.SIGSTOP)
        return time.monotonic()

    def thaw_engine(self) -> float:
        """SIGCONT; returns when."""
        os.kill(self.engine_pid, signal.SIGCONT)
        return time.monotonic()

    def kill_asterisk(self) -> float:
        """``kill -9``; returns when. Raises ChaosError when it does not run."""
        pid = self.asterisk_pid
        if pid is None:
            raise ChaosError("Asterisk does not run, so it cannot be killed")
        os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    async def jump_clock(self, seconds: float) -> tuple[float, float]:
        """Set the engine's wall clock so far off the machine's; it jumps between these moments."""
        (self.folder / CLOCK).write_text(str(seconds))
        before = time.monotonic()
        os.kill(self.engine_pid, signal.SIGUSR1)
        after = await self.until(
            lambda: not (self.folder / CLOCK).exists(), "the clock has jumped", JUMPS_WITHIN
        )
        return before, after

    def journal(self) -> list[Fact]:
        """The facts so far, in their order."""
        return [fact for _, fact in self.facts]

    def told(self, kind: FactKind) -> list[tuple[float, Fact]]:
        """The facts of one kind so far."""
        return [(at, fact) for at, fact in self.facts if fact.kind == kind]

    def came_before(self, wall: float) -> set[str]:
        """The numbers of those whose INVITE Asterisk had before that moment (epoch seconds)."""
        return {
            str(fact.data["caller_e164"])
            for _, fact in self.told(FactKind.CALL_ARRIVED)
            if float(str(fact.data["invited_at"])) < wall
        }

    def alarm_raised(self, kind: str, since: float = 0.0) -> float | None:
        """When an alarm of that kind (what stands before the colon) was first seen to be raised."""
        return self._alarm(FactKind.ALARM_RAISED, kind, since)

    def alarm_cleared(self, kind: str, since: float = 0.0) -> float | None:
        """When one was first seen to be cleared."""
        return self._alarm(FactKind.ALARM_CLEARED, kind, since)

    def _alarm(self, what: FactKind, kind: str, since: float) -> float | None:
        found = (
            at
            for at, fact in self.told(what)
            if at >= since and str(fact.data["alarm"]).partition(":")[0] == kind
        )
        return next(found, None)

    def open_calls(self) -> set[str]:
        """The calls that arrived and did not end, as the engine has it."""
        arrived = {fact.call for _, fact in self.told(FactKind.CALL_ARRIVED) if fact.call}
        return arrived - {fact.call for _, fact in self.told(FactKind.CALL_ENDED) if fact.call}

    def ended_twice(self) -> Check:
        """Calls with more than one end in the journal; the database keeps the last one."""
        ends = Counter(fact.call for _, fact in self.told(FactKind.CALL_ENDED))
        return Check("ended twice", sum(count > 1 for count in ends.values()), at_most=0)

    async def ari(self, what: str) -> list[dict[str, Any]]:
        """A list of Asterisk's own, whoever controls it. Raises aiohttp.ClientError."""
        asterisk = self.settings.asterisk
        login = aiohttp.encode_basic_auth(APP, self.credentials.ari_password, "utf-8")
        url = f"http://{asterisk.ari_host}:{asterisk.ari_port}/ari/{what}"
        async with (
            aiohttp.ClientSession(headers={"Authorization": login}) as session,
            session.get(url, timeout=aiohttp.ClientTimeout(5)) as answer,
        ):
            answer.raise_for_status()
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def leftovers(self, within: float) -> int:
        """Channels and bridges that are still in Asterisk after so many seconds at most.

        Those of calls that the centre itself makes, to call somebody back, are none of the load's.
        """
        deadline = time.monotonic() + within
        while True:
            found = [*await self.ari("channels"), *await self.ari("bridges")]
            left = [each for each in found if not is_call_back(call_of(str(each["id"])))]
            if not left or time.monotonic() > deadline:
                return len(left)
            await asyncio.sleep(0.1)

    async def until(self, is_true: Callable[[], bool], what: str, within: float) -> float:
        """Wait for it; returns when it was so. Raises ChaosError after ``within`` seconds."""
        deadline = time.monotonic() + within
        while not is_true():
            if time.monotonic() > deadline:
                raise ChaosError(f"{what}: not within {within:g} s; see {self.folder}")
            await asyncio.sleep(POLL)
        return time.monotonic()

    async def close(self) -> None:
        """End engine and Asterisk, whatever state they are in. Idempotent."""
        for process in (self._standby, self._process):
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), STOPS_WITHIN)
                except TimeoutError:
                    process.kill()
                    await process.wait()
        pid = self.asterisk_pid
        if pid is not None:  # its engine was killed
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            await self.until(lambda: not is_alive(pid), "Asterisk is gone", STOPS_WITHIN)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def _read_facts(self) -> None:
        path = self.folder / FACTS
        while True:
            if path.exists() and path.stat().st_size > self._read:
                self._take(path)
            await asyncio.sleep(POLL)

    def _take(self, path: Path) -> None:
        now = time.monotonic()
        with path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self.facts.append((now, msgspec.json.decode(line, type=Fact)))
        self._read += len(whole)
