"""Everyone calls at once."""

from __future__ import annotations

from msgspec.structs import replace

from ess_pbx.bench.crowd import out_of_turn
from ess_pbx.chaos.scene import Scene
from ess_pbx.chaos.verdict import Check

TIMES = 20
SURGE_SHARE = 0.15
"""Of the run: the rest of it serves those who came."""
TALK_SECONDS = 1.0


async def trunk_surge(scene: Scene) -> list[Check]:
    """20 times the usual calls for a while, on the usual operators."""
    load = scene.load
    surge = replace(
        load,
        per_second=TIMES * load.per_second,
        seconds=max(SURGE_SHARE * load.seconds, 1.0),
        talk=TALK_SECONDS,
    )
    async with scene.running(load=surge, operators=load.operators) as running:
        scene.progress(f"{surge.calls} calls in {surge.seconds:g} s on {load.operators} operators")
        found = await running.checks()
        return [
            Check("calls a second", surge.per_second),
            Check("overtaken", out_of_turn(running.centre.journal()), at_most=0),
            *found,
        ]
