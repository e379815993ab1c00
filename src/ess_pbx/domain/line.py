"""A line of the queue: the calls of one queue that ask for the same skills, and who takes them.

Calls and idle operators lie in a heap each, by what decides who is first. Stale entries are dropped
when met, so nothing is ever searched (docs/decisions/0004).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ess_pbx.domain.agent import Seat
from ess_pbx.domain.config import Strategy
from ess_pbx.domain.ids import CallId

Order: TypeAlias = tuple[float, int]
"""Sorts calls: by when they came, earlier for each step of priority, then first come."""
Place: TypeAlias = tuple[float, float]
"""Sorts idle operators; it does not change while they are idle."""


@dataclass(slots=True)
class Waiting:
    """A call that wants an operator."""

    call: CallId
    line: Line
    order: Order
    offered_to: str | None = None

    @property
    def queue(self) -> str:
        """The queue that the call waits in."""
        return self.line.queue


@dataclass(slots=True, eq=False)
class Line:
    """Calls of a queue that ask for the same skills; those without are the queue's wide line."""

    queue: str
    skills: frozenset[str]
    strategy: Strategy
    seats: Mapping[str, Seat]
    """Operators of the queue with all of these skills, by extension."""
    present: int = 0
    """How many of them calls can reach now."""
    calls: list[tuple[Order, CallId]] = field(default_factory=list)
    idle: list[tuple[Place, int, str]] = field(default_factory=list)

    def place(self, seat: Seat) -> Place:
        """Where an idle operator stands in this line: the smallest is offered the next call."""
        match self.strategy:
            case "longest-idle":
                return seat.idle_since, 0.0
            case "round-robin":
                return float(seat.turn), 0.0
            case "fewest-calls":
                return float(seat.calls), seat.idle_since
            case "skill-first":
                level = sum(seat.skills.get(each, 0) for each in self.skills)
                return float(-level), seat.idle_since

    def add_idle(self, seat: Seat, number: int) -> None:
        """An operator of this line can take a call; ``number`` parts those who stand equal."""
        heapq.heappush(self.idle, (self.place(seat), number, seat.extension))
        # A line that nobody calls would never meet its stale entries.
        if len(self.idle) > 2 * len(self.seats):
            self.idle[:] = self.idle_once()
            heapq.heapify(self.idle)

    def take_places_of(self, wide: Line) -> None:
        """Begin with those who are idle now, who keep their places among equals."""
        self.idle = [
            (self.place(self.seats[extension]), number, extension)
            for _, number, extension in wide.idle_once()
            if extension in self.seats
        ]
        heapq.heapify(self.idle)

    def idle_once(self) -> list[tuple[Place, int, str]]:
        """The first true entry of each operator."""
        first: dict[str, tuple[Place, int, str]] = {}
        for entry in sorted(self.idle):
            if self._is_idle(entry):
                first.setdefault(entry[2], entry)
        return list(first.values())

    def first_idle(self) -> Seat | None:
        """The operator whom the strategy chooses."""
        while self.idle:
            if self._is_idle(self.idle[0]):
                return self.seats[self.idle[0][2]]
            heapq.heappop(self.idle)
        return None

    def add_call(self, entry: Waiting, waiting: Mapping[CallId, Waiting]) -> None:
        """A call waits here."""
        heapq.heappush(self.calls, (entry.order, entry.call))
        if len(self.calls) > 2 * len(waiting):
            kept: Iterable[tuple[Order, CallId]] = dict.fromkeys(
                each for each in self.calls if self._waits(each, waiting)
            )
            self.calls[:] = kept
            heapq.heapify(self.calls)

    def first_call(self, waiting: Mapping[CallId, Waiting]) -> Waiting | None:
        """The most urgent call that rings nowhere."""
        while self.calls:
            if self._waits(self.calls[0], waiting):
                return waiting[self.calls[0][1]]
            heapq.heappop(self.calls)
        return None

    def drop_first_call(self) -> None:
        """The call that ``first_call`` found is offered."""
        heapq.heappop(self.calls)

    def _is_idle(self, entry: tuple[Place, int, str]) -> bool:
        """Whether an entry still says what is so."""
        seat = self.seats[entry[2]]
        return seat.free and self.place(seat) == entry[0]

    def _waits(self, item: tuple[Order, CallId], waiting: Mapping[CallId, Waiting]) -> bool:
        entry = waiting.get(item[1])
        return (
            entry is not None
            and entry.line is self
            and entry.offered_to is None
            and entry.order == item[0]
        )
