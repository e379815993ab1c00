"""The lines that faults go through do what they are told to, and nothing else."""

from __future__ import annotations

import asyncio
import json
import random
import time

from ess_pbx.chaos.ari_line import Done, Meddler, Troubles
from ess_pbx.chaos.slow_line import SlowLine

ANSWER = json.dumps({"type": "RESTResponse"})


async def passed_on(troubles: Troubles, messages: list[str]) -> tuple[list[str], Done]:
    done, out = Done(), list[str]()
    meddler = Meddler(troubles, random.Random(1), done)

    async def send(message: str) -> None:
        out.append(message)

    for message in messages:
        await meddler.pass_on(message, send)
    return out, done


def events(count: int) -> list[str]:
    return [json.dumps({"type": "StasisStart", "n": n}) for n in range(count)]


async def test_without_troubles_everything_passes_in_order() -> None:
    out, done = await passed_on(Troubles(), events(50))

    assert out == events(50)
    assert (done.passed, done.troubled) == (50, 0)


async def test_lost_events_do_not_come_and_answers_always_do() -> None:
    out, done = await passed_on(Troubles(lost=1.0), [*events(3), ANSWER])

    assert out == [ANSWER]
    assert done.lost == 3


async def test_repeated_events_come_twice() -> None:
    out, _ = await passed_on(Troubles(twice=1.0), events(2))

    assert out == [events(2)[0]] * 2 + [events(2)[1]] * 2


async def test_a_reordered_event_comes_after_the_next_one() -> None:
    first, second, third, fourth = events(4)

    out, done = await passed_on(Troubles(later=1.0), [first, second, third, fourth])

    assert out == [second, first, fourth, third]
    assert done.later == 2


async def test_about_one_in_a_hundred_of_each() -> None:
    out, done = await passed_on(Troubles(0.01, 0.01, 0.01), events(10_000))

    assert all(60 < count < 140 for count in (done.lost, done.twice, done.later))
    # One that is held back when all is over has not come yet.
    assert abs(len(out) - (10_000 - done.lost + done.twice)) <= 1


async def test_a_slow_line_delays_and_keeps_every_byte_in_order() -> None:
    received = bytearray()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    line = SlowLine(server.sockets[0].getsockname()[:2], delay=0.1)
    port = await line.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = bytes(range(256)) * 400
        began = time.monotonic()
        writer.write(sent)
        while len(received) < len(sent):
            received += await asyncio.wait_for(reader.read(65536), 5)
        assert time.monotonic() - began >= 0.2
        assert received == sent
        writer.close()
    finally:
        await line.close()
        server.close()
