"""What the next engine makes of calls that ring all, climb the ladder, are silent or go out."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.domain import adoption, restoring
from ess_pbx.domain.absence import DialplanServed, ServedCall
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Call, Phase, Result
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.call_memory import KeptCall
from ess_pbx.domain.commands import Asker, TakeBreak, Via
from ess_pbx.domain.config import Rung
from ess_pbx.domain.effects import (
    Defect,
    HangUp,
    Join,
    Originate,
    Reach,
    Record,
    ToDialplan,
)
from ess_pbx.domain.events import ClockRead, DeskCallArrived
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.found import AsteriskFound, FoundLeg
from ess_pbx.domain.ids import CallId, LegId, bridge_of, call_back, caller_leg, operator_leg

from . import given
from .centre import CALL, CALLER, NO_MENU, OTHER, POLICY, arrival, of
from .story import Story
from .takeover import LATER, WALL, Takeover
from .test_centres import NOON, given_two
from .test_ladder import with_ladder
from .test_ring_all import ALL_AT_ONCE, ringing

K = FactKind


def with_policy(**changes: Any) -> Any:
    return replace(NO_MENU, policy=replace(POLICY, **changes))


# ring-all


def test_all_phones_that_ring_go_on_ringing_each_with_a_new_time() -> None:
    story = ringing()
    legs = [side.leg for side in story.call.offers]
    new = Takeover(story).finds(CALLER, ringing=legs)
    assert [side.leg for side in new.core.calls[CALL].offers] == legs
    seats = new.core.acd.seats
    assert [seats[each].state for each in ("2001", "2002", "2003")] == [AgentState.OFFERED] * 3
    assert of(new.effects, Originate) == []
    assert not [each for each in of(new.effects, HangUp) if each.leg in legs]
    assert new.armed("ring") == POLICY.ring


def test_of_several_who_picked_up_one_has_the_caller_and_the_others_are_hung_up() -> None:
    story = ringing()
    first, second, third = (side.leg for side in story.call.offers)
    new = Takeover(story).finds(CALLER, second, third, ringing=[first])
    assert new.phase is Phase.TALKING
    (joined,) = of(new.effects, Join)
    assert joined == Join(bridge_of(CALL), (CALLER, second))
    assert {each.leg for each in of(new.effects, HangUp)} == {first, third}


def test_who_came_free_meanwhile_joins_in_where_all_are_rung() -> None:
    story = ringing(ALL_AT_ONCE, "2001")
    phones = {"2001": True, "2002": True}
    new = Takeover(story).finds(CALLER, ringing=[story.operator], phones=phones)
    assert [each.address for each in of(new.effects, Originate)] == ["2002"]


# the ladder and overflow


def up_the_ladder() -> Story:
    rungs = (
        Rung(after=10, step="ring-all"),
        Rung(after=20, step="overflow", to="psc"),
        Rung(after=90, step="supervisors"),
    )
    story = given.waiting(with_ladder(*rungs), phones=())
    story.after(25)
    assert len(story.call.overflows) == 1
    return story


def test_steps_of_the_ladder_that_were_done_stay_done() -> None:
    story = up_the_ladder()
    (side,) = story.call.overflows
    new = Takeover(story).finds(CALLER, ringing=[side.leg], phones={})
    call = new.core.calls[CALL]
    assert (call.rungs, call.any_skills, call.reach) == (2, True, Reach.EVERYONE)
    assert call.overflows == (side,)
    assert new.armed("overflow") == POLICY.agency_ring
    assert new.armed("ladder") is not None
    assert HangUp(side.leg) not in new.effects


def test_an_agency_that_picked_up_meanwhile_has_the_caller() -> None:
    story = up_the_ladder()
    (side,) = story.call.overflows
    new = Takeover(story).finds(CALLER, side.leg, phones={})
    assert new.phase is Phase.HANDED_OVER
    assert of(new.effects, Join) == [Join(bridge_of(CALL), (CALLER, side.leg))]


@pytest.mark.parametrize("torn", [0, 1])
def test_who_talks_with_an_agency_by_overflow_goes_on(torn: int) -> None:
    story = up_the_ladder()
    (side,) = story.call.overflows
    story.answers(side.leg)
    new = Takeover(story, torn).finds(CALLER, side.leg, bridged=[CALLER, side.leg], phones={})
    assert new.phase is Phase.HANDED_OVER
    assert not of(new.effects, HangUp)
    assert not of(new.effects, Join)


# priority and silence


def test_what_speaks_for_a_caller_speaks_for_them_still() -> None:
    story = given.waiting(with_policy(silent_after=10.0, silent_priority=9))
    story.presses("5")
    before = story.call
    assert before.silent
    new = Takeover(story).finds(CALLER, ringing=[story.operator])
    call = new.core.calls[CALL]
    parts = ("priority", "usual_priority", "chosen_priority", "raises", "prank", "silent")
    assert [getattr(call, each) for each in parts] == [getattr(before, each) for each in parts]
    assert new.armed("silence") is None


def test_a_redial_keeps_its_head_start_in_the_queue() -> None:
    story = Story(with_policy(redial_within=600.0), phones=())
    story.arrives(OTHER)
    story.answers(OTHER)
    story.after(30.0)
    story.gone(OTHER)
    story.arrives(CALL)
    story.answers(CALL)
    assert story.call.head_start == 30.0
    new = Takeover(story).finds(CALLER, phones={})
    call = new.core.calls[CALL]
    assert (call.head_start, call.priority) == (30.0, story.call.priority)
    lifted = call.arrived - 30.0 - call.priority * POLICY.age_lift
    assert new.core.acd.waiting[CALL].order[0] == lifted


def test_a_silent_caller_is_listened_for_again() -> None:
    story = given.waiting(with_policy(silent_after=10.0))
    new = Takeover(story).finds(CALLER, ringing=[story.operator])
    assert new.armed("silence") == 10.0


def test_who_lost_their_operator_stays_at_the_head_of_the_queue() -> None:
    story = given.talking()
    story.gone(story.operator, 38)
    new = Takeover(story).finds(CALLER, phones={})
    call = new.core.calls[CALL]
    assert call.raises == {"cut-off": 9}
    assert call.lost_at == new.now - LATER


# operators


def test_a_break_restored_before_asterisk_is_asked_does_not_end_a_wrap_up() -> None:
    story = given.talking()
    story.feed(TakeBreak(Asker("2001", Via.API), "2001", "sholat"))
    story.gone(CALL)
    story.gone(story.facts(K.OFFERED)[0]["leg"])
    new = Takeover(story).finds()
    seat = new.core.acd.seats["2001"]
    assert (seat.state, seat.on_break) == (AgentState.WRAP_UP, "sholat")
    assert new.armed("wrap-up", "2001") == POLICY.wrap_up - LATER


def test_a_wrap_up_is_not_prolonged_by_one_engine_after_another() -> None:
    story = given.talking()
    story.gone(CALL)
    story.gone(story.facts(K.OFFERED)[0]["leg"])
    first = Takeover(story)
    for each in of(first.effects, Record):
        story.all.append(Record(each.call, each.kind, each.data, at=WALL + LATER))
    assert Takeover(story).armed("wrap-up", "2001") == POLICY.wrap_up - LATER


# desk calls


def test_a_desk_call_of_an_engine_before_is_hung_up_and_one_of_our_own_is_not() -> None:
    story = Story()
    story.feed(DeskCallArrived(OTHER, "2001", "*10"))
    known, unknown = caller_leg(OTHER), LegId("ess1-1700000000.9")
    desks = {leg: FoundLeg(True, "2001", at_desk=True) for leg in (known, unknown)}
    story.feed(AsteriskFound(legs=desks, bridges={}, wall=WALL, asked=story.core.legs()))
    assert of(story.effects, HangUp) == [HangUp(unknown)]
    assert OTHER in story.core.desks.calls


def test_a_desk_call_that_is_gone_is_over() -> None:
    story = Story()
    story.feed(DeskCallArrived(OTHER, "2001", "*10"))
    story.feed(AsteriskFound(legs={}, bridges={}, wall=WALL, asked=story.core.legs()))
    assert story.core.desks.calls == {}


# call-backs

BACK = call_back(CALL, 1)
THEIRS = caller_leg(BACK)


def called_back(up: bool) -> AsteriskFound:
    told = arrival(BACK) if up else None
    legs = {THEIRS: FoundLeg(up, "", told), operator_leg(BACK, 1): FoundLeg(True, "2001")}
    return AsteriskFound(legs=legs, bridges={}, wall=WALL)


def test_a_phone_that_is_rung_to_call_back_whom_nobody_knows_is_hung_up() -> None:
    story = Story()
    story.feed(called_back(up=False))
    assert {each.leg for each in of(story.effects, HangUp)} == {THEIRS, operator_leg(BACK, 1)}
    assert of(story.effects, ToDialplan) == []


def test_somebody_called_back_who_answered_and_whom_nobody_knows_is_a_caller() -> None:
    story = Story()
    story.feed(called_back(up=True))
    assert of(story.effects, ToDialplan) == [ToDialplan(THEIRS)]
    assert of(story.effects, HangUp) == [HangUp(operator_leg(BACK, 1))]


def attempt() -> Story:
    story = Story(with_policy(call_back=True, call_back_after=1.0), phones=())
    story.arrives(CALL, callable=True)
    story.answers(CALL)
    story.after(10.0)
    story.gone(CALL)
    story.phone("2001")
    story.at(9)
    return story


def the_attempt(story: Story) -> Call:
    (call,) = (each for each in story.core.calls.values() if each.earlier)
    return call


def find(new: Takeover, up: dict[LegId, bool], *bridged: LegId) -> Takeover:
    (name,) = {each.partition("~")[0] for each in up}
    legs = {
        leg: FoundLeg(is_up, "2001", arrival(CallId(name)) if is_up and "~cb" in leg else None)
        for leg, is_up in up.items()
    }
    return new.finds(legs=legs, bridges={bridge_of(CallId(name)): frozenset(bridged)})


def test_an_operators_phone_that_rings_for_a_call_back_goes_on_ringing() -> None:
    story = attempt()
    call = the_attempt(story)
    new = find(Takeover(story), {call.offers[0].leg: False})
    assert new.core.calls[call.id].phase is Phase.CALLING_OPERATOR
    assert new.core.acd.seats["2001"].state is AgentState.OFFERED
    assert of(new.effects, HangUp) == []


@pytest.mark.parametrize("answered", [False, True])
def test_a_callers_phone_that_rings_goes_on_ringing_and_who_answered_is_joined(
    answered: bool,
) -> None:
    story = attempt()
    call = the_attempt(story)
    operator = call.offers[0].leg
    story.answers(operator)
    new = find(Takeover(story), {operator: True, call.caller: answered}, operator)
    phase = Phase.TALKING if answered else Phase.CALLING_BACK
    assert new.core.calls[call.id].phase is phase
    assert of(new.effects, HangUp) == []
    assert new.core.acd.seats["2001"].state is AgentState.TALKING
    reached = [each.data["outcome"] for each in new.facts(K.CALL_BACK_ATTEMPTED)]
    assert reached == (["reached"] if answered else [])
    assert bool(of(new.effects, Join)) is answered


def test_an_attempt_whose_phones_are_gone_counts_as_failed_and_is_made_again() -> None:
    story = attempt()
    story.answers(the_attempt(story).offers[0].leg)
    new = Takeover(story).finds()
    (tried,) = new.facts(K.CALL_BACK_ATTEMPTED)
    assert tried.data["outcome"] == "engine restarted"
    assert len(new.core.call_backs.open) == 1


def test_no_call_of_the_centres_own_has_an_id_that_was_used() -> None:
    story = attempt()
    made = the_attempt(story).id
    kinds = [each.kind for each in of(story.all, Record)]
    torn = len(kinds) - kinds.index(K.CALL_BACK_STARTED)
    new = Takeover(story, torn).finds(phones={"2001": True})
    (again,) = (call for call in new.core.calls.values() if call.earlier)
    assert again.id != made


# cut off with Asterisk


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.TALKING, Phase.CONFERENCE])
def test_who_was_cut_off_with_asterisk_is_called_back_at_top_priority(phase: Phase) -> None:
    story = given.PHASES[phase]()
    new = Takeover(story)
    new.core = CallCentre(with_policy(call_back=True))
    for each in of(story.all, Record):
        new.core.recall(fact_of(each))
    new.core.decide(ClockRead(NOON, wall=WALL + LATER), new.now)
    new.finds(started=WALL + 2)
    (task,) = new.core.call_backs.open.values()
    assert (task.why, task.priority, task.id) == ("cut off", 9, CALL)


def fact_of(each: Record) -> Fact:
    return Fact(id="", centre="", call=each.call, kind=each.kind, at=WALL, ms=0, data=each.data)


def served(**changes: Any) -> ServedCall:
    fields: dict[str, Any] = {"ended": WALL + 30.0, "cause": 16}
    told = arrival(CALL, invited_at=WALL, callable=True)
    return ServedCall(told, **(fields | changes))


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (served(lost=True, agent="2001", answered=WALL + 5.0), "cut off"),
        (served(), "abandoned"),
        (served(agent="2001", answered=WALL + 5.0), None),
        (served(ended=WALL + 1.0), None),
    ],
)
def test_calls_that_the_dialplan_served_become_call_backs_as_others_do(
    call: ServedCall, why: str | None
) -> None:
    story = Story(with_policy(call_back=True), phones=())
    story.feed(DialplanServed([call], []))
    tasks = list(story.core.call_backs.open.values())
    assert [task.why for task in tasks] == ([] if why is None else [why])
    if why == "cut off":
        assert tasks[0].priority == 9
    kinds = [each.kind for each in of(story.effects, Record) if each.call == CALL]
    assert kinds[-1] is K.CALL_IMPORTED
    story.feed(DialplanServed([call], []))
    assert of(story.effects, Record) == []


def test_two_calls_of_one_number_that_were_served_make_one_task() -> None:
    story = Story(with_policy(call_back=True), phones=())
    second = ServedCall(arrival(OTHER, invited_at=WALL, callable=True), ended=WALL + 40.0)
    story.feed(DialplanServed([served(), second], []))
    (task,) = story.core.call_backs.open.values()
    assert task.calls == (OTHER,)


def test_who_talks_in_a_call_of_the_dialplans_is_offered_none_that_is_taken_over() -> None:
    before = given.waiting()
    told = DialplanServed([], [ServedCall(arrival(OTHER), agent="2001", answered=WALL)])

    new = Takeover(before).finds(CALLER, phones={"2001": True}, served=told)

    assert of(new.effects, Originate) == []
    seat = new.core.acd.seats["2001"]
    assert (seat.state, seat.call) == (AgentState.TALKING, OTHER)


def test_who_left_a_call_and_talks_in_one_of_the_dialplans_is_rung_for_neither() -> None:
    before = given.talking()
    told = DialplanServed([], [ServedCall(arrival(OTHER), agent="2001", answered=WALL)])

    new = Takeover(before).finds(CALLER, phones={"2001": True}, served=told)

    assert of(new.effects, Originate) == []
    seat = new.core.acd.seats["2001"]
    assert (seat.state, seat.call) == (AgentState.TALKING, OTHER)


def test_a_call_that_an_engine_had_in_the_end_has_its_end_from_there_alone() -> None:
    story = given.waiting(phones=())
    lost = served(lost=True)

    new = Takeover(story).finds(served=DialplanServed([lost], []), started=WALL + 2)
    again = new.core.decide(DialplanServed([lost], []), new.now)

    assert len(new.facts(K.CALL_ENDED)) == 1
    assert of(again, Record) == []


# one call that cannot be taken over


@pytest.mark.parametrize("step", ["restore", "missed", "resume"])
def test_what_one_call_has_wrong_costs_no_other_call_anything(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(NO_MENU, phones=())
    story.arrives(OTHER)
    story.arrives(CALL)
    where = restoring if step == "restore" else adoption
    right = getattr(where, step)

    def wrong(first: Any, *rest: Any) -> Any:
        call = getattr(first, "call", first)
        if isinstance(call, Call | KeptCall) and call.id == OTHER:
            raise ValueError(OTHER)
        return right(first, *rest)

    monkeypatch.setattr(where, step, wrong)
    legs = {
        CALLER: FoundLeg(True, "", arrival(CALL)),
        caller_leg(OTHER): FoundLeg(True, "", arrival(OTHER)),
    }
    new = Takeover(story)
    new.finds(legs=legs)
    assert new.phase is Phase.WAITING
    assert [(each.call, each.step) for each in of(new.effects, Defect)] == [(OTHER, step)]
    again = [] if step == "missed" else [ToDialplan(caller_leg(OTHER))]
    assert of(new.effects, ToDialplan) == again
    if again:
        assert OTHER not in new.core.acd.waiting


# several centres


def test_each_centre_has_its_own_share_and_none_hangs_up_anothers_legs() -> None:
    centres = given_two()
    centres.decide(arrival(CALL, centre="serang"), 1.0)
    centres.decide(arrival(OTHER, centre="cilegon"), 1.0)
    legs = {leg: FoundLeg(False, "") for call in centres.calls.values() for leg in call.legs}
    for call, name in ((CALL, "serang"), (OTHER, "cilegon")):
        legs[caller_leg(call)] = FoundLeg(True, "", arrival(call, centre=name))
    nobodys = CallId("ess1-1700000000.7")
    legs[caller_leg(nobodys)] = FoundLeg(True, "", arrival(nobodys, centre="cilegon"))
    stray = operator_leg(CallId("ess1-1700000000.8"), 1)
    legs[stray] = FoundLeg(False, "2002")
    found = AsteriskFound(legs=legs, bridges={}, wall=WALL, asked=centres.legs())

    decided = [centres.decide(share, 2.0) for share in centres.shares(found)]

    assert [each.centre for each in decided] == ["serang", "cilegon"]
    assert [of(each.effects, HangUp) for each in decided] == [[HangUp(stray)], []]
    assert [of(each.effects, ToDialplan) for each in decided] == [
        [],
        [ToDialplan(caller_leg(nobodys))],
    ]


def test_a_call_is_adopted_by_the_centre_that_remembers_it_whatever_its_way_in_says() -> None:
    before = given_two()
    facts = before.decide(arrival(CALL, centre="cilegon"), 1.0).effects
    after = given_two(on_duty=False)
    for each in of(facts, Record):
        after["cilegon"].recall(fact_of(each))
    legs = {CALLER: FoundLeg(True, "", arrival(CALL, centre="serang"))}
    found = AsteriskFound(legs=legs, bridges={}, wall=WALL, asked=after.legs())
    for share in after.shares(found):
        after.decide(share, 2.0)
    assert CALL in after["cilegon"].calls
    assert CALL not in after["serang"].calls
    assert after.home(CALL).config.id == "cilegon"


def test_calls_that_the_dialplan_served_are_brought_in_where_they_rang() -> None:
    centres = given_two()
    call = ServedCall(arrival(CALL, invited_at=WALL, centre="cilegon"), ended=WALL + 1.0)
    for share in centres.served([call], []):
        centres.decide(share, 2.0)
    assert [CALL in each.kept.imported for each in centres] == [False, True]


def test_who_talks_in_a_call_of_the_dialplans_is_left_there_in_whichever_centre() -> None:
    centres = given_two()
    told = ServedCall(arrival(CALL, centre="cilegon"), agent="3001", answered=WALL)
    legs = {CALLER: FoundLeg(True), LegId("ess1-9.9"): FoundLeg(True, "3001")}
    found = AsteriskFound(legs, {}, WALL, served=DialplanServed([], [told]), asked=frozenset())

    for share in centres.shares(found):
        centres.decide(share, 2.0)

    assert centres.seats["3001"].call == CALL


@pytest.mark.parametrize(
    ("told", "called_back"), [({}, True), ({CALL: 38}, True), ({CALL: 16}, False)]
)
def test_who_left_without_an_engine_is_called_back_unless_they_are_known_to_have_hung_up(
    told: dict[CallId, int], called_back: bool
) -> None:
    story = given.waiting(with_policy(call_back=True))
    story.answers(story.operator)

    new = Takeover(story).finds(story.operator, causes=told)

    assert bool(new.facts(FactKind.CALL_BACK_CREATED)) is called_back
    (ended,) = new.facts(FactKind.CALL_ENDED)
    assert ended.data["result"] == Result.SUCCESS
