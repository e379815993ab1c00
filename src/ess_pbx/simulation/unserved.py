"""Callers whom no engine claimed: they ring somebody, and who talks with them is left in peace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ess_pbx.domain.effects import AsteriskEffect, Originate
from ess_pbx.domain.events import ClockRead
from ess_pbx.domain.ids import CallId, LegId

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World

LONGEST_UNSERVED = 1.0
"""Seconds that a caller may be without an engine until phones ring."""


class Unserved:
    """Looks after the callers of one run whom the dialplan has."""

    def __init__(self, world: World) -> None:
        self.calls: set[CallId] = set()
        """Those that no engine had after it: each has an end on record."""
        self._world = world
        self._on_duty: frozenset[str] = frozenset()

    def clock_read(self, event: ClockRead) -> None:
        """The engine knows whose shift it is."""
        self._on_duty = self._world.core.roster.on_duty(event.local)

    def rings(self, leg: LegId, offered: float, phones: int) -> Iterator[str]:
        """So many phones ring for a caller who was offered in vain."""
        world, asterisk = self._world, self._world.line.asterisk
        if (late := world.now - offered) > LONGEST_UNSERVED:
            yield f"{leg} rang nobody for {late:.1f} s, and no engine was there"
        on_duty = world.core.roster.on_duty(world.local)
        if phones or on_duty != self._on_duty:
            return  # whose shift began meanwhile no engine could write down
        for agent in sorted(on_duty):
            if agent not in asterisk.unreachable and not asterisk.is_busy(agent):
                yield f"{leg} rings nobody, and {agent} is on duty"

    def asked(self, effect: AsteriskEffect) -> Iterator[str]:
        """Something is asked of Asterisk."""
        if not isinstance(effect, Originate):
            return
        since = self._world.line.dialplan.talks_since(effect.address)
        if since is not None and since < self._told:
            yield f"{effect.address} is rung, and talks in a call that the dialplan gave them"

    def keeps(self, call: CallId, agent: str) -> bool:
        """Whether an operator has a call of the dialplan's, as far as the engine can know."""
        talk = self._world.line.dialplan.talks.get(call)
        if talk is None or talk.agent != agent:
            return False
        over = talk.ended is not None and talk.ended < self._told
        return not over or self._world.watch.is_troubled

    @property
    def _told(self) -> float:
        """What was so before then the engine knows."""
        return max(self._world.line.returned, self._world.read_unclaimed_at)
