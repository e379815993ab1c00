"""Supervision as it is asked for: what is refused, by code from the phone, and a caller pulled."""

from __future__ import annotations

import pytest

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Phase
from ess_pbx.domain.commands import Asker, Mode, PullCall, StopSupervising, Supervise, Via
from ess_pbx.domain.effects import (
    HangUp,
    Originate,
    PlayPrompt,
    Refused,
    Snoop,
    Sound,
    StartSound,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import caller_leg
from ess_pbx.domain.supervision import ListenByPhone

from . import given
from .centre import CALL, CALLER, OTHER, of
from .story import Story
from .supervised import (
    BOSS,
    BRIDGE,
    BY,
    BY_PHONE,
    DESK,
    PHONE,
    PHONES,
    SECOND_BOSS,
    SUPERVISED,
    asked,
    comes,
    leg,
    listens_by_phone,
    refused,
    seat,
    supervised,
    supervision,
    talking,
)

# What is refused


def test_what_cannot_be_supervised_is_refused_with_a_code() -> None:
    story = talking()
    for command, code in (
        (Supervise(BY, OTHER, BOSS, Mode.LISTEN), "unknown-call"),
        (ListenByPhone(BY_PHONE, "9999", PHONE), "unknown-operator"),
        (ListenByPhone(BY_PHONE, "2002", PHONE), "no-call"),
        (ListenByPhone(Asker("2002", Via.PHONE), "2001", PHONE), "not-a-supervisor"),
        (Supervise(BY, CALL, "9999", Mode.LISTEN), "unknown-operator"),
        (Supervise(BY, CALL, "2002", Mode.LISTEN), "not-a-supervisor"),
        (StopSupervising(BY, CALL), "not-supervised"),
        (StopSupervising(BY, OTHER), "unknown-call"),
        (PullCall(BY, OTHER, BOSS), "unknown-call"),
        (PullCall(BY, CALL, BOSS), "not-waiting"),
        (PullCall(BY, CALL, "9999"), "unknown-operator"),
    ):
        story.feed(command)
        assert refused(story) == code, command
    story.phone(BOSS, False)
    asked(story, Mode.LISTEN)
    assert refused(story) == "not-reachable"
    assert story.call.supervision is None


def test_a_call_without_operator_is_not_supervised() -> None:
    story = given.waiting(SUPERVISED, PHONES)
    asked(story, Mode.LISTEN)
    assert refused(story) == "no-operator"
    # Whoever is rung has no caller yet.
    story.feed(ListenByPhone(BY_PHONE, "2001", PHONE))
    assert refused(story) == "no-call"


def test_one_supervisor_at_a_time_is_with_a_call_and_with_one_call() -> None:
    story = supervised(Mode.LISTEN)
    asked(story, Mode.BARGE, SECOND_BOSS)
    assert refused(story) == "already-supervised"

    story.phone("2002")
    story.arrives(OTHER)
    story.answers(OTHER)
    side = story.core.calls[OTHER].offers[0]
    story.answers(side.leg)
    story.feed(Supervise(BY, OTHER, BOSS, Mode.LISTEN))
    assert refused(story) == "supervisor-busy"


# From the phone


def test_by_code_a_supervisor_listens_on_the_call_that_they_dialled_with() -> None:
    story = talking()

    effects = listens_by_phone(story)

    assert of(effects, Originate) == []
    assert len(of(effects, Snoop)) == 1
    assert story.armed("desk", DESK) is None
    comes(story)
    assert supervision(story).leg == caller_leg(DESK)
    assert story.facts(FactKind.SUPERVISION_ASKED)[0]["via"] == "phone"

    story.presses("3", DESK)
    assert supervision(story).mode is Mode.BARGE
    story.gone(DESK)
    assert story.call.supervision is None
    assert (story.core.desks.calls, story.core.desks.lent) == ({}, {})
    assert story.phase() is Phase.TALKING


def test_a_desk_call_that_took_over_is_the_operators_leg_to_the_end() -> None:
    story = talking()
    listens_by_phone(story)
    comes(story)
    story.presses("4", DESK)
    assert story.operator == caller_leg(DESK)

    story.gone(DESK)

    assert story.phase() is Phase.ENDED
    assert story.core.desks.lent == {}


def test_who_is_with_a_call_already_comes_to_it_by_no_second_phone() -> None:
    story = supervised(Mode.LISTEN)

    effects = listens_by_phone(story)

    assert of(effects, PlayPrompt)[0].prompt == "tidak-dapat-dilakukan"
    assert supervision(story).mode is Mode.LISTEN


def test_after_a_hand_over_there_is_no_operator_to_listen_to() -> None:
    story = supervised(Mode.BARGE)
    story.presses("*119#", story.operator)
    story.answers(story.agency)
    story.presses("*4#", story.operator)

    asked(story, Mode.LISTEN)
    assert refused(story) == "no-operator"
    story.presses("1", leg(story))
    assert supervision(story).mode is Mode.BARGE
    story.presses("4", leg(story))
    assert story.phase() is Phase.CONFERENCE


def test_by_code_nobody_listens_to_one_without_call_and_hears_that_it_cannot_be_done() -> None:
    story = talking()
    effects = listens_by_phone(story, "2002")
    assert [each.prompt for each in of(effects, PlayPrompt)] == ["tidak-dapat-dilakukan"]
    assert story.core.desks.lent == {}


def test_the_operator_of_a_held_caller_is_listened_to() -> None:
    story = talking()
    story.presses("*0#", story.operator)

    asked(story, Mode.LISTEN)
    story.answers(leg(story))
    comes(story)

    assert supervision(story).mode is Mode.LISTEN
    assert story.phase() is Phase.HELD


def test_who_barges_in_on_hold_is_with_the_operator_who_is_alone_again_afterwards() -> None:
    story = talking()
    operator = story.operator
    story.presses("*0#", operator)

    asked(story, Mode.BARGE)
    story.answers(leg(story))

    assert story.together(operator) == {operator, leg(story)}
    assert story.call.sound is None
    story.feed(StopSupervising(BY, CALL))
    assert story.call.rooms == {}
    assert of(story.effects, StartSound) == [StartSound(operator, Sound.SILENCE)]


@pytest.mark.parametrize("mode", [Mode.BARGE, Mode.TAKE_OVER])
def test_a_call_that_was_handed_over_is_joined_or_taken_over(mode: Mode) -> None:
    story = handed_over()

    asked(story, mode)
    assert story.call.supervision is not None
    boss_leg = leg(story)
    story.answers(boss_leg)

    boss = {each for each, room in story.call.rooms.items() if room == BRIDGE}
    assert boss == {CALLER, story.agency, boss_leg}
    if mode is Mode.TAKE_OVER:
        assert story.phase() is Phase.CONFERENCE
        assert seat(story, BOSS) is AgentState.TALKING
    else:
        story.feed(StopSupervising(BY, CALL))
        assert story.phase() is Phase.HANDED_OVER
        assert story.together() == {CALLER, story.agency}


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER])
def test_in_a_call_that_was_handed_over_nobody_can_be_listened_to(mode: Mode) -> None:
    story = handed_over()
    asked(story, mode)
    assert refused(story) == "no-operator"
    [told] = [each for each in story.effects if isinstance(each, Refused)]
    assert "has left" in told.detail


def handed_over() -> Story:
    story = talking()
    story.presses("*119#", story.operator)
    story.answers(story.agency)
    story.presses("*4#", story.operator)
    assert story.phase() is Phase.HANDED_OVER
    return story


# Pulling


def test_a_pulled_caller_rings_the_one_named_and_is_in_their_place_again_if_in_vain() -> None:
    story = Story(SUPERVISED, (BOSS,))
    story.arrives()
    story.answers(CALLER)
    story.arrives(OTHER)
    story.answers(OTHER)
    places = [story.core.acd.position(each) for each in (CALL, OTHER)]

    story.feed(PullCall(BY, OTHER, BOSS))

    assert story.rung.address == BOSS
    (fact,) = story.facts(FactKind.CALL_PULLED)
    assert fact == {"agent": BOSS, "by": "diskominfo", "via": "api"}
    story.after(12)
    assert seat(story, BOSS) is AgentState.PAUSED
    assert [story.core.acd.position(each) for each in (CALL, OTHER)] == places
    story.phone("2001")
    assert story.rung.call == CALL


def test_a_call_is_pulled_to_nobody_who_is_not_free() -> None:
    story = supervised(Mode.LISTEN)
    story.arrives(OTHER)
    story.answers(OTHER)

    story.feed(PullCall(BY, OTHER, BOSS))
    assert refused(story) == "operator-not-free"
    story.feed(PullCall(BY, OTHER, "2003"))
    assert refused(story) == "operator-not-free"


def test_phones_that_ring_go_on_when_a_call_is_pulled_and_the_first_has_it() -> None:
    story = given.waiting(SUPERVISED, PHONES)
    story.feed(PullCall(BY, CALL, BOSS))
    assert [side.agent for side in story.call.offers] == ["2001", BOSS]

    other, pulled = story.call.offers
    effects = story.answers(pulled.leg)

    assert HangUp(other.leg) in effects
    assert seat(story, "2001") is AgentState.IDLE
    assert seat(story, BOSS) is AgentState.TALKING
