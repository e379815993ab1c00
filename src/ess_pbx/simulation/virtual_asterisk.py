"""A small Asterisk in memory: it takes the core's effects and answers with the core's events.

Requests lie in ``requests`` until they are carried out, and what they cause lies in ``events``
until the core hears of it, so that the two cross as they do on a real line. Failures come back as
``ess_pbx.engine.executor`` gives them back. What no engine may ask is an ``ImpossibleRequest``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from ess_pbx.domain.effects import (
    Answer,
    AsteriskEffect,
    CreateBridge,
    DestroyBridge,
    HangUp,
    Join,
    Originate,
    Part,
    PlayPrompt,
    PlaySpeech,
    PlayTone,
    Refuse,
    Role,
    Snoop,
    Sound,
    StartMusic,
    StartSound,
    StopMusic,
    StopPlayback,
    StopSound,
    ToDialplan,
)
from ess_pbx.domain.events import (
    Arrived,
    CallEvent,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    PlaybackBegan,
    PlaybackEnded,
    SpeechBegan,
    SpeechEnded,
)
from ess_pbx.domain.found import AsteriskFound, FoundLeg
from ess_pbx.domain.ids import (
    BridgeId,
    CallId,
    LegId,
    PlaybackId,
    call_of,
    caller_leg,
    is_call_back,
    is_called_back,
)

NORMAL, BUSY, DEAD = 16, 17, 20
HUNG_UP = 32
"""What Asterisk tells of a caller whom the engine hung up (``AST_SOFTHANGUP_EXPLICIT``), but not of
one whom it called."""
Place: TypeAlias = "LegId | BridgeId"


class ImpossibleRequest(AssertionError):  # noqa: N818 - it is no error of this program
    """The core asked what no Asterisk can do, or what harms a caller."""


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ImpossibleRequest(otherwise)


def arrival(call: CallId, invited_at: float) -> Arrived:
    """A call from a mobile phone. Few numbers, so that some call again."""
    number = f"+6281{int(re.findall('[0-9]+', call)[0]) % 3}"
    return Arrived(
        call, number, number, number, "112", "telco", callable=True, invited_at=invited_at
    )


@dataclass
class Channel:
    """A leg as Asterisk holds it."""

    role: Role
    address: str
    up: bool = False
    music: bool = False
    """It is heard, or will be when the prompts that play have ended."""
    bridge: BridgeId | None = None
    sound: Sound | None = None
    kept_keys: str = ""
    """Pressed alone in a bridge: Asterisk tells them again once somebody else comes (0024)."""
    spied: LegId | None = None
    """The leg that a snoop channel hears."""
    whispers: bool = False
    served: bool = False
    """In the dialplan's hands: of no concern to the engine."""


@dataclass
class VirtualAsterisk:
    """Channels, bridges and what plays to them."""

    channels: dict[LegId, Channel] = field(default_factory=dict)
    bridges: set[BridgeId] = field(default_factory=set)
    playing: dict[Place, list[PlaybackId]] = field(default_factory=dict)
    """Playbacks of a channel or bridge; the first is heard, the others wait for its end."""
    tones: set[PlaybackId] = field(default_factory=set)
    """Playbacks that go on until they are stopped."""
    requests: deque[AsteriskEffect] = field(default_factory=deque)
    events: deque[CallEvent] = field(default_factory=deque)
    made: set[str] = field(default_factory=set)
    """Every leg and playback that there ever was: no id is used again."""
    refuses_phones: bool = False
    refuses_snoops: bool = False
    loses_phones: bool = False
    """An originate is neither carried out nor answered, as when the request timed out."""
    plays_nothing: bool = False
    arrivals: Callable[[CallId, float], Arrived] = arrival
    """A caller's arrival, as it is told again whenever the dialplan offers them."""
    offers: Callable[[LegId], None] | None = None
    """Takes a caller who is sent back to the dialplan; without it they are the engine's at once."""
    gone: Callable[[LegId, int], None] | None = None
    """Hears of each leg that has ended, and the cause."""
    unreachable: set[str] = field(default_factory=set)
    """Addresses of phones that are not registered."""
    refusals: dict[LegId, int] = field(default_factory=dict)
    """Legs whose far end refuses at once, before it rings, and the cause."""
    unseen: set[PlaybackId] = field(default_factory=set)
    """Playbacks of which the engine believes that they never began: the answer did not come."""
    lost_line: bool = False
    """What was asked last may be asked once more: the next engine does not know of it."""
    lost_requests: bool = False
    """Requests may have been lost on the way: what the engine believes may not be so here."""

    # what is asked

    def carry_out(self) -> None:
        """Do the request that has waited longest."""
        match self.requests.popleft():
            case Answer(leg) | ToDialplan(leg) | StartMusic(leg) | StopMusic(leg) if self._served(
                leg
            ):
                pass  # Asterisk says 409
            case Answer(leg) if leg in self.channels and self.channels[leg].up:
                pass  # Asterisk says 204, and tells nothing
            case Answer(leg) if leg in self.channels:
                self.channels[leg].up = True
                self.channels[leg].music = False
                self._tell(LegAnswered(call_of(leg), leg))
            case HangUp(leg) | Refuse(leg):
                came = leg == caller_leg(call_of(leg)) and not is_called_back(leg)
                cause = HUNG_UP if came else NORMAL
                self._end(leg, cause if leg in self.channels else DEAD)
            case Originate() as wanted:
                self._originate(wanted)
            case ToDialplan(leg) if leg in self.channels:
                self._offer_again(leg)
            case CreateBridge(bridge):
                _must(bridge not in self.bridges or self.lost_requests, f"{bridge} exists")
                self.bridges.add(bridge)
            case Join(bridge, legs):
                self._join(bridge, legs)
            case Part(bridge, leg):
                if leg in self.channels and self.channels[leg].bridge == bridge:
                    self._leave(self.channels[leg])
            case DestroyBridge(bridge):
                _must(not self.members(bridge), f"{bridge} is not empty (asterisk#1201)")
                _must(bridge in self.bridges or self.lost_requests, f"{bridge} does not exist")
                self.bridges.discard(bridge)
                for playback in list(self.playing.get(bridge, ())):
                    self.playback_over(playback)
            case Snoop(target, snoop, whisper):
                self._snoop(target, snoop, whisper)
            case PlayPrompt(target, _, playback):
                self._play(target, playback)
            case PlaySpeech(leg, playback):
                self._play(leg, playback)
            case PlayTone(bridge, playback):
                self.tones.add(playback)
                self._play(bridge, playback)
            case StopPlayback(playback):
                self.playback_over(playback)
            case StartMusic(leg) | StopMusic(leg) as change if leg in self.channels:
                _must(self.channels[leg].bridge is None, "music to a leg in a bridge")
                self.channels[leg].music = isinstance(change, StartMusic)

            case StartSound(leg, sound) if leg in self.channels:
                _must(self.channels[leg].bridge is None, "a sound to a leg in a bridge")
                self.channels[leg].sound = sound
            case StopSound(leg, sound) if leg in self.channels:
                if self.channels[leg].sound is sound:
                    self.channels[leg].sound = None

    # what the world does

    def calls(self, call: CallId, address: str = "112") -> None:
        """A caller's channel enters the application, or an operator's own from ``address``."""
        self.channels[caller_leg(call)] = Channel(Role.CALLER, address)

    def picks_up(self, leg: LegId) -> None:
        """The far end answers."""
        self.channels[leg].up = True
        self._tell(LegAnswered(call_of(leg), leg))

    def hangs_up(self, leg: LegId, cause: int) -> None:
        """The far end hangs up, refuses, or is cut off."""
        self._end(leg, cause)

    def presses(self, leg: LegId, key: str) -> None:
        """A key."""
        if self._served(leg):
            return
        channel = self.channels.get(leg)
        if channel is not None and channel.bridge and self.members(channel.bridge) == {leg}:
            channel.kept_keys += key
        self._tell(KeyPressed(call_of(leg), leg, key))

    def speaks(self, leg: LegId, speaks: bool) -> None:
        """Speech begins or ends; as Asterisk, it may say so twice."""
        if not self._served(leg):
            self._tell((SpeechBegan if speaks else SpeechEnded)(call_of(leg), leg))

    def playback_over(self, playback: PlaybackId) -> None:
        """A prompt came to its end, or is stopped; nothing for one that is not there."""
        for place, queue in self.playing.items():
            if playback in queue:
                heard = queue[0] == playback
                queue.remove(playback)
                self._tell(PlaybackEnded(call_of(playback), playback))
                if heard and queue:
                    self._tell(PlaybackBegan(call_of(queue[0]), queue[0]))
                if not queue:
                    del self.playing[place]
                return

    # what can be seen

    def members(self, bridge: BridgeId) -> set[LegId]:
        """The legs that hear each other there."""
        return {leg for leg, channel in self.channels.items() if channel.bridge == bridge}

    def is_busy(self, address: str) -> bool:
        """Whether a phone rings, or somebody speaks on it."""
        return any(channel.address == address for channel in self.channels.values())

    def humans_heard_by(self, leg: LegId) -> set[LegId]:
        """Who talks with this leg."""
        bridge = self.channels[leg].bridge
        return self.members(bridge) - {leg} if bridge is not None else set()

    def spoken_to_by(self, leg: LegId) -> set[LegId]:
        """By whom somebody is heard: in their bridge, and through a snoop that whispers."""
        bridge = self.channels[leg].bridge
        heard: set[LegId] = set()
        for each in self.members(bridge) - {leg} if bridge is not None else set():
            channel = self.channels[each]
            if channel.spied is None:
                heard.add(each)
            elif channel.whispers:
                heard.add(channel.spied)
        return heard

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way in either direction."""
        return not self.requests and not self.events

    def found(
        self,
        wall: float,
        asked: frozenset[LegId],
        sounds: frozenset[PlaybackId],
        desks: Collection[str] = (),
    ) -> AsteriskFound:
        """All that is there, as the engine gathers it after a connect."""
        heard = {playback for queue in self.playing.values() for playback in queue}
        return AsteriskFound(
            legs={
                leg: FoundLeg(
                    channel.up,
                    channel.address,
                    self._arrival(leg, wall),
                    at_desk=leg in desks,
                )
                for leg, channel in self.channels.items()
            },
            bridges={bridge: frozenset(self.members(bridge)) for bridge in self.bridges},
            wall=wall,
            playbacks=sounds & heard,
            asked=asked,
            sounds=sounds,
        )

    def loses_the_line(self, carried_out: int) -> None:
        """Some requests still arrive, the rest does not; nothing is told."""
        self.lost_line = True
        for _ in range(min(carried_out, len(self.requests))):
            self.carry_out()
        self.requests.clear()
        self.events.clear()

    def _arrival(self, leg: LegId, wall: float) -> Arrived | None:
        channel = self.channels[leg]
        ours = (
            channel.role is Role.CALLER
            and not channel.served
            and not leg.startswith("d-")
            and (channel.up or not is_call_back(leg))
        )
        return self.arrivals(call_of(leg), wall) if ours else None

    def _offer_again(self, leg: LegId) -> None:
        for playback in list(self.playing.get(leg, ())):
            self.playback_over(playback)
        channel = self.channels[leg]
        self._leave(channel)
        channel.music, channel.sound = channel.up, None  # music by the dialplan
        if self.offers is not None:
            self.offers(leg)
            return
        self._tell(replace(self.arrivals(call_of(leg), 0.0), up=channel.up))

    def _served(self, leg: LegId) -> bool:
        return leg in self.channels and self.channels[leg].served

    def _is_dialled(self, address: str) -> bool:
        return any(c.served and c.address == address for c in self.channels.values())

    def _tell(self, event: CallEvent) -> None:
        self.events.append(event)

    def _originate(self, wanted: Originate) -> None:
        # That somebody was called back may be torn off the journal; they have one leg's name.
        unknown = self.lost_line or self.lost_requests
        again = unknown and is_called_back(wanted.leg) and wanted.leg not in self.channels
        _must(wanted.leg not in self.made or again, f"{wanted.leg} was made before")
        self.made.add(wanted.leg)
        same = {c.address for c in self.channels.values() if c.role is Role.OPERATOR}
        if (self.lost_requests and wanted.address in same) or self._is_dialled(wanted.address):
            self._tell(LegGone(wanted.call, wanted.leg, BUSY))
            return
        _must(wanted.address not in same, f"{wanted.address} is in another call")
        if self.loses_phones:
            return
        if self.refuses_phones or wanted.address in self.unreachable:
            self._tell(LegGone(wanted.call, wanted.leg, DEAD))
            return
        if (cause := self.refusals.pop(wanted.leg, None)) is not None:
            self._tell(LegGone(wanted.call, wanted.leg, cause))
            return
        self.channels[wanted.leg] = Channel(wanted.role, wanted.address)
        self._tell(LegRang(wanted.call, wanted.leg))

    def _snoop(self, target: LegId, snoop: LegId, whisper: bool) -> None:
        _must(snoop not in self.channels, f"{snoop} exists")
        if target not in self.channels or self.refuses_snoops:
            self._tell(LegGone(call_of(snoop), snoop, DEAD))
            return
        _must(target != caller_leg(call_of(snoop)), "a caller is never listened to")
        self.made.add(snoop)
        channel = Channel(Role.SNOOP, "", up=True, spied=target, whispers=whisper)
        self.channels[snoop] = channel
        if not self.loses_phones:
            self._tell(LegAnswered(call_of(snoop), snoop))

    def _join(self, bridge: BridgeId, legs: tuple[LegId, ...]) -> None:
        _must(bridge in self.bridges or self.lost_requests, f"{bridge} does not exist")
        if bridge not in self.bridges or any(
            leg not in self.channels or self.channels[leg].served for leg in legs
        ):
            return  # Asterisk joins all of them or, with a 4xx, none
        for leg in legs:
            # Of a sound whose request was not answered the engine does not know that it plays.
            _must(not self.channels[leg].music or self.lost_requests, "music goes on in a bridge")
            known = any(each not in self.unseen for each in self.playing.get(leg, ()))
            heard = known and not self.lost_requests
            _must(not heard, "a prompt goes on in a bridge")
            _must(self.channels[leg].sound is None or self.lost_requests, "a sound in a bridge")
            if self.channels[leg].bridge != bridge:
                self._leave(self.channels[leg])
            self.channels[leg].bridge = bridge
        members = self.members(bridge)
        for leg in members if len(members) > 1 else ():
            keys, self.channels[leg].kept_keys = self.channels[leg].kept_keys, ""
            for key in keys:
                self._tell(KeyPressed(call_of(leg), leg, key))

    def _leave(self, channel: Channel) -> None:
        channel.bridge, channel.kept_keys = None, ""

    def _play(self, place: Place, playback: PlaybackId) -> None:
        _must(playback not in self.made, f"{playback} was made before")
        self.made.add(playback)
        there = place in self.channels or place in self.bridges
        there = there and not self._served(LegId(place))
        if not there or (self.plays_nothing and playback not in self.tones):
            self._tell(PlaybackEnded(call_of(playback), playback))
            return
        if place in self.channels:
            channel = self.channels[LegId(place)]
            bridge = channel.bridge
            alone = bridge is None or place != caller_leg(call_of(bridge))
            _must(alone, "a prompt to a caller in a bridge, who then hears nobody")
            # A file ends whatever was generated.
            channel.music, channel.sound = False, None
        queue = self.playing.setdefault(place, [])
        queue.append(playback)
        if len(queue) == 1:
            self._tell(PlaybackBegan(call_of(playback), playback))

    def _end(self, leg: LegId, cause: int) -> None:
        """A leg goes, and what played to it; one that is not there answers 404, which says so."""
        for playback in list(self.playing.get(leg, ())):
            self.playback_over(playback)
        gone = self.channels.pop(leg, None)
        if gone is None or not gone.served:
            self._tell(LegGone(call_of(leg), leg, cause))
        if gone is not None:
            if self.gone is not None:
                self.gone(leg, cause)
            for snoop in [s for s, c in self.channels.items() if c.spied == leg]:
                self._end(snoop, NORMAL)
