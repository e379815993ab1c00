"""Whether the wall clock was set while it was watched, by the clock that never jumps.

No timer hangs on the wall clock, and milliseconds of a call do not either; but the times of day in
the records of calls that go on then are not those of before. So a jump is on record, for the
centre and for each call that goes on; and it is an alarm until the clock has been steady for a
while, or is back where it was.
"""

from __future__ import annotations

from collections.abc import Iterable

from ess_pbx.domain.call import Call
from ess_pbx.domain.effects import Record
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId

ALARM = "clock"
STEADY = 600.0
"""Seconds without another jump after which it is no alarm any more."""
STILL = 10.0
"""Seconds between two readings, of which there is one every 5 s, after which the engine stood."""


class ClockWatch:
    """Compares readings of the wall clock; a drift slower than ``limit`` a reading is none."""

    def __init__(self, limit: float) -> None:
        """``limit`` in seconds."""
        self._limit = limit
        self._ahead: float | None = None
        self._trusted = 0.0
        self._jumped_at: float | None = None
        self._reading = self._before = 0.0
        """When the last was, and the one before (monotonic)."""

    def read(
        self, wall: float, now: float, calls: Iterable[CallId], *, alarmed: bool
    ) -> list[Record]:
        """It is ``wall`` (epoch seconds) at ``now`` (monotonic seconds), with these calls going on.

        ``alarmed``: the alarm stands already; perhaps since before this engine.
        """
        first = self._ahead is None
        self._before, self._reading = now if first else self._reading, now
        ahead = wall - now
        before, self._ahead = self._ahead, ahead
        if before is None:
            self._trusted, self._jumped_at = ahead, now
            return []
        by = ahead - before
        if abs(by) <= self._limit:
            # A slow correction is followed, so that only what it never explains is a jump.
            self._trusted += by
            return self._steady(now) if alarmed else []
        self._jumped_at = now
        records = [
            Record(call, FactKind.CLOCK_JUMPED, {"seconds": round(by, 3)})
            for call in (None, *calls)
        ]
        off = ahead - self._trusted
        if abs(off) <= self._limit:
            return [*records, *([_cleared("back where it was")] if alarmed else [])]
        return [*records, _raised(off)]

    def stood_still(self, calls: Iterable[Call]) -> list[CallId]:
        """Those that have been there for as long, if it was not read for long."""
        if self._reading - self._before <= STILL:
            return []
        return [each.id for each in calls if each.arrived <= self._reading - STILL]

    def _steady(self, now: float) -> list[Record]:
        if self._jumped_at is not None and now - self._jumped_at < STEADY:
            return []
        self._trusted = self._ahead or 0.0
        return [_cleared(f"steady for {STEADY:.0f} s")]


def _raised(off: float) -> Record:
    detail = f"the wall clock was set by {off:+.1f} s; see the machine's time service"
    return Record(None, FactKind.ALARM_RAISED, {"alarm": ALARM, "detail": detail})


def _cleared(detail: str) -> Record:
    return Record(None, FactKind.ALARM_CLEARED, {"alarm": ALARM, "detail": detail})
