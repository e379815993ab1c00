"""What happened, as the journal keeps it: one fact per thing that was decided or seen.

A fact is written once and never changed. Its ``id`` is chosen before anything else is done with
it, so that writing it twice, to the journal or from there to the database, does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    JSON: TypeAlias = "bool | int | float | str | list[JSON] | Mapping[str, JSON] | None"
else:
    # msgspec cannot build a decoder for a type that names itself.
    JSON = Any


class FactKind(StrEnum):
    """The kinds of fact; ``FIELDS`` says what ``Fact.data`` of each holds."""

    CALL_ARRIVED = "call_arrived"
    CALL_ANSWERED = "call_answered"
    GREETING_STARTED = "greeting_started"
    MENU_ENTERED = "menu_entered"
    KEY_PRESSED = "key_pressed"
    CLASSIFIED = "classified"
    QUEUED = "queued"
    PRIORITY_SET = "priority_set"
    """What a call's priority is made of, when that is not what the centre gives every caller."""
    LADDER_STEP = "ladder_step"
    ANNOUNCED = "announced"
    OFFERED = "offered"
    OPERATOR_RUNG = "operator_rung"
    OFFER_MISSED = "offer_missed"
    OPERATOR_ANSWERED = "operator_answered"
    OVERFLOW_STARTED = "overflow_started"
    OVERFLOW_FAILED = "overflow_failed"
    CONSULT_STARTED = "consult_started"
    """An agency's contact is rung; each that is tried has one."""
    CONTACT_PASSED_OVER = "contact_passed_over"
    """It cannot be rung now: closed, busy, or the day's calls on trunks are used up."""
    BLIND_TRANSFER = "blind_transfer"
    """The operator leaves while the agency is still to be rung."""
    AGENCY_RUNG = "agency_rung"
    AGENCY_ANSWERED = "agency_answered"
    CONFERENCE = "conference"
    OPERATOR_LEFT = "operator_left"
    CONSULT_FAILED = "consult_failed"
    """An agency's contact did not answer."""
    PARTY_CONSULTED = "party_consulted"
    """Somebody speaks with the operator, apart from the caller."""
    PARTY_JOINED = "party_joined"
    """They speak with the caller."""
    PARTY_HELD = "party_held"
    """They wait with music, while the operator is with the caller."""
    PARTY_LEFT = "party_left"
    COLLEAGUE_CALLED = "colleague_called"
    """The phone of another operator, or of a supervisor, is rung by the operator of the call."""
    COLLEAGUE_ANSWERED = "colleague_answered"
    COLLEAGUE_FAILED = "colleague_failed"
    HELD = "held"
    """The operator put the caller on hold."""
    UNHELD = "unheld"
    CODE_REFUSED = "code_refused"
    """What an operator asked for on the keys cannot be done now."""
    TRANSFER_BUTTON = "transfer_button"
    """The transfer button of the operator's phone: whereto, and why it was refused, if it was."""
    BACK_TO_CALLER = "back_to_caller"
    LEG_ENDED = "leg_ended"
    RECORDING_STARTED = "recording_started"
    RECORDING_FINISHED = "recording_finished"
    RECORDING_FAILED = "recording_failed"
    RECORDING_SEALED = "recording_sealed"
    """From then on it is FLAC, sealed, and in the manifest."""
    RECORDING_PAUSED = "recording_paused"
    RECORDING_RESUMED = "recording_resumed"
    CALL_ENDED = "call_ended"
    CALL_ADOPTED = "call_adopted"
    """An engine that did not begin this call goes on with it."""
    CALL_IMPORTED = "call_imported"
    """The dialplan served this call, for no engine was there; all that is known of it is told."""
    AGENT_STATE = "agent_state"
    AGENT_STATUS = "agent_status"
    AGENT_MOVED = "agent_moved"
    """From now on the operator is offered the calls of these queues; of none: of their own."""
    """Logged in, out, or on break: what was wanted. ``AGENT_STATE`` has what calls find."""
    WRAP_UP_ENDED = "wrap_up_ended"
    """Before its time."""
    PIN_REFUSED = "pin_refused"
    """A wrong PIN from an operator's phone."""
    ALARM_RAISED = "alarm_raised"
    ALARM_CLEARED = "alarm_cleared"
    NO_OPERATOR = "no_operator"
    CALL_LINKED = "call_linked"
    """The caller had called before, and nobody had answered."""
    CALL_BACK_CREATED = "call_back_created"
    """A caller is to be called back; the task bears the id of their call."""
    CALL_BACK_ADDED = "call_back_added"
    """Another call of the same number, which the one task now stands for."""
    CALL_BACK_ASKED = "call_back_asked"
    """Somebody wants a task done now."""
    CALL_BACK_STARTED = "call_back_started"
    """The centre's own call begins: an operator is offered the task."""
    CALL_BACK_DIALLED = "call_back_dialled"
    """The operator picked up, and the caller's number is rung."""
    CALL_BACK_ATTEMPTED = "call_back_attempted"
    CALL_BACK_CLOSED = "call_back_closed"
    SURGE_DECLARED = "surge_declared"
    SURGE_CHANGED = "surge_changed"
    SURGE_ENDED = "surge_ended"
    CALL_IN_STARTED = "call_in_started"
    CALL_IN_ENDED = "call_in_ended"
    WALLBOARD_ALARM = "wallboard_alarm"
    ALARM_ACKNOWLEDGED = "alarm_acknowledged"
    REPORT_OPENED = "report_opened"
    REPORT_SAVED = "report_saved"
    REPORT_DRAFTED = "report_drafted"
    REPORT_LINKED = "report_linked"
    REPORT_JOINED = "report_joined"
    REPORT_STEP = "report_step"
    REPORT_CLOSED = "report_closed"
    REPORT_REOPENED = "report_reopened"
    REPORT_TAKEN_BACK = "report_taken_back"
    """A report that was closed long ago is at hand again, as the database has it."""
    REPORT_HANDED_OVER = "report_handed_over"
    """A neighbouring centre is to have a report as it stands, and each later version of it."""
    REPORT_DELIVERED = "report_delivered"
    """The neighbour has acknowledged a version."""
    REPORT_NOT_DELIVERED = "report_not_delivered"
    """It is tried no more."""
    REPORT_RECEIVED = "report_received"
    """A version of a neighbour's report, beside what was written of it into one of our own."""
    CALL_HANDED_OVER = "call_handed_over"
    """A neighbouring centre passed this call on to us, and said which of its own it is."""
    OUTBOUND_STARTED = "outbound_started"
    """An operator calls a number that the centre allows."""
    OUTBOUND_ANSWERED = "outbound_answered"
    OUTBOUND_ENDED = "outbound_ended"
    OUTBOUND_REFUSED = "outbound_refused"
    """An operator's phone dialled what it may not."""
    SILENT_CALLER = "silent_caller"
    REDIAL = "redial"
    CALL_MARKED = "call_marked"
    PRANK_CONFIRMED = "prank_confirmed"
    PRANK_LIFTED = "prank_lifted"
    PRANK_EXPIRED = "prank_expired"
    PRANK_HELD = "prank_held"
    """A call of a confirmed prankster begins behind others."""
    PRANK_RELEASED = "prank_released"
    """Something spoke for the caller: for this call they wait like any other."""
    SYNTHETIC_CALL = "synthetic_call"
    """A test call is over: how far it came, and how fast."""
    CLOCK_JUMPED = "clock_jumped"
    """The wall clock was set: ``at`` of what came before is off by that from what comes after."""
    SUPERVISION_ASKED = "supervision_asked"
    SUPERVISION_MODE = "supervision_mode"
    """From now on the supervisor listens, whispers or barges in."""
    SUPERVISION_ENDED = "supervision_ended"
    TAKEN_OVER = "taken_over"
    """The supervisor or colleague ``agent`` has the call, in place of the operator ``former``."""
    CALL_PULLED = "call_pulled"
    """A waiting call was offered to somebody out of turn."""
    CHECKPOINT = "checkpoint"
    """All that a centre remembers at that moment: what came before need not be read again."""


FIELDS: Mapping[FactKind, tuple[str, ...]] = MappingProxyType(
    {
        FactKind.CALL_ARRIVED: (
            "caller_raw",
            "caller_e164",
            "caller_display",
            "callable",
            "number_fault",
            "called",
            "trunk",
            "channel",
            "node",
            "invited_at",
        ),
        FactKind.CALL_ANSWERED: (),
        FactKind.GREETING_STARTED: (),
        FactKind.MENU_ENTERED: ("menu",),
        FactKind.KEY_PRESSED: ("key", "menu"),
        FactKind.CLASSIFIED: ("category", "queue", "priority", "language"),
        FactKind.QUEUED: ("queue", "priority", "menu"),
        FactKind.PRIORITY_SET: ("priority", "usual", "chosen", "raises", "prank", "head_start"),
        FactKind.LADDER_STEP: ("step", "after"),
        FactKind.ANNOUNCED: ("prompt", "position", "playback", "to"),
        FactKind.OFFERED: ("agent", "leg"),
        FactKind.OPERATOR_RUNG: ("agent", "leg"),
        FactKind.OFFER_MISSED: ("agent", "leg", "reason"),
        FactKind.OPERATOR_ANSWERED: ("agent", "leg"),
        FactKind.OVERFLOW_STARTED: ("agency", "leg", "contact"),
        FactKind.OVERFLOW_FAILED: ("agency", "leg", "reason"),
        FactKind.CONSULT_STARTED: ("agency", "agent", "leg", "contact"),
        FactKind.CONTACT_PASSED_OVER: ("agency", "contact", "reason"),
        FactKind.BLIND_TRANSFER: ("agency", "agent"),
        FactKind.PARTY_CONSULTED: ("party", "leg"),
        FactKind.PARTY_JOINED: ("party", "leg"),
        FactKind.PARTY_HELD: ("party", "leg"),
        FactKind.PARTY_LEFT: ("party", "leg", "reason"),
        FactKind.COLLEAGUE_CALLED: ("party", "agent", "leg", "supervisor"),
        FactKind.COLLEAGUE_ANSWERED: ("party", "leg"),
        FactKind.COLLEAGUE_FAILED: ("party", "leg", "reason"),
        FactKind.HELD: ("agent", "how"),
        FactKind.UNHELD: ("agent", "how"),
        FactKind.CODE_REFUSED: ("agent", "reason"),
        FactKind.TRANSFER_BUTTON: ("agent", "to", "attended", "refusal"),
        FactKind.AGENCY_RUNG: ("agency", "leg"),
        FactKind.AGENCY_ANSWERED: ("agency", "leg"),
        FactKind.CONFERENCE: (),
        FactKind.OPERATOR_LEFT: ("agent",),
        FactKind.CONSULT_FAILED: ("agency", "leg", "reason"),
        FactKind.BACK_TO_CALLER: (),
        FactKind.LEG_ENDED: ("leg", "role", "party", "cause"),
        FactKind.RECORDING_STARTED: ("recording", "path"),
        FactKind.RECORDING_FINISHED: (
            "recording",
            "path",
            "seconds",
            "sample_rate",
            "channels",
            "sha256",
            "rms_dbov",
            "bytes",
        ),
        FactKind.RECORDING_FAILED: ("recording", "reason"),
        FactKind.RECORDING_SEALED: ("recording", "path", "sha256", "bytes", "entry"),
        FactKind.RECORDING_PAUSED: ("reason", "until", "by", "via"),
        FactKind.RECORDING_RESUMED: ("by", "via"),
        FactKind.CALL_ENDED: ("result", "reason", "channel_cause", "ended_by"),
        FactKind.CALL_ADOPTED: ("phase", "made"),
        FactKind.CALL_IMPORTED: ("operator",),
        FactKind.AGENT_STATE: ("agent", "status", "state", "call"),
        FactKind.AGENT_STATUS: ("agent", "status", "reason", "by", "via"),
        FactKind.AGENT_MOVED: ("agent", "queues", "by", "via"),
        FactKind.WRAP_UP_ENDED: ("agent", "by", "via"),
        FactKind.PIN_REFUSED: ("agent", "by", "via"),
        FactKind.ALARM_RAISED: ("alarm", "detail"),
        FactKind.ALARM_CLEARED: ("alarm", "detail"),
        FactKind.NO_OPERATOR: ("queue",),
        FactKind.CALL_LINKED: ("earlier",),
        FactKind.CALL_BACK_CREATED: (
            *("caller_e164", "caller_display", "category", "queue", "priority", "language"),
            *("trunk", "why", "not_callable", "due"),
        ),
        FactKind.CALL_BACK_ADDED: ("task", "priority", "why", "due"),
        FactKind.CALL_BACK_ASKED: ("task", "agent", "due", "by", "via"),
        FactKind.CALL_BACK_STARTED: (
            *("task", "caller_e164", "caller_display", "trunk", "channel", "node"),
        ),
        FactKind.CALL_BACK_DIALLED: ("task", "agent", "leg"),
        FactKind.CALL_BACK_ATTEMPTED: ("task", "attempt", "agent", "outcome", "due"),
        FactKind.CALL_BACK_CLOSED: ("task", "outcome", "reason", "by", "via"),
        FactKind.SURGE_DECLARED: ("reason", "prompt", "event", "until", "by", "via"),
        FactKind.SURGE_CHANGED: ("reason", "prompt", "event", "until", "by", "via"),
        FactKind.SURGE_ENDED: ("reason", "by", "via"),
        FactKind.CALL_IN_STARTED: ("agent", "attempt"),
        FactKind.CALL_IN_ENDED: ("agent", "attempt", "outcome"),
        FactKind.WALLBOARD_ALARM: ("alarm", "level", "title", "detail", "by", "via"),
        FactKind.ALARM_ACKNOWLEDGED: ("alarm", "by", "via"),
        FactKind.REPORT_OPENED: ("report", "linked", "fields", "by", "via"),
        FactKind.REPORT_SAVED: ("report", "fields", "by", "via"),
        FactKind.REPORT_DRAFTED: ("report", "base", "fields", "by", "via"),
        FactKind.REPORT_LINKED: ("report", "linked", "by", "via"),
        FactKind.REPORT_JOINED: ("report", "to", "by", "via"),
        FactKind.REPORT_STEP: ("report", "agency", "step", "by", "via"),
        FactKind.REPORT_CLOSED: ("report", "outcome", "by", "via"),
        FactKind.REPORT_REOPENED: ("report", "reason", "by", "via"),
        FactKind.REPORT_TAKEN_BACK: ("report", "incident"),
        FactKind.REPORT_HANDED_OVER: ("report", "agency", "by", "via"),
        FactKind.REPORT_DELIVERED: (
            *("report", "agency", "version", "held", "theirs", "by", "via"),
        ),
        FactKind.REPORT_NOT_DELIVERED: ("report", "agency", "version", "reason"),
        FactKind.REPORT_RECEIVED: (
            *("report", "origin", "origin_name", "ticket", "version", "digest", "opened_at"),
            *("calls", "recordings", "agencies", "closed_at", "outcome", "by", "via"),
        ),
        FactKind.CALL_HANDED_OVER: ("origin", "origin_call", "ticket"),
        FactKind.OUTBOUND_STARTED: (
            *("agent", "role", "number", "trunk", "day", "node", "by", "via"),
        ),
        FactKind.OUTBOUND_ANSWERED: ("agent",),
        FactKind.OUTBOUND_ENDED: ("agent", "outcome", "answered"),
        FactKind.OUTBOUND_REFUSED: ("agent", "role", "number", "reason", "day", "by", "via"),
        FactKind.SILENT_CALLER: ("phase", "priority"),
        FactKind.REDIAL: ("earlier",),
        FactKind.CALL_MARKED: ("mark", "note", "number", "by", "via"),
        FactKind.PRANK_CONFIRMED: ("number", "reason", "until", "by", "via"),
        FactKind.PRANK_LIFTED: ("number", "reason", "by", "via"),
        FactKind.PRANK_EXPIRED: ("number", "reason", "by", "via"),
        FactKind.PRANK_HELD: ("priority",),
        FactKind.PRANK_RELEASED: ("why", "priority"),
        FactKind.SYNTHETIC_CALL: ("channel", "result", "answered_ms", "heard_ms"),
        FactKind.CLOCK_JUMPED: ("seconds",),
        FactKind.SUPERVISION_ASKED: ("supervisor", "operator", "mode", "leg", "by", "via"),
        FactKind.SUPERVISION_MODE: ("supervisor", "operator", "mode", "by", "via"),
        FactKind.SUPERVISION_ENDED: ("supervisor", "reason", "by", "via"),
        FactKind.TAKEN_OVER: ("agent", "former", "leg", "by", "via"),
        FactKind.CALL_PULLED: ("agent", "by", "via"),
        FactKind.CHECKPOINT: ("memories",),
    }
)
"""The keys of ``Fact.data``. ``invited_at``, ``until`` and ``due`` are epoch seconds, ``due`` None
for never; ``seconds`` and ``head_start`` are lengths in seconds (of a clock set back: negative),
``sample_rate`` Hz, ``rms_dbov`` a
list of dBov per channel, ``bytes`` the size of the file, ``entry`` its number in the manifest;
``channel_cause`` and ``cause`` are Q.850 causes; ``attempt`` counts those of a task from 1,
``contact`` those of an agency from 1; ``party`` is an agency's id or an extension, ``how`` is
``code`` or ``phone``; ``position`` from 1 that of the caller when it was said; ``made`` counts legs
and playbacks, so that no number is used again; ``to`` is the role of who hears a prompt, or a tone
(``tone:ring``); ``usual``, ``chosen``, ``raises`` and ``prank`` are what ``domain.priority`` makes
a priority of; ``ticket`` is the number of a neighbour's report, ``theirs`` the one that they gave
to ours, ``held`` the version that they have; ``day`` is the centre's date, as 2026-11-22; ``menu``
is None where a caller does nothing but wait; ``level`` is ``line`` or ``full-screen``; ``by`` and
``via`` are None where nobody asked. What is not known is None."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened in a centre, to a call or beside all calls."""

    id: str
    """Unique for all time: the engine's boot and a counter, ``f"{boot}-{n}"``."""
    centre: str
    call: str | None
    kind: str
    """A ``FactKind``; a plain string, so that a newer engine's journal can be read."""
    at: float
    """Wall clock, seconds since 1970-01-01 UTC."""
    ms: int | None
    """Milliseconds since the call's INVITE on the monotonic clock: a clock jump leaves it right."""
    data: Mapping[str, JSON] = {}


def fields_differ(fact: Fact) -> str | None:
    """Say how the keys of ``fact.data`` differ from ``FIELDS``, or None when they agree."""
    if fact.kind not in FIELDS:
        return f"kind {fact.kind!r} is unknown; expected one of {', '.join(FIELDS)}"
    expected = set(FIELDS[FactKind(fact.kind)])
    missing, unknown = expected - fact.data.keys(), fact.data.keys() - expected
    if not missing and not unknown:
        return None
    return f"{fact.kind}: missing {sorted(missing)}, unknown {sorted(unknown)}"
