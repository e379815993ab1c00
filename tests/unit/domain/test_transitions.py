"""The two tables leave nothing out, and no event whatever drops a caller."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator

import pytest

from ess_pbx.domain.agent import TABLE as AGENT_TABLE
from ess_pbx.domain.agent import AgentEvent, AgentState, Seat, Verdict
from ess_pbx.domain.call import Phase
from ess_pbx.domain.calling_back import PHASES as CALLED_BACK
from ess_pbx.domain.commands import Asker, Mode, Via
from ess_pbx.domain.effects import HangUp, Illegal, Record
from ess_pbx.domain.events import (
    CALL_EVENTS,
    CallBackDue,
    CallBackWithdrawn,
    CallEvent,
    Hurried,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegHeld,
    LegRang,
    LegUnheld,
    OfferMade,
    OfferWithdrawn,
    OperatorsMissing,
    PlaybackBegan,
    PlaybackEnded,
    SpeechBegan,
    SpeechEnded,
    StoodStill,
    Stopping,
    StreamRestarted,
    SupervisionAsked,
    SupervisionStopped,
    TimerFired,
    TimerId,
    TransferAsked,
)
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.ids import LegId, PlaybackId, agency_leg, operator_leg, playback
from ess_pbx.domain.transitions import TABLE, illegal, unwanted_offer

from .centre import CALL, CALLER, arrival, of
from .given import PHASES, waiting
from .story import Story

pytestmark = pytest.mark.no_cover
"""Every event in every phase: being watched at that takes as long as the core's other tests."""

GHOST = operator_leg(CALL, 99)
KEYED_TIMERS = ("ring", "overflow", "called")
TIMERS = (
    *("menu", "ring", "comfort", "agency", "callback", "ladder", "release", "silence"),
    "of-a-later-version",
)
CAUSES = (0, 16, 17, 19, 127)
BY = Asker("penyelia", Via.API)


def test_every_event_class_is_in_the_list_of_call_events() -> None:
    # By name: a dataclass with slots leaves the class that it was made from behind for a while.
    names = [event.__name__ for event in CALL_EVENTS]
    assert set(names) == {event.__name__ for event in CallEvent.__subclasses__()}
    assert len(names) == len(set(names))


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", CALL_EVENTS)
def test_every_phase_has_a_handler_for_every_event(phase: Phase, event: type[CallEvent]) -> None:
    handler = TABLE[phase][event]
    assert inspect.isfunction(handler)
    assert len(inspect.signature(handler).parameters) == 2


@pytest.mark.parametrize("state", AgentState)
@pytest.mark.parametrize("event", AgentEvent)
def test_every_state_of_an_agent_has_an_outcome_for_every_event(
    state: AgentState, event: AgentEvent
) -> None:
    outcome = AGENT_TABLE[state][event]
    seat = Seat("2001", (), state)

    assert isinstance(outcome, AgentState | Verdict)
    assert seat.apply(event) is isinstance(outcome, AgentState)
    assert seat.state == (state if isinstance(outcome, Verdict) else outcome)


def test_the_tables_hold_nothing_else() -> None:
    assert set(TABLE) == set(Phase)
    assert all(set(row) == set(CALL_EVENTS) for row in TABLE.values())
    assert set(AGENT_TABLE) == set(AgentState)
    assert all(set(row) == set(AgentEvent) for row in AGENT_TABLE.values())


def test_there_is_a_story_for_every_phase_a_call_is_found_in() -> None:
    assert set(PHASES) == set(Phase) - {Phase.ARRIVING}


@pytest.mark.parametrize("phase", PHASES)
def test_each_story_leads_to_its_phase(phase: Phase) -> None:
    assert PHASES[phase]().call.phase is phase


def test_an_illegal_event_is_reported_and_changes_nothing() -> None:
    story = waiting()
    before = story.call

    story.arrives()

    assert story.effects == [Illegal(CALL, "waiting", "Arrived")]
    assert story.call == before


@pytest.mark.parametrize("phase", [p for p in Phase if TABLE[p][OfferMade] is unwanted_offer])
def test_an_offer_of_a_call_that_does_not_wait_gives_the_operator_back(phase: Phase) -> None:
    if phase is Phase.ARRIVING:
        return
    story = PHASES[phase]()
    before = story.call

    story.feed(OfferMade(CALL, "2002"))

    assert of(story.effects, Illegal) == [Illegal(CALL, phase.value, "OfferMade")]
    assert story.call == before
    assert story.core.acd.waiting == {}


@pytest.mark.parametrize("phase", Phase)
def test_a_second_arrival_is_illegal_once_a_call_has_arrived(phase: Phase) -> None:
    assert (TABLE[phase][type(arrival())] is illegal) is (phase is not Phase.ARRIVING)


def plausible(story: Story) -> Iterator[CallEvent]:
    """Every kind of event with ids of now, of earlier, and of things that never were."""
    call = story.call
    legs = [*call.legs, *(LegId(f"{CALL}~op{n}") for n in range(1, call.made_legs + 2))]
    legs += [agency_leg(CALL, n) for n in range(1, call.made_legs + 2)] + [GHOST]
    playbacks = [playback(CALL, n) for n in range(call.made_playbacks + 2)]
    yield arrival()
    yield arrival(known_number=False, trunk=None, caller_e164=None)
    for leg in dict.fromkeys(legs):
        yield LegRang(CALL, leg)
        yield LegAnswered(CALL, leg)
        yield from (LegGone(CALL, leg, cause) for cause in CAUSES)
        yield from (KeyPressed(CALL, leg, key) for key in "0123456789*#ABCD")
        yield from (SpeechBegan(CALL, leg), SpeechEnded(CALL, leg))
    for each in (*playbacks, PlaybackId("")):
        yield PlaybackBegan(CALL, each)
        yield PlaybackEnded(CALL, each)
    yield from (TimerFired(CALL, TimerId(CALL, kind)) for kind in TIMERS)
    for leg in dict.fromkeys(legs):
        yield from (TimerFired(CALL, TimerId(CALL, kind, leg)) for kind in KEYED_TIMERS)
        yield LegHeld(CALL, leg)
        yield LegUnheld(CALL, leg)
        for to in ("119", "2002", "08123"):
            yield TransferAsked(CALL, leg, to)
        yield TransferAsked(CALL, leg, "", attended=True)
        yield TransferAsked(CALL, leg, "", refused=True)
    yield Hurried(CALL)
    yield StoodStill(CALL)
    yield OfferMade(CALL, "2002")
    yield OfferWithdrawn(CALL, "2002", "break")
    yield OperatorsMissing(CALL)
    yield Stopping(CALL)
    yield CallBackDue(CALL, "2002", "t", "+628", "08", "medis", "medis", 5, "id", "telco-a", "ess1")
    yield CallBackWithdrawn(CALL, "redialled")
    yield SupervisionAsked(CALL, "2003", Mode.BARGE, BY)
    yield SupervisionStopped(CALL, BY)
    yield from (StreamRestarted(CALL, leg) for leg in dict.fromkeys(legs))


def ends_the_call(story: Story, event: CallEvent) -> bool:
    """Whether it is a party hanging up on purpose, the caller going anyhow, or our stopping."""
    call = story.call
    if isinstance(event, Stopping):
        return True
    if not isinstance(event, LegGone):
        return False
    if event.leg == call.caller:
        return True
    other = call.operator if call.phase is Phase.TALKING else call.agency
    ending = call.phase in (Phase.TALKING, Phase.HANDED_OVER)
    return ending and other is not None and event.leg == other.leg and event.cause == 16


@pytest.mark.parametrize("phase", PHASES)
def test_no_event_raises_or_drops_a_caller(phase: Phase) -> None:
    story = PHASES[phase]()
    events = list(plausible(story))
    assert {type(event) for event in events} == set(CALL_EVENTS)
    for event in events:
        after = copy.deepcopy(story)

        after.feed(event)

        ends = [fact for fact in of(after.all, Record) if fact.kind is FactKind.CALL_ENDED]
        if phase in CALLED_BACK:
            assert len(ends) <= 1, event  # nobody is there yet who could be dropped
            continue
        over = phase is Phase.ENDED or ends_the_call(story, event)
        if not over:
            assert HangUp(CALLER) not in after.effects, event
            assert after.phase() is not Phase.ENDED, event
            assert after.call.caller in after.call.legs, event
        assert len(ends) == over, event


@pytest.mark.parametrize("phase", PHASES)
def test_two_stale_events_in_a_row_raise_nothing_either(phase: Phase) -> None:
    story = PHASES[phase]()
    for event in plausible(story):
        after = copy.deepcopy(story)
        after.feed(event)
        if CALL not in after.core.calls:
            continue
        for second in (LegGone(CALL, GHOST, 16), LegAnswered(CALL, GHOST), event):
            after.feed(second)
            if not isinstance(second, LegGone) and phase not in {Phase.ENDED, *CALLED_BACK}:
                assert HangUp(CALLER) not in after.effects


@pytest.mark.parametrize("phase", PHASES)
def test_every_fact_has_the_fields_that_its_kind_says(phase: Phase) -> None:
    story = PHASES[phase]()
    for event in plausible(story):
        after = copy.deepcopy(story)
        after.feed(event)
        for record in of(after.all, Record):
            fact = Fact(
                id="1", centre="c", call=record.call, kind=record.kind, at=0, ms=0, data=record.data
            )
            assert fields_differ(fact) is None
