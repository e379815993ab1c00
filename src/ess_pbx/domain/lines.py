"""The lines of all queues: where each waiting call stands, and who could take it.

A queue has a line for each set of skills that its calls ask for, and one for each step of the
ladder that reaches more people (``line``). The ACD decides who is offered what; this knows whom it
may choose from, and which call comes first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ess_pbx.domain.agent import Seat
from ess_pbx.domain.config import Strategy
from ess_pbx.domain.effects import Reach
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.line import NO_SKILLS, Asked, Line, Order, Waiting


class Lines:
    """The calls that wait in a centre's queues, and the lines of operators who take them."""

    def __init__(self, strategies: Mapping[str, Strategy], seats: Mapping[str, Seat]) -> None:
        self.waiting: dict[CallId, Waiting] = {}
        self.ring_all = False
        """Whether every idle operator of a queue is to be rung, whatever its strategy."""
        self._strategies = strategies
        self._seats = seats
        self._places: dict[str, list[Order]] = {each: [] for each in strategies}
        """What orders the waiting calls of each queue, sorted."""
        self._lines: dict[str, dict[Asked, Line]] = {each: {} for each in strategies}
        self._of_seat: dict[str, list[Line]] = {extension: [] for extension in seats}
        """Lines that an operator takes calls of, or may when nobody has their skills."""
        for queue in strategies:
            self.line(queue, NO_SKILLS)

    def __iter__(self) -> Iterator[Line]:
        return (line for lines in self._lines.values() for line in lines.values())

    def of_queue(self, queue: str) -> Iterable[Line]:
        """All lines that a queue has until now."""
        return self._lines[queue].values()

    @property
    def queues(self) -> tuple[str, ...]:
        """All queues, in the order of the settings."""
        return tuple(self._lines)

    def line(self, queue: str, asked: Asked) -> Line:
        """The line of a queue for what its calls ask, made when first asked for."""
        lines = self._lines[queue]
        if asked not in lines:
            seats = {e: seat for e, seat in self._seats.items() if _takes(seat, queue, asked)}
            line = lines[asked] = Line.of(queue, asked, self._strategies[queue], seats)
            line.rings_all |= self.ring_all
            for seat in self._seats.values():
                if queue in seat.queues or seat.extension in seats:
                    self._of_seat[seat.extension].append(line)
        return lines[asked]

    def everyone(self, queue: str) -> Line:
        """The line of all who serve a queue."""
        return self._lines[queue][NO_SKILLS]

    def takers(self, line: Line) -> Line:
        """The line whose operators take a line's calls now."""
        return line if line.present else self.everyone(line.queue)

    def present(self, queue: str) -> int:
        """How many of those who serve a queue calls can reach now."""
        return self.everyone(queue).present

    # calls

    def enter(self, call: CallId, line: Line, order: Order) -> Waiting:
        """A call comes to wait; it is offered to nobody yet."""
        entry = self.waiting[call] = Waiting(call, line, order)
        insort(self._places[line.queue], order)
        return entry

    def change(self, entry: Waiting, line: Line, order: Order) -> None:
        """A call goes to another line, or forwards in its own."""
        self._drop_place(entry)
        entry.line, entry.order, entry.told = line, order, False
        insort(self._places[line.queue], order)

    def wait(self, entry: Waiting) -> None:
        """A call is for whoever becomes free; one that rings all, while it does."""
        entry.line.add_call(entry, self.waiting)

    def leave(self, call: CallId) -> Waiting | None:
        """A call waits no more; None when it did not."""
        entry = self.waiting.pop(call, None)
        if entry is not None:
            self._drop_place(entry)
        return entry

    def position(self, call: CallId) -> int | None:
        """Which of its queue's waiting calls this is, from 1; None when it does not wait."""
        entry = self.waiting.get(call)
        return None if entry is None else bisect_left(self._places[entry.queue], entry.order) + 1

    def waiting_in(self, queue: str) -> list[Waiting]:
        """The calls of a queue, in no order."""
        return [entry for entry in self.waiting.values() if entry.queue == queue]

    def take_most_urgent(self, lines: Sequence[Line]) -> Waiting | None:
        """The first call of some lines that rings nowhere; if there is none, that rings all.

        It is to be offered: of those that ring nowhere it is no more.
        """
        best: Waiting | None = None
        for line in lines:
            entry = line.first_call(self.waiting)
            if entry is not None and (best is None or entry.order < best.order):
                best = entry
        if best is not None:
            best.line.drop_first_call()
            return best
        for line in lines:
            entry = line.first_ringing(self.waiting)
            if entry is not None and (best is None or entry.order < best.order):
                best = entry
        return best

    def widen(self, entry: Waiting) -> None:
        """The next operator at once: a caller does not wait for who did not answer."""
        if entry.line.skills and entry.line.first_idle() is None:
            entry.line = self.line(entry.queue, NO_SKILLS)

    def set_ring_all(self, ring_all: bool) -> None:
        """From now on every queue rings all, or each as its strategy says again."""
        self.ring_all = ring_all
        for line in self:
            line.rings_all = ring_all or line.strategy == "ring-all"
            if not line.rings_all:
                line.ringing.clear()
        if ring_all:
            for entry in self.waiting.values():
                if entry.offers and entry.line.strategy != "ring-all":
                    entry.line.add_call(entry, self.waiting)

    # operators

    def with_calls_for(self, seat: Seat) -> list[Line]:
        """The lines with calls that an operator may be offered."""
        return [
            line
            for line in self._of_seat[seat.extension]
            if (line.calls or line.ringing) and (line.present == 0 or seat.extension in line.seats)
        ]

    def set_idle(self, seat: Seat) -> None:
        """An operator can take a call."""
        for line in self._of_seat[seat.extension]:
            if seat.extension in line.seats:
                line.add_idle(seat)

    def set_present(self, seat: Seat) -> None:
        """An operator came to where calls reach them, or went."""
        for line in self._of_seat[seat.extension]:
            if seat.extension in line.seats:
                line.present += 1 if seat.present else -1

    def set_queues(self, seat: Seat, queues: tuple[str, ...]) -> None:
        """From now on an operator takes the calls of these queues."""
        seat.queues = queues
        its: list[Line] = []
        for line in self:
            takes, took = _takes(seat, line.queue, line.asked), seat.extension in line.seats
            if takes and not took:
                line.add_seat(seat)
            elif took and not takes:
                line.drop_seat(seat)
            if takes or line.queue in queues:
                its.append(line)
        self._of_seat[seat.extension] = its

    def _drop_place(self, entry: Waiting) -> None:
        places = self._places[entry.queue]
        del places[bisect_left(places, entry.order)]


def _takes(seat: Seat, queue: str, asked: Asked) -> bool:
    """Whether an operator takes calls of a queue that ask this."""
    if not isinstance(asked, Reach):
        return queue in seat.queues and asked <= seat.skills.keys()
    if seat.supervisor:
        return asked is not Reach.EVERYONE
    return asked is not Reach.SUPERVISORS or queue in seat.queues
