"""Whoever talks is recorded, or an alarm says why not; what is said in a pause is not.

Judged by what the virtual Asterisk writes while people are in a bridge with each other, whatever
the core believes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ess_pbx.domain.effects import Role
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import BridgeId, CallId, LegId, call_of, caller_leg
from ess_pbx.domain.recording_watch import LOOK_SECONDS, STALLED_SECONDS

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World

SETTLES = 1.0
"""Seconds that orders take, some after each other, on a console that answers in time."""
NOT_RECORDED = STALLED_SECONDS + 2 * LOOK_SECONDS + SETTLES
"""Until what is not recorded is told of, and recorded again if that can be."""
RECORDED_IN_PAUSE = 3 * LOOK_SECONDS + SETTLES
"""Until what goes on in a pause, against what was asked, is ended again."""


class Recorded:
    """Looks after the recordings of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._desk: set[CallId] = set()
        self._missing: dict[tuple[str, LegId], float] = {}
        """What is said and not recorded: the recording and the leg, and since when."""
        self._overheard: dict[LegId, float] = {}
        """Legs that are recorded in a pause, and since when."""
        self._failed: set[str] = set()
        """Recordings of which an alarm says that they fail."""
        self._talking: dict[CallId, float] = {}
        """Calls in which somebody speaks with the caller, and since when."""
        self._talked: set[CallId] = set()
        """Those that did, and for longer than no time."""
        self._cannot_until = 0.0
        """Until then Asterisk does not record, or does not do what it is asked."""

    def desk_call_comes(self, call: CallId) -> None:
        """An operator's own call: no caller of the centre's."""
        self._desk.add(call)

    def cannot(self, seconds: float) -> None:
        """For so long nothing is written, or nothing asked for is done."""
        self._cannot_until = max(self._cannot_until, self._world.now + seconds)

    def told(self, fact: Fact) -> None:
        """A fact is in the journal."""
        if fact.kind is FactKind.RECORDING_FAILED:
            self._failed.add(str(fact.data["recording"]))

    def listens(self) -> None:
        """Who talks now, and what of it is recorded."""
        now, monitors = self._world.now, self._world.line.mixmonitors
        missing: dict[tuple[str, LegId], float] = {}
        overheard: dict[LegId, float] = {}
        talking: dict[CallId, float] = {}
        for recording, leg in self._said():
            call = call_of(leg)
            if leg == caller_leg(call):
                talking[call] = self._talking.get(call, now)
            written = monitors.is_written(leg)
            if written:
                self._failed.discard(recording)
            if self._world.line.asterisk.channels[leg].served:
                pass  # the dialplan has begun it, and nobody looks after it
            elif self._is_paused(call):
                if written:
                    overheard[leg] = self._overheard.get(leg, now)
            elif not written:
                missing[recording, leg] = self._missing.get((recording, leg), now)
        self._talked |= {call for call, since in self._talking.items() if since < now}
        self._talking = talking
        self._missing, self._overheard = missing, overheard

    def too_long(self, until: float, trouble_until: float) -> Iterator[str]:
        """What lasts until then, and should not."""
        world = self._world
        if not self._missing and not self._overheard:
            return
        if not world.alive or world.is_frozen:
            return  # nobody looks
        self.listens()
        quiet_since = max(trouble_until, world.line.returned, world.thawed)
        for (recording, leg), since in self._missing.items():
            if until - max(since, quiet_since) <= NOT_RECORDED:
                continue
            if recording not in self._failed:
                yield f"{leg} is not recorded for {until - since:.1f} s, and no alarm says so"
            if until - max(since, quiet_since, self._cannot_until) > NOT_RECORDED:
                yield f"{leg} is not recorded for {until - since:.1f} s"
        for leg, since in self._overheard.items():
            if until - max(since, quiet_since, self._cannot_until) > RECORDED_IN_PAUSE:
                yield f"{leg} is recorded for {until - since:.1f} s in a pause"

    def is_over(self) -> Iterator[str]:
        """Everything that was recorded is kept, and each call with a human is, or an alarm."""
        world = self._world
        if left := sorted(world.line.mixmonitors.files):
            yield f"recordings left behind: {left}"
        if world.recorder.alarmed:
            yield "an alarm says that something is not recorded, and nobody talks"
        of_kind = (FactKind.RECORDING_FINISHED, FactKind.RECORDING_FAILED)
        told = {str(fact.data["recording"]) for fact in world.facts if fact.kind in of_kind}
        if lost := sorted(self._talked - told):
            yield f"talked, and there is neither a recording nor an alarm: {lost}"

    def _is_paused(self, call: CallId) -> bool:
        return call in self._world.core.recording_pauses.until

    def _said(self) -> Iterator[tuple[str, LegId]]:
        """The recordings that should be written, and the legs that they are of.

        Where the caller is, theirs has all; who talks with the operator without them has their own.
        """
        rooms: dict[BridgeId, list[LegId]] = {}
        channels = self._world.line.asterisk.channels
        for leg, channel in channels.items():
            if channel.bridge is not None and channel.role is not Role.SNOOP:
                rooms.setdefault(channel.bridge, []).append(leg)
        for legs in rooms.values():
            callers = [leg for leg in legs if channels[leg].role is Role.CALLER]
            others = [leg for leg in legs if channels[leg].role in (Role.AGENCY, Role.COLLEAGUE)]
            if len(legs) < 2 or any(call_of(leg) in self._desk for leg in legs):
                continue
            if callers:
                yield from ((call_of(leg), leg) for leg in callers)
            elif any(channels[leg].role is Role.OPERATOR for leg in legs):
                yield from ((leg, leg) for leg in others)
