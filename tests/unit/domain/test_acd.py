"""The queue: the right call to the right operator, at once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.acd import PAUSE, WRAP_UP, Acd
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.effects import (
    ArmTimer,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    Record,
    ReleaseAgent,
)
from ess_pbx.domain.events import OperatorsMissing, TimerId
from ess_pbx.domain.facts import FactKind

from .acd_steps import an_acd, call, joins, kinds, offers, takes
from .centre import CENTRE, of


def test_the_operator_idle_longest_is_offered_the_call() -> None:
    acd = an_acd("2003", "2001", "2002")

    assert [offers(joins(acd, n)) for n in (1, 2, 3, 4)] == [
        [("c-1", "2003")],
        [("c-2", "2001")],
        [("c-3", "2002")],
        [],
    ]


def test_an_operator_who_was_released_is_idle_from_the_end_of_wrap_up_on() -> None:
    acd = an_acd("2001", "2002")
    joins(acd, 1)
    takes(acd, 1, "2001")

    released = acd.apply(ReleaseAgent(call(1), "2001"), 110)
    assert of(released, ArmTimer) == [ArmTimer(TimerId("2001", WRAP_UP), 20)]
    assert acd.seats["2001"].state is AgentState.WRAP_UP
    acd.timer_fired(TimerId("2001", WRAP_UP), 130)

    assert acd.seats["2001"].idle_since == 130
    assert offers(joins(acd, 2)) == [("c-2", "2002")]
    assert offers(joins(acd, 3)) == [("c-3", "2001")]


def test_without_wrap_up_the_next_call_is_offered_at_once() -> None:
    config = replace(CENTRE, policy=replace(CENTRE.policy, wrap_up=0))
    acd = an_acd("2001", config=config)
    joins(acd, 1)
    takes(acd, 1, "2001")
    joins(acd, 2)

    released = acd.apply(ReleaseAgent(call(1), "2001"), 110)

    assert offers(released) == [("c-2", "2001")]
    assert of(released, ArmTimer) == []


def test_nobody_in_wrap_up_or_pause_is_offered_a_call() -> None:
    acd = an_acd("2001", "2002")
    joins(acd, 1)
    takes(acd, 1, "2001")
    acd.apply(ReleaseAgent(call(1), "2001"), 110)
    joins(acd, 2)
    acd.apply(OfferMissed(call(2), "2002", "no answer"), 120)

    assert offers(joins(acd, 3)) == []
    assert acd.seats["2002"].state is AgentState.PAUSED


def test_calls_go_by_priority_then_by_age_then_as_they_came() -> None:
    acd = an_acd()
    joins(acd, 1, since=10.0)
    joins(acd, 2, since=5.0)
    joins(acd, 3, priority=9, since=20.0)
    joins(acd, 4, since=10.0)
    joins(acd, 5, priority=0, since=1.0)
    served = []
    for agent in ("2001", "2002", "2003", "2004"):
        served += offers(acd.set_reachable(agent, True, 30))

    assert served == [("c-3", "2001"), ("c-2", "2002"), ("c-1", "2003"), ("c-4", "2004")]


def test_an_operator_of_several_queues_takes_the_most_urgent_of_all() -> None:
    acd = an_acd()
    joins(acd, 1, "umum", since=10.0)
    joins(acd, 2, "medis", since=20.0, priority=6)

    assert offers(acd.set_reachable("2001", True, 30)) == [("c-2", "2001")]


def test_only_the_operators_of_a_queue_are_offered_its_calls() -> None:
    acd = an_acd("2002", "2003")

    waits = joins(acd, 1, "medis")
    assert offers(waits) == []
    assert of(waits, OperatorsMissing) == [OperatorsMissing(call(1))]
    assert offers(acd.set_reachable("2004", True, 30)) == [("c-1", "2004")]


@pytest.mark.parametrize(("on_duty", "reachable"), [(True, False), (False, True), (False, False)])
def test_nobody_off_duty_or_unreachable_is_offered_a_call(on_duty: bool, reachable: bool) -> None:
    acd = Acd(CENTRE)
    acd.set_on_duty(["2001"] if on_duty else [], 0)
    acd.set_reachable("2001", reachable, 1)

    assert offers(joins(acd, 1)) == []


def test_who_went_and_came_back_is_idle_from_then_on() -> None:
    acd = an_acd("2001", "2002")
    acd.set_reachable("2001", False, 10)
    acd.set_reachable("2001", True, 20)

    assert offers(joins(acd, 1)) == [("c-1", "2002")]


def test_who_comes_back_during_a_pause_is_not_offered_a_call_before_its_end() -> None:
    acd = an_acd("2001")
    joins(acd, 1)
    acd.apply(OfferMissed(call(1), "2001", "no answer"), 110)
    acd.set_reachable("2001", False, 111)

    assert offers(acd.set_reachable("2001", True, 112)) == []
    assert offers(acd.timer_fired(TimerId("2001", PAUSE), 115)) == [("c-1", "2001")]


def test_a_missed_offer_goes_to_the_next_and_pauses_who_missed_it() -> None:
    acd = an_acd("2001", "2002")
    joins(acd, 1)

    missed = acd.apply(OfferMissed(call(1), "2001", "no answer"), 110)

    assert offers(missed) == [("c-1", "2002")]
    assert of(missed, ArmTimer) == [ArmTimer(TimerId("2001", PAUSE), 5)]
    assert acd.waiting[call(1)].offers == ["2002"]


def test_a_missed_call_keeps_its_place_before_younger_ones() -> None:
    acd = an_acd("2001")
    joins(acd, 1)
    joins(acd, 2)
    acd.apply(OfferMissed(call(1), "2001", "no answer"), 110)

    assert offers(acd.timer_fired(TimerId("2001", PAUSE), 115)) == [("c-1", "2001")]


def test_a_withdrawn_offer_leaves_the_operators_place_in_line() -> None:
    acd = an_acd("2001", "2002")
    joins(acd, 1)

    acd.apply(LeaveQueue(call(1)), 110)

    assert acd.seats["2001"].idle_since == 0
    assert offers(joins(acd, 2)) == [("c-2", "2001")]


def test_a_withdrawn_offer_frees_the_operator_for_who_waits() -> None:
    acd = an_acd("2001")
    joins(acd, 1)
    joins(acd, 2)

    assert offers(acd.apply(LeaveQueue(call(1)), 110)) == [("c-2", "2001")]


def test_a_call_that_left_the_line_is_not_offered() -> None:
    acd = an_acd()
    joins(acd, 1)
    joins(acd, 2)
    acd.apply(LeaveQueue(call(1)), 110)

    assert offers(acd.set_reachable("2001", True, 120)) == [("c-2", "2001")]


def test_a_call_that_comes_again_is_offered_by_its_new_order() -> None:
    acd = an_acd()
    joins(acd, 1, priority=9)
    joins(acd, 2)
    acd.apply(LeaveQueue(call(1)), 110)
    joins(acd, 1, priority=0)

    assert offers(acd.set_reachable("2001", True, 120)) == [("c-2", "2001")]


def test_the_alarm_is_raised_once_and_cleared_when_someone_comes() -> None:
    acd = an_acd()

    first, second = joins(acd, 1), joins(acd, 2)
    assert kinds(first) == [FactKind.ALARM_RAISED]
    assert kinds(second) == []
    assert of(second, OperatorsMissing) == [OperatorsMissing(call(2))]
    came = acd.set_reachable("2001", True, 120)
    assert [kind for kind in kinds(came) if kind is not FactKind.AGENT_STATE] == [
        FactKind.ALARM_CLEARED
    ]
    went = acd.set_reachable("2001", False, 130)

    assert of(went, OperatorsMissing) == [OperatorsMissing(call(2))]
    assert FactKind.ALARM_RAISED in kinds(went)


def test_a_change_of_shift_that_leaves_nobody_out_raises_no_alarm() -> None:
    acd = an_acd("2001", "2004")
    acd.set_on_duty(["2001"], 10)
    joins(acd, 1)
    joins(acd, 2)

    changed = acd.set_on_duty(["2004"], 20)

    assert offers(changed) == [("c-2", "2004")]
    assert set(kinds(changed)) == {FactKind.AGENT_STATE}


def test_an_idle_line_without_operators_is_no_alarm() -> None:
    acd = an_acd("2001")

    assert kinds(acd.set_reachable("2001", False, 10)) == [FactKind.AGENT_STATE]


def test_who_comes_and_who_goes_is_on_record() -> None:
    acd = an_acd()

    [came] = of(acd.set_reachable("2001", True, 1), Record)
    [went] = of(acd.set_on_duty([], 2), Record)

    assert (came.data["agent"], came.data["status"]) == ("2001", "present")
    assert (went.data["agent"], went.data["status"]) == ("2001", "away")


def test_an_operator_whose_shift_ends_in_a_call_goes_on_and_gets_no_other() -> None:
    acd = an_acd("2001")
    joins(acd, 1)
    takes(acd, 1, "2001")
    acd.set_on_duty([], 110)
    joins(acd, 2)

    acd.apply(ReleaseAgent(call(1), "2001"), 120)

    assert offers(acd.timer_fired(TimerId("2001", WRAP_UP), 140)) == []
    assert offers(acd.set_on_duty(["2001"], 150)) == [("c-2", "2001")]


def test_what_does_not_fit_changes_nothing() -> None:
    acd = an_acd("2001", "2002")
    joins(acd, 1)

    assert joins(acd, 1) == []
    assert acd.apply(OfferTaken(call(1), "2002"), 100) == []
    assert acd.apply(OfferMissed(call(1), "2002", "late"), 100) == []
    assert acd.apply(ReleaseAgent(call(1), "2001"), 100) == []
    assert acd.apply(LeaveQueue(call(9)), 100) == []
    assert acd.set_reachable("9999", True, 100) == []
    assert acd.set_reachable("2001", True, 100) == []
    assert acd.timer_fired(TimerId("9999", WRAP_UP), 100) == []
    assert acd.timer_fired(TimerId("2001", PAUSE), 100) == []
    assert acd.waiting[call(1)].offers == ["2001"]
