"""A story whose centre runs in a process of its own, so that it can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

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


class KillableStory(Story):
    """The same words; what is known of the centre are its facts, its database and Asterisk."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(folder, settings)
        self._process: asyncio.subprocess.Process | None = None
        self._read = 0

    async def given_it_runs(self) -> None:
        (self.folder / "settings.pickle").write_bytes(pickle.dumps(self.settings))
        self._closing.push_async_callback(self.when_the_centre_is_stopped)
        await self.when_the_engine_is_back()
        extensions = [
            each.extension for centre in self.settings.centres for each in centre.operators
        ]
        self.installation.credentials = load_credentials(self.settings.folders.state, extensions)

    async def when_the_engine_is_back(self) -> None:
        started = self.folder / "started"
        started.unlink(missing_ok=True)
        with (self.folder / "centre.out").open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, str(CENTRE), str(self.folder), stdout=out, stderr=out
            )
        process = self._process

        def has_started() -> bool:
            assert process.returncode is None, (self.folder / "centre.out").read_text()
            return started.exists()

        await until(has_started, "the centre has started", STARTS_WITHIN)
        self.read_facts()

    async def when_the_engine_is_killed(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def when_the_engine_is_restarted(self) -> None:
        """A planned restart."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        assert await self._process.wait() == 0
        await self.when_the_engine_is_back()

    def when_asterisk_is_killed(self) -> None:
        pid = self.asterisk_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    @property
    def asterisk_pid(self) -> int | None:
        return find_process(self.settings.folders.state / "asterisk" / "etc" / "asterisk.conf")

    async def when_the_centre_is_stopped(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await asyncio.wait_for(self._process.wait(), STARTS_WITHIN)
        pid = self.asterisk_pid
        if pid is not None:  # the test ended while no engine was there
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
