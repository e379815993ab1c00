"""The queue (ACD): who is offered which call.

A call's place is the time it came, brought forward by ``Policy.age_lift`` for each step of
priority: the order of two calls never changes while they wait, so that age lifts priority without
anything being sorted again. Calls that ask for the same skills form a line (``line``), and each
queue's strategy says who of a line's idle operators comes first. Choosing costs O(lines · log n),
whether ten wait or a thousand. A line whose skills nobody there has is served by all its queue,
and a call that was missed by one who has them is for anyone.

In a queue that rings all, and when the ladder has come so far (``Reach``), a call is offered to all
idle operators at once. Who becomes free joins in, unless another call waits for them. The first who
takes it has it, and the others are idle again, as long as before.

The object is changed in place for that reason (docs/decisions/0004); it is as deterministic as the
rest of the core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from ess_pbx.domain.acd_facts import (
    move_fact,
    not_answering_fact,
    state_fact,
    status_fact,
)
from ess_pbx.domain.agent import (
    BETWEEN_CALLS,
    MISSED_IN_PERSON,
    NOT_ANSWERING,
    AgentEvent,
    AgentState,
    Seat,
    Status,
)
from ess_pbx.domain.alone import Alone
from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.config import Centre, Surge
from ess_pbx.domain.effects import (
    ArmTimer,
    Attend,
    Borrow,
    CancelTimer,
    JoinQueue,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    QueueEffect,
    Record,
    ReleaseAgent,
)
from ess_pbx.domain.events import (
    OfferWithdrawn,
    TimerId,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.line import Waiting
from ess_pbx.domain.lines import Lines
from ess_pbx.domain.offers import Decision, Offers

Change: TypeAlias = tuple[Seat, Callable[[], None]]

WRAP_UP = "wrap-up"
PAUSE = "pause"
BY_PHONE = Asker("phone", Via.SYSTEM)
"""A phone that registered anew, or went."""
BY_DUTY = Asker("duty", Via.SYSTEM)
BY_RONA = Asker("rona-limit", Via.SYSTEM)
BY_NEED = Asker("nobody-left", Via.SYSTEM)


class Acd:
    """The queues and operators of one centre. Every method returns what follows, in order."""

    def __init__(self, centre: Centre) -> None:
        self._policy = centre.policy
        self._wrap_up = centre.policy.wrap_up
        ordinary = [each.extension for each in centre.operators if not each.supervisor]
        serves: dict[str, list[str]] = {each.extension: [] for each in centre.operators}
        for queue in centre.queues:
            for extension in queue.operators or ordinary:
                serves[extension].append(queue.id)
        self.seats = {
            operator.extension: Seat(
                operator.extension,
                () if operator.supervisor else tuple(serves[operator.extension]),
                skills=operator.skills,
                logged_in=self._policy.log_in == "phone",
                supervisor=operator.supervisor,
            )
            for operator in centre.operators
        }
        self._lines = Lines({queue.id: queue.strategy for queue in centre.queues}, self.seats)
        self.waiting = self._lines.waiting
        self._own_queues = {each: seat.queues for each, seat in self.seats.items()}
        """Those of the settings, from which an operator may be moved to others."""
        self._offers = Offers(self._lines, self.seats)
        self._alone = Alone(self._lines, self._offers)
        self._not_answering: set[str] = set()

    def position(self, call: CallId) -> int | None:
        """Which of its queue's waiting calls this is, in the order in which they are served.

        From 1; None when it does not wait.
        """
        return self._lines.position(call)

    @property
    def ring_all(self) -> bool:
        """Whether every idle operator of a queue is rung, whatever its strategy."""
        return self._lines.ring_all

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
            case Borrow(call, agent):
                return self._borrow(call, agent)
            case ReleaseAgent(call, agent, wrap_up):
                return self._release(call, agent, now, wrap_up)
            case Attend(call, agent):
                return self._attend(call, agent)

    def set_reachable(self, agent: str, reachable: bool, now: float) -> list[Decision]:
        """An operator's phone came or went; one that is not known is nobody's."""
        seat = self.seats.get(agent)
        if seat is None:
            return []
        anew, seat.phone_known = seat.phone_known, True
        if seat.reachable is reachable:
            return []

        def change() -> None:
            seat.reachable = reachable
            if anew and seat.on_break == NOT_ANSWERING:
                seat.on_break = None
            if anew and reachable and self._policy.log_in == "phone":
                seat.logged_in = True

        # Who registers a phone anew sits before it again.
        cleared = self._answers(seat) if reachable and anew else []
        return [*cleared, *self._presence_changed([(seat, change)], now, BY_PHONE)]

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
                    # A log-out is for this duty: nobody is lost by forgetting to log in again.
                    seat.logged_in = seat.logged_in or self._policy.log_in == "phone"

                cleared += self._answers(seat)
                cleared += self._move(seat, (), BY_DUTY)
                changes.append((seat, change))
        return [*cleared, *self._presence_changed(changes, now, BY_DUTY)]

    def set_status(
        self, agent: str, status: Status, reason: str | None, by: Asker | None, now: float
    ) -> list[Decision]:
        """An operator logged in or out, or a break began or ended; ``reason`` is the break's.

        A call in hand goes on. One that only rings goes to the next, its place kept. ``by`` None:
        it is as it was before a restart, which is on record already.
        """
        seat = self.seats[agent]
        entry = None
        if seat.state is AgentState.OFFERED and seat.call and status is not Status.AVAILABLE:
            entry = self.waiting.get(seat.call)

        def change() -> None:
            seat.logged_in, seat.on_break = status is not Status.LOGGED_OUT, reason
            if entry is not None:
                self._offers.withdraw(entry, seat)

        cleared: list[Decision] = []
        if reason == NOT_ANSWERING:
            self._not_answering.add(agent)  # the alarm that was raised before a restart
        else:
            cleared = self._answers(seat)
        if entry is None:
            return [*cleared, *self._presence_changed([(seat, change)], now, by)]
        return [
            *cleared,
            OfferWithdrawn(entry.call, agent, status),
            *self._presence_changed([(seat, change)], now, by),
        ]

    def move(self, agent: str, queues: Sequence[str], by: Asker | None) -> list[Decision]:
        """From now on offer an operator the calls of these queues, or of none: of their own.

        A phone that rings, and a call in hand, go on. ``by`` None: it was so before a restart.
        """
        moved = self._move(self.seats[agent], queues, by)
        return [*moved, *self._offers.serve(), *self._alone.look()]

    def _move(self, seat: Seat, queues: Sequence[str], by: Asker | None) -> list[Decision]:
        wanted = tuple(each for each in self._lines.queues if each in queues)
        wanted = wanted or self._own_queues[seat.extension]
        if seat.queues == wanted:
            return []
        self._lines.set_queues(seat, wanted)
        others = () if wanted == self._own_queues[seat.extension] else wanted
        return [] if by is None else [move_fact(seat.extension, others, by)]

    def end_wrap_up(self, agent: str, now: float) -> list[Decision]:
        """The report is written before its time is over."""
        timer = TimerId(agent, WRAP_UP)
        if self.seats[agent].state is not AgentState.WRAP_UP:
            return []
        return [CancelTimer(timer), *self.timer_fired(timer, now)]

    def set_surge(self, surge: Surge | None, now: float) -> list[Decision]:
        """Surge mode began (with its settings) or is over; wrap-ups that go on become shorter."""
        self._wrap_up = self._policy.wrap_up
        decisions = self._ring_all(surge is not None and surge.ring_all)
        if surge is None or surge.wrap_up >= self._wrap_up:
            return decisions
        self._wrap_up = surge.wrap_up
        return decisions + [
            ArmTimer(
                TimerId(seat.extension, WRAP_UP), max(0.0, seat.wraps_since + self._wrap_up - now)
            )
            for seat in self.seats.values()
            if seat.state is AgentState.WRAP_UP
        ]

    def _ring_all(self, ring_all: bool) -> list[Decision]:
        """From now on every queue rings all, or each as its strategy says again."""
        if ring_all is self.ring_all:
            return []
        self._lines.set_ring_all(ring_all)
        return self._offers.serve() if ring_all else []

    def timer_fired(self, timer: TimerId, now: float) -> list[Decision]:
        """Wrap-up or the pause after a missed offer is over."""
        seat = self.seats.get(timer.owner)
        event = AgentEvent.WRAPPED_UP if timer.kind == WRAP_UP else AgentEvent.PAUSE_OVER
        if seat is None or not seat.apply(event):
            return []
        self._offers.idle_from(seat, now)
        return [state_fact(seat), *self._offers.became_free(seat)]

    def idle(self, queue: str, skills: frozenset[str]) -> list[str]:
        """Whoever could call somebody back now, those with the skills first."""
        name = queue if queue in self._lines.queues else self._lines.queues[0]
        lines = (self._lines.line(name, skills), self._lines.everyone(name))
        return list(dict.fromkeys(seat.extension for line in lines for seat in line.all_idle()))

    def is_free(self, agent: str) -> bool:
        """Whether an operator is there and has no call."""
        return agent in self.seats and self.seats[agent].free

    def free_supervisors(self) -> list[str]:
        """Supervisors whose phones can be rung now."""
        return [each.extension for each in self.seats.values() if each.supervisor and each.free]

    def lend(self, call: CallId, agent: str) -> list[Decision]:
        """Ring an idle operator for a call-back. A caller who comes now still goes first."""
        return self._offers.lend(call, agent)

    def pull(self, call: CallId, agent: str) -> list[Decision]:
        """Offer a waiting call to somebody who is free, out of turn; phones that ring go on."""
        return self._offers.one_more(self.waiting[call], self.seats[agent])

    def _attend(self, call: CallId, agent: str) -> list[Decision]:
        seat = self.seats[agent]
        wraps_up = seat.wraps_up or seat.state is AgentState.WRAP_UP
        if not seat.apply(AgentEvent.ATTEND):
            return []
        seat.call, seat.wraps_up = call, wraps_up
        return [state_fact(seat)]

    def _join(self, effect: JoinQueue) -> list[Decision]:
        """A call comes into a queue, or moves to another with what its caller chose."""
        lifted = effect.since - effect.priority * self._policy.age_lift
        line = self._lines.line(effect.queue, effect.reach or effect.skills)
        entry = self.waiting.get(effect.call)
        if entry is None:
            order = lifted, self._offers.number()
            entry = self._lines.enter(effect.call, line, order)
            if seats := self._still_rung(effect):
                return self._offers.keep(entry, seats)
        else:
            before = entry.line, entry.order
            self._lines.change(entry, line, (lifted, entry.order[1]))
            if entry.offers and not line.rings_all:
                # A phone that rings already is nearer to an answer than the right one.
                return []
            if before == (entry.line, entry.order) and not entry.offers:
                return self._alone.is_left(entry)
        return self._offer_or_wait(entry)

    def _still_rung(self, effect: JoinQueue) -> list[Seat]:
        """Whom another engine offered the call; none who is not idle."""
        seats = (self.seats[each] for each in effect.offered_to if each in self.seats)
        return [seat for seat in seats if seat.state is AgentState.IDLE]

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Offer nothing meanwhile: much is told that is so at once. ``serve`` is to follow.

        Or else a call would be offered to whom the next thing told says to be gone, or before one
        that it says to be more urgent.
        """
        self._offers.held = True
        try:
            yield
        finally:
            self._offers.held = False

    def serve(self, now: float) -> list[Decision]:
        """Offer what waits to whoever is idle, and tell those whom nobody is there for."""
        return self._presence_changed((), now, None)

    def adopt_talking(self, agent: str, call: CallId) -> list[Record | CancelTimer]:
        """An operator talks in a call that no queue gave; a wrap-up left for it begins anew."""
        seat = self.seats.get(agent)
        rests = {AgentState.WRAP_UP: WRAP_UP, AgentState.PAUSED: PAUSE}
        if seat is None or seat.state not in BETWEEN_CALLS:
            return []
        rest = rests.get(seat.state)
        seat.wraps_up |= rest == WRAP_UP
        seat.state, seat.call = AgentState.TALKING, call
        cancelled = [] if rest is None else [CancelTimer(TimerId(agent, rest))]
        return [*cancelled, state_fact(seat)]

    def adopt_rest(self, agent: str, state: str, since: float) -> list[Record | ArmTimer]:
        """What an operator did ``since`` seconds ago: wrap-up or pause go on for what is left."""
        seat, policy = self.seats.get(agent), self._policy
        match state:
            case AgentState.WRAP_UP:
                kind, left = WRAP_UP, policy.wrap_up - max(0.0, since)
            case AgentState.PAUSED:
                kind, left = PAUSE, policy.rona_pause - max(0.0, since)
            case _:
                return []
        if seat is None or seat.state is not AgentState.IDLE or left <= 0:
            return []
        seat.state = AgentState.WRAP_UP if kind == WRAP_UP else AgentState.PAUSED
        return [state_fact(seat), ArmTimer(TimerId(agent, kind), left)]

    def _borrow(self, call: CallId, agent: str) -> list[Decision]:
        seat = self.seats[agent]
        if not seat.free:
            return []
        seat.apply(AgentEvent.OFFER)
        seat.apply(AgentEvent.TAKE)
        seat.call = call
        return [state_fact(seat)]

    def _leave(self, call: CallId) -> list[Decision]:
        entry = self._lines.leave(call)
        if entry is None:
            lent = self._offers.lent_no_more(call)
            return [] if lent is None else self._offers.give_back([lent.extension])
        return self._offers.give_back(entry.offers)

    def _taken(self, call: CallId, agent: str) -> list[Decision]:
        seat = self.seats[agent]
        self._offers.lent_no_more(call)
        if seat.call != call or not seat.apply(AgentEvent.TAKE):
            return []
        seat.turn, seat.calls = seat.offer, seat.calls + 1
        entry = self._lines.leave(call)
        if entry is None:
            return [state_fact(seat), *self._answers(seat)]
        entry.offers.remove(agent)
        return [state_fact(seat), *self._answers(seat), *self._offers.give_back(entry.offers)]

    def _missed(self, call: CallId, agent: str, reason: str, now: float) -> list[Decision]:
        seat = self.seats[agent]
        self._offers.lent_no_more(call)
        decisions: list[Decision] = []
        missed = seat.call == call and seat.apply(AgentEvent.MISS)
        if missed:
            seat.call = None
            seat.idle_since, seat.turn = now, seat.offer
            seat.missed += reason in MISSED_IN_PERSON
            decisions = [state_fact(seat), ArmTimer(TimerId(agent, PAUSE), self._policy.rona_pause)]
        entry = self.waiting.get(call)
        if entry is not None and agent in entry.offers:
            entry.offers.remove(agent)
            if not entry.offers:
                self._lines.widen(entry)
                decisions += self._offer_or_wait(entry)
        if missed and seat.missed >= self._policy.rona_limit:
            decisions += self._does_not_answer(seat, now)
        return decisions

    def _does_not_answer(self, seat: Seat, now: float) -> list[Decision]:
        """Too many offers missed: the supervisor is told, and others are rung, if there are any."""
        decisions: list[Decision] = []
        if seat.extension not in self._not_answering:
            self._not_answering.add(seat.extension)
            decisions.append(not_answering_fact(FactKind.ALARM_RAISED, seat))
        others = all(self._lines.present(queue) > 1 for queue in seat.queues)
        if seat.present and not seat.supervisor and others:

            def change() -> None:
                seat.on_break = NOT_ANSWERING

            decisions += self._presence_changed([(seat, change)], now, BY_RONA)
        return decisions

    def _answers(self, seat: Seat) -> list[Decision]:
        """What was missed before counts no more."""
        seat.missed = 0
        if seat.extension not in self._not_answering:
            return []
        self._not_answering.discard(seat.extension)
        return [not_answering_fact(FactKind.ALARM_CLEARED, seat)]

    def _offer_or_wait(self, entry: Waiting) -> list[Decision]:
        decisions = self._offers.to_idle(entry)
        if entry.offers:
            return decisions
        self._lines.wait(entry)
        return self._alone.is_left(entry)

    def _release(self, call: CallId, agent: str, now: float, wrap_up: bool) -> list[Decision]:
        seat = self.seats.get(agent)
        if seat is None or seat.call != call or not seat.apply(AgentEvent.RELEASE):
            return []
        seat.call = None
        seat.wraps_since = now
        wraps_up, seat.wraps_up = wrap_up or seat.wraps_up, False
        if wraps_up and self._wrap_up > 0:
            return [state_fact(seat), ArmTimer(TimerId(agent, WRAP_UP), self._wrap_up)]
        return self.timer_fired(TimerId(agent, WRAP_UP), now)

    def _presence_changed(
        self, changes: Iterable[Change], now: float, by: Asker | None
    ) -> list[Decision]:
        came: dict[str, Seat] = {}
        went: list[Decision] = []
        for seat, change in changes:
            self._change(seat, change, came, went, by)
        for queue in self._lines.queues:
            if self._lines.present(queue) == 0 and not self._offers.held:
                self._call_back(queue, came, went)
        decisions = went
        for seat in came.values():
            if seat.state is AgentState.IDLE:
                self._offers.idle_from(seat, now)
            decisions.append(state_fact(seat))
            if seat.free:
                self._lines.set_idle(seat)
        return [*decisions, *self._offers.serve(), *self._alone.look()]

    def _change(
        self,
        seat: Seat,
        change: Callable[[], None],
        came: dict[str, Seat],
        went: list[Decision],
        by: Asker | None,
    ) -> None:
        before, standing, shown = seat.present, seat.standing, (seat.status, seat.state)
        change()
        if seat.standing != standing and by is not None:
            went.append(status_fact(seat.extension, *seat.standing, by))
        if seat.present is before:
            if (seat.status, seat.state) != shown:
                went.append(state_fact(seat))
            return
        self._lines.set_present(seat)
        if seat.present:
            came[seat.extension] = seat
        else:
            came.pop(seat.extension, None)
            went.append(state_fact(seat))

    def _call_back(self, queue: str, came: dict[str, Seat], went: list[Decision]) -> None:
        """Nobody is left: someone who did not answer may yet, and is better than nobody."""
        for seat in self._lines.everyone(queue).seats.values():
            if seat.on_break == NOT_ANSWERING and seat.here:

                def change(seat: Seat = seat) -> None:
                    seat.on_break = None

                self._change(seat, change, came, went, BY_NEED)
                return
