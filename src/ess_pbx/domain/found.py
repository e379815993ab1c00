"""What Asterisk holds when the engine comes to it, or comes back: events were missed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ess_pbx.domain import ids
from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.events import Arrived, CentreEvent
from ess_pbx.domain.ids import BridgeId, CallId, LegId, PlaybackId


@dataclass(frozen=True, slots=True)
class FoundLeg:
    """A channel in Asterisk."""

    up: bool
    """Whether it is answered."""
    party: str = ""
    """The operator's extension or the agency's SIP URI, as far as the channel tells."""
    arrival: Arrived | None = None
    """Of a caller whom the dialplan has given to us: their arrival."""
    at_desk: bool = False
    """Whether it is ours and no caller's: an operator who dialled a code (``desk_call``), or a test
    call."""
    to_be_recorded: bool = False
    """Whether it is somebody called back who has answered and whom nothing records yet."""


@dataclass(frozen=True, slots=True)
class AsteriskFound(CentreEvent):
    """All that Asterisk holds at one moment. Times are epoch seconds."""

    legs: Mapping[LegId, FoundLeg]
    bridges: Mapping[BridgeId, frozenset[LegId]]
    wall: float
    playbacks: frozenset[PlaybackId] = frozenset()
    """Those of ``CallCentre.sounds`` that are still heard, or wait to be."""
    phones: Mapping[str, bool] = field(default_factory=dict)
    """Operators' phones, and whether they are reachable."""
    started: float = 0.0
    """When this Asterisk started: a call from before is gone."""
    last_heard: Mapping[CallId, float] = field(default_factory=dict)
    """When a call that is gone was last recorded."""
    causes: Mapping[CallId, int] = field(default_factory=dict)
    """Why the caller's leg of a call that is gone ended (Q.850), where the dialplan has told."""
    asked: frozenset[LegId] | None = None
    """The legs that the core knew before Asterisk was asked; others may be newer than the answer.
    None means every leg."""
    served: DialplanServed | None = None
    """What the dialplan has told of the calls that it served; None when it could not be read."""
    sounds: frozenset[PlaybackId] | None = None
    """The playbacks that Asterisk was asked for; others may be newer. None means every one."""
    concerns: frozenset[CallId] | None = None
    """The calls that this is about, when it was asked while the line was up; None means all."""

    def is_about(self, call: CallId) -> bool:
        """Whether this says anything of a call."""
        return self.concerns is None or call in self.concerns

    def only(self, calls: frozenset[CallId]) -> AsteriskFound:
        """The same of some calls alone, and of no phone."""

        def belongs(identifier: str) -> bool:
            return ids.call_of(identifier) in calls

        return replace(
            self,
            legs={leg: it for leg, it in self.legs.items() if belongs(leg)},
            bridges={bridge: them for bridge, them in self.bridges.items() if belongs(bridge)},
            playbacks=frozenset(filter(belongs, self.playbacks)),
            phones={},
            asked=None if self.asked is None else frozenset(filter(belongs, self.asked)),
            concerns=calls,
        )

    def has_ended(self, playback: PlaybackId) -> bool:
        """Whether Asterisk was asked for a playback and does not have it any more."""
        asked = self.sounds is None or playback in self.sounds
        return asked and playback not in self.playbacks

    def is_gone(self, leg: LegId) -> bool:
        """Whether a leg was there before and is not."""
        return leg not in self.legs and (self.asked is None or leg in self.asked)

    def is_up(self, leg: LegId) -> bool:
        """Whether a leg is there and answered."""
        return leg in self.legs and self.legs[leg].up

    def members(self, call: CallId) -> frozenset[LegId]:
        """Who is in a call's bridge."""
        return self.bridges.get(ids.bridge_of(call), frozenset())

    def aside(self, call: CallId) -> frozenset[LegId]:
        """Who is in a call's other bridge."""
        return self.bridges.get(ids.aside_of(call), frozenset())

    def is_served(self, call: CallId) -> bool:
        """Whether the dialplan has the caller, because no engine claimed them."""
        leg = self.legs.get(ids.caller_leg(call))
        return leg is not None and leg.arrival is None and (leg.up or not ids.is_call_back(call))

    def is_ours(self, call: CallId) -> bool:
        """Whether the caller is there and in our hands."""
        leg = self.legs.get(ids.caller_leg(call))
        return leg is not None and leg.arrival is not None

    def heard_in(self, call: CallId) -> list[PlaybackId]:
        """The call's playbacks that go on."""
        return sorted(each for each in self.playbacks if ids.call_of(each) == call)

    def made_for(self, call: CallId) -> Iterator[tuple[LegId, FoundLeg]]:
        """The phones of operators and agencies that were rung for a call."""
        for leg, found in self.legs.items():
            if not ids.is_caller(leg) and ids.call_of(leg) == call:
                yield leg, found
