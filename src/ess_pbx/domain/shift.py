"""Who is on duty: shifts of every day, in the centre's local time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from ess_pbx.domain.config import Shift


def is_on(shift: Shift, at: time) -> bool:
    """Whether a shift covers a time of day; it may run past midnight, or the whole day."""
    if shift.starts < shift.ends:
        return shift.starts <= at < shift.ends
    return at >= shift.starts or at < shift.ends


def on_duty(shifts: Iterable[Shift], local: datetime) -> frozenset[str]:
    """Extensions of the operators whose shift it is at a local time."""
    at = local.time()
    return frozenset(
        extension for shift in shifts if is_on(shift, at) for extension in shift.operators
    )


def next_change(shifts: Iterable[Shift], local: datetime) -> datetime:
    """The next local time at which a shift starts or ends, by the clock on the wall."""
    edges = {edge for shift in shifts for edge in (shift.starts, shift.ends)}
    moments = (
        datetime.combine(local.date() + timedelta(days=day), edge, tzinfo=local.tzinfo)
        for day in (0, 1)
        for edge in edges
    )
    return min(moment for moment in moments if moment > local)
