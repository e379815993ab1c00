"""One call: its state as data, and the turn in which an event changes it.

The modules ``ivr``, ``waiting``, ``talking``, ``transfer`` and ``ending`` hold what each phase
does; ``transitions`` puts them into one table and decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from ess_pbx.domain import ids
from ess_pbx.domain.config import Agency, Centre
from ess_pbx.domain.effects import Effect, HangUp, Join, Part, Reach, Record, ReleaseAgent, Role
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import BridgeId, CallId, LegId, PlaybackId
from ess_pbx.domain.supervision import Relieved, Supervision


class Phase(StrEnum):
    """Where a call is in its life."""

    ARRIVING = "arriving"
    IVR = "ivr"
    WAITING = "waiting"
    TALKING = "talking"
    CONSULT_RINGING = "consult-ringing"
    """The agency's phone rings; the caller hears music."""
    CONSULT = "consult"
    """Operator and agency speak alone."""
    RETURNING = "returning"
    """The consult failed; the operator hears why, then has the caller back."""
    CONFERENCE = "conference"
    HELD = "held"
    """The operator has put the caller on hold: they hear music."""
    BLIND_RINGING = "blind-ringing"
    """The operator is gone, and an agency's phone rings for the caller."""
    HANDED_OVER = "handed-over"
    """Caller and agency go on without the operator."""
    CALLING_OPERATOR = "calling-operator"
    """Somebody is to be called back: an operator's phone rings for it."""
    CALLING_BACK = "calling-back"
    """The caller's own phone rings; the operator hears that."""
    CALL_BACK_FAILED = "call-back-failed"
    """The caller was not reached, and the operator hears why."""
    ENDED = "ended"


class Direction(StrEnum):
    """Who called whom."""

    IN = "in"
    OUT = "out"


class Then(StrEnum):
    """What follows an information line."""

    END = "end"
    QUEUE = "queue"


class Result(StrEnum):
    """Who or what a call's ending is put down to (after livekit/sip's Termination)."""

    SUCCESS = "success"
    CLIENT = "client"
    SERVER = "server"
    UPSTREAM = "upstream"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Termination:
    """How a call ended; each call has exactly one."""

    result: Result
    reason: str
    ended_by: Role | None


@dataclass(frozen=True, slots=True)
class Leg:
    """A channel of the call that Asterisk holds or was asked to make."""

    role: Role
    party: str
    """The caller's number as shown, an operator's extension or an agency's id."""


@dataclass(frozen=True, slots=True)
class OperatorSide:
    """An operator and the leg to their phone, while offered or talking."""

    agent: str
    leg: LegId


class Standing(StrEnum):
    """Where somebody is whom an operator brings in."""

    RINGING = "ringing"
    INTRODUCED = "introduced"
    """They answered, and hear in a few words what it is."""
    CONSULTED = "consulted"
    """They speak with the operator, apart from the caller."""
    JOINED = "joined"
    """They speak with the caller."""
    HELD = "held"
    """They wait with music."""
    CALLED = "called"
    """Their phone rings, and they join the caller when they answer."""


ON_THE_LINE = frozenset({Standing.CONSULTED, Standing.JOINED, Standing.HELD})


@dataclass(frozen=True, slots=True)
class Party:
    """An agency, a colleague or a supervisor whom an operator brings in, and the leg to them."""

    name: str
    """An agency's id or an operator's extension."""
    leg: LegId
    agency: Agency | None = None
    """None for a colleague or supervisor."""
    contact: int = 0
    """Which of the agency's contacts, from 0."""
    seat: str = ""
    """The operator whose own phone it is, and whom the queue passes by meanwhile."""
    standing: Standing = Standing.RINGING
    since: float = 0.0
    """When they came to the caller, or were left alone with them (monotonic seconds)."""

    @property
    def has_spoken(self) -> bool:
        """Whether they are a colleague who spoke in the call, and may have to write of it."""
        rings = self.standing in (Standing.RINGING, Standing.CALLED)
        return self.agency is None and not rings


@dataclass(frozen=True, slots=True)
class Referral:
    """A transfer that an operator's phone asked for."""

    to: str
    at: float
    """When it did (monotonic seconds)."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the centre remembered of a caller's number when the call came; see ``callers``."""

    prank: bool = False
    """Whether the number is a confirmed prankster's."""
    earlier: CallId | None = None
    """The call before this one, when it ended a short time ago without a human."""
    waited: float = 0.0
    """Seconds since the first of the attempts in vain."""


class Call(Struct, frozen=True):
    """The whole state of a call. Times are monotonic seconds.

    No dataclass: each turn replaces fields many times, which takes that 30 times as long.
    """

    id: CallId
    arrived: float
    known: Known = Known()
    phase: Phase = Phase.ARRIVING
    number: str = ""
    """The caller's number in E.164; empty when there is none."""
    display: str = ""
    """The number as people read it, or why there is none."""
    callable: bool = False
    number_fault: str = ""
    """Why the number cannot be called."""
    called: str = ""
    trunk: str = ""
    direction: Direction = Direction.IN
    earlier: str = ""
    """The call of this caller that nobody answered, and that this one makes up for."""
    unreached: str = ""
    """Why the caller was not reached who was called back."""
    language: str = "id"
    category: str = ""
    queue: str = ""
    priority: int = 5
    """Made of the next four by ``priority.compose``."""
    usual_priority: int = 5
    chosen_priority: int | None = None
    raises: Mapping[str, int] = field(default_factory=dict)
    prank: int | None = None
    """What a confirmed prankster is held to, until something speaks for them."""
    head_start: float = 0.0
    """Seconds of waiting in earlier attempts that count in the queue."""
    silent: bool = False
    """The caller said by key 5 that they cannot speak."""
    speaking: bool = False
    silence_asked: float | None = None
    """When the caller was last asked for key 5."""
    asking: PlaybackId | None = None
    """The same, while it is said into the conversation with the operator."""
    lost_at: float | None = None
    """When the caller last lost the human they had, and began to wait anew."""
    rungs: int = 0
    """Steps of the ladder that are done or passed over."""
    any_skills: bool = False
    """Whether the caller has waited too long to ask for skills."""
    reach: Reach | None = None
    """Whom the call rings beyond its queue, after long waiting."""
    menu: str = ""
    menus: tuple[str, ...] = ()
    """The menus on the way to this one, which is the last of them."""
    repeated: int = 0
    """How often this menu's prompts have played again."""
    information: Then | None = None
    """An information line plays, and this comes after it."""
    legs: dict[LegId, Leg] = field(default_factory=dict)
    bridged: bool = False
    """Whether the call's bridge exists."""
    offers: tuple[OperatorSide, ...] = ()
    """Operators whose phones ring for the call: one, or all at once."""
    operator: OperatorSide | None = None
    parties: tuple[Party, ...] = ()
    """Whom the operator has brought in or rings, in order; each has a leg of its own."""
    rooms: dict[LegId, BridgeId] = field(default_factory=dict)
    """Which bridge each leg is in; one that is in none is alone."""
    on_music: frozenset[LegId] = frozenset()
    """Parties who hear waiting music."""
    introducing: tuple[PlaybackId, ...] = ()
    """What is still being said to an agency that answered."""
    aside_made: bool = False
    """Whether the bridge for consults exists."""
    supervision: Supervision | None = None
    """The supervisor who is with the call."""
    relieved: tuple[Relieved, ...] = ()
    """Operators whose call was taken over, and who are being told."""
    side_bridge: bool = False
    """Whether the bridge for listening exists; it goes with the call."""
    overflows: tuple[Party, ...] = ()
    """Agencies whose phones ring for a caller who waits for operators too."""
    announcements: tuple[str, ...] = ()
    """Prompts the caller has still to hear."""
    playing: PlaybackId | None = None
    prompt: str = ""
    """Name of the prompt that plays to the caller."""
    heard: bool = False
    """Whether Asterisk said that this prompt began."""
    told_place: int | None = None
    """The place in the queue that the announcement which plays tells."""
    music: bool = False
    """Whether the caller hears waiting music, or will when what plays to them has ended."""
    unended: frozenset[PlaybackId] = frozenset()
    """Prompts and tones that were asked for and whose end was not told yet."""
    operator_hears: PlaybackId | None = None
    """Tone or prompt that the operator hears alone during a consult."""
    telling: tuple[PlaybackId, ...] = ()
    """What is being said to the operator's leg alone, in whatever bridge it is."""
    dialled: str = ""
    """Keys of a feature code that the operator has begun."""
    referred: Referral | None = None
    """The transfer that goes on, and that the operator's phone asked for and leaves by."""
    button_refused: float | None = None
    """When the transfer button of the operator's phone was last refused."""
    phone_holds: LegId | None = None
    """The operator's leg while their phone has put us on hold: nothing is heard there."""
    owed: str = ""
    """Prompt that the operator is to hear once their phone is off hold."""
    greeted: bool = False
    made_legs: int = 0
    made_playbacks: int = 0
    termination: Termination | None = None

    @property
    def caller(self) -> LegId:
        """The caller's leg."""
        return ids.caller_leg(self.id)

    @property
    def bridge(self) -> BridgeId:
        """Where the caller speaks with people."""
        return ids.bridge_of(self.id)

    @property
    def aside(self) -> BridgeId:
        """Where operator and agency speak without the caller."""
        return ids.aside_of(self.id)

    @property
    def agency(self) -> Party | None:
        """Whom the operator consulted last."""
        asked = [each for each in self.parties if each.standing is not Standing.CALLED]
        return asked[-1] if asked else None

    def party_on(self, leg: LegId) -> Party | None:
        """The party of this leg."""
        return next((each for each in self.parties if each.leg == leg), None)

    def standing(self, *standings: Standing) -> tuple[Party, ...]:
        """The parties who stand so."""
        return tuple(each for each in self.parties if each.standing in standings)


class Places(Protocol):
    """What a call may ask the queue at once, without being told later."""

    def position(self, call: CallId, /) -> int | None:
        """Which of its queue's waiting calls this is, from 1; None when it does not wait."""

    def is_free(self, agent: str, /) -> bool:
        """Whether an operator is there and has no call."""

    def free_supervisors(self) -> Sequence[str]:
        """Supervisors whose phones can be rung now."""


class NoPlaces:
    """A queue in which nobody waits, and nobody sits."""

    def position(self, _: CallId, /) -> int | None:
        """None, whoever asks."""
        return None

    def is_free(self, _: str, /) -> bool:
        """Nobody is."""
        return False

    def free_supervisors(self) -> Sequence[str]:
        """There are none."""
        return ()


class Turn:
    """One event being decided: the call as it becomes, and the effects in order."""

    def __init__(
        self,
        call: Call,
        now: float,
        centre: Centre,
        local: datetime | None = None,
        *,
        holiday: bool = False,
        queue: Places | None = None,
        hurry: float = 1.0,
        district: Callable[[], str] = str,
    ) -> None:
        self.call = call
        self.now = now
        self.centre = centre
        self.local = local
        """The centre's local time as it was last read; None before the first reading."""
        self.holiday = holiday
        """Whether that day is a holiday of the roster."""
        self.queue: Places = NoPlaces() if queue is None else queue
        """The queue as it was before this turn."""
        self.hurry = hurry
        """The ladder comes so many times as early; 1 as the policy says."""
        self.district = district
        """The kecamatan in the report of this call; empty when there is none."""
        self._effects: list[Effect] = []
        self._given_back: list[Effect] = []

    def set(self, **changes: Any) -> None:
        """Replace fields of the call."""
        self.call = replace(self.call, **changes)

    def do(self, *effects: Effect) -> None:
        """Add effects, carried out in this order."""
        self._effects.extend(effects)

    def give_back(self, party: Party) -> None:
        """The queue may ring a borrowed phone again, when all else of this turn is done.

        Whoever waits because of it is in the queue by then, and what rang there has stopped.
        """
        if party.seat:
            self._given_back.append(ReleaseAgent(self.call.id, party.seat, party.has_spoken))

    @property
    def effects(self) -> list[Effect]:
        """All that is to be done."""
        return [*self._effects, *self._given_back]

    def record(self, kind: FactKind, **data: JSON) -> None:
        """Write a fact of this call into the journal."""
        self.do(Record(self.call.id, kind, data))

    def join(self, room: BridgeId, *legs: LegId) -> None:
        """Put legs into a bridge, from wherever they are."""
        self.do(Join(room, legs))
        self.set(rooms={**self.call.rooms, **dict.fromkeys(legs, room)})

    def part(self, leg: LegId) -> None:
        """Take a leg out of the bridge that it is in, if it is in one."""
        rooms = dict(self.call.rooms)
        room = rooms.pop(leg, None)
        if room is not None:
            self.do(Part(room, leg))
            self.set(rooms=rooms)

    def hang_up(self, leg: LegId) -> None:
        """End a leg, which leaves its bridge by that."""
        self.do(HangUp(leg))
        self.leaves(leg)

    def leaves(self, leg: LegId) -> None:
        """A leg is in no bridge of the call any more, by what was done already."""
        rooms = {each: room for each, room in self.call.rooms.items() if each != leg}
        self.set(rooms=rooms, on_music=self.call.on_music - {leg})

    def add_leg(self, leg: LegId, role: Role, party: str) -> None:
        """Count a leg as the call's, before Asterisk is asked to make it."""
        self.set(legs={**self.call.legs, leg: Leg(role, party)}, made_legs=self.call.made_legs + 1)

    def drop_leg(self, leg: LegId, cause: int) -> None:
        """A leg is gone from Asterisk."""
        legs = dict(self.call.legs)
        gone = legs.pop(leg, None)
        if gone is not None:
            rooms = {each: room for each, room in self.call.rooms.items() if each != leg}
            self.set(legs=legs, rooms=rooms, on_music=self.call.on_music - {leg})
        if gone is not None and gone.role is not Role.SNOOP:
            self.record(FactKind.LEG_ENDED, leg=leg, role=gone.role, party=gone.party, cause=cause)

    def new_playback(
        self, prompt: str, to: Role = Role.CALLER, *, position: int | None = None
    ) -> PlaybackId:
        """The id of the next prompt or tone, on record: the next engine may have to stop it.

        ``position`` is the place in the queue that a waiting caller is told with it.
        """
        number = self.call.made_playbacks + 1
        playback = ids.playback(self.call.id, number)
        self.set(made_playbacks=number, unended=self.call.unended | {playback})
        self.record(FactKind.ANNOUNCED, prompt=prompt, position=position, playback=playback, to=to)
        return playback
