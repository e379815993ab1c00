"""A centre calls itself and listens: nothing of it is a caller's, and what fails is an alarm."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from ess_pbx.domain import ids, synthetic
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.config import Centre, SyntheticCall
from ess_pbx.domain.effects import (
    Answer,
    ArmTimer,
    EngineEffect,
    HangUp,
    Originate,
    PlayPrompt,
    Record,
    Role,
)
from ess_pbx.domain.events import (
    CallEvent,
    CentreEvent,
    ClockRead,
    LegAnswered,
    LegGone,
    LegRang,
    PhoneReachable,
    PlaybackEnded,
    SpeechBegan,
    SyntheticCallArrived,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.found import AsteriskFound, FoundLeg
from ess_pbx.domain.ids import CallId, LegId

from .centre import CENTRE, arrival, of, renumbered

WALL = 1_790_000_000.0
TESTED = replace(
    CENTRE, synthetic_call=SyntheticCall(number="0254112999", every=60, within=5, failures=3)
)
IN = CallId("ess1-1790000005.7")


class Machine:
    """A centre that calls itself."""

    def __init__(self, config: Centre = TESTED) -> None:
        self.core = Centres([CallCentre(config)])
        self.now = 0.0
        self.effects: list[EngineEffect] = []
        self.records: list[Record] = []

    @property
    def centre(self) -> CallCentre:
        return next(iter(self.core))

    @property
    def out(self) -> CallId:
        """The test call that was sent last."""
        (ring,) = of(self.effects, Originate)
        return ring.call

    def hears(self, event: CallEvent | CentreEvent, after: float = 0.0) -> list[EngineEffect]:
        self.now += after
        effects = self.core.decide(event, self.now).effects
        self.records += of(effects, Record)
        return effects

    def reads_clock(self, after: float = 5.0, *, known: bool = True) -> list[EngineEffect]:
        wall = WALL + self.now + after
        local = datetime.fromtimestamp(wall, UTC)
        self.effects = self.hears(ClockRead(local, known, wall), after)
        return self.effects

    def sends(self, after: float = 60.0) -> CallId:
        self.reads_clock(after)
        return self.out

    def arrives(self, out: CallId, call: CallId = IN) -> list[EngineEffect]:
        return self.hears(SyntheticCallArrived(call, out.rpartition("-")[2]), 0.01)

    def fails(self) -> None:
        out = self.sends()
        self.hears(TimerFired(out, TimerId(out, synthetic.TIMER)), 5.0)

    def succeeds(self, call: CallId = IN) -> None:
        out = self.sends()
        self.arrives(out, call)
        self.hears(LegAnswered(out, ids.synthetic_leg(out)), 0.02)
        self.hears(SpeechBegan(out, ids.synthetic_leg(out)), 0.1)
        self.hears(SpeechBegan(call, ids.caller_leg(call)), 0.1)

    def told(self, kind: FactKind) -> list[Record]:
        return [each for each in self.records if each.kind == kind]

    @property
    def alarms(self) -> list[tuple[str, object]]:
        kinds = (FactKind.ALARM_RAISED, FactKind.ALARM_CLEARED)
        return [
            (each.kind, each.data["detail"])
            for each in self.records
            if each.kind in kinds and each.data["alarm"] == synthetic.ALARM
        ]


def test_without_a_test_number_nothing_is_sent() -> None:
    machine = Machine(CENTRE)
    for _ in range(50):
        assert of(machine.reads_clock(), Originate) == []


def test_the_first_is_sent_when_the_engine_is_ready_and_then_one_every_period() -> None:
    machine = Machine()
    assert of(machine.reads_clock(known=False), Originate) == []
    (ring,) = of(machine.reads_clock(), Originate)
    assert (ring.role, ring.address, ring.leg) == (
        Role.TEST,
        "0254112999",
        ids.synthetic_leg(ring.call),
    )
    assert ring.number == ring.call.rpartition("-")[2]
    machine.hears(LegGone(ring.call, ring.leg, 0))
    assert of(machine.reads_clock(55.0), Originate) == []
    assert len(of(machine.reads_clock(), Originate)) == 1


def test_where_it_comes_in_it_is_answered_and_a_sentence_is_said_at_both_ends() -> None:
    machine = Machine()
    out = machine.sends()
    answer, said, _ = machine.arrives(out)
    assert answer == Answer(LegId(IN))
    assert isinstance(said, PlayPrompt)
    assert (said.target, said.prompt, said.language) == (LegId(IN), synthetic.PROMPT, "id")
    (back,) = machine.hears(LegAnswered(out, ids.synthetic_leg(out)))
    assert isinstance(back, PlayPrompt)
    assert (back.target, back.prompt) == (ids.synthetic_leg(out), synthetic.PROMPT)


def test_when_each_end_has_heard_the_other_it_is_on_record_with_its_times() -> None:
    machine = Machine()
    machine.succeeds()
    (fact,) = machine.told(FactKind.SYNTHETIC_CALL)
    assert fact.call is None
    assert fact.data == {"channel": IN, "result": "ok", "answered_ms": 30, "heard_ms": 130}
    assert machine.alarms == []


def test_a_sentence_that_is_quicker_than_the_news_of_the_answer_is_heard_with_it() -> None:
    machine = Machine()
    out = machine.sends()
    machine.arrives(out)
    machine.hears(SpeechBegan(out, ids.synthetic_leg(out)), 0.01)
    machine.hears(SpeechBegan(IN, LegId(IN)), 0.01)
    machine.hears(LegAnswered(out, ids.synthetic_leg(out)), 0.01)
    (fact,) = machine.told(FactKind.SYNTHETIC_CALL)
    assert fact.data == {"channel": IN, "result": "ok", "answered_ms": 40, "heard_ms": 40}


def test_both_ends_stay_a_moment_and_are_then_hung_up() -> None:
    machine = Machine()
    machine.succeeds()
    out = next(call for call in machine.centre.synthetic.calls if ids.is_synthetic(call))
    leg = ids.synthetic_leg(out)
    assert machine.hears(TimerFired(out, TimerId(out, synthetic.TIMER)), 1.0) == [HangUp(leg)]
    machine.hears(LegGone(out, leg, 16))
    machine.hears(LegGone(IN, LegId(IN), 16))
    assert machine.centre.synthetic.legs == []


def test_no_call_seat_queue_or_figure_has_anything_of_it() -> None:
    machine = Machine()
    machine.hears(PhoneReachable("2001"))
    before = len(machine.records)
    machine.succeeds()
    assert machine.core.calls == {}
    assert {each.kind for each in machine.records[before:]} == {
        FactKind.SYNTHETIC_CALL,
        FactKind.AGENT_STATE,  # the clock began 2001's shift
    }
    assert all(each.call is None for each in machine.records)


def test_whoever_calls_meanwhile_is_a_caller_as_ever() -> None:
    machine = Machine()
    machine.sends()
    machine.hears(arrival(called="0254112999"))
    assert list(machine.core.calls) == [arrival().call]


@pytest.mark.parametrize(
    ("steps", "reached"),
    [
        ([], "not-arrived"),
        (["arrives"], "not-answered"),
        (["arrives", "answered"], "centre-not-heard"),
        (["answered"], "centre-not-heard"),
        (["arrives", "answered", "in"], "centre-not-heard"),
        (["arrives", "answered", "out"], "caller-not-heard"),
    ],
)
def test_what_is_not_over_in_time_failed_where_it_stopped(steps: list[str], reached: str) -> None:
    machine = Machine()
    out = machine.sends()
    leg = ids.synthetic_leg(out)
    for step in steps:
        match step:
            case "arrives":
                machine.arrives(out)
            case "answered":
                machine.hears(LegAnswered(out, leg))
            case "in":
                machine.hears(SpeechBegan(IN, LegId(IN)))
            case "out":
                machine.hears(SpeechBegan(out, leg))
    effects = machine.hears(TimerFired(out, TimerId(out, synthetic.TIMER)), 5.0)
    assert HangUp(leg) in effects
    assert (HangUp(LegId(IN)) in effects) is ("arrives" in steps)
    (fact,) = machine.told(FactKind.SYNTHETIC_CALL)
    assert fact.data["result"] == reached


def test_one_that_could_not_be_sent_or_was_refused_says_so_at_once() -> None:
    machine = Machine()
    out = machine.sends()
    machine.hears(LegRang(out, ids.synthetic_leg(out)))
    machine.hears(LegGone(out, ids.synthetic_leg(out), 20))
    (fact,) = machine.told(FactKind.SYNTHETIC_CALL)
    assert (fact.data["result"], fact.data["answered_ms"]) == ("not-sent", None)
    assert machine.hears(TimerFired(out, TimerId(out, synthetic.TIMER))) == []


def test_several_that_fail_in_a_row_are_an_alarm_once_and_one_that_is_heard_ends_it() -> None:
    machine = Machine()
    machine.fails()
    machine.succeeds()
    machine.fails()
    machine.fails()
    assert machine.alarms == []
    machine.fails()
    machine.fails()
    detail = "3 test calls in a row failed, the last: not-arrived"
    assert machine.alarms == [("alarm_raised", detail)]
    machine.succeeds(CallId("ess1-1790000900.9"))
    assert [kind for kind, _ in machine.alarms] == ["alarm_raised", "alarm_cleared"]
    machine.succeeds(CallId("ess1-1790000960.9"))
    assert len(machine.alarms) == 2


def test_an_alarm_of_an_engine_before_ends_with_the_first_that_is_heard() -> None:
    before = Machine()
    for _ in range(3):
        before.fails()
    kept = before.centre.checkpoint()
    machine = Machine()
    machine.centre.recall(
        Fact(id="b-1", centre="contoh", call=None, kind=kept.kind, at=WALL, ms=None, data=kept.data)
    )
    machine.succeeds()
    assert [kind for kind, _ in machine.alarms] == ["alarm_cleared"]


def test_an_alarm_where_nothing_is_tested_any_more_ends_at_once() -> None:
    before = Machine()
    for _ in range(3):
        before.fails()
    kept = before.centre.checkpoint()
    machine = Machine(CENTRE)
    machine.centre.recall(
        Fact(id="b-1", centre="contoh", call=None, kind=kept.kind, at=WALL, ms=None, data=kept.data)
    )
    machine.reads_clock()
    assert machine.alarms == [("alarm_cleared", "no test number is set")]


def test_a_test_call_of_another_engine_is_answered_and_not_taken_for_ours() -> None:
    machine = Machine()
    out = machine.sends()
    effects = machine.hears(SyntheticCallArrived(IN, "12345"))
    assert Answer(LegId(IN)) in effects
    machine.hears(SpeechBegan(IN, LegId(IN)))
    machine.hears(TimerFired(out, TimerId(out, synthetic.TIMER)), 5.0)
    (fact,) = machine.told(FactKind.SYNTHETIC_CALL)
    assert (fact.data["result"], fact.data["channel"]) == ("not-arrived", None)
    (limit,) = of(effects, ArmTimer)
    assert machine.hears(TimerFired(IN, limit.timer), 30.0) == [HangUp(LegId(IN))]


def test_what_an_earlier_test_left_is_hung_up_by_the_next() -> None:
    machine = Machine()
    out = machine.sends()
    machine.hears(TimerFired(out, TimerId(out, synthetic.TIMER)), 5.0)
    effects = machine.reads_clock(60.0)
    assert HangUp(ids.synthetic_leg(out)) in effects


def test_legs_that_are_gone_after_a_cut_line_are_forgotten_and_others_left_alone() -> None:
    machine = Machine()
    out = machine.sends()
    machine.arrives(out)
    there = {LegId(IN): FoundLeg(True, at_desk=True)}
    asked = machine.core.legs()
    found = AsteriskFound(there, {}, WALL + machine.now, asked=asked)
    effects = machine.hears(found)
    assert HangUp(LegId(IN)) in effects  # its other end is gone: it failed
    assert machine.centre.synthetic.legs == [LegId(IN)]
    (fact,) = machine.told(FactKind.SYNTHETIC_CALL)
    assert fact.data["result"] == "not-answered"


def test_an_engine_that_knows_nothing_of_them_hangs_them_up_and_queues_nobody() -> None:
    machine = Machine()
    out = ids.synthetic_leg(ids.synthetic_call("contoh", "1"))
    there = {LegId(IN): FoundLeg(True, at_desk=True), out: FoundLeg(True)}
    effects = machine.hears(AsteriskFound(there, {}, WALL))
    assert {HangUp(LegId(IN)), HangUp(out)} <= set(of(effects, HangUp))
    assert machine.core.calls == {}


def test_events_of_tests_long_over_are_nobodys() -> None:
    machine = Machine()
    for n in range(60):
        machine.succeeds(CallId(f"ess1-1790000005.{n}"))
        for call in list(machine.centre.synthetic.calls):
            leg = ids.synthetic_leg(call) if ids.is_synthetic(call) else ids.caller_leg(call)
            machine.hears(LegGone(call, leg, 16))
    assert len(machine.centre.synthetic.calls) <= synthetic.REMEMBERED + 2
    last = CallId("ess1-1790000005.59")
    assert machine.hears(PlaybackEnded(last, ids.playback(last, 1))) == []


def test_of_two_centres_each_has_its_own() -> None:
    other = replace(renumbered(TESTED, "lain", "3"))
    core = Centres([CallCentre(TESTED), CallCentre(other)])
    rung = {}
    for name in ("contoh", "lain"):
        local = datetime.fromtimestamp(WALL, UTC)
        done = core.decide(ClockRead(local, True, WALL, centre=name), 1.0)
        (ring,) = of(done.effects, Originate)
        rung[name] = ring.call
    assert rung["contoh"] != rung["lain"]
    answered = core.decide(LegAnswered(rung["lain"], ids.synthetic_leg(rung["lain"])), 2.0)
    assert answered.centre == "lain"
    arrived = SyntheticCallArrived(IN, rung["lain"].rpartition("-")[2], centre="lain")
    assert core.decide(arrived, 2.0).centre == "lain"
    assert core.decide(SpeechBegan(IN, LegId(IN)), 2.0).centre == "lain"
