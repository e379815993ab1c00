"""One call: its state as data, and the turn in which an event changes it.

The modules ``ivr``, ``waiting``, ``talking``, ``transfer`` and ``ending`` hold what each phase
does; ``transitions`` puts them into one table and decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from ess_pbx.domain import ids
from ess_pbx.domain.config import Agency, Centre
from ess_pbx.domain.effects import Effect, Reach, Record, Role
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


@dataclass(frozen=True, slots=True)
class AgencySide:
    """An agency and the leg to it."""

    agency: Agency
    leg: LegId


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
    agency: AgencySide | None = None
    supervision: Supervision | None = None
    """The supervisor who is with the call."""
    relieved: tuple[Relieved, ...] = ()
    """Operators whose call was taken over, and who are being told."""
    side_bridge: bool = False
    """Whether the bridge for listening exists; it goes with the call."""
    overflows: tuple[AgencySide, ...] = ()
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
    unended: frozenset[PlaybackId] = frozenset()
    """Prompts and tones that were asked for and whose end was not told yet."""
    operator_hears: PlaybackId | None = None
    """Tone or prompt that the operator hears alone during a consult."""
    dialled: str = ""
    """Keys of a feature code that the operator has begun."""
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
        """The call's bridge."""
        return ids.bridge_of(self.id)

    @property
    def talkers(self) -> frozenset[LegId]:
        """The legs that are to be in the call's bridge."""
        operator = self.operator.leg if self.operator else None
        agency = self.agency.leg if self.agency else None
        legs: tuple[LegId | None, ...] = ()
        supervisor = self.supervision.in_call if self.supervision else None
        match self.phase:
            case Phase.TALKING:
                legs = self.caller, operator, supervisor
            case Phase.CONSULT_RINGING | Phase.RETURNING:
                legs = operator, supervisor
            case Phase.CALLING_BACK | Phase.CALL_BACK_FAILED:
                legs = (operator,)
            case Phase.CONSULT:
                legs = operator, agency, supervisor
            case Phase.CONFERENCE:
                legs = self.caller, operator, agency, supervisor
            case Phase.HANDED_OVER:
                legs = self.caller, agency, supervisor
            case _:
                pass
        return frozenset(leg for leg in legs if leg is not None)


class Places(Protocol):
    """What a call may ask the queue at once, without being told later."""

    def position(self, call: CallId, /) -> int | None:
        """Which of its queue's waiting calls this is, from 1; None when it does not wait."""


class NoPlaces:
    """A queue in which nobody waits."""

    def position(self, _: CallId, /) -> int | None:
        """None, whoever asks."""
        return None


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
        self.effects: list[Effect] = []

    def set(self, **changes: Any) -> None:
        """Replace fields of the call."""
        self.call = replace(self.call, **changes)

    def do(self, *effects: Effect) -> None:
        """Add effects, carried out in this order."""
        self.effects.extend(effects)

    def record(self, kind: FactKind, **data: JSON) -> None:
        """Write a fact of this call into the journal."""
        self.do(Record(self.call.id, kind, data))

    def add_leg(self, leg: LegId, role: Role, party: str) -> None:
        """Count a leg as the call's, before Asterisk is asked to make it."""
        self.set(legs={**self.call.legs, leg: Leg(role, party)}, made_legs=self.call.made_legs + 1)

    def drop_leg(self, leg: LegId, cause: int) -> None:
        """A leg is gone from Asterisk."""
        legs = dict(self.call.legs)
        gone = legs.pop(leg, None)
        if gone is None:
            return
        self.set(legs=legs)
        if gone.role is not Role.SNOOP:
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
