"""Events between Asterisk and engine are lost, repeated, reordered or read too slowly."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeAlias

import aiohttp

from ess_pbx.chaos import ChaosError
from ess_pbx.chaos.ari_line import AriLine, Troubles
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.ids import CallId, call_of, is_call_back, is_operator
from ess_pbx.engine.executor import APP
from ess_pbx.settings.model import Settings

CHANCE = 0.01
"""Of each trouble, for each event."""
AGREES_WITHIN = 5.0
SLOW_PAUSE = 1.0
"""Seconds a message."""
RECONCILED_WITHIN = 3.0
_SAMPLE = 0.3
_GIVEN_UP = 30.0

Listed: TypeAlias = Mapping[str, Any]
"""A channel or bridge as Asterisk lists it."""


async def unreliable(scene: Scene) -> list[Check]:
    """1 % of all events lost, 1 % twice, 1 % after the next one."""
    async with _through_a_line(scene) as (running, line):
        line.troubles.lost = line.troubles.twice = line.troubles.later = CHANCE
        watch = _Watch(running)
        watching = asyncio.create_task(watch.run())
        try:
            await running.callers.over()
            await watch.agrees()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        found = await running.checks()
        scene.progress(f"events: {line.done}")
        return [
            Check("events", line.done.passed),
            Check("troubled", line.done.troubled, at_least=1),
            Check(
                "engine and Asterisk differ of a call, longest",
                round(watch.longest, 2),
                at_most=AGREES_WITHIN,
                unit="s",
            ),
            Check("double bridges", len(watch.doubles), at_most=0),
            *found,
        ]


async def slow_reader(scene: Scene) -> list[Check]:
    """The engine's socket gives one message a second; a new one is as quick as ever."""
    async with _through_a_line(scene) as (running, line):
        await running.warm()
        before, began = line.connections, time.monotonic()
        line.slow_down(SLOW_PAUSE)
        again = await running.centre.until(
            lambda: line.connections > before, "the engine has connected anew", 30.0
        )
        scene.progress(f"connected anew {again - began:.2f} s after the line became slow")
        found = await running.checks(since=began)
        return [
            Check("connected anew", round(again - began, 2), at_most=RECONCILED_WITHIN, unit="s"),
            *found,
        ]


@contextlib.asynccontextmanager
async def _through_a_line(scene: Scene) -> AsyncIterator[tuple[Running, AriLine]]:
    lines: list[AriLine] = []

    async def prepare(settings: Settings) -> int:
        line = AriLine((settings.asterisk.ari_host, settings.asterisk.ari_port))
        scene.closing.push_async_callback(line.close)
        lines.append(line)
        return await line.start()

    async with scene.running(prepare=prepare) as running:
        yield running, lines[0]
        # The engine ends its calls through it: nothing is to be lost any more.
        lines[0].troubles = Troubles()


class _Watch:
    """What Asterisk holds and what the engine has on record, compared call by call all the while.

    Calls that the dialplan serves, since the engine was never told of them, are not the engine's;
    those that the centre makes to call somebody back are none of the load's.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._differs: dict[str, float] = {}
        """The calls that are open with one of the two alone, and since when."""
        self.longest = 0.0
        """Seconds for which the two differed of one call."""
        self.doubles: set[str] = set()
        """Calls that had two operators at once, and operators who were in two."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await self._look()
            await asyncio.sleep(_SAMPLE)

    async def agrees(self) -> None:
        """Wait until no call is left with either, but not for ever."""
        centre = self._running.centre
        with contextlib.suppress(ChaosError):
            await centre.until(
                lambda: not self._differs and not centre.open_calls(), "they agree", _GIVEN_UP
            )

    async def _look(self) -> None:
        centre, now = self._running.centre, time.monotonic()
        channels, bridges = await centre.ari("channels"), await centre.ari("bridges")
        (engine,) = [each for each in await centre.ari("applications") if each["name"] == APP]
        held = {call_of(str(each)) for each in (*engine["channel_ids"], *engine["bridge_ids"])}
        there = {call_of(str(each["id"])) for each in channels}
        open_calls = {CallId(call) for call in centre.open_calls()}
        differ = (held - open_calls) | (open_calls - there)
        self._differs = {
            call: self._differs.get(call, now) for call in differ if not is_call_back(call)
        }
        self.longest = max([self.longest, *(now - since for since in self._differs.values())])
        self.doubles |= doubles(channels, bridges)


def doubles(channels: Iterable[Listed], bridges: Iterable[Listed]) -> set[str]:
    """Calls in whose bridges there are two operators' legs, and operators in bridges of two calls.

    Nobody in this load brings a colleague in.
    """
    phones = {str(each["id"]): str(each["name"]).rpartition("-")[0] for each in channels}
    legs: dict[str, set[str]] = {}
    for bridge in bridges:
        for leg in map(str, bridge["channels"]):
            if is_operator(leg) and leg in phones:
                legs.setdefault(call_of(leg), set()).add(leg)
                legs.setdefault(phones[leg], set()).add(call_of(leg))
    return {whose for whose, which in legs.items() if len(which) > 1}
