"""The centres that one engine serves, told apart: each event is decided by the centre it concerns.

A call is the centre's that its arrival names, until nothing is left of it. What happens beside
calls concerns the centre it names, or that of the operator or call it speaks of, or of the operator
who asks for it. Nothing that happens in one centre changes another (docs/decisions/0009).
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ess_pbx.domain import ids
from ess_pbx.domain.absence import DialplanServed, ServedCall
from ess_pbx.domain.agent import Seat
from ess_pbx.domain.call import Call
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Command
from ess_pbx.domain.effects import EngineEffect, Forget, Refused
from ess_pbx.domain.events import AgentTimerFired, Arrived, CallEvent, CentreEvent
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId, PlaybackId

REMEMBERED_CALLS = 10_000
"""Calls that are over of which the centre is still known: their recordings are being finished."""


class Decided(NamedTuple):
    """What one centre decided: all effects of an event are of the one centre it concerns."""

    centre: str
    effects: list[EngineEffect]


class Centres:
    """Several ``CallCentre`` s behind one ``decide``."""

    def __init__(self, centres: Iterable[CallCentre]) -> None:
        self._centres = {each.config.id: each for each in centres}
        self._first = next(iter(self._centres.values()))
        self._alone = len(self._centres) == 1
        self._seated = {
            extension: each for each in self._centres.values() for extension in each.acd.seats
        }
        self._over: dict[CallId, CallCentre] = {}

    def __iter__(self) -> Iterator[CallCentre]:
        return iter(self._centres.values())

    def __getitem__(self, centre: str) -> CallCentre:
        """The centre of this id; raises KeyError."""
        return self._centres[centre]

    def decide(self, event: CallEvent | CentreEvent, now: float) -> Decided:
        """What is to be done about an event at ``now`` (monotonic seconds), in order.

        Raises LookupError for an event that does not say which of several centres it concerns. A
        call always has a centre: one that names none, or one that is not known, is the first's.
        """
        if isinstance(event, CallEvent):
            if self._alone:  # where there is nothing to tell apart, nothing is remembered
                return Decided(self._first.config.id, self._first.decide(event, now))
            centre = self._of_call(event)
        else:
            found = self._concerned(event)
            if isinstance(found, Refused):
                if isinstance(event, Command):
                    return Decided(self._first.config.id, [found])
                raise LookupError(f"{type(event).__name__}: {found.detail}")
            centre = found
        effects = centre.decide(event, now)
        for effect in effects:
            if isinstance(effect, Forget):
                self._forget(effect.call, centre)
        return Decided(centre.config.id, effects)

    def home(self, call: str | None) -> CallCentre:
        """The centre of a call that goes on or was over a moment ago; of others, the first."""
        return self._has(call) or self._first

    @property
    def calls(self) -> Mapping[CallId, Call]:
        """The calls of all centres, as they are now."""
        if self._alone:
            return self._first.calls
        return ChainMap(*(each.calls for each in self))

    @property
    def beside(self) -> frozenset[LegId]:
        """Legs that belong to no call of a caller, of all centres."""
        return frozenset(leg for each in self for leg in each.beside())

    @property
    def seats(self) -> Mapping[str, Seat]:
        """The seats of all centres: no two of an installation have the same extension."""
        if self._alone:
            return self._first.acd.seats
        return ChainMap(*(each.acd.seats for each in self))

    @property
    def known(self) -> frozenset[CallId]:
        """Calls that go on, or that an engine before this one left, of all centres."""
        return frozenset(call for each in self for call in _with_lent(each))

    def legs(self) -> frozenset[LegId]:
        """Every leg that a centre knows, or remembers from before."""
        return frozenset().union(*(each.legs() for each in self))

    def sounds(self) -> frozenset[PlaybackId]:
        """What ``AsteriskFound`` is to say of whether it is still heard."""
        return frozenset().union(*(each.sounds() for each in self))

    def shares(self, found: AsteriskFound) -> list[AsteriskFound]:
        """What Asterisk holds, told apart: to each centre what belongs to its calls.

        A call is the centre's that knows or remembers it, or that its arrival names. What belongs
        to nobody's call is for the first centre to clear away.
        """
        of_call: dict[CallId, str] = {}
        for there in found.legs.values():
            if there.arrival is not None and there.arrival.centre in self._centres:
                of_call[there.arrival.call] = there.arrival.centre
        for centre in reversed(list(self)):
            known = (*_with_lent(centre), *centre.beside_calls())
            of_call |= dict.fromkeys(known, centre.config.id)

        def belongs(identifier: str) -> str:
            return of_call.get(ids.call_of(identifier), self._first.config.id)

        told = found.served
        served = (
            {}
            if told is None
            else {each.centre: each for each in self.served(told.over, told.talking)}
        )
        return [
            replace(
                found,
                centre=name,
                served=served.get(name),
                legs={leg: it for leg, it in found.legs.items() if belongs(leg) == name},
                bridges={b: them for b, them in found.bridges.items() if belongs(b) == name},
                playbacks=frozenset(each for each in found.playbacks if belongs(each) == name),
                phones={
                    phone: reachable
                    for phone, reachable in found.phones.items()
                    if phone in centre.acd.seats
                },
            )
            for name, centre in self._centres.items()
        ]

    def served(
        self, over: Sequence[ServedCall], talking: Sequence[ServedCall]
    ) -> list[DialplanServed]:
        """What the dialplan has told of the calls that it served, to each centre its own."""

        def of(name: str, calls: Sequence[ServedCall]) -> list[ServedCall]:
            home = self._first.config.id
            rung = ((each, each.arrival.centre) for each in calls)
            return [each for each, to in rung if name == (to if to in self._centres else home)]

        return [
            DialplanServed(of(name, over), of(name, talking), centre=name) for name in self._centres
        ]

    def _has(self, call: str | None) -> CallCentre | None:
        name = CallId(call or "")
        # Asked of the centres themselves, so that no list beside theirs can come to differ.
        for centre in self._centres.values():
            beside = (centre.outbound.calls, centre.synthetic.calls)
            others = (centre.desks.calls, centre.call_in.calls, *beside)
            if name in centre.calls or any(name in each for each in others):
                return centre
        return self._over.get(name) or self._remembers(name)

    def _remembers(self, call: CallId) -> CallCentre | None:
        """The centre of a call that an engine before this one had."""
        if self._alone:
            return None
        for centre in self._centres.values():
            if call in centre.kept.calls or centre.callers.number_of(call) is not None:
                return centre
        return None

    def _of_call(self, event: CallEvent) -> CallCentre:
        found = self._has(event.call)
        if isinstance(event, Arrived) and (found is None or event.call not in found.calls):
            return self._centres.get(event.centre, self._first)
        return found or self._first

    def _concerned(self, event: CentreEvent) -> CallCentre | Refused:
        if event.centre:
            return self._centres.get(event.centre) or self._unknown(f"{event.centre!r}")
        if self._alone:
            return self._first
        # By the names of fields, so that whatever comes to be said of an operator or a call finds
        # its centre.
        agent = event.timer.owner if isinstance(event, AgentTimerFired) else _said(event, "agent")
        if agent is not None:
            # Nobody's extension is refused, or ignored, by any centre alike.
            return self._seated.get(agent, self._first)
        found = self._has(_said(event, "call"))
        if found is None and isinstance(event, Command):
            found = self._seated.get(event.by.name)  # what operators ask for is of their own centre
        return found or self._unknown("none named")

    def _unknown(self, found: str) -> Refused:
        known = ", ".join(self._centres)
        return Refused("unknown-centre", f"{found}; expected the id of a centre ({known})")

    def _forget(self, call: CallId, centre: CallCentre) -> None:
        self._over.pop(call, None)
        self._over[call] = centre
        if len(self._over) > REMEMBERED_CALLS:
            del self._over[next(iter(self._over))]


def _with_lent(centre: CallCentre) -> Iterator[CallId]:
    """A centre's calls, and those of supervisors who have lent theirs to one of them."""
    for calls in (centre.kept.calls, centre.calls):
        yield from calls
        yield from (ids.call_of(leg) for call in calls.values() for leg in call.legs)


def _said(event: CentreEvent, field: str) -> str | None:
    name = getattr(event, field, None)
    return None if name is None else str(name)
