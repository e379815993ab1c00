"""Parties outlive the engine: what the next one makes of several agencies, colleagues and hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import OperatorSide, Phase, Standing
from ess_pbx.domain.call_memory import TORN_OFF
from ess_pbx.domain.effects import (
    CreateBridge,
    HangUp,
    Join,
    Originate,
    Part,
    Sound,
    StartMusic,
    StartSound,
    StopMusic,
    StopPlayback,
)
from ess_pbx.domain.events import KeyPressed, LegGone
from ess_pbx.domain.ids import LegId, aside_of

from .centre import CALL, CALLER, of
from .given import consult, held
from .story import Story
from .takeover import Takeover
from .test_parties import leg_of, with_operator, with_police_and_ambulance

RINGS = (Standing.RINGING, Standing.CALLED)


def next_engine(story: Story, torn: int = 0, gone: tuple[str, ...] = ()) -> Takeover:
    """Another engine, which finds everybody where the one before left them."""
    call = story.call
    ringing = {each.leg for each in (*call.standing(*RINGS), *call.overflows)}
    legs = [leg for leg in call.legs if leg not in gone]
    rooms = {leg: room for leg, room in call.rooms.items() if leg not in gone}
    return Takeover(story, torn).finds(
        *(leg for leg in legs if leg not in ringing),
        ringing=[leg for leg in legs if leg in ringing],
        bridged=[leg for leg in rooms if rooms[leg] == call.bridge],
        aside=[leg for leg in rooms if rooms[leg] == call.aside],
        phones={"2001": True, "2002": True, "2009": True},
    )


def moved(new: Takeover) -> list[object]:
    """All that people would notice."""
    return [each for each in new.effects if isinstance(each, Join | Part | HangUp | Originate)]


def test_the_ambulance_stays_with_the_caller_and_the_police_with_the_operator() -> None:
    story = with_police_and_ambulance()

    new = next_engine(story)

    call = new.core.calls[CALL]
    assert (call.phase, call.rooms) == (Phase.CONSULT, story.call.rooms)
    assert [(party.name, party.standing) for party in call.parties] == [
        ("psc", Standing.JOINED),
        ("polres", Standing.CONSULTED),
    ]
    assert moved(new) == []
    assert StartMusic(CALLER) not in new.effects


def test_a_conference_of_four_begins_from_where_the_engine_before_was() -> None:
    story = with_police_and_ambulance()
    new = next_engine(story)

    for key in "*3#":
        new.effects = new.core.decide(KeyPressed(CALL, story.operator, key), new.now)

    assert new.phase is Phase.CONFERENCE
    assert set(new.core.calls[CALL].rooms) == set(story.call.legs)
    police = leg_of(story, "polres")
    assert {leg for join in of(new.effects, Join) for leg in join.legs} == {story.operator, police}


def test_who_was_on_hold_is_and_the_operator_takes_them_up_again() -> None:
    story = consult()
    story.presses("*2#", story.operator)
    agency = story.agency

    new = next_engine(story)

    assert new.phase is Phase.TALKING
    assert [party.standing for party in new.core.calls[CALL].parties] == [Standing.HELD]
    assert of(new.effects, StartMusic) == [StartMusic(agency)]
    for key in "*2#":
        new.effects = new.core.decide(KeyPressed(CALL, story.operator, key), new.now)
    assert of(new.effects, StopMusic) == [StopMusic(agency)]
    assert set(new.core.calls[CALL].rooms) == {story.operator, agency}


def test_a_caller_on_hold_hears_music_until_they_are_taken_back() -> None:
    story = held()

    new = next_engine(story)

    assert new.phase is Phase.HELD
    assert StartMusic(CALLER) in new.effects
    for key in "*0#":
        new.effects = new.core.decide(KeyPressed(CALL, story.operator, key), new.now)
    assert new.core.calls[CALL].phase is Phase.TALKING
    assert StopMusic(CALLER) in new.effects


def test_the_second_contact_rings_on_and_the_third_comes_after_it() -> None:
    story = with_operator()
    story.presses("*113#", story.operator)
    story.gone(story.agency, 17)  # the office is closed: the third contact rings
    third = story.agency
    assert story.call.parties[-1].contact == 2

    new = next_engine(story)

    assert new.phase is Phase.CONSULT_RINGING
    assert new.armed("agency") == 30
    assert of(new.effects, StartSound) == [StartSound(story.operator, Sound.RING)]
    new.effects = new.core.decide(LegGone(CALL, third, 17), new.now)
    assert [ring.address for ring in of(new.effects, Originate)] == ["2002"]
    assert new.core.acd.seats["2002"].state is AgentState.TALKING


def test_a_colleague_who_is_consulted_is_no_operator_for_others() -> None:
    story = with_operator(("2001", "2002"))
    story.presses("*92002#", story.operator)
    story.answers(story.agency)

    new = next_engine(story)

    assert new.phase is Phase.CONSULT
    seats = new.core.acd.seats
    assert (seats["2002"].state, seats["2002"].call) == (AgentState.TALKING, CALL)
    new.effects = new.core.decide(LegGone(CALL, story.operator, 16), new.now)
    call = new.core.calls[CALL]
    assert call.operator == OperatorSide("2002", story.agency)
    assert set(call.rooms) == {CALLER, story.agency}


@pytest.mark.parametrize("torn", range(5))
def test_a_colleague_of_whom_the_facts_are_torn_off_is_seen_in_the_bridge(torn: int) -> None:
    story = with_operator(("2001", "2002"))
    story.presses("*92002#", story.operator)
    colleague = story.agency
    story.answers(colleague)
    call = story.call
    new = Takeover(story, torn)
    legs = {leg: new._leg(leg, True) for leg in call.legs}
    legs[colleague] = type(legs[colleague])(True, "2002")

    new.finds(*(), legs=legs, aside=[story.operator, colleague], phones={"2002": True})

    assert new.phase is Phase.CONSULT
    assert [(each.name, each.seat) for each in new.core.calls[CALL].parties] == [("2002", "2002")]
    assert moved(new) == []
    assert new.core.acd.seats["2002"].call == CALL


@pytest.mark.parametrize("torn", range(4))
def test_a_supervisor_whose_phone_rings_joins_when_they_answer(torn: int) -> None:
    story = with_operator(("2001", "2009"))
    story.presses("*6#", story.operator)
    (party,) = story.call.standing(Standing.CALLED)

    new = next_engine(story, torn)

    if not torn:
        assert new.armed("called") is not None
        assert moved(new) == []
    else:
        # Nobody knows of what it rings for any more.
        assert HangUp(party.leg) in new.effects or new.armed("called") is not None
    assert new.phase is Phase.TALKING
    busy = [each.extension for each in new.core.acd.seats.values() if each.call]
    assert busy == (["2001"] if HangUp(party.leg) in new.effects else ["2001", "2009"])


def test_a_blind_transfer_goes_on_and_nobody_answering_the_caller_is_first_in_the_queue() -> None:
    story = with_operator()
    operator = story.operator
    story.presses("*8119#", operator)
    story.gone(operator)

    new = next_engine(story)
    assert new.phase is Phase.BLIND_RINGING
    new.effects = new.core.decide(LegGone(CALL, story.agency, 17), new.now)

    call = new.core.calls[CALL]
    assert (call.phase, call.priority) == (Phase.WAITING, 9)


def test_an_agency_that_was_being_introduced_speaks_with_the_operator_at_once() -> None:
    story = consult()
    story.presses("*3#", story.operator)
    story.presses("*110#", story.operator)
    rings = story.agency
    new = Takeover(story).finds(
        *story.call.legs,
        bridged=[CALLER, leg_of(story, "psc")],
        aside=[story.operator],
    )
    assert new.phase is Phase.CONSULT
    assert new.core.calls[CALL].rooms[rings] == aside_of(CALL)


def several() -> Story:
    """A conference of four, out of which the operator speaks with the police aside again."""
    story = with_police_and_ambulance()
    story.presses("*3#", story.operator)
    return story


def left() -> Story:
    """The operator has left caller, ambulance and police."""
    story = several()
    story.presses("*4#", story.operator)
    return story


@pytest.mark.parametrize("torn", range(TORN_OFF + 2))
@pytest.mark.parametrize("given", [with_police_and_ambulance, several, left, consult])
def test_whatever_is_torn_off_nobody_who_talks_is_hung_up_or_alone(
    given: Callable[[], Story], torn: int
) -> None:
    story = given()
    rooms = story.call.rooms

    new = next_engine(story, torn)

    call = new.core.calls[CALL]
    assert not [each for each in of(new.effects, HangUp) if each.leg in rooms]
    assert call.phase is not Phase.ENDED
    alone = CALLER not in call.rooms
    assert alone is (call.music or call.playing is not None)
    inside = list(call.rooms.values())
    together = {leg for leg, room in call.rooms.items() if inside.count(room) > 1}
    held = {party.leg for party in call.standing(Standing.HELD)}
    operator = set() if call.operator is None else {call.operator.leg}
    assert set(rooms) - together - held - operator - {CALLER} == set()


def test_an_empty_bridge_aside_of_a_call_that_nobody_knows_is_deleted() -> None:
    new = Takeover(Story())
    new.finds(bridges={aside_of(CALL): frozenset[LegId]()})
    assert [type(each).__name__ for each in new.effects if "Bridge" in type(each).__name__] == [
        "DestroyBridge"
    ]


def test_a_cut_line_brings_everybody_back_to_where_they_belong() -> None:
    """The engine lived; of a consult beside a conference no request arrived."""
    story = with_police_and_ambulance()
    ambulance, police = leg_of(story, "psc"), leg_of(story, "polres")
    new = Takeover(story)
    new.core = story.core
    new.effects = []

    new.finds(*story.call.legs, bridged=[CALLER, story.operator, ambulance])

    assert of(new.effects, CreateBridge) == [CreateBridge(aside_of(CALL))]
    assert [(join.bridge, join.legs) for join in of(new.effects, Join)] == [
        (aside_of(CALL), (police,)),
        (aside_of(CALL), (story.operator,)),
    ]
    assert not of(new.effects, Part)
    assert not of(new.effects, StopPlayback)
