"""Events between Asterisk and engine are lost, repeated, reordered or read too slowly."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp

from ess_pbx.chaos.ari_line import AriLine, Troubles
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.settings.model import Settings

CHANCE = 0.01
"""Of each trouble, for each event."""
AGREES_WITHIN = 5.0
SLOW_PAUSE = 1.0
"""Seconds a message."""
RECONCILED_WITHIN = 3.0
_SAMPLE = 0.3


async def unreliable(scene: Scene) -> list[Check]:
    """1 % of all events lost, 1 % twice, 1 % after the next one."""
    async with _through_a_line(scene) as (running, line):
        line.troubles.lost = line.troubles.twice = line.troubles.later = CHANCE
        bridges = _Bridges(running)
        watch = asyncio.create_task(bridges.watch())
        try:
            await running.callers.over()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        over = time.monotonic()
        agreed = await _agrees(running)
        found = await running.checks(released=False)
        scene.progress(f"events: {line.done}")
        return [
            Check("events", line.done.passed),
            Check("troubled", line.done.troubled, at_least=1),
            Check(
                "engine and Asterisk agree",
                None if agreed is None else round(agreed - over, 2),
                at_most=AGREES_WITHIN,
                unit="s",
            ),
            Check("double bridges", bridges.doubles, at_most=0),
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


class _Bridges:
    """Asterisk's bridges, looked at all the while."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.doubles = 0
        """The most channels that were in two bridges at once."""

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                self.doubles = max(
                    self.doubles, _doubles(await self._running.centre.ari("bridges"))
                )
            await asyncio.sleep(_SAMPLE)


def _doubles(bridges: list[dict[str, object]]) -> int:
    """How many channels are in more than one bridge at once."""
    seen: Counter[str] = Counter()
    for bridge in bridges:
        channels = bridge["channels"]
        if isinstance(channels, list):
            seen.update(str(channel) for channel in channels)
    return sum(count > 1 for count in seen.values())


async def _agrees(running: Running) -> float | None:
    """When neither Asterisk nor the engine has a call any more; None for not in 30 s."""
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        left = await running.centre.ari("channels") or await running.centre.ari("bridges")
        if not left and not running.centre.open_calls():
            return time.monotonic()
        await asyncio.sleep(0.1)
    return None
