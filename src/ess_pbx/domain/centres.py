"""The centres that one engine serves, told apart: each event is decided by the centre it concerns.

A call is the centre's that its arrival names, until nothing is left of it. What happens beside
calls concerns the centre it names, or that of the operator or call it speaks of, or of the operator
who asks for it. Nothing that happens in one centre changes another (docs/decisions/0009).
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ess_pbx.domain.agent import Seat
from ess_pbx.domain.call import Call
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Command
from ess_pbx.domain.effects import EngineEffect, Forget, Refused
from ess_pbx.domain.events import AgentTimerFired, Arrived, CallEvent, CentreEvent
from ess_pbx.domain.ids import CallId, LegId, caller_leg

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
        """Channels that belong to no call of a caller: of operators who dialled a code or are
        called in, of all centres.
        """
        desks = (caller_leg(call) for each in self for call in each.desks.calls)
        return frozenset((*desks, *(leg for each in self for leg in each.call_in.legs)))

    @property
    def seats(self) -> Mapping[str, Seat]:
        """The seats of all centres: no two of an installation have the same extension."""
        if self._alone:
            return self._first.acd.seats
        return ChainMap(*(each.acd.seats for each in self))

    def _has(self, call: str | None) -> CallCentre | None:
        name = CallId(call or "")
        # Asked of the centres themselves, so that no list beside theirs can come to differ.
        for centre in self._centres.values():
            others = (centre.desks.calls, centre.call_in.calls)
            if name in centre.calls or any(name in each for each in others):
                return centre
        return self._over.get(name)

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


def _said(event: CentreEvent, field: str) -> str | None:
    name = getattr(event, field, None)
    return None if name is None else str(name)
