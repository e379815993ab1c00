"""A call's timeline, read from its facts: milliseconds from the INVITE."""

from __future__ import annotations

from collections.abc import Iterable

from ess_pbx.domain.facts import Fact, FactKind

STEPS = {
    FactKind.CALL_ANSWERED: "answered",
    FactKind.GREETING_STARTED: "greeting_started",
    FactKind.KEY_PRESSED: "key_pressed",
    FactKind.QUEUED: "queued",
    FactKind.OFFERED: "offered",
    FactKind.OPERATOR_ANSWERED: "operator_answered",
    FactKind.CONSULT_STARTED: "consult_started",
    FactKind.AGENCY_RUNG: "agency_rung",
    FactKind.AGENCY_ANSWERED: "agency_answered",
    FactKind.CONFERENCE: "conference",
    FactKind.OPERATOR_LEFT: "operator_left",
    FactKind.CALL_ENDED: "ended",
}
"""The facts that are steps, by the names under which they are shown, in the order of a call."""


def timeline(facts: Iterable[Fact]) -> dict[str, int]:
    """When each step first happened; a step that did not happen is absent."""
    first: dict[str, int] = {}
    for fact in facts:
        step = STEPS.get(FactKind(fact.kind))
        if step is not None and fact.ms is not None:
            first.setdefault(step, fact.ms)
    return {"invite": 0} | {step: first[step] for step in STEPS.values() if step in first}
