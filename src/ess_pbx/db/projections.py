"""What each kind of fact changes in the tables: pure, fact in, changes out.

Every change may be applied again without harm. Times keep the first value that they were given,
and a call's result is set once; what may change again, such as a call's queue, is as the latest
fact says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ess_pbx.db import report_projections as of_reports
from ess_pbx.db.changes import Change, Fill, Upsert, Values, clean, moment, real, text, whole
from ess_pbx.db.tables import agents, audit, call_backs, calls, legs, recordings
from ess_pbx.domain.facts import JSON, Fact, FactKind


def changes(fact: Fact) -> Iterator[Change]:
    """What ``fact`` changes beside its own row in call_events; nothing for a kind unknown here."""
    projection = PROJECTIONS.get(fact.kind)
    if projection is not None:
        yield from projection(fact)
    yield from _asked_for(fact)


def _call(fact: Fact, once: Values, latest: Values | None = None) -> Iterator[Upsert]:
    if fact.call is not None:
        known = {name: value for name, value in (latest or {}).items() if value is not None}
        yield Upsert(calls, {"id": text(fact.call)}, {"centre": text(fact.centre), **once}, known)


def _leg(fact: Fact, leg: JSON, **once: Any) -> Iterator[Upsert]:
    if fact.call is not None and leg is not None:
        yield Upsert(legs, {"id": text(leg)}, once={"call": text(fact.call), **once})


def _call_arrived(fact: Fact) -> Iterator[Change]:
    data = fact.data
    invited = moment(data.get("invited_at")) or moment(fact.at)
    names = ("caller_raw", "caller_e164", "caller_display", "called", "trunk", "channel", "node")
    yield from _call(
        fact,
        {
            "invited_at": invited,
            "direction": "in",
            **{name: text(data.get(name)) for name in names},
        },
    )
    caller = text(data.get("caller_e164")) or text(data.get("caller_raw"))
    yield from _leg(fact, data.get("channel"), role="caller", party=caller, started_at=invited)


def _call_answered(fact: Fact) -> Iterator[Change]:
    at = moment(fact.at)
    yield from _call(fact, {"answered_at": at})
    if fact.call is not None:
        yield Fill(legs, {"call": text(fact.call), "role": "caller"}, {"answered_at": at})


def _classified(fact: Fact) -> Iterator[Change]:
    data = fact.data
    latest = {name: text(data.get(name)) for name in ("category", "queue", "language")}
    yield from _call(fact, {}, {**latest, "priority": whole(data.get("priority"))})


def _queued(fact: Fact) -> Iterator[Change]:
    data = fact.data
    latest = {"queue": text(data.get("queue")), "priority": whole(data.get("priority"))}
    yield from _call(fact, {"queued_at": moment(fact.at)}, latest)


def _leg_step(role: str, column: str) -> Callable[[Fact], Iterator[Change]]:
    key = "agent" if role == "operator" else "agency"

    def step(fact: Fact) -> Iterator[Change]:
        party = text(fact.data.get(key))
        once = {"role": role, "party": party, column: moment(fact.at)}
        yield from _leg(fact, fact.data.get("leg"), **once)

    return step


def _came_to_nothing(fact: Fact) -> Iterator[Change]:
    yield from _leg(fact, fact.data.get("leg"), cause=text(fact.data.get("reason")))


def _operator_answered(fact: Fact) -> Iterator[Change]:
    at, agent = moment(fact.at), text(fact.data.get("agent"))
    once = {"operator_answered_at": at, "operator_answered_ms": whole(fact.ms, 63)}
    yield from _call(fact, once, {"operator": agent})
    yield from _leg(fact, fact.data.get("leg"), role="operator", party=agent, answered_at=at)


def _taken_over(fact: Fact) -> Iterator[Change]:
    at, agent = moment(fact.at), text(fact.data.get("agent"))
    yield from _call(fact, {}, {"operator": agent})
    yield from _leg(fact, fact.data.get("leg"), role="operator", party=agent, answered_at=at)


def _agency_answered(fact: Fact) -> Iterator[Change]:
    at, agency = moment(fact.at), text(fact.data.get("agency"))
    once = {"agency_answered_at": at, "agency_answered_ms": whole(fact.ms, 63)}
    yield from _call(fact, once, {"agency": agency})
    yield from _leg(fact, fact.data.get("leg"), role="agency", party=agency, answered_at=at)


def _leg_ended(fact: Fact) -> Iterator[Change]:
    data = fact.data
    yield from _leg(
        fact,
        data.get("leg"),
        role=text(data.get("role")),
        party=text(data.get("party")),
        ended_at=moment(fact.at),
        cause=text(data.get("cause")),
    )


def _recording(fact: Fact, once: Values, latest: Values) -> Iterator[Change]:
    recording = text(fact.data.get("recording"))
    if fact.call is not None and recording is not None:
        yield Upsert(recordings, {"id": recording}, {"call": text(fact.call), **once}, latest)


def _recording_started(fact: Fact) -> Iterator[Change]:
    path, at = text(fact.data.get("path")), moment(fact.at)
    yield from _recording(fact, {"state": "started", "path": path, "started_at": at}, {})


def _recording_finished(fact: Fact) -> Iterator[Change]:
    data = fact.data
    latest = {
        "state": "finished",
        "path": text(data.get("path")),
        "seconds": real(data.get("seconds")),
        "sample_rate": whole(data.get("sample_rate")),
        "channels": whole(data.get("channels")),
        "sha256": text(data.get("sha256")),
        "rms_dbov": clean(data.get("rms_dbov")),
        "bytes": whole(data.get("bytes"), 63),
    }
    yield from _recording(fact, {"finished_at": moment(fact.at)}, latest)


def _recording_failed(fact: Fact) -> Iterator[Change]:
    reason, at = text(fact.data.get("reason")), moment(fact.at)
    yield from _recording(fact, {"finished_at": at}, {"state": "failed", "reason": reason})


def _recording_sealed(fact: Fact) -> Iterator[Change]:
    data = fact.data
    latest = {
        "state": "sealed",
        "path": text(data.get("path")),
        "sha256": text(data.get("sha256")),
        "bytes": whole(data.get("bytes"), 63),
    }
    yield from _recording(fact, {}, latest)


def _call_ended(fact: Fact) -> Iterator[Change]:
    if fact.call is None:
        return
    data = fact.data
    yield Upsert(
        calls,
        {"id": text(fact.call)},
        once={"centre": text(fact.centre)},
        latest={
            "result": text(data.get("result")) or "indeterminate",
            "reason": text(data.get("reason")),
            "channel_cause": whole(data.get("channel_cause")),
            "ended_by": text(data.get("ended_by")),
            "ended_at": moment(fact.at),
            "ended_ms": whole(fact.ms, 63),
        },
        unless="result",
    )


def _call_marked(fact: Fact) -> Iterator[Change]:
    yield from _call(fact, {}, {"mark": text(fact.data.get("mark"))})


def _agent_state(fact: Fact) -> Iterator[Change]:
    data = fact.data
    agent = text(data.get("agent"))
    if agent is not None:
        latest = {name: text(data.get(name)) for name in ("status", "state", "call")}
        key = {"centre": text(fact.centre), "extension": agent}
        yield Upsert(agents, key, latest={**latest, "state_at": moment(fact.at)})


def _call_linked(fact: Fact) -> Iterator[Change]:
    yield from _call(fact, {"earlier": text(fact.data.get("earlier"))})


def _call_back(fact: Fact, task: JSON, once: Values, latest: Values) -> Iterator[Change]:
    if task is not None:
        key = {"id": text(task)}
        yield Upsert(call_backs, key, {"centre": text(fact.centre), **once}, latest)


def _call_back_created(fact: Fact) -> Iterator[Change]:
    data = fact.data
    names = ("caller_e164", "caller_display", "category", "language", "trunk")
    once = {name: text(data.get(name)) for name in (*names, "why", "not_callable")}
    latest = {"priority": whole(data.get("priority")), "due_at": moment(data.get("due"))}
    yield from _call_back(fact, fact.call, {**once, "created_at": moment(fact.at)}, latest)


def _call_back_due(fact: Fact) -> Iterator[Change]:
    """Added to, or asked for now: when it is due, and how urgent it is."""
    latest: Values = {"due_at": moment(fact.data.get("due"))}
    if "priority" in fact.data:
        latest["priority"] = whole(fact.data.get("priority"))
    yield from _call_back(fact, fact.data.get("task"), {}, latest)


def _call_back_started(fact: Fact) -> Iterator[Change]:
    data, at = fact.data, moment(fact.at)
    names = ("caller_e164", "caller_display", "trunk", "channel", "node")
    known = {name: text(data.get(name)) for name in names}
    once = {"invited_at": at, "direction": "out", "earlier": text(data.get("task")), **known}
    yield from _call(fact, once)


def _outbound_started(fact: Fact) -> Iterator[Change]:
    data, at = fact.data, moment(fact.at)
    number, agent = text(data.get("number")), text(data.get("agent"))
    known = {"trunk": text(data.get("trunk")), "node": text(data.get("node"))}
    once = {"invited_at": at, "direction": "out", "caller_e164": number, "operator": agent, **known}
    yield from _call(fact, once)


def _outbound_ended(fact: Fact) -> Iterator[Change]:
    result = "success" if fact.data.get("answered") is True else "client"
    reason = text(fact.data.get("outcome"))
    yield from _call(fact, {"ended_at": moment(fact.at)}, {"result": result, "reason": reason})


def _call_back_dialled(fact: Fact) -> Iterator[Change]:
    yield from _leg(fact, fact.data.get("leg"), role="caller", started_at=moment(fact.at))


def _call_back_attempted(fact: Fact) -> Iterator[Change]:
    data = fact.data
    latest = {
        "attempts": whole(data.get("attempt")),
        "last_attempt_at": moment(fact.at),
        "last_outcome": text(data.get("outcome")),
        "due_at": moment(data.get("due")),
    }
    yield from _call_back(fact, data.get("task"), {}, latest)


def _call_back_closed(fact: Fact) -> Iterator[Change]:
    data = fact.data
    once = {
        "outcome": text(data.get("outcome")),
        "reason": text(data.get("reason")),
        "closed_at": moment(fact.at),
        "closed_by": text(data.get("by")),
        "closed_via": text(data.get("via")),
    }
    yield from _call_back(fact, data.get("task"), once, {"due_at": None})


def _asked_for(fact: Fact) -> Iterator[Change]:
    """Whatever somebody asked for is in the audit log, of kinds unknown here too."""
    by, via = text(fact.data.get("by")), text(fact.data.get("via"))
    if by is None or via is None:
        return
    subject = {name: value for name, value in fact.data.items() if name not in ("by", "via")}
    once = {
        "centre": text(fact.centre),
        "at": moment(fact.at) or moment(0),
        "by": by,
        "via": via,
        "action": text(fact.kind),
        "call": text(fact.call),
        "subject": clean(subject),
    }
    yield Upsert(audit, {"id": text(fact.id)}, once)


PROJECTIONS: Mapping[str, Callable[[Fact], Iterator[Change]]] = MappingProxyType(
    {
        FactKind.CALL_ARRIVED: _call_arrived,
        FactKind.CALL_ANSWERED: _call_answered,
        FactKind.CLASSIFIED: _classified,
        FactKind.QUEUED: _queued,
        FactKind.OFFERED: _leg_step("operator", "started_at"),
        FactKind.OPERATOR_RUNG: _leg_step("operator", "rung_at"),
        FactKind.OFFER_MISSED: _came_to_nothing,
        FactKind.OPERATOR_ANSWERED: _operator_answered,
        FactKind.TAKEN_OVER: _taken_over,
        FactKind.OVERFLOW_STARTED: _leg_step("agency", "started_at"),
        FactKind.OVERFLOW_FAILED: _came_to_nothing,
        FactKind.CONSULT_STARTED: _leg_step("agency", "started_at"),
        FactKind.AGENCY_RUNG: _leg_step("agency", "rung_at"),
        FactKind.AGENCY_ANSWERED: _agency_answered,
        FactKind.CONSULT_FAILED: _came_to_nothing,
        FactKind.LEG_ENDED: _leg_ended,
        FactKind.RECORDING_STARTED: _recording_started,
        FactKind.RECORDING_FINISHED: _recording_finished,
        FactKind.RECORDING_FAILED: _recording_failed,
        FactKind.RECORDING_SEALED: _recording_sealed,
        FactKind.CALL_ENDED: _call_ended,
        FactKind.CALL_MARKED: _call_marked,
        FactKind.AGENT_STATE: _agent_state,
        FactKind.CALL_LINKED: _call_linked,
        FactKind.CALL_BACK_CREATED: _call_back_created,
        FactKind.CALL_BACK_ADDED: _call_back_due,
        FactKind.CALL_BACK_ASKED: _call_back_due,
        FactKind.CALL_BACK_STARTED: _call_back_started,
        FactKind.CALL_BACK_DIALLED: _call_back_dialled,
        FactKind.CALL_BACK_ATTEMPTED: _call_back_attempted,
        FactKind.CALL_BACK_CLOSED: _call_back_closed,
        FactKind.OUTBOUND_STARTED: _outbound_started,
        FactKind.OUTBOUND_ENDED: _outbound_ended,
        FactKind.REPORT_OPENED: of_reports.report_opened,
        FactKind.REPORT_SAVED: of_reports.report_saved,
        FactKind.REPORT_DRAFTED: of_reports.report_drafted,
        FactKind.REPORT_LINKED: of_reports.report_linked,
        FactKind.REPORT_STEP: of_reports.report_step,
        FactKind.REPORT_JOINED: of_reports.report_joined,
        FactKind.REPORT_CLOSED: of_reports.report_closed,
        FactKind.REPORT_REOPENED: of_reports.report_reopened,
    }
)
"""The other kinds are told by call_events alone."""
