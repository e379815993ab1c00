"""What Asterisk holds that is not as the core has it, and since when: events get lost.

A difference is whatever taking stock would mend (``adoption``). Most are gone a moment later: a
request is on the way, an event is, a leg was just made or is just ending. One that lasts is not,
and its call is taken stock of alone (docs/decisions/0023).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
AGAIN_SECONDS = STALE_SECONDS / 2
"""Until something that differs is looked at again. Twice: what is seen two times only may be a leg
that was not made yet, and then one that was hung up."""
LONGEST_REST = 60.0
"""How seldom at most stock is taken of a call that differs still."""
UNSEEN = StartMusic | StopMusic | StopPlayback
"""What Asterisk's lists do not show, so that it is asked for whenever stock is taken."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is otherwise in Asterisk."""

    of: str
    """The call, or the operator's phone."""
    what: str
    """For people, and to know it again."""


def differences(centre: CallCentre, found: AsteriskFound) -> Iterator[Difference]:
    """What taking stock would mend of a centre's calls; ``found`` is the centre's share."""
    kept = centre.kept.calls
    for call in centre.calls.values():
        for event in adoption.missed(call, kept.get(call.id), found):
            yield Difference(call.id, f"unheard: {event}")
        for effect in adoption.repairs(call, found):
            if not isinstance(effect, UNSEEN):
                yield Difference(call.id, f"not done: {effect}")
        if supervision_adoption.seen(call, found).supervision != call.supervision:
            yield Difference(call.id, "supervision")
    for leg in centre.beside().difference(centre.outbound.legs):
        if found.is_gone(leg):
            yield Difference(call_of(leg), f"gone: {leg}")
    for call_out, what in centre.outbound.differ(found):
        yield Difference(call_out, what)
    for effect in adoption.strangers(centre.calls, centre.beside(), found):
        yield Difference(_of(effect), f"nobody's: {effect}")


def phones_that_differ(centre: CallCentre, found: AsteriskFound) -> Iterator[Difference]:
    """Operators' phones of which it was not told that they are reachable, or no more."""
    for agent, reachable in found.phones.items():
        seat = centre.acd.seats.get(agent)
        if seat is not None and seat.reachable is not reachable:
            yield Difference(agent, "reachable" if reachable else "not reachable")


def as_they_are(
    centres: Iterable[CallCentre], calls: Iterable[CallId]
) -> dict[CallId, tuple[object, ...]]:
    """The calls as they are known now, to be held against what they are later."""
    all_centres = [*centres]
    return {
        call: tuple(
            known.get(call)
            for centre in all_centres
            for known in (centre.calls, centre.outbound.calls)
        )
        for call in calls
    }


def unchanged(
    before: Mapping[CallId, tuple[object, ...]], centres: Iterable[CallCentre]
) -> frozenset[CallId]:
    """The calls of which nothing was decided since: what was found of others is out of date."""
    now = as_they_are(centres, before)
    return frozenset(
        call
        for call, was in before.items()
        if all(each is then for each, then in zip(now[call], was, strict=True))
    )


def owed(calls: Iterable[Call]) -> frozenset[PlaybackId]:
    """The prompts and tones for whose end somebody waits."""
    return frozenset(each for call in calls for each in adoption.sounds(call))


class Differences:
    """What differs, look after look."""

    def __init__(self) -> None:
        self._since: dict[Difference, float] = {}
        self._rests: dict[Difference, tuple[float, float]] = {}
        """Those of which stock was taken: not again before when, and how long they rest."""

    def __len__(self) -> int:
        return len(self._since)

    def stale(self, differing: Iterable[Difference], now: float) -> list[Difference]:
        """Those that have lasted too long; ``now`` in monotonic seconds.

        What is there still after stock was taken of it is due ever more seldom: what that does not
        mend must not keep Asterisk busy.
        """
        self._since = {each: self._since.get(each, now) for each in differing}
        self._rests = {each: rest for each, rest in self._rests.items() if each in self._since}
        found = []
        for each, since in self._since.items():
            due, rested = self._rests.get(each, (0.0, AGAIN_SECONDS / 2))
            # Looks are that far apart, give or take what floats make of it.
            if now - since >= STALE_SECONDS - 1e-6 and now >= due:
                found.append(each)
                rest = min(LONGEST_REST, 2 * rested)
                self._rests[each] = now + rest, rest
        return found


def _of(effect: AsteriskEffect) -> CallId:
    match effect:
        case HangUp(leg) | ToDialplan(leg):
            return call_of(leg)
        case DestroyBridge(bridge):
            return call_of(bridge)
    raise TypeError(f"{effect}: expected what ``adoption.strangers`` yields")
