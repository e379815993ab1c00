"""A story whose centre runs in a process of its own, so that it can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.asterisk.server import find_process, is_alive
from ess_pbx.db.queries import CallRecord
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine.executor import APP
from ess_pbx.errors import EssPbxError
from ess_pbx.settings.credentials import load_credentials
from ess_pbx.settings.model import Settings

from .story import SOON, Caller, Story, until

STARTS_WITHIN = 30.0
CENTRE = Path(__file__).with_name("centre_process.py")


def _nothing() -> None:
    pass


class KillableStory(Story):
    """The same words; what is known of the centre are its facts, its database and Asterisk."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(folder, settings)
        self._process: asyncio.subprocess.Process | None = None
        self._standby: asyncio.subprocess.Process | None = None
        self._read = 0
        self.is_offered_patiently = False
        """Not where a test freezes an engine: nobody says then that it does not answer."""

    async def given_it_runs(self) -> None:
        (self.folder / "settings.pickle").write_bytes(pickle.dumps(self.settings))
        self._closing.push_async_callback(self.when_the_centre_is_stopped)
        await self.when_the_engine_is_back()
        extensions = [
            each.extension for centre in self.settings.centres for each in centre.operators
        ]
        self.installation.credentials = load_credentials(self.settings.folders.state, extensions)

    async def when_the_engine_is_back(self) -> None:
        (self.folder / "started").unlink(missing_ok=True)
        self._process = await self._new_engine()
        await self._leads(self._process)

    async def _new_engine(self) -> asyncio.subprocess.Process:
        with (self.folder / "centre.out").open("ab") as out:
            return await asyncio.create_subprocess_exec(
                sys.executable, str(CENTRE), str(self.folder), stdout=out, stderr=out
            )

    async def _leads(self, process: asyncio.subprocess.Process) -> None:
        started = self.folder / "started"

        def has_started() -> bool:
            assert process.returncode is None, (self.folder / "centre.out").read_text()
            return started.exists() and started.read_text() == str(process.pid)

        await until(has_started, "the centre has started", STARTS_WITHIN)
        self.engine_answers(self.is_offered_patiently)
        self.read_facts()

    async def when_a_standby_joins(self) -> None:
        """A second process; returns when the leader knows of it."""
        joined = self._log_lines("leader.standby_joined")
        self._standby = await self._new_engine()

        def has_joined() -> bool:
            return self._log_lines("leader.standby_joined") > joined

        await until(has_joined, "a standby has joined", STARTS_WITHIN)

    def _log_lines(self, event: str) -> int:
        return (self.folder / "engine.log").read_text().count(event)

    async def assert_led_by_the_standby(self) -> None:
        """It takes calls, and the leader before it has ended."""
        assert self._process is not None
        assert self._standby is not None
        await self._leads(self._standby)
        await asyncio.wait_for(self._process.wait(), SOON)
        self._process, self._standby = self._standby, None

    @property
    def engine_pid(self) -> int:
        """The process that leads."""
        assert self._process is not None
        return self._process.pid

    def given_trunks(self, count: int) -> None:
        """So many, so that as many can call at once; before it runs."""
        (trunk,) = self.settings.trunks
        others = [
            replace(trunk, id=f"telco-{number}", port=free_port(socket.SOCK_DGRAM))
            for number in range(2, count + 1)
        ]
        self.settings = replace(self.settings, trunks=(trunk, *others))

    async def when_the_engine_is_killed(self) -> None:
        assert self._process is not None
        self.engine_answers(False)
        self._process.kill()
        await asyncio.wait_for(self._process.wait(), SOON)

    async def when_the_engine_is_restarted(self, meanwhile: Callable[[], None] = _nothing) -> None:
        """A planned restart, and what is done to the machine between the engines."""
        assert self._process is not None
        self.engine_answers(False)
        self._process.send_signal(signal.SIGHUP)
        assert await asyncio.wait_for(self._process.wait(), STARTS_WITHIN) == 0
        await asyncio.to_thread(meanwhile)
        await self.when_the_engine_is_back()

    def when_asterisk_is_killed(self) -> None:
        pid = self.asterisk_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    @property
    def asterisk_pid(self) -> int | None:
        return find_process(self.settings.folders.state / "asterisk" / "etc" / "asterisk.conf")

    async def when_the_engines_are_stopped(self) -> None:
        """The standby first: a leader hands over to it."""
        self.engine_answers(False)
        processes = (self._standby, self._process)
        running = [each for each in processes if each is not None and each.returncode is None]
        try:
            for process in running:
                process.terminate()
                await asyncio.wait_for(process.wait(), STARTS_WITHIN)
        finally:
            for process in running:
                if process.returncode is None:  # it hangs, or a test that failed left it frozen
                    process.kill()

    async def when_the_centre_is_stopped(self) -> None:
        try:
            await self.when_the_engines_are_stopped()
        finally:
            pid = self.asterisk_pid
            if pid is not None:  # the test ended while no engine was there
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                await until(lambda: not is_alive(pid), "Asterisk is gone")

    def read_facts(self) -> None:
        path = self.folder / "facts.jsonl"
        whole = path.read_bytes() if path.exists() else b""
        end = whole.rfind(b"\n") + 1
        for line in whole[self._read : end].splitlines():
            self.facts.append(msgspec.json.decode(line, type=Fact))
        self._read = end

    def told_of(self, kind: FactKind, **data: object) -> list[Fact]:
        self.read_facts()
        return super().told_of(kind, **data)

    async def assert_reachable(self, extension: str, reachable: bool = True) -> None:
        def is_so() -> bool:
            states = self.told_of(FactKind.AGENT_STATE, agent=extension)
            present = bool(states) and states[-1].data["status"] == "present"
            return present is reachable

        await until(is_so, f"{extension} reachable: {reachable}")

    async def ari(self, uri: str) -> Any:
        """Ask Asterisk itself, whoever controls it."""
        asterisk, credentials = self.settings.asterisk, self.installation.credentials
        assert credentials is not None
        login = aiohttp.encode_basic_auth(APP, credentials.ari_password, "utf-8")
        url = f"http://{asterisk.ari_host}:{asterisk.ari_port}/ari/{uri}"
        async with (
            aiohttp.ClientSession(headers={"Authorization": login}) as session,
            session.get(url) as answer,
        ):
            if answer.status != 200:
                raise EssPbxError(f"{uri}: {answer.status}")
            return await answer.json()

    async def web(self, path: str) -> Any:
        """Ask the API of whoever leads; it may be a moment until it is served."""
        url = f"http://{self.settings.web.host}:{self.settings.web.port}/{path}"
        deadline = time.monotonic() + SOON
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with aiohttp.ClientSession() as session, session.get(url) as answer:
                    return await answer.json()
            assert time.monotonic() < deadline, f"{url} is not served"
            await asyncio.sleep(0.05)

    async def assert_all_released(self) -> None:
        deadline = time.monotonic() + SOON
        while await self.ari("channels") or await self.ari("bridges"):
            assert time.monotonic() < deadline, "channels or bridges are left"
            await asyncio.sleep(0.05)
        await until(lambda: not self._calling(), "every phone's call is over")

    async def assert_whole_record(self, caller: Caller) -> CallRecord:
        """One end, all legs ended, the recording finished; once each."""
        arrived = await self.assert_fact(FactKind.CALL_ARRIVED, caller_raw=caller.number)
        call = arrived.call
        assert call is not None
        await self.assert_fact(FactKind.CALL_ENDED)
        await self.assert_all_released()
        (_,) = [fact for fact in self.told_of(FactKind.CALL_ENDED) if fact.call == call]
        await self.assert_fact(FactKind.RECORDING_FINISHED, recording=call)
        deadline = time.monotonic() + SOON
        while True:
            record = await self.stored(call)
            if record is not None and record.call["result"] and record.recordings:
                break
            assert time.monotonic() < deadline, f"not stored: {record}"
            await asyncio.sleep(0.05)
        assert all(leg["ended_at"] is not None for leg in record.legs)
        assert {each["state"] for each in record.recordings} == {"finished"}
        return record
