"""What Asterisk holds, told to the core as the engine does: after each connect, and while it is up.

After a connect ``engine.taking_stock`` asks and hears in no time here; while the line is up the
look of ``engine.stock_watch`` takes none either, and stock of single calls travels as requests do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ess_pbx.domain.differences import (
    Differences,
    as_they_are,
    differences,
    owed,
    phones_that_differ,
    unchanged,
)
from ess_pbx.domain.events import PhoneLost, PhoneReachable
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId, PlaybackId, call_of, is_caller

if TYPE_CHECKING:
    from ess_pbx.simulation.line import Line
    from ess_pbx.simulation.world import World


class Stock:
    """Takes stock of the virtual Asterisk, for one engine after the other."""

    def __init__(self, world: World, line: Line) -> None:
        self._world, self._line = world, line
        self._calls, self._phones = Differences(), Differences()

    def take(self, started: float) -> None:
        """After a connect: of everything."""
        world, core = self._world, self._world.core
        self._calls, self._phones = Differences(), Differences()
        found = self._found(core.legs(), core.sounds())
        told = world.unclaimed()
        world.hear(replace(found, phones=self._reachable(), started=started, served=told))
        for served in () if told is None else told.over:
            world.recorder.call_over(served.call, served.answered is not None)
        world.recorder.took_stock(found.legs)

    def look(self) -> bool:
        """Compare; whether anything differs, so that it is looked at again soon."""
        world, core = self._world, self._world.core
        found = replace(
            self._found(core.legs(), owed(core.calls.values())), phones=self._reachable()
        )
        for phone in self._phones.stale(phones_that_differ(core, found), world.now):
            there = found.phones[phone.of]
            world.hear(PhoneReachable(phone.of) if there else PhoneLost(phone.of))
        stale = self._calls.stale(differences(core, found), world.now)
        if stale:
            for each in stale:
                world.tell("differs:", each)
            world.watch.differed(stale)
            calls = frozenset(CallId(each.of) for each in stale)
            sounds = frozenset(each for each in core.sounds() if call_of(each) in calls)
            before = as_they_are([core], calls)
            self._line.ask(self._found, self._told, before, core.legs(), sounds)
        return bool(self._calls or self._phones)

    def _told(self, before: dict[CallId, tuple[object, ...]], found: AsteriskFound) -> None:
        self._world.hear(found.only(unchanged(before, [self._world.core])))

    def _found(self, asked: frozenset[LegId], sounds: frozenset[PlaybackId]) -> AsteriskFound:
        asterisk = self._line.asterisk
        desks = [leg for leg in asterisk.channels if leg.startswith("d-") and is_caller(leg)]
        return asterisk.found(self._world.wall, asked, sounds, desks)

    def _reachable(self) -> dict[str, bool]:
        away = self._line.asterisk.unreachable
        return {agent: agent not in away for agent in self._world.core.acd.seats}
