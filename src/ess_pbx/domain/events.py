"""What happens to a centre: facts from outside, fed to the core one at a time, in order.

Events of a call come from Asterisk (through ``ess_pbx.ari.translate``), from timers that the core
armed, and from the queue (``OfferMade``). Nothing here says what is to be done about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ess_pbx.domain.facts import JSON
from ess_pbx.domain.ids import CallId, LegId, PlaybackId

if TYPE_CHECKING:
    from ess_pbx.domain.commands import Asker, Mode
    from ess_pbx.domain.earthquake import Earthquake
    from ess_pbx.domain.roster import Entry


@dataclass(frozen=True, slots=True)
class TimerId:
    """Names a timer: whose it is (a call or an extension), what for, and which of several."""

    owner: str
    kind: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something happened to one call."""

    call: CallId


@dataclass(frozen=True, slots=True)
class Reference:
    """Which call of which centre this is, and its report there, as one centre tells another."""

    centre: str
    call: str
    report: str = ""
    """Empty while nobody there has begun one."""


@dataclass(frozen=True, slots=True)
class Arrived(CallEvent):
    """A call to 112 was claimed. Numbers are as the core's clients show them, never parsed here."""

    caller_raw: str
    caller_e164: str | None
    caller_display: str
    called: str
    trunk: str | None
    callable: bool = False
    """Whether the caller's number may be called back."""
    known_number: bool = True
    number_fault: str = ""
    """Why it may not: ``ess_pbx.sip.numbers.Reason``."""
    up: bool = False
    """The dialplan had answered them before, while no engine was there."""
    node: str = ""
    invited_at: float = 0.0
    """Wall clock of the INVITE, seconds since the epoch."""
    centre: str = ""
    """The centre that the call rings; the first of several when none is named."""
    priority: int | None = None
    """The trunk's; the centre's default when it is None."""
    reference: Reference | None = None
    """Of a call that a neighbouring centre passes on, and may say so of."""

    def fields(self, channel: str) -> dict[str, JSON]:
        """As a fact."""
        return {
            "caller_raw": self.caller_raw,
            "caller_e164": self.caller_e164,
            "caller_display": self.caller_display,
            "callable": self.callable,
            "number_fault": self.number_fault or None,
            "called": self.called,
            "trunk": self.trunk,
            "channel": channel,
            "node": self.node,
            "invited_at": self.invited_at,
        }


@dataclass(frozen=True, slots=True)
class LegRang(CallEvent):
    """The phone at the far end of a leg rings (SIP 180)."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class LegAnswered(CallEvent):
    """A leg is up: for the caller's, our 200 is out; for others, the far end picked up."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class LegGone(CallEvent):
    """A leg ended or was never made; ``cause`` is the Q.850 cause (16 normal clearing)."""

    leg: LegId
    cause: int


@dataclass(frozen=True, slots=True)
class LegHeld(CallEvent):
    """The phone at the far end of a leg put it on hold (RFC 3264 §8.4)."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class LegUnheld(CallEvent):
    """It took it back."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class TransferAsked(CallEvent):
    """The transfer button of the phone at the far end of a leg (REFER, RFC 3515)."""

    leg: LegId
    to: str
    """User part of the Refer-To."""
    attended: bool = False
    """It is to take the place of another call of that phone (Replaces, RFC 3891)."""
    refused: bool = False
    """Asterisk itself has refused it, and told the phone so."""


@dataclass(frozen=True, slots=True)
class KeyPressed(CallEvent):
    """A key (RFC 4733 or INFO): one of ``0123456789*#ABCD``."""

    leg: LegId
    key: str


@dataclass(frozen=True, slots=True)
class SpeechBegan(CallEvent):
    """Speech, or other sound as loud, comes from a leg."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class SpeechEnded(CallEvent):
    """Nothing as loud as speech has come from a leg for some seconds."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class PlaybackBegan(CallEvent):
    """A prompt or tone is being heard."""

    playback: PlaybackId


@dataclass(frozen=True, slots=True)
class PlaybackEnded(CallEvent):
    """A prompt or tone ended, was stopped, or could not be played."""

    playback: PlaybackId


@dataclass(frozen=True, slots=True)
class TimerFired(CallEvent):
    """A timer of this call ran out."""

    timer: TimerId


@dataclass(frozen=True, slots=True)
class OfferMade(CallEvent):
    """The queue chose an operator for this call."""

    agent: str


@dataclass(frozen=True, slots=True)
class OfferWithdrawn(CallEvent):
    """The operator who is being rung has logged out or is on break: ``reason`` says which."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class OperatorsMissing(CallEvent):
    """The call waits and no operator at all could be offered it: none on shift can be reached."""


@dataclass(frozen=True, slots=True)
class Hurried(CallEvent):
    """The ladder comes earlier or later than when its next step was set."""


@dataclass(frozen=True, slots=True)
class StoodStill(CallEvent):
    """The engine did nothing for seconds: no key of a menu did anything, and none may come now."""


@dataclass(frozen=True, slots=True)
class Stopping(CallEvent):
    """The Asterisk that holds the call is about to be stopped, on purpose, or is gone."""

    reason: str = "stopped"


@dataclass(frozen=True, slots=True)
class CallBackDue(CallEvent):
    """An operator is free to call somebody back: the call that does so begins."""

    agent: str
    task: str
    """The id of the call-back, which is that of the call it came of."""
    number: str
    """E.164."""
    display: str
    category: str
    queue: str
    priority: int
    language: str
    trunk: str
    node: str


@dataclass(frozen=True, slots=True)
class CallBackWithdrawn(CallEvent):
    """Nobody is to be called back now: an emergency needs the operator, or it is settled."""

    reason: str


@dataclass(frozen=True, slots=True)
class SupervisionAsked(CallEvent):
    """A supervisor is to listen to the call, or to go over to another mode of it."""

    supervisor: str
    mode: Mode
    by: Asker
    leg: LegId | None = None
    """The supervisor's phone when it is connected already; otherwise it is rung."""


@dataclass(frozen=True, slots=True)
class SupervisionStopped(CallEvent):
    """The supervisor is to leave the call."""

    by: Asker


@dataclass(frozen=True, slots=True)
class StreamRestarted(CallEvent):
    """A party's RTP stream began anew, and Asterisk may no longer hear it (docs/decisions/0006)."""

    leg: LegId


@dataclass(frozen=True, slots=True)
class CentreEvent:
    """Something happened to the centre rather than to one call."""

    centre: str = field(default="", kw_only=True)
    """Which of several centres it happened to; not needed where it speaks of an operator or a call
    (``domain.centres``)."""


@dataclass(frozen=True, slots=True)
class PhoneReachable(CentreEvent):
    """An operator's softphone is registered and answers."""

    agent: str


@dataclass(frozen=True, slots=True)
class PhoneLost(CentreEvent):
    """An operator's softphone is not registered, or no longer answers."""

    agent: str


@dataclass(frozen=True, slots=True)
class TransferBlocked(CentreEvent):
    """Asterisk refused a REFER of an operator's phone; which call it was in is not told."""

    agent: str


@dataclass(frozen=True, slots=True)
class ClockRead(CentreEvent):
    """The wall clock in the centre's own time zone: who is on duty is decided by it."""

    local: datetime
    phones_known: bool = False
    """Whether Asterisk has said which phones are reachable; until then none is missed."""
    wall: float | None = None
    """The same moment in seconds since the epoch, for what is kept beyond a restart; taken from
    ``local`` when it is not given."""


@dataclass(frozen=True, slots=True)
class RosterRead(CentreEvent):
    """The centre's roster as it is from now on; the next ``ClockRead`` goes by it."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class TicketsRead(CentreEvent):
    """The last numbers of reports that the database has, by local day (20261122): none comes again.

    For a journal that is younger than the database, or was lost.
    """

    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AlarmChanged(CentreEvent):
    """Something that the engine itself watches is wrong, or right again."""

    alarm: str
    standing: bool
    detail: str


@dataclass(frozen=True, slots=True)
class DeskCallArrived(CentreEvent):
    """An operator dialled a code such as ``*11`` on their own phone (``desk_call``)."""

    call: CallId
    agent: str
    """Whose registration the call came with, never what its From says."""
    code: str


@dataclass(frozen=True, slots=True)
class SyntheticCallArrived(CentreEvent):
    """A test call that an engine sent came in by its own endpoint (``domain.synthetic``)."""

    call: CallId
    token: str
    """The number that it shows."""


@dataclass(frozen=True, slots=True)
class OutboundDialled(CentreEvent):
    """An operator dialled a number that is neither the centre's own nor a code."""

    call: CallId
    agent: str
    """Whose registration the call came with."""
    number: str
    """E.164; empty when it is no such number."""
    short: str = ""
    """The digits as dialled, when they are few: 14045 is the trunk's own, or a local number."""


@dataclass(frozen=True, slots=True)
class PinChecked(CentreEvent):
    """The answer to ``effects.CheckPin``; None when it could not be checked."""

    call: CallId
    right: bool | None


@dataclass(frozen=True, slots=True)
class EarthquakeReported(CentreEvent):
    """The feed's latest earthquake; it may be told again."""

    quake: Earthquake


@dataclass(frozen=True, slots=True)
class EarthquakeFeedRead(CentreEvent):
    """The feed was asked: ``trouble`` is what is wrong with it, None when nothing is."""

    trouble: str | None


@dataclass(frozen=True, slots=True)
class AgentTimerFired(CentreEvent):
    """A timer of an operator (wrap-up, pause after a missed offer) ran out."""

    timer: TimerId


CALL_EVENTS: tuple[type[CallEvent], ...] = (
    Arrived,
    LegRang,
    LegAnswered,
    LegGone,
    LegHeld,
    LegUnheld,
    TransferAsked,
    KeyPressed,
    SpeechBegan,
    SpeechEnded,
    PlaybackBegan,
    PlaybackEnded,
    TimerFired,
    OfferMade,
    OfferWithdrawn,
    OperatorsMissing,
    Hurried,
    StoodStill,
    Stopping,
    CallBackDue,
    CallBackWithdrawn,
    SupervisionAsked,
    SupervisionStopped,
    StreamRestarted,
)
