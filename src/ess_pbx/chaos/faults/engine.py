"""The engine dies, or stands still, while Asterisk and its callers go on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field, replace

from ess_pbx.chaos.callers import Caller, longest
from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.queue import crowd_load, overtaken, queue_up, waiting
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.service_manager import ServiceManager
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, call_of, caller_leg, is_call_back

DOWN_SECONDS = (0.5, 2.0)
"""How long no engine is there: until the supervisor starts the next."""
BETWEEN_KILLS = (2.0, 4.0)
CRASHES = 4
RING_WITHIN, RING_WIDEST = 1.0, 2.0
"""On a busy machine too: who is rung only by the next engine has waited longer."""
ADOPTED_WITHIN = 3.0
ORPHANS_GONE = 5.0
WATCHDOG = 2.0
"""Seconds: ``WatchdogSec``."""
FREEZE_SECONDS, SHORTEST_FREEZE = 30.0, 6.0


@dataclass
class _Kills:
    """Engine after engine killed, and what that cost."""

    running: Running
    chance: random.Random
    downs: list[tuple[float, float]] = field(default_factory=list)
    adopted: list[float] = field(default_factory=list)
    orphans: int = 0
    """Channels and bridges of calls whose caller left while no engine was there."""
    gone: list[float] = field(default_factory=list)
    """Seconds from each restart until they were gone."""
    told: int = 0
    """Facts of engines before the last one."""

    async def strike(self) -> None:
        """Kill the engine; a moment later, the next one."""
        running, centre, chance = self.running, self.running.centre, self.chance
        await asyncio.sleep(chance.uniform(0, 1))
        killed = await centre.kill_engine()
        back = killed + chance.uniform(*DOWN_SECONDS)
        await running.callers.one_leaves()
        await asyncio.sleep(max(back - time.monotonic(), 0))
        self.told, before = len(centre.facts), len(centre.told(FactKind.CALL_ADOPTED))
        live, alone = running.callers.live, await orphans(centre)
        began = await centre.start_engine()
        self.downs.append((killed, began))
        gone, adopted = await asyncio.gather(
            _gone(centre, alone, began), _adopted(running, before, began, live)
        )
        self.orphans += len(alone)
        self.adopted.append(adopted)
        self.gone.append(gone)
        await asyncio.sleep(chance.uniform(*BETWEEN_KILLS))

    def order(self) -> tuple[int, int]:
        """How many were in the queue at the last kill, and how many of them were overtaken."""
        facts = self.running.centre.journal()
        before, after = facts[: self.told], facts[self.told :]
        return len(waiting(before)), overtaken(before, after)


async def crash(scene: Scene) -> list[Check]:
    """``kill -9`` at random points, a new engine a moment later; the last time under a queue."""
    chance = random.Random(scene.load.calls)  # noqa: S311 - no secret
    load = scene.load
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(scene.running(more_calls=crowd_load(load).calls))
        centre, kills = running.centre, _Kills(running, chance)
        await running.warm()
        for _ in range(max(1, min(CRASHES, round(load.seconds / 8)))):
            await kills.strike()
            scene.progress(f"engine killed and back: adopted {kills.adopted[-1]} s")
        await queue_up(stack, scene, running)
        await kills.strike()
        found = await running.checks()
        # Of the last one no phone is free: who called then waits for a turn, as all others do.
        downs = kills.downs[:-1]
        rings = [each for down in downs for each in running.callers.ring_seconds(*down)]
        waited, late = kills.order()
        return [
            Check("kills", len(kills.downs)),
            Check(
                "new call rings",
                longest(rings),
                at_most=RING_WITHIN,
                unit="s",
                widest=RING_WIDEST,
            ),
            Check("adopted", longest(kills.adopted), at_most=ADOPTED_WITHIN, unit="s"),
            Check("orphan legs", kills.orphans, at_least=1),
            Check("gone after", longest(kills.gone), at_most=ORPHANS_GONE, unit="s"),
            Check("in the queue at the last kill", waited, at_least=2),
            Check("overtaken", late, at_most=0),
            *found,
            Check("call-backs", len(centre.told(FactKind.CALL_BACK_CREATED))),
        ]


async def orphans(centre: CentreProcess) -> set[str]:
    """What belongs to a call in Asterisk whose caller is gone."""
    channels = {str(each["id"]) for each in await centre.ari("channels")}
    bridges = {str(each["id"]) for each in await centre.ari("bridges")}
    return {
        each
        for each in channels | bridges
        if (call := call_of(each)) != each
        and not is_call_back(call)
        and caller_leg(CallId(call)) not in channels
    }


async def _gone(centre: CentreProcess, alone: set[str], began: float) -> float:
    """Seconds from the start of the new process until those were gone; inf for never."""
    while alone & await orphans(centre):
        if time.monotonic() - began > 4 * ORPHANS_GONE:
            return float("inf")
        await asyncio.sleep(0.1)
    return round(time.monotonic() - began, 2) if alone else 0.0


async def _adopted(running: Running, before: int, began: float, live: int) -> float:
    """Seconds from the start of the new process until its last adoption; 0 with nothing to do."""
    if live == 0:
        return 0.0
    kind = FactKind.CALL_ADOPTED
    await running.centre.until(
        lambda: len(running.centre.told(kind)) > before, "calls are adopted", ADOPTED_WITHIN * 4
    )
    # They come together: the last of this moment counts. It is before all else of a start is done.
    await asyncio.sleep(0.2)
    return round(max(seen for seen, _ in running.centre.told(kind)[before:]) - began, 2)


async def frozen(scene: Scene) -> list[Check]:
    """SIGSTOP, and SIGCONT half the load (6 to 30 s) later; some callers are in the menu."""
    seconds = max(SHORTEST_FREEZE, min(FREEZE_SECONDS, scene.load.seconds / 2))
    async with scene.running(menu=True) as running:
        listening = await _listening(running)
        stopped, wall = running.centre.freeze_engine(), time.time()
        await asyncio.sleep(seconds)
        thawed = running.centre.thaw_engine()
        scene.progress(f"engine stood still for {thawed - stopped:.1f} s")
        found = await running.checks()
        # SIPp is heard a moment late: Asterisk says who had come before, and was claimed.
        claimed = running.centre.came_before(wall)
        rings = running.callers.ring_seconds(stopped, thawed, without=claimed)
        # Whoever is rung only when the engine is back must not pass on a busy machine either.
        widest = seconds / 2
        return [
            Check("frozen", round(thawed - stopped, 1), unit="s"),
            Check("called meanwhile", len(rings), at_least=1),
            Check("new call rings", longest(rings), at_most=RING_WITHIN, unit="s", widest=widest),
            Check("in the menu when it froze", len(listening), at_least=1),
            *(replace(each, widest=widest) for each in found),
        ]


async def watched(scene: Scene) -> list[Check]:
    """SIGSTOP; who watches it ends it after 2 s without a word, and starts the next."""
    manager = ServiceManager(WATCHDOG)
    await manager.start()
    scene.closing.callback(manager.close)
    async with scene.running(menu=True, environment=manager.environment) as running:
        centre = running.centre
        listening, live = await _listening(running), running.callers.live
        before = len(centre.told(FactKind.CALL_ADOPTED))
        stopped, wall = centre.freeze_engine(), time.time()
        silent = await manager.silent()
        await centre.kill_engine()
        began = await centre.start_engine()
        adopted = began - stopped + await _adopted(running, before, began, live)
        scene.progress(f"ended after {silent - stopped:.1f} s, adopted after {adopted:.1f} s")
        found = await running.checks()
        claimed = centre.came_before(wall)
        rings = running.callers.ring_seconds(stopped, began, without=claimed)
        waits = [
            rung[0].at - stopped
            for each in listening
            if (rung := running.operators.rings(each.number))
        ]
        return [
            Check("ended after", round(silent - stopped, 2), at_most=WATCHDOG + 0.5, unit="s"),
            Check(
                "adopted after",
                round(adopted, 2),
                at_most=WATCHDOG + 0.5 + ADOPTED_WITHIN,
                unit="s",
            ),
            Check("new call rings", longest(rings), at_most=RING_WITHIN, unit="s"),
            Check("in the menu when it froze", len(listening), at_least=1),
            Check("rung for after", longest(waits), unit="s"),
            *found,
        ]


async def _listening(running: Running) -> list[Caller]:
    """Let the load come up; who hears the menu then, one at least."""
    await running.warm()
    await running.centre.until(
        lambda: bool(in_menu(running)), "somebody is in the menu", running.callers.load.seconds
    )
    return in_menu(running)


def in_menu(running: Running) -> list[Caller]:
    """Callers who hear the menu now, and press nothing."""
    now, operators = time.monotonic(), running.operators
    return [
        each
        for each in running.callers.all
        if not each.key and each.standing(now) and not operators.rings(each.number)
    ]
