"""The engine that leads dies, or stands still, and the one that stands by takes over."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from ess_pbx.chaos.callers import longest
from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.faults.engine import in_menu
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.facts import FactKind

BETWEEN = (2.0, 4.0)
SECONDS_EACH = 8.0
"""Of load, for a takeover and for the next standby to come up."""
MOST = 6
RING_WITHIN = 1.0
ADOPTED_WITHIN, ADOPTED_WITHIN_FROZEN = 1.0, 3.0


async def crash(scene: Scene) -> list[Check]:
    """``kill -9`` at random points; a new standby comes after each."""

    async def kill(centre: CentreProcess) -> float:
        return await centre.kill_engine()

    return await _take_over(scene, kill, ADOPTED_WITHIN)


async def frozen(scene: Scene) -> list[Check]:
    """SIGSTOP; the standby ends it."""

    async def freeze(centre: CentreProcess) -> float:
        return centre.freeze_engine()

    return await _take_over(scene, freeze, ADOPTED_WITHIN_FROZEN)


async def _take_over(
    scene: Scene, strike: Callable[[CentreProcess], Awaitable[float]], within: float
) -> list[Check]:
    chance = random.Random(scene.load.calls)  # noqa: S311 - no secret
    async with scene.running(standby=True, menu=True) as running:
        await running.warm()
        downs, adopted, listening = [], [], 0
        for _ in range(max(1, min(MOST, round(scene.load.seconds / SECONDS_EACH)))):
            await asyncio.sleep(chance.uniform(*BETWEEN))
            listening += len(in_menu(running))
            began, until, took = await _once(running, strike)
            downs.append((began, until))
            adopted.append(took)
            scene.progress(f"leads after {until - began:.2f} s, adopted {took} s")
            await running.centre.start_standby()
        found = await running.checks()
        # Who hears the menu of the next leader to its end is rung for only then.
        without = {each.number for each in running.callers.all if not each.key}
        rings = [
            each for down in downs for each in running.callers.ring_seconds(*down, without=without)
        ]
        return [
            Check("takeovers", len(downs)),
            Check("new call rings", longest(rings), at_most=RING_WITHIN, unit="s"),
            Check("adopted", longest(adopted), at_most=within, unit="s"),
            Check("in the menu at that moment", listening, at_least=1),
            *found,
            Check("call-backs", len(running.centre.told(FactKind.CALL_BACK_CREATED))),
        ]


async def _once(
    running: Running, strike: Callable[[CentreProcess], Awaitable[float]]
) -> tuple[float, float, float]:
    """When the leader was struck, when the standby led, and the seconds to the last adoption."""
    centre, live, kind = running.centre, running.callers.live, FactKind.CALL_ADOPTED
    before = len(centre.told(kind))
    began = await strike(centre)
    leads = await centre.standby_leads()
    if not live:
        return began, leads, 0.0
    await centre.until(lambda: len(centre.told(kind)) > before, "calls are adopted", 12.0)
    # They come together: the last of this moment counts.
    seen = time.monotonic() + 0.2
    await centre.until(lambda: time.monotonic() > seen, "all are adopted", 12.0)
    return began, leads, round(centre.told(kind)[-1][0] - began, 2)
