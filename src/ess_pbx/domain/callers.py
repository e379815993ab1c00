"""What a centre remembers of its callers: their last calls, and whose pranks are confirmed.

Calls are kept for a day, at most ``MOST_CALLS``: long enough to be marked, and to know who calls
again. Marks as prank are kept by number, as long as they count. What is too old or too much goes
first, to the caller's good: they wait like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from ess_pbx.domain.call import Known
from ess_pbx.domain.commands import Mark, Via
from ess_pbx.domain.config import Policy
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import CallId

DAY = 86400.0
MOST_CALLS = 20_000
MOST_NUMBERS = 100_000
LONGEST_ROW = 100
"""Attempts of one number that are looked back over: a machine may dial without end."""
INFORMED = "information"
"""The reason of a call that heard the information it asked for to its end."""


class Recent(msgspec.Struct, array_like=True):
    """A call that a mark or the next attempt may be about. Times are epoch seconds."""

    number: str
    """E.164; empty when there was none."""
    arrived: float
    ended: float | None = None
    served: bool = False
    """Whether the caller had a human, or the information that they asked for."""


class PrankMark(msgspec.Struct, array_like=True, frozen=True):
    """Somebody said that a call was a prank."""

    by: str
    at: float
    note: str


class Confirmed(msgspec.Struct, array_like=True, frozen=True):
    """A number whose calls wait behind others."""

    until: float
    at: float
    by: str
    via: str
    reason: str


class Kept(msgspec.Struct):
    """All of it, as it stands in a checkpoint."""

    calls: dict[str, Recent] = {}
    marks: dict[str, dict[str, PrankMark]] = {}
    confirmed: dict[str, Confirmed] = {}


class Callers:
    """A ``Memory``: changes by facts alone."""

    name = "callers"

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._take(Kept())

    # what is asked

    def known(self, number: str | None, at: float) -> Known:
        """What is known of a number that calls at ``at``."""
        if not number:
            return Known()
        earlier: str | None = None
        first = at
        within = self._policy.redial_within
        names = reversed(self._by_number.get(number, ())) if within > 0 else ()
        for name in islice(names, LONGEST_ROW):
            call = self._calls[name]
            if call.ended is None:
                continue  # on the line beside this one, from behind the same number
            if call.served or at - call.ended > within:
                break
            earlier = earlier or name
            if at - call.arrived <= within:
                first = call.arrived
        before = None if earlier is None else CallId(earlier)
        return Known(self.is_prank(number, at), before, max(0.0, at - first))

    def number_of(self, call: str) -> str | None:
        """The number of a call that is remembered, empty when it has none; else None."""
        recent = self._calls.get(call)
        return None if recent is None else recent.number

    def is_prank(self, number: str, at: float) -> bool:
        """Whether a number is a confirmed prankster's."""
        confirmed = self._confirmed.get(number)
        return confirmed is not None and at < confirmed.until

    def confirmed(self, number: str) -> Confirmed | None:
        """Since when, until when and by whom a number's pranks are confirmed."""
        return self._confirmed.get(number)

    def prank_calls(self, number: str, at: float) -> set[str]:
        """Calls of a number that are marked as pranks and count."""
        since = at - self._policy.prank_within * DAY
        marks = self._marks.get(number, {})
        return {call for call, mark in marks.items() if mark.at > since}

    def over(self, at: float) -> Iterator[str]:
        """Numbers whose time as a confirmed prankster is over."""
        # In the order in which they were confirmed, for the same time each.
        for number, confirmed in self._confirmed.items():
            if at < confirmed.until:
                return
            yield number

    # what is told

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], at: float, /) -> None:
        """Take note of a fact."""
        recent = self._calls.get(call) if call is not None else None
        number = str(data.get("number") or "")
        match kind:
            case FactKind.CALL_ARRIVED if call is not None:
                self._arrived(call, str(data.get("caller_e164") or ""), at)
            case FactKind.OPERATOR_ANSWERED if recent is not None:
                recent.served = True
            case FactKind.CALL_ENDED if recent is not None:
                recent.ended = at
                recent.served = recent.served or data.get("reason") == INFORMED
            case FactKind.CALL_MARKED if call is not None and number:
                self._marked(call, number, data, at)
            case FactKind.PRANK_CONFIRMED if number:
                self._confirm(number, data, at)
            case FactKind.PRANK_EXPIRED:
                self._confirmed.pop(number, None)
            case FactKind.PRANK_LIFTED:
                self._confirmed.pop(number, None)
                if data.get("via") != Via.SYSTEM:
                    # A person judged the marks too: they do not confirm the number again.
                    self._marks.pop(number, None)

    def dump(self) -> JSON:
        """All of it."""
        kept: JSON = msgspec.to_builtins(Kept(self._calls, self._marks, self._confirmed))
        return kept

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        self._take(msgspec.convert(state, Kept))

    def _take(self, kept: Kept) -> None:
        self._calls, self._marks, self._confirmed = kept.calls, kept.marks, kept.confirmed
        self._by_number: dict[str, deque[str]] = {}
        for name, call in self._calls.items():
            self._by_number.setdefault(call.number, deque()).append(name)
        self._by_number.pop("", None)

    def _arrived(self, call: str, number: str, at: float) -> None:
        if call in self._calls:
            return
        self._calls[call] = Recent(number, at)
        if number:
            self._by_number.setdefault(number, deque()).append(call)
        while len(self._calls) > MOST_CALLS or _first(self._calls).arrived < at - DAY:
            oldest = next(iter(self._calls))
            gone = self._calls.pop(oldest).number
            if gone:
                # The oldest of all is the oldest of its number.
                self._by_number[gone].popleft()
                if not self._by_number[gone]:
                    del self._by_number[gone]

    def _marked(self, call: str, number: str, data: Mapping[str, Any], at: float) -> None:
        marks = self._marks.pop(number, {})
        marks.pop(call, None)
        if data.get("mark") == Mark.PRANK:
            marks[call] = PrankMark(str(data.get("by")), at, str(data.get("note")))
        since = at - self._policy.prank_within * DAY
        marks = {name: mark for name, mark in marks.items() if mark.at > since}
        if marks:
            self._marks[number] = marks  # the last in the order of time
        while self._marks and (
            len(self._marks) > MOST_NUMBERS or _latest(_first(self._marks)) <= since
        ):
            del self._marks[next(iter(self._marks))]

    def _confirm(self, number: str, data: Mapping[str, Any], at: float) -> None:
        self._confirmed.pop(number, None)
        self._confirmed[number] = Confirmed(
            float(data["until"]), at, str(data["by"]), str(data["via"]), str(data["reason"])
        )
        if len(self._confirmed) > MOST_NUMBERS:
            del self._confirmed[next(iter(self._confirmed))]


def _first(items: Mapping[str, Any]) -> Any:
    return next(iter(items.values()))


def _latest(marks: Mapping[str, PrankMark]) -> float:
    return max(mark.at for mark in marks.values())
