"""What operators may call by themselves: what is allowed, how often, and how such a call goes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.acd import WRAP_UP
from ess_pbx.domain.agent import AgentEvent, AgentState
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.config import Centre, Outbound, OutboundRole
from ess_pbx.domain.effects import (
    Answer,
    ArmTimer,
    CancelTimer,
    CreateBridge,
    DestroyBridge,
    EngineEffect,
    Forget,
    HangUp,
    Join,
    Originate,
    PlayTone,
    Record,
    Refuse,
    Role,
)
from ess_pbx.domain.events import (
    AgentTimerFired,
    CallEvent,
    CentreEvent,
    ClockRead,
    LegAnswered,
    LegGone,
    OutboundDialled,
    PhoneReachable,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.found import AsteriskFound, FoundLeg
from ess_pbx.domain.ids import CallId, LegId, bridge_of, outside_leg
from ess_pbx.domain.outbound import is_allowed

from .centre import CALL, CALLER, NO_MENU, arrival, of

OUT, OUT2 = CallId("ess1-1700000009.1"), CallId("ess1-1700000009.2")
LEG, OUTSIDE = LegId(OUT), outside_leg(OUT)
HOSPITAL, MOBILE = "+622541234567", "+628123456789"
ALLOWING = replace(
    NO_MENU,
    operators=(
        *NO_MENU.operators[:3],
        replace(NO_MENU.operators[3], role="supervisor"),
    ),
    outbound=Outbound(
        trunk="telco-a",
        operator=OutboundRole(allow=("+622541234567", "108"), per_day=2),
        supervisor=OutboundRole(allow=("+62254*", "108"), per_day=1),
    ),
)
DAY = datetime(2026, 11, 22, 9)


class Desk:
    """A centre of which every fact is kept."""

    def __init__(self, config: Centre = ALLOWING) -> None:
        self.config = config
        self.core = CallCentre(config)
        self.facts: list[Fact] = []
        self.now = 0.0
        self.day(DAY)
        for phone in ("2001", "2002", "2004"):
            self.feed(PhoneReachable(phone))

    def day(self, local: datetime) -> None:
        self.feed(ClockRead(local))

    def feed(self, event: CallEvent | CentreEvent) -> list[EngineEffect]:
        self.now += 1
        effects = self.core.decide(event, self.now)
        for effect in of(effects, Record):
            name, at = f"b-{len(self.facts)}", self.core.wall(self.now)
            kind, data = effect.kind, effect.data
            fact = Fact(id=name, centre="", call=effect.call, kind=kind, at=at, ms=None, data=data)
            assert fields_differ(fact) is None
            self.facts.append(fact)
        return effects

    def dials(self, number: str, agent: str = "2001", call: CallId = OUT) -> list[EngineEffect]:
        return self.feed(OutboundDialled(call, agent, number))

    def told(self, kind: FactKind) -> list[Any]:
        return [fact.data for fact in self.facts if fact.kind == kind]

    def restarted(self, *, checkpoint: bool = False) -> Desk:
        after = Desk.__new__(Desk)
        after.config, after.core, after.now = self.config, CallCentre(self.config), self.now
        after.facts = list(self.facts)
        if checkpoint:
            kept = msgspec.json.decode(msgspec.json.encode(self.core.checkpoint().data))
            kind = FactKind.CHECKPOINT
            whole = Fact(id="c", centre="", call=None, kind=kind, at=0, ms=None, data=kept)
            after.core.recall(whole)
        for fact in () if checkpoint else self.facts:
            after.core.recall(fact)
        return after


def talking(desk: Desk) -> None:
    desk.dials(HOSPITAL)
    desk.feed(LegAnswered(OUT, LEG))
    desk.feed(LegAnswered(OUT, OUTSIDE))


def state(desk: Desk, agent: str = "2001") -> AgentState:
    return desk.core.acd.seats[agent].state


@pytest.mark.parametrize(
    ("number", "agent", "reason"),
    [
        (MOBILE, "2001", "not-allowed"),
        ("", "2001", "not-allowed"),
        (HOSPITAL + "1", "2001", "not-allowed"),
        ("1080", "2001", "not-allowed"),
        (MOBILE, "2004", "not-allowed"),
    ],
)
def test_what_is_not_allowed_is_refused_on_record_and_counted(
    number: str, agent: str, reason: str
) -> None:
    desk = Desk()
    effects = desk.dials(number, agent)
    assert of(effects, Refuse) == [Refuse(LEG)]
    assert of(effects, Answer) == []
    assert of(effects, Originate) == []
    (refused,) = desk.told(FactKind.OUTBOUND_REFUSED)
    assert (refused["agent"], refused["number"], refused["reason"]) == (agent, number, reason)
    assert (refused["by"], refused["via"]) == (agent, "phone")
    assert desk.core.outbound.refused("2026-11-22") == {reason: 1}
    assert desk.core.outbound.calls == {}


def test_nothing_goes_out_unless_the_centre_says_so() -> None:
    desk = Desk(NO_MENU)
    assert of(desk.dials(HOSPITAL), Refuse) == [Refuse(LEG)]
    assert desk.told(FactKind.OUTBOUND_REFUSED)[0]["reason"] == "closed"


@pytest.mark.parametrize(("agent", "number"), [("2001", "108"), ("2004", "+622549999999")])
def test_what_is_allowed_goes_by_role(agent: str, number: str) -> None:
    desk = Desk()
    assert of(desk.dials(number, agent), Answer) == [Answer(LEG)]


def test_an_allowed_call_goes_out_through_its_trunk_and_both_hear_each_other() -> None:
    desk = Desk()
    assert of(desk.dials(HOSPITAL), Originate) == []
    effects = desk.feed(LegAnswered(OUT, LEG))
    (rung,) = of(effects, Originate)
    assert (rung.role, rung.address, rung.trunk) == (Role.OUTSIDE, HOSPITAL, "telco-a")
    assert [each.tone for each in of(effects, PlayTone)] == ["ring"]
    assert of(desk.feed(LegAnswered(OUT, OUTSIDE)), Join) == [Join(bridge_of(OUT), (OUTSIDE,))]
    assert state(desk) is AgentState.TALKING
    assert of(desk.feed(LegGone(OUT, LEG, 16)), HangUp) == [HangUp(OUTSIDE)]
    assert of(desk.feed(LegGone(OUT, OUTSIDE, 16)), Forget) == [Forget(OUT)]
    (ended,) = desk.told(FactKind.OUTBOUND_ENDED)
    assert ended == {"agent": "2001", "outcome": "completed", "answered": True}
    assert state(desk) is AgentState.IDLE
    assert desk.core.outbound.calls == {}


def test_the_one_called_who_hangs_up_ends_it_too() -> None:
    desk = Desk()
    talking(desk)
    assert of(desk.feed(LegGone(OUT, OUTSIDE, 16)), HangUp) == [HangUp(LEG)]
    assert of(desk.feed(LegGone(OUT, LEG, 16)), Forget) == [Forget(OUT)]


def test_nobody_reached_is_heard_and_then_it_is_over() -> None:
    desk = Desk()
    desk.dials(HOSPITAL)
    desk.feed(LegAnswered(OUT, LEG))
    tones = of(desk.feed(LegGone(OUT, OUTSIDE, 17)), PlayTone)
    assert [each.tone for each in tones] == ["busy"]
    timer = TimerFired(OUT, TimerId(OUT, "outbound"))
    assert of(desk.feed(timer), HangUp) == [HangUp(LEG)]
    desk.feed(LegGone(OUT, LEG, 16))
    assert desk.told(FactKind.OUTBOUND_ENDED)[0]["outcome"] == "busy"


def test_a_phone_that_is_not_picked_up_is_rung_no_longer_than_the_setting() -> None:
    desk = Desk()
    desk.dials(HOSPITAL)
    desk.feed(LegAnswered(OUT, LEG))
    assert of(desk.feed(TimerFired(OUT, TimerId(OUT, "outbound"))), HangUp) == [HangUp(OUTSIDE)]


def test_a_call_of_which_nothing_is_told_any_more_ends() -> None:
    desk = Desk()
    talking(desk)
    desk.feed(LegGone(OUT, LEG, 16))
    timer = TimerFired(OUT, TimerId(OUT, "outbound"))
    assert of(desk.feed(timer), Forget) == [Forget(OUT)]
    assert state(desk) is AgentState.IDLE


def test_an_operator_who_calls_is_offered_no_caller_and_then_is() -> None:
    desk = Desk()
    desk.feed(ClockRead(DAY))
    desk.dials(HOSPITAL)
    desk.dials(HOSPITAL, "2002", OUT2)
    effects = desk.feed(arrival())
    assert [each for each in of(effects, Originate) if each.address in ("2001", "2002")] == []
    desk.feed(LegGone(OUT, LEG, 16))
    offered = [fact["agent"] for fact in desk.told(FactKind.OFFERED)]
    assert offered == ["2001"]


def test_who_calls_in_wrap_up_is_offered_no_caller_meanwhile_and_has_wrap_up_again() -> None:
    desk = Desk()
    desk.feed(arrival())
    desk.feed(LegAnswered(CALL, CALLER))
    (offered,) = desk.told(FactKind.OFFERED)
    agent, leg = str(offered["agent"]), LegId(str(offered["leg"]))
    desk.feed(LegAnswered(CALL, leg))
    desk.feed(LegGone(CALL, CALLER, 16))
    desk.feed(LegGone(CALL, leg, 16))
    assert state(desk, agent) is AgentState.WRAP_UP

    timer = TimerId(agent, WRAP_UP)
    assert CancelTimer(timer) in desk.dials(HOSPITAL, agent)
    desk.feed(AgentTimerFired(timer))
    assert state(desk, agent) is AgentState.TALKING
    after = desk.restarted()
    after.feed(ClockRead(DAY))
    assert state(after, agent) is AgentState.TALKING

    desk.feed(LegGone(OUT, LEG, 16))
    assert state(desk, agent) is AgentState.WRAP_UP


def test_an_operator_in_a_call_places_no_other() -> None:
    desk = Desk()
    desk.feed(arrival())
    desk.feed(LegAnswered(CALL, CALLER))
    (offered,) = desk.told(FactKind.OFFERED)
    assert of(desk.dials(HOSPITAL, offered["agent"]), Refuse) == [Refuse(LEG)]
    assert desk.told(FactKind.OUTBOUND_REFUSED)[0]["reason"] == "in-a-call"


def test_an_operator_who_listens_to_a_call_places_no_other() -> None:
    desk = Desk()
    desk.core.acd.seats["2004"].apply(AgentEvent.ATTEND)
    assert of(desk.dials(HOSPITAL, "2004"), Refuse) == [Refuse(LEG)]
    assert desk.told(FactKind.OUTBOUND_REFUSED)[0]["reason"] == "in-a-call"


@pytest.mark.parametrize("kind", ["pause", "wrap-up"])
def test_who_calls_somebody_in_a_pause_or_wrap_up_is_rung_by_nobody_when_it_is_over(
    kind: str,
) -> None:
    desk = Desk()
    acd = desk.core.acd
    acd.seats["2001"].state = AgentState.PAUSED if kind == "pause" else AgentState.WRAP_UP
    acd.set_reachable("2002", False, desk.now)
    desk.dials(HOSPITAL)
    assert state(desk) is AgentState.TALKING
    desk.feed(AgentTimerFired(TimerId("2001", kind)))
    effects = desk.feed(arrival())
    assert of(effects, Originate) == []
    assert state(desk) is AgentState.TALKING


@pytest.mark.parametrize("restart", [False, True])
def test_a_wrap_up_begins_anew_after_a_call_of_ones_own(restart: bool) -> None:
    desk = Desk(replace(ALLOWING, policy=replace(ALLOWING.policy, wrap_up=30.0)))
    desk.feed(arrival())
    desk.feed(LegAnswered(CALL, CALLER))
    (offered,) = desk.told(FactKind.OFFERED)
    (rung,) = [leg for leg in desk.core.legs() if leg != CALLER]
    desk.feed(LegAnswered(CALL, rung))
    desk.feed(LegGone(CALL, CALLER, 16))
    agent = offered["agent"]
    assert state(desk, agent) is AgentState.WRAP_UP
    desk.dials(HOSPITAL, agent)
    desk.feed(LegAnswered(OUT, LEG))
    desk.feed(LegAnswered(OUT, OUTSIDE))
    if restart:
        desk = desk.restarted()
        desk.day(DAY)
        found(desk, LEG, OUTSIDE)
    desk.feed(LegGone(OUT, OUTSIDE, 16))
    effects = desk.feed(LegGone(OUT, LEG, 16))
    assert state(desk, agent) is AgentState.WRAP_UP
    assert of(effects, ArmTimer) == [ArmTimer(TimerId(agent, "wrap-up"), 30.0)]


def end(desk: Desk, call: CallId) -> None:
    desk.feed(LegGone(call, LegId(call), 16))


@pytest.mark.parametrize("restart", ["no", "journal", "checkpoint"])
def test_the_cap_is_of_the_day_and_the_role_and_outlives_the_engine(restart: str) -> None:
    desk = Desk()
    for call in (OUT, OUT2):
        desk.dials("108", call=call)
        end(desk, call)
    if restart != "no":
        desk = desk.restarted(checkpoint=restart == "checkpoint")
        desk.day(DAY)
    third = CallId("ess1-1700000009.3")
    assert of(desk.dials("108", call=third), Refuse) == [Refuse(LegId(third))]
    assert desk.told(FactKind.OUTBOUND_REFUSED)[-1]["reason"] == "daily-cap"
    assert of(desk.dials("108", "2004", third), Answer) == [Answer(LegId(third))]
    end(desk, third)
    desk.day(DAY.replace(day=23))
    assert of(desk.dials("108", call=third), Answer) == [Answer(LegId(third))]
    assert desk.core.outbound.started("2026-11-23", "operator") == 1


def found(desk: Desk, *legs: LegId, together: bool = True) -> list[EngineEffect]:
    there = {leg: FoundLeg(up=True, at_desk=leg == LEG) for leg in legs}
    bridges = {bridge_of(OUT): frozenset(legs if together else ())}
    return desk.feed(AsteriskFound(there, bridges, desk.core.wall(desk.now)))


def test_the_next_engine_goes_on_with_a_call_of_two_who_talk() -> None:
    desk = Desk()
    talking(desk)
    after = desk.restarted()
    after.day(DAY)
    effects = found(after, LEG, OUTSIDE)
    assert of(effects, HangUp) == []
    after.feed(DialplanServed([], []))  # nothing that the dialplan did is theirs
    assert state(after) is AgentState.TALKING
    assert of(after.feed(LegGone(OUT, LEG, 16)), HangUp) == [HangUp(OUTSIDE)]
    after.feed(LegGone(OUT, OUTSIDE, 16))
    assert state(after) is AgentState.IDLE
    assert after.core.outbound.left == []


@pytest.mark.parametrize("legs", [(), (LEG,), (OUTSIDE,)])
def test_of_a_call_that_broke_meanwhile_nothing_is_left(legs: tuple[LegId, ...]) -> None:
    desk = Desk()
    talking(desk)
    after = desk.restarted()
    after.day(DAY)
    effects = found(after, *legs)
    assert [each.leg for each in of(effects, HangUp)] == list(legs)
    for leg in legs:
        effects = after.feed(LegGone(OUT, leg, 16))
    assert of(effects, DestroyBridge) == [DestroyBridge(bridge_of(OUT))]
    assert after.told(FactKind.OUTBOUND_ENDED)[0]["outcome"] == "cut off"
    assert after.core.outbound.left == []
    assert after.core.outbound.calls == {}
    assert state(after) is not AgentState.TALKING


def cut(desk: Desk, *legs: LegId, in_bridge: tuple[LegId, ...] | None) -> list[EngineEffect]:
    """The line comes back to the same engine; ``in_bridge`` None is a bridge never made."""
    there = {leg: FoundLeg(up=True, at_desk=leg == LEG) for leg in legs}
    bridges = {} if in_bridge is None else {bridge_of(OUT): frozenset(in_bridge)}
    wall, asked = desk.core.wall(desk.now), frozenset({LEG, OUTSIDE})
    return desk.feed(AsteriskFound(there, bridges, wall, asked=asked))


def test_who_picked_up_while_the_line_was_cut_talks_with_the_operator() -> None:
    desk = Desk()
    desk.dials(HOSPITAL)
    desk.feed(LegAnswered(OUT, LEG))
    effects = cut(desk, LEG, OUTSIDE, in_bridge=(LEG,))
    assert of(effects, Join) == [Join(bridge_of(OUT), (OUTSIDE,))]
    assert desk.told(FactKind.OUTBOUND_ANSWERED)


def test_an_operator_whose_own_answer_was_not_heard_of_goes_on_to_ring() -> None:
    desk = Desk()
    desk.dials(HOSPITAL)
    effects = cut(desk, LEG, in_bridge=None)
    assert [each.leg for each in of(effects, Originate)] == [OUTSIDE]


def test_two_whose_bridge_was_never_made_are_put_into_one() -> None:
    desk = Desk()
    talking(desk)
    effects = cut(desk, LEG, OUTSIDE, in_bridge=None)
    assert of(effects, CreateBridge) == [CreateBridge(bridge_of(OUT))]
    assert of(effects, Join) == [Join(bridge_of(OUT), (LEG, OUTSIDE))]


def test_who_was_to_be_hung_up_while_the_line_was_cut_is_hung_up_after_it() -> None:
    desk = Desk()
    talking(desk)
    desk.feed(LegGone(OUT, LEG, 16))
    assert of(cut(desk, OUTSIDE, in_bridge=(OUTSIDE,)), HangUp) == [HangUp(OUTSIDE)]


def test_of_a_call_whose_beginning_is_on_no_record_nothing_is_left() -> None:
    after = Desk()
    effects = found(after, LEG, OUTSIDE)
    assert {each.leg for each in of(effects, HangUp)} == {LEG, OUTSIDE}
    after.feed(LegGone(OUT, LEG, 16))
    effects = after.feed(LegGone(OUT, OUTSIDE, 16))
    assert of(effects, DestroyBridge) == [DestroyBridge(bridge_of(OUT))]
    assert after.told(FactKind.OUTBOUND_ENDED) == []
    assert after.core.outbound.calls == {}


@pytest.mark.parametrize(
    ("number", "allowed"),
    [("+622541", True), ("+62254", True), ("+6225", False), ("108", True), ("1081", False)],
)
def test_a_star_stands_for_whatever_follows(number: str, allowed: bool) -> None:
    assert is_allowed(number, OutboundRole(allow=("+62254*", "108"))) is allowed


def test_a_short_number_that_could_be_a_local_one_is_what_the_list_has() -> None:
    role = OutboundRole(allow=("14045",))
    desk = Desk(replace(ALLOWING, outbound=Outbound(trunk="telco-a", operator=role)))
    desk.feed(OutboundDialled(OUT, "2001", "+6225414045", "14045"))
    (rung,) = of(desk.feed(LegAnswered(OUT, LEG)), Originate)
    assert rung.address == "14045"
