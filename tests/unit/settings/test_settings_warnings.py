"""What a settings file may say, and had better not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ess_pbx.settings.load import load_settings

Given = Callable[..., Path]


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        (
            'ends = "19:00"',
            'ends = "18:30"',
            "centre.toml:37: warning: shifts: no shift from 18:30 to 19:00; better all day covered",
        ),
        (
            'ends = "07:00"',
            'ends = "22:00"',
            "centre.toml:37: warning: shifts: no shift from 22:00 to 07:00; better all day covered",
        ),
        (
            '["1002"]',
            "[]",
            "centre.toml:48: warning: shifts[1].operators: none; better one operator or more",
        ),
        (
            "ring = 12",
            "prank_priority = 6",
            "centre.toml:10: warning: policy.prank_priority: 6, above default_priority; "
            "better 5 or less, for it holds nobody back",
        ),
        (
            "sip_port",
            'ari_host = "10.0.0.5"\nsip_port',
            "centre.toml:12: warning: asterisk.ari_host: 10.0.0.5, where the network can reach it; "
            "better 127.0.0.1, for ARI can place calls",
        ),
    ],
)
def test_what_is_allowed_but_odd_is_a_warning(
    given: Given, old: str, new: str, warning: str
) -> None:
    assert warning in load_settings(given((old, new))).warnings


def test_too_few_ports_for_the_legs_of_all_operators_are_a_warning(given: Given) -> None:
    third = '[[operators]]\nextension = "1003"\nname = "Tiga"\n[[operators]]'
    path = given(
        ("rtp_last = 10999", "rtp_last = 10021"),
        ("[[operators]]", third),
        ('["1002"]', '["1002", "1003"]'),
    )
    assert load_settings(path).warnings == (
        "centre.toml:15: warning: asterisk.rtp_last: 10021, 22 ports for 3 operators; "
        "better 10023 or above: who calls when no port is free is refused",
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [(("07:00", "19:00"), ("19:00", "07:00")), (("08:00", "08:00"), ("10:00", "12:00"))],
)
def test_a_day_that_is_covered_gives_no_warning(
    given: Given, first: tuple[str, str], second: tuple[str, str]
) -> None:
    path = given(
        ("starts = 07:00:00", f'starts = "{first[0]}"'),
        ('ends = "19:00"', f'ends = "{first[1]}"'),
        ('starts = "19:00"\nends = "07:00"', f'starts = "{second[0]}"\nends = "{second[1]}"'),
    )

    assert load_settings(path).warnings == ()


def test_a_skill_that_no_call_asks_for_and_one_that_nobody_has_are_warnings(given: Given) -> None:
    path = given(
        ('queue = "umum"\n[[shifts]]', 'queue = "umum"\nskills = ["medis"]\n[[shifts]]'),
        ('name = "Satu"\n', 'name = "Satu"\nskills = {medsi = 2, bahasa-id = 1}\n'),
    )

    warnings = load_settings(path).warnings

    assert [each.partition("warning: ")[2].partition(",")[0] for each in warnings] == [
        'categories[0].skills[0]: "medis"',
        'operators[0].skills.medsi: "medsi"',
    ]
