"""Opening hours: whether a menu or an agency is open at a local time."""

from __future__ import annotations

from datetime import datetime

from ess_pbx.domain.config import DAYS, Opening, OpenPeriod


def is_open(hours: Opening, local: datetime, *, holiday: bool = False) -> bool:
    """Whether one of the periods covers ``local``, a time in the centre's own time zone.

    On a ``holiday``, only where holidays are days like others.
    """
    if holiday and hours.holidays == "closed":
        return False
    return any(_covers(period, local) for period in hours.open)


def _covers(period: OpenPeriod, local: datetime) -> bool:
    clock = local.time()
    today, yesterday = (DAYS[local.weekday() - back] in period.days for back in (0, 1))
    if period.since < period.to:
        return today and period.since <= clock < period.to
    return (today and clock >= period.since) or (yesterday and clock < period.to)
