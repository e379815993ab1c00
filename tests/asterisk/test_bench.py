"""``ess-pbx bench`` on the real Asterisk. No time is asserted: the machine may be busy."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ess_pbx.asterisk import render
from ess_pbx.bench import answer, crowd, ring

from .story import PATIENCE_MS

pytestmark = pytest.mark.asterisk


@pytest.fixture(autouse=True)
def patient_dialplan(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that other tests make slow is not to lose its callers to the dialplan."""
    monkeypatch.setattr(render, "CLAIM_MS", PATIENCE_MS)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="ess-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


async def test_both_ways_ring_the_phone_with_two_requests_and_nothing_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "WARM_UP", 1)
    told: list[str] = []

    result = await ring.run_ring_bench(3, folder, told.append)

    assert result.calls == 3
    assert 0 < result.engine.ring_ms.min <= result.engine.ring_ms.p50 <= result.engine.ring_ms.max
    assert 0 < result.dial.ring_ms.min <= result.dial.ring_ms.p50 <= result.dial.ring_ms.max
    assert result.dial.asterisk_cpu_ms > 0
    # The claim of the call, then the originate: nothing else stands before the ringing.
    assert result.requests_before_ringing == 2
    assert (result.leftover_channels, result.leftover_bridges) == (0, 0)
    assert any("3 calls each way" in line for line in told)


async def test_a_crowd_is_served_in_order_and_nobody_is_refused_or_dropped(folder: Path) -> None:
    result = await crowd.run_crowd(8, 2, 100.0, 0.5, folder, lambda _: None)

    assert (result.refused, result.dropped, result.out_of_order) == (0, 0, 0)
    assert result.talked == 8
    assert result.longest_silence <= 3.0
    assert (result.leftover_channels, result.leftover_bridges) == (0, 0)
    assert "8 talked to an operator" in crowd.render(result)


async def test_caller_and_operator_hear_each_other_in_every_kind_of_centre(folder: Path) -> None:
    result = await answer.run_answer_bench(1, folder, lambda _: None)

    assert list(result.two_way_ms) == list(answer.KINDS)
    assert all(spread.min > 0 for spread in result.two_way_ms.values())
