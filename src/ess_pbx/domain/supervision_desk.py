"""What supervisors ask of calls: whether it can be done, and what is then told to the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ess_pbx.domain.acd import Acd
from ess_pbx.domain.agent import TABLE, AgentEvent, AgentState, Seat
from ess_pbx.domain.call import Call, Phase
from ess_pbx.domain.commands import Mode, PullCall, StopSupervising, Supervise
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.events import SupervisionAsked, SupervisionStopped
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.offers import Decision
from ess_pbx.domain.presence import unknown_operator
from ess_pbx.domain.supervision import ASIDE, ListenByPhone

SupervisionCommand: TypeAlias = ListenByPhone | Supervise | StopSupervising | PullCall
Follows: TypeAlias = Decision | Refused | SupervisionAsked | SupervisionStopped

PHASES = frozenset(
    {
        *(Phase.TALKING, Phase.CONFERENCE, Phase.HELD),
        *(Phase.CONSULT_RINGING, Phase.CONSULT, Phase.RETURNING),
    }
)
"""Where an operator has a caller who can be listened to."""


def command(asked: SupervisionCommand, calls: Mapping[CallId, Call], acd: Acd) -> list[Follows]:
    """What follows, in order, or why it cannot be done."""
    match asked:
        case Supervise():
            return _supervise(asked, calls, acd)
        case ListenByPhone():
            return _listen(asked, calls, acd)
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
    call = calls.get(asked.call)
    if call is None or call.phase is Phase.ENDED:
        return [_unknown_call(asked.call)]
    seat = acd.seats.get(asked.supervisor)
    if seat is None:
        return [unknown_operator(asked.supervisor)]
    refused = _other_supervision(call, asked.supervisor)
    if refused is None and call.supervision is not None:
        refused = _no_change(asked, call)
    elif refused is None:
        refused = _no_supervision(call, seat, asked.mode)
        if refused is None and not seat.reachable:
            found = f"the phone of {asked.supervisor} is not registered"
            refused = Refused("not-reachable", found)
    if refused is not None:
        return [refused]
    return [SupervisionAsked(call.id, asked.supervisor, asked.mode, asked.by)]


def _listen(asked: ListenByPhone, calls: Mapping[CallId, Call], acd: Acd) -> list[Follows]:
    seat, supervisor = acd.seats.get(asked.agent), acd.seats.get(asked.by.name)
    if seat is None or supervisor is None:
        return [unknown_operator(asked.agent if seat is None else asked.by.name)]
    call = None if seat.call is None else calls.get(seat.call)
    if call is None or call.operator is None or call.operator.agent != asked.agent:
        return [Refused("no-call", f"{asked.agent} talks to nobody; expected one who does")]
    name = supervisor.extension
    refused = _other_supervision(call, name) or _no_supervision(call, supervisor)
    if refused is not None:
        return [refused]
    return [SupervisionAsked(call.id, name, Mode.LISTEN, asked.by, asked.leg)]


def _other_supervision(call: Call, supervisor: str) -> Refused | None:
    # Two who whisper at once would confuse the operator, and nobody could say who was heard.
    with_it = None if call.supervision is None else call.supervision.supervisor
    if with_it in (None, supervisor):
        return None
    return Refused("already-supervised", f"{with_it} is with call {call.id}; expected nobody")


def _no_supervision(call: Call, seat: Seat, mode: Mode = Mode.LISTEN) -> Refused | None:
    """Why this supervisor cannot come to a call that they are not with."""
    if not seat.supervisor:
        return Refused("not-a-supervisor", f"{seat.extension} is an operator")
    if call.phase is Phase.HANDED_OVER and call.operator is None:
        if mode in ASIDE:
            found = f"the operator of call {call.id} has left, and with them whom to listen to"
            return Refused("no-operator", f"{found}; expected mode barge or take-over")
    elif call.phase not in PHASES or call.operator is None:
        return Refused("no-operator", f"call {call.id} is {call.phase}; expected one with operator")
    if TABLE[seat.state][AgentEvent.ATTEND] is not AgentState.SUPERVISING:
        return Refused("supervisor-busy", f"{seat.extension} is {seat.state}; expected idle")
    return None


def _no_change(asked: Supervise, call: Call) -> Refused | None:
    """Who is with a call already goes from one mode to another."""
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
