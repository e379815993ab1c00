"""What Asterisk holds that is not as the core has it, and since when: events get lost.

A difference is whatever taking stock would mend (``adoption``). Most are gone a moment later: a
request is on the way, an event is, a leg was just made or is just ending. One that lasts is not,
and its call is taken stock of alone (docs/decisions/0023).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ess_pbx.domain import adoption, supervision_adoption
from ess_pbx.domain.call import Call
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.effects import (
    AsteriskEffect,
    DestroyBridge,
    HangUp,
    StartMusic,
    StopMusic,
    StopPlayback,
    ToDialplan,
)
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, PlaybackId, call_of

STALE_SECONDS = 1.0
"""Longer than any event takes that comes at all, as long as Asterisk and engine answer at all."""
LONGEST_REST = 60.0
"""How seldom at most stock is taken of a call that differs still."""
UNSEEN = StartMusic | StopMusic | StopPlayback
"""What Asterisk's lists do not show, so that it is asked for whenever stock is taken."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is otherwise in Asterisk."""

    call: CallId
    what: str
    """For people, and to know it again."""


def differences(centre: CallCentre, found: AsteriskFound) -> Iterator[Difference]:
    """What taking stock would mend of a centre now; ``found`` is the centre's share."""
    kept = centre.kept.calls
    for call in centre.calls.values():
        for event in adoption.missed(call, kept.get(call.id), found):
            yield Difference(call.id, f"unheard: {event}")
        for effect in adoption.repairs(call, found):
            if not isinstance(effect, UNSEEN):
                yield Difference(call.id, f"not done: {effect}")
        if supervision_adoption.seen(call, found).supervision != call.supervision:
            yield Difference(call.id, "supervision")
    for leg in centre.beside():
        if found.is_gone(leg):
            yield Difference(call_of(leg), f"gone: {leg}")
    for effect in adoption.strangers(centre.calls, centre.beside(), found):
        yield Difference(_of(effect), f"nobody's: {effect}")


def owed(calls: Iterable[Call]) -> frozenset[PlaybackId]:
    """The prompts and tones for whose end somebody waits."""
    return frozenset(each for call in calls for each in adoption.sounds(call))


class Differences:
    """What differs, look after look."""

    def __init__(self) -> None:
        self._since: dict[Difference, float] = {}
        self._rests: dict[CallId, tuple[float, float]] = {}
        """Calls of which stock was taken: not again before, and how long they rested."""

    def __len__(self) -> int:
        return len(self._since)

    def stale(self, differing: Iterable[Difference], now: float) -> dict[CallId, list[str]]:
        """The calls that have differed for too long, and in what; ``now`` in monotonic seconds.

        A call that differs still after stock was taken of it is due ever more seldom: what that
        does not mend must not keep Asterisk busy.
        """
        self._since = {each: self._since.get(each, now) for each in differing}
        calls = {each.call for each in self._since}
        self._rests = {call: rest for call, rest in self._rests.items() if call in calls}
        found: dict[CallId, list[str]] = {}
        for each, since in self._since.items():
            due, _ = self._rests.get(each.call, (0.0, 0.0))
            if now - since >= STALE_SECONDS and now >= due:
                found.setdefault(each.call, []).append(each.what)
        for call in found:
            _, rested = self._rests.get(call, (0.0, 0.0))
            rest = min(LONGEST_REST, max(2 * STALE_SECONDS, 2 * rested))
            self._rests[call] = now + rest, rest
        return found


def _of(effect: AsteriskEffect) -> CallId:
    match effect:
        case HangUp(leg) | ToDialplan(leg):
            return call_of(leg)
        case DestroyBridge(bridge):
            return call_of(bridge)
    raise TypeError(f"{effect}: expected what ``adoption.strangers`` yields")
