"""What neighbouring centres hand over to this one: their reports, and the calls they pass on.

A report is known by the centre it came from and its number there. Telling the same version again
changes nothing; a newer one is taken over but where somebody here has written since: what they
wrote stays, and what the neighbour says there is kept as the neighbour's draft.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from ess_pbx.domain.commands import Asker, Command, Via
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.events import Arrived
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.handed_report import HandedReport, fitted
from ess_pbx.domain.incident import Fields, Incident
from ess_pbx.domain.incidents import Incidents, LinkCall, OpenReport, SaveReport

MOST = 10_000
"""Reports, and calls, that are remembered; the oldest go first."""


@dataclass(frozen=True, slots=True)
class ReceiveReport(Command):
    """A neighbour, whose signature was right, tells of a report as it stands."""

    report: HandedReport


class Received(Struct):
    """A neighbour's report, as it was last told."""

    report: str
    """Our own number for it."""
    version: int
    digest: str
    calls: list[str]
    """Of that centre."""


class Kept(Struct):
    """All of it, as it stands in a checkpoint. Keys are ``<centre>/<ticket or call>``."""

    reports: dict[str, Received] = {}
    by_call: dict[str, list[str]] = {}
    """Calls of ours by the neighbour's call that each of them is."""
    by_ticket: dict[str, list[str]] = {}


def neighbour(centre: str) -> Asker:
    """A neighbouring centre as the audit log knows it."""
    return Asker(f"pusat:{centre}", Via.NEIGHBOUR)


class HandedOver:
    """A ``Memory``: changes by facts alone."""

    name = "handed-over"

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._kept = Kept()

    def known(self, key: str) -> Received | None:
        """A neighbour's report, ``<centre>/<ticket>``."""
        return self._kept.reports.get(key)

    def arrived(self, event: Arrived) -> list[Record]:
        """A call that a neighbour passes on; it belongs to the report that came or will come."""
        reference = event.reference
        if reference is None:
            return []
        key = f"{reference.centre}/{reference.call}"
        if event.call in self._kept.by_call.get(key, ()):
            return []  # offered by the dialplan once more
        data: dict[str, JSON] = {
            "origin": reference.centre,
            "origin_call": reference.call,
            "ticket": reference.report or None,
        }
        records = [Record(event.call, FactKind.CALL_HANDED_OVER, data)]
        for each, received in self._kept.reports.items():
            centre, _, ticket = each.partition("/")
            named = ticket == reference.report or reference.call in received.calls
            if centre == reference.centre and named:
                records += self._linked(received.report, event.call, centre)
        return records

    def receive(self, command: ReceiveReport, local: datetime) -> list[Record | Refused]:
        """What becomes of a neighbour's report; ``local`` is our time, for a number of ours."""
        report, known = command.report, self.known(command.report.key)
        digest = report.digest
        if known is not None and known.version >= report.version:
            if known.version > report.version or known.digest == digest:
                return []  # told again, or overtaken by a newer one
            return [
                Refused(
                    "conflict",
                    f"version {report.version} of {report.key} was told with other content; "
                    f"expected a version above {known.version} for what has changed",
                )
            ]
        incident = None if known is None else self._incidents.at_hand(known.report)
        given = fitted(report, self._incidents.wrong)
        effects: list[Record | Refused] = []
        if known is None:
            fields = Fields(**given)
            effects += self._incidents.decide(OpenReport(command.by, fields), local)
            number = next((str(e.data["report"]) for e in effects if isinstance(e, Record)), "")
            if not number:
                return effects
        else:
            number = known.report
            if incident is not None and incident.closed_at is None:
                effects += self._written(incident, given, command.by, local)
        effects.append(self._received(number, report, digest, command.by))
        already = incident.calls if incident is not None else ()
        for call in self._calls_of(report):
            if call not in already:
                data: dict[str, JSON] = {"report": number, "linked": call, **command.by.fields}
                effects.append(Record(None, FactKind.REPORT_LINKED, data))
        return effects

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], _: float, /) -> None:
        """A report or a call came from a neighbour."""
        kept = self._kept
        if kind == FactKind.REPORT_RECEIVED:
            calls = data["calls"]
            key = f"{data['origin']}/{data['ticket']}"
            kept.reports.pop(key, None)
            kept.reports[key] = Received(
                report=str(data["report"]),
                version=int(str(data["version"])),
                digest=str(data["digest"]),
                calls=[str(each["id"]) for each in calls if isinstance(each, Mapping)]
                if isinstance(calls, list | tuple)
                else [],
            )
            _shorten(kept.reports)
        elif kind == FactKind.CALL_HANDED_OVER and call is not None:
            _add(kept.by_call, f"{data['origin']}/{data['origin_call']}", call)
            if data["ticket"] is not None:
                _add(kept.by_ticket, f"{data['origin']}/{data['ticket']}", call)

    def dump(self) -> JSON:
        """All of it, for a checkpoint."""
        plain: JSON = msgspec.to_builtins(self._kept)
        return plain

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        self._kept = msgspec.convert(state, Kept)

    def _written(
        self, incident: Incident, given: dict[str, Any], by: Asker, local: datetime
    ) -> list[Record | Refused]:
        """Their words where nobody here has written, and a draft of the others."""
        ours: dict[str, Any] = {}
        theirs: dict[str, Any] = {}
        for name, value in given.items():
            now, written = getattr(incident.fields, name), incident.written.get(name)
            if now is UNSET or written is None or written.by == by.name:
                if value != now:
                    theirs[name] = value
            elif value != now:
                ours[name] = value
        done: list[Record | Refused] = []
        if theirs:
            command = SaveReport(by, incident.number, incident.version, Fields(**theirs))
            done += self._incidents.decide(command, local)
        if ours or by.name in incident.drafts:
            plain: JSON = msgspec.to_builtins(Fields(**ours))
            data: dict[str, JSON] = {"report": incident.number, "fields": plain}
            base: dict[str, JSON] = {"base": incident.version, **by.fields}
            done.append(Record(None, FactKind.REPORT_DRAFTED, data | base))
        return done

    def _received(self, number: str, report: HandedReport, digest: str, by: Asker) -> Record:
        origin: dict[str, JSON] = msgspec.to_builtins(report.origin())
        origin["origin"], origin["origin_name"] = origin.pop("centre"), origin.pop("name")
        data: dict[str, JSON] = {**origin, "report": number, "digest": digest, **by.fields}
        return Record(None, FactKind.REPORT_RECEIVED, data)

    def _calls_of(self, report: HandedReport) -> list[str]:
        """Our calls that are of a neighbour's report."""
        found = list(self._kept.by_ticket.get(report.key, ()))
        for call in report.calls:
            found += self._kept.by_call.get(f"{report.centre}/{call.id}", ())
        return list(dict.fromkeys(found))

    def _linked(self, number: str, call: str, centre: str) -> list[Record]:
        incident = self._incidents.at_hand(number)
        if incident is None or call in incident.calls:
            return []
        if incident.closed_at is not None:
            return []
        link = LinkCall(neighbour(centre), incident.number, call)
        # A link needs no local time.
        done = self._incidents.decide(link, datetime.min)
        return [each for each in done if isinstance(each, Record)]


def _add(of: dict[str, list[str]], key: str, call: str) -> None:
    if call not in of.setdefault(key, []):
        of[key].append(call)
    _shorten(of)


def _shorten(of: dict[str, Any]) -> None:
    while len(of) > MOST:
        del of[next(iter(of))]
