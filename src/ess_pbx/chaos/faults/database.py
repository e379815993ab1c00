"""The database is away, or slow."""

from __future__ import annotations

import asyncio
import statistics
import time
from urllib.parse import urlsplit, urlunsplit

from ess_pbx.chaos.scene import Scene
from ess_pbx.chaos.slow_line import SlowLine
from ess_pbx.chaos.verdict import Check

STOPPED_SECONDS = 60.0
SLOW_SECONDS = 2.0
RING_DIFFERENCE = 0.05
"""Seconds: more than machines vary by, and far less than the delay."""


async def stopped(scene: Scene) -> list[Check]:
    """PostgreSQL stopped for half the load (60 s at most), then started again."""
    seconds = min(STOPPED_SECONDS, scene.load.seconds / 2)
    async with scene.running() as running:
        await running.warm()
        try:
            await asyncio.to_thread(scene.postgres.stop)
            began = time.monotonic()
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(scene.postgres.start, scene.postgres.folder)
        away = time.monotonic() - began
        scene.progress(f"PostgreSQL was away for {away:.1f} s")
        return [Check("away", round(away, 1), unit="s"), *await running.checks()]


async def slow(scene: Scene) -> list[Check]:
    """Half the load with PostgreSQL at hand, half with 2 s each way to it."""
    line = SlowLine(("127.0.0.1", scene.postgres.port))
    await line.start()
    scene.closing.push_async_callback(line.close)
    name = (await scene.database()).rpartition("/")[2]
    near = scene.postgres.url(name)
    parts = urlsplit(near)
    through = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{line.port}"))
    async with scene.running(database=through, own=near) as running:
        await asyncio.sleep(scene.load.seconds / 2)
        line.delay, at = SLOW_SECONDS, time.monotonic()
        scene.progress(f"PostgreSQL is {SLOW_SECONDS:g} s away")
        await running.callers.over()
        line.delay = 0.0
        quick = statistics.median(running.callers.ring_seconds(until=at))
        late = statistics.median(running.callers.ring_seconds(since=at))
        return [
            Check("INVITE to phone, median before", round(quick, 3), unit="s"),
            Check("slower by", round(max(late - quick, 0), 3), at_most=RING_DIFFERENCE, unit="s"),
            *await running.checks(),
        ]
