"""Whatever people do with reports, in any order: nothing typed is lost, no number comes twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.domain.centre import CENTRE

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.config import Question, ReportForm, Sop
from ess_pbx.domain.effects import Record
from ess_pbx.domain.events import CentreEvent, ClockRead
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.incident import Incident, fields_from
from ess_pbx.domain.incidents import (
    KEPT_SECONDS,
    CloseReport,
    DraftReport,
    JoinReport,
    OpenReport,
    ReopenReport,
    SaveReport,
)

FORM = ReportForm(
    categories={"medis": Sop(questions=(Question(id="sadar", text="?", answer="ya-tidak"),))}
)
PEOPLE = st.sampled_from([Asker(name, Via.API) for name in ("2001", "2002")])
WHICH, BASES = st.integers(0, 9), st.integers(0, 9)
TYPED = st.fixed_dictionaries(
    {},
    optional={
        "category": st.sampled_from(["medis", "banjir", "meteor"]),
        "place": st.sampled_from(["Pasar", "Terminal"]),
        "narrative": st.sampled_from(["api", "asap"]),
        "contact_number": st.sampled_from(["08123456789", "tetangga"]),
        "victims": st.integers(0, 2),
        "answers": st.fixed_dictionaries(
            {}, optional={"sadar": st.sampled_from(["ya", "mungkin"]), "api": st.just("ya")}
        ),
    },
)


class Reports(RuleBasedStateMachine):
    """Two people, a clock that is set, and an engine that starts anew."""

    def __init__(self) -> None:
        super().__init__()
        self.config = msgspec.structs.replace(CENTRE, report_form=FORM)
        self.core = CallCentre(self.config)
        self.facts: list[Fact] = []
        self.numbers: list[str] = []
        self.now = 0.0
        self.day = datetime(2026, 11, 22, 8)
        self.feed(ClockRead(self.day))

    def feed(self, event: CentreEvent) -> None:
        self.now += 1
        for effect in self.core.decide(event, self.now):
            if isinstance(effect, Record):
                at = self.core.wall(self.now) if effect.at is None else effect.at
                name = f"b-{len(self.facts)}"
                fact = Fact(
                    id=name, centre="", call=None, kind=effect.kind, at=at, ms=None,
                    data=effect.data,
                )  # fmt: skip
                assert fields_differ(fact) is None
                self.facts.append(fact)
                if effect.kind == FactKind.REPORT_OPENED:
                    self.numbers.append(str(effect.data["report"]))

    def some(self, which: int) -> Incident | None:
        every = list(self.core.incidents.open.values())
        return every[which % len(every)] if every else None

    def is_kept(self, by: Asker, report: str, typed: dict[str, Any]) -> None:
        """In the report that goes on, or in the draft of who typed it."""
        incident = self.core.incidents.at_hand(report)
        assert incident is not None
        draft = incident.drafts.get(by.name)
        places = [incident.fields.given(), {} if draft is None else draft.fields.given()]
        for name, value in typed.items():
            found = [place[name] for place in places if name in place]
            if name != "answers":
                assert value in found, (name, value, places)
                continue
            for question, answer in value.items():
                assert answer in [each.get(question) for each in found], (question, places)

    @rule(by=PEOPLE, typed=TYPED)
    def opens(self, by: Asker, typed: dict[str, Any]) -> None:
        self.feed(OpenReport(by, fields_from(typed)))
        self.is_kept(by, self.numbers[-1], typed)

    @rule(by=PEOPLE, which=WHICH, base=BASES, typed=TYPED, draft=st.booleans())
    def types(self, by: Asker, which: int, base: int, typed: dict[str, Any], draft: bool) -> None:
        incident = self.some(which)
        if incident is None or not typed:
            return
        before = self.typed_by(by, incident.number)
        kind = DraftReport if draft else SaveReport
        self.feed(kind(by, incident.number, min(base, incident.version), fields_from(typed)))
        self.is_kept(by, incident.number, typed)
        left = {name: value for name, value in before.items() if name not in typed}
        self.is_kept(by, incident.number, left)

    def typed_by(self, by: Asker, report: str) -> dict[str, Any]:
        """What was in their draft."""
        incident = self.core.incidents.at_hand(report)
        draft = None if incident is None else incident.drafts.get(by.name)
        return {} if draft is None else draft.fields.given()

    @rule(by=PEOPLE, which=WHICH, to=WHICH)
    def joins(self, by: Asker, which: int, to: int) -> None:
        one, other = self.some(which), self.some(to)
        if one is None or other is None:
            return
        self.feed(JoinReport(by, one.number, other.number))
        goes_on = self.core.incidents.open[other.number]
        if self.core.incidents.open[one.number].joined_to != other.number:
            return
        differs = goes_on.otherwise.get(one.number)
        places = [goes_on.fields.given(), {} if differs is None else differs.given()]
        for name, value in one.fields.given().items():
            if name != "answers":
                assert not value or value in [place.get(name) for place in places]
                continue
            said = [place.get(name, {}) for place in places]
            for question, answer in value.items():
                assert answer in [each.get(question) for each in said]

    @rule(by=PEOPLE, which=WHICH, reopen=st.booleans())
    def closes_or_reopens(self, by: Asker, which: int, reopen: bool) -> None:
        incident = self.some(which)
        if incident is not None:
            number = incident.number
            self.feed(
                ReopenReport(by, number, "lagi") if reopen else CloseReport(by, number, "padam")
            )

    @rule(days=st.integers(-1, 1))
    def the_clock_is_set(self, days: int) -> None:
        self.day += timedelta(days=days)
        self.feed(ClockRead(self.day))

    @rule()
    def a_day_goes_by(self) -> None:
        self.now += KEPT_SECONDS + 1

    @rule(checkpoint=st.booleans())
    def the_engine_starts_anew(self, checkpoint: bool) -> None:
        after = CallCentre(self.config)
        facts = self.facts
        if checkpoint:
            data = msgspec.json.decode(msgspec.json.encode(self.core.checkpoint().data))
            kind = FactKind.CHECKPOINT
            facts = [Fact(id="c", centre="", call=None, kind=kind, at=0, ms=None, data=data)]
        for fact in facts:
            after.recall(msgspec.json.decode(msgspec.json.encode(fact), type=Fact))
        assert after.incidents.dump() == self.core.incidents.dump()
        self.core = after
        self.feed(ClockRead(self.day))

    @invariant()
    def no_number_comes_twice(self) -> None:
        assert len(set(self.numbers)) == len(self.numbers)

    @invariant()
    def joined_reports_end_in_one_that_goes_on(self) -> None:
        for each in self.core.incidents.open.values():
            seen = {each.number}
            to = each.joined_to
            while to is not None:
                assert to not in seen
                seen.add(to)
                following = self.core.incidents.open.get(to)
                to = None if following is None else following.joined_to


TestReports = Reports.TestCase
TestReports.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
