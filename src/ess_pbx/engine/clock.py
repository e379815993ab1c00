"""The one source of time. Nothing else in the engine asks the machine what time it is."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds: ``monotonic`` for durations and timers, ``wall`` since the epoch for records."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC, as the machine believes."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC, as the machine believes."""
        return time.time()
