"""A call that the centre makes to call somebody back: the operator's phone first, then theirs.

Once the caller has answered it is a call like any other. Which task it serves, and what becomes of
that, is for ``call_back_desk``.
"""

from __future__ import annotations

from ess_pbx.domain import parties, priority, ringing
from ess_pbx.domain.call import Direction, OperatorSide, Phase, Result, Turn
from ess_pbx.domain.call_backs import OPERATOR_LEFT
from ess_pbx.domain.classifying import record_classification
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    CreateBridge,
    HangUp,
    OfferMissed,
    OfferTaken,
    Originate,
    PlayPrompt,
    Role,
)
from ess_pbx.domain.ending import (
    UNKNOWN_CAUSE,
    end,
    hang_up_stranger,
    stop_operator_sound,
    stopped,
    timer,
)
from ess_pbx.domain.events import (
    CallBackDue,
    CallBackWithdrawn,
    LegAnswered,
    LegGone,
    OfferMade,
    PlaybackEnded,
    Stopping,
    TimerFired,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import LegId

PHASES = frozenset({Phase.CALLING_OPERATOR, Phase.CALLING_BACK, Phase.CALL_BACK_FAILED})
"""A call that is still to reach whom it calls back."""

BUSY, NO_ANSWER, REFUSED, FAILED = "busy", "no answer", "refused", "unreachable"
_OUTCOMES = {17: BUSY, 18: NO_ANSWER, 19: NO_ANSWER, 21: REFUSED}
"""By Q.850 cause; any other means that the network could not ring the phone."""
PROMPTS = {
    BUSY: "telepon-balik-sibuk",
    NO_ANSWER: "telepon-balik-tidak-dijawab",
    REFUSED: "telepon-balik-ditolak",
    FAILED: "telepon-balik-gagal",
}
NOT_TAKEN = "not taken"
STOPPED = "stopped"
TIMER = "callback"
LONGEST_EXPLANATION = 15.0
"""Seconds after which the operator is free even if the prompt's end was never heard of."""


def begin(turn: Turn, event: CallBackDue) -> None:
    """Ring the operator's phone for it."""
    turn.set(
        phase=Phase.CALLING_OPERATOR,
        direction=Direction.OUT,
        earlier=event.task,
        number=event.number,
        display=event.display,
        callable=True,
        category=event.category,
        queue=event.queue,
        language=event.language,
        trunk=event.trunk,
    )
    turn.record(
        FactKind.CALL_BACK_STARTED,
        task=event.task,
        caller_e164=event.number,
        caller_display=event.display,
        trunk=event.trunk,
        channel=turn.call.caller,
        node=event.node,
    )
    priority.begin(turn, event.priority)
    record_classification(turn)
    ringing.offer(turn, OfferMade(turn.call.id, event.agent))


def operator_answered(turn: Turn, event: LegAnswered) -> None:
    """The operator picked up: ring the caller's number, which the operator hears."""
    call, offered = turn.call, ringing.offered_on(turn, event.leg)
    if offered is None:
        hang_up_stranger(turn, event)
        return
    ring = turn.centre.policy.call_back_ring
    turn.do(
        Originate(
            call=call.id,
            leg=call.caller,
            role=Role.CALLER,
            address=call.number,
            number="",
            name="",
            timeout=ring + 5,
            trunk=call.trunk,
            centre=turn.centre.id,
        ),
        CancelTimer(ringing.ring_timer(call.id, offered.leg)),
        ArmTimer(timer(call.id, TIMER), ring),
    )
    turn.do(OfferTaken(call.id, offered.agent))
    turn.add_leg(call.caller, Role.CALLER, call.number)
    turn.set(
        phase=Phase.CALLING_BACK,
        offers=(),
        operator=offered,
    )
    parties.sound(turn)
    turn.record(FactKind.OPERATOR_ANSWERED, agent=offered.agent, leg=offered.leg)
    turn.record(FactKind.CALL_BACK_DIALLED, task=call.earlier, agent=offered.agent, leg=call.caller)


def offer_gone(turn: Turn, event: LegGone) -> None:
    """The operator's phone refused, or vanished."""
    offered = ringing.offered_on(turn, event.leg)
    turn.drop_leg(event.leg, event.cause)
    if offered is not None:
        _not_taken(turn, offered, ringing.reason_of(event.cause), event.cause)


def offer_timer(turn: Turn, event: TimerFired) -> None:
    """The operator does not answer."""
    offered = ringing.offered_on(turn, LegId(event.timer.key))
    if event.timer.kind == ringing.RING and offered is not None:
        # Who does not answer this would not answer a caller either, and is passed over for a while.
        turn.do(OfferMissed(turn.call.id, offered.agent, NO_ANSWER))
        _not_taken(turn, offered, NO_ANSWER, UNKNOWN_CAUSE)


def caller_answered(turn: Turn, event: LegAnswered) -> None:
    """They are there, or their voicemail is: from now on it is a call like any other."""
    call = turn.call
    if event.leg != call.caller:
        hang_up_stranger(turn, event)
        return
    turn.do(CancelTimer(timer(call.id, TIMER)))
    stop_operator_sound(turn)
    if not call.bridged:
        turn.do(CreateBridge(call.bridge))
    turn.set(phase=Phase.TALKING, bridged=True, dialled="")
    parties.arrange(turn)
    turn.record(FactKind.CALL_ANSWERED)


def calling_gone(turn: Turn, event: LegGone) -> None:
    """The caller's phone could not be rung or refused, or the operator hung up first."""
    call = turn.call
    turn.drop_leg(event.leg, event.cause)
    if event.leg == call.caller:
        _explain(turn, _OUTCOMES.get(event.cause, FAILED))
    elif call.operator is not None and event.leg == call.operator.leg:
        turn.set(unreached=OPERATOR_LEFT)
        end(turn, Result.INDETERMINATE, OPERATOR_LEFT, Role.OPERATOR, event.cause)


def calling_timer(turn: Turn, event: TimerFired) -> None:
    """The caller does not answer."""
    if event.timer.kind == TIMER:
        turn.do(HangUp(turn.call.caller))
        _explain(turn, NO_ANSWER)


def stopped_while_calling(turn: Turn, event: Stopping) -> None:
    """Asterisk is being stopped."""
    turn.set(unreached=STOPPED)
    stopped(turn, event)


def explained(turn: Turn, event: PlaybackEnded) -> None:
    """The operator knows, and is free."""
    if event.playback == turn.call.operator_hears:
        turn.set(operator_hears=None)
        give_up(turn, None)


def explaining_gone(turn: Turn, event: LegGone) -> None:
    """The operator did not wait for the explanation's end, or the caller's leg is gone at last."""
    operator = turn.call.operator
    turn.drop_leg(event.leg, event.cause)
    if operator is not None and event.leg == operator.leg:
        give_up(turn, Role.OPERATOR)


def explaining_timer(turn: Turn, event: TimerFired) -> None:
    """The explanation's end was not heard of."""
    if event.timer.kind == TIMER:
        give_up(turn, None)


def picked_up_too_late(turn: Turn, event: LegAnswered) -> None:
    """The caller's phone was picked up while we gave up."""
    operator = turn.call.operator
    if operator is None or event.leg != operator.leg:
        turn.do(HangUp(event.leg))


def withdrawn(turn: Turn, event: CallBackWithdrawn) -> None:
    """Nobody is to be called back any more, or a caller needs the operator more."""
    for offered in turn.call.offers:
        turn.record(
            FactKind.OFFER_MISSED, agent=offered.agent, leg=offered.leg, reason=event.reason
        )
    end(turn, Result.INDETERMINATE, event.reason, None, UNKNOWN_CAUSE)


def _not_taken(turn: Turn, offered: OperatorSide, reason: str, cause: int) -> None:
    turn.record(FactKind.OFFER_MISSED, agent=offered.agent, leg=offered.leg, reason=reason)
    end(turn, Result.INDETERMINATE, NOT_TAKEN, Role.OPERATOR, cause)


def _explain(turn: Turn, outcome: str) -> None:
    call = turn.call
    stop_operator_sound(turn)
    prompt = turn.new_playback(PROMPTS[outcome], Role.OPERATOR)
    turn.set(phase=Phase.CALL_BACK_FAILED, unreached=outcome, operator_hears=prompt)
    parties.sound(turn)
    if call.operator is not None:
        language = turn.centre.language
        turn.do(PlayPrompt(call.operator.leg, False, prompt, PROMPTS[outcome], language))
    turn.do(ArmTimer(timer(call.id, TIMER), LONGEST_EXPLANATION))


def give_up(turn: Turn, by: Role | None) -> None:
    """The caller was not reached, and the operator is free."""
    end(turn, Result.UPSTREAM, f"not reached: {turn.call.unreached}", by, UNKNOWN_CAUSE)
