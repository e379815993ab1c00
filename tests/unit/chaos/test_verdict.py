"""A fault is passed only when every bound is kept; the table and the JSON say which was not."""

from __future__ import annotations

import msgspec
import pytest

from ess_pbx.chaos.verdict import Check, failed, judge, left_out, render

KEPT = Check("dropped", 0, at_most=0)
BROKEN = Check("new call rings", 1.5, at_most=1.0, unit="s")


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        (Check("dropped", 0, at_most=0), True),
        (Check("dropped", 1, at_most=0), False),
        (Check("adopted", 3.0, at_most=3.0), True),
        (Check("adopted", 3.01, at_most=3.0), False),
        (Check("adopted", float("inf"), at_most=3.0), False),
        (Check("success", 100, at_least=100), True),
        (Check("success", 99.9, at_least=100), False),
        (Check("adopted", None, at_most=3.0), False),
        (Check("success", None, at_least=100), False),
        (Check("calls", 20), True),
        (Check("calls", None), True),
    ],
)
def test_a_figure_keeps_its_bound_up_to_the_bound_itself(check: Check, passed: bool) -> None:
    assert check.passed is passed


def test_one_broken_bound_fails_the_fault_and_is_marked() -> None:
    verdict = judge("engine crash", [Check("kills", 2), KEPT, BROKEN])

    assert verdict.passed is False
    assert verdict.bound == "dropped 0; new call rings ≤ 1 s"
    assert verdict.measured == "kills 2; dropped 0; new call rings 1.50 s (!)"
    assert judge("engine crash", [Check("kills", 2), KEPT]).passed is True


def test_a_busy_machine_is_given_time_and_nothing_else() -> None:
    assert judge("engine crash", [KEPT, BROKEN], slack=2.0).passed is True
    dropped = Check("dropped", 1, at_most=0)
    success = Check("success", 99, at_least=100, unit="%")
    assert judge("engine crash", [dropped], slack=100).passed is False
    assert judge("engine crash", [success], slack=100).passed is False


def test_no_slack_widens_a_bound_so_far_that_nothing_could_break_it() -> None:
    rings = Check("new call rings", 3.7, at_most=1.0, unit="s", widest=3.0)
    assert judge("engine-frozen", [rings], slack=4.0).bound == "new call rings ≤ 3 s"
    assert judge("engine-frozen", [rings], slack=4.0).passed is False
    tight = Check("new call rings", 0.9, at_most=1.0, unit="s", widest=0.5)
    assert judge("engine-frozen", [tight], slack=4.0).passed is True


def test_a_fault_of_which_nothing_was_judged_is_not_passed() -> None:
    assert judge("engine crash", []).passed is False
    assert judge("engine crash", [Check("kills", 2)]).passed is False


def test_what_was_never_seen_is_said_so() -> None:
    assert Check("adopted", None, at_most=3.0, unit="s").measured == "adopted not seen (!)"


def test_json_has_fault_bound_measured_and_passed_for_each() -> None:
    verdicts = [judge("a", [KEPT]), failed("b", "no engine"), left_out("c", "needs root")]

    told = msgspec.json.decode(msgspec.json.encode(verdicts))

    assert [list(each) for each in told] == [["fault", "bound", "measured", "passed"]] * 3
    assert [each["passed"] for each in told] == [True, False, None]
    assert told[2]["measured"] == "left out: needs root"


def test_the_table_has_a_row_for_each_and_counts_them() -> None:
    shown = render(
        [judge("a", [KEPT]), judge("b", [BROKEN]), left_out("c", "needs root")], {"a": "the first"}
    )

    assert "new call rings 1.50 s (!)" in shown
    assert "the first" in shown
    assert "needs root" in shown
    assert shown.endswith("1 passed, 1 failed, 1 left out\n")
    assert max(map(len, shown.splitlines())) <= 118
