"""Operators' phones are watched, asked, and given up; what a question is, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from msgspec.structs import replace
from tests.unit.domain.given import talking

from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.domain.events import CallEvent, CentreEvent, PhoneLost, PhoneReachable
from ess_pbx.domain.phone_pulse import Reply
from ess_pbx.engine import phone_watch
from ess_pbx.engine.phone_question import PATIENCE, ask
from ess_pbx.engine.phone_watch import PhoneWatch
from ess_pbx.errors import AriError
from ess_pbx.sip.options import Target

PHONE = Target("sip:2001@127.0.0.1:5070", "127.0.0.1", 5070)


class FakeAsterisk:
    """One operator's leg, its packets counted as the test says."""

    def __init__(self, count: Callable[[], int], *, refuses_to_hang_up: int = 0) -> None:
        self._count, self._refusals = count, refuses_to_hang_up
        self.hung_up: list[tuple[str, Query | None]] = []
        self.requests = 0
        self.state = "online"
        self.contact = "PJSIP/2001/sip:2001@127.0.0.1:5070"

    async def call(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        self.requests += 1
        if method == "DELETE":
            self.hung_up.append((uri, query))
            if len(self.hung_up) <= self._refusals:
                raise AriError("no line")
            return None
        if uri.endswith("variable"):
            return {"value": self.contact}
        if uri.startswith("endpoints/"):
            channels: list[str] = []
            named = {"technology": "PJSIP", "resource": "2001"}
            return {**named, "state": self.state, "channel_ids": channels}
        ssrc: dict[str, Any] = dict.fromkeys(("local_ssrc", "remote_ssrc", "txploss", "rxploss"), 1)
        octets: dict[str, Any] = dict.fromkeys(("txoctetcount", "rxoctetcount", "txcount"), 1)
        return {**ssrc, **octets, "rxcount": self._count(), "channel_uniqueid": "x"}


class Watching:
    """A watch over one talking call, whose phone answers what ``reply`` says at the time."""

    def __init__(self, asterisk: FakeAsterisk, reply: Reply, after: float = 0.3) -> None:
        core = talking().core
        core.config = replace(core.config, policy=replace(core.config.policy, phone_silence=after))
        (self.call,), self.calls = core.calls.values(), core.calls
        self.reply, self.asked = reply, 0
        self.fed: list[CallEvent | CentreEvent] = []
        self.watch = PhoneWatch(asterisk, [core], self.fed.append, question=self._ask)

    async def _ask(self, _: Target) -> Reply:
        self.asked += 1
        return self.reply

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run())
        try:
            await until(lambda: self.asked > 0)
            await asyncio.sleep(0)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(is_true: Callable[[], bool], within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while not is_true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def counting() -> Callable[[], int]:
    """Packets that come 50 a second."""
    began = time.monotonic()
    return lambda: round((time.monotonic() - began) * 50)


async def test_a_phone_that_stops_and_does_not_answer_is_lost_first_and_then_hung_up() -> None:
    asterisk = FakeAsterisk(lambda: 100)
    seen = Watching(asterisk, Reply.ANSWERED)
    async with seen.running():
        seen.reply = Reply.NOTHING
        await until(lambda: bool(asterisk.hung_up))

    assert seen.call.operator is not None
    assert seen.fed == [PhoneLost("2001")]
    assert asterisk.hung_up == [
        (f"channels/{seen.call.operator.leg}", {"reason_code": phone_watch.OUT_OF_ORDER})
    ]


async def test_a_phone_that_sends_is_asked_once_when_the_call_begins_and_left_alone() -> None:
    asterisk = FakeAsterisk(counting())
    seen = Watching(asterisk, Reply.ANSWERED)
    async with seen.running():
        seen.reply = Reply.REFUSED
        await asyncio.sleep(1.0)

    assert (seen.asked, asterisk.hung_up) == (1, [])
    assert seen.watch.watched == 1


async def test_a_phone_that_is_silent_and_answers_keeps_its_call() -> None:
    asterisk = FakeAsterisk(lambda: 100)
    seen = Watching(asterisk, Reply.ANSWERED)
    async with seen.running():
        await until(lambda: seen.asked >= 3)

    assert asterisk.hung_up == []


async def test_a_phone_that_cannot_be_asked_is_given_up_when_asterisk_finds_it_away() -> None:
    asterisk = FakeAsterisk(lambda: 100)
    seen = Watching(asterisk, Reply.NOTHING)
    async with seen.running():
        await until(lambda: seen.asked >= 3)
        assert asterisk.hung_up == []
        asterisk.state = "offline"
        await until(lambda: bool(asterisk.hung_up))


async def test_nobody_is_watched_where_the_setting_is_0() -> None:
    asterisk = FakeAsterisk(lambda: 100)
    seen = Watching(asterisk, Reply.NOTHING, after=0.0)
    await seen.watch.look()

    assert asterisk.requests == 0


async def test_a_hang_up_that_failed_is_tried_again() -> None:
    asterisk = FakeAsterisk(lambda: 100, refuses_to_hang_up=1)
    seen = Watching(asterisk, Reply.REFUSED)
    async with seen.running():
        await until(lambda: len(asterisk.hung_up) >= 2)


async def test_a_phone_whose_call_ends_in_the_moment_of_its_death_is_hung_up_all_the_same() -> None:
    asterisk = FakeAsterisk(lambda: 100)
    seen = Watching(asterisk, Reply.REFUSED, after=0.001)
    while seen.asked < 2:
        await seen.watch.look()
        await asyncio.sleep(0.001 if seen.asked == 0 else 0)
    seen.calls.clear()
    await seen.watch.look()

    await until(lambda: bool(asterisk.hung_up))


async def test_a_phone_that_died_is_not_rung_until_asterisk_knows_or_its_time_is_over(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(phone_watch, "AWAY_SECONDS", 0.5)
    asterisk = FakeAsterisk(lambda: 100)
    seen = Watching(asterisk, Reply.REFUSED)
    back = PhoneReachable("2001")
    async with seen.running():
        await until(lambda: bool(asterisk.hung_up))
        seen.calls.clear()
        assert not seen.watch.passes(back)
        assert seen.watch.passes(PhoneReachable("2002"))
        await until(lambda: back in seen.fed)

    assert seen.watch.passes(back)


async def test_what_asterisk_says_of_a_dead_phone_after_it_noticed_counts() -> None:
    asterisk = FakeAsterisk(lambda: 100)
    seen = Watching(asterisk, Reply.REFUSED)
    async with seen.running():
        await until(lambda: bool(asterisk.hung_up))
        seen.calls.clear()

    assert seen.watch.passes(PhoneLost("2001"))
    assert seen.watch.passes(PhoneReachable("2001"))


@contextmanager
def phone_socket() -> Iterator[tuple[socket.socket, Target]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.setblocking(False)
        port = phone.getsockname()[1]
        yield phone, Target(f"sip:2001@127.0.0.1:{port}", "127.0.0.1", port)


async def _answer(phone: socket.socket, deaf: int = 0) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(deaf + 1):
        datagram, sender = await loop.sock_recvfrom(phone, 65535)
    branch = datagram.partition(b"branch=")[2].partition(b";")[0]
    phone.sendto(b"SIP/2.0 200 OK\r\nVia: x;branch=z9hG4bKanother\r\n\r\n", sender)
    phone.sendto(b"SIP/2.0 200 OK\r\nVia: x;branch=" + branch + b"\r\n\r\n", sender)


async def test_a_phone_that_answers_is_there_even_if_two_questions_were_lost() -> None:
    with phone_socket() as (phone, target):
        answering = asyncio.create_task(_answer(phone, deaf=2))
        assert await ask(target) is Reply.ANSWERED
        await answering


async def test_a_port_that_nothing_listens_at_refuses_at_once() -> None:
    with phone_socket() as (_, target):
        pass
    began = time.monotonic()
    assert await ask(target) is Reply.REFUSED
    assert time.monotonic() - began < PATIENCE


async def test_a_phone_that_takes_questions_and_says_nothing_does_not_answer() -> None:
    with phone_socket() as (_, target):
        assert await ask(target) is Reply.NOTHING


async def test_an_answer_that_came_while_the_loop_was_busy_counts() -> None:
    with phone_socket() as (phone, target):
        asking = asyncio.create_task(ask(target))
        await asyncio.sleep(0.01)
        datagram, sender = phone.recvfrom(65535)
        branch = datagram.partition(b"branch=")[2].partition(b";")[0]
        await asyncio.sleep(PATIENCE - 0.06)
        phone.sendto(b"SIP/2.0 200 OK\r\nVia: x;branch=" + branch + b"\r\n\r\n", sender)
        time.sleep(0.2)  # noqa: ASYNC251 - what is tested
        assert await asking is Reply.ANSWERED


async def test_an_address_that_cannot_be_reached_does_not_answer() -> None:
    assert await ask(Target("sip:x@255.255.255.255", "255.255.255.255", 5060)) is Reply.NOTHING
