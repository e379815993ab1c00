"""The wall clock is set, forward and back."""

from __future__ import annotations

import asyncio

from ess_pbx.chaos.callers import longest
from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.clock_watch import ALARM
from ess_pbx.domain.facts import FactKind

HOUR = 3600.0
READ_SECONDS = 6.0
"""The engine reads the wall clock every 5 s."""
LENGTH_ERROR = 0.5
RING_WITHIN = 1.0

Jump = tuple[float, float]
"""Before the one moment (monotonic) it was not yet, after the other it was."""


async def jump(scene: Scene) -> list[Check]:
    """An hour ahead, an hour behind, and right again; the engine's own clock is what jumps."""
    async with scene.running() as running:
        centre = running.centre
        await running.warm()
        jumps: list[Jump] = []
        for seconds in (HOUR, -HOUR, 0.0):
            jumps.append(await centre.jump_clock(seconds))
            scene.progress(f"wall clock off by {seconds:+.0f} s")
            await asyncio.sleep(READ_SECONDS)
        found = await running.checks()
        rings = running.callers.ring_seconds()
        began, right = jumps[0][0], jumps[-1][0]
        over = [stood_over(centre, each) for each in jumps]
        raised, cleared = centre.alarm_raised(ALARM, began), centre.alarm_cleared(ALARM, right)
        return [
            Check("jump", HOUR, unit="s each way"),
            Check("new call rings", longest(rings), at_most=RING_WITHIN, unit="s"),
            Check(
                "lengths of calls off by",
                _off(running, jumps[0], jumps[-1]),
                at_most=LENGTH_ERROR,
                unit="s",
            ),
            Check("calls stood over a jump", sum(len(each) for each in over), at_least=1),
            Check(
                "of them not flagged",
                sum(len(each - flagged(centre, at)) for each, at in zip(over, jumps, strict=True)),
                at_most=0,
            ),
            Check("alarm after", _since(raised, began), at_most=READ_SECONDS, unit="s"),
            Check("alarm over after", _since(cleared, right), at_most=READ_SECONDS, unit="s"),
            *found,
        ]


def _since(at: float | None, since: float) -> float | None:
    return None if at is None else round(at - since, 1)


def stood_over(centre: CentreProcess, at: Jump) -> set[str]:
    """The calls that were there before a jump, and still when it was read."""
    before, after = at
    there = {fact.call for seen, fact in centre.told(FactKind.CALL_ARRIVED) if seen < before}
    ended = {
        fact.call for seen, fact in centre.told(FactKind.CALL_ENDED) if seen < after + READ_SECONDS
    }
    return {call for call in there - ended if call is not None}


def flagged(centre: CentreProcess, at: Jump) -> set[str]:
    """The calls on whose record this jump is."""
    return {
        fact.call
        for seen, fact in centre.told(FactKind.CLOCK_JUMPED)
        if fact.call is not None and at[0] <= seen <= at[1] + READ_SECONDS
    }


def _off(running: Running, first: Jump, last: Jump) -> float | None:
    """The most by which a record's milliseconds differ from what the caller's watch says.

    Of those whom the engine had before the first jump, or who called after the last. For all others
    the two clocks do not agree which they must be told by: Asterisk's, which does not jump here,
    says when the INVITE came, and the engine's how long ago that was when it was told of the call.
    On a machine both are one.
    """
    numbers = {
        fact.call: str(fact.data["caller_e164"])
        for _, fact in running.centre.told(FactKind.CALL_ARRIVED)
    }
    before = {
        str(fact.data["caller_e164"])
        for seen, fact in running.centre.told(FactKind.CALL_ARRIVED)
        if seen < first[0]
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
        and (caller.number in before or (caller.invited or 0.0) > last[1])
    ]
    return round(max(off), 2) if off else None
