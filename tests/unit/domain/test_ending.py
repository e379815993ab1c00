"""The end: once, for one reason, and nothing is left."""

from __future__ import annotations

import copy

import pytest

from ess_pbx.domain.call import Phase, Result, Turn
from ess_pbx.domain.calling_back import PHASES as CALLED_BACK
from ess_pbx.domain.effects import DestroyBridge, Forget, HangUp, Role, StopMusic, StopPlayback
from ess_pbx.domain.ending import RELEASE_CHECK, end
from ess_pbx.domain.facts import FactKind

from .centre import CALL, CALLER, CENTRE, of, requests
from .given import PHASES, consult, ended, talking, waiting

ALIVE = [phase for phase in PHASES if phase not in {Phase.ENDED, *CALLED_BACK}]
"""Phases with a caller, whose leaving ends the call."""


@pytest.mark.parametrize("phase", ALIVE)
def test_whenever_the_caller_leaves_nothing_is_left(phase: Phase) -> None:
    story = PHASES[phase]()
    legs = list(story.call.legs)
    call = story.call
    bridges = [call.bridge] * call.bridged + [call.aside] * call.aside_made

    story.gone(CALL)
    assert {hung.leg for hung in of(story.effects, HangUp)} == set(legs) - {CALLER}
    for leg in legs[1:]:
        assert of(story.all, DestroyBridge) == []
        story.gone(leg)

    assert len(story.facts(FactKind.CALL_ENDED)) == 1
    assert of(story.all, DestroyBridge) == [DestroyBridge(each) for each in bridges]
    assert of(story.all, Forget) == [Forget(CALL)]
    assert story.core.calls == {}
    assert story.core.acd.waiting == {}
    assert {timer.owner for timer in story.timers} <= set(story.core.acd.seats)


@pytest.mark.parametrize("phase", ALIVE)
def test_nothing_plays_on_after_the_end(phase: Phase) -> None:
    story = PHASES[phase]()
    call = story.call

    story.gone(CALL)

    stopped = {stop.playback for stop in of(story.effects, StopPlayback)}
    assert stopped == {each for each in (call.playing, call.operator_hears) if each}
    assert bool(of(story.effects, StopMusic)) is call.music


def test_a_call_that_ended_ends_no_second_time() -> None:
    story = ended()
    turn = Turn(story.call, story.now, CENTRE)

    end(turn, Result.SERVER, "again", Role.OPERATOR, 16)

    assert turn.effects == []
    assert turn.call == story.call


def test_the_bridge_goes_after_the_last_leg_and_the_call_after_the_bridge() -> None:
    story = consult()
    operator, agency = story.operator, story.agency
    story.gone(CALL)

    story.gone(agency)
    assert requests(story.effects) == []
    story.gone(operator)

    kinds = [type(effect) for effect in story.effects]
    assert kinds.index(DestroyBridge) < kinds.index(Forget)


def test_legs_that_do_not_go_are_hung_up_again_and_again() -> None:
    story = ended()
    [operator] = story.call.legs

    for _ in range(3):
        story.after(RELEASE_CHECK + 0.01)
        assert of(story.effects, HangUp) == [HangUp(operator)]
    story.gone(operator, 20)

    assert of(story.effects, Forget) == [Forget(CALL)]
    assert story.armed("release") is None


def test_a_phone_picked_up_in_the_moment_of_the_end_is_hung_up() -> None:
    story = waiting()
    operator = story.operator
    story.gone(CALL)

    story.answers(operator)

    assert story.effects == [HangUp(operator)]


def test_who_hangs_up_second_does_not_change_the_reason() -> None:
    story = talking()
    operator = story.operator
    story.gone(operator)
    termination = story.call.termination

    after = copy.deepcopy(story)
    after.gone(operator)

    assert after.call.termination == termination
    story.gone(CALL)
    assert len(story.facts(FactKind.CALL_ENDED)) == 1
    assert story.facts(FactKind.CALL_ENDED)[0]["ended_by"] == "operator"


def test_every_leg_that_went_is_on_record_with_its_cause() -> None:
    story = ended()
    [operator] = story.call.legs

    story.gone(operator, 16)

    assert story.facts(FactKind.LEG_ENDED) == [
        {"leg": CALL, "role": "caller", "party": "+628123456789", "cause": 16},
        {"leg": operator, "role": "operator", "party": "2001", "cause": 16},
    ]


@pytest.mark.parametrize("cause", [0, 16, 38])
@pytest.mark.parametrize("phase", ALIVE)
def test_the_end_says_the_cause_of_the_leg_that_went(phase: Phase, cause: int) -> None:
    story = PHASES[phase]()

    story.gone(CALL, cause)

    assert story.facts(FactKind.CALL_ENDED)[0]["channel_cause"] == cause
