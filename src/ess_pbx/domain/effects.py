"""What the core wants done: data that the engine carries out, in the order given.

Effects addressed to Asterisk become exactly one ARI request each. ``QueueEffect`` s never leave the
core: they are what a call asks of the ACD; nor does ``Ask``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from ess_pbx.domain.commands import Command
from ess_pbx.domain.events import Reference, TimerId
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import BridgeId, CallId, LegId, PlaybackId


class Role(StrEnum):
    """What a leg is in its call."""

    CALLER = "caller"
    OPERATOR = "operator"
    AGENCY = "agency"
    COLLEAGUE = "colleague"
    """Another operator, or a supervisor, whom the operator of the call brings in."""
    SUPERVISOR = "supervisor"
    SNOOP = "snoop"
    """Nobody: the channel by which a supervisor hears an operator's."""
    STAFF = "staff"
    """An operator on their own phone, who is called in."""
    TEST = "test"
    """The end of a test call that sends it (``domain.synthetic``)."""
    OUTSIDE = "outside"
    """Somebody whom an operator calls by themselves, as the centre allows it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the caller."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a leg."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class Refuse:
    """An operator's own call cannot be placed: their phone is told that there is no such number."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class Originate:
    """Ring a phone.

    ``address`` is an operator's extension, an agency's SIP URI, or a number: of a caller who is
    called back (E.164), or an agency's on ``trunk``.
    """

    call: CallId
    leg: LegId
    role: Role
    address: str
    number: str
    name: str
    """Number and name that the phone shows."""
    timeout: float
    """Seconds after which Asterisk itself gives up; the core's own timer is shorter."""
    trunk: str = ""
    """The trunk that a caller's own call came by, through which the call back goes out; or the one
    of an agency's number."""
    answers_itself: bool = False
    """Whether the phone is asked to pick up by itself, as a headset's is."""
    centre: str = ""
    """Whose call it is, for the dialplan when no engine is there: of a caller called back."""
    reference: Reference | None = None
    """What a neighbouring centre is told of the call."""


class TransferOutcome(StrEnum):
    """What a phone is told of the transfer that it asked for."""

    DONE = "done"
    """Somebody has answered; the phone may leave."""
    FAILED = "failed"
    """Nobody was reached."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AnswerTransfer:
    """Tell the phone at a leg how the transfer goes that it asked for (NOTIFY, RFC 3515 §2.4.4)."""

    leg: LegId
    outcome: TransferOutcome


@dataclass(frozen=True, slots=True)
class ToDialplan:
    """Let the dialplan offer a caller to the engines once more; all that they hear stops."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class CreateBridge:
    """Make the call's bridge."""

    bridge: BridgeId


@dataclass(frozen=True, slots=True)
class Join:
    """Put legs into a bridge, where they hear each other."""

    bridge: BridgeId
    legs: tuple[LegId, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Take a leg out of a bridge; it goes on, alone."""

    bridge: BridgeId
    leg: LegId


@dataclass(frozen=True, slots=True)
class DestroyBridge:
    """Delete a bridge that is empty."""

    bridge: BridgeId


@dataclass(frozen=True, slots=True)
class Snoop:
    """Make a channel that hears both directions of another, and with ``whisper`` speaks to its
    phone alone.
    """

    target: LegId
    snoop: LegId
    whisper: bool


@dataclass(frozen=True, slots=True)
class PlayPrompt:
    """Play a prompt of the catalogue to a leg, or into a bridge."""

    target: LegId | BridgeId
    in_bridge: bool
    playback: PlaybackId
    prompt: str
    language: str


@dataclass(frozen=True, slots=True)
class PlaySpeech:
    """Say a text that no catalogue can hold, such as a place, to a leg."""

    target: LegId
    playback: PlaybackId
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class PlayTone:
    """Play a tone of the country's indications (``ring``) into a bridge until it is stopped."""

    bridge: BridgeId
    playback: PlaybackId
    tone: str


@dataclass(frozen=True, slots=True)
class StopPlayback:
    """Stop a prompt or tone."""

    playback: PlaybackId


@dataclass(frozen=True, slots=True)
class StartMusic:
    """Play waiting music to a leg."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class StopMusic:
    """End waiting music."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class ArmTimer:
    """Send ``TimerFired`` or ``AgentTimerFired`` after some seconds; replaces one of this name."""

    timer: TimerId
    seconds: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer."""

    timer: TimerId


@dataclass(frozen=True, slots=True)
class Record:
    """Write a fact into the journal."""

    call: CallId | None
    kind: FactKind
    data: dict[str, JSON] = field(default_factory=dict)
    at: float | None = None
    """Epoch seconds at which it was so, when that was not now."""
    id: str | None = None
    """The fact's id, when it may be recorded more than once."""


@dataclass(frozen=True, slots=True)
class Forget:
    """The call is over and nothing of it is left in Asterisk."""

    call: CallId


@dataclass(frozen=True, slots=True)
class Illegal:
    """An event that cannot happen in this state did; it is logged and changes nothing."""

    call: CallId
    state: str
    event: str


@dataclass(frozen=True, slots=True)
class Defect:
    """What concerns one call could not be decided; the others went on. It is logged."""

    call: CallId
    step: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that cannot be carried out; nothing was changed."""

    code: str
    """Stable, for programs: ``unknown-operator``, ``not-on-break``, …"""
    detail: str
    """For people: what was found and what was expected."""


class Reach(StrEnum):
    """Whom a call rings at once, idle ones all together, when the ladder has come so far."""

    EVERYONE = "everyone"
    """All operators on shift, of any queue and skill."""
    SUPERVISORS = "supervisors"
    """All of the call's queue, and the supervisors."""
    ALL = "all"
    """All operators on shift, and the supervisors."""


@dataclass(frozen=True, slots=True)
class CheckPin:
    """Compare an operator's PIN; ``events.PinChecked`` answers. It is slow by design (argon2)."""

    call: CallId
    agent: str
    pin: str = field(repr=False)
    """Never to be written anywhere."""


@dataclass(frozen=True, slots=True)
class JoinQueue:
    """Queue the call, or move it; waiting time counts from ``since`` (monotonic seconds)."""

    call: CallId
    queue: str
    priority: int
    since: float
    skills: frozenset[str] = frozenset()
    """What the operator should have; while nobody there has it, anyone of the queue will do."""
    reach: Reach | None = None
    """Who is rung beyond that, whatever they can do."""
    offered_to: tuple[str, ...] = ()
    """Operators whose phones ring for the call already, when an engine takes it over."""


@dataclass(frozen=True, slots=True)
class LeaveQueue:
    """The call no longer wants an operator; offers in flight are withdrawn."""

    call: CallId


@dataclass(frozen=True, slots=True)
class OfferTaken:
    """An operator who was offered the call answered; other offers of it are withdrawn."""

    call: CallId
    agent: str


@dataclass(frozen=True, slots=True)
class OfferMissed:
    """An operator who was offered the call did not answer (RONA), refused or could not be rung."""

    call: CallId
    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseAgent:
    """The operator's part in the call is over; wrap-up begins, if there is anything to report."""

    call: CallId
    agent: str
    wrap_up: bool = True


@dataclass(frozen=True, slots=True)
class Borrow:
    """An idle operator is rung beside the queue, by a colleague; ``ReleaseAgent`` gives them back.

    No offer: nothing counts against who does not answer.
    """

    call: CallId
    agent: str


@dataclass(frozen=True, slots=True)
class Attend:
    """A supervisor is with the call, and is offered none; ``OfferTaken`` when they take it over,
    ``ReleaseAgent`` when they leave it.
    """

    call: CallId
    agent: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What an operator asks of the centre on the keys of their phone; it never leaves the core."""

    command: Command


AsteriskEffect: TypeAlias = (
    Answer
    | HangUp
    | Refuse
    | Originate
    | AnswerTransfer
    | ToDialplan
    | CreateBridge
    | Join
    | Part
    | DestroyBridge
    | Snoop
    | PlayPrompt
    | PlaySpeech
    | PlayTone
    | StopPlayback
    | StartMusic
    | StopMusic
)
QueueEffect: TypeAlias = (
    JoinQueue | LeaveQueue | OfferTaken | OfferMissed | ReleaseAgent | Borrow | Attend
)
EngineEffect: TypeAlias = (
    AsteriskEffect
    | ArmTimer
    | CancelTimer
    | Record
    | Forget
    | Illegal
    | Defect
    | Refused
    | CheckPin
)
Effect: TypeAlias = EngineEffect | QueueEffect | Ask
