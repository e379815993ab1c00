"""The reports of a centre: opened, written, given to agencies, closed; numbered by day.

A Memory: every change is a fact first. Reports that are closed stay for as long as another call of
the same event may come, then the database alone has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ess_pbx.domain.commands import Asker, Command
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.events import CentreEvent
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.incident import (
    Draft,
    Fields,
    Incident,
    Origin,
    Step,
    conflicts,
    drafted,
    merged,
    with_draft,
    written_over,
)
from ess_pbx.domain.incident_form import faults, parted, told
from ess_pbx.domain.incident_join import carried_over, in_one

KEPT_SECONDS = 86400.0
"""How long a closed report stays at hand."""
MOST_DAYS = 4000
"""Days of which the last number is remembered; those that were numbered longest ago go first."""


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
    """Keep what somebody has typed so far, beside what else is in their draft; with no field at
    all, their draft is thrown away."""

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


@dataclass(frozen=True, slots=True)
class TakeBack(CentreEvent):
    """Somebody asks something of a report that is not at hand any more: the database has it."""

    incident: Incident


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
        self._numbers: dict[str, int] = {}
        """By local day, the last number given: a day may come again, when the clock is set."""

    @property
    def latest(self) -> str:
        """The number of the report that was opened last; empty before the first."""
        return self._number(*self._last) if self._last[0] else ""

    def given(self, numbers: Mapping[str, int]) -> None:
        """The last numbers, by day, of reports that are on record elsewhere: they are taken."""
        for day, number in numbers.items():
            self._numbers[day] = max(number, self._numbers.get(day, 0))

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

    def take_back(self, incident: Incident) -> list[Record]:
        """A report out of the database is at hand, unless it is already, and newer."""
        if incident.number in self.open:
            return []
        plain: JSON = msgspec.to_builtins(incident)
        data: dict[str, JSON] = {"report": incident.number, "incident": plain}
        return [Record(None, FactKind.REPORT_TAKEN_BACK, data)]

    def decide(self, command: ReportCommand, local: datetime) -> list[Record | Refused]:
        """What becomes of a command; ``local`` is the centre's time, for the number."""
        if isinstance(command, OpenReport):
            return self._opened(command, local)
        incident = self.open.get(command.report)
        if incident is None:
            return [Refused("unknown-report", f"no report {command.report!r} is at hand")]
        if incident.closed_at is not None and not isinstance(command, ReopenReport):
            return self._closed(incident, command)
        match command:
            case SaveReport():
                return self._saved(incident, command)
            case DraftReport(by, _, base, fields):
                return self._draft(incident, by, base, fields)
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
        if kind == FactKind.REPORT_TAKEN_BACK:
            self.open[report] = msgspec.convert(data["incident"], Incident)
            return
        incident = self.open.get(report)
        if incident is None:
            return
        match kind:
            case FactKind.REPORT_SAVED:
                incident = written_over(incident, _fields(data["fields"]), by, at)
            case FactKind.REPORT_DRAFTED:
                typed = _fields(data["fields"])
                draft = Draft(_whole(data["base"]), typed, at) if typed.given() else None
                incident = replace(incident, drafts=with_draft(incident.drafts, by, draft))
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
                incident = replace(
                    incident, closed_at=None, closed_by="", outcome="", joined_to=None
                )
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
        plain: JSON = msgspec.to_builtins(
            {"last": self._last, "numbers": self._numbers, "open": self.open}
        )
        return plain

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        if isinstance(state, dict):
            self.open = msgspec.convert(state["open"], dict[str, Incident])
            self._last = msgspec.convert(state["last"], tuple[str, int])
            # A checkpoint of an older version knows of the last day alone.
            self._numbers = msgspec.convert(
                state.get("numbers", dict([self._last])), dict[str, int]
            )

    def _opened(self, command: OpenReport, local: datetime) -> list[Record | Refused]:
        wrong = faults(self._centre, command.fields, Fields())
        right, rest = parted(command.fields, wrong)
        report = self._next(f"{local:%Y%m%d}")
        data: dict[str, JSON] = {
            "report": report,
            "linked": command.call,
            "fields": _plain(right),
        }
        done: list[Record | Refused] = [_record(FactKind.REPORT_OPENED, command.by, **data)]
        if wrong:
            # Help may go out by what is right; what is not is there to be corrected.
            done.append(_kept(report, command.by, Draft(1, rest, 0.0)))
            done.append(
                told(wrong, f"{report} was opened with all else; this is kept in it as a draft")
            )
        return done

    def _next(self, day: str) -> str:
        """A number that no report has."""
        number = self._numbers.get(day, 0) + 1
        while self._number(day, number) in self.open:
            number += 1
        return self._number(day, number)

    def _number(self, day: str, number: int) -> str:
        return f"{self._centre.id}-{day}-{number:04}"

    def _saved(self, incident: Incident, command: SaveReport) -> list[Record | Refused]:
        by, base, change = command.by, command.base, command.fields
        # What is not saved is kept until the writer has looked.
        draft = drafted(incident.drafts.get(by.name), base, change)
        wrong = faults(self._centre, change, incident.fields)
        if wrong:
            end = f"Nothing was saved in {incident.number}; it is kept as a draft: correct it"
            return [_kept(incident.number, by, draft), told(wrong, end)]
        found = conflicts(incident, base, change)
        if not found:
            return self._written(incident, by, change)
        detail = "; ".join(
            f"{each.field}: {each.written.by} wrote {each.now!r} in version {each.written.version}"
            for each in found
        )
        return [
            _kept(incident.number, by, draft),
            Refused(
                "conflict",
                f"{incident.number} is at version {incident.version}, this was written from "
                f"{base}. {detail}. It is kept as a draft: look, and save again",
            ),
        ]

    def _written(self, incident: Incident, by: Asker, change: Fields) -> list[Record | Refused]:
        """The facts of a change. Each is whole: who reads it needs no earlier one."""
        whole = merged(incident.fields, change)
        fields = replace(whole, **dict.fromkeys(set(whole.given()) - set(change.given()), UNSET))
        number = incident.number
        done: list[Record | Refused] = [
            _record(FactKind.REPORT_SAVED, by, report=number, fields=_plain(fields))
        ]
        if by.name in incident.drafts:
            left = written_over(incident, change, by.name, 0.0).drafts.get(by.name)
            done.append(_kept(number, by, left or Draft(incident.version + 1, Fields(), 0.0)))
        return done

    def _draft(
        self, incident: Incident, by: Asker, base: int, fields: Fields
    ) -> list[Record | Refused]:
        if not fields.given():
            return [_kept(incident.number, by, Draft(base, fields, 0.0))]
        return [_kept(incident.number, by, drafted(incident.drafts.get(by.name), base, fields))]

    def _closed(self, incident: Incident, command: ReportCommand) -> list[Record | Refused]:
        """Nothing changes in a closed report, but what somebody typed is kept."""
        goes_on = self.at_hand(incident.number) or incident
        detail = f"{incident.number} was closed by {incident.closed_by}; reopen it first"
        if goes_on is not incident:
            detail = f"{incident.number} goes on as {goes_on.number}"
        if not isinstance(command, SaveReport | DraftReport) or not command.fields.given():
            return [Refused("closed-report", detail)]
        base = command.base if goes_on is incident else 0
        return [
            *self._draft(goes_on, command.by, base, command.fields),
            Refused(
                "closed-report",
                f"{detail}. What was written is kept as a draft in {goes_on.number}",
            ),
        ]

    def _joined(self, incident: Incident, command: JoinReport) -> list[Record | Refused]:
        other = self.open.get(command.to)
        if other is None or other.joined_to is not None or other.number == incident.number:
            return [Refused("unknown-report", f"no other report {command.to!r} to join")]
        if other.closed_at is not None:
            detail = f"{other.number} was closed by {other.closed_by}; reopen it first"
            return [Refused("closed-report", detail)]
        done: list[Record | Refused] = []
        carried = carried_over(self._centre, other.fields, incident.fields)
        if carried.given():
            done += self._written(replace(other, drafts={}), command.by, carried)
        for agency, steps in incident.agencies.items():
            known = other.agencies.get(agency, {})
            done += [
                step_record(other.number, command.by, agency, step, at)
                for step, at in steps.items()
                if step not in known
            ]
        data: dict[str, JSON] = {"report": command.report, "to": command.to}
        return [*done, _record(FactKind.REPORT_JOINED, command.by, **data)]

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
        return [step_record(command.report, command.by, command.agency, command.step)]

    def wrong(self, change: Fields, before: Fields) -> Refused | None:
        """The first of what the centre's lists do not know."""
        return next(iter(faults(self._centre, change, before).values()), None)

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
        self._numbers[day] = max(int(number), self._numbers.pop(day, 0))
        while len(self._numbers) > MOST_DAYS:
            del self._numbers[next(iter(self._numbers))]

    def _remember_joined(self, incident: Incident, to: str, by: str, at: float) -> None:
        other = self.open.get(to)
        if other is None:
            return
        self.open[to] = in_one(other, incident)
        self.open[incident.number] = replace(
            incident, joined_to=to, closed_at=at, closed_by=by, outcome=f"digabung ke {to}"
        )


def _record(kind: FactKind, by: Asker, **data: JSON) -> Record:
    return Record(None, kind, {**data, **by.fields})


def step_record(report: str, by: Asker, agency: str, step: Step, at: float | None = None) -> Record:
    """An agency's step, at epoch seconds ``at`` if not now."""
    data: dict[str, JSON] = {"report": report, "agency": agency, "step": str(step), **by.fields}
    return Record(None, FactKind.REPORT_STEP, data, at=at)


def _kept(report: str, by: Asker, draft: Draft) -> Record:
    """A draft as it is from now on; without fields there is none."""
    data: dict[str, JSON] = {"base": draft.base, "fields": _plain(draft.fields)}
    return _record(FactKind.REPORT_DRAFTED, by, report=report, **data)


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
