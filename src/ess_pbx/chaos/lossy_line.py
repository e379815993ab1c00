"""A line for SIP over UDP that loses and delays, with no right to change the kernel's own.

It stands between Asterisk and phones, or a telco, on loopback. Each side knows the other by an
address of this line: what names the other's own (Via, Contact) is changed on the way, as a router
with NAT does, so that nothing of a call goes past it. RTP does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

Address = tuple[str, int]
Heard: TypeAlias = Callable[[bytes, Address], None]
RESPONSE = b"SIP/2.0 "


@dataclass
class Loss:
    """Of each datagram, the chance that it is lost; of all others, the seconds until they come."""

    lost: float = 0.0
    delay: float = 0.0


class LossyLine:
    """Listens on loopback and passes on to ``target``, each way; ``loss`` may be changed."""

    def __init__(self, target: Address, source: Address | None = None, seed: int = 1) -> None:
        """``source`` is the address that ``target`` knows this line by; by itself any free one, of
        each who sends a different one.
        """
        self.loss = Loss()
        self.passed = self.lost = 0
        self.address: Address = ("", 0)
        """Where it listens."""
        self._target, self._source = target, source
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._near: asyncio.DatagramTransport | None = None
        self._far: dict[Address, _End] = {}

    async def start(self) -> Address:
        """Begin to listen; returns where."""
        self._near, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _End(self._from_near), local_addr=(self._target[0], 0)
        )
        self.address = self._near.get_extra_info("sockname")
        return self.address

    async def close(self) -> None:
        """Cut it. Idempotent."""
        for each in (self._near, *(end.transport for end in self._far.values())):
            if each is not None:
                each.close()

    def _from_near(self, data: bytes, near: Address) -> None:
        if near in self._far:
            self._to_target(data, near)
            return
        end = self._far[near] = _End(lambda data, _: self._from_target(data, near))
        opened = asyncio.get_running_loop().create_task(self._open(end))
        end.opening = opened
        opened.add_done_callback(lambda _: self._to_target(data, near))

    async def _open(self, end: _End) -> None:
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: end, local_addr=self._source or (self._target[0], 0)
        )

    def _to_target(self, data: bytes, near: Address) -> None:
        end = self._far[near]
        if end.transport is None:  # the first is not sent yet; this one comes again
            return
        far = end.transport.get_extra_info("sockname")
        data = data.replace(_named(near), _named(far))
        if data.startswith(RESPONSE):
            # In a request it stays: whoever signs a request signs the address that it is sent to.
            data = data.replace(_named(self.address), _named(self._target))
        self._later(end.transport, data, self._target)

    def _from_target(self, data: bytes, near: Address) -> None:
        transport = self._far[near].transport
        if transport is None or self._near is None:
            return
        far = transport.get_extra_info("sockname")
        data = data.replace(_named(far), _named(near))
        data = data.replace(_named(self._target), _named(self.address))
        self._later(self._near, data, near)

    def _later(self, transport: asyncio.DatagramTransport, data: bytes, to: Address) -> None:
        self.passed += 1
        if self._chance.random() < self.loss.lost:
            self.lost += 1
        elif self.loss.delay:
            asyncio.get_running_loop().call_later(self.loss.delay, _send, transport, data, to)
        else:
            _send(transport, data, to)


class _End(asyncio.DatagramProtocol):
    """One socket of the line."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self.transport: asyncio.DatagramTransport | None = None
        self.opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For asyncio: it is there."""
        self.transport = cast(asyncio.DatagramTransport, transport)  # uvloop's is none by descent

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """For asyncio: a datagram."""
        self._heard(data, addr)


def _send(transport: asyncio.DatagramTransport, data: bytes, to: Address) -> None:
    if not transport.is_closing():
        transport.sendto(data, to)


def _named(address: Address) -> bytes:
    return f"{address[0]}:{address[1]}".encode()
