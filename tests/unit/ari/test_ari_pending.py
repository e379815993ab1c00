"""Every request is told of once, with how it ended and how long it took."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import structlog

from ess_pbx.ari.pending import PendingRequests


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def answer(request_id: str, status: int) -> str:
    body: dict[str, Any] = {
        "type": "RESTResponse",
        "application": "ess-pbx",
        "timestamp": "2026-01-01T00:00:00.000+0000",
        "transaction_id": "",
        "uri": "channels",
        "request_id": request_id,
        "status_code": status,
        "reason_phrase": "x",
    }
    return msgspec.json.encode(body).decode()


async def test_how_each_request_ended_is_told_with_its_seconds() -> None:
    clock, told = Clock(), list[Any]()
    pending = PendingRequests(clock, structlog.get_logger(__name__))
    pending.on_settled = lambda *each: told.append(each)
    ids = []
    for method in ("GET", "POST", "DELETE"):
        frame, _ = pending.begin(method, "channels", None, None, 2.0)
        ids.append(msgspec.json.decode(frame)["request_id"])
    clock.now += 0.25
    pending.receive(answer(ids[0], 200))
    pending.receive(answer(ids[1], 404))
    pending.receive(answer(ids[0], 200))
    clock.now += 0.5
    pending.give_up("the line broke")
    assert told == [
        ("GET", pytest.approx(0.25), "answered"),
        ("POST", pytest.approx(0.25), "refused"),
        ("DELETE", pytest.approx(0.75), "lost"),
    ]


async def test_a_request_without_an_answer_is_told_of_when_its_time_is_up() -> None:
    clock, told = Clock(), list[Any]()
    pending = PendingRequests(clock, structlog.get_logger(__name__))
    pending.on_settled = lambda *each: told.append(each)
    pending.begin("GET", "asterisk/ping", None, None, 2.0)
    clock.now += 2.0
    pending._time_is_up()
    assert told == [("GET", pytest.approx(2.0), "no-answer")]
    pending.give_up("over")
    assert len(told) == 1
