"""Reports go where their calls go, and come from where theirs came: two cores, no network."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Asker, Command, Via
from ess_pbx.domain.config import Agency, Category, Centre, Neighbour, Question, ReportForm, Sop
from ess_pbx.domain.effects import EngineEffect, Originate, Record, Refused
from ess_pbx.domain.events import CallEvent, CentreEvent, ClockRead, Reference
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.hand_overs import HandOverReport, Outgoing
from ess_pbx.domain.handed_over import ReceiveReport, neighbour
from ess_pbx.domain.handed_report import HandedReport
from ess_pbx.domain.incident import Fields, Incident, Point, Step, fields_from
from ess_pbx.domain.incidents import (
    KEPT_SECONDS,
    AgencyStep,
    CloseReport,
    JoinReport,
    LinkCall,
    OpenReport,
    SaveReport,
)

from .centre import CALL, CENTRE, NO_MENU, OTHER, arrival, of, renumbered
from .story import Story

ANI, BUDI = Asker("2001", Via.API), Asker("2002", Via.API)
SOUTHERN = "selatan"


def knowing(centre: Centre, other: str, code: str = "251") -> Centre:
    agency = Agency(
        id=f"pusat-{other}",
        name=f"Pusat {other}",
        code=code,
        contact="sip:112@127.0.0.1",
        neighbour=Neighbour(centre=other, url="https://x", secret="/s", trunk="t"),
    )
    return replace(centre, agencies=(*centre.agencies, agency))


NORTH = knowing(NO_MENU, SOUTHERN)
SOUTH = knowing(renumbered(NO_MENU, SOUTHERN, "3"), CENTRE.id)
TO_SOUTH, TO_NORTH = f"pusat-{SOUTHERN}", f"pusat-{CENTRE.id}"


class Core:
    """A centre whose facts are kept, and told again to the next engine."""

    def __init__(self, config: Centre) -> None:
        self.config = config
        self.core = CallCentre(config)
        self.facts: list[Fact] = []
        self.now = 0.0
        self.feed(ClockRead(datetime(2026, 11, 22, 8)))

    def feed(self, event: CallEvent | CentreEvent) -> list[EngineEffect]:
        self.now += 1
        effects = self.core.decide(event, self.now)
        for effect in of(effects, Record):
            self._keep(effect.call, effect.kind, effect.data)
        return effects

    def does(self, command: Command) -> Refused | None:
        return next(iter(of(self.feed(command), Refused)), None)

    def saw(self, call: str | None, kind: FactKind, **data: Any) -> None:
        """The engine itself saw something."""
        self.core.saw(call, kind, data, self.now)  # type: ignore[arg-type]
        self._keep(call, kind, data)

    def opens(self, call: str | None = None, **fields: Any) -> Incident:
        assert self.does(OpenReport(ANI, fields_from(fields), call)) is None
        return self.report()

    def report(self) -> Incident:
        return list(self.core.incidents.open.values())[-1]

    def waiting(self, agency: str = TO_SOUTH) -> list[Outgoing]:
        return self.core.hand_overs.waiting(agency)

    def document(self) -> HandedReport:
        (waits,) = self.waiting()
        made = self.core.hand_overs.document(waits)
        assert made is not None
        return msgspec.json.decode(msgspec.json.encode(made), type=HandedReport)

    def restarted(self, *, checkpoint: bool = False) -> Core:
        """The next engine, with these facts or a checkpoint of them."""
        after = Core(self.config)
        if checkpoint:
            kept = msgspec.json.decode(msgspec.json.encode(self.core.checkpoint().data))
            data, kind = kept, FactKind.CHECKPOINT
            after.core.recall(
                Fact(id="c", centre="", call=None, kind=kind, at=0, ms=None, data=data)
            )
        for fact in () if checkpoint else self.facts:
            again = msgspec.json.decode(msgspec.json.encode(fact), type=Fact)
            after.core.recall(again)
            after.facts.append(again)
        return after

    def _keep(self, call: Any, kind: FactKind, data: Any) -> None:
        name, at = f"b-{len(self.facts)}", self.core.wall(self.now)
        fact = Fact(id=name, centre="", call=call, kind=kind, at=at, ms=None, data=data)
        assert fields_differ(fact) is None
        self.facts.append(fact)

    def told_of(self, kind: FactKind) -> list[Fact]:
        return [fact for fact in self.facts if fact.kind == kind]


def handed(north: Core, agency: str = TO_SOUTH) -> HandedReport:
    """The latest report of the north, on its way to the south."""
    assert north.does(HandOverReport(ANI, north.report().number, agency)) is None
    return north.document()


def delivered(north: Core, version: int, held: int | None = None, theirs: str = "s-1") -> None:
    (waits,) = north.waiting()
    data = {"report": waits.report, "agency": waits.agency, "version": version, "theirs": theirs}
    by = {"by": "antar-laporan", "via": "system"}
    north.saw(None, FactKind.REPORT_DELIVERED, held=held or version, **data, **by)


def receives(south: Core, report: HandedReport) -> Refused | None:
    return south.does(ReceiveReport(neighbour(report.centre), report))


# Out


def test_a_report_is_handed_over_when_the_neighbour_answers_its_call() -> None:
    story = Story(NORTH)
    story.arrives()
    story.answers(CALL)
    story.answers(story.operator)
    story.feed(OpenReport(ANI, Fields(place="Pasar"), CALL))
    report = story.core.incidents.latest
    story.presses("*251#", story.operator)
    (rung,) = [each for each in of(story.all, Originate) if each.reference is not None]
    assert rung.reference == Reference(CENTRE.id, CALL, report)
    assert story.core.hand_overs.waiting(TO_SOUTH) == []
    story.answers(story.agency)
    (waits,) = story.core.hand_overs.waiting(TO_SOUTH)
    assert (waits.report, waits.version) == (report, 1)


def test_of_two_reports_of_one_call_the_neighbour_gets_both() -> None:
    story = Story(NORTH)
    story.arrives()
    story.answers(CALL)
    story.answers(story.operator)
    for place in ("Pasar", "Terminal"):
        story.feed(OpenReport(ANI, Fields(place=place), CALL))
    story.presses("*251#", story.operator)
    story.answers(story.agency)
    waiting = {each.report for each in story.core.hand_overs.waiting(TO_SOUTH)}
    assert waiting == set(story.core.incidents.open)
    assert len(waiting) == 2


def test_an_agency_that_is_no_neighbour_is_told_nothing() -> None:
    story = Story(NORTH)
    story.arrives()
    story.answers(CALL)
    story.answers(story.operator)
    story.feed(OpenReport(ANI, Fields(), CALL))
    story.presses("*119#", story.operator)
    story.answers(story.agency)
    assert all(each.reference is None for each in of(story.all, Originate))
    assert story.core.hand_overs.outgoing == []


@pytest.mark.parametrize("how", ["opened", "linked", "joined"])
def test_a_report_that_comes_after_the_call_went_follows_it(how: str) -> None:
    north = Core(NORTH)
    north.saw(CALL, FactKind.AGENCY_ANSWERED, agency=TO_SOUTH, leg="x")
    if how == "opened":
        north.opens(CALL)
    elif how == "linked":
        first = north.opens()
        north.does(LinkCall(ANI, first.number, CALL))
    else:
        north.saw(CALL, FactKind.CALL_ANSWERED)
        first = north.opens()
        second = north.opens(OTHER)
        north.saw(OTHER, FactKind.AGENCY_ANSWERED, agency=TO_SOUTH, leg="y")
        north.does(JoinReport(ANI, second.number, first.number))
        assert [each.report for each in north.waiting()] == [first.number]
        return
    assert [each.report for each in north.waiting()] == [north.report().number]


def test_a_report_is_handed_over_once_by_itself() -> None:
    north = Core(NORTH)
    north.saw(CALL, FactKind.AGENCY_ANSWERED, agency=TO_SOUTH, leg="x")
    report = north.opens(CALL)
    north.does(LinkCall(ANI, report.number, OTHER))
    assert len(north.told_of(FactKind.REPORT_HANDED_OVER)) == 1


def test_what_the_neighbour_gets_is_who_where_what_calls_and_recordings() -> None:
    form = ReportForm(
        categories={
            "medis": Sop(
                subcategories={"jantung": "Serangan jantung"},
                questions=(Question(id="sadar", text="Apakah sadar?"),),
            )
        }
    )
    north = Core(replace(NORTH, report_form=form))
    north.feed(arrival())
    north.saw(
        CALL,
        FactKind.RECORDING_FINISHED,
        **{"recording": CALL, "path": "/p", "seconds": 12.5, "sample_rate": 8000, "channels": 2},
        **{"sha256": "a" * 64, "rms_dbov": [], "bytes": 1},
    )
    report = north.opens(
        CALL,
        category="medis",
        subcategory="jantung",
        place="Pasar",
        caller_name="Sari",
        answers={"sadar": "ya"},
        point={"latitude": -6.1, "longitude": 106.1, "source": "map"},
    )
    north.does(AgencyStep(ANI, report.number, "psc", Step.GIVEN))
    told = handed(north)
    assert (told.centre, told.ticket, told.version) == (CENTRE.id, report.number, 1)
    assert told.what.category is not None
    assert (told.what.category.id, told.what.category.name) == ("medis", "Medis")
    assert told.what.subcategory is not None
    assert told.what.subcategory.name == "Serangan jantung"
    assert told.what.point == Point(latitude=-6.1, longitude=106.1, source="map")
    assert [each.question for each in told.what.answers] == ["Apakah sadar?"]
    assert [(each.id, each.number) for each in told.calls] == [(CALL, "+628123456789")]
    assert [(each.recording, each.sha256) for each in told.recordings] == [(CALL, "a" * 64)]
    assert list(told.agencies) == ["PSC"]


def test_each_change_is_a_version_until_the_neighbour_has_it() -> None:
    north = Core(NORTH)
    report = north.opens(place="Pasar")
    assert handed(north).version == 1
    north.does(SaveReport(ANI, report.number, 1, Fields(victims=1)))
    assert north.document().version == 2
    delivered(north, 1)
    assert north.document().version == 2
    delivered(north, 2)
    assert north.waiting() == []
    north.does(CloseReport(ANI, report.number, "padam"))
    assert (north.document().version, north.document().outcome) == (3, "padam")


def test_a_neighbour_that_has_a_later_version_is_counted_on_from() -> None:
    north = Core(NORTH)
    north.opens()
    handed(north)
    delivered(north, 1, held=7)
    assert north.document().version == 8


@pytest.mark.parametrize("checkpoint", [False, True])
def test_the_next_engine_delivers_what_this_one_could_not(checkpoint: bool) -> None:
    north = Core(NORTH)
    north.feed(arrival())
    report = north.opens(CALL, place="Pasar")
    before = handed(north)
    after = north.restarted(checkpoint=checkpoint)
    assert after.document() == before
    after.saw(None, FactKind.REPORT_SAVED, report=report.number, fields={}, by="x", via="api")
    assert after.document().version == 2


def test_what_an_engine_had_no_time_to_say_the_next_one_does() -> None:
    north = Core(NORTH)
    north.opens(CALL)
    north.saw(CALL, FactKind.AGENCY_ANSWERED, agency=TO_SOUTH, leg="x")
    after = CallCentre(NORTH)
    for fact in north.facts:
        after.recall(fact)
    effects = after.decide(ClockRead(datetime(2026, 11, 22, 9)), 0.0)
    assert [e.kind for e in of(effects, Record)].count(FactKind.REPORT_HANDED_OVER) == 1
    assert len(after.hand_overs.waiting(TO_SOUTH)) == 1


def test_a_closed_report_stays_at_hand_until_it_was_delivered() -> None:
    north = Core(NORTH)
    first = north.opens()
    handed(north)
    north.does(CloseReport(ANI, first.number, "padam"))
    north.now += KEPT_SECONDS + 10
    north.opens()
    assert north.document().closed_at is not None
    delivered(north, north.document().version)
    north.opens()
    assert first.number not in north.core.incidents.open


@pytest.mark.parametrize(
    ("agency", "code"), [("psc", "unknown-neighbour"), ("nowhere", "unknown-neighbour")]
)
def test_only_a_neighbour_that_takes_reports_can_be_given_one(agency: str, code: str) -> None:
    north = Core(NORTH)
    report = north.opens()
    refused = north.does(HandOverReport(ANI, report.number, agency))
    assert refused is not None
    assert refused.code == code
    refused = north.does(HandOverReport(ANI, "contoh-1", TO_SOUTH))
    assert refused is not None
    assert refused.code == "unknown-report"


# In


def test_a_report_is_one_of_ours_however_often_it_is_told() -> None:
    north, south = Core(NORTH), Core(SOUTH)
    north.opens(CALL, category="medis", place="Pasar", victims=2)
    told = handed(north)
    for _ in range(3):
        assert receives(south, told) is None
    report = south.report()
    assert report.number == "selatan-20261122-0001"
    assert report.fields == Fields(category="medis", place="Pasar", victims=2)
    assert report.origin is not None
    assert (report.origin.centre, report.origin.ticket) == ("contoh", told.ticket)
    assert report.opened_by == "pusat:contoh"
    assert len(south.core.incidents.open) == 1
    assert len(south.told_of(FactKind.REPORT_RECEIVED)) == 1
    after = south.restarted()
    assert receives(after, told) is None
    assert len(after.core.incidents.open) == 1


def test_a_newer_version_is_taken_over_and_an_older_one_changes_nothing() -> None:
    north, south = Core(NORTH), Core(SOUTH)
    report = north.opens(place="Pasar")
    first = handed(north)
    north.does(SaveReport(ANI, report.number, 1, Fields(place="Pasar baru", victims=3)))
    second = north.document()
    assert receives(south, second) is None
    assert receives(south, first) is None
    assert south.report().fields == Fields(place="Pasar baru", victims=3)
    known = south.core.handed_over.known(f"contoh/{report.number}")
    assert known is not None
    assert known.version == 2


def test_the_same_version_with_other_content_is_a_conflict() -> None:
    north, south = Core(NORTH), Core(SOUTH)
    north.opens(place="Pasar")
    told = handed(north)
    receives(south, told)
    other = replace(told, what=replace(told.what, place="Terminal"))
    refused = receives(south, other)
    assert refused is not None
    assert refused.code == "conflict"
    assert south.report().fields.place == "Pasar"


def test_what_somebody_here_wrote_stays_and_the_neighbours_words_are_a_draft() -> None:
    north, south = Core(NORTH), Core(SOUTH)
    report = north.opens(place="Pasar", victims=1)
    receives(south, handed(north))
    south.does(SaveReport(BUDI, south.report().number, 1, Fields(place="Pasar, lantai 2")))
    changed = Fields(place="Pasar lama", victims=4)
    north.does(SaveReport(ANI, report.number, 1, changed))
    assert receives(south, north.document()) is None
    ours = south.report()
    assert ours.fields == Fields(place="Pasar, lantai 2", victims=4)
    assert ours.drafts["pusat:contoh"].fields == Fields(place="Pasar lama")


def test_what_our_lists_do_not_know_is_kept_in_words() -> None:
    categories = (*NORTH.categories, Category(id="lahan", name="Kebakaran lahan", queue="umum"))
    form = ReportForm(districts={"Anyer": ("Bandulu",)})
    north = Core(replace(NORTH, categories=categories))
    south = Core(replace(SOUTH, report_form=form))
    north.opens(category="lahan", district="Sumur", narrative="Api.", answers={"luas": "2 ha"})
    receives(south, handed(north))
    fields = south.report().fields
    assert fields.given() == {
        "narrative": "Api.\nKategori: Kebakaran lahan\nKecamatan: Sumur",
        "answers": {"luas": "2 ha"},
    }


def test_a_report_that_is_closed_here_stays_closed_and_knows_the_latest() -> None:
    north, south = Core(NORTH), Core(SOUTH)
    report = north.opens(place="Pasar")
    receives(south, handed(north))
    south.does(CloseReport(BUDI, south.report().number, "selesai"))
    north.does(CloseReport(ANI, report.number, "padam"))
    assert receives(south, north.document()) is None
    ours = south.report()
    assert ours.closed_at is not None
    assert ours.outcome == "selesai"
    assert ours.origin is not None
    assert ours.origin.outcome == "padam"


def passed_on(report: str = "", centre: str = CENTRE.id) -> Reference:
    return Reference(centre, "utara-1.1", report)


def test_a_call_that_comes_first_belongs_to_the_report_that_follows() -> None:
    north, south = Core(NORTH), Core(SOUTH)
    north.opens("utara-1.1", place="Pasar")
    south.feed(arrival(reference=passed_on()))
    assert [fact.data["origin_call"] for fact in south.told_of(FactKind.CALL_HANDED_OVER)] == [
        "utara-1.1"
    ]
    receives(south, handed(north))
    assert south.report().calls == (CALL,)


@pytest.mark.parametrize("by_ticket", [True, False])
def test_a_call_that_comes_later_belongs_to_the_report_that_is_there(by_ticket: bool) -> None:
    north, south = Core(NORTH), Core(SOUTH)
    report = north.opens(None if by_ticket else "utara-1.1", place="Pasar")
    receives(south, handed(north))
    after = south.restarted()
    after.feed(arrival(reference=passed_on(report.number if by_ticket else "")))
    assert after.report().calls == (CALL,)


def test_a_call_is_not_linked_to_the_report_of_another_centre() -> None:
    north, south = Core(NORTH), Core(SOUTH)
    report = north.opens("utara-1.1")
    receives(south, handed(north))
    south.feed(arrival(reference=passed_on(report.number, centre="barat")))
    assert south.report().calls == ()


def test_a_report_is_not_sent_back_to_where_it_came_from() -> None:
    north, south = Core(NORTH), Core(SOUTH)
    north.opens("utara-1.1")
    receives(south, handed(north))
    south.feed(arrival(reference=passed_on()))
    south.saw(CALL, FactKind.AGENCY_ANSWERED, agency=TO_NORTH, leg="x")
    south.does(LinkCall(BUDI, south.report().number, OTHER))
    assert south.core.hand_overs.outgoing == []
    refused = south.does(HandOverReport(BUDI, south.report().number, TO_NORTH))
    assert refused is not None
    assert refused.code == "own-report"
