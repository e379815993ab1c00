"""What the ACD is to do, said in another way: slowly, by looking at everybody each time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import time

from hypothesis import strategies as st

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.config import Category, Centre, Operator, Policy, Queue, Shift, Strategy
from ess_pbx.domain.effects import (
    Reach,
)
from ess_pbx.domain.ids import CallId

AGENTS = tuple(f"200{n}" for n in range(1, 7))
QUEUES: dict[str, tuple[str, ...]] = {
    "umum": (),
    "medis": AGENTS[:3],
    "api": AGENTS[2:4],
    "anak": AGENTS[5:],
}
SERVES = {
    agent: frozenset(queue for queue, named in QUEUES.items() if not named or agent in named)
    for agent in AGENTS
}
SUPERVISORS = ("3001", "3002")
SERVES |= {agent: frozenset() for agent in SUPERVISORS}
EVERYBODY = (*AGENTS, *SUPERVISORS)
SKILLS: dict[str, dict[str, int]] = {
    AGENTS[0]: {"medis": 1},
    AGENTS[1]: {"medis": 3, "inggris": 1},
    AGENTS[2]: {"inggris": 2},
    AGENTS[4]: {"medis": 2},
}
LIFT, LIMIT = 10.0, 2
BY = Asker("3001", Via.API)
STRATEGIES: tuple[Strategy, ...] = (
    *("longest-idle", "round-robin", "fewest-calls", "skill-first"),
    *("ring-all", "ring-all"),
)
agents = st.sampled_from(EVERYBODY)
reaches = st.sampled_from([None, None, None, *Reach])
skill_sets = st.sampled_from([(), (), ("medis",), ("inggris",), ("medis", "inggris"), ("jawa",)])


def a_centre(wrap_up: float, strategies: dict[str, Strategy]) -> Centre:
    return Centre(
        id="c",
        name="C",
        default_queue="umum",
        default_category="lainnya",
        policy=Policy(wrap_up=wrap_up, rona_pause=5, age_lift=LIFT, rona_limit=LIMIT),
        queues=tuple(
            Queue(id=each, name=each, operators=named, strategy=strategies[each])
            for each, named in QUEUES.items()
        ),
        categories=(Category(id="lainnya", name="Lainnya", queue="umum"),),
        shifts=(Shift(id="s", name="S", starts=time(0), ends=time(0), operators=AGENTS),),
        operators=(
            *(Operator(extension=each, name=each, skills=SKILLS.get(each, {})) for each in AGENTS),
            *(Operator(extension=each, name=each, role="supervisor") for each in SUPERVISORS),
        ),
    )


@dataclass
class Caller:
    """What a test knows of a call that wants an operator."""

    queue: str
    skills: frozenset[str]
    order: tuple[float, int]
    """When they came, earlier by ``LIFT`` for each step of priority; then first come."""
    reach: Reach | None = None
    offers: list[str] = field(default_factory=list)
    told: bool = False


@dataclass
class Known:
    """What a test knows of an operator."""

    name: str
    state: AgentState = AgentState.IDLE
    on_duty: bool = False
    reachable: bool = False
    idle_since: float = 0.0
    call: CallId | None = None
    logged_in: bool = True
    on_break: str | None = None
    phone_known: bool = False
    missed: int = 0
    calls: int = 0
    turn: int = 0
    offer: int = 0

    @property
    def present(self) -> bool:
        return self.here and self.logged_in and self.on_break is None

    @property
    def here(self) -> bool:
        return self.reachable and (self.on_duty or self.name in SUPERVISORS)

    @property
    def free(self) -> bool:
        return self.present and self.state is AgentState.IDLE


@dataclass
class Model:
    """The queue as anyone would write it down, without heaps."""

    callers: dict[CallId, Caller] = field(default_factory=dict)
    agents: dict[str, Known] = field(default_factory=lambda: {n: Known(n) for n in EVERYBODY})
    alarmed: set[str] = field(default_factory=set)
    not_answering: set[str] = field(default_factory=set)
    strategies: dict[str, Strategy] = field(default_factory=dict)
    offers: int = 0

    def present(self, queue: str) -> int:
        return sum(self.agents[each].present for each in AGENTS if queue in SERVES[each])

    def waiting(self, queues: Iterable[str]) -> list[Caller]:
        """Calls of some queues that ring nowhere, the most urgent first."""
        found = [
            caller
            for caller in self.callers.values()
            if caller.queue in queues and not caller.offers
        ]
        return sorted(found, key=lambda caller: caller.order)

    def may_take(self, caller: Caller) -> list[Known]:
        """Who there may take a call: those with the skills, or all when nobody has them.

        Or whom the ladder reaches.
        """
        if caller.reach is not None:
            names = [e for e in AGENTS if caller.queue in SERVES[e]]
            names = names if caller.reach is Reach.SUPERVISORS else list(AGENTS)
            names += [] if caller.reach is Reach.EVERYONE else SUPERVISORS
            return [self.agents[each] for each in names if self.agents[each].present]
        there = [self.agents[each] for each in AGENTS if caller.queue in SERVES[each]]
        there = [each for each in there if each.present]
        able = [each for each in there if caller.skills <= SKILLS.get(each.name, {}).keys()]
        return able or there

    def place(self, caller: Caller, known: Known) -> tuple[float, ...]:
        """Sorts operators for a call by the strategy of its queue."""
        levels = SKILLS.get(known.name, {})
        match "ring-all" if caller.reach else self.strategies[caller.queue]:
            case "longest-idle" | "ring-all":
                return (known.idle_since,)
            case "round-robin":
                return (known.turn,)
            case "fewest-calls":
                return (known.calls, known.idle_since)
            case "skill-first":
                able = caller.skills <= levels.keys()
                level = sum(levels[each] for each in caller.skills) if able else 0
                return (-level, known.idle_since)
        raise AssertionError("no such strategy")

    def rings_all(self, caller: Caller) -> bool:
        return caller.reach is not None or self.strategies[caller.queue] == "ring-all"

    def joins(self, agent: str) -> list[Caller]:
        """Calls that ring all and whose phones this operator's may join, the most urgent first."""
        known = self.agents[agent]
        found = [each for each in self.callers.values() if each.offers and self.rings_all(each)]
        found = [each for each in found if known in self.may_take(each)]
        return sorted(found, key=lambda caller: caller.order)

    def calls_for(self, agent: str) -> list[Caller]:
        """Calls that an operator there may take, the most urgent first."""
        known = self.agents[agent]
        return [each for each in self.waiting(QUEUES) if known in self.may_take(each)]
