"""The database is away, or slow."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from urllib.parse import urlsplit, urlunsplit

from ess_pbx.chaos import ChaosError
from ess_pbx.chaos.scene import Scene
from ess_pbx.chaos.slow_line import SlowLine
from ess_pbx.chaos.verdict import Check

STOPPED_SECONDS, SHORTEST_STOP = 60.0, 6.0
ALARM_WITHIN, OVER_WITHIN = 5.0, 10.0
WAITED = 60.0
"""Seconds after which its end is not waited for any more."""
ALARM = "database"
SLOW_SECONDS = 2.0
RING_DIFFERENCE = 0.05
"""Seconds: more than machines vary by, and far less than the delay."""


async def stopped(scene: Scene) -> list[Check]:
    """PostgreSQL stopped for 60 s, or half of a load that is shorter; then started again."""
    whole = scene.load.seconds >= STOPPED_SECONDS
    seconds = STOPPED_SECONDS if whole else max(scene.load.seconds / 2, SHORTEST_STOP)
    async with scene.running() as running:
        await running.warm()
        try:
            await asyncio.to_thread(scene.postgres.stop)
            began = time.monotonic()
            await asyncio.sleep(seconds)
        finally:
            returns = time.monotonic()
            await asyncio.to_thread(scene.postgres.start, scene.postgres.folder)
        back = time.monotonic()
        scene.progress(f"PostgreSQL was away for {back - began:.1f} s")
        found = await running.checks()
        centre = running.centre
        # An alarm that comes and goes while it is away tells nothing. It takes facts before its
        # start is told to be over.
        with contextlib.suppress(ChaosError):
            await centre.until(
                lambda: centre.alarm_cleared(ALARM, returns) is not None,
                "the alarm is over",
                WAITED,
            )
        raised, cleared = centre.alarm_raised(ALARM, began), centre.alarm_cleared(ALARM, returns)
        return [
            Check("away", round(back - began, 1), unit="s"),
            Check(
                "alarm after",
                None if raised is None else round(raised - began, 1),
                at_most=ALARM_WITHIN,
                unit="s",
                widest=seconds,
            ),
            Check(
                "alarm over after",
                None if cleared is None else round(max(cleared - back, 0), 1),
                at_most=OVER_WITHIN,
                unit="s",
            ),
            *found,
        ]


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
