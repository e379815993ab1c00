"""Overflow: an agency or neighbouring centre is rung for a caller who goes on waiting here.

Operators are offered the call meanwhile. Whoever answers first has the caller, the others are hung
up; while nobody answers, nothing is lost by having tried.
"""

from __future__ import annotations

from dataclasses import replace

from ess_pbx.domain import contacts, hearing
from ess_pbx.domain.call import Party, Phase, Standing, Turn
from ess_pbx.domain.config import Agency
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    CreateBridge,
    HangUp,
    LeaveQueue,
)
from ess_pbx.domain.ending import cancel_timers
from ess_pbx.domain.events import TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.domain.ringing import ring_time, stop_ringing

OVERFLOW = "overflow"


def overflow_timer(call: CallId, leg: LegId) -> TimerId:
    """How long an agency's phone rings; several can."""
    return TimerId(call, OVERFLOW, leg)


def ring(turn: Turn, to: str | None) -> None:
    """Ring an agency, unless it rings for this caller already."""
    agency = next((each for each in turn.centre.agencies if each.id == to), None)
    if agency is None or any(side.name == to for side in turn.call.overflows):
        return
    _ring(turn, agency, 0)


def _ring(turn: Turn, agency: Agency, at: int) -> None:
    """Ring the first of its contacts from number ``at`` on that can be rung now."""
    number, _ = contacts.choose(turn, agency, at)
    if number is None:
        return
    side = contacts.begin(turn, agency, number)
    seconds = ring_time(turn, agency, agency.ways[number])
    turn.do(ArmTimer(overflow_timer(turn.call.id, side.leg), seconds))
    turn.set(overflows=(*turn.call.overflows, side))
    turn.record(FactKind.OVERFLOW_STARTED, agency=agency.id, leg=side.leg, contact=side.contact + 1)


def rung_on(turn: Turn, leg: LegId) -> Party | None:
    """The agency whose phone rings on this leg."""
    return next((side for side in turn.call.overflows if side.leg == leg), None)


def answered(turn: Turn, side: Party) -> None:
    """The agency has the caller; no operator is needed any more."""
    call = turn.call
    cancel_timers(turn)
    hearing.quiet(turn)
    if not call.bridged:
        turn.do(CreateBridge(call.bridge))
    turn.join(call.bridge, call.caller, side.leg)
    stop_ringing(turn)
    give_up(turn, "answered elsewhere", but=side)
    turn.do(LeaveQueue(call.id))
    party = replace(side, standing=Standing.JOINED, since=turn.now)
    turn.set(phase=Phase.HANDED_OVER, bridged=True, parties=(party,), dialled="")
    turn.record(FactKind.AGENCY_ANSWERED, agency=side.name, leg=side.leg)
    turn.record(FactKind.PARTY_JOINED, party=side.name, leg=side.leg)


def failed(turn: Turn, side: Party, reason: str) -> None:
    """One contact did not answer: the next is tried, and the caller, who may not know, waits on."""
    _forget(turn, side, reason)
    if side.agency is not None:
        _ring(turn, side.agency, side.contact + 1)


def _forget(turn: Turn, side: Party, reason: str) -> None:
    turn.do(CancelTimer(overflow_timer(turn.call.id, side.leg)))
    turn.set(overflows=tuple(each for each in turn.call.overflows if each != side))
    turn.record(FactKind.OVERFLOW_FAILED, agency=side.name, leg=side.leg, reason=reason)
    turn.give_back(side)


def not_answered(turn: Turn, timer: TimerId) -> None:
    """Ring time is over for one agency."""
    side = rung_on(turn, LegId(timer.key))
    if side is not None:
        turn.do(HangUp(side.leg))
        failed(turn, side, "no answer")


def give_up(turn: Turn, reason: str, but: Party | None = None) -> None:
    """The agencies that still ring stop, except one that answered."""
    for side in turn.call.overflows:
        if side != but:
            turn.do(HangUp(side.leg))
            _forget(turn, side, reason)
    turn.set(overflows=())
