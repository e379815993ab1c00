"""Which rule wins when several say how urgent a call is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess_pbx.domain.priority import CALL_BACK, CUT_OFF, REDIAL, SILENT, compose

levels = st.integers(0, 9)
maybe = st.none() | levels
reasons = st.dictionaries(st.sampled_from([SILENT, REDIAL, CALL_BACK, CUT_OFF]), levels)


@pytest.mark.parametrize(
    ("usual", "chosen", "raises", "prank", "priority"),
    [
        (5, None, {}, None, 5),
        (3, None, {}, None, 3),
        (5, 8, {}, None, 8),
        (7, 2, {}, None, 2),
        (5, None, {SILENT: 9}, None, 9),
        (5, 9, {REDIAL: 7}, None, 9),
        (5, None, {REDIAL: 7, CALL_BACK: 8}, None, 8),
        (5, 3, {REDIAL: 7}, None, 3),
        (5, 3, {REDIAL: 7, SILENT: 9}, None, 9),
        (5, 3, {CALL_BACK: 8}, None, 8),
        (8, None, {}, 1, 1),
        (5, 9, {CALL_BACK: 8}, 1, 1),
        (0, None, {}, 1, 0),
        (5, None, {CUT_OFF: 9}, 1, 9),
    ],
)
def test_the_stronger_rule_wins(
    usual: int, chosen: int | None, raises: dict[str, int], prank: int | None, priority: int
) -> None:
    assert compose(usual, chosen, raises, prank) == priority


@given(levels, maybe, reasons, maybe)
def test_it_is_always_a_priority(
    usual: int, chosen: int | None, raises: dict[str, int], prank: int | None
) -> None:
    assert 0 <= compose(usual, chosen, raises, prank) <= 9


@given(levels, maybe, reasons)
def test_what_raises_a_call_never_lowers_it(
    usual: int, chosen: int | None, raises: dict[str, int]
) -> None:
    assert compose(usual, chosen, raises, None) >= compose(usual, chosen, {}, None)
