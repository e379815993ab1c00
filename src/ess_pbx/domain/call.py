"""One call: its state as data, and the turn in which an event changes it.

The modules ``ivr``, ``waiting``, ``talking``, ``transfer`` and ``ending`` hold what each phase
does; ``transitions`` puts them into one table and decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from ess_pbx.domain import ids
from ess_pbx.domain.config import Agency, Centre
from ess_pbx.domain.effects import Effect, Record, Role
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import BridgeId, CallId, LegId, PlaybackId


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
    ENDED = "ended"


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
class Call:
    """The whole state of a call. Times are monotonic seconds."""

    id: CallId
    arrived: float
    phase: Phase = Phase.ARRIVING
    number: str = ""
    """The caller's number in E.164; empty when there is none."""
    display: str = ""
    """The number as people read it, or why there is none."""
    callable: bool = False
    called: str = ""
    language: str = "id"
    category: str = ""
    queue: str = ""
    priority: int = 5
    rungs: int = 0
    """Steps of the ladder that are done."""
    any_skills: bool = False
    """Whether the caller has waited too long to ask for skills."""
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
    offer: OperatorSide | None = None
    operator: OperatorSide | None = None
    agency: AgencySide | None = None
    announcements: tuple[str, ...] = ()
    """Prompts the caller has still to hear."""
    playing: PlaybackId | None = None
    prompt: str = ""
    """Name of the prompt that plays to the caller."""
    heard: bool = False
    """Whether Asterisk said that this prompt began."""
    music: bool = False
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
        match self.phase:
            case Phase.TALKING:
                legs = self.caller, operator
            case Phase.CONSULT_RINGING | Phase.RETURNING:
                legs = (operator,)
            case Phase.CONSULT:
                legs = operator, agency
            case Phase.CONFERENCE:
                legs = self.caller, operator, agency
            case Phase.HANDED_OVER:
                legs = self.caller, agency
            case _:
                pass
        return frozenset(leg for leg in legs if leg is not None)


class Turn:
    """One event being decided: the call as it becomes, and the effects in order."""

    def __init__(
        self, call: Call, now: float, centre: Centre, local: datetime | None = None
    ) -> None:
        self.call = call
        self.now = now
        self.centre = centre
        self.local = local
        """The centre's local time as it was last read; None before the first reading."""
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
        if gone is not None:
            self.set(legs=legs)
            self.record(FactKind.LEG_ENDED, leg=leg, role=gone.role, party=gone.party, cause=cause)

    def new_playback(self, prompt: str, to: Role = Role.CALLER) -> PlaybackId:
        """The id of the next prompt or tone, on record: the next engine may have to stop it."""
        number = self.call.made_playbacks + 1
        self.set(made_playbacks=number)
        playback = ids.playback(self.call.id, number)
        self.record(FactKind.ANNOUNCED, prompt=prompt, playback=playback, to=to)
        return playback
