"""Operators' phones vanish without a word: power, link, or the softphone itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ess_pbx.chaos.callers import Caller, longest
from ess_pbx.chaos.operators import PHONES_A_PROCESS, Operators
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.phones.softphone import SoftPhone

RING_SECONDS = 12.0
"""The policy's own: how long a phone may ring before the offer passes on."""
SLACK = 0.5
BACK_IN_QUEUE = 1.0


async def lost_while_ringing(scene: Scene) -> list[Check]:
    """The process of four phones is killed while one of them rings."""
    operators = scene.load.operators + PHONES_A_PROCESS
    async with scene.running(behaviours=("ring",), operators=operators) as running:
        phone = running.operators.phones[0]
        await running.centre.until(
            lambda: any("incoming" in call.at and not call.ended_by for call in phone.calls),
            "a phone that nobody picks up rings",
            scene.load.seconds + 10,
        )
        killed = running.operators.kill(phone)
        ringing = [
            caller
            for caller in running.callers.all
            for ring in running.operators.rings(caller.number)[-1:]
            if ring.phone is phone and ring.call.ended_by is None
        ]
        scene.progress(f"phone killed while it rang for {len(ringing)}")
        found = await running.checks()
        again = [_elsewhere(running, caller, killed) for caller in ringing]
        return [
            Check("callers struck", len(ringing), at_least=1),
            Check(
                "offered to another",
                longest(again),
                at_most=RING_SECONDS + SLACK,
                unit="s",
            ),
            *found,
        ]


async def lost_while_talking(scene: Scene) -> list[Check]:
    """The process of up to four talking phones is killed; their callers stay on the line."""
    return await _gone_while_talking(scene, Operators.kill)


async def cut_off_while_talking(scene: Scene) -> list[Check]:
    """The same without the word of the phones' machine that nothing listens there any more."""
    return await _gone_while_talking(scene, Operators.cut_off)


async def _gone_while_talking(
    scene: Scene, strike: Callable[[Operators, SoftPhone], float]
) -> list[Check]:
    async with scene.running() as running:
        deadline = time.monotonic() + scene.load.seconds
        crowd = min(3 * PHONES_A_PROCESS, scene.load.per_second * scene.load.talk / 2)
        # As many again talk elsewhere: most of all at once would be a network that is away.
        await running.centre.until(
            lambda: running.callers.live >= crowd, "as many talk as usual", scene.load.seconds
        )
        phone = max(running.operators.phones, key=lambda phone: len(_talking(running, phone)))
        while not _talking(running, phone) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            phone = max(running.operators.phones, key=lambda one: len(_talking(running, one)))
        struck = _talking(running, phone)
        killed = strike(running.operators, phone)
        scene.progress(f"phones gone in {len(struck)} calls")
        found = await running.checks()
        back = [_elsewhere(running, caller, killed) for caller in struck]
        return [
            Check("callers struck", len(struck), at_least=1),
            Check("rings another operator", longest(back), at_most=BACK_IN_QUEUE, unit="s"),
            *found,
        ]


def _talking(running: Running, phone: object) -> list[Caller]:
    """The callers who talk to a phone of this process, and will for two seconds more."""
    now, talk = time.monotonic(), running.callers.load.talk
    found = []
    for caller in running.callers.all:
        ring = running.operators.taken(caller.number)
        if ring is None or ring.phone is not phone or ring.call.ended_by is not None:
            continue
        if caller.call.end is None and now - ring.call.at["answered"] < talk - 2:
            found.append(caller)
    return found


def _elsewhere(running: Running, caller: Caller, since: float) -> float:
    """Seconds until another phone rang for this caller; inf for never."""
    rings = [ring.at for ring in running.operators.rings(caller.number) if ring.at > since]
    return rings[0] - since if rings else float("inf")
