"""The part of the day that a shift template covers; ``roster`` says who works it on a date."""

from __future__ import annotations

from datetime import time

from ess_pbx.domain.config import Shift


def is_on(shift: Shift, at: time) -> bool:
    """Whether a shift covers a time of day; it may run past midnight, or the whole day."""
    if shift.starts < shift.ends:
        return shift.starts <= at < shift.ends
    return at >= shift.starts or at < shift.ends
