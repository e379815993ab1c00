"""Operator and caller talk: who ends the call, and who only loses it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call import Phase, Result, Termination
from ess_pbx.domain.effects import CreateBridge, HangUp, Part, PlayPrompt, Role
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import bridge_of, operator_leg

from .centre import CALL, NO_MENU, OTHER, POLICY, of, requests
from .given import handed_over, talking, waiting


def test_a_caller_who_hangs_up_has_completed_the_call() -> None:
    story = talking()
    operator = story.operator

    story.gone(CALL)

    assert story.call.termination == Termination(Result.SUCCESS, "completed", Role.CALLER)
    assert of(story.effects, HangUp) == [HangUp(operator)]
    assert story.armed("wrap-up", "2001") == 20


def test_an_operator_who_hangs_up_has_completed_the_call() -> None:
    story = talking()

    story.gone(story.operator)

    assert story.call.termination == Termination(Result.SUCCESS, "completed", Role.OPERATOR)
    assert of(story.effects, HangUp) == [HangUp(story.call.caller)]


@pytest.mark.parametrize("cause", [0, 19, 31, 38, 127])
def test_an_operators_phone_that_dies_sends_the_caller_to_the_head_of_the_queue(
    cause: int,
) -> None:
    story = waiting(phones=("2001",))
    story.after(1)
    story.answers(story.operator)
    story.after(100)
    story.arrives(OTHER)

    story.gone(story.operator, cause)

    assert story.phase() is Phase.WAITING
    assert of(story.effects, HangUp) == []
    assert of(story.effects, Part) == [Part(bridge_of(CALL), story.call.caller)]
    assert story.hears[CALL] == ["mohon-tunggu"]
    assert (story.call.priority, story.call.arrived) == (9, 1000.0)
    lifted = 9 * story.core.config.policy.age_lift
    assert story.core.acd.waiting[CALL].order[0] == 1000.0 - lifted
    first, second = (story.core.acd.waiting[each] for each in (CALL, OTHER))
    assert first.order < second.order
    story.phone("2002")
    assert (story.rung.call, story.rung.address) == (CALL, "2002")


def test_a_caller_who_was_lost_is_on_the_same_bridge_with_the_next_operator() -> None:
    story = talking(phones=("2001", "2002"))
    story.gone(story.operator, 127)

    story.answers(story.operator)

    assert story.phase() is Phase.TALKING
    assert len(of(story.all, CreateBridge)) == 1
    assert story.armed("wrap-up", "2001") == 20
    assert story.hears[CALL] == []
    assert [fact["agent"] for fact in story.facts(FactKind.OPERATOR_ANSWERED)] == ["2001", "2002"]


def test_who_lost_their_operator_is_before_others_who_could_have_the_same_one() -> None:
    """Without wrap-up the operator is free in the moment their phone died."""
    story = waiting(replace(NO_MENU, policy=replace(POLICY, wrap_up=0.0)))
    story.answers(story.operator)
    story.arrives(OTHER)

    story.gone(story.operator, 38)

    assert (story.rung.call, story.rung.address) == (CALL, "2001")


def test_only_the_operators_keys_are_feature_codes() -> None:
    story = talking()

    story.presses("*119#")

    assert story.effects == []
    assert story.phase() is Phase.TALKING


@pytest.mark.parametrize("keys", ["119#", "*119", "#", "*#"])
def test_keys_that_are_no_code_change_nothing(keys: str) -> None:
    story = talking()

    story.presses(keys, story.operator)

    assert story.effects == []
    assert story.phase() is Phase.TALKING


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("*999#", "kode-tidak-dikenal"),
        ("*8999#", "kode-tidak-dikenal"),
        ("*92009#", "kode-tidak-dikenal"),
        ("*92001#", "rekan-tidak-bebas"),
        ("*92002#", "rekan-tidak-bebas"),
        ("*6#", "penyelia-tidak-ada"),
        ("*2#", "tidak-bisa-sekarang"),
        ("*3#", "tidak-bisa-sekarang"),
        ("*5#", "tidak-bisa-sekarang"),
        ("*4#", "instansi-belum-menjawab"),
    ],
)
def test_a_code_that_means_nothing_now_is_refused_to_the_operator_alone(
    keys: str, told: str
) -> None:
    story = talking()
    operator = story.operator

    story.presses(keys, operator)

    [prompt] = of(story.effects, PlayPrompt)
    assert (prompt.target, prompt.prompt) == (operator, told)
    assert requests(story.effects) == [prompt]
    assert story.facts(FactKind.CODE_REFUSED) == [{"agent": "2001", "reason": told}]
    assert story.phase() is Phase.TALKING


def test_a_code_may_be_pressed_slowly() -> None:
    story = talking()
    for key in "*119#":
        story.presses(key, story.operator)
        story.after(5)
    assert story.phase() is Phase.CONSULT_RINGING


def test_our_answer_to_the_caller_counts_although_the_operator_was_faster() -> None:
    story = waiting()
    story.answers(story.operator)
    before = len(story.facts(FactKind.CALL_ANSWERED))

    story.answers(CALL)

    assert len(story.facts(FactKind.CALL_ANSWERED)) == before + 1
    assert of(story.effects, HangUp) == []


def test_a_stranger_who_answers_during_a_call_is_hung_up() -> None:
    story = talking()

    story.answers(f"{CALL}~op9")
    assert story.effects == [HangUp(operator_leg(CALL, 9))]
    story.answers(story.operator)

    assert story.effects == []


@pytest.mark.parametrize("leg", ["caller", "agency"])
def test_after_a_handover_either_side_ends_the_call(leg: str) -> None:
    story = handed_over()
    agency = story.agency

    story.gone(CALL if leg == "caller" else agency)

    assert story.call.termination == Termination(Result.SUCCESS, "completed", Role(leg))
    assert of(story.effects, HangUp) == [HangUp(agency if leg == "caller" else story.call.caller)]


def test_a_caller_whose_agency_was_cut_off_is_ours_again() -> None:
    story = handed_over(phones=("2001", "2002"))

    story.gone(story.agency, 38)

    assert story.phase() is Phase.WAITING
    assert story.call.priority == 9
    assert story.rung.address == "2002"
    assert of(story.effects, HangUp) == []
    assert story.hears[CALL] == ["mohon-tunggu"]


def test_a_stranger_that_goes_after_a_handover_changes_nothing() -> None:
    story = handed_over()

    story.gone(f"{CALL}~op9", 127)

    assert story.effects == []
