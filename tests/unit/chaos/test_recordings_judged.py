"""Who talked has the whole recording, or an alarm that says why not."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ess_pbx.chaos import recorded
from ess_pbx.chaos.callers import Caller
from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.recorded import recording_check
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.phones.rtp import RtpParty
from ess_pbx.phones.sipp_call import SippCall

NUMBER = "+628127000000"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "FINISHED_WITHIN", 0.0)


def given_caller() -> Caller:
    call = SippCall("1", None, incoming=False, tell=lambda *_: None)
    call.at = {"invited": 1.0, "answered": 2.0}
    return Caller(NUMBER, call, RtpParty(), left_at=12.0)


def given_centre(*told: tuple[FactKind, str | None, dict[str, Any]]) -> CentreProcess:
    facts = [
        (float(n), Fact(id=str(n), centre="c", call=call, kind=kind, at=0.0, ms=0, data=data))
        for n, (kind, call, data) in enumerate(told)
    ]
    stub = SimpleNamespace(
        facts=facts,
        engine_pid=os.getpid(),
        journal=lambda: [fact for _, fact in facts],
        told=lambda kind: [(at, fact) for at, fact in facts if fact.kind == kind],
    )
    return cast(CentreProcess, stub)


ARRIVED = (FactKind.CALL_ARRIVED, "n-1", {"caller_e164": NUMBER})


def finished(path: Path, seconds: float, recording: str = "n-1") -> tuple[FactKind, str, Any]:
    data = {"recording": recording, "path": str(path), "seconds": seconds, "bytes": 10}
    return FactKind.RECORDING_FINISHED, "n-1", data


def alarm(name: str, detail: str = "", *, over: bool = False) -> tuple[FactKind, None, Any]:
    kind = FactKind.ALARM_CLEARED if over else FactKind.ALARM_RAISED
    return kind, None, {"alarm": name, "detail": detail}


async def missing(*told: tuple[FactKind, str | None, dict[str, Any]]) -> float | None:
    return (await recording_check(given_centre(ARRIVED, *told), [given_caller()])).value


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "n-1.wav"
    path.write_bytes(b"0123456789")
    return path


async def test_the_whole_call_on_disk_is_a_recording(wav: Path) -> None:
    assert await missing(finished(wav, 10.1)) == 0
    assert await missing() == 1


async def test_a_part_or_a_file_that_is_not_there_is_none(wav: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.wav").write_bytes(b"012")

    assert await missing(finished(wav, 4.0)) == 1
    assert await missing(finished(tmp_path / "torn.wav", 10.1)) == 1
    assert await missing(finished(tmp_path / "gone.wav", 10.1)) == 1


async def test_that_of_a_consulted_party_is_not_the_call_s(wav: Path) -> None:
    assert await missing(finished(wav, 10.1, "n-1~ag1")) == 1


async def test_an_alarm_that_names_the_call_says_why_there_is_none() -> None:
    assert await missing(alarm("recording-lost:n-1", "no room")) == 0
    assert await missing(alarm("recording-failed", "not recorded: n-1, n-7")) == 0
    assert await missing(alarm("recording-lost:n-7", "no room")) == 1
    assert await missing(alarm("database", "n-1")) == 1


async def test_a_full_disk_explains_a_part_and_not_that_there_is_nothing(wav: Path) -> None:
    disk, room = alarm("disk:recordings"), alarm("disk:recordings", over=True)

    assert await missing(disk, room, finished(wav, 4.0)) == 0
    assert await missing(disk, room) == 1
