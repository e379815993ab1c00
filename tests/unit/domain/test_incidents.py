"""Reports: nothing typed is lost, two who write one hear of it, likely twins are proposed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Mark
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.events import ClockRead
from ess_pbx.domain.incident import (
    Fields,
    Incident,
    Point,
    Step,
    fields_from,
    kilometres,
    likely_same,
)
from ess_pbx.domain.incidents import (
    KEPT_SECONDS,
    AgencyStep,
    CloseReport,
    DraftReport,
    JoinReport,
    LinkCall,
    OpenReport,
    ReopenReport,
    SaveReport,
)

from .centre import CENTRE
from .report_desk import ANI, BUDI, DAY, FIRST, FORM, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_tickets_are_numbered_by_centre_and_local_day(desk: Desk) -> None:
    assert [desk.opens().number, desk.opens().number] == [FIRST, "contoh-20261122-0002"]
    desk.day(datetime(2026, 11, 23, 0, 1))
    assert desk.opens().number == "contoh-20261123-0001"


def test_what_two_people_write_into_different_fields_is_all_kept(desk: Desk) -> None:
    desk.opens("call-1", category="medis")
    assert desk.does(SaveReport(ANI, FIRST, 1, fields_from({"victims": 2}))) is None
    assert desk.does(SaveReport(BUDI, FIRST, 1, fields_from({"place": "Pasar Sumur"}))) is None
    assert (desk.report.fields.victims, desk.report.fields.place) == (2, "Pasar Sumur")
    assert (desk.report.version, desk.report.calls) == (3, ("call-1",))
    assert desk.report.written["place"].by == "2002"


def test_two_who_write_the_same_field_get_a_conflict_and_nothing_is_lost(desk: Desk) -> None:
    desk.opens()
    desk.does(SaveReport(ANI, FIRST, 1, fields_from({"place": "Pasar Sumur"})))
    refused = desk.does(
        SaveReport(BUDI, FIRST, 1, fields_from({"place": "Pasar Baru", "victims": 1}))
    )
    assert refused is not None
    assert refused.code == "conflict"
    assert "2001 wrote 'Pasar Sumur' in version 2" in refused.detail
    assert desk.report.fields.place == "Pasar Sumur"
    draft = desk.report.drafts["2002"]
    assert (draft.base, draft.fields.place, draft.fields.victims) == (1, "Pasar Baru", 1)

    assert desk.does(SaveReport(BUDI, FIRST, 2, draft.fields)) is None
    assert desk.report.fields.place == "Pasar Baru"
    assert desk.report.drafts == {}


def test_the_same_words_twice_are_no_conflict(desk: Desk) -> None:
    desk.opens()
    desk.does(SaveReport(ANI, FIRST, 1, fields_from({"place": "Pasar"})))
    assert desk.does(SaveReport(BUDI, FIRST, 1, fields_from({"place": "Pasar"}))) is None


def test_answers_of_the_sop_add_up(desk: Desk) -> None:
    desk.opens(answers={"sadar": "ya"})
    assert desk.does(SaveReport(BUDI, FIRST, 1, fields_from({"answers": {"napas": "ya"}}))) is None
    assert desk.report.fields.answers == {"sadar": "ya", "napas": "ya"}
    refused = desk.does(SaveReport(ANI, FIRST, 1, fields_from({"answers": {"napas": "tidak"}})))
    assert refused is not None
    assert refused.code == "conflict"


def test_drafts_are_each_persons_own_and_the_latest_counts(desk: Desk) -> None:
    desk.opens()
    for words in ("Kebak", "Kebakaran di"):
        desk.does(DraftReport(ANI, FIRST, 1, fields_from({"narrative": words})))
    desk.does(DraftReport(BUDI, FIRST, 1, fields_from({"narrative": "Lain"})))
    drafts = desk.report.drafts
    assert {by: draft.fields.narrative for by, draft in drafts.items()} == {
        "2001": "Kebakaran di",
        "2002": "Lain",
    }


def test_agencies_steps_are_timed_once_and_unknown_ones_refused(desk: Desk) -> None:
    desk.opens()
    for step in (Step.GIVEN, Step.RECEIVED, Step.GIVEN):
        assert desk.does(AgencyStep(ANI, FIRST, "psc", step)) is None
    steps = desk.report.agencies["psc"]
    assert list(steps) == [Step.RECEIVED, Step.GIVEN]
    assert steps[Step.GIVEN] < steps[Step.RECEIVED]
    refused = desk.does(AgencyStep(ANI, FIRST, "damkar", Step.GIVEN))
    assert refused is not None
    assert "psc, polres" in refused.detail


def test_many_calls_of_one_event_come_together(desk: Desk) -> None:
    desk.opens("call-1")
    second = desk.opens("call-2")
    desk.does(LinkCall(ANI, FIRST, "call-3"))
    desk.does(LinkCall(ANI, FIRST, "call-3"))
    assert desk.does(JoinReport(BUDI, second.number, FIRST)) is None
    assert desk.report.calls == ("call-1", "call-3", "call-2")
    joined = desk.core.incidents.open[second.number]
    assert (joined.joined_to, joined.closed_by) == (FIRST, "2002")
    assert desk.does(JoinReport(BUDI, FIRST, FIRST)) is not None


def test_a_closed_report_is_not_written_until_it_is_reopened(desk: Desk) -> None:
    desk.opens()
    assert desk.does(CloseReport(ANI, FIRST, "padam")) is None
    refused = desk.does(SaveReport(BUDI, FIRST, 1, fields_from({"victims": 1})))
    assert refused is not None
    assert refused.code == "closed-report"
    assert desk.does(ReopenReport(BUDI, FIRST, "api lagi")) is None
    assert desk.does(SaveReport(BUDI, FIRST, 1, fields_from({"victims": 1}))) is None
    assert desk.report.closed_at is None


def test_unknown_reports_and_categories_are_refused_with_what_there_is(desk: Desk) -> None:
    refused = desk.does(SaveReport(ANI, "contoh-1-1", 1, Fields()))
    assert refused is not None
    assert refused.code == "unknown-report"
    refused = desk.does(OpenReport(ANI, fields_from({"category": "meteor"})))
    assert refused is not None
    assert "lainnya, medis, banjir" in refused.detail
    assert FIRST in refused.detail


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subcategory": "sakit"}, None),
        ({"subcategory": "banjir"}, "unknown-subcategory"),
        ({"subcategory": None, "district": "Sumur", "village": "Sumberjaya"}, None),
        ({"district": "Pandeglang"}, "unknown-district"),
        ({"district": "Carita", "village": "Sumberjaya"}, "unknown-village"),
        ({"village": "Sumberjaya"}, "unknown-village"),
        ({"answers": {"sadar": "ya"}}, None),
        ({"answers": {"api": "ya"}}, "unknown-question"),
    ],
)
def test_a_report_is_held_against_the_centres_form(
    fields: dict[str, Any], code: str | None
) -> None:
    core = CallCentre(replace(CENTRE, report_form=FORM))
    core.decide(ClockRead(DAY), 0.0)
    opened = core.decide(OpenReport(ANI, fields_from({"category": "medis"})), 1.0)
    assert not any(isinstance(each, Refused) for each in opened)
    effects = core.decide(SaveReport(ANI, FIRST, 1, fields_from(fields)), 2.0)
    refused = [each.code for each in effects if isinstance(each, Refused)]
    assert refused == ([] if code is None else [code])


def test_after_a_restart_all_reports_and_drafts_are_as_they_were(desk: Desk) -> None:
    desk.opens("call-1", category="medis", point={"latitude": -6.1, "longitude": 105.8,
                                                  "source": "map"})  # fmt: skip
    desk.does(SaveReport(ANI, FIRST, 1, fields_from({"kind": "ghost", "victims": None})))
    desk.does(DraftReport(BUDI, FIRST, 2, fields_from({"narrative": "x"})))
    desk.does(AgencyStep(ANI, FIRST, "psc", Step.GIVEN))
    told, loaded = CallCentre(CENTRE), CallCentre(CENTRE)
    for fact in desk.facts:
        told.recall(fact)
    assert told.incidents.open == desk.core.incidents.open
    kept = msgspec.json.decode(msgspec.json.encode(desk.core.incidents.dump()))
    loaded.incidents.load(kept)
    assert loaded.incidents.open == desk.core.incidents.open
    assert loaded.incidents.open[FIRST].fields.kind is Mark.GHOST
    loaded.decide(ClockRead(DAY), 0.0)
    (opened,) = loaded.incidents.decide(OpenReport(ANI, Fields()), DAY)
    assert isinstance(opened, Record)
    assert opened.data["report"] == "contoh-20261122-0002"


def test_closed_reports_are_forgotten_after_a_day_when_others_come(desk: Desk) -> None:
    desk.opens()
    desk.does(CloseReport(ANI, FIRST, "padam"))
    desk.now += KEPT_SECONDS + 10
    desk.opens()
    assert FIRST not in desk.core.incidents.open


def an_incident(number: str, at: float = 0.0, **fields: Any) -> Incident:
    return Incident(number=number, opened_at=at, opened_by="x", fields=fields_from(fields))


def a_point(latitude: float, longitude: float, accuracy: float | None = None) -> dict[str, Any]:
    return {
        "latitude": latitude,
        "longitude": longitude,
        "accuracy_m": accuracy,
        "source": "map",
    }


FIRE = an_incident("a", category="banjir", place="Pasar Sumur dekat masjid", district="Sumur")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (an_incident("b", 600, category="banjir", district="Sumur"), "Sumur"),
        (an_incident("b", 600, place="dekat masjid pasar"), "masjid pasar"),
        (an_incident("b", 600, category="medis", district="Sumur"), None),
        (an_incident("b", 4000, category="banjir", district="Sumur"), None),
        (an_incident("b", 600, category="banjir", district="Carita"), None),
        (an_incident("a", 600, category="banjir", district="Sumur"), None),
        (replace(an_incident("b", district="Sumur"), closed_at=1.0), None),
    ],
    ids=["district", "words", "category", "late", "elsewhere", "itself", "closed"],
)
def test_likely_the_same_event(other: Incident, reason: str | None) -> None:
    assert [why for _, why in likely_same(FIRE, [other])] == ([] if reason is None else [reason])


def test_coordinates_say_more_than_words_and_the_nearest_comes_first() -> None:
    one = an_incident("a", point=a_point(-6.650, 105.580), district="Sumur")
    near = an_incident("near", point=a_point(-6.652, 105.580))
    nearer = an_incident("nearer", point=a_point(-6.651, 105.580))
    far = an_incident("far", point=a_point(-6.750, 105.580), district="Sumur")
    unsure = an_incident("unsure", point=a_point(-6.700, 105.580, 5000))
    found = likely_same(one, [near, far, unsure, nearer])
    assert [other.number for other, _ in found] == ["nearer", "near", "unsure"]
    assert found[0][1] == "0.1 km"


def test_distance_is_the_great_circles() -> None:
    jakarta = Point(latitude=-6.2, longitude=106.8167, source="map")
    bandung = Point(latitude=-6.9147, longitude=107.6098, source="map")
    assert kilometres(jakarta, bandung) == pytest.approx(118.2, abs=1.0)


@pytest.mark.parametrize(
    "wrong",
    [{"victims": -1}, {"kind": "joke"}, {"point": {"latitude": 91}}, {"colour": "red"}],
    ids=["negative", "kind", "point", "unknown"],
)
def test_fields_that_are_wrong_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        fields_from(wrong)
