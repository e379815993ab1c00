"""Offers: whose phone rings for which call, and whom the next one is made to.

An operator who is rung for a call-back is lent: a caller who comes now still goes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from ess_pbx.domain.acd_facts import state_fact
from ess_pbx.domain.agent import AgentEvent, Seat
from ess_pbx.domain.effects import ArmTimer, CancelTimer, Record
from ess_pbx.domain.events import (
    CallBackWithdrawn,
    OfferMade,
    OfferWithdrawn,
    OperatorsMissing,
)
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.line import Line, Waiting
from ess_pbx.domain.lines import Lines

Decision: TypeAlias = (
    OfferMade
    | OfferWithdrawn
    | OperatorsMissing
    | CallBackWithdrawn
    | ArmTimer
    | CancelTimer
    | Record
)


class Offers:
    """The offers that stand. Every method returns what follows, in order."""

    def __init__(self, lines: Lines, seats: Mapping[str, Seat]) -> None:
        self.held = False
        """Whether nobody is offered a call for the moment."""
        self._lines = lines
        self._seats = seats
        self._lent: dict[CallId, Seat] = {}
        """Operators whose phones ring for a call-back, until they pick up."""
        self._count = 0

    def number(self) -> int:
        """The next number: what comes later has a greater one."""
        self._count += 1
        return self._count

    def idle_from(self, seat: Seat, now: float) -> None:
        """An operator is idle from now on."""
        seat.idle_since, seat.idle_number = now, self.number()

    def to_idle(self, entry: Waiting) -> list[Decision]:
        """Offer a call to the idle operator whom the strategy chooses, or to all of them."""
        if self.held:
            return []
        takers = self._lines.takers(entry.line)
        if entry.line.rings_all:
            seats = [*takers.all_idle(), *self._lent_to(takers)]
            decisions = [each for seat in seats for each in self._make(entry, seat)]
            if entry.offers:
                self._lines.wait(entry)
            return decisions
        chosen = self._choose(takers)
        return [] if chosen is None else self._make(entry, chosen)

    def one_more(self, entry: Waiting, seat: Seat) -> list[Decision]:
        """Offer a call that waits, or rings all, to one who can take it."""
        decisions = self._make(entry, seat)
        if entry.line.rings_all and len(entry.offers) == 1:
            self._lines.wait(entry)
        return decisions

    def keep(self, entry: Waiting, seats: Sequence[Seat]) -> list[Decision]:
        """Offers that another engine made stand."""
        for seat in seats:
            self._stands(entry, seat)
        if entry.line.rings_all:
            self._lines.wait(entry)
        return [state_fact(seat) for seat in seats]

    def serve(self) -> list[Decision]:
        """Several came at once, or the last with some skills went: most urgent call first.

        Each waiting call gets one before any gets all who are left.
        """
        if self.held:
            return []
        decisions: list[Decision] = []
        while True:
            served = [
                line for line in self._lines if self._choose(self._lines.takers(line)) is not None
            ]
            entry = self._lines.take_most_urgent(served)
            if entry is None:
                return decisions
            seat = self._choose(self._lines.takers(entry.line))
            decisions += [] if seat is None else self.one_more(entry, seat)

    def became_free(self, seat: Seat) -> list[Decision]:
        """An operator can take a call: the most urgent of their lines, or wait for one.

        Or join in where all are rung.
        """
        if not seat.free:
            return []
        lines = () if self.held else self._lines.with_calls_for(seat)
        entry = self._lines.take_most_urgent(lines)
        if entry is None:
            self._lines.set_idle(seat)
            return []
        return self.one_more(entry, seat)

    def give_back(self, agents: Sequence[str]) -> list[Decision]:
        """Offers are withdrawn: these operators are as idle as they were."""
        if not agents:
            return []
        decisions: list[Decision] = []
        for agent in agents:
            seat = self._seats[agent]
            seat.apply(AgentEvent.WITHDRAW)
            seat.call = None
            decisions.append(state_fact(seat))
        if len(agents) == 1:
            return [*decisions, *self.became_free(self._seats[agents[0]])]
        for agent in agents:
            if self._seats[agent].free:
                self._lines.set_idle(self._seats[agent])
        return [*decisions, *self.serve()]

    def withdraw(self, entry: Waiting, seat: Seat) -> None:
        """Whoever was offered the call cannot take it; if nobody else rings, it waits again."""
        seat.apply(AgentEvent.WITHDRAW)
        seat.call = None
        entry.offers.remove(seat.extension)
        if not entry.offers:
            self._lines.widen(entry)
            self._lines.wait(entry)

    # call-backs

    def lend(self, call: CallId, agent: str) -> list[Decision]:
        """Ring an idle operator for a call-back."""
        seat = self._seats[agent]
        seat.apply(AgentEvent.OFFER)
        seat.call, seat.offer = call, self.number()
        self._lent[call] = seat
        return [state_fact(seat)]

    def lent_no_more(self, call: CallId) -> Seat | None:
        """The operator who was rung for a call-back; None when nobody was."""
        return self._lent.pop(call, None)

    def _make(self, entry: Waiting, seat: Seat) -> list[Decision]:
        withdrawn: list[Decision] = []
        if seat.call is not None:
            del self._lent[seat.call]
            withdrawn = [CallBackWithdrawn(seat.call, "a caller needs the operator")]
            seat.apply(AgentEvent.WITHDRAW)
        self._stands(entry, seat)
        return [*withdrawn, OfferMade(entry.call, seat.extension), state_fact(seat)]

    def _stands(self, entry: Waiting, seat: Seat) -> None:
        seat.apply(AgentEvent.OFFER)
        seat.call, seat.offer = entry.call, self.number()
        entry.offers.append(seat.extension)

    def _choose(self, takers: Line) -> Seat | None:
        """Who is offered a call of this line: an idle operator, or one whom a call-back rings."""
        return takers.first_idle() or next(self._lent_to(takers), None)

    def _lent_to(self, takers: Line) -> Iterator[Seat]:
        """Those of a line's operators whose phones ring for a call-back."""
        lent = list(self._lent.values())
        return (seat for seat in lent if seat.present and seat.extension in takers.seats)
