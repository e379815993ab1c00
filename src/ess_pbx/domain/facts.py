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
    LADDER_STEP = "ladder_step"
    ANNOUNCED = "announced"
    OFFERED = "offered"
    OPERATOR_RUNG = "operator_rung"
    OFFER_MISSED = "offer_missed"
    OPERATOR_ANSWERED = "operator_answered"
    CONSULT_STARTED = "consult_started"
    AGENCY_RUNG = "agency_rung"
    AGENCY_ANSWERED = "agency_answered"
    CONFERENCE = "conference"
    OPERATOR_LEFT = "operator_left"
    CONSULT_FAILED = "consult_failed"
    BACK_TO_CALLER = "back_to_caller"
    LEG_ENDED = "leg_ended"
    RECORDING_STARTED = "recording_started"
    RECORDING_FINISHED = "recording_finished"
    RECORDING_FAILED = "recording_failed"
    CALL_ENDED = "call_ended"
    CALL_ADOPTED = "call_adopted"
    """An engine that did not begin this call goes on with it."""
    CALL_IMPORTED = "call_imported"
    """The dialplan served this call, for no engine was there; all that is known of it is told."""
    AGENT_STATE = "agent_state"
    ALARM_RAISED = "alarm_raised"
    ALARM_CLEARED = "alarm_cleared"
    NO_OPERATOR = "no_operator"
    CHECKPOINT = "checkpoint"
    """All that a centre remembers at that moment: what came before need not be read again."""


FIELDS: Mapping[FactKind, tuple[str, ...]] = MappingProxyType(
    {
        FactKind.CALL_ARRIVED: (
            "caller_raw",
            "caller_e164",
            "caller_display",
            "callable",
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
        FactKind.QUEUED: ("queue", "priority"),
        FactKind.LADDER_STEP: ("step", "after"),
        FactKind.ANNOUNCED: ("prompt", "playback", "to"),
        FactKind.OFFERED: ("agent", "leg"),
        FactKind.OPERATOR_RUNG: ("agent", "leg"),
        FactKind.OFFER_MISSED: ("agent", "leg", "reason"),
        FactKind.OPERATOR_ANSWERED: ("agent", "leg"),
        FactKind.CONSULT_STARTED: ("agency", "agent", "leg"),
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
        FactKind.CALL_ENDED: ("result", "reason", "channel_cause", "ended_by"),
        FactKind.CALL_ADOPTED: ("phase", "made"),
        FactKind.CALL_IMPORTED: ("operator",),
        FactKind.AGENT_STATE: ("agent", "status", "state", "call"),
        FactKind.ALARM_RAISED: ("alarm", "detail"),
        FactKind.ALARM_CLEARED: ("alarm", "detail"),
        FactKind.NO_OPERATOR: ("queue",),
        FactKind.CHECKPOINT: ("memories",),
    }
)
"""The keys of ``Fact.data``. ``invited_at`` is epoch seconds, ``seconds`` a length in seconds,
``sample_rate`` Hz, ``rms_dbov`` a list of dBov per channel, ``bytes`` the size of the file;
``channel_cause`` and ``cause`` are Q.850 causes; ``made`` counts legs and
playbacks, so that no number is used again; ``to`` is the role of who hears a prompt, or a
tone (``tone:ring``). What is not known is None."""


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
