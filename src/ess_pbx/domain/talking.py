"""Operator and caller talk; or, after a handover, agency and caller."""

from __future__ import annotations

from ess_pbx.domain import hearing, operator_keys, silence, transfer, waiting
from ess_pbx.domain.call import Result, Turn
from ess_pbx.domain.effects import Part, ReleaseAgent, Role
from ess_pbx.domain.ending import end
from ess_pbx.domain.events import KeyPressed, LegGone
from ess_pbx.domain.feature_codes import Consult

NORMAL_CLEARING = 16
"""Q.850 cause of a party that hung up on purpose."""


def key(turn: Turn, event: KeyPressed) -> None:
    """The operator's keys are feature codes; the caller's say at most that they cannot speak."""
    if event.leg == turn.call.caller:
        if silence.accept(turn, event.key):
            hearing.tell_operator(turn, silence.OPERATOR_PROMPT)
        return
    command = operator_keys.pressed(turn, event)
    if isinstance(command, Consult):
        transfer.consult(turn, command.code)


def gone(turn: Turn, event: LegGone) -> None:
    """Who hangs up ends the call; an operator whose phone dies does not."""
    call = turn.call
    turn.drop_leg(event.leg, event.cause)
    if event.leg == call.caller:
        end(turn, Result.SUCCESS, "completed", Role.CALLER, event.cause)
    elif call.operator is not None and event.leg == call.operator.leg:
        if event.cause == NORMAL_CLEARING:
            end(turn, Result.SUCCESS, "completed", Role.OPERATOR, event.cause)
        else:
            lose_operator(turn)


def lose_operator(turn: Turn) -> None:
    """The operator's leg died: the caller goes back to the head of the queue."""
    call = turn.call
    silence.leave(turn)
    turn.do(Part(call.bridge, call.caller))
    waiting.requeue(turn)
    if call.operator is not None:
        # In the queue first: where there is no wrap-up, whoever is freed has the next call at once.
        turn.do(ReleaseAgent(call.id, call.operator.agent))


def handed_over_gone(turn: Turn, event: LegGone) -> None:
    """Caller or agency hung up; an agency that was cut off leaves the caller to us again."""
    call = turn.call
    turn.drop_leg(event.leg, event.cause)
    if event.leg == call.caller:
        end(turn, Result.SUCCESS, "completed", Role.CALLER, event.cause)
    elif call.agency is not None and event.leg == call.agency.leg:
        if event.cause == NORMAL_CLEARING:
            end(turn, Result.SUCCESS, "completed", Role.AGENCY, event.cause)
        else:
            lose_operator(turn)
