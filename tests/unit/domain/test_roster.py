"""Who is on duty on a date, and what is missed ahead of a shift, by the clock on the wall."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ess_pbx.demo.stage import sample
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.config import Shift
from ess_pbx.domain.effects import EngineEffect, Record
from ess_pbx.domain.events import ClockRead, PhoneReachable, RosterRead
from ess_pbx.domain.facts import Fact, fields_differ
from ess_pbx.domain.roster import Entry, Kind, Roster, ahead, instant


def a_shift(name: str, starts: int, ends: int, *operators: str, **more: Any) -> Shift:
    return Shift(
        id=name, name=name, starts=time(starts), ends=time(ends), operators=operators, **more
    )


PAGI = a_shift("pagi", 7, 14, "2001", "2002")
SIANG = a_shift("siang", 14, 21, "2003")
MALAM = a_shift("malam", 21, 7, "2004")
THREE = (PAGI, SIANG, MALAM)
DAY = date(2026, 1, 31)
JAKARTA = ZoneInfo("Asia/Jakarta")


def on(shift: str, operator: str, day: date = DAY) -> Entry:
    return Entry(day, shift, operator, Kind.DUTY)


def takes(shift: str, operator: str, replaces: str, day: date = DAY) -> Entry:
    return Entry(day, shift, operator, Kind.REPLACES, replaces)


def off(operator: str | None, shift: str | None = None, day: date = DAY) -> Entry:
    return Entry(day, shift, operator, Kind.OFF)


def at(day: int, hour: int, minute: int = 0, month: int = 1) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=JAKARTA)


# Templates


def test_without_entries_every_day_goes_by_the_templates() -> None:
    roster = Roster(THREE)
    assert roster.on_duty(at(31, 7)) == {"2001", "2002"}
    assert roster.on_duty(at(31, 20, 59)) == {"2003"}
    assert roster.on_duty(at(31, 21)) == {"2004"}
    assert roster.on_duty(at(31, 6, 59)) == {"2004"}


def test_operators_of_overlapping_shifts_are_all_on_duty() -> None:
    roster = Roster((*THREE, a_shift("semua", 0, 0, "2001", "2009")))
    assert roster.on_duty(at(31, 15)) == {"2003", "2001", "2009"}


def test_nobody_is_on_duty_between_shifts() -> None:
    assert Roster((PAGI,)).on_duty(at(31, 6)) == frozenset()


# Entries


def test_those_named_for_a_date_take_the_place_of_the_template_on_that_date_only() -> None:
    roster = Roster(THREE, [on("pagi", "2005"), on("pagi", "2006")])
    assert roster.on_duty(at(30, 10)) == {"2001", "2002"}
    assert roster.on_duty(at(31, 10)) == {"2005", "2006"}
    assert roster.on_duty(at(31, 15)) == {"2003"}
    assert roster.on_duty(at(1, 10, month=2)) == {"2001", "2002"}


def test_a_shift_past_midnight_and_month_end_has_the_date_on_which_it_starts() -> None:
    roster = Roster(THREE, [on("malam", "2005")])
    assert roster.on_duty(at(31, 6)) == {"2004"}  # began on the 30th
    assert roster.on_duty(at(31, 21)) == {"2005"}
    assert roster.on_duty(at(1, 0, month=2)) == {"2005"}
    assert roster.on_duty(at(1, 6, 59, month=2)) == {"2005"}
    assert roster.on_duty(at(1, 7, month=2)) == {"2001", "2002"}
    assert roster.on_duty(at(1, 21, month=2)) == {"2004"}


def test_a_duty_that_is_taken_over_is_no_longer_that_of_who_had_it() -> None:
    roster = Roster(THREE, [takes("pagi", "2005", "2001")])
    assert roster.on_duty(at(31, 10)) == {"2005", "2002"}


def test_two_who_swap_their_dates_work_each_others() -> None:
    second = DAY + timedelta(days=1)
    roster = Roster(THREE, [takes("siang", "2004", "2003"), takes("malam", "2003", "2004", second)])
    assert roster.on_duty(at(31, 15)) == {"2004"}
    assert roster.on_duty(at(1, 22, month=2)) == {"2003"}


@pytest.mark.parametrize("backwards", [False, True])
def test_a_duty_passed_on_twice_is_the_lasts_in_whatever_order_it_is_written(
    backwards: bool,
) -> None:
    chain = [takes("siang", "2005", "2003"), takes("siang", "2006", "2005")]
    roster = Roster(THREE, chain[::-1] if backwards else chain)
    assert roster.on_duty(at(31, 15)) == {"2006"}


def test_a_duty_that_goes_round_stays_where_it_was() -> None:
    round_ = [takes("siang", "2005", "2003"), takes("siang", "2003", "2005")]
    assert Roster(THREE, round_).on_duty(at(31, 15)) == {"2003"}


def test_taking_the_duty_of_someone_who_has_none_is_no_duty() -> None:
    roster = Roster(THREE, [takes("siang", "2005", "2001")])
    assert roster.on_duty(at(31, 15)) == {"2003"}


def test_who_is_away_is_on_no_shift_of_that_date_or_not_on_the_one_named() -> None:
    whole = a_shift("semua", 0, 0, "2001", "2009")
    assert Roster((*THREE, whole), [off("2001")]).on_duty(at(31, 10)) == {"2002", "2009"}
    named = Roster((*THREE, whole), [off("2001", "pagi")])
    assert named.on_duty(at(31, 10)) == {"2001", "2002", "2009"}
    assert named.operators(PAGI, DAY) == {"2002"}


def test_the_duty_of_someone_away_can_be_taken() -> None:
    roster = Roster(THREE, [on("siang", "2005"), off("2005"), takes("siang", "2006", "2005")])
    assert roster.on_duty(at(31, 15)) == {"2006"}


def test_a_holiday_has_its_own_shifts_and_the_night_before_ends_as_it_was() -> None:
    special = a_shift("raya", 7, 7, "2008", holiday=True)
    roster = Roster((*THREE, special), [off(None)])
    assert roster.on_duty(at(30, 15)) == {"2003"}
    assert roster.on_duty(at(31, 6)) == {"2004"}
    assert roster.on_duty(at(31, 15)) == {"2008"}
    assert roster.on_duty(at(1, 6, month=2)) == {"2008"}
    assert roster.on_duty(at(1, 7, month=2)) == {"2001", "2002"}


def test_a_holiday_of_a_centre_without_shifts_for_it_is_manned_as_every_day() -> None:
    roster = Roster(THREE, [off(None), on("siang", "2005")])
    assert roster.on_duty(at(31, 10)) == {"2001", "2002"}
    assert roster.on_duty(at(31, 15)) == {"2005"}


# Hand-over


def test_the_outgoing_stay_and_the_incoming_begin_as_long_as_the_centre_says() -> None:
    roster = Roster(THREE, before=600, after=900)
    assert roster.on_duty(at(31, 13, 49)) == {"2001", "2002"}
    assert roster.on_duty(at(31, 13, 50)) == {"2001", "2002", "2003"}
    assert roster.on_duty(at(31, 14, 14)) == {"2001", "2002", "2003"}
    assert roster.on_duty(at(31, 14, 15)) == {"2003"}


def test_hand_over_reaches_over_midnight_to_both_sides() -> None:
    day = a_shift("semua", 0, 0, "2001")
    roster = Roster((day,), [on("semua", "2005")], before=600, after=900)
    assert roster.on_duty(at(30, 23, 50)) == {"2001", "2005"}
    assert roster.on_duty(at(31, 0, 14)) == {"2001", "2005"}
    assert roster.on_duty(at(31, 0, 15)) == {"2005"}
    assert roster.on_duty(at(1, 0, 14, month=2)) == {"2001", "2005"}


def test_a_whole_day_that_ends_just_before_midnight_hands_over_after_it() -> None:
    late = Shift(id="s", name="S", starts=time(23, 50), ends=time(23, 50), operators=("2001",))
    roster = Roster((late,), [on("s", "2005", date(2026, 1, 29))], after=900)
    assert roster.on_duty(at(31, 0, 4)) == {"2001", "2005"}
    assert roster.on_duty(at(31, 0, 5)) == {"2001"}


# Time zones


@pytest.mark.parametrize(
    ("zone", "operators"),
    [
        ("Asia/Jakarta", {"2004"}),  # WIB, UTC+7: 06:30
        ("Asia/Makassar", {"2001", "2002"}),  # WITA, UTC+8: 07:30
        ("Asia/Jayapura", {"2001", "2002"}),  # WIT, UTC+9: 08:30
    ],
)
def test_the_same_moment_is_another_shift_in_another_zone(zone: str, operators: set[str]) -> None:
    moment = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)
    assert Roster(THREE).on_duty(moment.astimezone(ZoneInfo(zone))) == operators


def minutes_on(roster: Roster, first: datetime, hours: int) -> dict[str, int]:
    """How many minutes each works from a moment in UTC, in a zone with DST."""
    berlin, worked = ZoneInfo("Europe/Berlin"), dict.fromkeys(("2001", "2002"), 0)
    for minute in range(hours * 60):
        for operator in roster.on_duty((first + timedelta(minutes=minute)).astimezone(berlin)):
            worked[operator] += 1
    return worked


def half_past_two() -> Roster:
    early = Shift(id="a", name="A", starts=time(20), ends=time(2, 30), operators=("2001",))
    late = Shift(id="b", name="B", starts=time(2, 30), ends=time(10), operators=("2002",))
    return Roster((early, late))


def test_the_hour_that_a_zone_repeats_is_worked_once_by_the_shift_that_began_in_it() -> None:
    # Berlin, 25 October 2026: 03:00 is 02:00 again.
    evening = datetime(2026, 10, 24, 18, tzinfo=UTC)
    assert minutes_on(half_past_two(), evening, 15) == {"2001": 390, "2002": 510}


def test_the_hour_that_a_zone_skips_is_worked_by_nobody_and_leaves_no_gap() -> None:
    # Berlin, 29 March 2026: 02:00 is 03:00; 02:30 is what then reads 03:30.
    evening = datetime(2026, 3, 28, 19, tzinfo=UTC)
    assert minutes_on(half_past_two(), evening, 13) == {"2001": 390, "2002": 390}


def test_a_shift_within_the_hour_that_is_skipped_has_no_duty() -> None:
    inside = Shift(id="s", name="S", starts=time(2, 30), ends=time(3), operators=("2001",))
    roster = Roster((inside,), before=3600, after=3600)
    assert (
        list(roster.duties(date(2026, 3, 29), date(2026, 3, 29), ZoneInfo("Europe/Berlin"))) == []
    )


def test_a_naive_time_is_taken_as_it_is() -> None:
    assert Roster(THREE).on_duty(datetime(2026, 1, 31, 14)) == {"2003"}
    assert instant(datetime(2026, 1, 31, 14)) == datetime(2026, 1, 31, 14)


# What is missed ahead


def told(records: Iterable[Record]) -> list[tuple[str, str]]:
    return [(str(record.kind), str(record.data["alarm"])) for record in records]


class Watch:
    """Goes through the day, keeping the alarms that stand."""

    def __init__(self, *shifts: Shift, entries: Iterable[Entry] = ()) -> None:
        self.roster = Roster(shifts, entries)
        self.standing: frozenset[str] = frozenset()
        self.last: list[Record] = []

    def __call__(self, local: datetime, *reachable: str) -> list[tuple[str, str]]:
        self.standing, self.last = ahead(self.roster, set(reachable), local, self.standing, 15 * 60)
        return told(self.last)


def test_nobody_there_is_told_once_from_fifteen_minutes_ahead_and_cleared_once() -> None:
    watch = Watch(SIANG)
    assert watch(at(31, 13, 44)) == []
    assert watch(at(31, 13, 45)) == [("alarm_raised", "shift-unmanned:siang")]
    assert "siang 2026-01-31 14:00: 0 of 1 reachable, on the roster: 2003" in str(watch.last)
    assert watch(at(31, 13, 50), "2001") == []  # another's phone is of no help
    assert watch(at(31, 13, 55), "2003") == [("alarm_cleared", "shift-unmanned:siang")]
    assert watch(at(31, 13, 56), "2003") == []


def test_an_alarm_goes_on_into_the_shift_and_ends_with_it() -> None:
    watch = Watch(SIANG)
    watch(at(31, 13, 50))
    assert watch(at(31, 14)) == []
    assert watch(at(31, 20, 59)) == []
    assert watch(at(31, 21)) == [("alarm_cleared", "shift-unmanned:siang")]
    assert "the shift is over" in str(watch.last)


def test_who_leaves_in_the_middle_of_a_shift_is_missed() -> None:
    watch = Watch(SIANG)
    assert watch(at(31, 16), "2003") == []
    assert watch(at(31, 16, 1)) == [("alarm_raised", "shift-unmanned:siang")]


def test_fewer_than_the_minimum_is_another_alarm_than_nobody() -> None:
    watch = Watch(a_shift("pagi", 7, 14, "2001", "2002", "2003", minimum=2))
    assert watch(at(31, 6, 50)) == [("alarm_raised", "shift-unmanned:pagi")]
    assert watch(at(31, 6, 51), "2001") == [
        ("alarm_raised", "shift-short:pagi"),
        ("alarm_cleared", "shift-unmanned:pagi"),
    ]
    assert watch(at(31, 6, 52), "2001", "2003") == [("alarm_cleared", "shift-short:pagi")]


def test_a_minimum_of_none_asks_for_nobody() -> None:
    assert Watch(a_shift("pagi", 7, 14, "2001", minimum=0))(at(31, 7)) == []


def test_a_shift_that_nobody_is_left_for_is_told_as_unmanned() -> None:
    watch = Watch(SIANG, entries=[off("2003")])
    assert watch(at(31, 13, 50), "2003") == [("alarm_raised", "shift-unmanned:siang")]
    assert "nobody" in str(watch.last)


def test_those_on_the_roster_are_awaited_and_not_those_of_the_template() -> None:
    watch = Watch(SIANG, entries=[on("siang", "2005")])
    assert watch(at(31, 13, 50), "2003") == [("alarm_raised", "shift-unmanned:siang")]
    assert watch(at(31, 13, 51), "2005") == [("alarm_cleared", "shift-unmanned:siang")]


def test_the_next_day_of_a_whole_day_shift_keeps_the_alarm_of_today() -> None:
    watch = Watch(a_shift("semua", 0, 0, "2001"), entries=[on("semua", "2005")])
    assert watch(at(30, 23, 50), "2001") == [("alarm_raised", "shift-unmanned:semua")]
    assert watch(at(31, 0), "2001") == []
    assert watch(at(31, 0, 1), "2005") == [("alarm_cleared", "shift-unmanned:semua")]


# In the centre


def records_of(effects: list[EngineEffect], prefix: str = "shift-") -> list[Record]:
    records = [effect for effect in effects if isinstance(effect, Record)]
    return [each for each in records if str(each.data.get("alarm", "")).startswith(prefix)]


def test_the_centre_goes_by_the_roster_it_read_last() -> None:
    core = CallCentre(sample().centre_named())
    noon = ClockRead(at(31, 12))
    core.decide(noon, 0)
    assert {seat.extension for seat in core.acd.seats.values() if seat.on_duty} == {"1001", "1002"}
    core.decide(RosterRead((on("pagi", "1005"),)), 1)
    core.decide(noon, 1)
    assert {seat.extension for seat in core.acd.seats.values() if seat.on_duty} == {"1005"}


def test_the_centre_misses_no_phone_before_it_was_told_which_are_there() -> None:
    core = CallCentre(sample().centre_named())
    assert records_of(core.decide(ClockRead(at(31, 12)), 0)) == []
    raised = records_of(core.decide(ClockRead(at(31, 12), True), 1))
    assert told(raised) == [("alarm_raised", "shift-unmanned:pagi")]
    assert records_of(core.decide(ClockRead(at(31, 12), True), 2)) == []
    core.decide(PhoneReachable("1002"), 3)
    cleared = records_of(core.decide(ClockRead(at(31, 12), True), 4))
    assert told(cleared) == [("alarm_cleared", "shift-unmanned:pagi")]
    for each in (*raised, *cleared):
        fact = Fact(id="1", centre="c", call=None, kind=each.kind, at=0, ms=None, data=each.data)
        assert fields_differ(fact) is None
