"""The life of a call as one table: (phase, event) → what is done.

Each pair is handled, ignored or illegal, by name; a test proves that none is left out. An illegal
event is reported and changes nothing: never is a caller dropped for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from ess_pbx.domain import ending, hearing, ivr, ladder, ringing, talking, transfer, waiting
from ess_pbx.domain.call import Call, Phase, Places, Turn
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import Effect, Illegal, LeaveQueue
from ess_pbx.domain.events import (
    CALL_EVENTS,
    Arrived,
    CallEvent,
    Hurried,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    OfferMade,
    OperatorsMissing,
    PlaybackBegan,
    PlaybackEnded,
    Stopping,
    TimerFired,
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
    on(LegGone, talking.gone),
    on(KeyPressed, ignored),
    on(PlaybackBegan, ignored),
    on(PlaybackEnded, ignored),
    on(TimerFired, ignored),
    on(OfferMade, unwanted_offer),
    on(OperatorsMissing, ignored),
    on(Hurried, ignored),
    on(Stopping, ending.stopped),
)
"""What holds where humans talk, unless a phase says otherwise."""

_CONSULT = _HUMANS | rules(on(PlaybackEnded, hearing.ended))

TABLE: Mapping[Phase, Mapping[type[CallEvent], Handler]] = {
    Phase.ARRIVING: rules(*(on(event, illegal) for event in CALL_EVENTS))
    | rules(on(Arrived, ivr.arrived), on(OfferMade, unwanted_offer)),
    Phase.IVR: rules(
        on(Arrived, illegal),
        on(LegRang, waiting.rang),
        on(LegAnswered, waiting.answered),
        on(LegGone, waiting.gone),
        on(KeyPressed, ivr.key),
        on(PlaybackBegan, hearing.began),
        on(PlaybackEnded, ivr.playback_ended),
        on(TimerFired, ivr.timer_fired),
        on(OfferMade, ringing.offer),
        on(OperatorsMissing, ivr.nobody_there),
        on(Hurried, ignored),
        on(Stopping, ending.stopped),
    ),
    Phase.WAITING: rules(
        on(Arrived, illegal),
        on(LegRang, waiting.rang),
        on(LegAnswered, waiting.answered),
        on(LegGone, waiting.gone),
        on(KeyPressed, waiting.key),
        on(PlaybackBegan, hearing.began),
        on(PlaybackEnded, hearing.ended),
        on(TimerFired, waiting.timer_fired),
        on(OfferMade, ringing.offer),
        on(OperatorsMissing, waiting.nobody_there),
        on(Hurried, ladder.arm_anew),
        on(Stopping, ending.stopped),
    ),
    Phase.TALKING: _HUMANS | rules(on(KeyPressed, talking.key)),
    Phase.CONSULT_RINGING: _CONSULT
    | rules(
        on(LegRang, transfer.rang),
        on(LegAnswered, transfer.answered),
        on(LegGone, transfer.ringing_gone),
        on(KeyPressed, transfer.ringing_key),
        on(TimerFired, transfer.ringing_timer),
    ),
    Phase.CONSULT: _CONSULT
    | rules(on(LegGone, transfer.consult_gone), on(KeyPressed, transfer.consult_key)),
    Phase.RETURNING: _CONSULT
    | rules(
        on(LegGone, transfer.returning_gone),
        on(PlaybackEnded, transfer.returning_playback_ended),
        on(TimerFired, transfer.returning_timer),
    ),
    Phase.CONFERENCE: _HUMANS
    | rules(on(LegGone, transfer.conference_gone), on(KeyPressed, transfer.conference_key)),
    Phase.HANDED_OVER: _HUMANS | rules(on(LegGone, talking.handed_over_gone)),
    Phase.ENDED: rules(*(on(event, ignored) for event in CALL_EVENTS))
    | rules(
        on(Arrived, illegal),
        on(LegAnswered, ending.answered_too_late),
        on(LegGone, ending.leg_gone),
        on(TimerFired, ending.release_overdue),
        on(OfferMade, unwanted_offer),
    ),
}


def decide(
    call: Call,
    event: CallEvent,
    now: float,
    centre: Centre,
    local: datetime | None = None,
    *,
    holiday: bool = False,
    queue: Places | None = None,
    hurry: float = 1.0,
) -> tuple[Call, list[Effect]]:
    """What becomes of a call by an event at ``now`` (monotonic seconds), and what is to be done.

    ``local`` is the centre's time of day, on a ``holiday`` or not, for opening hours; ``queue``
    knows the call's place, and the ladder comes ``hurry`` times as early as the policy says.
    """
    turn = Turn(call, now, centre, local, holiday=holiday, queue=queue, hurry=hurry)
    TABLE[call.phase][type(event)](turn, event)
    return turn.call, turn.effects
