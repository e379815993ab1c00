"""What a centre's call-backs are judged by. A task belongs to a period by when it was made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ess_pbx.domain.call_backs import CLOSED, EXPIRED, REACHED, REDIALLED, UNREACHABLE
from ess_pbx.domain.service_level import Spread, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBackFacts:
    """What the figures need to know of one task."""

    id: str
    created_at: datetime
    category: str | None = None
    trunk: str | None = None
    callable: bool = True
    outcome: str | None = None
    """None while it is open."""
    closed_after: float | None = None
    """Seconds from the making of the task to its outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBackFigures:
    """The outcomes and ``open`` add up to ``created``."""

    created: int
    not_callable: int
    """Of these, those whose number cannot be called."""
    reached: int
    redialled: int
    unreachable: int
    closed: int
    """By a person."""
    expired: int
    open: int
    to_reach: Spread
    """From the making of the task until the caller answered."""


def call_back_figures(tasks: Iterable[CallBackFacts]) -> CallBackFigures:
    """The figures of these tasks."""
    tasks = tuple(tasks)
    outcomes = [task.outcome for task in tasks]
    return CallBackFigures(
        created=len(tasks),
        not_callable=sum(not task.callable for task in tasks),
        reached=outcomes.count(REACHED),
        redialled=outcomes.count(REDIALLED),
        unreachable=outcomes.count(UNREACHABLE),
        closed=outcomes.count(CLOSED),
        expired=outcomes.count(EXPIRED),
        open=outcomes.count(None),
        to_reach=spread(task.closed_after for task in tasks if task.outcome == REACHED),
    )
