"""What must hold of the calls that operators make by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ess_pbx.domain.effects import AsteriskEffect, Originate, Refuse, Role
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, call_of
from ess_pbx.domain.outbound import is_allowed

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World


class CallingOut:
    """Looks after them in one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._refused: set[CallId] = set()

    def asked(self, effect: AsteriskEffect) -> Iterator[str]:
        """Something is asked of Asterisk: nobody is rung whom nobody may call."""
        if isinstance(effect, Refuse):
            self._refused.add(call_of(effect.leg))
        if not isinstance(effect, Originate) or effect.role is not Role.OUTSIDE:
            return
        outbound, call = self._world.core.config.outbound, effect.call
        agent = self._world.people.who_calls(call)
        seat = self._world.core.acd.seats.get(agent)
        role = outbound.supervisor if seat is not None and seat.supervisor else outbound.operator
        if call in self._refused:
            yield f"{call} was refused, and rings {effect.address}"
        if not is_allowed(effect.address, role):
            yield f"{call} rings {effect.address}, which {agent} may not call"

    def is_over(self) -> Iterator[str]:
        """Each has one end on record, and no day had more than it may have."""
        outbound = self._world.core.config.outbound
        most = {"operator": outbound.operator.per_day, "supervisor": outbound.supervisor.per_day}
        begun: Counter[tuple[str, str]] = Counter()
        going_on: set[str] = set()
        for fact in self._world.facts:
            if fact.call is None:
                continue
            if fact.kind is FactKind.OUTBOUND_STARTED:
                going_on.add(fact.call)
                day, role = str(fact.data["day"]), str(fact.data["role"])
                begun[day, role] += 1
                if begun[day, role] > most[role]:
                    yield f"{role}s called out {begun[day, role]} times on {day}"
            elif fact.kind is FactKind.OUTBOUND_ENDED:
                if fact.call not in going_on:
                    yield f"{fact.call} ended, and had not begun or ended before"
                going_on.discard(fact.call)
        if going_on:
            yield f"no end of calls out on record: {sorted(going_on)}"
