"""The timers that the core armed, on the event loop's monotonic clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ess_pbx.domain.events import TimerId


class Timers:
    """Named one-shot timers; arming one again replaces it."""

    def __init__(self, on_fired: Callable[[TimerId], None]) -> None:
        self._on_fired = on_fired
        self._armed: dict[TimerId, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._armed)

    def arm(self, timer: TimerId, seconds: float) -> None:
        """Fire once after ``seconds``."""
        self.cancel(timer)
        loop = asyncio.get_running_loop()
        self._armed[timer] = loop.call_later(seconds, self._fire, timer)

    def cancel(self, timer: TimerId) -> None:
        """Forget a timer; one that is not armed is no error."""
        handle = self._armed.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def cancel_all(self) -> None:
        """Forget every timer."""
        for timer in list(self._armed):
            self.cancel(timer)

    def _fire(self, timer: TimerId) -> None:
        del self._armed[timer]
        self._on_fired(timer)
