"""Tells the service manager that this engine lives, so that it can end one that is frozen.

systemd's way (sd_notify(3), sd_watchdog_enabled(3)): a datagram to ``NOTIFY_SOCKET`` at least every
``WATCHDOG_USEC`` microseconds, said from the event loop, so that it tells of the loop. A thread or
a handler in this process would be frozen with it. docs/decisions/0018 has the reasons.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping

import structlog

READY, BEAT = b"READY=1", b"WATCHDOG=1"
BEATS = 4
"""So many in the time within which one is expected."""


class Watchdog:
    """The line to a service manager; ``within`` is in seconds, None when it expects nothing."""

    def __init__(self, address: str, within: float | None) -> None:
        # A name that begins with @ is in Linux's abstract namespace (unix(7)).
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.within = within
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger(__name__)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Watchdog | None:
        """As the manager says in a process's environment; None when there is none to be told."""
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return None
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        wanted = microseconds.isascii() and microseconds.isdecimal() and int(microseconds) > 0
        return cls(address, int(microseconds) / 1e6 if wanted and meant else None)

    def ready(self) -> None:
        """It is started, or stands by; from now on it says that it lives. Idempotent."""
        if self._task is None:
            self._say(READY)
            self._task = asyncio.create_task(self._beat(), name="watchdog")

    async def stop(self) -> None:
        """Say nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _beat(self) -> None:
        while self.within is not None:
            self._say(BEAT)
            await asyncio.sleep(self.within / BEATS)

    def _say(self, word: bytes) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
                line.sendto(word, self._address)
        except OSError as error:
            # It ends this process if that goes on: the log says why.
            self._log.warning("watchdog.not_heard", address=self._address, error=str(error))
