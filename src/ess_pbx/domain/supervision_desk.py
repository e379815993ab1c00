"""What supervisors ask of calls: whether it can be done, and what is then told to the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ess_pbx.domain.acd import Acd, Decision
from ess_pbx.domain.agent import TABLE, AgentEvent, AgentState, Seat
from ess_pbx.domain.call import Call, Phase
from ess_pbx.domain.commands import Mode, PullCall, StopSupervising, Supervise
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.events import SupervisionAsked, SupervisionStopped
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.presence import unknown_operator

SupervisionCommand: TypeAlias = Supervise | StopSupervising | PullCall
Follows: TypeAlias = Decision | Refused | SupervisionAsked | SupervisionStopped

PHASES = frozenset(
    {
        *(Phase.TALKING, Phase.CONFERENCE),
        *(Phase.CONSULT_RINGING, Phase.CONSULT, Phase.RETURNING),
    }
)
"""Where an operator has a caller who can be listened to."""


def command(asked: SupervisionCommand, calls: Mapping[CallId, Call], acd: Acd) -> list[Follows]:
    """What follows, in order, or why it cannot be done."""
    match asked:
        case Supervise():
            return _supervise(asked, calls, acd)
        case StopSupervising(by, name):
            call = calls.get(name)
            if call is None or call.phase is Phase.ENDED:
                return [_unknown_call(name)]
            if call.supervision is None:
                return [Refused("not-supervised", f"no supervisor is with call {name}")]
            return [SupervisionStopped(name, by)]
        case PullCall():
            return _pull(asked, calls, acd)


def _supervise(asked: Supervise, calls: Mapping[CallId, Call], acd: Acd) -> list[Follows]:
    if asked.call is None and asked.agent not in acd.seats:
        return [unknown_operator(str(asked.agent))]
    name = asked.call
    if name is None and asked.agent is not None:
        name = acd.seats[asked.agent].call
    call = None if name is None else calls.get(name)
    if call is None or call.phase is Phase.ENDED:
        if asked.call is not None:
            return [_unknown_call(asked.call)]
        return [Refused("no-call", f"{asked.agent} has no call; expected one who talks")]
    refused = _no_supervision(asked, call, acd.seats.get(asked.supervisor))
    if refused is not None:
        return [refused]
    return [SupervisionAsked(call.id, asked.supervisor, asked.mode, asked.by, asked.leg)]


def _no_supervision(asked: Supervise, call: Call, seat: Seat | None) -> Refused | None:
    if seat is None:
        return unknown_operator(asked.supervisor)
    if not seat.supervisor:
        return Refused("not-a-supervisor", f"{asked.supervisor} is an operator")
    supervision = call.supervision
    if supervision is not None and supervision.supervisor != asked.supervisor:
        # Two who whisper at once would confuse the operator, and nobody could say who was heard.
        found = f"{supervision.supervisor} is with call {call.id}"
        return Refused("already-supervised", f"{found}; expected nobody")
    if supervision is not None:
        return _no_change(asked, call)
    has_operator = call.phase in PHASES and call.operator is not None
    if not has_operator or (asked.agent and call.operator and call.operator.agent != asked.agent):
        return Refused("no-operator", f"call {call.id} is {call.phase}; expected one with operator")
    if TABLE[seat.state][AgentEvent.ATTEND] is not AgentState.SUPERVISING:
        return Refused("supervisor-busy", f"{asked.supervisor} is {seat.state}; expected idle")
    if asked.leg is None and not seat.reachable:
        return Refused("not-reachable", f"the phone of {asked.supervisor} is not registered")
    return None


def _no_change(asked: Supervise, call: Call) -> Refused | None:
    """Who is with a call already goes from one mode to another."""
    if asked.leg is not None:
        return Refused("supervisor-busy", f"{asked.supervisor} is with call {call.id} already")
    if call.operator is None and asked.mode in (Mode.LISTEN, Mode.WHISPER):
        return Refused("no-operator", f"the operator has left call {call.id}")
    return None


def _pull(asked: PullCall, calls: Mapping[CallId, Call], acd: Acd) -> list[Follows]:
    entry, seat = acd.waiting.get(asked.call), acd.seats.get(asked.agent)
    if seat is None:
        return [unknown_operator(asked.agent)]
    if entry is None:
        call = calls.get(asked.call)
        if call is None or call.phase is Phase.ENDED:
            return [_unknown_call(asked.call)]
        return [Refused("not-waiting", f"call {call.id} is {call.phase}; expected waiting")]
    if not seat.free:
        found = f"{asked.agent} is {seat.status} and {seat.state}"
        return [Refused("operator-not-free", f"{found}; expected present and idle")]
    data = {"agent": asked.agent, **asked.by.fields}
    return [Record(asked.call, FactKind.CALL_PULLED, {**data}), *acd.pull(asked.call, asked.agent)]


def _unknown_call(call: CallId) -> Refused:
    return Refused("unknown-call", f"no call {call!r} goes on")
