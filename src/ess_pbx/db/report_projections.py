"""What the facts of reports change in the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ess_pbx.db.changes import Change, Upsert, Values, clean, moment, text, whole
from ess_pbx.db.tables import report_calls, report_drafts, report_steps, reports
from ess_pbx.domain.facts import Fact

_REPORT_TEXTS = (
    *("kind", "category", "subcategory", "place", "district", "village"),
    *("caller_name", "contact_number"),
)


def _report(fact: Fact, **latest: Any) -> Iterator[Change]:
    number = text(fact.data.get("report"))
    if number is not None:
        yield Upsert(reports, {"number": number}, {"centre": text(fact.centre)}, latest)


def report_opened(fact: Fact) -> Iterator[Change]:
    """A report begins, perhaps with a call."""
    opened = {"opened_at": moment(fact.at), "opened_by": text(fact.data.get("by"))}
    yield from _report(fact, **opened, **_written(fact))
    yield from report_linked(fact)


def report_saved(fact: Fact) -> Iterator[Change]:
    """Somebody wrote into a report; the fact holds the whole of each field."""
    yield from _report(fact, **_written(fact))


def report_drafted(fact: Fact) -> Iterator[Change]:
    """What somebody has typed and not saved; the fact holds the whole of it."""
    key = {"report": text(fact.data.get("report")), "by": text(fact.data.get("by"))}
    if None not in key.values():
        typed = {"base": whole(fact.data.get("base")), "fields": clean(fact.data.get("fields"))}
        yield Upsert(report_drafts, key, latest={**typed, "at": moment(fact.at)})


def _written(fact: Fact) -> Values:
    fields = fact.data.get("fields")
    given = fields if isinstance(fields, Mapping) else {}
    values: Values = {name: text(given[name]) for name in _REPORT_TEXTS if name in given}
    values |= {
        name: clean(given[name]) for name in ("point", "answers", "narrative") if name in given
    }
    values |= {name: whole(given[name]) for name in ("victims", "priority") if name in given}
    return {**values, "saved_at": moment(fact.at), "saved_by": text(fact.data.get("by"))}


def report_linked(fact: Fact) -> Iterator[Change]:
    """A call belongs to a report."""
    number, call = text(fact.data.get("report")), text(fact.data.get("linked"))
    if number is not None and call is not None:
        linked = {"linked_at": moment(fact.at), "linked_by": text(fact.data.get("by"))}
        yield Upsert(report_calls, {"report": number, "call": call}, linked)


def report_step(fact: Fact) -> Iterator[Change]:
    """An agency was given a report, or said how far it is; the first time counts."""
    key = {name: text(fact.data.get(name)) for name in ("report", "agency", "step")}
    if None not in key.values():
        said = {"at": moment(fact.at), "by": text(fact.data.get("by"))}
        yield Upsert(report_steps, key, said)


def report_closed(fact: Fact) -> Iterator[Change]:
    """A report is done with."""
    by, outcome = text(fact.data.get("by")), text(fact.data.get("outcome"))
    yield from _report(fact, closed_at=moment(fact.at), closed_by=by, outcome=outcome)


def report_joined(fact: Fact) -> Iterator[Change]:
    """A report goes on in another of the same event."""
    by, other = text(fact.data.get("by")), text(fact.data.get("to"))
    yield from _report(fact, closed_at=moment(fact.at), closed_by=by, joined_to=other)


def report_reopened(fact: Fact) -> Iterator[Change]:
    """A closed report goes on."""
    yield from _report(fact, closed_at=None, closed_by=None, outcome=None, joined_to=None)
