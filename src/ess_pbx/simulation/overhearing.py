"""Who hears a supervisor, and what a supervisor hears: told from what was asked and what Asterisk
does, whatever the core believes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ess_pbx.domain.commands import Mode, Supervise
from ess_pbx.domain.effects import Role
from ess_pbx.domain.events import CallEvent, CentreEvent, KeyPressed
from ess_pbx.domain.ids import CallId, LegId, aside_of, bridge_of, call_of, caller_leg, side_bridge
from ess_pbx.domain.supervising import KEYS, MOST_TRIES, SNOOP_WITHIN
from ess_pbx.domain.supervision import ASIDE

if TYPE_CHECKING:
    from ess_pbx.simulation.virtual_asterisk import VirtualAsterisk
    from ess_pbx.simulation.world import World

ALOUD = frozenset({Mode.BARGE, Mode.TAKE_OVER})
SUPERVISING = (Role.SNOOP, Role.SUPERVISOR)
SETTLES = 2.0
"""Seconds that a change of the mode may take, on a line of some tenths."""
HEARS_NOTHING = MOST_TRIES * SNOOP_WITHIN + SETTLES
"""Seconds that a supervisor may be left with nobody, when no snoop channel comes."""


class Overhearing:
    """Looks after the supervisors of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._desks: dict[CallId, str] = {}
        """Whose phone an operator's own call comes from."""
        self._aloud: set[tuple[CallId, str]] = set()
        """Calls in which a supervisor was asked to speak, or asked for it."""
        self._odd: dict[str, float] = {}
        """What is not as it should be, and since when."""

    def desk_call_comes(self, call: CallId, agent: str) -> None:
        """An operator calls the centre itself."""
        self._desks[call] = agent

    def before(self, event: CallEvent | CentreEvent) -> None:
        """Somebody may want a supervisor to be heard."""
        match event:
            case Supervise(_, call, supervisor, mode) if mode in ALOUD:
                self._aloud.add((call, supervisor))
            case KeyPressed(_, leg, key) if KEYS.get(key) in ALOUD:
                if (whose := self._supervisor(leg)) is not None:
                    self._aloud.add((self._call(leg), whose))
            case _:
                pass

    def listens(self, asterisk: VirtualAsterisk) -> Iterator[str]:
        """What may never be, not even for a moment; what may last a moment is noted."""
        odd: set[str] = set()
        lent = self._world.core.desks.lent
        for leg, channel in asterisk.channels.items():
            if channel.role not in SUPERVISING and (not lent or call_of(leg) not in lent):
                continue
            call = self._call(leg)
            aloud = channel.bridge in (bridge_of(call), aside_of(call))
            if channel.role is Role.SNOOP:
                if aloud:
                    yield f"{leg} is in {channel.bridge}, where the caller is or may come"
                continue
            supervisor = self._supervisor(leg)
            if supervisor is None:
                continue
            if aloud and (call, supervisor) not in self._aloud:
                yield f"{supervisor} is heard in {channel.bridge}, and was not asked to be"
            odd.update(self._unlike_the_mode(asterisk, call, leg))
            alone = not asterisk.humans_heard_by(leg) and leg not in asterisk.playing
            if channel.up and alone and not self._has_the_call(call, leg):
                odd.add(f"{leg} of {supervisor} is with nobody")
        if odd or self._odd:
            now = self._world.now
            self._odd = {each: self._odd.get(each, now) for each in odd}

    def too_long(self, until: float, trouble_until: float) -> Iterator[str]:
        """What lasts until then, and should not."""
        for what, since in list(self._odd.items()):
            longest = HEARS_NOTHING if what.endswith("nobody") else SETTLES
            if until - max(since, trouble_until) > longest and self._is_odd_still(what):
                yield f"{what} for more than {longest:.0f} s"

    def _is_odd_still(self, what: str) -> bool:
        """The core may have decided since without that anything was asked of Asterisk."""
        for _ in self.listens(self._world.line.asterisk):
            pass
        return what in self._odd

    def _unlike_the_mode(
        self, asterisk: VirtualAsterisk, name: CallId, leg: LegId
    ) -> Iterator[str]:
        call = self._world.core.calls.get(name)
        supervision = None if call is None else call.supervision
        if supervision is None or supervision.leg != leg or supervision.mode is None:
            return
        spoken_to = asterisk.spoken_to_by(leg)
        if supervision.mode not in ASIDE:
            return
        if asterisk.channels[leg].bridge not in (None, side_bridge(name)):
            yield f"{leg} is beside no call, and was to {supervision.mode}"
        if caller_leg(name) in spoken_to:
            yield f"{leg} is heard by the caller, and was to {supervision.mode}"
        if supervision.mode is Mode.LISTEN and supervision.coming is None and spoken_to:
            yield f"{leg} is heard by {sorted(spoken_to)}, and was to listen"

    def _has_the_call(self, name: CallId, leg: LegId) -> bool:
        """Whether they took it over: whoever has a call may have everybody on hold."""
        call = self._world.core.calls.get(name)
        return call is not None and call.operator is not None and call.operator.leg == leg

    def _call(self, leg: LegId) -> CallId:
        """The call that a leg serves: another's than its own when it is lent."""
        own = call_of(leg)
        return self._world.core.desks.lent.get(own, own)

    def _supervisor(self, leg: LegId) -> str | None:
        """Whose leg it is by which a supervisor is with a call, or comes to it."""
        channel = self._world.line.asterisk.channels.get(leg)
        if channel is not None and channel.role is Role.SUPERVISOR:
            return channel.address
        own = call_of(leg)
        return self._desks.get(own) if own in self._world.core.desks.lent else None
