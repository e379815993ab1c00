"""Facts of whole calls, as the engine would write them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.tables import metadata
from ess_pbx.domain.facts import Fact, FactKind

STARTED = 1_750_000_000.0
K = FactKind


def a_fact(
    number: int, kind: str = K.ANNOUNCED, call: str | None = "call-1", /, **data: Any
) -> Fact:
    return Fact(
        id=f"boot-{number}",
        centre="cilegon",
        call=call,
        kind=kind,
        at=STARTED + number,
        ms=None if call is None else number * 1000,
        data=data,
    )


def a_whole_call(call: str = "call-1", first: int = 1) -> list[Fact]:
    """One call with a missed offer, an agency that fails, one that answers, and a recording."""
    op1, op2 = {"agent": "2001", "leg": f"{call}-op1"}, {"agent": "2002", "leg": f"{call}-op2"}
    busy, ambulance = f"{call}-ag1", f"{call}-ag2"
    recording, path = f"{call}-rec", f"2025/06/{call}.wav"
    story: list[tuple[FactKind, dict[str, Any]]] = [
        (
            K.CALL_ARRIVED,
            {
                "caller_raw": "08123456789",
                "caller_e164": "+628123456789",
                "caller_display": None,
                "callable": True,
                "number_fault": None,
                "called": "112",
                "trunk": "telkom",
                "channel": f"{call}-in",
                "node": "pbx1",
                "invited_at": STARTED + first - 0.25,
            },
        ),
        (K.AGENT_STATE, {"agent": "2001", "status": "available", "state": "waiting", "call": None}),
        (K.CALL_ANSWERED, {}),
        (K.GREETING_STARTED, {}),
        (K.MENU_ENTERED, {"menu": "utama"}),
        (K.KEY_PRESSED, {"key": "1", "menu": "utama"}),
        (K.CLASSIFIED, {"category": "medis", "queue": "darurat", "priority": 3, "language": "id"}),
        (K.RECORDING_STARTED, {"recording": recording, "path": path}),
        (K.QUEUED, {"queue": "darurat", "priority": 3, "menu": None}),
        (K.NO_OPERATOR, {"queue": "darurat"}),
        (K.ALARM_RAISED, {"alarm": "no-operator", "detail": "darurat"}),
        (
            K.ANNOUNCED,
            {
                "prompt": "antrean-lanjut",
                "position": 2,
                "playback": f"{call}~pb1",
                "to": "caller",
            },
        ),
        (K.LADDER_STEP, {"step": "wider-skills", "after": 30.0}),
        (K.ALARM_CLEARED, {"alarm": "no-operator", "detail": "darurat"}),
        (K.OFFERED, op1),
        (K.OPERATOR_RUNG, op1),
        (K.OFFER_MISSED, {**op1, "reason": "no-answer"}),
        (K.OFFERED, op2),
        (K.OPERATOR_RUNG, op2),
        (K.OPERATOR_ANSWERED, op2),
        (K.CONSULT_STARTED, {"agency": "damkar", "agent": "2002", "leg": busy, "contact": 1}),
        (K.CONSULT_FAILED, {"agency": "damkar", "leg": busy, "reason": "busy"}),
        (K.BACK_TO_CALLER, {}),
        (K.CONSULT_STARTED, {"agency": "psc119", "agent": "2002", "leg": ambulance, "contact": 1}),
        (K.AGENCY_RUNG, {"agency": "psc119", "leg": ambulance}),
        (K.AGENCY_ANSWERED, {"agency": "psc119", "leg": ambulance}),
        (K.CONFERENCE, {}),
        (K.OPERATOR_LEFT, {"agent": "2002"}),
        (K.LEG_ENDED, {"leg": op2["leg"], "role": "operator", "party": "2002", "cause": 16}),
        (K.LEG_ENDED, {"leg": f"{call}-in", "role": "caller", "party": None, "cause": 16}),
        (
            K.RECORDING_FINISHED,
            {
                "recording": recording,
                "path": path,
                "seconds": 22.5,
                "sample_rate": 8000,
                "channels": 2,
                "sha256": "ab" * 32,
                "rms_dbov": [-21.5, -19.0],
                "bytes": 720_044,
            },
        ),
        (K.RECORDING_FAILED, {"recording": f"{call}-rec2", "reason": "disk full"}),
        (
            K.CALL_ENDED,
            {"result": "success", "reason": "hangup", "channel_cause": 16, "ended_by": "caller"},
        ),
        (
            K.RECORDING_SEALED,
            {
                "recording": recording,
                "path": f"{path}.flac.sealed",
                "sha256": "cd" * 32,
                "bytes": 240_120,
                "entry": 7,
            },
        ),
        *_a_report(call),
        (
            K.CALL_MARKED,
            {"mark": "normal", "note": "", "number": "+628123456789", "by": "2002", "via": "phone"},
        ),
    ]
    return [
        a_fact(
            first + n, kind, None if kind.startswith(("agent", "alarm", "report")) else call, **data
        )
        for n, (kind, data) in enumerate(story)
    ]


def a_call_back(task: str = "call-1", made: str = "call-2", first: int = 100) -> list[Fact]:
    """A caller is asked for, found busy, added to, and reached with the call that is made then."""
    asked = {"task": task, "agent": None, "due": STARTED + 9, "by": "penyelia", "via": "api"}
    known = {
        "caller_e164": "+628123456789",
        "caller_display": "0812-3456-789",
        "trunk": "telkom",
    }
    created = {
        **known,
        **{"category": "medis", "queue": "darurat", "priority": 3, "language": "id"},
        **{"why": "abandoned", "not_callable": None, "due": STARTED + first},
    }
    tried = {"task": task, "agent": "2001"}
    leg = f"{made}~cb"
    story: list[tuple[str | None, FactKind, dict[str, Any]]] = [
        (task, K.CALL_BACK_CREATED, created),
        (None, K.CALL_BACK_ASKED, asked),
        (made, K.CALL_BACK_STARTED, {"task": task, **known, "channel": leg, "node": "pbx1"}),
        (made, K.CALL_BACK_DIALLED, {**tried, "leg": leg}),
        (
            made,
            K.CALL_BACK_ATTEMPTED,
            {**tried, "attempt": 1, "outcome": "busy", "due": STARTED + first + 120},
        ),
        (
            "call-3",
            K.CALL_BACK_ADDED,
            {"task": task, "priority": 9, "why": "cut off", "due": STARTED + first},
        ),
        (made, K.CALL_BACK_ATTEMPTED, {**tried, "attempt": 2, "outcome": "reached", "due": None}),
        (
            made,
            K.CALL_BACK_CLOSED,
            {"task": task, "outcome": "reached", "reason": None, "by": None, "via": None},
        ),
        ("call-4", K.CALL_LINKED, {"earlier": task}),
    ]
    return [a_fact(first + n, kind, call, **data) for n, (call, kind, data) in enumerate(story)]


def an_overflowing_call(call: str = "call-2", first: int = 1) -> list[Fact]:
    """One that no operator took: a neighbouring centre was busy, an agency answered."""
    busy, ambulance = f"{call}-ag1", f"{call}-ag2"
    fields = (
        *("caller_raw", "caller_e164", "caller_display", "callable", "number_fault"),
        *("trunk", "node"),
    )
    story: list[tuple[FactKind, dict[str, Any]]] = [
        (
            K.CALL_ARRIVED,
            dict.fromkeys(fields)
            | {"called": "112", "channel": f"{call}-in", "invited_at": STARTED + first},
        ),
        (K.CALL_ANSWERED, {}),
        (K.QUEUED, {"queue": "darurat", "priority": 3, "menu": None}),
        (K.LADDER_STEP, {"step": "overflow", "after": 60.0}),
        (K.OVERFLOW_STARTED, {"agency": "tetangga", "leg": busy, "contact": 1}),
        (K.OVERFLOW_FAILED, {"agency": "tetangga", "leg": busy, "reason": "busy"}),
        (K.OVERFLOW_STARTED, {"agency": "psc119", "leg": ambulance, "contact": 1}),
        (K.AGENCY_RUNG, {"agency": "psc119", "leg": ambulance}),
        (K.AGENCY_ANSWERED, {"agency": "psc119", "leg": ambulance}),
        (
            K.CALL_ENDED,
            {"result": "success", "reason": "completed", "channel_cause": 16, "ended_by": "caller"},
        ),
    ]
    return [a_fact(first + n, kind, call, **data) for n, (kind, data) in enumerate(story)]


def an_outbound_call(call: str = "call-7", first: int = 1) -> list[Fact]:
    """An operator called somebody by themselves."""
    by = {"by": "2001", "via": "phone"}
    number = {"role": "operator", "number": "+622541234567"}
    place = {"trunk": "telkom", "day": "2025-06-15", "node": "ess1"}
    story: list[tuple[FactKind, dict[str, Any]]] = [
        (K.OUTBOUND_STARTED, {"agent": "2001", **number, **place, **by}),
        (K.OUTBOUND_ANSWERED, {"agent": "2001"}),
        (K.OUTBOUND_ENDED, {"agent": "2001", "outcome": "completed", "answered": True}),
    ]
    return [a_fact(first + n, kind, call, **data) for n, (kind, data) in enumerate(story)]


def a_call_taken_over(call: str = "call-6", first: int = 1) -> list[Fact]:
    """A supervisor listened, and then had the caller in the operator's place."""
    operator, supervisor = f"{call}-op1", f"{call}-sv2"
    by, mode = {"by": "3001", "via": "phone"}, {"supervisor": "3001", "operator": "2001"}
    story: list[tuple[FactKind, dict[str, Any]]] = [
        (K.OPERATOR_ANSWERED, {"agent": "2001", "leg": operator}),
        (K.SUPERVISION_ASKED, {**mode, "mode": "listen", "leg": supervisor, **by}),
        (K.SUPERVISION_MODE, {**mode, "mode": "listen", **by}),
        (K.TAKEN_OVER, {"agent": "3001", "former": "2001", "leg": supervisor, **by}),
        (K.LEG_ENDED, {"leg": operator, "role": "operator", "party": "2001", "cause": 16}),
        (K.LEG_ENDED, {"leg": supervisor, "role": "operator", "party": "3001", "cause": 16}),
    ]
    return [a_fact(first + n, kind, call, **data) for n, (kind, data) in enumerate(story)]


def a_destroyed_recording(call: str = "call-1", number: int = 600) -> Fact:
    """The time of the recording of ``a_whole_call`` was over."""
    gone = {"recording": f"{call}-rec", "entry": 9, "reason": "kept 365 days", "user": None}
    return a_fact(number, K.RECORDING_DESTROYED, call, **gone, by="retention", via="system")


def _a_report(call: str) -> list[tuple[K, dict[str, Any]]]:
    """Opened, written, given to an agency, joined with another's, closed and opened again."""
    report, by = {"report": "cilegon-20250615-0001"}, {"by": "2002", "via": "api"}
    other = {"report": "cilegon-20250615-0002"}
    written = {
        "kind": "normal",
        "category": "medis",
        "place": "Pasar Sumur",
        "victims": 2,
        "point": {"latitude": -6.65, "longitude": 105.58, "source": "map"},
        "answers": {"sadar": "ya"},
    }
    return [
        (K.REPORT_OPENED, {**report, **by, "linked": call, "fields": written}),
        (K.REPORT_DRAFTED, {**report, **by, "base": 1, "fields": {"narrative": "Dua"}}),
        (
            K.REPORT_SAVED,
            {**report, **by, "fields": {"narrative": "Dua orang", "victims": None}},
        ),
        (K.REPORT_LINKED, {**report, **by, "linked": "call-2"}),
        (K.REPORT_STEP, {**report, **by, "agency": "psc119", "step": "diserahkan"}),
        (K.REPORT_OPENED, {**other, **by, "linked": None, "fields": {}}),
        (K.REPORT_JOINED, {**other, **by, "to": report["report"]}),
        (K.REPORT_CLOSED, {**report, **by, "outcome": "ditangani"}),
        (K.REPORT_REOPENED, {**report, **by, "reason": "kembali"}),
    ]


async def everything(engine: AsyncEngine, *, without: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """All rows of all tables."""
    async with engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, await connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
            if table.name not in without
        }
