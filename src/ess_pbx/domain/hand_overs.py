"""Which reports of this centre neighbours are to have, and what they have acknowledged: the outbox.

A report follows the call that is handed over, or goes by itself when somebody says so; from then on
each change of it is a new version, which the engine delivers until the neighbour has it
(``ess_pbx.engine.outbox``). All of it is facts, so that nothing is forgotten with the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
from msgspec import Struct

from ess_pbx.domain.call import Call
from ess_pbx.domain.commands import Asker, Command, Via
from ess_pbx.domain.config import Agency, Centre
from ess_pbx.domain.effects import EngineEffect, Originate, Record, Refused
from ess_pbx.domain.events import Reference
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.handed_report import HandedReport, told
from ess_pbx.domain.incident import HandedCall, HandedRecording, Incident
from ess_pbx.domain.incidents import Incidents

T = TypeVar("T")

MOST = 10_000
"""Calls of which the neighbour, number or recording is remembered; the oldest go first."""
FOLLOWS = Asker("panggilan-dialihkan", Via.SYSTEM)
"""The rule that a report goes where its call went."""
CHANGES = frozenset(
    {
        FactKind.REPORT_SAVED,
        FactKind.REPORT_LINKED,
        FactKind.REPORT_JOINED,
        FactKind.REPORT_STEP,
        FactKind.REPORT_CLOSED,
        FactKind.REPORT_REOPENED,
        FactKind.REPORT_HANDED_OVER,
    }
)
"""What makes a new version for the neighbour."""


@dataclass(frozen=True, slots=True)
class HandOverReport(Command):
    """A neighbouring centre is to have a report, and what will change in it."""

    report: str
    agency: str


class Outgoing(Struct):
    """A report that a neighbour is to have."""

    report: str
    agency: str
    since: float
    version: int = 1
    acknowledged: int = 0
    """The latest version that the neighbour has."""
    theirs: str = ""
    """Their own number for it."""
    failed: str = ""
    """Why it is tried no more."""

    @property
    def waits(self) -> bool:
        """Whether the neighbour lacks the latest version, and is to have it."""
        return self.acknowledged < self.version and not self.failed


class Kept(Struct):
    """All of it, as it stands in a checkpoint."""

    outgoing: list[Outgoing] = []
    passed_on: dict[str, list[str]] = {}
    """The neighbours, by their ids as agencies, who answered a call."""
    calls: dict[str, HandedCall] = {}
    recordings: dict[str, HandedRecording] = {}
    """By call."""


class HandOvers:
    """A ``Memory``: changes by facts alone."""

    name = "hand-overs"

    def __init__(self, centre: Centre, incidents: Incidents) -> None:
        self._centre = centre
        self._incidents = incidents
        self._neighbours = {each.id: each for each in centre.agencies if each.neighbour is not None}
        self._take(Kept())

    # what is asked

    @property
    def outgoing(self) -> Sequence[Outgoing]:
        """Every report that a neighbour is to have, or has."""
        return list(self._outgoing.values())

    def waiting(self, agency: str) -> list[Outgoing]:
        """What is to be delivered to a neighbour, the longest first."""
        return [each for each in self._outgoing.values() if each.agency == agency and each.waits]

    def document(self, outgoing: Outgoing) -> HandedReport | None:
        """The report as it stands now; None when it is not at hand any more."""
        incident = self._incidents.open.get(outgoing.report)
        if incident is None:
            return None
        calls = [self._kept.calls.get(each, HandedCall(id=each)) for each in incident.calls]
        recordings = [self._kept.recordings.get(each) for each in incident.calls]
        found = [each for each in recordings if each is not None]
        return told(self._centre, incident, outgoing.version, calls, found)

    def agency(self, name: str) -> Agency | None:
        """A neighbour that takes reports."""
        found = self._neighbours.get(name)
        takes = found is not None and found.neighbour is not None and found.neighbour.url
        return found if takes else None

    # what is decided

    def command(self, command: HandOverReport) -> list[Record | Refused]:
        """Somebody says so; again makes a version of its own, which is delivered too."""
        incident = self._incidents.open.get(command.report)
        if incident is None:
            return [Refused("unknown-report", f"no report {command.report!r} is at hand")]
        agency = self.agency(command.agency)
        if agency is None:
            known = ", ".join(each for each in self._neighbours if self.agency(each)) or "none here"
            return [
                Refused(
                    "unknown-neighbour",
                    f"no neighbour {command.agency!r} takes reports; expected one of {known}",
                )
            ]
        if _came_from(incident, agency):
            return [
                Refused("own-report", f"{incident.number} came from {agency.name}: they have it")
            ]
        return [_handed_over(command.report, command.agency, command.by)]

    def follow(self, effects: Iterable[EngineEffect]) -> list[Record]:
        """Reports go where their calls went: after facts that were remembered already."""
        found: dict[tuple[str, str], Record] = {}
        for effect in effects:
            if not isinstance(effect, Record):
                continue
            match effect.kind:
                case FactKind.AGENCY_ANSWERED if effect.call is not None:
                    incidents = self._incidents.all_of_call(effect.call)
                case FactKind.REPORT_OPENED | FactKind.REPORT_LINKED | FactKind.REPORT_JOINED:
                    one = self._incidents.at_hand(str(effect.data["report"]))
                    incidents = [] if one is None else [one]
                case _:
                    continue
            for incident in incidents:
                found |= dict(self._due(incident))
        return list(found.values())

    def left_over(self) -> list[Record]:
        """What the engine before this one had no time to say, at the start."""
        found: dict[tuple[str, str], Record] = {}
        for incident in self._incidents.open.values():
            if incident.joined_to is None:
                found |= dict(self._due(incident))
        return list(found.values())

    def referred(self, wanted: Originate, call: Call) -> Originate:
        """An agency's phone is to ring: a neighbour's with what it may know the call by."""
        leg = call.legs.get(wanted.leg)
        if leg is None or leg.party not in self._neighbours:
            return wanted
        incident = self._incidents.of_call(call.id)
        report = "" if incident is None else incident.number
        return replace(wanted, reference=Reference(self._centre.id, call.id, report))

    # what is told

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], at: float, /) -> None:
        """Take note of a fact."""
        match kind:
            case FactKind.AGENCY_ANSWERED if call is not None:
                self._passed_on(call, str(data["agency"]))
                return
            case FactKind.CALL_ARRIVED if call is not None:
                number = data.get("caller_e164")
                known = HandedCall(
                    id=call, number=number if isinstance(number, str) else None, arrived_at=at
                )
                _put(self._kept.calls, call, known)
                return
            case FactKind.RECORDING_FINISHED | FactKind.RECORDING_SEALED if call is not None:
                self._recorded(call, data)
            case FactKind.REPORT_DELIVERED:
                self._delivered(data)
            case FactKind.REPORT_NOT_DELIVERED:
                outgoing = self._outgoing.get((str(data["report"]), str(data["agency"])))
                if outgoing is not None:
                    outgoing.failed = str(data["reason"])
            case _ if kind in CHANGES:
                self._changed(kind, data, at)
            case _:
                return
        self._want()

    def dump(self) -> JSON:
        """All of it, for a checkpoint."""
        self._kept.outgoing = list(self._outgoing.values())
        plain: JSON = msgspec.to_builtins(self._kept)
        return plain

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        self._take(msgspec.convert(state, Kept))
        self._want()

    def _take(self, kept: Kept) -> None:
        self._kept = kept
        self._outgoing = {(each.report, each.agency): each for each in kept.outgoing}

    def _want(self) -> None:
        waiting = (each.report for each in self._outgoing.values() if each.waits)
        self._incidents.wanted = frozenset(waiting)

    def _due(self, incident: Incident) -> Iterator[tuple[tuple[str, str], Record]]:
        for call in incident.calls:
            for name in self._kept.passed_on.get(call, ()):
                agency, key = self.agency(name), (incident.number, name)
                if agency is None or key in self._outgoing or _came_from(incident, agency):
                    continue
                yield key, _handed_over(incident.number, name, FOLLOWS)

    def _passed_on(self, call: str, agency: str) -> None:
        if agency in self._neighbours:
            known = self._kept.passed_on.get(call, [])
            _put(self._kept.passed_on, call, list(dict.fromkeys((*known, agency))))

    def _recorded(self, call: str, data: Mapping[str, JSON]) -> None:
        before = self._kept.recordings.get(call)
        known = None if before is None else before.seconds
        seconds, entry = data.get("seconds"), data.get("entry")
        fresh = HandedRecording(
            recording=str(data["recording"]),
            call=call,
            seconds=seconds if isinstance(seconds, float) else known,
            sha256=str(data["sha256"]),
            entry=entry if isinstance(entry, int) else None,
        )
        _put(self._kept.recordings, call, fresh)
        for outgoing in self._outgoing.values():
            incident = self._incidents.open.get(outgoing.report)
            if incident is not None and call in incident.calls:
                outgoing.version += 1

    def _changed(self, kind: str, data: Mapping[str, JSON], at: float) -> None:
        report = str(data["report"])
        if kind != FactKind.REPORT_HANDED_OVER:
            for outgoing in self._outgoing.values():
                if outgoing.report in (report, data.get("to")):
                    outgoing.version += 1
            return
        agency = str(data["agency"])
        known = self._outgoing.pop((report, agency), None)
        if known is None:
            known = Outgoing(report, agency, at)
        else:
            known.version, known.failed = known.version + 1, ""
        self._outgoing[report, agency] = known
        while len(self._outgoing) > MOST:
            # What was delivered is done with; it only would not be updated any more.
            done = (key for key, each in self._outgoing.items() if not each.waits)
            del self._outgoing[next(done, next(iter(self._outgoing)))]

    def _delivered(self, data: Mapping[str, JSON]) -> None:
        outgoing = self._outgoing.get((str(data["report"]), str(data["agency"])))
        if outgoing is None:
            return
        sent, held = int(str(data["version"])), int(str(data["held"]))
        outgoing.theirs = str(data["theirs"])
        if held > sent:
            # They have more than we know of: our journal is older than what was sent. Count on.
            outgoing.version = max(outgoing.version, held + 1)
        else:
            outgoing.acknowledged = max(outgoing.acknowledged, sent)


def _came_from(incident: Incident, agency: Agency) -> bool:
    origin, neighbour = incident.origin, agency.neighbour
    return origin is not None and neighbour is not None and origin.centre == neighbour.centre


def _handed_over(report: str, agency: str, by: Asker) -> Record:
    data: dict[str, JSON] = {"report": report, "agency": agency, **by.fields}
    return Record(None, FactKind.REPORT_HANDED_OVER, data)


def _put(of: dict[str, T], key: str, value: T) -> None:
    of.pop(key, None)
    of[key] = value
    while len(of) > MOST:
        del of[next(iter(of))]
