"""What people ask of a centre, by API, command line or phone: each is decided like any event.

Whoever may ask for what is settled before (``ess_pbx.web``, feature codes); the core decides what
it means now. A command that cannot be carried out comes back as ``effects.Refused``. What is done
is on record with who asked: facts with ``by`` and ``via`` are the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ess_pbx.domain.events import CentreEvent
from ess_pbx.domain.ids import CallId


class Via(StrEnum):
    """The way a command came."""

    API = "api"
    CLI = "cli"
    PHONE = "phone"
    NEIGHBOUR = "neighbour"
    """Another installation, whose signature was right."""
    SYSTEM = "system"
    """Nobody asked: a rule of the centre, such as too many missed offers."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked: an extension, the administrator's account name, or the rule's name."""

    name: str
    via: Via

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a fact that belongs in the audit log."""
        return {"by": self.name, "via": str(self.via)}


@dataclass(frozen=True, slots=True)
class Command(CentreEvent):
    """Something that a person wants done."""

    by: Asker


@dataclass(frozen=True, slots=True)
class EndBreak(Command):
    """An operator who is on break takes calls again."""

    agent: str


@dataclass(frozen=True, slots=True)
class LogIn(Command):
    """An operator is at their place; calls come while they are on shift."""

    agent: str


@dataclass(frozen=True, slots=True)
class LogOut(Command):
    """An operator leaves their place; a call in hand goes on."""

    agent: str


@dataclass(frozen=True, slots=True)
class TakeBreak(Command):
    """Calls pass an operator by; a call in hand goes on."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class MoveOperator(Command):
    """An operator is offered the calls of these queues until their duty ends; of none: of their
    own again.
    """

    agent: str
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndWrapUp(Command):
    """The report is written before its time is over: the next call may come."""

    agent: str


class Mark(StrEnum):
    """What a call was (Cilegon's SOP)."""

    NORMAL = "normal"
    GHOST = "ghost"
    PRANK = "prank"
    INFORMATION = "informasi"


@dataclass(frozen=True, slots=True)
class MarkCall(Command):
    """Say what a call was, during it or after; a later mark replaces an earlier one."""

    call: CallId
    mark: Mark
    note: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmPrank(Command):
    """A number's pranks are confirmed: its calls wait behind others for a while."""

    number: str
    """E.164."""
    reason: str


@dataclass(frozen=True, slots=True)
class LiftPrank(Command):
    """A number waits like any other again."""

    number: str
    reason: str


@dataclass(frozen=True, slots=True)
class PauseRecording(Command):
    """What is said next is not to be recorded, such as a bank account's number."""

    call: CallId
    reason: str


@dataclass(frozen=True, slots=True)
class ResumeRecording(Command):
    """Record again."""

    call: CallId


@dataclass(frozen=True, slots=True)
class CallBackNow(Command):
    """Do a call-back task at once, whatever its schedule; ``agent`` None is any who is free."""

    task: str
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class CloseCallBack(Command):
    """No call back is needed any more."""

    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeclareSurge(Command):
    """Surge mode (siaga bencana) begins, or what is said of it changes."""

    reason: str
    prompt: str | None = None
    """What callers hear of the event; the setting's own when it is None."""


@dataclass(frozen=True, slots=True)
class EndSurge(Command):
    """Surge mode ends."""

    reason: str


class Mode(StrEnum):
    """How a supervisor is with a call."""

    LISTEN = "listen"
    WHISPER = "whisper"
    """Heard by the operator alone."""
    BARGE = "barge"
    """Heard by all."""
    TAKE_OVER = "take-over"
    """In the operator's place."""


@dataclass(frozen=True, slots=True)
class Supervise(Command):
    """Let a supervisor listen to a call, whisper, barge in or take it over, or go from one to the
    other.
    """

    call: CallId
    supervisor: str
    """Whose phone is rung."""
    mode: Mode


@dataclass(frozen=True, slots=True)
class StopSupervising(Command):
    """Nobody listens to the call any more, or barges in on it."""

    call: CallId


@dataclass(frozen=True, slots=True)
class PullCall(Command):
    """Offer a waiting call to this operator or supervisor at once, whatever the queue's order."""

    call: CallId
    agent: str


@dataclass(frozen=True, slots=True)
class AcknowledgeAlarm(Command):
    """Somebody has seen an alarm of the wallboard that sounds until then."""

    alarm: str
