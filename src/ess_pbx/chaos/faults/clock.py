"""The wall clock is set, forward and back."""

from __future__ import annotations

import asyncio
import time

from ess_pbx.chaos.callers import longest
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.facts import FactKind

HOUR = 3600.0
READ_SECONDS = 6.0
"""The engine reads the wall clock every 5 s."""
LENGTH_ERROR = 0.5
RING_WITHIN = 1.0


async def jump(scene: Scene) -> list[Check]:
    """An hour ahead, then an hour behind; the engine's own clock is what jumps."""
    async with scene.running() as running:
        await running.warm()
        first = last = time.monotonic()
        for seconds in (HOUR, -HOUR):
            running.centre.jump_clock(seconds)
            scene.progress(f"wall clock {seconds:+.0f} s")
            last = time.monotonic()
            await asyncio.sleep(min(READ_SECONDS, scene.load.seconds / 3))
        found = await running.checks()
        rings = running.callers.ring_seconds()
        return [
            Check("jump", HOUR, unit="s each way"),
            Check("new call rings", longest(rings), at_most=RING_WITHIN, unit="s"),
            Check(
                "lengths of calls off by",
                _off(running, first, last),
                at_most=LENGTH_ERROR,
                unit="s",
            ),
            *found,
        ]


def _off(running: Running, first: float, last: float) -> float | None:
    """The most by which a record's milliseconds differ from what the caller's watch says.

    Of those who called before the first jump, or after the last. Between them Asterisk's clock,
    which does not jump here, says when the INVITE came, and the engine's how long ago that was.
    """
    numbers = {
        fact.call: str(fact.data["caller_e164"])
        for _, fact in running.centre.told(FactKind.CALL_ARRIVED)
    }
    lengths = {
        numbers.get(fact.call): (fact.ms or 0) / 1000
        for _, fact in running.centre.told(FactKind.CALL_ENDED)
    }
    off = [
        abs(caller.call.at["ended"] - caller.call.at["invited"] - lengths[caller.number])
        for caller in running.callers.all
        if caller.number in lengths
        and "ended" in caller.call.at
        and not first < (caller.invited or 0.0) < last
    ]
    return round(max(off), 2) if off else None
