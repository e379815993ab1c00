"""Operators who are moved to other queues for a duty, and how that survives a restart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ess_pbx.domain.acd import BY_DUTY, Acd
from ess_pbx.domain.acd_facts import move_fact
from ess_pbx.domain.commands import MoveOperator
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import Refused
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.offers import Decision
from ess_pbx.domain.presence import in_same_duty, unknown_operator
from ess_pbx.domain.roster import Roster


class Moves:
    """Remembers whom somebody has moved: to which queues, and when (epoch seconds)."""

    name = "moves"

    def __init__(self) -> None:
        self.moved: dict[str, tuple[tuple[str, ...], float]] = {}

    def remember(self, kind: str, _: str | None, data: Mapping[str, JSON], at: float, /) -> None:
        """A move, or its end; all else is passed."""
        if kind == FactKind.AGENT_MOVED:
            self._keep(data.get("agent"), data.get("queues"), at)

    def dump(self) -> JSON:
        """Queues and time by extension."""
        return {agent: [[*queues], at] for agent, (queues, at) in self.moved.items()}

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        self.moved.clear()
        for agent, kept in state.items() if isinstance(state, Mapping) else ():
            match kept:
                case [queues, float() | int() as at]:
                    self._keep(agent, queues, at)

    def _keep(self, agent: JSON, queues: JSON, at: float) -> None:
        self.moved.pop(str(agent), None)
        if isinstance(queues, list | tuple) and queues:
            self.moved[str(agent)] = tuple(map(str, queues)), at

    def restore(self, acd: Acd, roster: Roster, local: datetime, wall: float) -> list[Decision]:
        """Move those again whose duty goes on; of the others the move is over, on record."""
        decisions: list[Decision] = []
        for agent, (queues, at) in list(self.moved.items()):
            if agent not in acd.seats:
                continue
            if in_same_duty(agent, roster, local, wall - at):
                decisions += acd.move(agent, queues, None)
            else:
                decisions.append(move_fact(agent, (), BY_DUTY))
        return decisions


def move(command: MoveOperator, acd: Acd, config: Centre) -> list[Decision | Refused]:
    """What a move changes, or why it cannot be."""
    seat = acd.seats.get(command.agent)
    if seat is None:
        return [unknown_operator(command.agent)]
    if seat.supervisor:
        return [Refused("not-an-operator", f"{command.agent} is a supervisor, whom no queue rings")]
    if not seat.on_duty:
        return [Refused("not-on-duty", f"{command.agent} is off duty; expected one on duty")]
    known = [queue.id for queue in config.queues]
    if unknown := [each for each in command.queues if each not in known]:
        listed = ", ".join(known)
        return [Refused("unknown-queue", f"{unknown[0]!r} is no queue; one of: {listed}")]
    return [*acd.move(command.agent, command.queues, command.by)]
