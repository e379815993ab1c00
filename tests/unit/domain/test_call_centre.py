"""Calls, queue and operators as one machine: events in, effects out, in order."""

from __future__ import annotations

from msgspec.structs import replace

from ess_pbx.domain.call import Phase
from ess_pbx.domain.effects import (
    Forget,
    HangUp,
    Illegal,
    JoinQueue,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    Originate,
    ReleaseAgent,
)
from ess_pbx.domain.events import AgentTimerFired, OfferMade, OperatorsMissing, TimerId
from ess_pbx.domain.facts import FactKind

from .centre import CALL, NO_MENU, OTHER, of
from .given import PHASES, talking, waiting
from .story import Story

INSIDE = (JoinQueue, LeaveQueue, OfferTaken, OfferMissed, ReleaseAgent)

CLEARED = {"alarm": "no-operator:umum", "detail": "umum"}


def test_what_a_call_asks_of_the_queue_never_comes_out() -> None:
    for make in PHASES.values():
        story = make()
        story.after(100)
        story.gone(CALL)
        assert not [effect for effect in story.all if isinstance(effect, INSIDE)]


def test_the_shift_on_duty_follows_the_clock_on_the_wall() -> None:
    story = Story(NO_MENU, phones=("2001", "2004"))
    seats = story.core.acd.seats

    story.at(9)
    assert (seats["2001"].on_duty, seats["2004"].on_duty) == (True, False)
    story.at(15)
    assert (seats["2001"].on_duty, seats["2004"].on_duty) == (False, True)
    story.at(2)
    assert (seats["2001"].on_duty, seats["2004"].on_duty) == (False, False)


def test_a_call_goes_to_the_operator_of_the_shift_on_duty() -> None:
    story = Story(NO_MENU, phones=("2001", "2004"))
    story.at(16)

    story.arrives()

    assert story.rung.address == "2004"


def test_who_waits_through_a_night_without_a_shift_is_rung_for_in_the_morning() -> None:
    story = Story(NO_MENU, phones=("2001",))
    story.at(23)
    story.arrives()
    story.after(8 * 3600)
    assert of(story.all, Originate) == []

    story.at(7)

    assert story.rung.address == "2001"
    assert story.facts(FactKind.ALARM_CLEARED) == [CLEARED]


def test_the_next_caller_is_offered_when_wrap_up_is_over() -> None:
    story = talking()
    story.arrives(OTHER)
    operator = story.operator
    story.gone(operator)

    story.after(19.9)
    assert story.rung.call == CALL
    story.after(0.2)

    assert story.rung.call == OTHER
    assert story.facts(FactKind.AGENT_STATE)[-1] == {
        "agent": "2001",
        "status": "present",
        "state": "offered",
        "call": OTHER,
    }


def test_the_end_of_one_call_rings_for_the_next_in_the_same_turn() -> None:
    story = Story(replace(NO_MENU, policy=replace(NO_MENU.policy, wrap_up=0)))
    story.arrives()
    story.answers(story.operator)
    operator = story.operator
    story.arrives(OTHER)

    story.gone(CALL)

    assert story.rung.call == OTHER
    assert story.effects.index(HangUp(operator)) < story.effects.index(story.rung)


def test_events_of_a_call_nobody_knows_are_reported_and_harmless() -> None:
    story = talking()
    before = dict(story.core.calls)

    story.answers(f"{OTHER}~op2")

    assert story.effects == [Illegal(OTHER, "unknown", "LegAnswered")]
    assert story.core.calls == before


def test_a_call_that_is_over_is_forgotten() -> None:
    story = waiting()
    operator = story.operator
    story.gone(CALL)

    story.gone(operator)

    assert of(story.effects, Forget) == [Forget(CALL)]
    story.gone(operator)
    assert story.effects == [Illegal(CALL, "unknown", "LegGone")]


def test_a_call_lost_from_memory_does_not_keep_operators_busy() -> None:
    story = Story(NO_MENU, phones=("2001", "2002"))
    story.core.follow(story.core.acd.apply(JoinQueue(OTHER, "umum", 5, 0.0), 0), 0, [])
    seats = story.core.acd.seats

    assert story.core.acd.waiting == {}
    assert seats["2001"].free
    assert seats["2002"].free
    story.arrives()
    assert story.rung.address == "2001"


def test_an_offer_of_a_call_that_does_not_wait_does_not_go_round_the_operators() -> None:
    story = talking(phones=("2001", "2002", "2003"))

    # The queue and the call disagree, which only a defect can bring about.
    story.core.follow(story.core.acd.apply(JoinQueue(CALL, "umum", 5, 0.0), 0), 0, [])

    assert story.phase() is Phase.TALKING
    assert story.core.acd.seats["2002"].free
    assert story.core.acd.seats["2003"].free
    assert story.facts(FactKind.OFFER_MISSED) == []


def test_that_nobody_is_there_means_nothing_to_a_call_that_talks() -> None:
    story = talking()

    assert story.feed(OperatorsMissing(CALL)) == []
    assert story.feed(OperatorsMissing(OTHER)) == [Illegal(OTHER, "unknown", "OperatorsMissing")]


def test_a_stale_offer_of_an_unknown_call_is_harmless() -> None:
    story = talking()

    assert story.feed(OfferMade(OTHER, "2002")) == [Illegal(OTHER, "unknown", "OfferMade")]


def test_a_timer_of_an_operator_who_is_not_known_is_nobodys() -> None:
    assert Story().feed(AgentTimerFired(TimerId("9999", "wrap-up"))) == []


def test_two_calls_do_not_touch_each_other() -> None:
    story = talking(phones=("2001", "2002"))
    story.arrives(OTHER)
    other = story.core.calls[OTHER]
    (offered,) = other.offers
    story.answers(offered.leg)

    story.gone(OTHER)

    assert story.phase() is Phase.TALKING
    assert of(story.effects, HangUp) == [HangUp(offered.leg)]
