"""Callers whom nobody answered are called back: who, when, by whom, and never before a caller."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Direction, Phase
from ess_pbx.domain.call_backs import CallBack
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Asker, CallBackNow, CloseCallBack, Command, Via
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    ArmTimer,
    HangUp,
    Join,
    Originate,
    PlayPrompt,
    Record,
    Refused,
    Role,
    Sound,
    StartSound,
    StopSound,
)
from ess_pbx.domain.events import ClockRead, LegGone, Stopping, TimerId
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId, caller_leg, is_call_back

from .centre import CALL, CALLER, NO_MENU, OTHER, POLICY, of, requests
from .story import Story

K = FactKind
NUMBER, OTHER_NUMBER = "+628123456789", "+628111111111"
NINE = datetime(2026, 1, 1, 9)
SUPERVISOR = Asker("penyelia", Via.API)


def a_centre(**policy: Any) -> Centre:
    return replace(NO_MENU, policy=replace(POLICY, **({"call_back": True} | policy)))


def given(phones: Iterable[str] = (), **policy: Any) -> Story:
    return Story(a_centre(**policy), phones)


def time_passes(story: Story, seconds: float) -> None:
    """With the clock read every five seconds, as the engine does."""
    until = story.now + seconds
    while story.now < until:
        story.after(min(5.0, until - story.now))
        reads_clock(story)


def reads_clock(story: Story) -> None:
    wall = 1_767_258_000.0 - 1000.0 + story.now
    story.feed(ClockRead(NINE, wall=wall))


def when_abandons(
    story: Story, call: CallId = CALL, waits: float = 10.0, cause: int = 16, **changes: Any
) -> None:
    story.arrives(call, **({"callable": True} | changes))
    story.answers(call)
    time_passes(story, waits)
    story.gone(call, cause)


def abandoned(phones: Iterable[str] = (), **policy: Any) -> Story:
    """A caller left after ten seconds, while nobody was there; then these phones come."""
    story = given(**policy)
    when_abandons(story)
    for phone in phones:
        story.phone(phone)
    return story


def the_task(story: Story) -> CallBack:
    (task,) = story.core.call_backs.open.values()
    return task


def made(story: Story) -> CallId:
    """The call that the centre makes now."""
    (call,) = (each.id for each in story.core.calls.values() if is_call_back(each.id))
    return call


def picks_up(story: Story, call: CallId | None = None) -> CallId:
    """The operator who is offered the call-back."""
    call = call or made(story)
    (offer,) = story.core.calls[call].offers
    story.answers(offer.leg)
    return call


def rung(story: Story) -> list[str]:
    """The operators whose phones were rung for a call-back, in order."""
    rings = of(story.all, Originate)
    return [each.address for each in rings if is_call_back(each.call) and each.role == "operator"]


def outcomes(story: Story) -> list[str]:
    return [fact["outcome"] for fact in story.facts(K.CALL_BACK_ATTEMPTED)]


def closings(story: Story) -> list[str]:
    return [fact["outcome"] for fact in story.facts(K.CALL_BACK_CLOSED)]


# who is called back


def test_a_caller_who_left_after_a_while_is_to_be_called_back() -> None:
    story = abandoned()
    task = the_task(story)
    assert (task.id, task.caller_e164, task.why, task.category) == (
        *(CALL, NUMBER),
        *("abandoned", "lainnya"),
    )
    assert task.due == pytest.approx(1_767_258_010.0)


def test_a_caller_who_left_at_once_is_not() -> None:
    story = given()
    when_abandons(story, waits=4.0)
    assert story.core.call_backs.open == {}


def test_whoever_was_answered_and_hung_up_is_not() -> None:
    story = given(["2001"])
    story.arrives(callable=True)
    story.answers(CALLER)
    story.answers(story.operator)
    time_passes(story, 30)
    story.gone(CALL)
    assert story.core.call_backs.open == {}


@pytest.mark.parametrize("talking", [True, False])
def test_whoever_is_cut_off_is_called_back_first_however_short_it_was(talking: bool) -> None:
    story = given(["2001"])
    story.arrives(callable=True)
    story.answers(CALLER)
    if talking:
        story.answers(story.operator)
    story.gone(CALL, 38)
    assert (the_task(story).why, the_task(story).priority) == ("cut off", 9)


def test_calls_that_end_because_asterisk_is_stopped_are_called_back() -> None:
    story = given()
    story.arrives(callable=True)
    story.feed(Stopping(CALL))
    assert the_task(story).why == "cut off"


def test_nobody_is_called_back_where_that_is_switched_off() -> None:
    story = given(call_back=False)
    when_abandons(story)
    assert story.core.call_backs.open == {}


def test_a_number_that_cannot_be_called_is_listed_with_the_reason_and_never_rung() -> None:
    story = given()
    when_abandons(story, callable=False, caller_e164=None, number_fault="withheld")
    story.phone("2001")
    time_passes(story, 600)
    assert (the_task(story).not_callable, the_task(story).due) == ("withheld", None)
    assert rung(story) == []


def test_calls_of_one_number_are_one_task() -> None:
    story = given()
    for call in (CALL, OTHER):
        story.arrives(call, callable=True)
        story.answers(call)
    time_passes(story, 10)
    story.gone(CALL)
    story.gone(OTHER, 38)
    assert (the_task(story).calls, the_task(story).priority) == ((OTHER,), 9)


# how


def test_the_operator_is_rung_then_the_caller_through_the_trunk_of_their_call() -> None:
    story = abandoned(["2001"])
    call = made(story)
    offered = of(story.effects, Originate)[0]
    assert (offered.address, offered.number) == ("2001", NUMBER)
    assert offered.name == "Telepon balik Lainnya"

    picks_up(story)
    wanted = requests(story.effects)
    dialled = wanted[0]
    assert isinstance(dialled, Originate)
    assert (dialled.role, dialled.address, dialled.trunk) == (Role.CALLER, NUMBER, "telco-a")
    assert dialled.leg == caller_leg(call)
    assert of(wanted, StartSound) == [StartSound(LegId(f"{call}~op1"), Sound.RING)]
    assert of(wanted, Join) == []
    assert story.core.calls[call].phase is Phase.CALLING_BACK


def test_whoever_answers_talks_with_the_operator_in_a_call_like_any_other() -> None:
    story = abandoned(["2001"])
    call = picks_up(story)
    leg = caller_leg(call)
    story.answers(leg)

    state = story.core.calls[call]
    assert (state.phase, state.direction, state.earlier) == (Phase.TALKING, Direction.OUT, CALL)
    operator = LegId(f"{call}~op1")
    both = [Join(state.bridge, (leg,)), Join(state.bridge, (operator,))]
    assert of(story.effects, Join) == both
    assert StopSound(operator, Sound.RING) in story.effects
    assert (outcomes(story), closings(story)) == (["reached"], ["reached"])
    assert story.core.call_backs.open == {}

    assert state.operator is not None
    story.presses("*119#", state.operator.leg)
    assert story.core.calls[call].phase is Phase.CONSULT_RINGING
    story.gone(leg)
    assert story.core.acd.seats["2001"].state is AgentState.WRAP_UP


@pytest.mark.parametrize(
    ("cause", "outcome", "prompt"),
    [
        (17, "busy", "telepon-balik-sibuk"),
        (19, "no answer", "telepon-balik-tidak-dijawab"),
        (21, "refused", "telepon-balik-ditolak"),
        (1, "unreachable", "telepon-balik-gagal"),
    ],
)
def test_the_operator_hears_why_and_is_free_at_once(cause: int, outcome: str, prompt: str) -> None:
    story = abandoned(["2001"])
    call = picks_up(story)
    story.gone(caller_leg(call), cause)

    (spoken,) = of(story.effects, PlayPrompt)
    assert (spoken.target, spoken.in_bridge, spoken.prompt) == (f"{call}~op1", False, prompt)
    assert outcomes(story) == [outcome]
    story.played(spoken.playback)
    assert story.core.acd.seats["2001"].state is AgentState.IDLE
    assert of(story.effects, HangUp) == [HangUp(LegId(f"{call}~op1"))]


def test_a_phone_that_rings_on_is_given_up() -> None:
    story = abandoned(["2001"], call_back_ring=30.0)
    call = picks_up(story)
    story.after(30)
    assert HangUp(caller_leg(call)) in story.effects
    assert outcomes(story) == ["no answer"]


def test_the_operator_is_free_even_if_the_explanation_never_ends() -> None:
    story = abandoned(["2001"])
    call = picks_up(story)
    story.gone(caller_leg(call), 17)
    story.after(15)
    assert story.core.acd.seats["2001"].state is AgentState.IDLE


def test_a_caller_who_answers_while_the_operator_left_is_tried_again() -> None:
    story = abandoned(["2001"])
    call = picks_up(story)
    story.gone(f"{call}~op1")
    assert HangUp(caller_leg(call)) in story.effects
    assert outcomes(story) == ["operator left"]
    assert the_task(story).failed == 0


# when


def test_attempts_follow_the_schedule_until_the_caller_counts_as_unreachable() -> None:
    story = abandoned(["2001"], call_back_delays=(0.0, 120.0, 600.0))
    times: list[float] = []
    for _ in range(3):
        while not of(story.effects, ArmTimer) or not rung(story)[len(times) :]:
            time_passes(story, 5)
        times.append(story.now)
        call = picks_up(story)
        story.gone(caller_leg(call), 17)
        (spoken,) = of(story.effects, PlayPrompt)
        story.played(spoken.playback)
        story.gone(f"{call}~op1")
    first, second, third = times
    assert 120 <= second - first <= 130
    assert 600 <= third - second <= 610
    assert closings(story) == ["unreachable"]
    assert story.core.call_backs.open == {}


def test_a_task_expires() -> None:
    story = abandoned(call_back_expires=0.5)
    time_passes(story, 1790)
    assert closings(story) == []
    time_passes(story, 15)
    assert closings(story) == ["expired"]


def test_the_most_urgent_is_called_first_then_the_oldest() -> None:
    story = given()
    for n, (number, cause) in enumerate((("+62811", 16), ("+62812", 16), ("+62813", 38))):
        when_abandons(story, CallId(f"ess1-1.{n}"), cause=cause, caller_e164=number)
    story.phone("2001")
    order = []
    for _ in range(3):
        call = made(story)
        order.append(story.core.calls[call].number)
        picks_up(story)
        story.gone(caller_leg(call), 17)
        (spoken,) = of(story.effects, PlayPrompt)
        story.played(spoken.playback)
        story.gone(f"{call}~op1")
    assert order == ["+62813", "+62811", "+62812"]


# callers first


def test_nobody_is_called_back_while_a_caller_waits() -> None:
    story = given()
    when_abandons(story)
    story.arrives(OTHER, caller_e164=OTHER_NUMBER)
    story.phone("2001")
    story.phone("2002")  # idle, while the caller's offer rings at the other
    assert rung(story) == []
    picks_up(story, OTHER)
    assert rung(story) == ["2002"]


def test_a_caller_takes_the_operator_whose_phone_only_rings_for_a_call_back() -> None:
    story = abandoned(["2001"])
    call = made(story)
    story.arrives(OTHER, caller_e164=OTHER_NUMBER)

    wanted = requests(story.effects)
    rings = [e for e in wanted if isinstance(e, Originate)]
    assert [(each.address, each.call) for each in rings] == [("2001", OTHER)]
    assert wanted.index(HangUp(LegId(f"{call}~op1"))) < wanted.index(rings[0])
    assert story.core.acd.seats["2001"].call == OTHER
    assert (outcomes(story), the_task(story).attempts) == ([], ())


def test_a_caller_takes_no_operator_from_a_call_back_while_another_is_idle() -> None:
    story = abandoned(["2001"])
    story.phone("2002")
    story.arrives(OTHER, caller_e164=OTHER_NUMBER)
    assert of(story.effects, Originate)[0].address == "2002"
    assert made(story)


def test_a_caller_takes_no_operator_who_has_picked_up() -> None:
    story = abandoned(["2001"])
    picks_up(story)
    story.arrives(OTHER, caller_e164=OTHER_NUMBER)
    assert of(story.effects, Originate) == []


def test_an_operator_who_declines_is_passed_over_without_a_pause_and_it_is_no_attempt() -> None:
    story = abandoned(["2001"])
    story.gone(f"{made(story)}~op1", 21)
    seat = story.core.acd.seats["2001"]
    assert (seat.state, seat.missed, outcomes(story)) == (AgentState.IDLE, 0, [])
    time_passes(story, 55)
    assert rung(story) == ["2001"]
    time_passes(story, 10)
    assert rung(story) == ["2001", "2001"]


def test_the_next_operator_is_rung_at_once_when_one_does_not_answer() -> None:
    story = abandoned(["2001", "2002"])
    assert rung(story) == ["2001"]
    story.after(POLICY.ring)
    assert rung(story) == ["2001", "2002"]
    assert story.core.acd.seats["2001"].state is AgentState.PAUSED
    assert outcomes(story) == []


# the caller calls again


def test_a_redial_closes_the_task_and_links_the_calls() -> None:
    story = abandoned()
    story.arrives(OTHER, callable=True)
    assert story.facts(K.CALL_LINKED) == [{"earlier": CALL}]
    assert closings(story) == ["redialled"]
    assert story.core.calls[OTHER].earlier == CALL


def test_a_redial_takes_the_operator_back_who_was_to_call() -> None:
    story = abandoned(["2001"])
    picks_up(story)
    call = made(story)
    story.arrives(OTHER, callable=True)
    assert HangUp(caller_leg(call)) in story.effects
    assert of(story.effects, Originate)[-1].call == OTHER
    assert (outcomes(story), closings(story)) == ([], ["redialled"])


def test_whoever_redials_and_leaves_at_once_is_to_be_called_back_still() -> None:
    story = abandoned()
    when_abandons(story, OTHER, waits=1.0)
    assert the_task(story).id == OTHER


# what people ask for


def refusal(story: Story, command: Command) -> str | None:
    refused = of(story.feed(command), Refused)
    return refused[0].code if refused else None


def test_a_person_may_have_it_done_now_by_somebody_of_their_choice() -> None:
    story = abandoned(["2001", "2002"], call_back_delays=(3600.0,))
    assert rung(story) == []
    assert refusal(story, CallBackNow(SUPERVISOR, CALL, "2002")) is None
    assert rung(story) == ["2002"]
    (asked,) = story.facts(K.CALL_BACK_ASKED)
    assert (asked["by"], asked["via"]) == ("penyelia", "api")


def test_what_cannot_be_done_now_is_refused_with_the_reason() -> None:
    story = abandoned(["2001"])
    for code, command in (
        ("unknown-call-back", CallBackNow(SUPERVISOR, "ess1-9.9")),
        ("unknown-call-back", CloseCallBack(SUPERVISOR, "ess1-9.9", "")),
        ("already-calling", CallBackNow(SUPERVISOR, CALL)),
        ("unknown-operator", CallBackNow(SUPERVISOR, CALL, "9999")),
    ):
        assert refusal(story, command) == code
    story.gone(f"{made(story)}~op1", 21)
    assert refusal(story, CallBackNow(SUPERVISOR, CALL, "2002")) == "operator-busy"
    story.arrives(OTHER, caller_e164=OTHER_NUMBER)
    assert refusal(story, CallBackNow(SUPERVISOR, CALL, "2001")) == "callers-waiting"
    assert refusal(story, CallBackNow(SUPERVISOR, CALL)) is None
    assert len(rung(story)) == 1


def test_a_number_that_cannot_be_called_cannot_be_called_now_either() -> None:
    story = given()
    when_abandons(story, callable=False, caller_e164=None, number_fault="absent")
    assert refusal(story, CallBackNow(SUPERVISOR, CALL)) == "not-callable"


def test_a_person_closes_a_task_with_a_reason_and_its_offer_is_withdrawn() -> None:
    story = abandoned(["2001"])
    call = made(story)
    assert refusal(story, CloseCallBack(SUPERVISOR, CALL, "sudah ditangani")) is None
    (closed,) = story.facts(K.CALL_BACK_CLOSED)
    assert (closed["outcome"], closed["reason"]) == ("closed", "sudah ditangani")
    assert (closed["by"], closed["via"]) == ("penyelia", "api")
    assert HangUp(LegId(f"{call}~op1")) in story.effects
    assert story.core.acd.seats["2001"].state is AgentState.IDLE


# restarts


def told(story: Story) -> list[Fact]:
    return [
        Fact(id=str(n), centre="c", call=r.call, kind=r.kind, at=1.0, ms=None, data=r.data)
        for n, r in enumerate(of(story.all, Record))
    ]


@pytest.mark.parametrize("checkpoint", [True, False])
def test_tasks_survive_a_restart_and_an_attempt_in_flight_counts_as_failed(
    checkpoint: bool,
) -> None:
    story = abandoned(["2001"])
    picks_up(story)
    before = story.core.call_backs
    assert the_task(story).dialling is not None

    core = CallCentre(story.core.config)
    facts = told(story)
    if checkpoint:
        record = story.core.checkpoint()
        facts = [
            Fact(id="c", centre="c", call=None, kind=record.kind, at=1.0, ms=None, data=record.data)
        ]
    for fact in facts:
        core.recall(fact)
    assert (core.call_backs.started, core.call_backs.open.keys()) == (1, before.open.keys())

    # The call may still go on: only when Asterisk has said that it does not is it settled.
    effects = core.decide(ClockRead(NINE), 0.0)
    assert K.CALL_BACK_ATTEMPTED not in [e.kind for e in of(effects, Record)]
    effects = core.decide(AsteriskFound(legs={}, bridges={}, wall=core.wall(0.0)), 0.0)
    (tried,) = [e for e in of(effects, Record) if e.kind is K.CALL_BACK_ATTEMPTED]
    assert (tried.data["outcome"], tried.data["attempt"]) == ("engine restarted", 1)
    (task,) = core.call_backs.open.values()
    assert (task.dialling, task.failed) == (None, 1)
    assert core.call_backs.of_number(NUMBER) == task


def test_a_late_answer_after_all_is_over_is_hung_up() -> None:
    story = abandoned(["2001"])
    call = picks_up(story)
    story.after(40)
    story.answers(caller_leg(call))
    assert HangUp(caller_leg(call)) in story.effects
    assert outcomes(story) == ["no answer"]
    story.feed(LegGone(call, caller_leg(call), 16))
    assert TimerId(call, "callback") in story.timers
