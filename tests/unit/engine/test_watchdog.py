"""A service manager hears that the event loop turns, and nothing when it does not."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator

import pytest

from ess_pbx.engine.watchdog import BEAT, BEATS, READY, Watchdog

WITHIN = 0.2


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0ess-pbx-test-{os.getpid()}")
        line.setblocking(False)
        yield line


def environment(**more: str) -> dict[str, str]:
    name = f"@ess-pbx-test-{os.getpid()}"
    return {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": str(round(WITHIN * 1e6)), **more}


def given(**more: str) -> Watchdog:
    watchdog = Watchdog.of(environment(**more))
    assert watchdog is not None
    return watchdog


def heard(manager: socket.socket) -> list[bytes]:
    words = []
    while True:
        try:
            words.append(manager.recv(100))
        except BlockingIOError:
            return words


async def test_it_says_that_it_is_ready_and_then_in_time_that_it_lives(
    manager: socket.socket,
) -> None:
    watchdog = given()

    began = time.monotonic()
    watchdog.ready()
    watchdog.ready()
    words: list[bytes] = []
    async with asyncio.timeout(5):
        while len(words) < 1 + 2 * BEATS:
            await asyncio.sleep(WITHIN / BEATS)
            words += heard(manager)
    await watchdog.stop()
    took = time.monotonic() - began

    ready, *beats = words
    assert ready == READY
    assert beats == [BEAT] * len(beats)
    # No more often than need be; a busy machine says it later.
    assert len(beats) <= 1 + took / (WITHIN / BEATS)


async def test_a_loop_that_stands_still_says_nothing(manager: socket.socket) -> None:
    watchdog = given()
    watchdog.ready()
    await asyncio.sleep(0)
    heard(manager)

    time.sleep(2 * WITHIN)  # noqa: ASYNC251 - it is what is tested

    assert heard(manager) == []
    await watchdog.stop()


async def test_a_manager_that_is_gone_does_no_harm() -> None:
    watchdog = given()
    watchdog.ready()
    await asyncio.sleep(WITHIN)
    await watchdog.stop()


@pytest.mark.parametrize(
    ("more", "within"),
    [
        ({}, WITHIN),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_PID": str(os.getpid())}, WITHIN),
        ({"WATCHDOG_PID": "1"}, None),
    ],
)
def test_beats_are_said_to_who_expects_them_of_this_process(
    more: dict[str, str], within: float | None
) -> None:
    assert given(**more).within == within


def test_without_a_manager_nobody_is_told() -> None:
    assert Watchdog.of({}) is None
    assert Watchdog.of(environment(NOTIFY_SOCKET="")) is None
    assert Watchdog.of(environment(NOTIFY_SOCKET="vsock:2:1")) is None
