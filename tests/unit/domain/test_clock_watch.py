"""A wall clock that is set is on record, for each call that goes on, and an alarm for a while."""

from __future__ import annotations

from datetime import UTC, datetime

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.clock_watch import STEADY
from ess_pbx.domain.effects import ArmTimer, CancelTimer, Record
from ess_pbx.domain.events import ClockRead
from ess_pbx.domain.facts import Fact, FactKind

from .centre import CALL, CENTRE, arrival, of

WALL = 1_790_000_000.0
HOUR = 3600.0


class Machine:
    """A centre, and the clocks of its machine."""

    def __init__(self) -> None:
        self.core = CallCentre(CENTRE)
        self.now = 0.0
        self.off = 0.0
        self.reads()

    def reads(self, after: float = 5.0, jump: float = 0.0) -> list[Record]:
        """The records of the next reading; the clock was set by ``jump`` before it."""
        self.now += after
        self.off += jump
        wall = WALL + self.now + self.off
        local = datetime.fromtimestamp(wall, UTC)
        effects = self.core.decide(ClockRead(local, False, wall), self.now)
        self.timers = [*of(effects, ArmTimer), *of(effects, CancelTimer)]
        wanted = (FactKind.CLOCK_JUMPED, FactKind.ALARM_RAISED, FactKind.ALARM_CLEARED)
        return [each for each in of(effects, Record) if each.kind in wanted]


def kinds(records: list[Record]) -> list[str]:
    return [each.kind for each in records]


def test_a_clock_that_goes_as_it_should_is_no_news() -> None:
    machine = Machine()
    assert all(machine.reads() == [] for _ in range(200))


def test_an_hour_ahead_is_on_record_and_an_alarm_that_says_by_how_much() -> None:
    machine = Machine()
    jumped, raised = machine.reads(jump=HOUR)
    assert (jumped.kind, jumped.call, jumped.data) == ("clock_jumped", None, {"seconds": HOUR})
    assert raised.data["alarm"] == "clock"
    assert "+3600.0 s" in str(raised.data["detail"])
    assert machine.reads() == []


def test_each_call_that_goes_on_is_flagged_and_no_timer_is_touched() -> None:
    machine = Machine()
    machine.core.decide(arrival(), machine.now)
    records = machine.reads(jump=-HOUR)
    flagged = [each.call for each in records if each.kind == FactKind.CLOCK_JUMPED]
    assert flagged == [None, CALL]
    assert {each.data.get("seconds") for each in records[:2]} == {-HOUR}
    assert machine.timers == []


def test_back_where_it_was_it_is_over_at_once() -> None:
    machine = Machine()
    machine.reads(jump=HOUR)
    assert kinds(machine.reads(jump=-HOUR)) == ["clock_jumped", "alarm_cleared"]
    assert machine.reads() == []


def test_a_clock_that_was_put_right_is_trusted_when_it_was_steady_for_a_while() -> None:
    machine = Machine()
    machine.reads(jump=HOUR)
    assert machine.reads(STEADY - 1) == []
    assert kinds(machine.reads(1.0)) == ["alarm_cleared"]
    assert kinds(machine.reads(jump=-HOUR)) == ["clock_jumped", "alarm_raised"]


def test_a_second_jump_begins_the_while_anew() -> None:
    machine = Machine()
    machine.reads(jump=HOUR)
    assert kinds(machine.reads(STEADY - 1, jump=HOUR)) == ["clock_jumped", "alarm_raised"]
    assert machine.reads(STEADY - 1) == []
    assert kinds(machine.reads(1.0)) == ["alarm_cleared"]


def test_a_slow_correction_is_no_jump_however_far_it_goes() -> None:
    machine = Machine()
    assert all(machine.reads(jump=CENTRE.policy.clock_jump) == [] for _ in range(100))


def test_after_a_slow_correction_back_is_where_the_clock_would_be_now() -> None:
    machine = Machine()
    for _ in range(20):
        machine.reads(jump=1.0)
    machine.reads(jump=HOUR)
    assert kinds(machine.reads(jump=-HOUR)) == ["clock_jumped", "alarm_cleared"]


def test_an_alarm_of_an_engine_before_is_cleared_by_the_next_when_it_was_steady() -> None:
    before = Machine()
    before.reads(jump=HOUR)
    kept = before.core.checkpoint()
    machine = Machine.__new__(Machine)
    machine.core, machine.now, machine.off = CallCentre(CENTRE), 0.0, HOUR
    machine.core.recall(
        Fact(id="b-1", centre="contoh", call=None, kind=kept.kind, at=WALL, ms=None, data=kept.data)
    )
    assert machine.reads() == []
    assert machine.reads(STEADY - 1) == []
    assert kinds(machine.reads(1.0)) == ["alarm_cleared"]
