"""A new engine, and what it finds of the calls that one before it left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ess_pbx.domain.call import Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.effects import ArmTimer, EngineEffect, Record
from ess_pbx.domain.events import ClockRead
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.found import AsteriskFound, FoundLeg
from ess_pbx.domain.ids import LegId, agency_leg, aside_of, bridge_of, operator_leg

from .centre import CALL, CALLER, arrival, of
from .story import Story

WALL = 1_800_000_000.0
OPERATOR, AGENCY = operator_leg(CALL, 2), agency_leg(CALL, 3)
LATER = 7.0
"""Seconds between the last that the old engine did and the new one."""


class Takeover:
    """A new engine beside what the old one of a story left."""

    def __init__(self, story: Story, torn: int = 0) -> None:
        self.story = story
        self.core = CallCentre(story.core.config)
        records = of(story.all, Record)
        for each in records[: len(records) - torn]:
            at = WALL if each.at is None else each.at
            fact = Fact(
                id="", centre="", call=each.call, kind=each.kind, at=at, ms=0, data=each.data
            )
            self.core.recall(fact)
        self.now = 5.0
        clock = ClockRead(datetime(2026, 1, 1, 9), wall=WALL + LATER)
        self.effects: list[EngineEffect] = self.core.decide(clock, self.now)

    def finds(
        self,
        *up: LegId,
        ringing: Iterable[LegId] = (),
        bridged: Iterable[LegId] = (),
        aside: Iterable[LegId] = (),
        **more: object,
    ) -> Takeover:
        """Asterisk holds these."""
        legs = {leg: self._leg(leg, True) for leg in up}
        legs |= {leg: self._leg(leg, False) for leg in ringing}
        there = {bridge_of(CALL): frozenset(bridged), aside_of(CALL): frozenset(aside)}
        bridges = {bridge: members for bridge, members in there.items() if members}
        found = AsteriskFound(legs=legs, bridges=bridges, wall=WALL + LATER, phones={"2001": True})
        found = replace(found, **more)  # type: ignore[arg-type]
        self.effects += self.core.decide(found, self.now)
        return self

    def _leg(self, leg: LegId, up: bool) -> FoundLeg:
        told = arrival(CALL, invited_at=WALL) if leg == CALLER else None
        return FoundLeg(up, "2001", told)

    @property
    def phase(self) -> Phase | None:
        call = self.core.calls.get(CALL)
        return call.phase if call else None

    def facts(self, kind: FactKind) -> list[Record]:
        return [each for each in of(self.effects, Record) if each.kind is kind]

    def armed(self, kind: str, owner: str = CALL) -> float | None:
        for each in of(self.effects, ArmTimer):
            if (each.timer.owner, each.timer.kind) == (owner, kind):
                return each.seconds
        return None
