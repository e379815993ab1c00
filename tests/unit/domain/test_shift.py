"""Who is on duty, by the clock on the centre's wall."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess_pbx.domain.config import Shift
from ess_pbx.domain.shift import is_on, next_change, on_duty


def a_shift(starts: time, ends: time, *operators: str) -> Shift:
    return Shift(id="s", name="S", starts=starts, ends=ends, operators=operators)


MORNING = a_shift(time(7), time(14), "2001", "2002")
AFTERNOON = a_shift(time(14), time(21), "2003")
NIGHT = a_shift(time(21), time(7), "2004")
THREE = (MORNING, AFTERNOON, NIGHT)
times = st.times().map(lambda at: at.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("at", "shift"),
    [
        (time(7), MORNING),
        (time(13, 59, 59, 999999), MORNING),
        (time(14), AFTERNOON),
        (time(21), NIGHT),
        (time(23, 59, 59), NIGHT),
        (time(0), NIGHT),
        (time(6, 59, 59), NIGHT),
    ],
)
def test_each_moment_of_the_day_belongs_to_one_of_three_shifts(at: time, shift: Shift) -> None:
    assert [each for each in THREE if is_on(each, at)] == [shift]


@given(times)
def test_three_shifts_cover_the_day_without_a_gap_or_an_overlap(at: time) -> None:
    assert sum(is_on(shift, at) for shift in THREE) == 1


@given(times, times)
def test_equal_times_are_the_whole_day(edge: time, at: time) -> None:
    assert is_on(a_shift(edge, edge), at)


@given(times, times, times)
def test_a_shift_and_the_one_from_its_end_to_its_start_share_the_day(
    one: time, other: time, at: time
) -> None:
    if one != other:
        assert is_on(a_shift(one, other), at) is not is_on(a_shift(other, one), at)


def test_operators_of_overlapping_shifts_are_all_on_duty() -> None:
    whole_day = a_shift(time(0), time(0), "2001", "2009")
    assert on_duty((*THREE, whole_day), datetime(2026, 1, 1, 15)) == {"2003", "2001", "2009"}


def test_nobody_is_on_duty_between_shifts() -> None:
    assert on_duty((MORNING,), datetime(2026, 1, 1, 6)) == frozenset()


@pytest.mark.parametrize(
    ("zone", "on"),
    [
        ("Asia/Jakarta", {"2004"}),  # WIB, UTC+7: 06:30
        ("Asia/Makassar", {"2001", "2002"}),  # WITA, UTC+8: 07:30
        ("Asia/Jayapura", {"2001", "2002"}),  # WIT, UTC+9: 08:30
    ],
)
def test_the_same_moment_is_another_shift_in_another_zone(zone: str, on: set[str]) -> None:
    moment = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)
    assert on_duty(THREE, moment.astimezone(ZoneInfo(zone))) == on


@pytest.mark.parametrize("zone", ["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"])
@pytest.mark.parametrize("day", [datetime(2026, 3, 29), datetime(2026, 10, 25)])
def test_a_day_in_indonesia_has_24_hours_of_shifts(zone: str, day: datetime) -> None:
    at = day.replace(tzinfo=ZoneInfo(zone))
    changes = []
    for _ in THREE:
        following = next_change(THREE, at)
        changes.append(following.astimezone(UTC) - at.astimezone(UTC))
        at = following
    assert changes == [timedelta(hours=7)] * 3


@pytest.mark.parametrize(
    ("at", "change"),
    [
        (datetime(2026, 1, 1, 6, 59), datetime(2026, 1, 1, 7)),
        (datetime(2026, 1, 1, 7), datetime(2026, 1, 1, 14)),
        (datetime(2026, 1, 1, 21), datetime(2026, 1, 2, 7)),
        (datetime(2026, 12, 31, 23, 59), datetime(2027, 1, 1, 7)),
    ],
)
def test_the_next_change_is_the_next_edge_of_a_shift(at: datetime, change: datetime) -> None:
    assert next_change(THREE, at) == change


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.floats(0, 0.999))
def test_who_is_on_duty_stays_the_same_until_the_next_change(at: datetime, part: float) -> None:
    change = next_change(THREE, at)
    assert at < change <= at + timedelta(hours=10)
    assert on_duty(THREE, at + (change - at) * part) == on_duty(THREE, at)
