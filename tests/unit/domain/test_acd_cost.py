"""What choosing costs: counted in steps, whatever waits and whatever has gone."""

from __future__ import annotations

import heapq
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.domain import line as line_module
from ess_pbx.domain.acd import WRAP_UP, Acd
from ess_pbx.domain.config import Operator, Queue
from ess_pbx.domain.effects import (
    LeaveQueue,
    OfferTaken,
    ReleaseAgent,
)
from ess_pbx.domain.events import OfferMade, TimerId

from .acd_steps import an_acd, call, joins, offers, takes
from .centre import CENTRE, of

BIG = replace(
    CENTRE,
    queues=(
        Queue(id="umum", name="U"),
        Queue(id="medis", name="M"),
        Queue(id="sepi", name="S"),
    ),
    operators=tuple(Operator(extension=f"{2000 + n}", name="O") for n in range(50)),
)


def touched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the heaps that were pushed to, popped or built, as they are."""
    sizes: list[int] = []

    def counted(operation: Any) -> Any:
        def call_it(heap: list[Any], *rest: Any) -> Any:
            sizes.append(len(heap) if operation is heapq.heapify else 1)
            return operation(heap, *rest)

        return call_it

    names = ("heappush", "heappop", "heapify")
    fakes = {name: counted(getattr(heapq, name)) for name in names}
    monkeypatch.setattr(line_module, "heapq", SimpleNamespace(**fakes))
    return sizes


@pytest.mark.parametrize("callers", [100, 1000])
def test_serving_a_thousand_costs_a_call_as_many_steps_as_serving_a_hundred(
    monkeypatch: pytest.MonkeyPatch, callers: int
) -> None:
    sizes = touched(monkeypatch)
    acd = an_acd(config=BIG)
    for n in range(callers):
        joins(acd, n)
    now, served = 200.0, 0
    came = [acd.set_reachable(agent, True, now) for agent in acd.seats]
    pending = [offer for decisions in came for offer in of(decisions, OfferMade)]
    while pending:
        offer = pending.pop(0)
        served += 1
        now += 1
        acd.apply(OfferTaken(offer.call, offer.agent), now)
        acd.apply(ReleaseAgent(offer.call, offer.agent), now)
        pending += of(acd.timer_fired(TimerId(offer.agent, WRAP_UP), now), OfferMade)

    assert served == callers
    # A push and a pop each, and fifty operators who are idle in three lines as they come, which is
    # dropped again, and at the end.
    assert sum(sizes) <= 2 * callers + 3 * 3 * 50


def test_a_line_that_nobody_calls_does_not_grow_with_the_calls_of_others() -> None:
    acd = an_acd("2001", "2002", config=BIG)
    for n in range(5000):
        [(_, agent)] = offers(joins(acd, n))
        takes(acd, n, agent)
        acd.apply(ReleaseAgent(call(n), agent), n)
        acd.timer_fired(TimerId(agent, WRAP_UP), n)

    assert max(len(line.idle) for line in acd._lines) <= 2 * len(acd.seats) + 1


def test_operators_keep_their_places_when_a_line_is_cleared_of_stale_entries() -> None:
    acd = an_acd("2002", "2003", "2001")
    for n in range(50):
        joins(acd, n)
        acd.apply(LeaveQueue(call(n)), 100)

    assert offers(joins(acd, 51)) == [("c-51", "2002")]
    assert offers(joins(acd, 52)) == [("c-52", "2003")]
    assert offers(joins(acd, 53)) == [("c-53", "2001")]


def test_among_operators_idle_equally_long_places_are_kept_as_well() -> None:
    acd = Acd(CENTRE)
    for agent in ("2001", "2002", "2003"):
        acd.set_reachable(agent, True, 0)
    acd.set_on_duty(["2001", "2002", "2003"], 0)
    for n in range(50):
        joins(acd, n)
        acd.apply(LeaveQueue(call(n)), 100)

    assert [offers(joins(acd, n))[0][1] for n in (51, 52, 53)] == ["2001", "2002", "2003"]


def test_callers_who_gave_up_do_not_make_the_line_longer() -> None:
    acd = an_acd()
    joins(acd, 0, priority=0, since=0.0)
    joins(acd, 1, priority=0, since=1.0)
    for n in range(2, 5000):
        joins(acd, n)
        acd.apply(LeaveQueue(call(n)), 100)

    assert len(acd._lines.everyone("umum").calls) <= 8
    assert offers(acd.set_reachable("2001", True, 120)) == [("c-0", "2001")]
    assert offers(acd.set_reachable("2002", True, 120)) == [("c-1", "2002")]
