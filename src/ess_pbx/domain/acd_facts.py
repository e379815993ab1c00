"""What the ACD puts on record of operators and queues."""

from __future__ import annotations

from collections.abc import Sequence

from ess_pbx.domain.agent import NOT_ANSWERING, Seat, Status
from ess_pbx.domain.commands import Asker
from ess_pbx.domain.effects import Record
from ess_pbx.domain.facts import JSON, FactKind


def state_fact(seat: Seat) -> Record:
    """What an operator does now."""
    data: dict[str, JSON] = {
        "agent": seat.extension,
        "status": seat.status,
        "state": seat.state,
        "call": seat.call,
    }
    return Record(None, FactKind.AGENT_STATE, data)


def status_fact(agent: str, status: Status, reason: str | None, by: Asker) -> Record:
    """What an operator's status is from now on, and who wanted it so."""
    data = {"agent": agent, "status": str(status), "reason": reason, **by.fields}
    return Record(None, FactKind.AGENT_STATUS, {**data})


def move_fact(agent: str, queues: Sequence[str], by: Asker) -> Record:
    """Which queues' calls an operator is offered from now on; of none: their own."""
    return Record(None, FactKind.AGENT_MOVED, {"agent": agent, "queues": [*queues], **by.fields})


def no_operator_fact(kind: FactKind, queue: str) -> Record:
    """The alarm that callers wait where nobody is, raised or cleared."""
    return Record(None, kind, {"alarm": f"no-operator:{queue}", "detail": queue})


def not_answering_fact(kind: FactKind, seat: Seat) -> Record:
    """The alarm that an operator missed too many offers, raised or cleared."""
    alarm = f"operator-not-answering:{seat.extension}"
    return Record(None, kind, {"alarm": alarm, "detail": f"{NOT_ANSWERING}: {seat.extension}"})
