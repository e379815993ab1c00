"""The queue (ACD): who is offered which call.

Calls wait by priority, then age; the operator idle longest is offered the first of them. Both
sides lie in heaps, one per queue, with stale entries dropped when met, so that choosing costs
O(queues · log n) whether ten wait or a thousand. The object is changed in place for that reason
(docs/decisions/0004); it is as deterministic as the rest of the core.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from ess_pbx.domain.agent import AgentEvent, AgentState, Seat
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

Decision: TypeAlias = OfferMade | OperatorsMissing | ArmTimer | CancelTimer | Record

WRAP_UP = "wrap-up"
PAUSE = "pause"


@dataclass(slots=True)
class Waiting:
    """A call that wants an operator."""

    call: CallId
    queue: str
    order: tuple[int, float, int]
    """Sorts calls: higher priority first, then longer waiting, then first come."""
    offered_to: str | None = None


class Acd:
    """The queues and operators of one centre. Every method returns what follows, in order."""

    def __init__(self, centre: Centre) -> None:
        self._policy = centre.policy
        everyone = tuple(operator.extension for operator in centre.operators)
        serves: dict[str, list[str]] = {extension: [] for extension in everyone}
        for queue in centre.queues:
            for extension in queue.operators or everyone:
                serves[extension].append(queue.id)
        self.seats = {
            extension: Seat(extension, tuple(queues)) for extension, queues in serves.items()
        }
        self.waiting: dict[CallId, Waiting] = {}
        self._calls: dict[str, list[tuple[tuple[int, float, int], CallId]]] = {}
        self._idle: dict[str, list[tuple[float, int, str]]] = {}
        self._present: dict[str, int] = {}
        for queue in centre.queues:
            self._calls[queue.id] = []
            self._idle[queue.id] = []
            self._present[queue.id] = 0
        self._alarmed: set[str] = set()
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
            case OfferMissed(call, agent):
                return self._missed(call, agent, now)
            case ReleaseAgent(call, agent):
                return self._release(call, agent, now)

    def set_reachable(self, agent: str, reachable: bool, now: float) -> list[Decision]:
        """An operator's phone came or went; one that is not known is nobody's."""
        seat = self.seats.get(agent)
        if seat is None or seat.reachable is reachable:
            return []

        def change() -> None:
            seat.reachable = reachable

        return self._presence_changed([(seat, change)], now)

    def set_on_duty(self, agents: Iterable[str], now: float) -> list[Decision]:
        """The shift changed: exactly these operators are on duty. Calls in hand go on."""
        wanted = frozenset(agents)
        changes: list[tuple[Seat, Callable[[], None]]] = []
        for seat in self.seats.values():
            on_duty = seat.extension in wanted
            if seat.on_duty is not on_duty:

                def change(seat: Seat = seat, on_duty: bool = on_duty) -> None:
                    seat.on_duty = on_duty

                changes.append((seat, change))
        return self._presence_changed(changes, now)

    def timer_fired(self, timer: TimerId, now: float) -> list[Decision]:
        """Wrap-up or the pause after a missed offer is over."""
        seat = self.seats.get(timer.owner)
        event = AgentEvent.WRAPPED_UP if timer.kind == WRAP_UP else AgentEvent.PAUSE_OVER
        if seat is None or not seat.apply(event):
            return []
        seat.idle_since = now
        return [self._state(seat), *self._became_free(seat)]

    def _join(self, effect: JoinQueue) -> list[Decision]:
        """A call comes into a queue, or moves to another with what its caller chose."""
        self._count += 1
        order = (-effect.priority, effect.since, self._count)
        entry = self.waiting.get(effect.call)
        if entry is None:
            entry = self.waiting[effect.call] = Waiting(effect.call, effect.queue, order)
        else:
            before = entry.queue, entry.order
            entry.queue, entry.order = effect.queue, (*order[:2], entry.order[2])
            if entry.offered_to is not None:
                # A phone that rings already is nearer to an answer than the right one.
                return []
            if before == (entry.queue, entry.order):
                return self._alone(entry)
        seat = self._longest_idle(effect.queue)
        if seat is not None:
            return self._offer(entry, seat)
        return self._wait(entry)

    def _leave(self, call: CallId) -> list[Decision]:
        entry = self.waiting.pop(call, None)
        if entry is None or entry.offered_to is None:
            return []
        seat = self.seats[entry.offered_to]
        seat.apply(AgentEvent.WITHDRAW)
        seat.call = None
        return [self._state(seat), *self._became_free(seat)]

    def _taken(self, call: CallId, agent: str) -> list[Decision]:
        seat = self.seats[agent]
        if seat.call != call or not seat.apply(AgentEvent.TAKE):
            return []
        self.waiting.pop(call, None)
        return [self._state(seat)]

    def _missed(self, call: CallId, agent: str, now: float) -> list[Decision]:
        seat = self.seats[agent]
        decisions: list[Decision] = []
        if seat.call == call and seat.apply(AgentEvent.MISS):
            seat.call = None
            seat.idle_since = now
            decisions = [
                self._state(seat),
                ArmTimer(TimerId(agent, PAUSE), self._policy.rona_pause),
            ]
        entry = self.waiting.get(call)
        if entry is not None and entry.offered_to == agent:
            entry.offered_to = None
            other = self._longest_idle(entry.queue)
            if other is not None:
                decisions += self._offer(entry, other)
            else:
                decisions += self._wait(entry)
        return decisions

    def _wait(self, entry: Waiting) -> list[Decision]:
        heap = self._calls[entry.queue]
        heapq.heappush(heap, (entry.order, entry.call))
        if len(heap) > 2 * len(self.waiting):
            heap[:] = [(order, call) for order, call in heap if self._waits(order, call)]
            heapq.heapify(heap)
        return self._alone(entry)

    def _alone(self, entry: Waiting) -> list[Decision]:
        """What a waiting call is told when nobody could be offered it."""
        if self._present[entry.queue] > 0:
            return []
        return [*self._raise_alarm(entry.queue), OperatorsMissing(entry.call)]

    def _release(self, call: CallId, agent: str, now: float) -> list[Decision]:
        seat = self.seats[agent]
        if seat.call != call or not seat.apply(AgentEvent.RELEASE):
            return []
        seat.call = None
        if self._policy.wrap_up > 0:
            return [self._state(seat), ArmTimer(TimerId(agent, WRAP_UP), self._policy.wrap_up)]
        return self.timer_fired(TimerId(agent, WRAP_UP), now)

    def _offer(self, entry: Waiting, seat: Seat) -> list[Decision]:
        seat.apply(AgentEvent.OFFER)
        seat.call = entry.call
        entry.offered_to = seat.extension
        return [OfferMade(entry.call, seat.extension), self._state(seat)]

    def _became_free(self, seat: Seat) -> list[Decision]:
        """An operator can take a call: the most urgent of their queues, or wait for one."""
        if not seat.free:
            return []
        best: Waiting | None = None
        for queue in seat.queues:
            entry = self._first_waiting(queue)
            if entry is not None and (best is None or entry.order < best.order):
                best = entry
        if best is not None:
            heapq.heappop(self._calls[best.queue])
            return self._offer(best, seat)
        self._count += 1
        for queue in seat.queues:
            heap = self._idle[queue]
            heapq.heappush(heap, (seat.idle_since, self._count, seat.extension))
            # A queue that nobody calls would never meet its stale entries.
            if len(heap) > 2 * len(self.seats):
                heap[:] = self._idle_once(heap)
                heapq.heapify(heap)
        return []

    def _waits(self, order: tuple[int, float, int], call: CallId) -> bool:
        """Whether a heap's entry still says what is so."""
        entry = self.waiting.get(call)
        return entry is not None and entry.offered_to is None and entry.order == order

    def _idle_once(self, heap: list[tuple[float, int, str]]) -> list[tuple[float, int, str]]:
        """The first true entry of each operator."""
        first: dict[str, tuple[float, int, str]] = {}
        for since, number, extension in sorted(heap):
            seat = self.seats[extension]
            if seat.free and seat.idle_since == since:
                first.setdefault(extension, (since, number, extension))
        return list(first.values())

    def _first_waiting(self, queue: str) -> Waiting | None:
        heap = self._calls[queue]
        while heap:
            order, call = heap[0]
            if self._waits(order, call):
                return self.waiting[call]
            heapq.heappop(heap)
        return None

    def _longest_idle(self, queue: str) -> Seat | None:
        heap = self._idle[queue]
        while heap:
            since, _, extension = heap[0]
            seat = self.seats[extension]
            if seat.free and seat.idle_since == since:
                return seat
            heapq.heappop(heap)
        return None

    def _presence_changed(
        self, changes: list[tuple[Seat, Callable[[], None]]], now: float
    ) -> list[Decision]:
        came: list[Seat] = []
        decisions: list[Decision] = []
        for seat, change in changes:
            before = seat.present
            change()
            if seat.present is before:
                continue
            for queue in seat.queues:
                self._present[queue] += 1 if seat.present else -1
            if seat.present:
                came.append(seat)
            else:
                decisions.append(self._state(seat))
        for seat in came:
            if seat.state is AgentState.IDLE:
                seat.idle_since = now
            decisions += [self._state(seat), *self._became_free(seat)]
        decisions += self._alarms()
        return decisions

    def _alarms(self) -> list[Decision]:
        """Callers wait where nobody is; or somebody is there again."""
        decisions: list[Decision] = []
        for queue in sorted(self._alarmed):
            if self._present[queue] > 0:
                self._alarmed.discard(queue)
                decisions.append(_alarm(FactKind.ALARM_CLEARED, queue))
        for queue in self._calls:
            if self._present[queue] > 0 or queue in self._alarmed:
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
        return [_alarm(FactKind.ALARM_RAISED, queue)]

    def _state(self, seat: Seat) -> Record:
        status = "present" if seat.present else "away"
        return Record(
            None,
            FactKind.AGENT_STATE,
            {"agent": seat.extension, "status": status, "state": seat.state, "call": seat.call},
        )


def _alarm(kind: FactKind, queue: str) -> Record:
    return Record(None, kind, {"alarm": f"no-operator:{queue}", "detail": queue})
