"""A line of the queue: the calls of one queue that ask for the same skills, and who takes them.

Calls and idle operators lie in a heap each, by what decides who is first. Stale entries are dropped
when met, so nothing is ever searched (docs/decisions/0004). A call that rings everywhere at once
lies in a third while it rings, for operators who become free.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ess_pbx.domain.agent import Seat
from ess_pbx.domain.config import Strategy
from ess_pbx.domain.effects import Reach
from ess_pbx.domain.ids import CallId

Order: TypeAlias = tuple[float, int]
"""Sorts calls: by when they came, earlier for each step of priority, then first come."""
Place: TypeAlias = tuple[float, float]
"""Sorts idle operators; it does not change while they are idle."""


Asked: TypeAlias = "frozenset[str] | Reach"
"""What calls ask of an operator, by which they find their line: skills, or who the ladder rings."""
NO_SKILLS: frozenset[str] = frozenset()


@dataclass(slots=True)
class Waiting:
    """A call that wants an operator."""

    call: CallId
    line: Line
    order: Order
    offers: list[str] = field(default_factory=list)
    """Operators whose phones ring for it."""
    told: bool = False
    """Whether the caller knows that nobody is there."""

    @property
    def queue(self) -> str:
        """The queue that the call waits in."""
        return self.line.queue


@dataclass(slots=True, eq=False)
class Line:
    """Calls of a queue that ask for the same skills; those without are the queue's wide line.

    Calls that the ladder has brought further have a line of their own, which reaches more people.
    """

    queue: str
    asked: Asked
    strategy: Strategy
    seats: dict[str, Seat]
    """Operators who take these calls, by extension."""
    present: int = 0
    """How many of them calls can reach now."""
    calls: list[tuple[Order, CallId]] = field(default_factory=list)
    ringing: list[tuple[Order, CallId]] = field(default_factory=list)
    """Those that ring all, while they do."""
    idle: list[tuple[Place, int, str]] = field(default_factory=list)
    skills: frozenset[str] = NO_SKILLS
    rings_all: bool = False
    """Whether a call rings at all idle operators at once."""

    @classmethod
    def of(cls, queue: str, asked: Asked, strategy: Strategy, seats: dict[str, Seat]) -> Line:
        """A line as it begins, with those who are there and idle now."""
        further = isinstance(asked, Reach)
        line = cls(queue, asked, "ring-all" if further else strategy, seats)
        line.skills = NO_SKILLS if isinstance(asked, Reach) else asked
        line.rings_all = line.strategy == "ring-all"
        line.present = sum(seat.present for seat in seats.values())
        for seat in seats.values():
            if seat.free:
                line.add_idle(seat)
        return line

    def place(self, seat: Seat) -> Place:
        """Where an idle operator stands in this line: the smallest is offered the next call."""
        match self.strategy:
            case "longest-idle" | "ring-all":
                return seat.idle_since, 0.0
            case "round-robin":
                return float(seat.turn), 0.0
            case "fewest-calls":
                return float(seat.calls), seat.idle_since
            case "skill-first":
                level = sum(seat.skills.get(each, 0) for each in self.skills)
                return float(-level), seat.idle_since

    def add_seat(self, seat: Seat) -> None:
        """An operator takes these calls from now on."""
        self.seats[seat.extension] = seat
        self.present += seat.present
        if seat.free:
            self.add_idle(seat)

    def drop_seat(self, seat: Seat) -> None:
        """An operator takes these calls no more."""
        del self.seats[seat.extension]
        self.present -= seat.present

    def add_idle(self, seat: Seat) -> None:
        """An operator of this line can take a call."""
        heapq.heappush(self.idle, (self.place(seat), seat.idle_number, seat.extension))
        # A line that nobody calls would never meet its stale entries.
        if len(self.idle) > 2 * len(self.seats):
            self.idle[:] = self._idle_once()
            heapq.heapify(self.idle)

    def all_idle(self) -> list[Seat]:
        """The operators who can take a call, in the order of the strategy."""
        return [self.seats[extension] for _, _, extension in self._idle_once()]

    def first_idle(self) -> Seat | None:
        """The operator whom the strategy chooses."""
        while self.idle:
            if self._is_idle(self.idle[0]):
                return self.seats[self.idle[0][2]]
            heapq.heappop(self.idle)
        return None

    def add_call(self, entry: Waiting, waiting: Mapping[CallId, Waiting]) -> None:
        """A call waits here, or rings all."""
        heap = self.ringing if entry.offers else self.calls
        heapq.heappush(heap, (entry.order, entry.call))
        if len(heap) > 2 * len(waiting):
            rings = bool(entry.offers)
            kept: Iterable[tuple[Order, CallId]] = dict.fromkeys(
                each
                for each in heap
                if each[1] in waiting and self._is_here(waiting[each[1]], each[0], rings)
            )
            heap[:] = kept
            heapq.heapify(heap)

    def first_call(self, waiting: Mapping[CallId, Waiting]) -> Waiting | None:
        """The most urgent call that rings nowhere."""
        return self._first(self.calls, waiting, False) if self.calls else None

    def first_ringing(self, waiting: Mapping[CallId, Waiting]) -> Waiting | None:
        """The most urgent of the calls that ring all: who becomes free joins in."""
        return self._first(self.ringing, waiting, True) if self.ringing else None

    def drop_first_call(self) -> None:
        """The call that ``first_call`` found is offered."""
        heapq.heappop(self.calls)

    def _first(
        self, heap: list[tuple[Order, CallId]], waiting: Mapping[CallId, Waiting], rings: bool
    ) -> Waiting | None:
        while heap:
            order, call = heap[0]
            entry = waiting.get(call)
            if entry is not None and self._is_here(entry, order, rings):
                return entry
            heapq.heappop(heap)
        return None

    def _idle_once(self) -> list[tuple[Place, int, str]]:
        """The first true entry of each operator."""
        first: dict[str, tuple[Place, int, str]] = {}
        for entry in sorted(self.idle):
            if self._is_idle(entry):
                first.setdefault(entry[2], entry)
        return list(first.values())

    def _is_idle(self, entry: tuple[Place, int, str]) -> bool:
        """Whether an entry still says what is so."""
        seat = self.seats.get(entry[2])
        return seat is not None and seat.free and self.place(seat) == entry[0]

    def _is_here(self, entry: Waiting, order: Order, rings: bool) -> bool:
        """Whether an item of a heap still says what is so."""
        return entry.line is self and bool(entry.offers) is rings and entry.order == order
