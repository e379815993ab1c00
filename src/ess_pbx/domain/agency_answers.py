"""An agency that answers a call has its report: the step is set without anybody's writing it down.

What follows, such as that it is on its way, people say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.effects import EngineEffect, Record
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.incident import Incident, Step
from ess_pbx.domain.incidents import KEPT_SECONDS, Incidents, step_record

ON_ANSWER = (Step.GIVEN, Step.RECEIVED)
"""In a warm transfer the operator says what it is, and somebody hears it."""


class Answered(Struct, frozen=True):
    """An agency answered a call, at epoch seconds ``at``."""

    agency: str
    at: float


class AgencyAnswers:
    """A ``Memory``: changes by facts alone."""

    name = "agency-answers"

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._of_call: dict[str, list[Answered]] = {}

    def follow(self, effects: Iterable[EngineEffect]) -> list[Record]:
        """Steps of agencies: after facts that were remembered already."""
        found: dict[str, Incident] = {}
        for effect in effects:
            if not isinstance(effect, Record):
                continue
            match effect.kind:
                case FactKind.AGENCY_ANSWERED if effect.call is not None:
                    found |= {
                        each.number: each for each in self._incidents.all_of_call(effect.call)
                    }
                case FactKind.REPORT_OPENED | FactKind.REPORT_LINKED | FactKind.REPORT_JOINED:
                    incident = self._incidents.at_hand(str(effect.data["report"]))
                    found |= {} if incident is None else {incident.number: incident}
        return [record for incident in found.values() for record in self._lacking(incident)]

    def left_over(self) -> list[Record]:
        """What the engine before this one had no time to say, at the start."""
        every = self._incidents.open.values()
        going_on = [each for each in every if each.joined_to is None]
        return [record for incident in going_on for record in self._lacking(incident)]

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], at: float, /) -> None:
        """An agency answered a call."""
        if kind != FactKind.AGENCY_ANSWERED or call is None:
            return
        oldest = at - KEPT_SECONDS
        for each, answers in list(self._of_call.items()):
            if answers[0].at >= oldest:
                break
            del self._of_call[each]
        agency = str(data["agency"])
        answers = self._of_call.setdefault(call, [])
        if all(each.agency != agency for each in answers):
            answers.append(Answered(agency, at))

    def dump(self) -> JSON:
        """All of it, for a checkpoint."""
        plain: JSON = msgspec.to_builtins(self._of_call)
        return plain

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        self._of_call = msgspec.convert(state, dict[str, list[Answered]])

    def _lacking(self, incident: Incident) -> Iterator[Record]:
        said = {agency: set(steps) for agency, steps in incident.agencies.items()}
        for call in incident.calls:
            by = Asker(f"panggilan:{call}", Via.SYSTEM)
            for answered in self._of_call.get(call, ()):
                known = said.setdefault(answered.agency, set())
                for step in ON_ANSWER:
                    if step not in known:
                        known.add(step)
                        yield step_record(incident.number, by, answered.agency, step, answered.at)
