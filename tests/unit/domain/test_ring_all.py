"""Ring-all: everyone free rings, one has the call, the others lose nothing by it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.acd import PAUSE
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    CancelTimer,
    HangUp,
    Join,
    JoinQueue,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    Originate,
    Reach,
)
from ess_pbx.domain.events import TimerId
from ess_pbx.domain.facts import FactKind

from .acd_steps import an_acd, call, joins, offers, takes
from .centre import CALL, NO_MENU, OTHER, of
from .given import waiting
from .story import Story

ALL_AT_ONCE = replace(
    NO_MENU, queues=tuple(replace(queue, strategy="ring-all") for queue in NO_MENU.queues)
)


def ringing(config: Centre = ALL_AT_ONCE, *phones: str) -> Story:
    """A caller for whom these phones ring, the first idle longest."""
    return waiting(config, phones or ("2001", "2002", "2003"))


def test_every_free_phone_is_rung_before_anything_else_the_longest_idle_first() -> None:
    story = ringing()

    rung = of(story.all, Originate)
    assert [each.address for each in rung] == ["2001", "2002", "2003"]
    assert len({each.leg for each in rung}) == 3
    assert len(story.call.offers) == 3


def test_the_first_who_answers_has_the_call_and_the_others_are_as_idle_as_before() -> None:
    story = ringing()
    first, second, third = story.call.offers
    since = {agent: seat.idle_since for agent, seat in story.core.acd.seats.items()}
    story.now += 5

    story.answers(second.leg)

    assert story.phase() is Phase.TALKING
    assert story.call.operator == second
    assert [each.leg for each in of(story.effects, HangUp)] == [first.leg, third.leg]
    assert story.call.offers == ()
    for side in (first, third):
        seat = story.core.acd.seats[side.agent]
        assert (seat.state, seat.missed) == (AgentState.IDLE, 0)
        assert seat.idle_since == since[side.agent]
    assert story.facts(FactKind.OFFER_MISSED) == []
    assert story.armed("ring") is None


def test_who_loses_the_race_is_rung_for_the_next_call_after_their_phone_was_hung_up() -> None:
    story = ringing()
    first, _, third = story.call.offers
    story.arrives(OTHER)
    assert story.core.calls[OTHER].offers == ()

    story.answers(first.leg)

    anew = of(story.effects, Originate)
    assert {each.call for each in anew} == {OTHER}
    assert [each.address for each in anew] == ["2002", "2003"]
    for each in anew:
        hung_up = next(e for e in story.effects if isinstance(e, HangUp))
        assert story.effects.index(hung_up) < story.effects.index(each)
    assert HangUp(third.leg) in story.effects


def test_of_two_who_pick_up_in_the_same_moment_one_is_bridged_and_the_other_hung_up() -> None:
    story = ringing()
    first, second, _ = story.call.offers

    story.answers(second.leg)
    story.answers(first.leg)

    assert story.effects == [HangUp(first.leg)]
    assert len(of(story.all, Join)) == 1
    assert story.call.operator == second


@pytest.mark.parametrize("cause", [17, 21])
def test_one_who_refuses_is_passed_over_and_the_others_ring_on(cause: int) -> None:
    story = ringing()
    first, second, third = story.call.offers

    story.gone(first.leg, cause)

    assert story.call.offers == (second, third)
    assert of(story.effects, HangUp) == []
    assert [each["agent"] for each in story.facts(FactKind.OFFER_MISSED)] == ["2001"]
    assert story.core.acd.seats["2001"].state is AgentState.PAUSED
    assert story.core.acd.seats["2002"].state is AgentState.OFFERED
    story.after(5)
    assert [side.agent for side in story.call.offers] == ["2002", "2003", "2001"]


def test_each_phone_has_its_own_ring_time() -> None:
    story = ringing()
    story.gone(story.call.offers[0].leg, 21)
    story.after(5.1)  # 2001 rings again, five seconds after the others

    story.after(7)

    missed = [each["agent"] for each in story.facts(FactKind.OFFER_MISSED)]
    assert missed == ["2001", "2002", "2003"]
    assert [side.agent for side in story.call.offers] == ["2001"]


def test_who_becomes_free_joins_in_only_when_no_other_call_waits_for_them() -> None:
    acd = an_acd("2001", "2002", config=ALL_AT_ONCE)
    assert offers(joins(acd, 1)) == [("c-1", "2001"), ("c-1", "2002")]
    assert offers(acd.set_reachable("2003", True, 5)) == [("c-1", "2003")]
    acd.apply(OfferMissed(call(1), "2003", "refused"), 6)
    joins(acd, 2)

    assert offers(acd.timer_fired(TimerId("2003", PAUSE), 11)) == [("c-2", "2003")]


def test_of_several_who_are_given_back_each_waiting_call_gets_one_before_any_gets_two() -> None:
    acd = an_acd("2001", "2002", "2003", config=ALL_AT_ONCE)
    joins(acd, 1)
    joins(acd, 2)
    joins(acd, 3)

    given = offers(acd.apply(LeaveQueue(call(1)), 100))

    assert given == [("c-2", "2001"), ("c-3", "2002"), ("c-2", "2003")]


def test_a_second_answer_for_a_call_that_is_taken_changes_nothing() -> None:
    acd = an_acd("2001", "2002", config=ALL_AT_ONCE)
    joins(acd, 1)
    takes(acd, 1, "2002")

    assert acd.apply(OfferTaken(call(1), "2001"), 100) == []
    assert acd.seats["2001"].state is AgentState.IDLE


def test_a_caller_who_leaves_stops_every_phone() -> None:
    story = ringing()
    legs = [side.leg for side in story.call.offers]

    story.gone(CALL)

    assert [each.leg for each in of(story.effects, HangUp)] == legs
    assert len([e for e in of(story.effects, CancelTimer) if e.timer.kind == "ring"]) == 3
    assert all(story.core.acd.seats[each].free for each in ("2001", "2002", "2003"))


def test_a_call_that_comes_to_ring_all_keeps_the_phone_that_rings() -> None:
    acd = an_acd("2001", "2002", "2003")
    assert offers(joins(acd, 1)) == [("c-1", "2001")]

    wanted = JoinQueue(call(1), "umum", 5, 1.0, reach=Reach.EVERYONE)

    assert offers(acd.apply(wanted, 100)) == [("c-1", "2002"), ("c-1", "2003")]
    assert acd.waiting[call(1)].offers == ["2001", "2002", "2003"]
