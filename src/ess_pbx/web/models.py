"""What the API takes and gives, in JSON. Times are epoch seconds, lengths of time seconds."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ess_pbx.domain.commands import Mark, Mode
from ess_pbx.domain.config import Extension, Identifier, PromptName
from ess_pbx.domain.incident import Fields, Incident, Step
from ess_pbx.web.accounts import Role

# A fact goes to the journal, to databases and onto screens: one line, of a length to be read.
Reason = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Note = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
E164 = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{4,14}\Z")]
CallName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,63}\Z")]
TaskName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:~-]{0,79}\Z")]
ReportName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}\Z")]
AlarmName = Annotated[str, Meta(pattern=r"^[a-z0-9][A-Za-z0-9._:~-]{0,119}\Z")]

PARAMETERS: dict[str, Any] = {
    "agent": Extension,
    "call": CallName,
    "task": TaskName,
    "alarm": AlarmName,
    "report": ReportName,
    "agency": Identifier,
}
"""What the parts of a path in braces take."""


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is sent: a field that nobody knows is an error."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what is given."""


class Nothing(Body, frozen=True, kw_only=True):
    """The path says it all."""


class SignIn(Body, frozen=True, kw_only=True):
    """An extension with its PIN, or ``admin`` with the password."""

    account: Annotated[str, Meta(min_length=1, max_length=40)]
    secret: Annotated[str, Meta(min_length=1, max_length=200)]


class TakeBreakBody(Body, frozen=True, kw_only=True):
    """Why calls are to pass an operator by."""

    reason: Reason


class MoveBody(Body, frozen=True, kw_only=True):
    """The queues whose calls an operator is to be offered; none: their own again."""

    queues: Annotated[tuple[Identifier, ...], Meta(max_length=100)]


class MarkBody(Body, frozen=True, kw_only=True):
    """What a call was."""

    mark: Mark
    note: Note = ""


class SuperviseBody(Body, frozen=True, kw_only=True):
    """Whose phone is rung, and how they are to be with the call."""

    supervisor: Extension
    mode: Mode


class PullBody(Body, frozen=True, kw_only=True):
    """Who is to be offered the call."""

    agent: Extension


class PrankBody(Body, frozen=True, kw_only=True):
    """A number, which is not in the path: paths end up in the logs of proxies."""

    number: E164
    reason: Reason


class CallBackBody(Body, frozen=True, kw_only=True):
    """Who is to call back; whoever is free, when nobody is named."""

    agent: Extension | None = None


class ReasonBody(Body, frozen=True, kw_only=True):
    """Why."""

    reason: Reason


class SurgeBody(Body, frozen=True, kw_only=True):
    """What happened, and what callers are to hear of it, if not the setting's own."""

    reason: Reason
    prompt: PromptName | None = None


class OpenReportBody(Body, frozen=True, kw_only=True):
    """What is known so far, and the call that told of it."""

    fields: Fields
    call: CallName | None = None


class WriteReportBody(Body, frozen=True, kw_only=True):
    """What is written, and the version of the report that the writer saw."""

    base: Annotated[int, Meta(ge=0)]
    fields: Fields


class LinkBody(Body, frozen=True, kw_only=True):
    """One more call about the same event."""

    call: CallName


class JoinBody(Body, frozen=True, kw_only=True):
    """The report that goes on for both."""

    to: ReportName


class StepBody(Body, frozen=True, kw_only=True):
    """How far an agency is."""

    step: Step


class OutcomeBody(Body, frozen=True, kw_only=True):
    """How it ended."""

    outcome: Reason


class Done(Answer, frozen=True, kw_only=True):
    """It was decided; what follows comes over the live feed."""

    ok: bool = True


class Error(Answer, frozen=True, kw_only=True):
    """Why not. ``code`` is for programs and stays; the rest is for people."""

    code: str
    message: str
    expected: str = ""


class Overwritten(Answer, frozen=True, kw_only=True):
    """A field that somebody else has written since."""

    field: str
    now: Any
    """What stands there."""
    by: str
    at: float
    version: int


class ConflictError(Error, frozen=True, kw_only=True):
    """Nothing was saved; what was sent is kept as the writer's draft."""

    version: int
    """That the report is at: the ``base`` of whoever has seen what others wrote."""
    conflicts: list[Overwritten]


class WrongInReportError(Error, frozen=True, kw_only=True):
    """What the centre's form does not allow was not written; it is kept as the writer's draft."""

    report: str
    """In which. A report that was to be opened is open, with all that was right."""


class SignedIn(Answer, frozen=True, kw_only=True):
    """Who is signed in. ``token`` is given once, and sent as ``Authorization: Bearer``."""

    account: str
    name: str
    role: Role
    centre: str
    """Empty is all centres."""
    expires: float | None
    token: str | None = None


class CentreView(Answer, frozen=True, kw_only=True):
    """A centre and what goes on in it now."""

    id: str
    name: str
    time_zone: str
    waiting: int
    talking: int
    operators_present: int
    operators_free: int


class OperatorView(Answer, frozen=True, kw_only=True):
    """An operator: whether they are here at all (status) and what they do (state)."""

    centre: str
    extension: str
    name: str
    status: str
    state: str
    on_duty: bool
    reachable: bool
    on_break: str | None
    call: str | None
    queues: tuple[str, ...]
    missed: int


class CallView(Answer, frozen=True, kw_only=True):
    """A call that goes on. The number is masked for those who may not see it."""

    centre: str
    id: str
    phase: str
    number: str
    category: str
    queue: str
    priority: int
    seconds: float
    """Since it arrived."""
    waiting: float | None
    """Seconds since it arrived without a human; None when one has it."""
    operator: str | None
    offered_to: tuple[str, ...]
    """Whose phones ring for it."""
    agency: str | None


class AlarmView(Answer, frozen=True, kw_only=True):
    """An alarm that stands."""

    centre: str
    alarm: str
    detail: str
    since: float
    acknowledged_by: str | None
    acknowledged_at: float | None


class Marked(Answer, frozen=True, kw_only=True):
    """A call that somebody said was a prank."""

    call: str
    by: str
    at: float
    note: str


class Confirmed(Answer, frozen=True, kw_only=True):
    """Since when, until when and by whom a number's calls wait behind others."""

    until: float
    at: float
    by: str
    via: str
    reason: str


class HandOverView(Answer, frozen=True, kw_only=True):
    """A report that a neighbouring centre gets."""

    centre: str
    report: str
    neighbour: str
    """The agency that the neighbour is here."""
    since: float
    version: int
    acknowledged: int
    """The version that the neighbour has; 0 while it has none."""
    theirs: str
    """The number of the report there; empty while it has none."""
    failed: str
    """Why it is tried no more; empty while it is, or was delivered."""


class OutboundView(Answer, frozen=True, kw_only=True):
    """Calls that operators placed by themselves on this day of the centre's."""

    centre: str
    day: str
    operator: int
    operator_per_day: int
    supervisor: int
    supervisor_per_day: int
    going_on: int
    refused: dict[str, int]
    """By the reason: ``closed``, ``not-allowed``, ``daily-cap``, ``in-a-call``."""


class PrankView(Answer, frozen=True, kw_only=True):
    """A number (E.164) with pranks."""

    centre: str
    number: str
    marked: list[Marked]
    confirmed: Confirmed | None


class ReportView(Answer, frozen=True, kw_only=True):
    """A report as it stands, with everybody's drafts."""

    centre: str
    report: Incident


class LikelySame(Answer, frozen=True, kw_only=True):
    """An open report that may be of the same event; people decide."""

    number: str
    why: str
    """How near it is: kilometres, or the part of the place that both name."""


class ReportWithTwins(ReportView, frozen=True, kw_only=True):
    """A report, and those that it may be one with, the likeliest first."""

    likely_same: list[LikelySame]


class EarlierReport(Answer, frozen=True, kw_only=True):
    """What was written of an earlier call."""

    number: str
    kind: str | None
    category: str | None
    place: str | None
    narrative: str | None
    outcome: str | None


class EarlierCall(Answer, frozen=True, kw_only=True):
    """A call of the same number before, out of the database."""

    call: str
    at: float | None
    category: str | None
    operator: str | None
    """Who spoke with the caller; None when nobody did."""
    result: str | None
    reason: str | None
    mark: str | None
    reports: list[EarlierReport]


class SurgeView(Answer, frozen=True, kw_only=True):
    """Surge mode."""

    state: dict[str, Any] | None
    """Reason, prompt, since, until and who asked; None while it is off."""
    alarms: list[dict[str, Any]]
    """What stands on the wallboard for it."""


class Access(Answer, frozen=True, kw_only=True):
    """How the API is used since the engine started."""

    signed_in: int
    live: int
    """Open live feeds."""
    counts: dict[str, int]
    """``denied``, ``sign-in-wrong``, ``sign-in-delayed``, ``live-too-slow``, …"""


class Snapshot(Answer, frozen=True, kw_only=True, tag="snapshot", tag_field="type"):
    """The first message of the live feed: all as it is before the first fact that follows."""

    centres: list[CentreView]
    operators: list[OperatorView]
    calls: list[CallView]
    alarms: list[AlarmView]
    at: float


class FactMessage(Answer, frozen=True, kw_only=True, tag="fact", tag_field="type"):
    """Every further message of the live feed: a fact, as the journal has it."""

    id: str
    centre: str
    call: str | None
    kind: str
    at: float
    ms: int | None
    data: Any


class Health(Answer, frozen=True, kw_only=True):
    """The process lives: its loop turned to answer, and nothing that must go on has ended."""

    ok: bool
    ended: list[str]
    """Background work that ended by a defect; only a restart brings it back."""


class Readiness(Answer, frozen=True, kw_only=True):
    """Whether calls can be taken and written down."""

    ok: bool
    asterisk: bool
    """ARI is connected."""
    stock: bool
    """The calls that Asterisk held are taken over, and which phones are reachable is known."""
    journal: bool
    """The disk takes facts."""
    lacking: list[str]
    """What is not ready, for people."""
