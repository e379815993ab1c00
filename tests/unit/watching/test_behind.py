"""A database that takes no facts is away; one that follows is not, however busy it is."""

from __future__ import annotations

from ess_pbx.watching.behind import CAUGHT_UP, TOO_MANY, BehindWatch

WITHIN = 10.0


def test_without_facts_to_take_nothing_is_missed() -> None:
    watch = BehindWatch(WITHIN)
    assert all(watch.look(0, 5, float(now)) is None for now in range(100))


def test_facts_that_wait_too_long_are_told_of_until_they_are_taken() -> None:
    watch = BehindWatch(WITHIN)
    watch.look(0, 5, 0.0)
    assert watch.look(1, 5, WITHIN - 1) is None
    assert "takes no facts" in str(watch.look(3, 5, WITHIN))
    assert watch.look(900, 5, 60.0) is not None
    assert watch.look(900 - CAUGHT_UP, 5 + CAUGHT_UP, 61.0) is not None
    assert watch.look(0, 905, 62.0) is None


def test_a_database_that_takes_facts_all_the_time_is_there() -> None:
    watch = BehindWatch(WITHIN)
    assert all(watch.look(3000, now * 10, float(now)) is None for now in range(100))


def test_one_that_is_too_slow_is_told_of_though_it_takes_some() -> None:
    watch = BehindWatch(WITHIN)
    watch.look(0, 0, 0.0)
    assert watch.look(TOO_MANY, 1, 1.0) is not None
    assert watch.look(TOO_MANY - 1, 2, 2.0) is not None
    assert watch.look(CAUGHT_UP, 3, 3.0) is None


def test_a_database_that_was_never_there_is_told_of() -> None:
    watch = BehindWatch(WITHIN)
    assert watch.look(2, 0, 0.0) is None
    assert watch.look(2, 0, WITHIN) is not None
