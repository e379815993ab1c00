"""Operator and caller talk; the operator can bring others in."""

from __future__ import annotations

from ess_pbx.domain import hearing, silence, transfer_codes
from ess_pbx.domain.call import Turn
from ess_pbx.domain.events import KeyPressed


def key(turn: Turn, event: KeyPressed) -> None:
    """The operator's keys are feature codes; the caller's say at most that they cannot speak."""
    if event.leg != turn.call.caller:
        transfer_codes.key(turn, event)
    elif silence.accept(turn, event.key):
        hearing.tell_operator(turn, silence.OPERATOR_PROMPT)
