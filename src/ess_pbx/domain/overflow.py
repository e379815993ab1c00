"""Overflow: an agency or neighbouring centre is rung for a caller who goes on waiting here.

Operators are offered the call meanwhile. Whoever answers first has the caller, the others are hung
up; while nobody answers, nothing is lost by having tried.
"""

from __future__ import annotations

from ess_pbx.domain import hearing
from ess_pbx.domain.call import AgencySide, Phase, Turn
from ess_pbx.domain.effects import ArmTimer, CancelTimer, CreateBridge, HangUp, Join, LeaveQueue
from ess_pbx.domain.ending import cancel_timers
from ess_pbx.domain.events import TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.domain.ringing import ring_agency, stop_ringing

OVERFLOW = "overflow"


def overflow_timer(call: CallId, leg: LegId) -> TimerId:
    """How long an agency's phone rings; several can."""
    return TimerId(call, OVERFLOW, leg)


def ring(turn: Turn, to: str | None) -> None:
    """Ring an agency, unless it rings for this caller already."""
    agency = next((each for each in turn.centre.agencies if each.id == to), None)
    if agency is None or any(side.agency.id == to for side in turn.call.overflows):
        return
    side = ring_agency(turn, agency)
    turn.do(ArmTimer(overflow_timer(turn.call.id, side.leg), turn.centre.policy.agency_ring))
    turn.set(overflows=(*turn.call.overflows, side))
    turn.record(FactKind.OVERFLOW_STARTED, agency=agency.id, leg=side.leg)


def rung_on(turn: Turn, leg: LegId) -> AgencySide | None:
    """The agency whose phone rings on this leg."""
    return next((side for side in turn.call.overflows if side.leg == leg), None)


def answered(turn: Turn, side: AgencySide) -> None:
    """The agency has the caller; no operator is needed any more."""
    call = turn.call
    cancel_timers(turn)
    hearing.quiet(turn)
    if not call.bridged:
        turn.do(CreateBridge(call.bridge))
    turn.do(Join(call.bridge, (call.caller, side.leg)))
    stop_ringing(turn)
    give_up(turn, "answered elsewhere", but=side)
    turn.do(LeaveQueue(call.id))
    turn.set(phase=Phase.HANDED_OVER, bridged=True, agency=side, dialled="")
    turn.record(FactKind.AGENCY_ANSWERED, agency=side.agency.id, leg=side.leg)


def failed(turn: Turn, side: AgencySide, reason: str) -> None:
    """One agency did not answer; the caller, who may not even know, waits on."""
    turn.do(CancelTimer(overflow_timer(turn.call.id, side.leg)))
    turn.set(overflows=tuple(each for each in turn.call.overflows if each != side))
    turn.record(FactKind.OVERFLOW_FAILED, agency=side.agency.id, leg=side.leg, reason=reason)


def not_answered(turn: Turn, timer: TimerId) -> None:
    """Ring time is over for one agency."""
    side = rung_on(turn, LegId(timer.key))
    if side is not None:
        turn.do(HangUp(side.leg))
        failed(turn, side, "no answer")


def give_up(turn: Turn, reason: str, but: AgencySide | None = None) -> None:
    """The agencies that still ring stop, except one that answered."""
    for side in turn.call.overflows:
        if side != but:
            turn.do(HangUp(side.leg))
            failed(turn, side, reason)
    turn.set(overflows=())
