"""The queue (ACD): who is offered which call.

A call's place is the time it came, brought forward by ``Policy.age_lift`` for each step of
priority: the order of two calls never changes while they wait, so that age lifts priority without
anything being sorted again. Calls that ask for the same skills form a line (``line``), and each
queue's strategy says who of a line's idle operators comes first. Choosing costs O(lines · log n),
whether ten wait or a thousand. A line whose skills nobody there has is served by all its queue,
and a call that was missed by one who has them is for anyone.

The object is changed in place for that reason (docs/decisions/0004); it is as deterministic as the
rest of the core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from ess_pbx.domain.agent import MISSED_IN_PERSON, NOT_ANSWERING, AgentEvent, AgentState, Seat
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    JoinQueue,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    QueueEffect,
    Record,
    ReleaseAgent,
)
from ess_pbx.domain.events import OfferMade, OperatorsMissing, TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.line import Line, Waiting

Decision: TypeAlias = OfferMade | OperatorsMissing | ArmTimer | CancelTimer | Record
Change: TypeAlias = tuple[Seat, Callable[[], None]]

WRAP_UP = "wrap-up"
PAUSE = "pause"
NO_SKILLS: frozenset[str] = frozenset()


class Acd:
    """The queues and operators of one centre. Every method returns what follows, in order."""

    def __init__(self, centre: Centre) -> None:
        self._policy = centre.policy
        self._strategies = {queue.id: queue.strategy for queue in centre.queues}
        everyone = tuple(operator.extension for operator in centre.operators)
        serves: dict[str, list[str]] = {extension: [] for extension in everyone}
        for queue in centre.queues:
            for extension in queue.operators or everyone:
                serves[extension].append(queue.id)
        self.seats = {
            operator.extension: Seat(
                operator.extension, tuple(serves[operator.extension]), skills=operator.skills
            )
            for operator in centre.operators
        }
        self.waiting: dict[CallId, Waiting] = {}
        self._lines: dict[str, dict[frozenset[str], Line]] = {each: {} for each in self._strategies}
        for name in self._strategies:
            self._line(name, NO_SKILLS)
        self._alarmed: set[str] = set()
        self._not_answering: set[str] = set()
        self._count = 0

    def apply(self, effect: QueueEffect, now: float) -> list[Decision]:
        """Carry out what a call asks of the queue."""
        match effect:
            case JoinQueue():
                return self._join(effect)
            case LeaveQueue(call):
                return self._leave(call)
            case OfferTaken(call, agent):
                return self._taken(call, agent)
            case OfferMissed(call, agent, reason):
                return self._missed(call, agent, reason, now)
            case ReleaseAgent(call, agent):
                return self._release(call, agent, now)

    def set_reachable(self, agent: str, reachable: bool, now: float) -> list[Decision]:
        """An operator's phone came or went; one that is not known is nobody's."""
        seat = self.seats.get(agent)
        if seat is None or seat.reachable is reachable:
            return []

        def change() -> None:
            seat.reachable = reachable

        # Who registers a phone anew sits before it again.
        cleared = self._answers(seat) if reachable else []
        return [*cleared, *self._presence_changed([(seat, change), _end_break(seat)], now)]

    def set_on_duty(self, agents: Iterable[str], now: float) -> list[Decision]:
        """The shift changed: exactly these operators are on duty. Calls in hand go on."""
        wanted = frozenset(agents)
        cleared: list[Decision] = []
        changes: list[Change] = []
        for seat in self.seats.values():
            on_duty = seat.extension in wanted
            if seat.on_duty is not on_duty:

                def change(seat: Seat = seat, on_duty: bool = on_duty) -> None:
                    seat.on_duty, seat.calls, seat.on_break = on_duty, 0, None

                cleared += self._answers(seat)
                changes.append((seat, change))
        return [*cleared, *self._presence_changed(changes, now)]

    def end_break(self, agent: str, now: float) -> list[Decision]:
        """An operator who is on break takes calls again."""
        seat = self.seats.get(agent)
        if seat is None or seat.on_break is None:
            return []
        return [*self._answers(seat), *self._presence_changed([_end_break(seat)], now)]

    def timer_fired(self, timer: TimerId, now: float) -> list[Decision]:
        """Wrap-up or the pause after a missed offer is over."""
        seat = self.seats.get(timer.owner)
        event = AgentEvent.WRAPPED_UP if timer.kind == WRAP_UP else AgentEvent.PAUSE_OVER
        if seat is None or not seat.apply(event):
            return []
        seat.idle_since = now
        return [_state(seat), *self._became_free(seat)]

    def _join(self, effect: JoinQueue) -> list[Decision]:
        """A call comes into a queue, or moves to another with what its caller chose."""
        self._count += 1
        lifted = effect.since - effect.priority * self._policy.age_lift
        line = self._line(effect.queue, effect.skills)
        entry = self.waiting.get(effect.call)
        if effect.offered_to is not None and self._keep_offer(effect, line, lifted):
            return [_state(self.seats[effect.offered_to])]
        if entry is None:
            entry = self.waiting[effect.call] = Waiting(effect.call, line, (lifted, self._count))
        else:
            before = entry.line, entry.order
            entry.line, entry.order = line, (lifted, entry.order[1])
            if entry.offered_to is not None:
                # A phone that rings already is nearer to an answer than the right one.
                return []
            if before == (entry.line, entry.order):
                return self._alone(entry)
        return self._offer_or_wait(entry)

    def _keep_offer(self, effect: JoinQueue, line: Line, lifted: float) -> bool:
        """Queue a call whose offer another engine made; not when the operator has another call."""
        seat = self.seats.get(effect.offered_to or "")
        if seat is None or seat.state is not AgentState.IDLE or effect.call in self.waiting:
            return False
        seat.apply(AgentEvent.OFFER)
        seat.call, seat.offer = effect.call, self._count
        order = lifted, self._count
        self.waiting[effect.call] = Waiting(effect.call, line, order, seat.extension)
        return True

    def adopt_talking(self, agent: str, call: CallId) -> list[Record]:
        """An operator talks in a call that another engine connected."""
        seat = self.seats.get(agent)
        if seat is None or seat.state is not AgentState.IDLE:
            return []
        seat.state, seat.call = AgentState.TALKING, call
        return [_state(seat)]

    def adopt_rest(self, agent: str, state: str, since: float) -> list[Record | ArmTimer]:
        """What an operator did ``since`` seconds ago: wrap-up or pause go on for what is left.

        Who talked, in a call that is over meanwhile, has all of the wrap-up.
        """
        seat, policy = self.seats.get(agent), self._policy
        match state:
            case AgentState.WRAP_UP:
                kind, left = WRAP_UP, policy.wrap_up - max(0.0, since)
            case AgentState.TALKING:
                kind, left = WRAP_UP, policy.wrap_up
            case AgentState.PAUSED:
                kind, left = PAUSE, policy.rona_pause - max(0.0, since)
            case _:
                return []
        if seat is None or seat.state is not AgentState.IDLE or left <= 0:
            return []
        seat.state = AgentState.WRAP_UP if kind == WRAP_UP else AgentState.PAUSED
        return [_state(seat), ArmTimer(TimerId(agent, kind), left)]

    def _leave(self, call: CallId) -> list[Decision]:
        entry = self.waiting.pop(call, None)
        if entry is None or entry.offered_to is None:
            return []
        seat = self.seats[entry.offered_to]
        seat.apply(AgentEvent.WITHDRAW)
        seat.call = None
        return [_state(seat), *self._became_free(seat)]

    def _taken(self, call: CallId, agent: str) -> list[Decision]:
        seat = self.seats[agent]
        if seat.call != call or not seat.apply(AgentEvent.TAKE):
            return []
        seat.turn, seat.calls = seat.offer, seat.calls + 1
        self.waiting.pop(call, None)
        return [_state(seat), *self._answers(seat)]

    def _missed(self, call: CallId, agent: str, reason: str, now: float) -> list[Decision]:
        seat = self.seats[agent]
        decisions: list[Decision] = []
        missed = seat.call == call and seat.apply(AgentEvent.MISS)
        if missed:
            seat.call = None
            seat.idle_since, seat.turn = now, seat.offer
            seat.missed += reason in MISSED_IN_PERSON
            decisions = [_state(seat), ArmTimer(TimerId(agent, PAUSE), self._policy.rona_pause)]
        entry = self.waiting.get(call)
        if entry is not None and entry.offered_to == agent:
            entry.offered_to = None
            if entry.line.first_idle() is None:
                # The next operator at once: a caller does not wait for who did not answer.
                entry.line = self._line(entry.queue, NO_SKILLS)
            decisions += self._offer_or_wait(entry)
        if missed and seat.missed >= self._policy.rona_limit:
            decisions += self._does_not_answer(seat, now)
        return decisions

    def _does_not_answer(self, seat: Seat, now: float) -> list[Decision]:
        """Too many offers missed: the supervisor is told, and others are rung, if there are any."""
        decisions: list[Decision] = []
        if seat.extension not in self._not_answering:
            self._not_answering.add(seat.extension)
            decisions.append(_not_answering(FactKind.ALARM_RAISED, seat))
        if seat.present and all(self._present(queue) > 1 for queue in seat.queues):

            def change() -> None:
                seat.on_break = NOT_ANSWERING

            decisions += self._presence_changed([(seat, change)], now)
        return decisions

    def _answers(self, seat: Seat) -> list[Decision]:
        """What was missed before counts no more."""
        seat.missed = 0
        if seat.extension not in self._not_answering:
            return []
        self._not_answering.discard(seat.extension)
        return [_not_answering(FactKind.ALARM_CLEARED, seat)]

    def _offer_or_wait(self, entry: Waiting) -> list[Decision]:
        seat = self._choose(entry.line)
        if seat is not None:
            return self._offer(entry, seat)
        entry.line.add_call(entry, self.waiting)
        return self._alone(entry)

    def _alone(self, entry: Waiting) -> list[Decision]:
        """What a waiting call is told when nobody could be offered it."""
        if self._present(entry.queue) > 0:
            return []
        return [*self._raise_alarm(entry.queue), OperatorsMissing(entry.call)]

    def _release(self, call: CallId, agent: str, now: float) -> list[Decision]:
        seat = self.seats.get(agent)
        if seat is None or seat.call != call or not seat.apply(AgentEvent.RELEASE):
            return []
        seat.call = None
        if self._policy.wrap_up > 0:
            return [_state(seat), ArmTimer(TimerId(agent, WRAP_UP), self._policy.wrap_up)]
        return self.timer_fired(TimerId(agent, WRAP_UP), now)

    def _offer(self, entry: Waiting, seat: Seat) -> list[Decision]:
        seat.apply(AgentEvent.OFFER)
        self._count += 1
        seat.call, seat.offer = entry.call, self._count
        entry.offered_to = seat.extension
        return [OfferMade(entry.call, seat.extension), _state(seat)]

    def _became_free(self, seat: Seat) -> list[Decision]:
        """An operator can take a call: the most urgent of their lines, or wait for one."""
        if not seat.free:
            return []
        best: Waiting | None = None
        for queue in seat.queues:
            for line in self._lines[queue].values():
                if line.present == 0 or seat.extension in line.seats:
                    entry = line.first_call(self.waiting)
                    if entry is not None and (best is None or entry.order < best.order):
                        best = entry
        if best is not None:
            best.line.drop_first_call()
            return self._offer(best, seat)
        self._is_idle(seat)
        return []

    def _is_idle(self, seat: Seat) -> None:
        self._count += 1
        for queue in seat.queues:
            for line in self._lines[queue].values():
                if seat.extension in line.seats:
                    line.add_idle(seat, self._count)

    def _line(self, queue: str, skills: frozenset[str]) -> Line:
        """The line of a queue for some skills, made when first asked for."""
        lines = self._lines[queue]
        if skills not in lines:
            seats = {
                seat.extension: seat
                for seat in self.seats.values()
                if queue in seat.queues and skills <= seat.skills.keys()
            }
            line = Line(queue, skills, self._strategies[queue], seats)
            line.present = sum(seat.present for seat in seats.values())
            if skills:
                line.take_places_of(lines[NO_SKILLS])
            lines[skills] = line
        return lines[skills]

    def _choose(self, line: Line) -> Seat | None:
        return (line if line.present else self._lines[line.queue][NO_SKILLS]).first_idle()

    def _present(self, queue: str) -> int:
        return self._lines[queue][NO_SKILLS].present

    def _presence_changed(self, changes: Iterable[Change], now: float) -> list[Decision]:
        came: dict[str, Seat] = {}
        went: list[Decision] = []
        for seat, change in changes:
            self._change(seat, change, came, went)
        for queue in self._strategies:
            if self._present(queue) == 0:
                self._call_back(queue, came, went)
        decisions = went
        for seat in came.values():
            if seat.state is AgentState.IDLE:
                seat.idle_since = now
            decisions.append(_state(seat))
            if seat.free:
                self._is_idle(seat)
        return [*decisions, *self._serve(), *self._alarms()]

    def _change(
        self, seat: Seat, change: Callable[[], None], came: dict[str, Seat], went: list[Decision]
    ) -> None:
        before = seat.present
        change()
        if seat.present is before:
            return
        for queue in seat.queues:
            for line in self._lines[queue].values():
                if seat.extension in line.seats:
                    line.present += 1 if seat.present else -1
        if seat.present:
            came[seat.extension] = seat
        else:
            came.pop(seat.extension, None)
            went.append(_state(seat))

    def _call_back(self, queue: str, came: dict[str, Seat], went: list[Decision]) -> None:
        """Nobody is left: someone who did not answer may yet, and is better than nobody."""
        for seat in self._lines[queue][NO_SKILLS].seats.values():
            if seat.on_break == NOT_ANSWERING and seat.on_duty and seat.reachable:
                self._change(*_end_break(seat), came, went)
                return

    def _serve(self) -> list[Decision]:
        """Several came at once, or the last with some skills went: most urgent call first."""
        decisions: list[Decision] = []
        while True:
            best: tuple[Waiting, Seat] | None = None
            for line in (line for lines in self._lines.values() for line in lines.values()):
                entry, seat = line.first_call(self.waiting), self._choose(line)
                if entry is None or seat is None:
                    continue
                if best is None or entry.order < best[0].order:
                    best = entry, seat
            if best is None:
                return decisions
            best[0].line.drop_first_call()
            decisions += self._offer(*best)

    def _alarms(self) -> list[Decision]:
        """Callers wait where nobody is; or somebody is there again."""
        decisions: list[Decision] = []
        for queue in sorted(self._alarmed):
            if self._present(queue) > 0:
                self._alarmed.discard(queue)
                decisions.append(_no_operator(FactKind.ALARM_CLEARED, queue))
        for queue in self._strategies:
            if self._present(queue) > 0 or queue in self._alarmed:
                continue
            # One that still rings somewhere may yet be answered; if not, it is told then.
            alone = sorted(
                (e for e in self.waiting.values() if e.queue == queue and e.offered_to is None),
                key=lambda entry: entry.order,
            )
            if alone:
                decisions += self._raise_alarm(queue)
                decisions += [OperatorsMissing(entry.call) for entry in alone]
        return decisions

    def _raise_alarm(self, queue: str) -> list[Decision]:
        if queue in self._alarmed:
            return []
        self._alarmed.add(queue)
        return [_no_operator(FactKind.ALARM_RAISED, queue)]


def _end_break(seat: Seat) -> Change:
    def change() -> None:
        seat.on_break = None

    return seat, change


def _state(seat: Seat) -> Record:
    data = {"agent": seat.extension, "status": seat.status, "state": seat.state, "call": seat.call}
    return Record(None, FactKind.AGENT_STATE, {**data})


def _no_operator(kind: FactKind, queue: str) -> Record:
    return Record(None, kind, {"alarm": f"no-operator:{queue}", "detail": queue})


def _not_answering(kind: FactKind, seat: Seat) -> Record:
    alarm = f"operator-not-answering:{seat.extension}"
    return Record(None, kind, {"alarm": alarm, "detail": f"{NOT_ANSWERING}: {seat.extension}"})
