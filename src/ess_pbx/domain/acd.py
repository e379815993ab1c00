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

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from ess_pbx.domain.agent import (
    MISSED_IN_PERSON,
    NOT_ANSWERING,
    AgentEvent,
    AgentState,
    Seat,
    Status,
)
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
    Reach,
    Record,
    ReleaseAgent,
)
from ess_pbx.domain.events import (
    CallBackWithdrawn,
    OfferMade,
    OfferWithdrawn,
    OperatorsMissing,
    TimerId,
)
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.line import NO_SKILLS, Asked, Line, Order, Waiting

Decision: TypeAlias = (
    OfferMade
    | OfferWithdrawn
    | OperatorsMissing
    | CallBackWithdrawn
    | ArmTimer
    | CancelTimer
    | Record
)
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
        self.ring_all = False
        """Whether every idle operator of a queue is to be rung, whatever its strategy."""
        self._strategies = {queue.id: queue.strategy for queue in centre.queues}
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
        self.waiting: dict[CallId, Waiting] = {}
        self._own_queues = {each: seat.queues for each, seat in self.seats.items()}
        """Those of the settings, from which an operator may be moved to others."""
        self._lent: dict[CallId, Seat] = {}
        """Operators whose phones ring for a call-back, until they pick up."""
        self._places: dict[str, list[Order]] = {each: [] for each in self._strategies}
        """What orders the waiting calls of each queue, sorted."""
        self._lines: dict[str, dict[Asked, Line]] = {each: {} for each in self._strategies}
        self._lines_of: dict[str, list[Line]] = {extension: [] for extension in self.seats}
        """Lines that an operator takes calls of, or may when nobody has their skills."""
        for name in self._strategies:
            self._line(name, NO_SKILLS)
        self._alarmed: set[str] = set()
        self._not_answering: set[str] = set()
        self._count = 0
        self._holds = False
        """Whether nobody is offered a call for the moment."""

    def position(self, call: CallId) -> int | None:
        """Which of its queue's waiting calls this is, in the order in which they are served.

        From 1; None when it does not wait.
        """
        entry = self.waiting.get(call)
        return None if entry is None else bisect_left(self._places[entry.queue], entry.order) + 1

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
                self._withdraw(entry, seat)

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
        return [*moved, *self._serve(), *self._alarms()]

    def _move(self, seat: Seat, queues: Sequence[str], by: Asker | None) -> list[Decision]:
        wanted = tuple(each for each in self._strategies if each in queues)
        wanted = wanted or self._own_queues[seat.extension]
        if seat.queues == wanted:
            return []
        seat.queues = wanted
        its: list[Line] = []
        for queue, lines in self._lines.items():
            for asked, line in lines.items():
                takes, took = _takes(seat, queue, asked), seat.extension in line.seats
                if takes and not took:
                    line.add_seat(seat)
                elif took and not takes:
                    line.drop_seat(seat)
                if takes or queue in wanted:
                    its.append(line)
        self._lines_of[seat.extension] = its
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
        self.ring_all = ring_all
        for line in (line for lines in self._lines.values() for line in lines.values()):
            line.rings_all = ring_all or line.strategy == "ring-all"
            if not line.rings_all:
                line.ringing.clear()
        if not ring_all:
            return []
        for entry in self.waiting.values():
            if entry.offers and entry.line.strategy != "ring-all":
                entry.line.add_call(entry, self.waiting)
        return self._serve()

    def timer_fired(self, timer: TimerId, now: float) -> list[Decision]:
        """Wrap-up or the pause after a missed offer is over."""
        seat = self.seats.get(timer.owner)
        event = AgentEvent.WRAPPED_UP if timer.kind == WRAP_UP else AgentEvent.PAUSE_OVER
        if seat is None or not seat.apply(event):
            return []
        self._idle_from(seat, now)
        return [_state(seat), *self._became_free(seat)]

    def idle(self, queue: str, skills: frozenset[str]) -> list[str]:
        """Whoever could call somebody back now, those with the skills first."""
        name = queue if queue in self._lines else next(iter(self._lines))
        lines = (self._line(name, skills), self._lines[name][NO_SKILLS])
        return list(dict.fromkeys(seat.extension for line in lines for seat in line.all_idle()))

    def is_free(self, agent: str) -> bool:
        """Whether an operator is there and has no call."""
        return agent in self.seats and self.seats[agent].free

    def free_supervisors(self) -> list[str]:
        """Supervisors whose phones can be rung now."""
        return [each.extension for each in self.seats.values() if each.supervisor and each.free]

    def lend(self, call: CallId, agent: str) -> list[Decision]:
        """Ring an idle operator for a call-back. A caller who comes now still goes first."""
        seat = self.seats[agent]
        seat.apply(AgentEvent.OFFER)
        self._count += 1
        seat.call, seat.offer = call, self._count
        self._lent[call] = seat
        return [_state(seat)]

    def pull(self, call: CallId, agent: str) -> list[Decision]:
        """Offer a waiting call to somebody who is free, out of turn; phones that ring go on."""
        return self._offer_one_more(self.waiting[call], self.seats[agent])

    def _attend(self, call: CallId, agent: str) -> list[Decision]:
        seat = self.seats[agent]
        if not seat.apply(AgentEvent.ATTEND):
            return []
        seat.call = call
        return [_state(seat)]

    def _join(self, effect: JoinQueue) -> list[Decision]:
        """A call comes into a queue, or moves to another with what its caller chose."""
        self._count += 1
        lifted = effect.since - effect.priority * self._policy.age_lift
        line = self._line(effect.queue, effect.reach or effect.skills)
        entry = self.waiting.get(effect.call)
        if kept := self._keep_offers(effect, line, lifted):
            return kept
        if entry is None:
            entry = self.waiting[effect.call] = Waiting(effect.call, line, (lifted, self._count))
            insort(self._places[line.queue], entry.order)
        else:
            before = entry.line, entry.order
            self._drop_place(entry)
            entry.line, entry.order, entry.told = line, (lifted, entry.order[1]), False
            insort(self._places[line.queue], entry.order)
            if entry.offers and not line.rings_all:
                # A phone that rings already is nearer to an answer than the right one.
                return []
            if before == (entry.line, entry.order) and not entry.offers:
                return self._alone(entry)
        return self._offer_or_wait(entry)

    def _drop_place(self, entry: Waiting) -> None:
        places = self._places[entry.queue]
        del places[bisect_left(places, entry.order)]

    def _keep_offers(self, effect: JoinQueue, line: Line, lifted: float) -> list[Decision]:
        """Queue a call whose offers another engine made; none of an operator who is not idle."""
        if effect.call in self.waiting:
            return []
        seats = [self.seats[each] for each in effect.offered_to if each in self.seats]
        seats = [seat for seat in seats if seat.state is AgentState.IDLE]
        if not seats:
            return []
        entry = self.waiting[effect.call] = Waiting(effect.call, line, (lifted, self._count))
        insort(self._places[line.queue], entry.order)
        for seat in seats:
            self._is_offered(entry, seat)
        if line.rings_all:
            line.add_call(entry, self.waiting)
        return [_state(seat) for seat in seats]

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Offer nothing meanwhile: much is told that is so at once. ``serve`` is to follow.

        Or else a call would be offered to whom the next thing told says to be gone, or before one
        that it says to be more urgent.
        """
        self._holds = True
        try:
            yield
        finally:
            self._holds = False

    def serve(self, now: float) -> list[Decision]:
        """Offer what waits to whoever is idle, and tell those whom nobody is there for."""
        return self._presence_changed((), now, None)

    def adopt_talking(self, agent: str, call: CallId) -> list[Record]:
        """An operator talks in a call that another engine connected."""
        seat = self.seats.get(agent)
        if seat is None or seat.state is not AgentState.IDLE:
            return []
        seat.state, seat.call = AgentState.TALKING, call
        return [_state(seat)]

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
        return [_state(seat), ArmTimer(TimerId(agent, kind), left)]

    def _withdraw(self, entry: Waiting, seat: Seat) -> None:
        """Whoever was offered the call cannot take it; if nobody else rings, it waits again."""
        seat.apply(AgentEvent.WITHDRAW)
        seat.call = None
        entry.offers.remove(seat.extension)
        if not entry.offers:
            self._widen(entry)
            entry.line.add_call(entry, self.waiting)

    def _widen(self, entry: Waiting) -> None:
        """The next operator at once: a caller does not wait for who did not answer."""
        if entry.line.skills and entry.line.first_idle() is None:
            entry.line = self._line(entry.queue, NO_SKILLS)

    def _borrow(self, call: CallId, agent: str) -> list[Decision]:
        seat = self.seats[agent]
        if not seat.free:
            return []
        seat.apply(AgentEvent.OFFER)
        seat.apply(AgentEvent.TAKE)
        seat.call = call
        return [_state(seat)]

    def _leave(self, call: CallId) -> list[Decision]:
        entry = self.waiting.pop(call, None)
        if entry is None:
            lent = self._lent.pop(call, None)
            return [] if lent is None else self._give_back([lent.extension])
        self._drop_place(entry)
        return self._give_back(entry.offers)

    def _give_back(self, agents: Sequence[str]) -> list[Decision]:
        """Offers are withdrawn: these operators are as idle as they were."""
        if not agents:
            return []
        decisions: list[Decision] = []
        for agent in agents:
            seat = self.seats[agent]
            seat.apply(AgentEvent.WITHDRAW)
            seat.call = None
            decisions.append(_state(seat))
        if len(agents) == 1:
            return [*decisions, *self._became_free(self.seats[agents[0]])]
        for agent in agents:
            if self.seats[agent].free:
                self._is_idle(self.seats[agent])
        return [*decisions, *self._serve()]

    def _taken(self, call: CallId, agent: str) -> list[Decision]:
        seat = self.seats[agent]
        self._lent.pop(call, None)
        if seat.call != call or not seat.apply(AgentEvent.TAKE):
            return []
        seat.turn, seat.calls = seat.offer, seat.calls + 1
        entry = self.waiting.pop(call, None)
        if entry is None:
            return [_state(seat), *self._answers(seat)]
        self._drop_place(entry)
        entry.offers.remove(agent)
        return [_state(seat), *self._answers(seat), *self._give_back(entry.offers)]

    def _missed(self, call: CallId, agent: str, reason: str, now: float) -> list[Decision]:
        seat = self.seats[agent]
        self._lent.pop(call, None)
        decisions: list[Decision] = []
        missed = seat.call == call and seat.apply(AgentEvent.MISS)
        if missed:
            seat.call = None
            seat.idle_since, seat.turn = now, seat.offer
            seat.missed += reason in MISSED_IN_PERSON
            decisions = [_state(seat), ArmTimer(TimerId(agent, PAUSE), self._policy.rona_pause)]
        entry = self.waiting.get(call)
        if entry is not None and agent in entry.offers:
            entry.offers.remove(agent)
            if not entry.offers:
                self._widen(entry)
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
        others = all(self._present(queue) > 1 for queue in seat.queues)
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
        return [_not_answering(FactKind.ALARM_CLEARED, seat)]

    def _offer_or_wait(self, entry: Waiting) -> list[Decision]:
        decisions = self._offer_to_idle(entry)
        if entry.offers:
            return decisions
        entry.line.add_call(entry, self.waiting)
        return self._alone(entry)

    def _alone(self, entry: Waiting) -> list[Decision]:
        """What a waiting call is told when nobody could be offered it."""
        entry.told = False
        if self._holds or self._present(entry.queue) > 0 or entry.line.present > 0:
            return []
        entry.told = True
        return [*self._raise_alarm(entry.queue), OperatorsMissing(entry.call)]

    def _release(self, call: CallId, agent: str, now: float, wrap_up: bool) -> list[Decision]:
        seat = self.seats.get(agent)
        if seat is None or seat.call != call or not seat.apply(AgentEvent.RELEASE):
            return []
        seat.call = None
        seat.wraps_since = now
        if wrap_up and self._wrap_up > 0:
            return [_state(seat), ArmTimer(TimerId(agent, WRAP_UP), self._wrap_up)]
        return self.timer_fired(TimerId(agent, WRAP_UP), now)

    def _offer_to_idle(self, entry: Waiting) -> list[Decision]:
        """Offer a call to the idle operator whom the strategy chooses, or to all of them."""
        if self._holds:
            return []
        takers = self._takers(entry.line)
        if entry.line.rings_all:
            seats = [*takers.all_idle(), *self._lent_to(takers)]
            decisions = [each for seat in seats for each in self._offer(entry, seat)]
            if entry.offers:
                entry.line.add_call(entry, self.waiting)
            return decisions
        chosen = self._choose(takers)
        return [] if chosen is None else self._offer(entry, chosen)

    def _offer_one_more(self, entry: Waiting, seat: Seat) -> list[Decision]:
        """Offer a call that waits, or rings all, to one who can take it."""
        decisions = self._offer(entry, seat)
        if entry.line.rings_all and len(entry.offers) == 1:
            entry.line.add_call(entry, self.waiting)
        return decisions

    def _offer(self, entry: Waiting, seat: Seat) -> list[Decision]:
        withdrawn: list[Decision] = []
        if seat.call is not None:
            del self._lent[seat.call]
            withdrawn = [CallBackWithdrawn(seat.call, "a caller needs the operator")]
            seat.apply(AgentEvent.WITHDRAW)
        self._is_offered(entry, seat)
        return [*withdrawn, OfferMade(entry.call, seat.extension), _state(seat)]

    def _is_offered(self, entry: Waiting, seat: Seat) -> None:
        seat.apply(AgentEvent.OFFER)
        self._count += 1
        seat.call, seat.offer = entry.call, self._count
        entry.offers.append(seat.extension)

    def _became_free(self, seat: Seat) -> list[Decision]:
        """An operator can take a call: the most urgent of their lines, or wait for one.

        Or join in where all are rung.
        """
        if not seat.free:
            return []
        lines = [
            line
            for line in self._lines_of[seat.extension]
            if (line.calls or line.ringing) and (line.present == 0 or seat.extension in line.seats)
        ]
        entry = None if self._holds else self._most_urgent(lines)
        if entry is None:
            self._is_idle(seat)
            return []
        return self._offer_one_more(entry, seat)

    def _is_idle(self, seat: Seat) -> None:
        for line in self._lines_of[seat.extension]:
            if seat.extension in line.seats:
                line.add_idle(seat)

    def _idle_from(self, seat: Seat, now: float) -> None:
        self._count += 1
        seat.idle_since, seat.idle_number = now, self._count

    def _line(self, queue: str, asked: Asked) -> Line:
        """The line of a queue for what its calls ask, made when first asked for."""
        lines = self._lines[queue]
        if asked not in lines:
            seats = {e: seat for e, seat in self.seats.items() if _takes(seat, queue, asked)}
            line = lines[asked] = Line.of(queue, asked, self._strategies[queue], seats)
            line.rings_all |= self.ring_all
            for seat in self.seats.values():
                if queue in seat.queues or seat.extension in seats:
                    self._lines_of[seat.extension].append(line)
        return lines[asked]

    def _takers(self, line: Line) -> Line:
        """The line whose operators take a line's calls now."""
        return line if line.present else self._lines[line.queue][NO_SKILLS]

    def _choose(self, takers: Line) -> Seat | None:
        """Who is offered a call of this line: an idle operator, or one whom a call-back rings."""
        return takers.first_idle() or next(self._lent_to(takers), None)

    def _lent_to(self, takers: Line) -> Iterator[Seat]:
        """Those of a line's operators whose phones ring for a call-back."""
        lent = list(self._lent.values())
        return (seat for seat in lent if seat.present and seat.extension in takers.seats)

    def _present(self, queue: str) -> int:
        return self._lines[queue][NO_SKILLS].present

    def _presence_changed(
        self, changes: Iterable[Change], now: float, by: Asker | None
    ) -> list[Decision]:
        came: dict[str, Seat] = {}
        went: list[Decision] = []
        for seat, change in changes:
            self._change(seat, change, came, went, by)
        for queue in self._strategies:
            if self._present(queue) == 0 and not self._holds:
                self._call_back(queue, came, went)
        decisions = went
        for seat in came.values():
            if seat.state is AgentState.IDLE:
                self._idle_from(seat, now)
            decisions.append(_state(seat))
            if seat.free:
                self._is_idle(seat)
        return [*decisions, *self._serve(), *self._alarms()]

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
                went.append(_state(seat))
            return
        for line in self._lines_of[seat.extension]:
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
            if seat.on_break == NOT_ANSWERING and seat.here:

                def change(seat: Seat = seat) -> None:
                    seat.on_break = None

                self._change(seat, change, came, went, BY_NEED)
                return

    def _serve(self) -> list[Decision]:
        """Several came at once, or the last with some skills went: most urgent call first.

        Each waiting call gets one before any gets all who are left.
        """
        if self._holds:
            return []
        decisions: list[Decision] = []
        lines = [line for lines in self._lines.values() for line in lines.values()]
        while True:
            served = [line for line in lines if self._choose(self._takers(line)) is not None]
            entry = self._most_urgent(served)
            if entry is None:
                return decisions
            seat = self._choose(self._takers(entry.line))
            decisions += [] if seat is None else self._offer_one_more(entry, seat)

    def _most_urgent(self, lines: Sequence[Line]) -> Waiting | None:
        """The first call of some lines that rings nowhere; if there is none, that rings all."""
        if not lines:
            return None
        best: Waiting | None = None
        for line in lines:
            entry = line.first_call(self.waiting)
            if entry is not None and (best is None or entry.order < best.order):
                best = entry
        if best is not None:
            best.line.drop_first_call()
            return best
        for line in lines:
            entry = line.first_ringing(self.waiting) if line.ringing else None
            if entry is not None and (best is None or entry.order < best.order):
                best = entry
        return best

    def _alarms(self) -> list[Decision]:
        """Callers wait where nobody is; or somebody is there again."""
        if self._holds:
            return []
        decisions: list[Decision] = []
        for queue in sorted(self._alarmed):
            if self._present(queue) > 0:
                self._alarmed.discard(queue)
                decisions.append(_no_operator(FactKind.ALARM_CLEARED, queue))
                for entry in self._waiting_in(queue):
                    entry.told = False
        for queue in self._strategies:
            if self._present(queue) > 0:
                continue
            alone: list[Waiting] = []
            for entry in self._waiting_in(queue):
                if entry.line.present > 0:
                    entry.told = False
                elif not entry.told and not entry.offers:
                    # One that still rings somewhere may yet be answered; if not, it is told then.
                    alone.append(entry)
            for entry in sorted(alone, key=lambda each: each.order):
                decisions += self._alone(entry)
        return decisions

    def _waiting_in(self, queue: str) -> list[Waiting]:
        return [entry for entry in self.waiting.values() if entry.queue == queue]

    def _raise_alarm(self, queue: str) -> list[Decision]:
        if queue in self._alarmed:
            return []
        self._alarmed.add(queue)
        return [_no_operator(FactKind.ALARM_RAISED, queue)]


def _takes(seat: Seat, queue: str, asked: Asked) -> bool:
    """Whether an operator takes calls of a queue that ask this."""
    if not isinstance(asked, Reach):
        return queue in seat.queues and asked <= seat.skills.keys()
    if seat.supervisor:
        return asked is not Reach.EVERYONE
    return asked is not Reach.SUPERVISORS or queue in seat.queues


def status_fact(agent: str, status: Status, reason: str | None, by: Asker) -> Record:
    """What an operator's status is from now on, and who wanted it so."""
    data = {"agent": agent, "status": str(status), "reason": reason, **by.fields}
    return Record(None, FactKind.AGENT_STATUS, {**data})


def move_fact(agent: str, queues: Sequence[str], by: Asker) -> Record:
    """Which queues' calls an operator is offered from now on; of none: their own."""
    return Record(None, FactKind.AGENT_MOVED, {"agent": agent, "queues": [*queues], **by.fields})


def _state(seat: Seat) -> Record:
    data: dict[str, JSON] = {
        "agent": seat.extension,
        "status": seat.status,
        "state": seat.state,
        "call": seat.call,
    }
    return Record(None, FactKind.AGENT_STATE, data)


def _no_operator(kind: FactKind, queue: str) -> Record:
    return Record(None, kind, {"alarm": f"no-operator:{queue}", "detail": queue})


def _not_answering(kind: FactKind, seat: Seat) -> Record:
    alarm = f"operator-not-answering:{seat.extension}"
    return Record(None, kind, {"alarm": alarm, "detail": f"{NOT_ANSWERING}: {seat.extension}"})
