"""Every fault of the list has its row, and one that is left out says why."""

from __future__ import annotations

import pytest

from ess_pbx.chaos.catalogue import FAULTS, Fault
from ess_pbx.chaos.run import run_faults
from ess_pbx.chaos.stage import FULL, USUAL
from ess_pbx.chaos.verdict import Verdict


def test_the_load_is_that_of_the_list() -> None:
    assert (FULL.per_second, FULL.calls) == (5.0, 300)
    assert 45 <= FULL.per_second * (FULL.talk + 1) <= 55
    assert 15 <= USUAL.per_second * (USUAL.talk + 1) <= 25


def test_names_are_different_and_what_cannot_be_injected_says_why() -> None:
    assert len({fault.id for fault in FAULTS}) == len(FAULTS) == 21
    for fault in FAULTS:
        if fault.inject is None:
            assert fault.why_not(), fault.id


def test_the_tests_run_the_short_forms_of_four() -> None:
    short = [fault.id for fault in FAULTS if fault.short]

    assert short == ["engine-crash", "engine-frozen", "asterisk-restart", "database-stopped"]


async def test_a_fault_that_is_left_out_starts_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("left-out")
    told: list[str] = []

    verdicts = await run_faults(
        [Fault("soak", "soak", why_not=lambda: "takes hours")], USUAL, folder, told.append
    )

    assert verdicts == [
        Verdict(fault="soak", bound="", measured="left out: takes hours", passed=None)
    ]
    assert list(folder.iterdir()) == []
