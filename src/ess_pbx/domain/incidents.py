"""The reports of a centre: opened, written, given to agencies, closed; numbered by day.

A Memory: every change is a fact first. Reports that are closed stay for as long as another call of
the same event may come, then the database alone has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ess_pbx.domain.commands import Asker, Command
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.incident import (
    Draft,
    Fields,
    Incident,
    Origin,
    Step,
    conflicts,
    written_over,
)

KEPT_SECONDS = 86400.0
"""How long a closed report stays at hand."""


@dataclass(frozen=True, slots=True)
class OpenReport(Command):
    """Begin a report, of a call or of none."""

    fields: Fields
    call: str | None = None


@dataclass(frozen=True, slots=True)
class SaveReport(Command):
    """Write into a report; ``base`` is the version that the writer saw."""

    report: str
    base: int
    fields: Fields


@dataclass(frozen=True, slots=True)
class DraftReport(Command):
    """Keep what somebody has typed so far; it replaces their earlier draft."""

    report: str
    base: int
    fields: Fields


@dataclass(frozen=True, slots=True)
class LinkCall(Command):
    """One more call about the same event."""

    report: str
    call: str


@dataclass(frozen=True, slots=True)
class JoinReport(Command):
    """This report is of the same event as another, which goes on for both."""

    report: str
    to: str


@dataclass(frozen=True, slots=True)
class AgencyStep(Command):
    """An agency was given the report, or said how far it is."""

    report: str
    agency: str
    step: Step


@dataclass(frozen=True, slots=True)
class CloseReport(Command):
    """The report is done with."""

    report: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ReopenReport(Command):
    """A closed report goes on."""

    report: str
    reason: str


ReportCommand = (
    OpenReport
    | SaveReport
    | DraftReport
    | LinkCall
    | JoinReport
    | AgencyStep
    | CloseReport
    | ReopenReport
)


class Incidents:
    """The reports that are at hand."""

    name: str = "incidents"

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self.open: dict[str, Incident] = {}
        """By number; the closed ones of the last day too."""
        self.wanted: Set[str] = frozenset()
        """Those that are still to be delivered somewhere: they stay, closed or not."""
        self._last: tuple[str, int] = ("", 0)

    @property
    def latest(self) -> str:
        """The number of the report that was opened last; empty before the first."""
        return self._number(*self._last) if self._last[0] else ""

    def at_hand(self, number: str) -> Incident | None:
        """The report that goes on under this number, or for it when it was joined to another."""
        incident = self.open.get(number)
        while incident is not None and incident.joined_to is not None:
            incident = self.open.get(incident.joined_to)
        return incident

    def of_call(self, call: str) -> Incident | None:
        """The latest report that goes on about a call."""
        return next(reversed(self.all_of_call(call)), None)

    def all_of_call(self, call: str) -> list[Incident]:
        """Every report that goes on about a call, the latest last."""
        about = (each for each in self.open.values() if call in each.calls)
        return [each for each in about if each.joined_to is None]

    def decide(self, command: ReportCommand, local: datetime) -> list[Record | Refused]:
        """What becomes of a command; ``local`` is the centre's time, for the number."""
        if isinstance(command, OpenReport):
            return self._opened(command, local)
        incident = self.open.get(command.report)
        if incident is None:
            return [Refused("unknown-report", f"no report {command.report!r} is at hand")]
        if incident.closed_at is not None and not isinstance(command, ReopenReport):
            return [
                Refused(
                    "closed-report",
                    f"{incident.number} was closed by {incident.closed_by}; reopen it first",
                )
            ]
        match command:
            case SaveReport():
                return self._saved(incident, command)
            case DraftReport(by, report, base, fields):
                data: dict[str, JSON] = {"report": report, "base": base, "fields": _plain(fields)}
                return [_record(FactKind.REPORT_DRAFTED, by, **data)]
            case LinkCall(by, report, call):
                if call in incident.calls:
                    return []
                return [_record(FactKind.REPORT_LINKED, by, report=report, linked=call)]
            case JoinReport():
                return self._joined(incident, command)
            case AgencyStep():
                return self._stepped(incident, command)
            case CloseReport(by, report, outcome):
                return [_record(FactKind.REPORT_CLOSED, by, report=report, outcome=outcome)]
            case ReopenReport(by, report, reason):
                if incident.closed_at is None:
                    return [Refused("not-closed", f"{report} is open")]
                return [_record(FactKind.REPORT_REOPENED, by, report=report, reason=reason)]

    def remember(
        self, kind: str, _call: str | None, data: Mapping[str, JSON], at: float, /
    ) -> None:
        """A fact of a report."""
        report = data.get("report")
        if not isinstance(report, str):
            return
        by = str(data.get("by"))
        if kind == FactKind.REPORT_OPENED:
            self._remember_opened(report, data, by, at)
            return
        incident = self.open.get(report)
        if incident is None:
            return
        match kind:
            case FactKind.REPORT_SAVED:
                incident = written_over(incident, _fields(data["fields"]), by, at)
            case FactKind.REPORT_DRAFTED:
                draft = Draft(_whole(data["base"]), _fields(data["fields"]), at)
                incident = replace(incident, drafts={**incident.drafts, by: draft})
            case FactKind.REPORT_LINKED:
                incident = replace(incident, calls=(*incident.calls, str(data["linked"])))
            case FactKind.REPORT_JOINED:
                self._remember_joined(incident, str(data["to"]), by, at)
                return
            case FactKind.REPORT_STEP:
                steps = {
                    Step(str(data["step"])): at,
                    **incident.agencies.get(str(data["agency"]), {}),
                }
                agencies = {**incident.agencies, str(data["agency"]): steps}
                incident = replace(incident, agencies=agencies)
            case FactKind.REPORT_CLOSED:
                incident = replace(
                    incident, closed_at=at, closed_by=by, outcome=str(data["outcome"])
                )
            case FactKind.REPORT_REOPENED:
                incident = replace(incident, closed_at=None, closed_by="", outcome="")
            case FactKind.REPORT_RECEIVED:
                incident = replace(incident, origin=_origin(data))
        self.open[report] = incident

    def district(self, call: str) -> str:
        """The kecamatan in the report of a call; empty when no report says one."""
        of_call = (each for each in self.open.values() if call in each.calls)
        found = next((each.fields.district for each in of_call if each.joined_to is None), None)
        return found if isinstance(found, str) else ""

    def dump(self) -> JSON:
        """All of it, for a checkpoint."""
        plain: JSON = msgspec.to_builtins({"last": self._last, "open": self.open})
        return plain

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        if isinstance(state, dict):
            self.open = msgspec.convert(state["open"], dict[str, Incident])
            self._last = msgspec.convert(state["last"], tuple[str, int])

    def _opened(self, command: OpenReport, local: datetime) -> list[Record | Refused]:
        wrong = self.wrong(command.fields, Fields())
        if wrong is not None:
            return [wrong]
        day = f"{local:%Y%m%d}"
        number = self._last[1] + 1 if self._last[0] == day else 1
        data: dict[str, JSON] = {
            "report": self._number(day, number),
            "linked": command.call,
            "fields": _plain(command.fields),
        }
        return [_record(FactKind.REPORT_OPENED, command.by, **data)]

    def _number(self, day: str, number: int) -> str:
        return f"{self._centre.id}-{day}-{number:04}"

    def _saved(self, incident: Incident, command: SaveReport) -> list[Record | Refused]:
        wrong = self.wrong(command.fields, incident.fields)
        if wrong is not None:
            return [wrong]
        found = conflicts(incident, command.base, command.fields)
        data: dict[str, JSON] = {"report": command.report, "fields": _plain(command.fields)}
        if not found:
            # The fact is whole: who reads it needs no earlier one.
            answers = written_over(incident, command.fields, "", 0.0).fields.answers
            if command.fields.answers is not UNSET:
                data["fields"] = _plain(replace(command.fields, answers=answers))
            return [_record(FactKind.REPORT_SAVED, command.by, **data)]
        detail = "; ".join(
            f"{each.field}: {each.written.by} wrote {each.now!r} in version {each.written.version}"
            for each in found
        )
        return [
            # What was typed is kept until the writer has looked.
            _record(FactKind.REPORT_DRAFTED, command.by, base=command.base, **data),
            Refused(
                "conflict",
                f"{incident.number} is at version {incident.version}, this was written from "
                f"{command.base}. {detail}. It is kept as a draft: look, and save again",
            ),
        ]

    def _joined(self, incident: Incident, command: JoinReport) -> list[Record | Refused]:
        other = self.open.get(command.to)
        if other is None or other.joined_to is not None or other.number == incident.number:
            return [Refused("unknown-report", f"no other report {command.to!r} to join")]
        return [_record(FactKind.REPORT_JOINED, command.by, report=command.report, to=command.to)]

    def _stepped(self, incident: Incident, command: AgencyStep) -> list[Record | Refused]:
        known = [agency.id for agency in self._centre.agencies]
        if command.agency not in known:
            return [
                Refused(
                    "unknown-agency", f"no agency {command.agency!r}; there are {', '.join(known)}"
                )
            ]
        if command.step in incident.agencies.get(command.agency, {}):
            return []
        return [
            _record(
                FactKind.REPORT_STEP,
                command.by,
                report=command.report,
                agency=command.agency,
                step=str(command.step),
            )
        ]

    def wrong(self, change: Fields, before: Fields) -> Refused | None:
        """What the centre's lists do not know; a list that is not there allows anything."""
        form, after = self._centre.report_form, replace(before, **change.given())
        categories = [category.id for category in self._centre.categories]
        if isinstance(change.category, str) and change.category not in categories:
            return _unknown("category", change.category, categories)
        sop = form.categories.get(after.category) if isinstance(after.category, str) else None
        if isinstance(change.subcategory, str):
            known = list(sop.subcategories) if sop is not None else []
            if change.subcategory not in known:
                return _unknown("subcategory", change.subcategory, known)
        district, districts = change.district, list(form.districts)
        if isinstance(district, str) and districts and district not in districts:
            return _unknown("district", district, districts)
        if isinstance(change.village, str) and form.districts:
            of_district = after.district if isinstance(after.district, str) else ""
            villages = list(form.districts.get(of_district, ()))
            if change.village not in villages:
                return _unknown("village", change.village, villages)
        for question in change.answers if isinstance(change.answers, dict) else ():
            questions = [each.id for each in sop.questions] if sop is not None else []
            if questions and question not in questions:
                return _unknown("question", question, questions)
        return None

    def _remember_opened(self, report: str, data: Mapping[str, JSON], by: str, at: float) -> None:
        for number, incident in list(self.open.items()):
            over = incident.closed_at is not None and at - incident.closed_at > KEPT_SECONDS
            if over and number not in self.wanted:
                del self.open[number]
        linked = data["linked"]
        fields = _fields(data["fields"])
        fresh = Incident(
            number=report,
            opened_at=at,
            opened_by=by,
            version=0,
            calls=() if linked is None else (str(linked),),
        )
        self.open[report] = written_over(fresh, fields, by, at)
        _, day, number = report.rsplit("-", 2)
        self._last = (day, int(number))

    def _remember_joined(self, incident: Incident, to: str, by: str, at: float) -> None:
        other = self.open.get(to)
        if other is None:
            return
        calls = tuple(dict.fromkeys((*other.calls, *incident.calls)))
        self.open[to] = replace(other, calls=calls)
        self.open[incident.number] = replace(
            incident, joined_to=to, closed_at=at, closed_by=by, outcome=f"digabung ke {to}"
        )


def _record(kind: FactKind, by: Asker, **data: JSON) -> Record:
    return Record(None, kind, {**data, **by.fields})


def _unknown(what: str, found: str, known: Sequence[str]) -> Refused:
    listed = ", ".join(known) or "none here"
    return Refused(f"unknown-{what}", f"no {what} {found!r}; there are {listed}")


def _plain(fields: Fields) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(fields)
    return plain


def _fields(plain: JSON) -> Fields:
    return msgspec.convert(plain, Fields)


def _origin(data: Mapping[str, JSON]) -> Origin:
    given = {name: data[name] for name in Origin.__struct_fields__ if name in data}
    return msgspec.convert({**given, "centre": data["origin"], "name": data["origin_name"]}, Origin)


def _whole(value: JSON) -> int:
    return value if isinstance(value, int) else 0
