"""An operator puts the caller on hold: they hear music, never silence.

By a code, or by the button of the phone (RFC 3264 §8.4), which Asterisk tells of.
"""

from __future__ import annotations

from ess_pbx.domain import hearing, parties
from ess_pbx.domain.call import Phase, Turn
from ess_pbx.domain.events import LegHeld, LegUnheld
from ess_pbx.domain.facts import FactKind

CODE, PHONE, TAKEN_OVER = "code", "phone", "take-over"


def hold(turn: Turn, how: str) -> None:
    """Take the caller out; who else is there stays with the operator."""
    if turn.call.operator is not None:
        parties.go(turn, Phase.HELD)
        turn.record(FactKind.HELD, agent=turn.call.operator.agent, how=how)


def take_back(turn: Turn, how: str) -> None:
    """Operator and caller talk again."""
    if turn.call.operator is not None:
        parties.talk(turn)
        turn.record(FactKind.UNHELD, agent=turn.call.operator.agent, how=how)


def phone_holds(turn: Turn, event: LegHeld) -> None:
    """The button of the operator's phone; whoever has others to speak with needs no music."""
    operator = turn.call.operator
    if operator is None or event.leg != operator.leg:
        return
    turn.set(phone_holds=event.leg)
    if turn.call.phase is Phase.TALKING:
        hold(turn, PHONE)


def phone_takes_back(turn: Turn, event: LegUnheld) -> None:
    """The button again."""
    operator = turn.call.operator
    if operator is None or event.leg != operator.leg:
        return
    owed = turn.call.owed
    turn.set(phone_holds=None, owed="")
    if turn.call.phase is Phase.HELD:
        take_back(turn, PHONE)
    if owed:
        hearing.tell_operator(turn, owed)


def is_deaf(turn: Turn) -> bool:
    """Whether nothing that is played to the operator would be heard."""
    operator = turn.call.operator
    return operator is not None and turn.call.phone_holds == operator.leg


def tell(turn: Turn, prompt: str) -> None:
    """Say something short to the operator alone, as soon as their phone can hear it."""
    if is_deaf(turn):
        turn.set(owed=prompt)
    else:
        hearing.tell_operator(turn, prompt)
