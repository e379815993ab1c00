"""The end of a call: idempotent, one termination, everything released."""

from __future__ import annotations

from ess_pbx.domain import hearing, ids, supervision
from ess_pbx.domain.call import Phase, Result, Termination, Turn
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    DestroyBridge,
    Forget,
    HangUp,
    LeaveQueue,
    ReleaseAgent,
    Role,
    StopPlayback,
)
from ess_pbx.domain.events import CallEvent, LegAnswered, LegGone, Stopping, TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId

UNKNOWN_CAUSE = 0
"""Stands for a Q.850 cause that nobody told."""

RELEASE_CHECK = 5.0
"""Seconds after which legs that should be gone are hung up once more."""

_TIMERS = ("menu", "comfort", "agency", "ladder", "silence", "callback", supervision.TIMER)
_NOTHING_TO_REPORT = frozenset({Phase.CALLING_BACK, Phase.CALL_BACK_FAILED})


def timer(call: CallId, kind: str) -> TimerId:
    """A timer of a call that has at most one of its kind; phones that ring have one each."""
    return TimerId(call, kind)


def cancel_timers(turn: Turn) -> None:
    """Nothing is due for this call any more."""
    call = turn.call
    for kind in _TIMERS:
        turn.do(CancelTimer(timer(call.id, kind)))
    for side in call.offers:
        turn.do(CancelTimer(TimerId(call.id, "ring", side.leg)))
    for party in call.parties:
        turn.do(CancelTimer(TimerId(call.id, "called", party.leg)))
    for rung in call.overflows:
        turn.do(CancelTimer(TimerId(call.id, "overflow", rung.leg)))


def end(turn: Turn, result: Result, reason: str, ended_by: Role | None, cause: int) -> None:
    """Release everything and give the call its termination; a second call changes nothing.

    ``cause`` is the Q.850 cause of the leg that went.
    """
    call = turn.call
    if call.phase is Phase.ENDED:
        return
    hearing.quiet(turn)
    stop_operator_sound(turn)
    cancel_timers(turn)
    # Phones first: an operator given back may be rung for the next call in the same moment.
    for leg in call.legs:
        turn.do(HangUp(leg))
    turn.do(LeaveQueue(call.id))
    for party in (*call.parties, *call.overflows):
        turn.give_back(party)
    if call.operator is not None:
        spoke = call.phase not in _NOTHING_TO_REPORT
        turn.do(ReleaseAgent(call.id, call.operator.agent, wrap_up=spoke))
    supervision.end_with_call(turn)
    turn.set(
        phase=Phase.ENDED,
        offers=(),
        operator=None,
        parties=(),
        overflows=(),
        termination=Termination(result, reason, ended_by),
    )
    turn.record(
        FactKind.CALL_ENDED, result=result, reason=reason, channel_cause=cause, ended_by=ended_by
    )
    turn.do(ArmTimer(timer(call.id, "release"), RELEASE_CHECK))
    _forget_when_empty(turn)


def caller_left(turn: Turn, event: LegGone) -> None:
    """The caller hung up before a human answered."""
    turn.drop_leg(event.leg, event.cause)
    end(turn, Result.CLIENT, "abandoned", Role.CALLER, event.cause)


def stop_operator_sound(turn: Turn) -> None:
    """Stop what tells the operator why somebody was not reached."""
    if turn.call.operator_hears is not None:
        turn.do(StopPlayback(turn.call.operator_hears))
        turn.set(operator_hears=None)


def leg_gone(turn: Turn, event: LegGone) -> None:
    """A leg of an ended call went; after the last one the bridge goes, and the call."""
    turn.drop_leg(event.leg, event.cause)
    _forget_when_empty(turn)


def stopped(turn: Turn, event: Stopping) -> None:
    """Asterisk is being stopped, or is gone: the call ends here, on record."""
    end(turn, Result.SERVER, event.reason, None, UNKNOWN_CAUSE)


def hang_up_stranger(turn: Turn, event: LegAnswered) -> None:
    """A phone whose offer was withdrawn was picked up in that moment; our own parties stay."""
    call = turn.call
    sides = (*call.offers, call.operator, *call.parties, *call.overflows)
    if event.leg == call.caller:
        # An operator who was rung before the caller was answered can be faster than our 200.
        turn.record(FactKind.CALL_ANSWERED)
    elif all(event.leg != side.leg for side in sides if side):
        turn.do(HangUp(event.leg))


def answered_too_late(turn: Turn, event: LegAnswered) -> None:
    """A phone was picked up in the moment the call ended."""
    turn.do(HangUp(event.leg))


def release_overdue(turn: Turn, _: CallEvent) -> None:
    """Legs that should be gone still are there: hang them up again."""
    for leg in turn.call.legs:
        turn.do(HangUp(leg))
    turn.do(ArmTimer(timer(turn.call.id, "release"), RELEASE_CHECK))


def _forget_when_empty(turn: Turn) -> None:
    call = turn.call
    if call.legs:
        return
    turn.do(CancelTimer(timer(call.id, "release")))
    if call.bridged:
        # Empty first: deleting bridges with channels in them has crashed (asterisk#1201).
        turn.do(DestroyBridge(call.bridge))
        turn.set(bridged=False)
    if call.aside_made:
        turn.do(DestroyBridge(call.aside))
        turn.set(aside_made=False)
    if call.side_bridge:
        turn.do(DestroyBridge(ids.side_bridge(call.id)))
        turn.set(side_bridge=False)
    turn.do(Forget(call.id))
