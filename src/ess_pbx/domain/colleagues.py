"""Operators and supervisors whom an operator brings into a call, beside the queue.

Only who is free is rung. The queue passes them by while they are.
"""

from __future__ import annotations

from ess_pbx.domain import ids, parties, ringing, transfer
from ess_pbx.domain.call import Party, Standing, Turn
from ess_pbx.domain.effects import ArmTimer, Borrow, Role
from ess_pbx.domain.ending import timer
from ess_pbx.domain.facts import FactKind

BUSY_PROMPT = "rekan-tidak-bebas"


def consult(turn: Turn, extension: str) -> str | None:
    """Ring a colleague, to be consulted as an agency is; returns the prompt that says why not."""
    if not turn.queue.is_free(extension):
        return BUSY_PROMPT
    _ring(turn, extension, Standing.RINGING)
    turn.do(ArmTimer(timer(turn.call.id, "agency"), turn.centre.policy.ring))
    transfer.take_aside(turn)
    return None


def call_supervisor(turn: Turn) -> str | None:
    """Ring every free supervisor; the first who answers joins operator and caller."""
    free = turn.queue.free_supervisors()
    for extension in free:
        leg = _ring(turn, extension, Standing.CALLED)
        ring = turn.centre.policy.agency_ring
        turn.do(ArmTimer(parties.called_timer(turn.call.id, leg), ring))
    return None if free else transfer.NO_SUPERVISOR_PROMPT


def _ring(turn: Turn, extension: str, standing: Standing) -> ids.LegId:
    call = turn.call
    leg = ids.operator_leg(call.id, call.made_legs + 1)
    turn.do(Borrow(call.id, extension))
    seconds = turn.centre.policy.agency_ring
    ringing.ring(turn, leg, Role.COLLEAGUE, extension, seconds)
    turn.add_leg(leg, Role.COLLEAGUE, extension)
    party = Party(extension, leg, seat=extension, standing=standing)
    turn.set(parties=(*turn.call.parties, party))
    agent = "" if call.operator is None else call.operator.agent
    supervisor = standing is Standing.CALLED
    turn.record(
        FactKind.COLLEAGUE_CALLED, party=extension, agent=agent, leg=leg, supervisor=supervisor
    )
    return leg
