"""The words in which a scene is told to the real Asterisk and to the simulation's, and what the
core then hears of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeAlias

from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.commands import Asker, Mode, Via
from ess_pbx.domain.events import (
    CallEvent,
    CentreEvent,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    PlaybackBegan,
    PlaybackEnded,
)
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.found import AsteriskFound

LegEvent = LegRang | LegAnswered | LegGone | KeyPressed
Files: TypeAlias = dict[str, str]
"""Files of recordings, as ``caller 1`` or ``ag2 1``, and what becomes of each."""
ALLOWED, NUMBER, FORBIDDEN = "0254398123", "+62254398123", "0254398124"
"""What an operator dials, and what is called; and what they may not call."""
BY = Asker("diskominfo", Via.API)
OF_RECORDINGS = frozenset(
    {
        FactKind.RECORDING_FINISHED,
        FactKind.RECORDING_FAILED,
        FactKind.RECORDING_PAUSED,
        FactKind.RECORDING_RESUMED,
    }
)
SETTLES_SECONDS, LOOK_SECONDS = 1.2, 2.5
"""Asterisk writes about each second, and the rest when it closes a file."""


@dataclass
class Heard:
    """What the core heard, and what was seen of recordings."""

    events: list[CallEvent | CentreEvent] = field(default_factory=list)
    files: list[tuple[str, Files]] = field(default_factory=list)

    @property
    def legs(self) -> list[list[str]]:
        """The events of its legs; those that may cross are one group, sorted."""
        told = [_told(event) for event in self._of_legs if event != self._answer]
        groups = groupby(told, key=lambda each: each[0])
        return [sorted(line for _, line in group) for _, group in groups]

    def own(self, leg: str) -> list[str]:
        """The events of one leg."""
        return [_told(event)[1] for event in self._of_legs if part(event.leg) == leg]

    def is_gone(self, leg: str) -> bool:
        """Whether it was told that a leg has ended."""
        return any(isinstance(e, LegGone) and part(e.leg) == leg for e in self.events)

    @property
    def to_be_gone(self) -> set[str]:
        """The legs whose end is yet to be told; of those that ended on a cut line it never is."""
        there: set[str] = set()
        for event in self.events:
            if isinstance(event, AsteriskFound) and event.concerns is None:
                there = {part(leg) for leg in event.legs}
            elif isinstance(event, LegGone):
                there.discard(part(event.leg))
            elif isinstance(event, LegEvent):
                there.add(part(event.leg))
        return there

    @property
    def parts(self) -> set[str]:
        """Which legs there were."""
        return {part(event.leg) for event in self._of_legs}

    @property
    def _of_legs(self) -> list[LegEvent]:
        return [event for event in self.events if isinstance(event, LegEvent)]

    @property
    def _answer(self) -> LegEvent | None:
        answers = (each for each in self._of_legs if isinstance(each, LegAnswered))
        return next((each for each in answers if part(each.leg) == "caller"), None)

    @property
    def sounds(self) -> dict[str, list[str]]:
        """By playback, what was told of it."""
        sounds: dict[str, list[str]] = defaultdict(list)
        for event in self.events:
            if isinstance(event, PlaybackBegan | PlaybackEnded):
                sounds[event.playback].append(type(event).__name__)
        return sounds

    @property
    def found(self) -> list[str]:
        """What Asterisk held whenever an engine came, or came back, and there was a call."""
        return [
            line
            for event in self.events
            if isinstance(event, AsteriskFound) and event.concerns is None
            if (line := _found(event))
        ]

    @property
    def served(self) -> list[str]:
        """What the dialplan told of calls that were over and that no engine had."""
        told = [event for event in self.events if isinstance(event, DialplanServed)]
        found = [event.served for event in self.events if isinstance(event, AsteriskFound)]
        return [
            f"{each.agent} answered: {each.answered is not None}, ended: {each.ended is not None}"
            f"{f' for {each.cause}' if each.answered else ''}, lost: {each.lost}"
            for report in (*told, *found)
            if report is not None
            for each in report.over
        ]


def part(identifier: str) -> str:
    """Which of a call's legs or recordings it is."""
    return identifier.partition("~")[2] or "caller"


def of_recordings(facts: Sequence[Fact]) -> list[str]:
    """What was put on record of recordings, in any order: two are finished side by side."""
    told = [fact for fact in facts if fact.kind in OF_RECORDINGS]
    return sorted(f"{each.kind} {part(str(each.data.get('recording', '')))}" for each in told)


def kinds(facts: Sequence[Fact]) -> set[FactKind]:
    """What is on record of calls, but for recordings, which are finished after."""
    return {FactKind(fact.kind) for fact in facts if fact.call is not None} - OF_RECORDINGS


def _told(event: LegEvent) -> tuple[str, str]:
    """What it is, by which those in a row that may cross are one group; and all of it."""
    leg = part(event.leg)
    match event:
        case LegGone(cause=cause):
            return "gone", f"{leg} is gone: {cause}"
        case KeyPressed(key=key):
            return f"{leg} {key}", f"{leg} presses {key}"
        case LegRang():
            return "rings", f"{leg} rings"
        case _:
            return f"{leg} answers", f"{leg} answers"


def _found(event: AsteriskFound) -> str:
    legs = [
        f"{part(leg)} {'is up' if it.up else 'rings'}"
        f"{', ours' if it.arrival else ''}{', at a desk' if it.at_desk else ''}"
        for leg, it in event.legs.items()
    ]
    rooms = [
        f"in {part(bridge)}: {' '.join(sorted(map(part, legs)))}"
        for bridge, legs in event.bridges.items()
        if legs
    ]
    return "; ".join(sorted(legs) + sorted(rooms))


class Scene:
    """The same words for both: what people do, and the fact that is then waited for."""

    heard: Heard

    @property
    def facts(self) -> list[Fact]:
        """All that is on record so far."""
        raise NotImplementedError

    async def registers(self, agent: str) -> None: ...
    async def caller_dials(self, then: FactKind) -> None: ...
    async def caller_dials_in_vain(self, agent: str) -> None:
        """No engine claims them, and the dialplan rings an operator."""

    async def caller_dials_unanswered(self) -> None:
        """The engine claims them, and dies in that moment."""

    async def caller_presses(self, key: str, then: FactKind) -> None: ...
    async def caller_hangs_up(self) -> None: ...
    async def gives_up(self) -> None:
        """The caller hangs up while no engine looks."""

    async def answers(self, agent: str, then: FactKind) -> None: ...
    async def picks_up(self, agent: str) -> None:
        """The phone of somebody who is rung, by whomever; who spoke before may be heard."""

    async def operator_hangs_up(self, agent: str) -> None: ...
    async def dials(self, agent: str, code: str, then: FactKind) -> None: ...
    async def calls_out(self, agent: str, number: str, then: FactKind) -> None: ...
    async def phone_outside(self, answers_after: float) -> None:
        """There is one behind the trunk, whatever number is called."""

    async def agency_hangs_up(self) -> None: ...
    async def supervises(self, supervisor: str, mode: Mode) -> None: ...
    async def pauses_recording(self) -> None: ...
    async def resumes_recording(self) -> None: ...
    async def stops_mixmonitor(self, leg: str) -> None: ...
    async def starts_mixmonitor(self, leg: str) -> None: ...
    async def engine_goes(self) -> None: ...
    async def engine_comes(self) -> None: ...
    async def line_breaks(self) -> None: ...
    async def line_comes_back(self) -> None: ...
    async def waits_for(self, then: FactKind, **data: str) -> None: ...
    async def is_gone(self, leg: str) -> None:
        """It has ended, and the core has heard so."""

    async def is_over(self) -> None:
        """Nothing is left of any call."""

    async def looks(self, when: str) -> None:
        """At the files of recordings, for some seconds."""
