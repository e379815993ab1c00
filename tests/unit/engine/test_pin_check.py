"""PINs are compared beside the loop, and the answer always comes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ess_pbx.domain.effects import CheckPin
from ess_pbx.domain.events import PinChecked
from ess_pbx.domain.ids import CallId
from ess_pbx.engine import pin_check
from ess_pbx.engine.pin_check import PinCheck
from ess_pbx.settings.credentials import FILE_NAME
from ess_pbx.settings.pins import make_pins, pin_is_right

CALL = CallId("ess1-1.1")


async def answers(state: Path, *wanted: CheckPin) -> list[PinChecked]:
    told: list[PinChecked] = []
    check = PinCheck(state, told.append)
    for each in wanted:
        check.begin(each)
    assert told == []
    async with asyncio.timeout(10):
        while len(told) < len(wanted):  # noqa: ASYNC110 - the feed is no coroutine
            await asyncio.sleep(0.005)
    return told


async def test_right_and_wrong_pins_are_told_apart_one_at_a_time_in_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = make_pins(tmp_path, ["1001"])["1001"]
    wrong = "000000" if pin != "000000" else "111111"
    threads: list[int] = []
    at_once: list[int] = []

    def compare(state: Path, agent: str, digits: str) -> bool:
        threads.append(threading.get_ident())
        at_once.append(1)
        try:
            assert len(at_once) == 1
            return pin_is_right(state, agent, digits)
        finally:
            at_once.pop()

    monkeypatch.setattr(pin_check, "pin_is_right", compare)

    told = await answers(
        tmp_path, *(CheckPin(CALL, "1001", each) for each in (pin, wrong, pin, wrong))
    )

    assert told == [PinChecked(CALL, right) for right in (True, False, True, False)]
    assert threading.get_ident() not in threads


async def test_a_pin_that_cannot_be_compared_is_answered_and_not_logged(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    with capture_logs() as logs:
        told = await answers(tmp_path, CheckPin(CALL, "1001", "246810"))
    assert told == [PinChecked(CALL, None)]
    assert [each["event"] for each in logs][-1:] == ["pin.not_checked"]
    assert "246810" not in str(logs)
