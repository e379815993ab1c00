"""Whether each call in which a human spoke is recorded, or an alarm says why it is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ess_pbx.chaos.callers import Caller
from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.verdict import Check
from ess_pbx.domain.facts import Fact, FactKind

FINISHED_WITHIN = 10.0
"""Seconds after the last call until what was recorded is finished."""
MISSING_SECONDS = 2.0
"""What a recording may lack of its call: Asterisk writes about each second."""
OF_CALL = ("recording-failed", "recording-lost:")
OF_DISK = "disk:"


async def recording_check(
    centre: CentreProcess, talked: Iterable[Caller], cut_at: float = float("inf")
) -> Check:
    """How many who ``talked`` to a human have neither the whole recording nor an alarm.

    The file itself is looked at, and how long it is against the caller's own watch. ``cut_at`` is
    when (monotonic) Asterisk died under those who did not hang up.
    """
    wanted = {each.number: _seconds(each, cut_at) for each in talked}
    deadline = time.monotonic() + FINISHED_WITHIN
    while True:
        missing = _missing(centre, wanted)
        if not missing or time.monotonic() > deadline:
            return Check("talked without recording or alarm", len(missing), at_most=0)
        await asyncio.sleep(0.25)


def _seconds(caller: Caller, cut_at: float) -> float:
    """How long this caller's call stood."""
    ends = (caller.left_at, caller.call.at.get("ended"), cut_at)
    return min(each for each in ends if each is not None) - caller.call.at["answered"]


def _missing(centre: CentreProcess, wanted: dict[str, float]) -> list[str]:
    """The numbers of whom there is no recording as long as their call, and no alarm."""
    numbers = {
        fact.call: str(fact.data["caller_e164"])
        for _, fact in centre.told(FactKind.CALL_ARRIVED)
        if fact.call is not None
    }
    recorded: dict[str, float] = {}
    for _, fact in centre.told(FactKind.RECORDING_FINISHED):
        number = numbers.get(fact.call or "")
        # A consulted party's leg has a recording of its own.
        if number is not None and fact.data["recording"] == fact.call and _is_there(centre, fact):
            recorded[number] = recorded.get(number, 0.0) + _float(fact.data["seconds"])
    alarmed = {numbers.get(call) for call in _alarmed(centre)}
    return [
        number
        for number, seconds in wanted.items()
        if recorded.get(number, 0.0) < seconds - MISSING_SECONDS and number not in alarmed
    ]


def _alarmed(centre: CentreProcess) -> set[str]:
    """The calls that an alarm names, or that were recorded in part while a disk was full."""
    found: set[str] = set()
    began: dict[str, int] = {}
    full, was_full = False, -1
    for number, fact in enumerate(centre.journal()):
        alarm, call = str(fact.data.get("alarm", "")), fact.call or ""
        if fact.kind == FactKind.CALL_ARRIVED:
            began[call] = number
        elif fact.kind == FactKind.RECORDING_FINISHED:
            if full or was_full > began.get(call, number):
                found.add(call)
        elif alarm.startswith(OF_DISK):
            full, was_full = fact.kind == FactKind.ALARM_RAISED, number
        elif fact.kind == FactKind.ALARM_RAISED and alarm.startswith(OF_CALL):
            said = f"{alarm} {fact.data['detail']}"
            found |= {each for each in began if each in said}
    return found


def _is_there(centre: CentreProcess, fact: Fact) -> bool:
    """Whether the file is as large as it is said to be, where the engine has its disks."""
    path = Path(f"/proc/{centre.engine_pid}/root{fact.data['path']}")
    try:
        return path.stat().st_size == fact.data["bytes"]
    except OSError:
        return False


def _float(value: Any) -> float:
    return float(value)
