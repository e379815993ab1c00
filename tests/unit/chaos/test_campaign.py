"""What a campaign's rounds come to, and when it has cost too much."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ess_pbx.chaos.campaign import SUMMED, Campaign, Round, render, summed_up


def given_round(**changed: Any) -> Round:
    """One that cost nothing."""
    counts = dict.fromkeys(SUMMED, 0) | {"calls": 120} | changed.pop("counts", {})
    figures: dict[str, Any] = {"kills": 10, "adopted": [0.9, 1.0, 1.4], "rings": [0.2, 0.3]}
    return Round(**(figures | changed), counts=counts)


def test_rounds_are_summed_up() -> None:
    campaign = summed_up(7, [given_round(), given_round(adopted=[2.0], longest_silence=0.5)])

    assert (campaign.seed, campaign.kills, campaign.counts["calls"]) == (7, 20, 240)
    assert (campaign.adopted_median, campaign.adopted_worst) == (1.2, 2.0)
    assert (campaign.ring_worst, campaign.longest_silence) == (0.3, 0.5)
    assert campaign.passed is True


@pytest.mark.parametrize("name", [each for each in SUMMED if each != "calls"])
def test_one_call_dropped_lost_or_left_over_in_any_round_fails(name: str) -> None:
    campaign = summed_up(1, [given_round(), given_round(counts={name: 1}), given_round()])

    assert campaign.passed is False
    assert f"{name} 1 (!)" in campaign.measured


@pytest.mark.parametrize(
    "worse",
    [
        {"adopted": [0.9, 3.1]},
        {"not_adopted": 1},
        {"rings": [0.2, None]},
        {"rings": [1.1]},
        {"longest_silence": 3.1},
    ],
)
def test_a_time_beyond_its_bound_fails(worse: dict[str, Any]) -> None:
    assert summed_up(1, [given_round(), given_round(**worse)]).passed is False


def test_it_is_shown_as_a_table_and_survives_json() -> None:
    campaign = summed_up(3, [given_round(), given_round()])

    assert "20 kills of the engine, seed 3" in render(campaign)
    assert render(campaign).count("120") == 2
    assert msgspec.json.decode(msgspec.json.encode(campaign), type=Campaign) == campaign
