"""The engine dies, or stands still, while Asterisk and its callers go on."""

from __future__ import annotations

import asyncio
import random

from ess_pbx.chaos.callers import longest
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.facts import FactKind

DOWN_SECONDS = (0.5, 2.0)
"""How long no engine is there: until the supervisor starts the next."""
BETWEEN_KILLS = (2.0, 4.0)
CRASHES = 4
RING_WITHIN = 1.0
ADOPTED_WITHIN = 3.0
FREEZE_SECONDS = 30.0
COME_BACK = 5.0
"""Seconds of load after the last fault."""


async def crash(scene: Scene) -> list[Check]:
    """``kill -9`` at random points; a new engine a moment later, each time."""
    chance = random.Random(scene.load.calls)  # noqa: S311 - no secret
    async with scene.running() as running:
        await running.warm()
        downs, adopted = [], []
        for _ in range(max(1, min(CRASHES, round(scene.load.seconds / 8)))):
            await asyncio.sleep(chance.uniform(0, 1))
            killed = await running.centre.kill_engine()
            await asyncio.sleep(chance.uniform(*DOWN_SECONDS))
            before = len(running.centre.told(FactKind.CALL_ADOPTED))
            live = running.callers.live
            began = await running.centre.start_engine()
            downs.append((killed, began))
            adopted.append(await _adopted(running, before, began, live))
            scene.progress(f"engine killed and back, {live} calls live, adopted {adopted[-1]} s")
            await asyncio.sleep(chance.uniform(*BETWEEN_KILLS))
        found = await running.checks()
        rings = [each for down in downs for each in running.callers.ring_seconds(*down)]
        return [
            Check("kills", len(downs)),
            Check("new call rings", longest(rings), at_most=RING_WITHIN, unit="s"),
            Check("adopted", longest(adopted), at_most=ADOPTED_WITHIN, unit="s"),
            *found,
            Check("call-backs", len(running.centre.told(FactKind.CALL_BACK_CREATED))),
        ]


async def _adopted(running: Running, before: int, began: float, live: int) -> float:
    """Seconds from the start of the new process until its first adoption; 0 with nothing to do."""
    if live == 0:
        return 0.0
    kind = FactKind.CALL_ADOPTED
    at = await running.centre.until(
        lambda: len(running.centre.told(kind)) > before, "calls are adopted", ADOPTED_WITHIN * 4
    )
    # They come together: the last of this moment counts.
    await asyncio.sleep(0.2)
    return round(max([at, *(seen for seen, _ in running.centre.told(kind)[before:])]) - began, 2)


async def frozen(scene: Scene) -> list[Check]:
    """SIGSTOP, and SIGCONT half the load (30 s at most) later."""
    seconds = min(FREEZE_SECONDS, scene.load.seconds / 2)
    async with scene.running() as running:
        await running.warm()
        stopped = running.centre.freeze_engine()
        await asyncio.sleep(seconds)
        thawed = running.centre.thaw_engine()
        scene.progress(f"engine stood still for {thawed - stopped:.1f} s")
        found = await running.checks()
        rings = running.callers.ring_seconds(stopped, thawed)
        return [
            Check("frozen", round(thawed - stopped, 1), unit="s"),
            Check("new call rings", longest(rings), at_most=RING_WITHIN, unit="s"),
            *found,
        ]
