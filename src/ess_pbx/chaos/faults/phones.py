"""Operators' phones vanish without a word: power, link, or the softphone itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from ess_pbx.chaos.callers import Caller, longest
from ess_pbx.chaos.operators import PHONES_A_PROCESS, Operators
from ess_pbx.chaos.queue import crowd_load, passed_over, queue_up, waiting
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.effects import Role
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.phones.softphone import SoftPhone

RING_SECONDS = 12.0
"""The policy's own: how long a phone may ring before the offer passes on."""
SLACK = 0.5
TURN = 2.0
"""Until somebody hangs up, where all are talking."""
BACK_IN_QUEUE = 1.0
APART = 4.0
"""Seconds: phones that fall silent together by the dozen would be a network that is away."""


async def lost_while_ringing(scene: Scene) -> list[Check]:
    """Four phones unregister while one of them rings; later, in a queue, they are killed."""
    operators = scene.load.operators + PHONES_A_PROCESS
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            scene.running(
                behaviours=("ring",), operators=operators, more_calls=crowd_load(scene.load).calls
            )
        )
        phone, within = running.operators.phones[0], scene.load.seconds + 10
        left = await _ringing(running, phone, within)
        unregistered = time.monotonic()
        for extension in running.operators.groups[0]:
            await phone.unregister(extension)
        scene.progress(f"phone unregistered while it rang for {len(left)}")
        await running.centre.until(
            lambda: longest([_elsewhere(running, each, unregistered) for each in left]) is not None,
            "another phone rings",
            4 * RING_SECONDS,
        )
        for extension in running.operators.groups[0]:
            await phone.register(extension)
        await queue_up(stack, scene, running)
        await _ringing(running, phone, 3 * RING_SECONDS)
        told, killed = len(running.centre.facts), running.operators.kill(phone)
        waited = len(waiting(running.centre.journal()))
        struck = _rung(running, phone)
        scene.progress(f"phone killed while it rang for {len(struck)}, and {waited} waited")
        found = await running.checks()
        facts = running.centre.journal()
        return [
            Check("callers struck", len(left) + len(struck), at_least=2),
            Check(
                "unregistered: offered to another",
                longest([_elsewhere(running, each, unregistered) for each in left]),
                at_most=RING_SECONDS + SLACK,
                unit="s",
            ),
            Check(
                "killed: offered to another",
                longest([_elsewhere(running, each, killed) for each in struck]),
                at_most=RING_SECONDS + SLACK + TURN,
                unit="s",
            ),
            Check("others who waited", waited, at_least=1),
            Check(
                "later callers offered before them",
                sum(
                    passed_over(facts, call, _missed(facts, call, told), head=False)
                    for call in _calls(facts, struck)
                ),
                at_most=0,
            ),
            *found,
        ]


async def _ringing(running: Running, phone: SoftPhone, within: float) -> list[Caller]:
    """Wait until a phone of this process rings; for whom."""
    await running.centre.until(
        lambda: bool(_rung(running, phone)), "a phone that nobody picks up rings", within
    )
    return _rung(running, phone)


def _rung(running: Running, phone: SoftPhone) -> list[Caller]:
    """The callers for whom a phone of this process rings now."""
    return [
        caller
        for caller in running.callers.all
        for ring in running.operators.rings(caller.number)[-1:]
        if ring.phone is phone and ring.call.ended_by is None
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
    """First while others are free, then while others wait."""
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            scene.running(more_calls=crowd_load(scene.load).calls)
        )
        crowd = min(3 * PHONES_A_PROCESS, scene.load.per_second * scene.load.talk / 2)
        # As many again talk elsewhere: most of all at once would be a network that is away.
        await running.centre.until(
            lambda: running.callers.live >= crowd, "as many talk as usual", scene.load.seconds
        )
        phone, struck = await _most_talking(running, scene.load.seconds)
        killed = strike(running.operators, phone)
        scene.progress(f"phones gone in {len(struck)} calls")
        await asyncio.sleep(APART)
        await queue_up(stack, scene, running)
        phone, again = await _most_talking(running, scene.load.seconds)
        told = len(running.centre.facts)
        waited = len(waiting(running.centre.journal()))
        strike(running.operators, phone)
        scene.progress(f"phones gone in {len(again)} calls while {waited} waited")
        found = await running.checks()
        back = [_elsewhere(running, caller, killed) for caller in struck]
        facts = running.centre.journal()
        calls = _calls(facts, again)
        return [
            Check("callers struck", len(struck), at_least=1),
            Check("rings another operator", longest(back), at_most=BACK_IN_QUEUE, unit="s"),
            Check("struck in a queue", len(again), at_least=1),
            Check("others who waited", waited, at_least=1),
            Check(
                "others offered before them",
                sum(
                    passed_over(facts, call, _operator_gone(facts, call, told), head=True)
                    for call in calls
                ),
                at_most=0,
            ),
            *found,
        ]


async def _most_talking(running: Running, within: float) -> tuple[SoftPhone, list[Caller]]:
    """The process of phones with most callers, and those."""
    deadline = time.monotonic() + within
    while True:
        there = [
            each for each in running.operators.phones if each.pid not in running.operators.killed
        ]
        phone = max(there, key=lambda each: len(_talking(running, each)))
        if (callers := _talking(running, phone)) or time.monotonic() > deadline:
            return phone, callers
        await asyncio.sleep(0.05)


def _calls(facts: Sequence[Fact], callers: Sequence[Caller]) -> list[str]:
    """The calls of these callers, by the engine's names."""
    wanted = {each.number for each in callers}
    return [
        str(fact.call)
        for fact in facts
        if fact.kind == FactKind.CALL_ARRIVED and fact.data["caller_e164"] in wanted
    ]


def _missed(facts: Sequence[Fact], call: str, since: int) -> int:
    """The fact that the offer was in vain; from then on the call waits again."""
    return _first(facts, since, lambda fact: fact.kind == FactKind.OFFER_MISSED, call)


def _operator_gone(facts: Sequence[Fact], call: str, since: int) -> int:
    """The fact that the operator's leg was gone."""
    return _first(
        facts,
        since,
        lambda fact: fact.kind == FactKind.LEG_ENDED and fact.data["role"] == Role.OPERATOR,
        call,
    )


def _first(facts: Sequence[Fact], since: int, wanted: Callable[[Fact], bool], call: str) -> int:
    for number, fact in enumerate(facts[since:], start=since):
        if fact.call == call and wanted(fact):
            return number
    return since


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
