"""What systemd does with a service that has ``WatchdogSec``: told nothing for so long, it acts."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time

from ess_pbx.engine.watchdog import BEAT, READY

_numbers = itertools.count(1)


class ServiceManager(asyncio.DatagramProtocol):
    """Hears a service that has its ``environment``; ``within`` seconds of silence are too many."""

    def __init__(self, within: float) -> None:
        self.within = within
        self._name = f"ess-pbx-{os.getpid()}-{next(_numbers)}"
        self._heard: float | None = None
        self._transport: asyncio.BaseTransport | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What tells the service whom to tell."""
        microseconds = str(round(self.within * 1e6))
        return {"NOTIFY_SOCKET": f"@{self._name}", "WATCHDOG_USEC": microseconds}

    async def start(self) -> None:
        """Begin to listen."""
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, sock=_bound(self._name)
        )

    def close(self) -> None:
        """Listen no more. Idempotent."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's
        """For asyncio: the service says something."""
        if READY in data or BEAT in data:
            self._heard = time.monotonic()

    async def silent(self) -> float:
        """Wait until the service has missed its time; returns when. It must have spoken before."""
        while True:
            if self._heard is not None and time.monotonic() - self._heard >= self.within:
                self._heard = None
                return time.monotonic()
            await asyncio.sleep(0.02)


def _bound(name: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.setblocking(False)
    line.bind(f"\0{name}")
    return line
