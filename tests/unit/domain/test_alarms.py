"""Alarms stand until they are cleared, over restarts too, and are acknowledged by people."""

from __future__ import annotations

from datetime import datetime

from ess_pbx.domain.alarms import SETTLE, Alarms
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import AcknowledgeAlarm, Asker, Via
from ess_pbx.domain.effects import EngineEffect, Record, Refused
from ess_pbx.domain.events import AlarmChanged, ClockRead
from ess_pbx.domain.facts import Fact

from .centre import CENTRE, of

SUPERVISOR = Asker("3001", Via.API)
WALL = 1_790_000_000.0
NIGHT = datetime(2026, 11, 22, 3, 0)


def clock(core: CallCentre, now: float, *, phones_known: bool = True) -> list[EngineEffect]:
    return core.decide(ClockRead(NIGHT, phones_known, WALL + now), now)


def given_it_stands(alarm: str = "roster", detail: str = "baris 3") -> CallCentre:
    core = CallCentre(CENTRE)
    clock(core, 0.0)
    core.decide(AlarmChanged(alarm, True, detail), 1.0)
    return core


def given_restarted(before: CallCentre) -> CallCentre:
    """The same centre, told what the one before had in its checkpoint."""
    kept = before.checkpoint()
    core = CallCentre(CENTRE)
    core.recall(
        Fact(id="b-1", centre="contoh", call=None, kind=kept.kind, at=WALL, ms=None, data=kept.data)
    )
    return core


def kinds(effects: list[EngineEffect]) -> list[str]:
    return [each.kind for each in of(effects, Record)]


def test_an_alarm_that_is_raised_stands_since_then() -> None:
    core = given_it_stands()
    (alarm,) = core.alarms.standing.values()
    assert (alarm.alarm, alarm.detail, alarm.since) == ("roster", "baris 3", WALL + 1.0)


def test_what_the_engine_says_again_is_no_news() -> None:
    core = given_it_stands()
    assert core.decide(AlarmChanged("roster", True, "baris 3"), 2.0) == []
    assert kinds(core.decide(AlarmChanged("roster", True, "baris 4"), 3.0)) == ["alarm_raised"]
    (alarm,) = core.alarms.standing.values()
    assert (alarm.detail, alarm.since) == ("baris 4", WALL + 1.0)


def test_an_alarm_that_is_cleared_stands_no_more_and_is_cleared_once() -> None:
    core = given_it_stands()
    assert kinds(core.decide(AlarmChanged("roster", False, "ok"), 2.0)) == ["alarm_cleared"]
    assert core.alarms.standing == {}
    assert core.decide(AlarmChanged("roster", False, "ok"), 3.0) == []


def test_who_acknowledged_an_alarm_is_on_record_and_it_stands_on() -> None:
    core = given_it_stands()
    (record,) = of(core.decide(AcknowledgeAlarm(SUPERVISOR, "roster"), 5.0), Record)
    assert record.data == {"alarm": "roster", "by": "3001", "via": "api"}
    (alarm,) = core.alarms.standing.values()
    assert (alarm.acknowledged_by, alarm.acknowledged_at) == ("3001", WALL + 5.0)


def test_an_alarm_that_does_not_stand_cannot_be_acknowledged() -> None:
    core = given_it_stands()
    (refused,) = of(core.decide(AcknowledgeAlarm(SUPERVISOR, "web"), 5.0), Refused)
    assert refused.code == "unknown-alarm"
    assert refused.detail.endswith("expected one of: roster")


def test_an_alarm_that_nobody_clears_is_over_when_it_was_seen() -> None:
    core = given_it_stands("unknown-number")
    core.decide(AcknowledgeAlarm(SUPERVISOR, "unknown-number"), 5.0)
    assert core.alarms.standing == {}


def test_alarms_stand_over_a_restart_with_who_acknowledged_them() -> None:
    before = given_it_stands()
    before.decide(AcknowledgeAlarm(SUPERVISOR, "roster"), 5.0)
    assert given_restarted(before).alarms.standing == before.alarms.standing


def test_what_a_new_engine_does_not_find_again_is_cleared_when_it_has_settled() -> None:
    core = given_restarted(given_it_stands("shift-unmanned:malam"))
    assert clock(core, 0.0, phones_known=False) == []
    assert kinds(clock(core, 10.0)) == []
    assert kinds(clock(core, 9.9 + SETTLE)) == []
    assert kinds(clock(core, 10.0 + SETTLE)) == ["alarm_cleared"]
    assert core.alarms.standing == {}
    assert kinds(clock(core, 20.0 + SETTLE)) == []


def test_what_a_new_engine_finds_again_stands_on_since_it_began() -> None:
    core = given_restarted(given_it_stands())
    clock(core, 0.0)
    core.decide(AlarmChanged("roster", True, "baris 3"), 1.0)
    assert kinds(clock(core, 1.0 + SETTLE)) == []
    (alarm,) = core.alarms.standing.values()
    assert alarm.since == WALL + 1.0


def test_an_alarm_kept_by_what_raised_it_is_left_to_it() -> None:
    core = given_restarted(given_it_stands("bmkg-feed"))
    clock(core, 0.0)
    assert kinds(clock(core, 10 * SETTLE)) == []
    assert list(core.alarms.standing) == ["bmkg-feed"]


def test_a_checkpoint_of_something_else_is_passed() -> None:
    alarms = Alarms()
    alarms.load(None)
    assert alarms.dump() == []
