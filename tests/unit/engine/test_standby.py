"""Who leads, who stands by, and what each notices of the other; in processes of their own where one
is killed or frozen."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from ess_pbx.engine import leader as leading
from ess_pbx.engine.heartbeat import BEAT, BEAT_SECONDS, Heartbeat
from ess_pbx.engine.leader import Leader, leader_socket, lock_state
from ess_pbx.engine.standby import Standby
from ess_pbx.errors import InUseError

SOON = 8.0
FROZEN_AFTER = 0.6
PATIENT = 3.0
"""Seconds, for a leader that must not be taken for frozen though the machine is busy."""
LEADS = """
import asyncio, sys
from pathlib import Path
from ess_pbx.engine.heartbeat import BEAT, BEAT_SECONDS, Heartbeat
from ess_pbx.engine.leader import Leader, lock_state

async def lead(state):
    lock = lock_state(state)
    await Leader(state).start()
    print("leads", flush=True)
    await asyncio.sleep(60)

asyncio.run(lead(Path(sys.argv[1])))
"""
STANDS_BY = """
import asyncio, sys
from pathlib import Path
from ess_pbx.engine.standby import Standby

say = lambda line: print(line, flush=True)
asyncio.run(Standby(Path(sys.argv[1]), 30, say).lock())
"""


async def until(is_true: Callable[[], bool], within: float = SOON) -> None:
    deadline = time.monotonic() + within
    while not is_true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(program: str, state: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program in a process of its own, once it has said a line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(state)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), SOON)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def given_leader(state: Path) -> AsyncIterator[Leader]:
    lock, leader = lock_state(state), Leader(state)
    await leader.start()
    yield leader
    await leader.stop()
    lock.close()


@asynccontextmanager
async def given_standby(
    state: Path, said: list[str], frozen_after: float = FROZEN_AFTER
) -> AsyncIterator[asyncio.Task[None]]:
    async def stand_by() -> None:
        (await Standby(state, frozen_after, said.append).lock()).close()

    task = asyncio.create_task(stand_by())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Signals that would have been sent: these tests' own process is the leader's."""
    sent: list[int] = []
    monkeypatch.setattr(
        "ess_pbx.engine.standby.signal.pidfd_send_signal", lambda _, number: sent.append(number)
    )
    return sent


async def test_who_finds_nobody_leading_leads_at_once(tmp_path: Path) -> None:
    said: list[str] = []
    lock = await Standby(tmp_path, FROZEN_AFTER, said.append).lock()
    with pytest.raises(InUseError, match="--standby"):
        lock_state(tmp_path)
    lock.close()
    assert said == []


async def test_a_leader_that_dies_is_followed_within_moments(tmp_path: Path) -> None:
    async with (
        running(LEADS, tmp_path) as leader,
        given_standby(tmp_path, [], PATIENT) as standby,
    ):
        await asyncio.sleep(1.5 * PATIENT)  # one that lives is left alone
        assert not standby.done()
        assert leader.returncode is None
        leader.kill()
        died = time.monotonic()
        await asyncio.wait_for(standby, SOON)
        # Its death is noticed itself, and not that nothing is heard of it.
        assert time.monotonic() - died < PATIENT - BEAT_SECONDS


async def test_a_leader_that_freezes_is_ended(tmp_path: Path) -> None:
    said: list[str] = []
    async with running(LEADS, tmp_path) as leader, given_standby(tmp_path, said) as standby:
        await until(lambda: len(said) == 1)
        leader.send_signal(signal.SIGSTOP)
        frozen = time.monotonic()
        await asyncio.wait_for(standby, SOON)
        took = time.monotonic() - frozen
        assert await asyncio.wait_for(leader.wait(), SOON) == -signal.SIGKILL
    assert took > FROZEN_AFTER - 0.2
    assert said[-1] == "takes over"
    assert f"process {leader.pid}" in said[-2]


async def test_who_finds_a_leader_that_is_frozen_already_ends_it_too(tmp_path: Path) -> None:
    async with running(LEADS, tmp_path) as leader:
        leader.send_signal(signal.SIGSTOP)
        async with given_standby(tmp_path, []) as standby:
            await asyncio.wait_for(standby, SOON)
        assert await asyncio.wait_for(leader.wait(), SOON) == -signal.SIGKILL


async def test_who_was_stopped_together_with_the_other_end_does_not_blame_it() -> None:
    blamed: list[str] = []
    line = Heartbeat(FROZEN_AFTER, on_silent=lambda: blamed.append("silent"))
    line.connection_made(Mock(spec=asyncio.Transport))
    line.data_received(BEAT)
    await asyncio.sleep(1.5 * BEAT_SECONDS)  # it has had a beat of its own since it heard
    time.sleep(3 * FROZEN_AFTER)  # noqa: ASYNC251 - the whole machine is paused
    await asyncio.sleep(1.5 * BEAT_SECONDS)
    assert blamed == []
    # The other end goes on when it can, or does not.
    line.data_received(BEAT)
    await asyncio.sleep(FROZEN_AFTER / 2)
    assert blamed == []
    await until(lambda: blamed == ["silent"])
    line.connection_lost(None)


async def test_one_that_cannot_be_ended_is_tried_again(tmp_path: Path, killed: list[int]) -> None:
    async with running(LEADS, tmp_path) as leader, given_standby(tmp_path, []):
        leader.send_signal(signal.SIGSTOP)
        await until(lambda: len(killed) >= 2)
    assert set(killed) == {signal.SIGKILL}


async def test_a_leader_hands_over_only_to_who_takes(tmp_path: Path) -> None:
    async with given_leader(tmp_path) as leader:
        assert not await leader.hand_over()
        async with given_standby(tmp_path, []):
            await until(lambda: leader.standbys == 1)
            assert await leader.hand_over()
        assert not await leader.hand_over()


async def test_a_standby_that_is_frozen_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "STANDBY_SILENT_AFTER", FROZEN_AFTER)
    async with given_leader(tmp_path) as leader, running(STANDS_BY, tmp_path) as standby:
        await until(lambda: leader.standbys == 1)
        standby.send_signal(signal.SIGSTOP)
        await until(lambda: leader.standbys == 0)
        standby.send_signal(signal.SIGCONT)
        await until(lambda: leader.standbys == 1)


async def test_a_missing_standby_is_told_once_and_so_is_its_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "MISSING_AFTER", 0.5)
    monkeypatch.setattr(leading, "_LOOK", 0.05)
    told: list[bool] = []
    async with given_leader(tmp_path) as leader:
        watch = asyncio.create_task(leader.watch(told.append))
        for expected in ([True], [True, False], [True, False, True]):
            async with contextlib.AsyncExitStack() as standby:
                if expected[-1] is False:
                    await standby.enter_async_context(given_standby(tmp_path, []))
                await until(lambda expected=expected: told == expected)  # type: ignore[misc]
                await asyncio.sleep(0.25)  # it looks often meanwhile
                assert told == expected
        watch.cancel()


async def test_a_leader_whose_socket_cannot_be_made_leads_and_is_followed(tmp_path: Path) -> None:
    leader_socket(tmp_path).mkdir()
    async with given_leader(tmp_path), given_standby(tmp_path, []) as standby:
        await asyncio.sleep(2 * FROZEN_AFTER)
        assert not standby.done()
    # Its lock is free now.
    lock = await asyncio.wait_for(Standby(tmp_path, FROZEN_AFTER, print).lock(), SOON)
    lock.close()


async def test_a_socket_that_a_killed_leader_left_is_replaced(tmp_path: Path) -> None:
    async with running(LEADS, tmp_path) as leader:
        leader.kill()
        await leader.wait()
    assert leader_socket(tmp_path).exists()
    async with given_leader(tmp_path) as next_one, given_standby(tmp_path, []):
        await until(lambda: next_one.standbys == 1)
    assert not leader_socket(tmp_path).exists()
