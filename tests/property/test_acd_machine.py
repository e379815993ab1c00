"""The queue against its own definition, counted anew after each step, in virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import time

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from ess_pbx.domain.acd import PAUSE, WRAP_UP, Acd, Decision
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.config import Category, Centre, Operator, Policy, Queue, Shift
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    JoinQueue,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    Record,
    ReleaseAgent,
)
from ess_pbx.domain.events import OfferMade, OperatorsMissing, TimerId
from ess_pbx.domain.facts import FactKind
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
agents = st.sampled_from(AGENTS)


def a_centre(wrap_up: float) -> Centre:
    return Centre(
        id="c",
        name="C",
        default_queue="umum",
        default_category="lainnya",
        policy=Policy(wrap_up=wrap_up, rona_pause=5),
        queues=tuple(Queue(id=each, name=each, operators=named) for each, named in QUEUES.items()),
        categories=(Category(id="lainnya", name="Lainnya", queue="umum"),),
        shifts=(Shift(id="s", name="S", starts=time(0), ends=time(0), operators=AGENTS),),
        operators=tuple(Operator(extension=agent, name=agent) for agent in AGENTS),
    )


@dataclass
class Caller:
    """What a test knows of a call that wants an operator."""

    queue: str
    order: tuple[int, float, int]
    offered_to: str | None = None
    told: bool = False


@dataclass
class Known:
    """What a test knows of an operator."""

    state: AgentState = AgentState.IDLE
    on_duty: bool = False
    reachable: bool = False
    idle_since: float = 0.0
    call: CallId | None = None

    @property
    def present(self) -> bool:
        return self.on_duty and self.reachable

    @property
    def free(self) -> bool:
        return self.present and self.state is AgentState.IDLE


@dataclass
class Model:
    """The queue as anyone would write it down, without heaps."""

    callers: dict[CallId, Caller] = field(default_factory=dict)
    agents: dict[str, Known] = field(default_factory=lambda: {each: Known() for each in AGENTS})
    alarmed: set[str] = field(default_factory=set)

    def present(self, queue: str) -> int:
        return sum(self.agents[each].present for each in AGENTS if queue in SERVES[each])

    def waiting(self, queues: Iterable[str]) -> list[Caller]:
        """Calls of some queues that ring nowhere, the most urgent first."""
        found = [
            caller
            for caller in self.callers.values()
            if caller.queue in queues and caller.offered_to is None
        ]
        return sorted(found, key=lambda caller: caller.order)

    def free(self, queue: str) -> list[Known]:
        """Operators who could take a call of a queue now, the longest idle first."""
        found = [self.agents[each] for each in AGENTS if queue in SERVES[each]]
        return sorted((each for each in found if each.free), key=lambda each: each.idle_since)


class AcdMachine(RuleBasedStateMachine):
    """Callers, operators, phones, shifts and time, in any order."""

    queued = Bundle("queued")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.count = 0
        self.model = Model()
        self.timers: dict[TimerId, float] = {}

    @initialize(wrap_up=st.sampled_from([0.0, 20.0]), there=st.sets(agents))
    def open(self, wrap_up: float, there: set[str]) -> None:
        self.wrap_up = wrap_up
        self.acd = Acd(a_centre(wrap_up))
        self.shift_changes(set(AGENTS))
        for agent in sorted(there):
            self.phone_comes_or_goes(agent, True)

    # what happens

    @rule(
        target=queued,
        queue=st.sampled_from(sorted(QUEUES)),
        priorities=st.lists(st.integers(0, 9), min_size=1, max_size=4),
        older=st.sampled_from([0.0, 0.0, 30.0]),
    )
    def callers_join(self, queue: str, priorities: list[int], older: float):  # type: ignore[no-untyped-def]
        calls = []
        for priority in priorities:
            self.count += 1
            call = CallId(f"c-{self.count}")
            since = self.now - older
            self.model.callers[call] = Caller(queue, (-priority, since, self.count))
            self._follow(self.acd.apply(JoinQueue(call, queue, priority, since), self.now))
            calls.append(call)
        return multiple(*calls)

    @rule(call=queued, queue=st.sampled_from(sorted(QUEUES)), priority=st.integers(0, 9))
    def caller_moves(self, call: CallId, queue: str, priority: int) -> None:
        """What the caller chose in the menu; a phone that rings already goes on ringing."""
        caller = self.model.callers.get(call)
        if caller is None:
            return
        _, since, number = caller.order
        caller.queue, caller.order, caller.told = queue, (-priority, since, number), False
        self._follow(self.acd.apply(JoinQueue(call, queue, priority, since), self.now))

    @rule(call=consumes(queued))
    def caller_leaves(self, call: CallId) -> None:
        caller = self.model.callers.pop(call, None)
        if caller is not None and caller.offered_to is not None:
            agent = self.model.agents[caller.offered_to]
            agent.state, agent.call = AgentState.IDLE, None
        self._follow(self.acd.apply(LeaveQueue(call), self.now))

    @rule(agent=agents)
    def operator_answers(self, agent: str) -> None:
        known = self.model.agents[agent]
        if known.state is not AgentState.OFFERED:
            assert self.acd.apply(OfferTaken(CallId("c-0"), agent), self.now) == []
            return
        assert known.call is not None
        known.state = AgentState.TALKING
        del self.model.callers[known.call]
        self._follow(self.acd.apply(OfferTaken(known.call, agent), self.now))

    @rule(agent=agents)
    def operator_misses(self, agent: str) -> None:
        known = self.model.agents[agent]
        if known.state is not AgentState.OFFERED:
            call = known.call or CallId("c-0")
            assert self.acd.apply(OfferMissed(call, agent, "no answer"), self.now) == []
            return
        assert known.call is not None
        call, known.call = known.call, None
        known.state = AgentState.PAUSED
        self.model.callers[call].offered_to = None
        self._follow(self.acd.apply(OfferMissed(call, agent, "no answer"), self.now))
        assert self.timers[TimerId(agent, PAUSE)] == self.now + 5

    @rule(agent=agents)
    def call_is_over(self, agent: str) -> None:
        known = self.model.agents[agent]
        if known.state is not AgentState.TALKING:
            call = known.call or CallId("c-0")
            assert self.acd.apply(ReleaseAgent(call, agent), self.now) == []
            return
        assert known.call is not None
        call, known.call = known.call, None
        known.state = AgentState.WRAP_UP if self.wrap_up else AgentState.IDLE
        known.idle_since = self.now
        self._follow(self.acd.apply(ReleaseAgent(call, agent), self.now))
        assert (TimerId(agent, WRAP_UP) in self.timers) is bool(self.wrap_up)

    @rule(seconds=st.sampled_from([0.5, 4.0, 6.0, 21.0]))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while due := sorted((at, timer.owner, timer.kind) for timer, at in self.timers.items()):
            at, owner, kind = due[0]
            if at > until:
                break
            self.now = at
            self._timer_fires(TimerId(owner, kind))
        self.now = until

    @rule(agent=agents, kind=st.sampled_from([WRAP_UP, PAUSE]))
    def stale_timer_fires(self, agent: str, kind: str) -> None:
        if TimerId(agent, kind) not in self.timers:
            assert self.acd.timer_fired(TimerId(agent, kind), self.now) == []

    @rule(agent=agents, there=st.booleans())
    def phone_comes_or_goes(self, agent: str, there: bool) -> None:
        with_presence = self._presence({agent: there}, "reachable")
        self._follow(self.acd.set_reachable(agent, there, self.now), with_presence)

    @rule(on_duty=st.sets(agents))
    def shift_changes(self, on_duty: set[str]) -> None:
        with_presence = self._presence({each: each in on_duty for each in AGENTS}, "on_duty")
        self._follow(self.acd.set_on_duty(on_duty, self.now), with_presence)

    # what follows, against the model

    def _timer_fires(self, timer: TimerId) -> None:
        del self.timers[timer]
        known = self.model.agents[timer.owner]
        assert known.state is (AgentState.WRAP_UP if timer.kind == WRAP_UP else AgentState.PAUSED)
        known.state, known.idle_since = AgentState.IDLE, self.now
        self._follow(self.acd.timer_fired(timer, self.now))

    def _presence(self, changes: dict[str, bool], name: str) -> set[str]:
        """Change the model; returns whose presence changed."""
        changed = set()
        for agent, value in changes.items():
            known = self.model.agents[agent]
            before = known.present
            setattr(known, name, value)
            if known.present is not before:
                changed.add(agent)
                if known.free:
                    known.idle_since = self.now
        for queue in QUEUES:
            if self.model.present(queue):
                for caller in self.model.callers.values():
                    caller.told = caller.told and caller.queue != queue
        return changed

    def _follow(self, decisions: list[Decision], changed: set[str] | None = None) -> None:
        reported = set()
        for decision in decisions:
            match decision:
                case OfferMade(call, agent):
                    self._offered(call, agent)
                case OperatorsMissing(call):
                    caller = self.model.callers[call]
                    assert self.model.present(caller.queue) == 0
                    assert caller.offered_to is None
                    assert not caller.told
                    caller.told = True
                case ArmTimer(timer, seconds):
                    assert timer not in self.timers
                    self.timers[timer] = self.now + seconds
                case CancelTimer(timer):
                    raise AssertionError(f"{timer} was never meant to be cancelled")
                case Record(None, FactKind.AGENT_STATE, data):
                    reported.add(str(data["agent"]))
                case Record(None, kind, data):
                    self._alarm(kind, str(data["alarm"]).partition(":")[2])
        assert reported >= (changed or set())

    def _offered(self, call: CallId, agent: str) -> None:
        caller, known = self.model.callers[call], self.model.agents[agent]
        assert caller.offered_to is None
        assert known.free, "on duty, reachable and idle"
        assert caller.queue in SERVES[agent]
        assert known.idle_since == self.model.free(caller.queue)[0].idle_since
        assert self.model.waiting(SERVES[agent])[0] is caller, "priority, then age"
        caller.offered_to = agent
        known.state, known.call = AgentState.OFFERED, call

    def _alarm(self, kind: FactKind, queue: str) -> None:
        if kind is FactKind.ALARM_RAISED:
            assert queue not in self.model.alarmed
            self.model.alarmed.add(queue)
        else:
            assert kind is FactKind.ALARM_CLEARED
            self.model.alarmed.remove(queue)

    # what always holds

    @invariant()
    def seats_are_what_the_model_knows(self) -> None:
        for agent, seat in self.acd.seats.items():
            known = self.model.agents[agent]
            assert (seat.state, seat.call) == (known.state, known.call)
            assert (seat.on_duty, seat.reachable) == (known.on_duty, known.reachable)
            busy = seat.state in (AgentState.OFFERED, AgentState.TALKING)
            assert (seat.call is not None) is busy
            if seat.free:
                assert seat.idle_since == known.idle_since

    @invariant()
    def each_waiting_call_is_there_once_and_rings_at_most_once(self) -> None:
        assert self.acd.waiting.keys() == self.model.callers.keys()
        for call, entry in self.acd.waiting.items():
            rings = [
                agent
                for agent, known in self.model.agents.items()
                if known.call == call and known.state is AgentState.OFFERED
            ]
            assert rings == ([entry.offered_to] if entry.offered_to else [])
            heap = self.acd._calls[entry.queue]
            assert (entry.offered_to is not None) or (entry.order, call) in heap

    @invariant()
    def a_call_has_at_most_one_operator(self) -> None:
        calls = [known.call for known in self.model.agents.values() if known.call is not None]
        assert len(calls) == len(set(calls))

    @invariant()
    def nobody_waits_while_someone_who_serves_the_queue_is_free(self) -> None:
        for queue in QUEUES:
            assert not (self.model.waiting([queue]) and self.model.free(queue))

    @invariant()
    def presence_is_counted_right(self) -> None:
        for queue in QUEUES:
            assert self.acd._present[queue] == self.model.present(queue)

    @invariant()
    def the_alarm_is_on_where_someone_waits_and_nobody_is_there(self) -> None:
        assert self.acd._alarmed == self.model.alarmed
        for queue in QUEUES:
            alone = self.model.present(queue) == 0
            # It stays on after the last caller gave up: still nobody is there.
            assert alone or queue not in self.model.alarmed
            if alone and self.model.waiting([queue]):
                assert queue in self.model.alarmed
                assert all(caller.told for caller in self.model.waiting([queue]))

    @invariant()
    def whoever_wraps_up_or_is_passed_over_has_a_timer_that_ends_it(self) -> None:
        timed = {AgentState.WRAP_UP: WRAP_UP, AgentState.PAUSED: PAUSE}
        expected = {
            TimerId(agent, timed[known.state])
            for agent, known in self.model.agents.items()
            if known.state in timed
        }
        assert self.timers.keys() == expected

    @invariant()
    def the_heaps_stay_small(self) -> None:
        for heap in self.acd._idle.values():
            assert len(heap) <= 2 * len(AGENTS) + 1


TestAcd = AcdMachine.TestCase
TestAcd.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
