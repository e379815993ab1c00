"""The queue against its own definition, counted anew after each step, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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

from ess_pbx.domain.acd import PAUSE, WRAP_UP, Acd
from ess_pbx.domain.agent import NOT_ANSWERING, AgentState, Status
from ess_pbx.domain.config import Strategy
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    JoinQueue,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    Reach,
    Record,
    ReleaseAgent,
)
from ess_pbx.domain.events import OfferMade, OfferWithdrawn, OperatorsMissing, TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.offers import Decision

from .acd_model import (
    AGENTS,
    BY,
    EVERYBODY,
    LIFT,
    LIMIT,
    QUEUES,
    SERVES,
    SKILLS,
    STRATEGIES,
    Caller,
    Known,
    Model,
    a_centre,
    agents,
    reaches,
    skill_sets,
)


class AcdMachine(RuleBasedStateMachine):
    """Callers, operators, phones, shifts and time, in any order."""

    queued = Bundle("queued")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.count = 0
        self.model = Model()
        self.timers: dict[TimerId, float] = {}
        self.since: dict[CallId, float] = {}
        self.breaking = ""
        self.withdrawn = ""

    @initialize(
        wrap_up=st.sampled_from([0.0, 20.0]),
        there=st.sets(agents),
        strategies=st.fixed_dictionaries({each: st.sampled_from(STRATEGIES) for each in QUEUES}),
    )
    def open(self, wrap_up: float, there: set[str], strategies: dict[str, Strategy]) -> None:
        self.wrap_up = wrap_up
        self.model.strategies = strategies
        self.acd = Acd(a_centre(wrap_up, strategies))
        self.shift_changes(set(EVERYBODY))
        for agent in sorted(there):
            self.phone_comes_or_goes(agent, True)

    # what happens

    @rule(
        target=queued,
        queue=st.sampled_from(sorted(QUEUES)),
        priorities=st.lists(st.integers(0, 9), min_size=1, max_size=4),
        older=st.sampled_from([0.0, 0.0, 30.0]),
        skills=skill_sets,
        reach=reaches,
    )
    def callers_join(  # type: ignore[no-untyped-def]
        self,
        queue: str,
        priorities: list[int],
        older: float,
        skills: tuple[str, ...],
        reach: Reach | None,
    ):
        asked = frozenset(skills)
        calls = []
        for priority in priorities:
            self.count += 1
            call = CallId(f"c-{self.count}")
            since = self.now - older
            order = since - LIFT * priority, self.count
            self.model.callers[call] = Caller(queue, asked, order, reach)
            self.since[call] = since
            wanted = JoinQueue(call, queue, priority, since, asked, reach)
            self._follow(self.acd.apply(wanted, self.now))
            calls.append(call)
        return multiple(*calls)

    @rule(
        call=queued,
        queue=st.sampled_from(sorted(QUEUES)),
        priority=st.integers(4, 6),
        skills=skill_sets,
        reach=reaches,
    )
    def caller_moves(
        self,
        call: CallId,
        queue: str,
        priority: int,
        skills: tuple[str, ...],
        reach: Reach | None,
    ) -> None:
        """What the caller chose in the menu, or a step of the ladder; what rings goes on."""
        caller = self.model.callers.get(call)
        if caller is None:
            return
        since, asked = self.since[call], frozenset(skills)
        caller.queue, caller.skills, caller.told = queue, asked, False
        caller.reach = reach
        caller.order = since - LIFT * priority, caller.order[1]
        wanted = JoinQueue(call, queue, priority, since, asked, reach)
        self._follow(self.acd.apply(wanted, self.now))

    @rule(call=consumes(queued))
    def caller_leaves(self, call: CallId) -> None:
        caller = self.model.callers.pop(call, None)
        self._given_back(caller.offers if caller is not None else [])
        self._follow(self.acd.apply(LeaveQueue(call), self.now))

    def _given_back(self, offered: Iterable[str]) -> None:
        for each in offered:
            agent = self.model.agents[each]
            agent.state, agent.call = AgentState.IDLE, None

    @rule(agent=agents)
    def operator_answers(self, agent: str) -> None:
        known = self.model.agents[agent]
        if known.state is not AgentState.OFFERED:
            assert self.acd.apply(OfferTaken(CallId("c-0"), agent), self.now) == []
            return
        assert known.call is not None
        known.state, known.missed = AgentState.TALKING, 0
        known.calls, known.turn = known.calls + 1, known.offer
        caller = self.model.callers.pop(known.call)
        self._given_back(each for each in caller.offers if each != agent)
        self._follow(self.acd.apply(OfferTaken(known.call, agent), self.now))

    @rule(agent=agents, reason=st.sampled_from(["no answer", "busy", "unreachable"]))
    def operator_misses(self, agent: str, reason: str) -> None:
        known = self.model.agents[agent]
        if known.state is not AgentState.OFFERED:
            call = known.call or CallId("c-0")
            assert self.acd.apply(OfferMissed(call, agent, reason), self.now) == []
            return
        assert known.call is not None
        call, known.call = known.call, None
        known.state, known.turn = AgentState.PAUSED, known.offer
        known.missed += reason != "unreachable"
        caller = self.model.callers[call]
        self._freed(caller, agent)
        others = all(self.model.present(queue) > 1 for queue in SERVES[agent])
        if known.missed >= LIMIT and known.present and others and agent in AGENTS:
            # The missed call is offered first; the break begins where it is reported.
            self.breaking = agent
        self._follow(self.acd.apply(OfferMissed(call, agent, reason), self.now))
        assert not self.breaking
        assert (agent in self.model.not_answering) is (known.missed >= LIMIT)
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

    @rule(
        agent=agents,
        status=st.sampled_from(
            [
                (Status.AVAILABLE, None),
                (Status.AVAILABLE, None),
                (Status.LOGGED_OUT, None),
                (Status.BREAK, "sholat"),
                (Status.BREAK, "makan"),
            ]
        ),
    )
    def a_status_is_wanted(self, agent: str, status: tuple[Status, str | None]) -> None:
        wanted, reason = status
        known = self.model.agents[agent]
        known.missed = 0
        before = known.logged_in, known.on_break
        caller = None
        if known.state is AgentState.OFFERED and wanted is not Status.AVAILABLE:
            assert known.call is not None
            caller = self.model.callers[known.call]
            known.state, known.call = AgentState.IDLE, None

        def change(known: Known) -> None:
            known.logged_in, known.on_break = wanted is not Status.LOGGED_OUT, reason

        changed = self._presence([agent], change)
        if caller is not None:
            self._freed(caller, agent)
        self.withdrawn = agent if caller is not None else ""
        decisions = self.acd.set_status(agent, wanted, reason, BY, self.now)
        self._follow(decisions, changed)
        assert not self.withdrawn
        told = [
            each.data
            for each in decisions
            if isinstance(each, Record)
            and each.kind is FactKind.AGENT_STATUS
            and each.data["agent"] == agent
        ]
        if (known.logged_in, known.on_break) == before:
            assert told == []
        else:
            assert told[0] == {"agent": agent, "status": wanted, "reason": reason, **BY.fields}

    @rule(agent=agents)
    def the_report_is_written_early(self, agent: str) -> None:
        known = self.model.agents[agent]
        if known.state is not AgentState.WRAP_UP:
            assert self.acd.end_wrap_up(agent, self.now) == []
            return
        known.state, known.idle_since = AgentState.IDLE, self.now
        self._follow(self.acd.end_wrap_up(agent, self.now))

    @rule(agent=agents, there=st.booleans())
    def phone_comes_or_goes(self, agent: str, there: bool) -> None:
        known = self.model.agents[agent]
        anew, known.phone_known = known.phone_known, True
        if known.reachable is not there and anew:
            known.missed = 0 if there else known.missed

        def change(known: Known) -> None:
            if known.reachable is there or not anew:
                known.reachable = there
                return
            known.reachable = there
            known.logged_in = known.logged_in or there
            if known.on_break == NOT_ANSWERING:
                known.on_break = None

        with_presence = self._presence([agent], change)
        self._follow(self.acd.set_reachable(agent, there, self.now), with_presence)

    @rule(on_duty=st.sets(agents))
    def shift_changes(self, on_duty: set[str]) -> None:
        for agent, known in self.model.agents.items():
            if known.on_duty is not (agent in on_duty):
                known.missed, known.calls = 0, 0

        def change(known: Known) -> None:
            if known.on_duty is not (known.name in on_duty):
                known.on_duty = not known.on_duty
                known.logged_in, known.on_break = True, None

        with_presence = self._presence(EVERYBODY, change)
        self._follow(self.acd.set_on_duty(on_duty, self.now), with_presence)

    # what follows, against the model

    def _timer_fires(self, timer: TimerId) -> None:
        del self.timers[timer]
        known = self.model.agents[timer.owner]
        assert known.state is (AgentState.WRAP_UP if timer.kind == WRAP_UP else AgentState.PAUSED)
        known.state, known.idle_since = AgentState.IDLE, self.now
        self._follow(self.acd.timer_fired(timer, self.now))

    def _presence(self, agents: Iterable[str], change: Callable[[Known], None]) -> set[str]:
        """Change the model; returns whose presence changed."""
        changed = set()
        for agent in agents:
            known = self.model.agents[agent]
            before = known.present
            change(known)
            if known.present is not before:
                changed.add(agent)
                if known.free:
                    known.idle_since = self.now
        for queue in QUEUES:
            self._someone_is_called_back(queue, changed)
        for caller in self.model.callers.values():
            there = self.model.present(caller.queue) or self.model.may_take(caller)
            caller.told = caller.told and not there
        return changed

    def _someone_is_called_back(self, queue: str, changed: set[str]) -> None:
        """Nobody is left: the first who is on break for not answering is there again."""
        if self.model.present(queue):
            return
        for agent in AGENTS:
            known = self.model.agents[agent]
            if known.on_break == NOT_ANSWERING and known.here and queue in SERVES[agent]:
                known.on_break = None
                changed.add(agent)
                if known.free:
                    known.idle_since = self.now
                return

    def _freed(self, caller: Caller, agent: str) -> None:
        """A phone rang in vain: anyone will do when no other rings and nobody able is free."""
        caller.offers.remove(agent)
        serving = [each for each in self.model.agents.values() if caller.queue in SERVES[each.name]]
        able = [each for each in serving if caller.skills <= SKILLS.get(each.name, {}).keys()]
        if not caller.offers and not any(each.free for each in able):
            caller.skills = frozenset()

    def _follow(self, decisions: list[Decision], changed: set[str] | None = None) -> None:
        reported = set()
        for decision in decisions:
            match decision:
                case OfferMade(call, agent):
                    self._offered(call, agent)
                case OperatorsMissing(call):
                    caller = self.model.callers[call]
                    assert self.model.present(caller.queue) == 0
                    assert not self.model.may_take(caller)
                    assert not caller.offers
                    assert not caller.told
                    caller.told = True
                case ArmTimer(timer, seconds):
                    assert timer not in self.timers
                    self.timers[timer] = self.now + seconds
                case CancelTimer(timer):
                    assert timer.kind == WRAP_UP, "only the report may be written early"
                    del self.timers[timer]
                case OfferWithdrawn(_, agent):
                    assert agent == self.withdrawn
                    self.withdrawn = ""
                case Record(None, FactKind.AGENT_STATUS, data):
                    if data["agent"] == self.breaking and data["reason"] == NOT_ANSWERING:
                        self._presence([self.breaking], self._does_not_answer)
                        self.breaking = ""
                case Record(None, FactKind.AGENT_STATE, data):
                    reported.add(str(data["agent"]))
                case Record(None, kind, data):
                    name, _, about = str(data["alarm"]).partition(":")
                    people = name == "operator-not-answering"
                    self._alarm(
                        kind, about, self.model.not_answering if people else self.model.alarmed
                    )
        assert reported >= (changed or set())

    @staticmethod
    def _does_not_answer(known: Known) -> None:
        known.on_break = NOT_ANSWERING

    def _offered(self, call: CallId, agent: str) -> None:
        caller, known = self.model.callers[call], self.model.agents[agent]
        assert known.free, "on duty, reachable and idle"
        assert caller.reach is not None or caller.queue in SERVES[agent]
        able = self.model.may_take(caller)
        assert known in able
        places = [self.model.place(caller, each) for each in able if each.free]
        assert self.model.place(caller, known) == min(places), "as the queue's strategy has it"
        calls = self.model.calls_for(agent) or self.model.joins(agent)
        assert calls[0] is caller, "age, lifted by priority; who rings already comes after"
        caller.offers.append(agent)
        self.model.offers += 1
        known.offer = self.model.offers
        known.state, known.call = AgentState.OFFERED, call

    def _alarm(self, kind: FactKind, about: str, alarmed: set[str]) -> None:
        if kind is FactKind.ALARM_RAISED:
            assert about not in alarmed
            alarmed.add(about)
        else:
            assert kind is FactKind.ALARM_CLEARED
            alarmed.remove(about)

    # what always holds

    @invariant()
    def seats_are_what_the_model_knows(self) -> None:
        for agent, seat in self.acd.seats.items():
            known = self.model.agents[agent]
            assert (seat.state, seat.call) == (known.state, known.call)
            assert (seat.on_duty, seat.reachable) == (known.on_duty, known.reachable)
            assert (seat.logged_in, seat.on_break) == (known.logged_in, known.on_break)
            assert seat.missed == known.missed
            busy = seat.state in (AgentState.OFFERED, AgentState.TALKING)
            assert (seat.call is not None) is busy
            if seat.free:
                assert seat.idle_since == known.idle_since

    @invariant()
    def each_waiting_call_is_there_once_and_rings_where_it_is_offered(self) -> None:
        assert self.acd.waiting.keys() == self.model.callers.keys()
        for call, entry in self.acd.waiting.items():
            rings = [
                agent
                for agent, known in self.model.agents.items()
                if known.call == call and known.state is AgentState.OFFERED
            ]
            assert rings == sorted(entry.offers) == sorted(self.model.callers[call].offers)
            if not entry.offers:
                assert (entry.order, call) in entry.line.calls
            elif entry.line.rings_all:
                assert (entry.order, call) in entry.line.ringing

    @invariant()
    def a_call_has_at_most_one_operator(self) -> None:
        agents = self.model.agents.values()
        calls = [each.call for each in agents if each.state is AgentState.TALKING]
        assert len(calls) == len(set(calls))
        offered = {each.call for each in agents if each.state is AgentState.OFFERED}
        assert offered <= self.model.callers.keys()

    @invariant()
    def a_callers_place_is_their_place(self) -> None:
        for call, caller in self.model.callers.items():
            queue = [each for each in self.model.callers.values() if each.queue == caller.queue]
            ahead = sum(each.order < caller.order for each in queue)
            assert self.acd.position(call) == ahead + 1

    @invariant()
    def nobody_waits_while_someone_who_may_take_the_call_is_free(self) -> None:
        for caller in self.model.callers.values():
            if not caller.offers or self.model.rings_all(caller):
                assert not any(each.free for each in self.model.may_take(caller))

    @invariant()
    def nobody_is_on_break_for_not_answering_where_nobody_else_is(self) -> None:
        for agent, known in self.model.agents.items():
            if known.on_break == NOT_ANSWERING and known.on_duty and known.reachable:
                assert all(self.model.present(queue) for queue in SERVES[agent])

    @invariant()
    def presence_is_counted_right(self) -> None:
        for queue in QUEUES:
            assert self.acd._lines.present(queue) == self.model.present(queue)
            for line in self.acd._lines.of_queue(queue):
                assert line.present == sum(seat.present for seat in line.seats.values())

    @invariant()
    def the_alarm_is_on_where_someone_waits_and_nobody_is_there(self) -> None:
        assert self.acd._alone.alarmed == self.model.alarmed
        assert self.acd._not_answering == self.model.not_answering
        for queue in QUEUES:
            alone = self.model.present(queue) == 0
            # It stays on after the last caller gave up: still nobody is there.
            assert alone or queue not in self.model.alarmed
            lost = [each for each in self.model.waiting([queue]) if not self.model.may_take(each)]
            if alone and lost:
                assert queue in self.model.alarmed
                assert all(caller.told for caller in lost)

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
        for line in self.acd._lines:
            assert len(line.idle) <= 2 * len(line.seats) + 1


TestAcd = AcdMachine.TestCase
TestAcd.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
