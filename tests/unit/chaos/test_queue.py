"""Who waited, who was overtaken, and who was passed over, read off the facts."""

from __future__ import annotations

from ess_pbx.chaos.queue import overtaken, passed_over, waiting
from ess_pbx.domain.facts import Fact, FactKind

ARRIVED, OFFERED, ENDED = FactKind.CALL_ARRIVED, FactKind.OFFERED, FactKind.CALL_ENDED


def told(*facts: tuple[FactKind, str]) -> list[Fact]:
    return [
        Fact(id=str(n), centre="c", call=call, kind=kind, at=float(n), ms=0, data={})
        for n, (kind, call) in enumerate(facts)
    ]


def test_who_arrived_and_was_neither_offered_nor_gone_waits_in_the_order_of_arrival() -> None:
    facts = told(*((ARRIVED, each) for each in "abcd"), (OFFERED, "b"), (ENDED, "c"))

    assert waiting(facts) == ["a", "d"]


def test_only_those_who_waited_before_can_be_overtaken() -> None:
    before = told(*((ARRIVED, each) for each in "abc"))

    assert overtaken(before, told((OFFERED, "a"), (OFFERED, "b"), (OFFERED, "c"))) == 0
    assert overtaken(before, told((OFFERED, "c"), (OFFERED, "a"), (OFFERED, "b"))) == 2
    assert overtaken(before, told((ARRIVED, "x"), (OFFERED, "x"), (OFFERED, "a"))) == 0


def test_who_keeps_the_place_is_passed_over_by_those_who_came_before_alone() -> None:
    facts = told(
        *((ARRIVED, each) for each in "abc"), (OFFERED, "b"), (OFFERED, "a"), (OFFERED, "b")
    )

    assert passed_over(facts, "b", 4, head=False) == 0
    facts = told(
        *((ARRIVED, each) for each in "abc"), (OFFERED, "b"), (OFFERED, "c"), (OFFERED, "b")
    )
    assert passed_over(facts, "b", 4, head=False) == 1


def test_at_the_head_of_the_queue_nobody_who_waits_goes_before() -> None:
    facts = told(
        *((ARRIVED, each) for each in "abc"), (OFFERED, "b"), (OFFERED, "a"), (OFFERED, "b")
    )

    assert passed_over(facts, "b", 4, head=True) == 1
    assert passed_over(facts, "b", 5, head=True) == 0
