"""A line for SIP that each side takes for the other, and that loses what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import cast

import pytest

from ess_pbx.chaos.lossy_line import Address, LossyLine

WITHIN = 5.0
LOOPBACK = ("127.0.0.1", 0)


class Party(asyncio.DatagramProtocol):
    """One who speaks UDP."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.heard.put_nowait((data, addr))

    def itself(self) -> Party:
        return self

    @property
    def address(self) -> Address:
        assert self.transport is not None
        return cast(Address, self.transport.get_extra_info("sockname"))

    def say(self, data: bytes, to: Address) -> None:
        assert self.transport is not None
        self.transport.sendto(data, to)

    async def hears(self) -> tuple[bytes, Address]:
        return await asyncio.wait_for(self.heard.get(), WITHIN)


@pytest.fixture
async def parties() -> AsyncIterator[tuple[Party, Party]]:
    loop = asyncio.get_running_loop()
    both = Party(), Party()
    for each in both:
        await loop.create_datagram_endpoint(partial(Party.itself, each), local_addr=LOOPBACK)
    yield both
    for each in both:
        assert each.transport is not None
        each.transport.close()


def named(address: Address) -> bytes:
    return f"{address[0]}:{address[1]}".encode()


async def test_a_phone_is_known_by_the_line_and_knows_the_line_alone(
    parties: tuple[Party, Party],
) -> None:
    phone, asterisk = parties
    line = LossyLine(asterisk.address)
    await line.start()
    try:
        phone.say(
            b"REGISTER sip:" + named(line.address) + b"\r\nVia: " + named(phone.address),
            line.address,
        )
        data, far = await asterisk.hears()
        assert far not in (phone.address, line.address)
        # The address that is asked for is signed, so it stays; the phone's own is the line's.
        assert data == b"REGISTER sip:" + named(line.address) + b"\r\nVia: " + named(far)

        asterisk.say(
            b"SIP/2.0 200 OK\r\nVia: " + named(far) + b"\r\nContact: " + named(asterisk.address),
            far,
        )
        data, near = await phone.hears()
        assert near == line.address
        assert data == (
            b"SIP/2.0 200 OK\r\nVia: " + named(phone.address) + b"\r\nContact: " + named(near)
        )

        asterisk.say(b"OPTIONS sip:x\r\nVia: " + named(asterisk.address), far)
        data, _ = await phone.hears()
        phone.say(data.replace(b"OPTIONS sip:x", b"SIP/2.0 200 OK"), line.address)
        data, _ = await asterisk.hears()
        assert data == b"SIP/2.0 200 OK\r\nVia: " + named(asterisk.address)
    finally:
        await line.close()


async def test_what_is_to_be_lost_is_lost_and_what_is_late_comes_late(
    parties: tuple[Party, Party],
) -> None:
    phone, asterisk = parties
    line = LossyLine(asterisk.address)
    await line.start()
    try:
        phone.say(b"1", line.address)
        await asterisk.hears()

        line.loss.lost = 0.5
        for _ in range(200):
            phone.say(b"2", line.address)
        async with asyncio.timeout(WITHIN):
            for _ in range(10**6):
                if line.passed == 201:
                    break
                await asyncio.sleep(0.01)
        assert 60 <= line.lost <= 140

        line.loss.lost, line.loss.delay = 0.0, 0.2
        began = asyncio.get_running_loop().time()
        phone.say(b"3", line.address)
        while (await asterisk.hears())[0] != b"3":
            pass
        assert asyncio.get_running_loop().time() - began >= 0.2
    finally:
        await line.close()
