"""Who may be rung for whom: nobody in wrap-up, off shift or away, and those first who waited first.

It is reckoned from facts and configuration, beside the queue's own reckoning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

from ess_pbx.domain.agent import AgentState, Seat
from ess_pbx.domain.call import Call, Phase, Then
from ess_pbx.domain.calling_back import PHASES as CALLED_BACK
from ess_pbx.domain.commands import PullCall
from ess_pbx.domain.effects import AsteriskEffect, Originate, Reach, Role
from ess_pbx.domain.events import CallEvent, CentreEvent
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.queueing import skills_of

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World

ENOUGH = 1e-5
"""Seconds; the wall clock tells microseconds."""
CLOCK_SECONDS = 5.1
"""How late the engine may know what the wall clock says."""
QUEUED = (Phase.WAITING, Phase.IVR)


class Rung:
    """Looks at each phone of an operator that is rung in one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rung_now: list[str] = []
        self._wraps_up_until: dict[str, float] = {}
        self._clock_jumped = -inf
        self._states: dict[str, str] = {}
        self._moved: dict[str, tuple[str, ...]] = {}
        self._pulled: PullCall | None = None

    def clock_jumped(self) -> None:
        """The wall clock was set."""
        self._clock_jumped = self._world.now

    def engine_started(self, facts: Iterable[Fact]) -> None:
        """What the journal lost did not happen."""
        # Of a wrap-up from before the clock was set the next engine cannot know what is left.
        since_then = self._clock_jumped + self._world.core.config.policy.wrap_up
        self._wraps_up_until = {
            agent: until for agent, until in self._wraps_up_until.items() if until > since_then
        }
        self._moved.clear()
        for fact in facts:
            if fact.kind is FactKind.AGENT_MOVED:
                self._moved_to(fact)
            elif fact.kind is FactKind.AGENT_STATE:
                self._states[str(fact.data["agent"])] = str(fact.data["state"])

    def before(self, event: CallEvent | CentreEvent) -> None:
        """Who is pulled out of the queue overtakes others."""
        self._pulled = event if isinstance(event, PullCall) else None

    def asked(self, effect: AsteriskEffect) -> Iterator[str]:
        """Something is asked of Asterisk."""
        if isinstance(effect, Originate) and effect.role is Role.OPERATOR:
            yield from self._may_be_rung(effect)

    def recorded(self, fact: Fact) -> None:
        """A fact is in the journal."""
        world, data = self._world, fact.data
        match fact.kind:
            case FactKind.AGENT_STATE:
                agent, state = str(data["agent"]), str(data["state"])
                if state == AgentState.WRAP_UP and self._states.get(agent) != state:
                    self._wraps_up_until[agent] = world.now + self._wrap_up
                elif state in (AgentState.SUPERVISING, AgentState.TALKING):
                    self._wraps_up_until.pop(agent, None)  # it begins anew after this
                self._states[agent] = state
            case FactKind.SURGE_DECLARED:
                # Those that go on become shorter, and stay so when it is over.
                shorter = world.core.config.policy.wrap_up - self._wrap_up
                for agent, until in self._wraps_up_until.items():
                    self._wraps_up_until[agent] = until - shorter
            case FactKind.AGENT_MOVED:
                self._moved_to(fact)
            case FactKind.WRAP_UP_ENDED:
                self._wraps_up_until.pop(str(data["agent"]), None)
            case _:
                pass

    def after(self) -> Iterator[str]:
        """The core has decided: that a wrap-up is over may be on record with this very decision."""
        rung, self._rung_now = self._rung_now, []
        for agent in rung:
            if self._world.now < self._wraps_up_until.get(agent, 0.0) - ENOUGH:
                yield f"{agent} is rung in wrap-up"

    def everybody_is_served(self, calls: Iterable[Call]) -> Iterator[str]:
        """Nobody waits unoffered while an operator who may take them is free."""
        core = self._world.core
        if core.surge.state is not None:
            return
        phases = QUEUED if core.config.policy.search_at_once else (Phase.WAITING,)
        waiting = [
            call
            for call in calls
            if call.phase in phases and not call.offers and call.information is not Then.END
        ]
        if not waiting:
            return
        free = [seat for seat in core.acd.seats.values() if seat.free]
        for call in waiting:
            for seat in free:
                if self._may_have(seat, call):
                    yield f"{call.id} waits, and {seat.extension} is free"

    def _may_have(self, seat: Seat, call: Call) -> bool:
        config = self._world.core.config
        serves = self._serves(seat, call)
        if call.reach is not None:
            if seat.supervisor:
                return call.reach is not Reach.EVERYONE
            return call.reach is not Reach.SUPERVISORS or serves
        if not serves or call.any_skills:
            return serves
        wanted = skills_of(config, call.category, call.language)
        if wanted <= seat.skills.keys():
            return True
        return not any(
            other.present and self._serves(other, call) and wanted <= other.skills.keys()
            for other in self._world.core.acd.seats.values()
        )

    def _serves(self, seat: Seat, call: Call) -> bool:
        """Whether an operator has a call's queue: by the configuration, or because of a move."""
        if seat.supervisor:
            return False
        if moved := self._moved.get(seat.extension):
            return call.queue in moved
        queues = self._world.core.config.queues
        named = next(queue.operators for queue in queues if queue.id == call.queue)
        return not named or seat.extension in named

    def _may_be_rung(self, effect: Originate) -> Iterator[str]:
        core, agent, now = self._world.core, effect.address, self._world.now
        seat = core.acd.seats[agent]
        if not (seat.reachable and seat.logged_in and seat.on_break is None):
            yield f"{agent} is rung, but is {seat.status}"
        surge = core.surge.state is not None
        local = self._world.local
        if not surge:
            if not seat.supervisor and agent not in core.roster.on_duty(local):
                known = now - self._clock_jumped > CLOCK_SECONDS
                if not seat.on_duty or (known and not self._shift_just_ended(agent)):
                    yield f"{agent} is rung off shift"
            self._rung_now.append(agent)
            pulled = self._pulled
            if pulled is None or (pulled.call, pulled.agent) != (effect.call, agent):
                yield from self._first_come(effect, seat)

    def _shift_just_ended(self, agent: str) -> bool:
        before = self._world.local - timedelta(seconds=CLOCK_SECONDS)
        return agent in self._world.core.roster.on_duty(before)

    def _first_come(self, effect: Originate, seat: Seat) -> Iterator[str]:
        """Whoever is before them in the queue and could have the operator has one."""
        core = self._world.core
        call = core.calls.get(effect.call)
        if call is None:
            return
        theirs = self._place(call)
        phases = QUEUED if core.config.policy.search_at_once else (Phase.WAITING,)
        for other in core.calls.values():
            if other.id == call.id or other.phase not in phases or other.offers:
                continue
            if other.information is Then.END or not self._may_have(seat, other):
                continue
            if call.phase in CALLED_BACK or self._place(other) < theirs - ENOUGH:
                yield f"{seat.extension} is rung for {call.id}, and {other.id} is before it"

    def _place(self, call: Call) -> float:
        lift = self._world.core.config.policy.age_lift
        return call.arrived - call.head_start - call.priority * lift

    def _moved_to(self, fact: Fact) -> None:
        queues = fact.data["queues"]
        self._moved[str(fact.data["agent"])] = tuple(
            map(str, queues if isinstance(queues, list) else ())
        )

    @property
    def _wrap_up(self) -> float:
        """How long a wrap-up is that begins now."""
        core = self._world.core
        usual, surge = core.config.policy.wrap_up, core.config.surge.wrap_up
        return usual if core.surge.state is None else min(usual, surge)
