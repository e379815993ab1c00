"""Nothing that is typed is lost: saved in part, in conflict, too late, wrong, or joined."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.domain.config import Question, ReportForm, Sop
from ess_pbx.domain.effects import Refused
from ess_pbx.domain.events import TicketsRead
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.incident import Fields, Step, fields_from
from ess_pbx.domain.incidents import (
    AgencyStep,
    CloseReport,
    DraftReport,
    JoinReport,
    LinkCall,
    OpenReport,
    ReopenReport,
    SaveReport,
)

from .centre import CALL, CENTRE, NO_MENU
from .report_desk import ANI, BUDI, DAY, FIRST, Desk
from .story import Story

QUESTIONS = (
    Question(id="sadar", text="Sadar?", answer="ya-tidak"),
    Question(id="korban", text="Berapa?", answer="angka"),
    Question(id="jenis", text="Apa?", answer="pilihan", choices=("motor", "mobil")),
    Question(id="ciri", text="Seperti apa?"),
)
FORM = ReportForm(
    categories={"medis": Sop(subcategories={"sakit": "Sakit"}, questions=QUESTIONS)},
    districts={"Sumur": ("Sumberjaya",), "Carita": ("Tembong",)},
)


@pytest.fixture
def desk() -> Desk:
    return Desk(replace(CENTRE, report_form=FORM))


def save(desk: Desk, base: int, by: Any = BUDI, **fields: Any) -> Refused | None:
    return desk.does(SaveReport(by, FIRST, base, fields_from(fields)))


def draft(desk: Desk, base: int, **fields: Any) -> Refused | None:
    return desk.does(DraftReport(BUDI, FIRST, base, fields_from(fields)))


def the_code(refused: Refused | None) -> str | None:
    return None if refused is None else refused.code


def test_to_save_one_field_leaves_the_rest_of_the_draft(desk: Desk) -> None:
    desk.opens(category="medis")
    draft(desk, 1, narrative="Panjang", place="Pasar", answers={"sadar": "ya", "ciri": "tua"})
    assert save(desk, 1, place="Pasar Sumur", answers={"sadar": "tidak"}) is None
    assert desk.draft == {"narrative": "Panjang", "answers": {"ciri": "tua"}}
    assert save(desk, 2, narrative="Panjang", answers={"ciri": "tua"}) is None
    assert desk.report.drafts == {}


def test_a_conflict_adds_to_the_draft_that_was_there(desk: Desk) -> None:
    desk.opens()
    draft(desk, 1, narrative="Panjang")
    save(desk, 1, by=ANI, victims=1)
    assert the_code(save(desk, 1, victims=2)) == "conflict"
    assert desk.draft == {"narrative": "Panjang", "victims": 2}


def test_a_draft_counts_as_written_from_the_oldest_version_that_is_in_it(desk: Desk) -> None:
    desk.opens()
    draft(desk, 1, narrative="Panjang")
    save(desk, 1, by=ANI, narrative="Lain")
    draft(desk, 2, place="Pasar")
    kept = desk.report.drafts["2002"]
    assert the_code(desk.does(SaveReport(BUDI, FIRST, kept.base, kept.fields))) == "conflict"


def test_a_draft_without_any_field_is_thrown_away(desk: Desk) -> None:
    desk.opens()
    draft(desk, 1, narrative="Panjang")
    assert draft(desk, 1) is None
    assert desk.report.drafts == {}


@pytest.mark.parametrize("command", [SaveReport, DraftReport])
def test_what_comes_too_late_for_a_report_is_kept_in_it(desk: Desk, command: Any) -> None:
    desk.opens()
    draft(desk, 1, place="Pasar")
    desk.does(CloseReport(ANI, FIRST, "padam"))
    refused = desk.does(command(BUDI, FIRST, 1, Fields(narrative="TAMBAHAN")))
    assert refused is not None
    assert refused.code == "closed-report"
    assert "kept as a draft" in refused.detail
    assert desk.draft == {"place": "Pasar", "narrative": "TAMBAHAN"}
    assert desk.report.fields == Fields()


def test_what_is_written_into_a_joined_report_is_kept_in_the_one_that_goes_on(desk: Desk) -> None:
    desk.opens("c1", place="Pasar")
    second = desk.opens("c2")
    desk.does(JoinReport(ANI, second.number, FIRST))
    refused = desk.does(SaveReport(BUDI, second.number, 1, Fields(place="Terminal")))
    assert refused is not None
    assert f"goes on as {FIRST}" in refused.detail
    assert desk.draft == {"place": "Terminal"}
    kept = desk.report.drafts["2002"]
    assert the_code(desk.does(SaveReport(BUDI, FIRST, kept.base, kept.fields))) == "conflict"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"category": "meteor"}, "unknown-category"),
        ({"district": "Serang"}, "unknown-district"),
        ({"answers": {"sadar": "mungkin"}}, "invalid-answer"),
        ({"answers": {"korban": "banyak"}}, "invalid-answer"),
        ({"answers": {"jenis": "truk"}}, "invalid-answer"),
        ({"answers": {"warna": "biru"}}, "unknown-question"),
        ({"contact_number": "tetangga"}, "invalid-contact-number"),
    ],
)
def test_what_is_wrong_is_named_and_all_of_it_kept(
    desk: Desk, wrong: dict[str, Any], code: str
) -> None:
    desk.opens(category="medis")
    refused = save(desk, 1, narrative="Panjang", **wrong)
    assert refused is not None
    assert refused.code == code
    assert "expected" in refused.detail
    assert desk.draft == {"narrative": "Panjang", **wrong}
    assert desk.report.version == 1


@pytest.mark.parametrize(
    "right",
    [
        {"answers": {"sadar": "ya", "korban": "12", "jenis": "mobil", "ciri": "apa saja"}},
        {"answers": {"sadar": "tidak", "korban": "-1,5"}},
        {"answers": {"sadar": "", "korban": "", "jenis": ""}},
        {"contact_number": "0812-3456-7890"},
        {"contact_number": "+62 21 555 0112"},
        {"contact_number": ""},
    ],
)
def test_what_fits_is_written(desk: Desk, right: dict[str, Any]) -> None:
    desk.opens(category="medis")
    assert save(desk, 1, **right) is None
    assert desk.report.fields.given() == {"category": "medis", **right}


def test_all_that_is_wrong_is_named_at_once(desk: Desk) -> None:
    desk.opens(category="medis")
    refused = save(desk, 1, district="Serang", answers={"sadar": "mungkin", "korban": "banyak"})
    assert refused is not None
    assert all(each in refused.detail for each in ("Serang", "mungkin", "banyak", "ya, tidak"))


def test_a_report_is_opened_with_what_is_right_and_the_rest_is_its_draft(desk: Desk) -> None:
    fields = {"category": "medis", "answers": {"sadar": "mungkin", "korban": "2"}}
    refused = desk.does(OpenReport(BUDI, fields_from(fields), "c1"))
    assert refused is not None
    assert refused.code == "invalid-answer"
    assert f"{FIRST} was opened" in refused.detail
    assert desk.report.fields.given() == {"category": "medis", "answers": {"korban": "2"}}
    assert desk.report.calls == ("c1",)
    assert desk.draft == {"answers": {"sadar": "mungkin"}}


# Two become one


def joins(desk: Desk, first: dict[str, Any], second: dict[str, Any]) -> str:
    desk.opens("c1", **first)
    joined = desk.opens("c2", **second).number
    assert desk.does(JoinReport(ANI, joined, FIRST)) is None
    return joined


def test_the_report_that_goes_on_takes_over_what_it_lacks(desk: Desk) -> None:
    joins(
        desk,
        {"category": "medis", "place": "Pasar", "victims": None, "answers": {"sadar": "ya"}},
        {"category": "medis", "subcategory": "sakit", "victims": 4, "narrative": "Dua",
         "answers": {"korban": "2"}, "district": "Sumur", "village": "Sumberjaya"},
    )  # fmt: skip
    assert desk.report.fields.given() == {
        **{"category": "medis", "subcategory": "sakit", "place": "Pasar", "victims": 4},
        **{"district": "Sumur", "village": "Sumberjaya", "narrative": "Dua"},
        "answers": {"sadar": "ya", "korban": "2"},
    }
    assert desk.report.otherwise == {}
    assert desk.report.written["narrative"].by == "2001"


def test_where_two_reports_differ_both_are_shown(desk: Desk) -> None:
    joined = joins(
        desk,
        {"category": "medis", "district": "Carita", "narrative": "A", "answers": {"sadar": "ya"}},
        {"category": "banjir", "district": "Sumur", "village": "Sumberjaya", "narrative": "B",
         "answers": {"sadar": "tidak", "ciri": "tua"}},
    )  # fmt: skip
    fields = desk.report.fields
    assert (fields.category, fields.district, fields.narrative) == ("medis", "Carita", "A")
    assert fields.answers == {"sadar": "ya", "ciri": "tua"}
    assert desk.report.otherwise[joined].given() == {
        **{"category": "banjir", "district": "Sumur", "village": "Sumberjaya", "narrative": "B"},
        "answers": {"sadar": "tidak"},
    }


def test_a_village_goes_over_with_its_district_only_also_where_there_are_no_lists() -> None:
    desk = Desk()
    joined = joins(desk, {"district": "Carita"}, {"district": "Sumur", "village": "Sumberjaya"})
    assert desk.report.fields.given() == {"district": "Carita"}
    assert desk.report.otherwise[joined].village == "Sumberjaya"


def test_steps_and_drafts_go_with_the_joined_report(desk: Desk) -> None:
    desk.opens("c1")
    second = desk.opens("c2").number
    desk.does(AgencyStep(ANI, second, "psc", Step.ON_THE_WAY))
    on_the_way = desk.now
    draft(desk, 1, place="Pasar")
    desk.does(DraftReport(BUDI, second, 1, Fields(place="Terminal", victims=3)))
    desk.does(JoinReport(ANI, second, FIRST))
    assert desk.report.agencies == {"psc": {Step.ON_THE_WAY: desk.core.wall(on_the_way)}}
    assert desk.draft == {"place": "Pasar", "victims": 3}


def test_what_was_joined_into_a_joined_report_is_still_shown(desk: Desk) -> None:
    joined = joins(desk, {"narrative": "A"}, {"narrative": "B"})
    third = desk.opens("c3", narrative="C").number
    desk.does(JoinReport(ANI, FIRST, third))
    otherwise = desk.core.incidents.open[third].otherwise
    assert {number: each.narrative for number, each in otherwise.items()} == {
        joined: "B",
        FIRST: "A",
    }


def test_nothing_is_joined_to_a_closed_report_and_a_reopened_one_is_on_its_own(desk: Desk) -> None:
    joined = joins(desk, {}, {})
    desk.does(ReopenReport(BUDI, joined, "lain"))
    assert desk.core.incidents.open[joined].joined_to is None
    desk.does(CloseReport(ANI, joined, "padam"))
    assert the_code(desk.does(JoinReport(ANI, FIRST, joined))) == "closed-report"


@pytest.mark.parametrize("checkpoint", [False, True])
def test_the_next_engine_knows_all_of_it(desk: Desk, checkpoint: bool) -> None:
    joined = joins(desk, {"narrative": "A"}, {"narrative": "B", "contact_number": "08123456789"})
    draft(desk, 1, place="Pasar", victims=2)
    save(desk, 2, place="Pasar")
    desk.saw("c2", FactKind.AGENCY_ANSWERED, agency="polres", leg="x")
    after = desk.restarted(checkpoint=checkpoint)
    assert after.incidents.open == desk.core.incidents.open
    assert after.incidents.open[FIRST].otherwise[joined].narrative == "B"
    assert after.agency_answers.dump() == desk.core.agency_answers.dump()


# Numbers


def test_a_day_that_comes_again_goes_on_with_its_numbers(desk: Desk) -> None:
    desk.day(datetime(2026, 11, 23, 0, 1))
    first = desk.opens(narrative="pertama").number
    desk.day(datetime(2026, 11, 22, 23, 59))
    assert desk.opens().number == FIRST
    desk.day(datetime(2026, 11, 23, 0, 2))
    assert desk.opens().number == "contoh-20261123-0002"
    assert desk.core.incidents.open[first].fields.narrative == "pertama"


@pytest.mark.parametrize("checkpoint", [False, True])
def test_numbers_of_every_day_are_known_to_the_next_engine(desk: Desk, checkpoint: bool) -> None:
    for day in (23, 22):
        desk.day(datetime(2026, 11, day, 0, 1))
        desk.opens()
    again = Desk(desk.config)
    again.core = desk.restarted(checkpoint=checkpoint)
    again.core.incidents.open.clear()  # long closed, and forgotten
    again.day(datetime(2026, 11, 23, 0, 2))
    assert again.opens().number == "contoh-20261123-0002"


def test_a_checkpoint_of_before_knows_the_last_day(desk: Desk) -> None:
    desk.core.incidents.load({"last": ["20261122", 7], "open": {}})
    assert desk.opens().number == "contoh-20261122-0008"


def test_a_number_of_the_database_is_not_given_again(desk: Desk) -> None:
    desk.does(TicketsRead({"20261122": 12, "20261101": 3}))
    assert desk.opens().number == "contoh-20261122-0013"
    desk.does(TicketsRead({"20261122": 12}))
    assert desk.opens().number == "contoh-20261122-0014"


# Agencies


def test_a_warm_transfer_that_is_answered_notes_itself_in_the_report() -> None:
    story = Story(NO_MENU)
    story.arrives()
    story.answers(CALL)
    story.answers(story.operator)
    story.feed(OpenReport(ANI, Fields(place="Pasar"), CALL))
    story.presses("*119#", story.operator)
    report = story.core.incidents.open[story.core.incidents.latest]
    assert report.agencies == {}
    story.answers(story.agency)
    report = story.core.incidents.open[report.number]
    assert {agency: set(steps) for agency, steps in report.agencies.items()} == {
        "psc": {Step.GIVEN, Step.RECEIVED}
    }


def test_an_agency_that_answers_the_call_has_received_the_report(desk: Desk) -> None:
    desk.opens("c1")
    desk.does(AgencyStep(ANI, FIRST, "psc", Step.GIVEN))
    by_hand = desk.now
    desk.saw("c1", FactKind.AGENCY_ANSWERED, agency="psc", leg="x")
    answered = desk.core.wall(desk.now)
    desk.does(LinkCall(ANI, FIRST, "c2"))  # whatever is next
    steps = desk.report.agencies["psc"]
    assert steps == {Step.GIVEN: desk.core.wall(by_hand), Step.RECEIVED: answered}
    told = [fact for fact in desk.facts if fact.kind == FactKind.REPORT_STEP]
    assert [(each.data["by"], each.data["via"]) for each in told] == [
        ("2001", "api"),
        ("panggilan:c1", "system"),
    ]
    desk.does(LinkCall(ANI, FIRST, "c3"))
    assert len([fact for fact in desk.facts if fact.kind == FactKind.REPORT_STEP]) == 2


def test_a_report_that_is_opened_after_the_agency_answered_knows_when(desk: Desk) -> None:
    desk.saw("c1", FactKind.AGENCY_ANSWERED, agency="polres", leg="x")
    answered = desk.core.wall(desk.now)
    desk.now += 60
    desk.opens("c1")
    assert desk.report.agencies == {"polres": dict.fromkeys((Step.GIVEN, Step.RECEIVED), answered)}


def test_what_an_engine_had_no_time_to_note_the_next_one_does(desk: Desk) -> None:
    desk.opens("c1")
    desk.saw("c1", FactKind.AGENCY_ANSWERED, agency="psc", leg="x")
    again = Desk(desk.config)
    again.core = desk.restarted(checkpoint=False)
    again.day(DAY)
    assert set(again.report.agencies["psc"]) == {Step.GIVEN, Step.RECEIVED}


def test_a_call_that_was_answered_long_ago_is_forgotten(desk: Desk) -> None:
    desk.saw("c1", FactKind.AGENCY_ANSWERED, agency="psc", leg="x")
    desk.now += 2 * 86400
    desk.saw("c2", FactKind.AGENCY_ANSWERED, agency="psc", leg="x")
    assert list(desk.core.agency_answers.dump()) == ["c2"]  # type: ignore[arg-type]
