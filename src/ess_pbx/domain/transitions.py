"""The life of a call as one table: (phase, event) → what is done.

Each pair is handled, ignored or illegal, by name; a test proves that none is left out. An illegal
event is reported and changes nothing: never is a caller dropped for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from ess_pbx.domain import (
    calling_back,
    ending,
    hearing,
    holding,
    ivr,
    ladder,
    ringing,
    silence,
    supervising,
    talking,
    transfer,
    transfer_button,
    transfer_codes,
    waiting,
)
from ess_pbx.domain.call import Phase, Turn
from ess_pbx.domain.effects import Illegal, LeaveQueue
from ess_pbx.domain.events import (
    CALL_EVENTS,
    Arrived,
    CallBackDue,
    CallBackWithdrawn,
    CallEvent,
    Hurried,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegHeld,
    LegRang,
    LegUnheld,
    OfferMade,
    OfferWithdrawn,
    OperatorsMissing,
    PlaybackBegan,
    PlaybackEnded,
    SpeechBegan,
    SpeechEnded,
    StoodStill,
    Stopping,
    StreamRestarted,
    SupervisionAsked,
    SupervisionStopped,
    TimerFired,
    TransferAsked,
)

Handler: TypeAlias = Callable[[Turn, Any], None]
E = TypeVar("E", bound=CallEvent)


def on(event: type[E], handler: Callable[[Turn, E], None]) -> tuple[type[CallEvent], Handler]:
    """A row of the table; the type checker holds the handler against its event."""
    return event, handler


def rules(*rows: tuple[type[CallEvent], Handler]) -> dict[type[CallEvent], Handler]:
    """Some rows of one phase."""
    return dict(rows)


def ignored(_turn: Turn, _event: CallEvent) -> None:
    """The event can happen here and means nothing, such as a timer that fired while cancelled."""


def illegal(turn: Turn, event: CallEvent) -> None:
    """The event cannot happen here."""
    turn.do(Illegal(turn.call.id, turn.call.phase, type(event).__name__))


def unwanted_offer(turn: Turn, event: OfferMade) -> None:
    """The queue offered a call that does not wait: illegal, and the operator is given back."""
    illegal(turn, event)
    turn.do(LeaveQueue(turn.call.id))


_HUMANS = rules(
    on(Arrived, illegal),
    on(LegRang, ignored),
    on(LegAnswered, ending.hang_up_stranger),
    on(LegGone, transfer.gone),
    on(LegHeld, ignored),
    on(LegUnheld, ignored),
    on(TransferAsked, transfer_button.declined),
    on(KeyPressed, ignored),
    on(SpeechBegan, silence.began),
    on(SpeechEnded, silence.ended),
    on(PlaybackBegan, ignored),
    on(PlaybackEnded, ignored),
    on(TimerFired, ignored),
    on(OfferMade, unwanted_offer),
    on(OfferWithdrawn, illegal),
    on(OperatorsMissing, ignored),
    on(Hurried, ignored),
    on(StoodStill, ignored),
    on(Stopping, ending.stopped),
    on(CallBackDue, illegal),
    on(CallBackWithdrawn, ignored),
    on(SupervisionAsked, supervising.asked),
    on(SupervisionStopped, supervising.stopped),
    on(StreamRestarted, supervising.restarted),
)
"""What holds where humans talk, unless a phase says otherwise."""

_CALLING_BACK = _HUMANS | rules(
    on(LegRang, waiting.rang),
    on(OfferMade, illegal),
    on(CallBackWithdrawn, calling_back.withdrawn),
    on(SupervisionAsked, illegal),
)
"""What holds until whoever is called back has answered."""

_TRANSFER = _HUMANS | rules(
    on(LegRang, transfer.rang),
    on(LegAnswered, transfer.answered),
    on(LegHeld, holding.phone_holds),
    on(LegUnheld, holding.phone_takes_back),
    on(TransferAsked, transfer_button.pressed),
    on(KeyPressed, transfer_codes.key),
    on(PlaybackEnded, transfer.playback_ended),
    on(TimerFired, transfer.timer_fired),
)
"""What holds where the operator has the caller, or has brought others in."""

TABLE: Mapping[Phase, Mapping[type[CallEvent], Handler]] = {
    Phase.ARRIVING: rules(*(on(event, illegal) for event in CALL_EVENTS))
    | rules(
        on(Arrived, ivr.arrived),
        on(CallBackDue, calling_back.begin),
        on(OfferMade, unwanted_offer),
    ),
    Phase.IVR: rules(
        on(Arrived, illegal),
        on(LegRang, waiting.rang),
        on(LegAnswered, waiting.answered),
        on(LegGone, waiting.gone),
        on(LegHeld, ignored),
        on(LegUnheld, ignored),
        on(TransferAsked, transfer_button.declined),
        on(KeyPressed, ivr.key),
        on(SpeechBegan, silence.began),
        on(SpeechEnded, silence.ended),
        on(PlaybackBegan, hearing.began),
        on(PlaybackEnded, ivr.playback_ended),
        on(TimerFired, ivr.timer_fired),
        on(OfferMade, ringing.offer),
        on(OfferWithdrawn, ringing.withdrawn),
        on(OperatorsMissing, ivr.nobody_there),
        on(Hurried, ignored),
        on(StoodStill, ivr.stood_still),
        on(Stopping, ending.stopped),
        on(CallBackDue, illegal),
        on(CallBackWithdrawn, ignored),
        on(SupervisionAsked, illegal),
        on(SupervisionStopped, ignored),
        on(StreamRestarted, ignored),
    ),
    Phase.WAITING: rules(
        on(Arrived, illegal),
        on(LegRang, waiting.rang),
        on(LegAnswered, waiting.answered),
        on(LegGone, waiting.gone),
        on(LegHeld, ignored),
        on(LegUnheld, ignored),
        on(TransferAsked, transfer_button.declined),
        on(KeyPressed, waiting.key),
        on(SpeechBegan, silence.began),
        on(SpeechEnded, silence.ended),
        on(PlaybackBegan, hearing.began),
        on(PlaybackEnded, hearing.ended),
        on(TimerFired, waiting.timer_fired),
        on(OfferMade, ringing.offer),
        on(OfferWithdrawn, ringing.withdrawn),
        on(OperatorsMissing, waiting.nobody_there),
        on(Hurried, ladder.arm_anew),
        on(StoodStill, ignored),
        on(Stopping, ending.stopped),
        on(CallBackDue, illegal),
        on(CallBackWithdrawn, ignored),
        on(SupervisionAsked, illegal),
        on(SupervisionStopped, ignored),
        on(StreamRestarted, ignored),
    ),
    Phase.TALKING: _TRANSFER | rules(on(KeyPressed, talking.key)),
    Phase.CONSULT_RINGING: _TRANSFER,
    Phase.CONSULT: _TRANSFER,
    Phase.RETURNING: _TRANSFER,
    Phase.CONFERENCE: _TRANSFER,
    Phase.HELD: _TRANSFER,
    Phase.BLIND_RINGING: _TRANSFER,
    Phase.HANDED_OVER: _TRANSFER,
    Phase.CALLING_OPERATOR: _CALLING_BACK
    | rules(
        on(LegAnswered, calling_back.operator_answered),
        on(LegGone, calling_back.offer_gone),
        on(TimerFired, calling_back.offer_timer),
    ),
    Phase.CALLING_BACK: _CALLING_BACK
    | rules(
        on(LegAnswered, calling_back.caller_answered),
        on(LegGone, calling_back.calling_gone),
        on(TimerFired, calling_back.calling_timer),
        on(Stopping, calling_back.stopped_while_calling),
    ),
    Phase.CALL_BACK_FAILED: _CALLING_BACK
    | rules(
        on(LegAnswered, calling_back.picked_up_too_late),
        on(LegGone, calling_back.explaining_gone),
        on(PlaybackEnded, calling_back.explained),
        on(TimerFired, calling_back.explaining_timer),
    ),
    Phase.ENDED: rules(*(on(event, ignored) for event in CALL_EVENTS))
    | rules(
        on(Arrived, illegal),
        on(CallBackDue, illegal),
        on(SupervisionAsked, illegal),
        on(LegAnswered, ending.answered_too_late),
        on(LegGone, ending.leg_gone),
        on(TimerFired, ending.release_overdue),
        on(OfferMade, unwanted_offer),
    ),
}


def decide(turn: Turn, event: CallEvent) -> None:
    """What becomes of a call by an event, and what is to be done."""
    if isinstance(event, PlaybackEnded):
        turn.set(unended=turn.call.unended - {event.playback})
    if not supervising.handled(turn, event):
        TABLE[turn.call.phase][type(event)](turn, event)
    supervising.follow(turn)
