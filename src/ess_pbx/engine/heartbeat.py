"""The line between the engine that leads and one that stands by: each end says that it lives.

Said and heard in the event loop, without disk or thread, so that it tells of the loop alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

BEAT_SECONDS = 0.2
BEAT, HAND_OVER, TAKING = b".", b"H", b"T"
"""What is said: that one lives; by who leads, "take over"; and the answer to it."""


class Heartbeat(asyncio.Protocol):
    """One end of the line. ``on_heard`` is called once, when the other end first says anything;
    ``on_silent`` once, when it says nothing more.

    Silence is counted in beats of this end's own, not by a clock: who was stopped together with the
    other end (a machine that was paused) must not blame it.
    """

    def __init__(
        self,
        silent_after: float,
        *,
        on_heard: Callable[[], None] | None = None,
        on_silent: Callable[[], None] | None = None,
        on_closed: Callable[[Heartbeat], None] | None = None,
        on_hand_over: Callable[[], None] | None = None,
    ) -> None:
        """``silent_after`` is in seconds."""
        self._silent_after = silent_after
        self._on_heard = on_heard
        self._on_silent = on_silent
        self._on_closed = on_closed
        self._on_hand_over = on_hand_over
        self._transport: asyncio.Transport | None = None
        self._taking: asyncio.Future[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        self._ever_heard = False
        self._missed = 0

    @property
    def alive(self) -> bool:
        """Whether the other end has said anything lately."""
        return self._transport is not None and self._ever_heard and not self._is_silent

    @property
    def _is_silent(self) -> bool:
        return self._missed * BEAT_SECONDS >= self._silent_after

    def say(self, word: bytes) -> None:
        """Say it; nobody hears it when the line is closed."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(word)

    def hand_over(self) -> asyncio.Future[bool]:
        """Ask the other end to take over; whether it will. False when it is gone."""
        self._taking = asyncio.get_running_loop().create_future()
        self.say(HAND_OVER)
        return self._taking

    def close(self) -> None:
        """End the line."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For asyncio: the line is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by descent
        self._beat()

    def data_received(self, data: bytes) -> None:
        """For asyncio: the other end lives."""
        if not self._ever_heard and self._on_heard is not None:
            self._on_heard()
        self._heard = self._ever_heard = True
        if HAND_OVER in data and self._on_hand_over is not None:
            self._on_hand_over()
        if TAKING in data:
            self._answered(taking=True)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """For asyncio: the other end is gone, or this one closed the line."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._answered(taking=False)
        if self._on_closed is not None:
            self._on_closed(self)

    def _answered(self, *, taking: bool) -> None:
        if self._taking is not None and not self._taking.done():
            self._taking.set_result(taking)

    def _beat(self) -> None:
        if self._heard:
            self._missed = 0
        elif not self._is_silent:
            self._missed += 1
            if self._is_silent and self._on_silent is not None:
                self._on_silent()
        self._heard = False
        self.say(BEAT)
        self._timer = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat)
