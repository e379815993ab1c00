"""A queue on purpose: more callers than operators at once, and in which order they are offered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ess_pbx.chaos.callers import Callers
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.stage import Load
from ess_pbx.domain.facts import Fact, FactKind

AN_OPERATOR, PER_SECOND = 1.5, 15.0
"""So many call for each operator, so fast."""
QUEUE = 0.25
"""It is one when so many wait for each operator."""
WITHIN = 5.0
FIRST = 50_000
"""Their numbers follow those of the load's callers."""


def crowd_load(load: Load) -> Load:
    """As many callers as make a queue beside this load."""
    return replace(load, per_second=PER_SECOND, seconds=AN_OPERATOR * load.operators / PER_SECOND)


async def queue_up(stack: contextlib.AsyncExitStack, scene: Scene, running: Running) -> None:
    """Let a crowd call by another trunk, and wait until there is a queue."""
    settings, load = running.centre.settings, crowd_load(scene.load)
    crowd = Callers(
        settings,
        running.operators,
        scene.folder / "crowd",
        load,
        trunk=settings.trunks[1],
        first=FIRST,
    )
    running.callers.join(await stack.enter_async_context(crowd))
    await running.centre.until(
        lambda: len(waiting(running.centre.journal())) >= QUEUE * scene.load.operators,
        "more wait than operators are there for",
        load.seconds + WITHIN,
    )


def waiting(facts: Iterable[Fact]) -> list[str]:
    """The calls that no operator was offered yet, in the order in which they came."""
    found: dict[str, None] = {}
    for fact in facts:
        if fact.kind == FactKind.CALL_ARRIVED and fact.call is not None:
            found[fact.call] = None
        elif fact.kind in (FactKind.OFFERED, FactKind.CALL_ENDED):
            found.pop(fact.call or "", None)
    return list(found)


def overtaken(before: Sequence[Fact], after: Iterable[Fact]) -> int:
    """How many of those who waited at the end of ``before`` were offered ``after`` a later one."""
    waited = waiting(before)
    offered = [str(fact.call) for fact in after if fact.kind == FactKind.OFFERED]
    return _out_of_order(waited, [call for call in offered if call in waited])


def _out_of_order(arrived: Sequence[str], offered: Sequence[str]) -> int:
    """How many were not yet offered to anyone when one who came later was.

    Which of two phones that ring is picked up first is the operators' affair.
    """
    place = {call: number for number, call in enumerate(arrived)}
    overtaken: set[str] = set()
    waiting = set(arrived)
    for call in offered:
        waiting.discard(call)
        overtaken |= {other for other in waiting if place[other] < place[call]}
    return len(overtaken)


def passed_over(facts: Sequence[Fact], call: str, since: int, *, head: bool) -> int:
    """Offers of others to operators from a fact on until the next offer of this call.

    Only of those who came later; at the ``head`` of the queue, of all who had not been offered.
    """
    place = {
        fact.call: number for number, fact in enumerate(facts) if fact.kind == FactKind.CALL_ARRIVED
    }
    had = {fact.call for fact in facts[:since] if fact.kind == FactKind.OFFERED}
    others = 0
    for fact in facts[since:]:
        if fact.kind != FactKind.OFFERED:
            continue
        if fact.call == call:
            break
        later = place.get(fact.call, -1) > place.get(call, 0)
        others += fact.call not in had if head else later
    return others
