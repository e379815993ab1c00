"""Which part of the day a shift template covers."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess_pbx.domain.config import Shift
from ess_pbx.domain.shift import is_on


def a_shift(starts: time, ends: time) -> Shift:
    return Shift(id="s", name="S", starts=starts, ends=ends, operators=())


MORNING = a_shift(time(7), time(14))
AFTERNOON = a_shift(time(14), time(21))
NIGHT = a_shift(time(21), time(7))
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
