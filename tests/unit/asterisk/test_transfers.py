"""Phones' transfers go to no Asterisk that a phone could end by one."""

from __future__ import annotations

import pytest

from ess_pbx.asterisk.transfers import Version, are_safe


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((22, 10, 1), False),
        ((22, 11, 0), True),
        ((22, 12, 1), True),
        ((23, 4, 1), False),
        ((23, 5, 0), True),
        ((24, 0, 0), True),
        ((21, 99, 0), False),
    ],
)
def test_only_a_version_with_the_remedy_is_safe(version: Version, safe: bool) -> None:
    assert are_safe(version) is safe
