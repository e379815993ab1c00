"""The timers that the centres armed, on the event loop's monotonic clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ess_pbx.domain.events import TimerId


class Timers:
    """Named one-shot timers of centres; arming one again replaces it."""

    def __init__(self, on_fired: Callable[[str, TimerId], None]) -> None:
        """``on_fired`` is told the centre's id and the timer."""
        self._on_fired = on_fired
        self._armed: dict[tuple[str, TimerId], asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._armed)

    def arm(self, centre: str, timer: TimerId, seconds: float) -> None:
        """Fire once after ``seconds``."""
        self.cancel(centre, timer)
        loop = asyncio.get_running_loop()
        self._armed[centre, timer] = loop.call_later(seconds, self._fire, centre, timer)

    def cancel(self, centre: str, timer: TimerId) -> None:
        """Forget a timer; one that is not armed is no error."""
        handle = self._armed.pop((centre, timer), None)
        if handle is not None:
            handle.cancel()

    def cancel_all(self) -> None:
        """Forget every timer."""
        for centre, timer in list(self._armed):
            self.cancel(centre, timer)

    def _fire(self, centre: str, timer: TimerId) -> None:
        del self._armed[centre, timer]
        self._on_fired(centre, timer)
