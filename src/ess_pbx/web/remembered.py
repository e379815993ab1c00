"""What the core's memories hold, as the API shows it: the part that people act upon.

It is read off their checkpoints by name, so that a centre without such a memory has nothing of the
kind.
"""

from __future__ import annotations

from typing import Any

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.web.models import Confirmed, Marked, OutboundView, PrankView


def dump(core: CallCentre, memory: str) -> Any:
    """All that a memory holds; None when the centre has none of this name."""
    return next((each.dump() for each in core.memories if each.name == memory), None)


def pranks(core: CallCentre) -> list[PrankView]:
    """Numbers with calls marked as pranks or with confirmed pranks; other callers are left out."""
    kept = dump(core, "callers") or {}
    marks, confirmed = kept.get("marks", {}), kept.get("confirmed", {})
    return [
        PrankView(
            centre=core.config.id,
            number=number,
            marked=[
                Marked(call=call, by=by, at=at, note=note)
                for call, (by, at, note) in marks.get(number, {}).items()
            ],
            confirmed=_confirmed(confirmed.get(number)),
        )
        for number in sorted({*marks, *confirmed})
    ]


def call_backs(core: CallCentre) -> list[Any]:
    """The open tasks, as they were made."""
    tasks = (dump(core, "call-backs") or {}).get("open", [])
    return [{"centre": core.config.id, **task} for task in tasks]


def surge(core: CallCentre) -> dict[str, Any]:
    """Surge mode as it stands, None when it is off, and what stands on the wallboard for it."""
    kept = dump(core, "surge") or {}
    return {"state": kept.get("state"), "alarms": kept.get("alarms", [])}


def outbound(core: CallCentre, now: float) -> OutboundView:
    """Today's calls of operators by themselves; ``now`` is monotonic seconds."""
    day, calls, allowed = f"{core.local_time(now):%Y-%m-%d}", core.outbound, core.config.outbound
    return OutboundView(
        centre=core.config.id,
        day=day,
        operator=calls.started(day, "operator"),
        operator_per_day=allowed.operator.per_day,
        supervisor=calls.started(day, "supervisor"),
        supervisor_per_day=allowed.supervisor.per_day,
        going_on=len(calls.calls),
        refused=dict(calls.refused(day)),
    )


def _confirmed(kept: Any) -> Confirmed | None:
    if kept is None:
        return None
    until, at, by, via, reason = kept
    return Confirmed(until=until, at=at, by=by, via=via, reason=reason)
