"""Operators are searched for while the caller still hears greeting and menu."""

from __future__ import annotations

from msgspec.structs import replace

from ess_pbx.domain.call import Phase
from ess_pbx.domain.effects import Answer, HangUp, Join, Originate, PlayPrompt
from ess_pbx.domain.events import TimerId
from ess_pbx.domain.facts import FactKind

from .centre import CALL, CALLER, CENTRE, of
from .story import Story

SEARCHING = replace(CENTRE, policy=replace(CENTRE.policy, search_at_once=True))


def arrived(*phones: str) -> Story:
    story = Story(SEARCHING, phones)
    story.arrives()
    return story


def test_the_phone_is_rung_before_the_greeting_begins() -> None:
    story = arrived("2001")

    kinds = [type(effect) for effect in story.effects]
    assert kinds.index(Originate) < kinds.index(Answer) < kinds.index(PlayPrompt)
    assert story.phase() is Phase.IVR


def test_an_operator_who_answers_cuts_the_greeting_short() -> None:
    story = arrived("2001")
    [ringing] = of(story.all, Originate)

    story.answers(ringing.leg)

    assert story.phase() is Phase.TALKING
    assert story.hears[CALL] == []
    assert [join.legs for join in of(story.effects, Join)] == [(CALLER, ringing.leg)]
    assert TimerId(CALL, "menu") not in story.timers


def test_a_key_moves_the_call_and_lets_the_phone_ring_on() -> None:
    story = arrived("2001")
    [ringing] = of(story.all, Originate)

    story.presses("1")

    assert story.call.queue == "medis"
    assert story.phase() is Phase.WAITING
    assert of(story.effects, HangUp) == []
    story.answers(ringing.leg)
    assert story.phase() is Phase.TALKING


def test_an_operator_who_does_not_answer_is_passed_over_while_the_menu_goes_on() -> None:
    story = arrived("2001", "2002")
    [first] = of(story.all, Originate)

    story.after(12)

    assert story.facts(FactKind.OFFER_MISSED)[0]["reason"] == "no answer"
    assert [each.address for each in of(story.effects, Originate)] != [first.address]
    assert story.phase() is Phase.IVR


def test_where_nobody_is_the_menu_goes_on_and_the_caller_is_told_at_its_end() -> None:
    story = arrived()
    assert story.facts(FactKind.NO_OPERATOR) == [{"queue": "umum"}]
    assert story.hears[CALL] == ["selamat-datang"]

    story.presses("1")

    assert story.hears[CALL] == ["tidak-ada-operator"]
