"""Core and Asterisk are compared while the line is up, and only what lasts is mended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ess_pbx.ari.protocol import Answer
from ess_pbx.ari.translate import Translator
from ess_pbx.demo.stage import sample
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.events import Arrived, LegGone, PhoneLost, PhoneReachable
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.engine.ended_calls import EndedCalls
from ess_pbx.engine.stock_watch import LOOK_SECONDS, StockWatch
from ess_pbx.engine.taking_stock import Stock
from ess_pbx.errors import AriRefusedError

CALL = CallId("ess1-1.1")
ARRIVED = Arrived(CALL, "+62811", "+62811", "+62811", "112", "telco-a", callable=True)


class Asterisk:
    """One that holds no channel, and in which one phone is registered."""

    app = "ess-pbx"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.meanwhile: Any = None
        self.wall = self.time = 0.0

    def monotonic(self) -> float:
        return self.time

    async def http(self, method: str, uri: str, *, query: Any = None) -> Answer:
        assert query is None
        return self._answer("http", method, uri)

    async def call(self, method: str, uri: str, *, query: Any = None) -> Answer:
        assert query is None
        if self.meanwhile is not None:
            self.meanwhile()
        return self._answer("socket", method, uri)

    def _answer(self, way: str, method: str, uri: str) -> Answer:
        assert method == "GET"
        self.asked.append((way, uri))
        match uri.split("/")[0]:
            case "channels" | "bridges":
                return []
            case "endpoints":
                online = {"technology": "PJSIP", "state": "online", "channel_ids": []}
                return [{**online, "resource": "1001"}, {**online, "resource": "telco-a"}]
            case "playbacks":
                raise AriRefusedError(method, uri, 404, "not found")
        lists = ("channel_ids", "bridge_ids", "endpoint_ids", "device_names")
        filters: dict[str, list[str]] = {"events_allowed": [], "events_disallowed": []}
        return {"name": self.app, **{each: [] for each in lists}, **filters}


class Clock:
    def __init__(self, asterisk: Asterisk) -> None:
        self._asterisk = asterisk

    def monotonic(self) -> float:
        return self._asterisk.time

    def wall(self) -> float:
        return self._asterisk.time


class Watched:
    """A watch over a core, and what it has given to it."""

    def __init__(self, folder: Path) -> None:
        settings = sample()
        self.asterisk = Asterisk()
        self.core = CallCentre(settings.centres[0])
        self.centres = Centres([self.core])
        self.ready = True
        self.found: list[AsteriskFound] = []
        self.phones: list[PhoneReachable | PhoneLost] = []
        clock = Clock(self.asterisk)
        ended = EndedCalls(folder / "ended")
        stock = Stock(self.asterisk, Translator(settings), self.centres, folder, ended, clock)
        self.watch = StockWatch(
            stock, self.centres, clock, lambda: self.ready, self.take_over, self.phones.append
        )

    def take_over(self, found: AsteriskFound) -> None:
        self.found.append(found)
        self.core.decide(replace(found, centre=self.core.config.id), self.asterisk.time)

    async def looks_at(self, *times: float) -> None:
        for self.asterisk.time in times:
            await self.watch.look()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


async def test_a_caller_whose_end_was_not_told_is_over_when_it_has_lasted(watched: Watched) -> None:
    watched.core.decide(ARRIVED, 0.0)
    await watched.looks_at(0.0, 0.5)
    assert CALL in watched.core.calls
    assert watched.found == []

    await watched.looks_at(1.0)

    assert CALL not in watched.core.calls
    assert [each.concerns for each in watched.found] == [frozenset([CALL])]
    wanted = ("channels", "asterisk/ping")
    ways = [each for each in watched.asterisk.asked if each[1] in wanted]
    # Anew when all that the socket was asked before is done; a list never over the socket.
    assert ways == [("http", "channels")] * 3 + [("socket", "asterisk/ping"), ("http", "channels")]


async def test_what_was_told_while_it_was_asked_for_counts_for_more(watched: Watched) -> None:
    watched.core.decide(ARRIVED, 0.0)
    gone = LegGone(CALL, LegId(CALL), 16)
    watched.asterisk.meanwhile = lambda: watched.core.decide(gone, 1.0)

    await watched.looks_at(0.0, 0.5, 1.0)

    assert [each.concerns for each in watched.found] == [frozenset()]


async def test_a_phone_that_nobody_told_of_is_known(watched: Watched) -> None:
    await watched.looks_at(0.0, 0.5)
    assert watched.phones == []
    await watched.looks_at(1.0)
    assert watched.phones == [PhoneReachable("1001")]


async def test_before_stock_was_taken_of_everything_nothing_is_compared(watched: Watched) -> None:
    watched.ready = False
    await watched.looks_at(0.0)
    assert watched.asterisk.asked == []


async def test_a_doubt_is_looked_into_at_once(watched: Watched) -> None:
    running = asyncio.create_task(watched.watch.run())
    began = asyncio.get_running_loop().time()
    watched.watch.doubt()
    async with asyncio.timeout(5.0):
        while not watched.watch.looks:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    running.cancel()
    assert asyncio.get_running_loop().time() - began < LOOK_SECONDS - 0.5
