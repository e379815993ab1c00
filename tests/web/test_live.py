"""The live feed tells all that happens, in order, to those who may know, and waits for nobody."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from ess_pbx.web import live
from ess_pbx.web.live import SIGNED_OUT
from ess_pbx.web.server import STOP_WITHIN

from .story import CALL, NUMBER, OPERATOR, SOON, Person, Service, until


async def test_a_feed_begins_with_all_as_it_is(service: Service, operator: Person) -> None:
    service.given_present(OPERATOR)
    service.when_a_call_arrives()
    async with operator.feed() as feed:
        snapshot = await feed.next()
    assert snapshot["type"] == "snapshot"
    assert [each["waiting"] for each in snapshot["centres"]] == [1]
    assert [each["id"] for each in snapshot["calls"]] == [CALL]
    states = {each["extension"]: each["status"] for each in snapshot["operators"]}
    assert (states[OPERATOR], states["1002"]) == ("present", "away")
    assert snapshot["alarms"] == []


async def test_a_call_is_told_from_arrival_to_end(service: Service, supervisor: Person) -> None:
    service.given_present(OPERATOR)
    async with supervisor.feed() as feed:
        await feed.next()
        service.when_a_call_arrives()
        service.when_it_is_answered()
        service.when_the_caller_hangs_up()
        facts = await feed.until_fact("call_ended")
    kinds = [fact["kind"] for fact in facts]
    wanted = ["call_arrived", "offered", "operator_answered", "call_ended"]
    assert [kind for kind in kinds if kind in wanted] == wanted
    assert facts[0]["type"] == "fact"
    arrived = next(fact for fact in facts if fact["kind"] == "call_arrived")
    assert (arrived["call"], arrived["centre"]) == (CALL, "contoh")
    assert arrived["data"]["caller_e164"] == NUMBER


async def test_an_operator_hears_of_calls_without_their_numbers(
    service: Service, operator: Person
) -> None:
    service.given_present(OPERATOR)
    async with operator.feed() as feed:
        await feed.next()
        service.when_a_call_arrives()
        service.when_it_is_answered()
        service.when_the_caller_hangs_up()
        facts = await feed.until_fact("call_ended")
    assert {"call_arrived", "leg_ended"} <= {fact["kind"] for fact in facts}
    assert NUMBER not in str(facts)
    assert NUMBER.removeprefix("+") not in str(facts)


async def test_a_browser_sends_its_token_as_the_first_message(operator: Person) -> None:
    async with operator.feed(by_message=True) as feed:
        assert (await feed.next())["type"] == "snapshot"


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_without_a_token_a_feed_tells_nothing(
    service: Service, anyone: Person, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr(live, "TOKEN_WITHIN", 0.1)
    async with Person(anyone.session, anyone.url, token).feed() as feed:
        assert await feed.closed() == SIGNED_OUT
    async with Person(anyone.session, anyone.url, token).feed(by_message=True) as feed:
        assert await feed.closed() == SIGNED_OUT
    assert service.web.api.live.clients == set()


async def test_a_feed_ends_when_its_person_signs_out(
    operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CHECKED_EVERY", 0.05)
    async with operator.feed() as feed:
        await feed.next()
        await operator.ask("DELETE", "/session")
        assert await feed.closed() == SIGNED_OUT


async def test_the_engine_that_stops_ends_its_feeds(service: Service, operator: Person) -> None:
    async with operator.feed() as feed:
        await feed.next()
        closed, _ = await asyncio.gather(feed.closed(), service.stop())
        assert closed == 1001


async def test_a_client_that_does_not_answer_holds_no_stop_up(
    service: Service, operator: Person
) -> None:
    _, writer = await slow_client(service, operator.token)
    await until(lambda: len(service.web.api.live.clients) == 1, "the feed is open")
    began = asyncio.get_running_loop().time()
    await service.stop()
    # A feed that is not ended first is waited for: twice, as long as any other request.
    assert asyncio.get_running_loop().time() - began < 1.5 * STOP_WITHIN
    writer.close()


async def test_a_client_that_does_not_read_is_cut_off_and_others_miss_nothing(
    service: Service, supervisor: Person, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "QUEUED", 50)
    reader, writer = await slow_client(service, operator.token)
    clients, loop = service.web.api.live.clients, asyncio.get_running_loop()
    async with supervisor.feed() as feed:
        await feed.next()
        await until(lambda: len(clients) == 2, "both feeds are open")
        told, slowest = 0, 0.0
        while len(clients) == 2:
            before = loop.time()
            service.when_much_is_announced(f"{told} {'x' * 50_000}")
            slowest = max(slowest, loop.time() - before)
            fact = await feed.next()
            assert fact["data"]["prompt"].startswith(f"{told} ")
            told += 1
            assert told < 2000
    assert service.web.api.access.counts["live-too-slow"] == 1
    assert slowest < SOON, "it waited for who does not read"
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1 << 30), SOON)
    writer.close()


async def test_a_listener_with_a_defect_keeps_no_other_from_hearing(
    service: Service, supervisor: Person
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("a defect in a listener")

    service.engine.listeners.insert(0, broken)
    async with supervisor.feed() as feed:
        await feed.next()
        service.when_a_call_arrives()
        assert (await feed.next())["kind"] == "call_arrived"


async def slow_client(service: Service, token: str) -> Any:
    """A WebSocket that is opened and never read, with small buffers."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    web = service.settings.web
    await asyncio.get_running_loop().sock_connect(raw, (web.host, web.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1 << 22)
    writer.write(
        b"GET /api/v1/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
    )
    assert b"101" in await asyncio.wait_for(reader.readline(), SOON)
    return reader, writer
