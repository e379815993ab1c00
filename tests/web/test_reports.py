"""Reports of incidents over the API: written together, and nothing that was typed is lost."""

from __future__ import annotations

from typing import Any

import pytest

from ess_pbx.db.connect import create_engine
from ess_pbx.db.queries import audit_log
from ess_pbx.domain.ids import CallId

from .story import (
    CALL,
    FIRE,
    NUMBER,
    OPERATOR,
    PINS,
    Person,
    Service,
    given_a_report,
)

LATER, ANOTHER = CallId("ess1-1700000001.2"), CallId("ess1-1700000002.3")


@pytest.fixture
async def colleague(anyone: Person) -> Person:
    return await anyone.signs_in("1002", PINS["1002"])


async def test_a_report_is_opened_listed_shown_and_in_the_audit_log(
    service: Service, operator: Person
) -> None:
    service.when_a_call_arrives()
    number = await given_a_report(operator, call=CALL)
    assert number.startswith("contoh-")
    _, (line,) = await operator.ask("GET", "/reports")
    assert (line["centre"], line["report"]["number"]) == ("contoh", number)
    _, whole = await operator.ask("GET", f"/reports/{number}")
    assert whole["report"]["fields"] == FIRE
    assert whole["report"]["calls"] == [CALL]
    assert whole["likely_same"] == []

    await service.engine.stored(5)
    database = create_engine(service.settings.database.url)
    try:
        (row,) = await audit_log(database, "contoh")
    finally:
        await database.dispose()
    assert (row["by"], row["via"], row["action"]) == (OPERATOR, "api", "report_opened")


async def test_two_write_different_fields_and_both_are_kept(
    operator: Person, colleague: Person
) -> None:
    number = await given_a_report(operator)
    path = f"/reports/{number}/save"
    seen = (await operator.ask("GET", f"/reports/{number}"))[1]["report"]["version"]
    ask = {"base": seen, "fields": {"victims": 2}}
    assert (await operator.ask("POST", path, ask))[0] == 200
    ask = {"base": seen, "fields": {"narrative": "asap tebal"}}
    status, content = await colleague.ask("POST", path, ask)
    assert status == 200
    wanted = {**FIRE, "victims": 2, "narrative": "asap tebal"}
    assert content["report"]["fields"] == wanted


async def test_a_conflict_tells_what_others_wrote_and_keeps_what_was_typed(
    operator: Person, colleague: Person
) -> None:
    number = await given_a_report(operator)
    path = f"/reports/{number}/save"
    seen = (await operator.ask("GET", f"/reports/{number}"))[1]["report"]["version"]
    assert (await operator.ask("POST", path, {"base": seen, "fields": {"victims": 2}}))[0] == 200

    mine = {"base": seen, "fields": {"victims": 3}}
    status, content = await colleague.ask("POST", path, mine)
    assert (status, content["code"], content["version"]) == (409, "conflict", seen + 1)
    (conflict,) = content["conflicts"]
    said = {name: conflict[name] for name in ("field", "now", "by", "version")}
    assert said == {"field": "victims", "now": 2, "by": OPERATOR, "version": seen + 1}
    _, whole = await colleague.ask("GET", f"/reports/{number}")
    assert whole["report"]["fields"]["victims"] == 2
    assert whole["report"]["drafts"]["1002"]["fields"] == {"victims": 3}

    status, _ = await colleague.ask("POST", path, {**mine, "base": content["version"]})
    assert status == 200


async def test_a_likely_twin_is_proposed_with_the_reason_and_joined_by_people(
    operator: Person, colleague: Person
) -> None:
    first = await given_a_report(operator)
    second = await given_a_report(colleague, {**FIRE, "place": "dekat Kranggot, Ahmad Yani"})
    _, whole = await colleague.ask("GET", f"/reports/{second}")
    assert whole["likely_same"] == [{"number": first, "why": "ahmad kranggot yani"}]

    assert (await colleague.ask("POST", f"/reports/{second}/join", {"to": first}))[0] == 200
    _, (line,) = await operator.ask("GET", "/reports")
    assert line["report"]["number"] == first
    status, content = await operator.ask("POST", f"/reports/{second}/link", {"call": CALL})
    assert (status, content["code"]) == (409, "closed-report")


async def test_a_report_goes_to_an_agency_is_closed_and_goes_on(operator: Person) -> None:
    number = await given_a_report(operator)
    path = f"/reports/{number}"
    status, content = await operator.ask("POST", f"{path}/agencies/damkar", {"step": "diserahkan"})
    assert (status, list(content["report"]["agencies"]["damkar"])) == (200, ["diserahkan"])
    status, content = await operator.ask("POST", f"{path}/agencies/satpam", {"step": "diterima"})
    assert (status, content["code"]) == (404, "unknown-agency")
    steps = [
        ("link", {"call": CALL}),
        ("draft", {"base": 1, "fields": {"narrative": "api"}}),
        ("close", {"outcome": "padam"}),
    ]
    for what, body in steps:
        status, content = await operator.ask("POST", f"{path}/{what}", body)
        assert status == 200, content
    report = content["report"]
    assert (report["calls"], report["outcome"], report["closed_by"]) == ([CALL], "padam", OPERATOR)
    assert report["drafts"][OPERATOR]["fields"] == {"narrative": "api"}
    assert await operator.ask("GET", "/reports") == (200, [])
    status, content = await operator.ask("POST", f"{path}/reopen", {"reason": "menyala lagi"})
    assert (status, content["report"]["closed_at"]) == (200, None)


async def test_what_the_centres_lists_do_not_know_is_not_written_but_kept(
    operator: Person,
) -> None:
    body: dict[str, Any] = {"fields": {"category": "gempa-mars", "place": "Pasar"}}
    status, content = await operator.ask("POST", "/reports", body)
    assert (status, content["code"]) == (422, "unknown-category")
    assert content["expected"].startswith("one of ")
    number = content["report"]
    report = (await operator.ask("GET", f"/reports/{number}"))[1]["report"]
    assert report["fields"] == {"place": "Pasar"}
    assert report["drafts"][OPERATOR]["fields"] == {"category": "gempa-mars"}

    body = {"base": 1, "fields": {**FIRE, "answers": {"terjebak": "mungkin"}}}
    status, content = await operator.ask("POST", f"/reports/{number}/save", body)
    assert (status, content["code"], content["report"]) == (422, "invalid-answer", number)
    assert content["expected"].startswith("one of ya, tidak")
    report = (await operator.ask("GET", f"/reports/{number}"))[1]["report"]
    assert report["drafts"][OPERATOR]["fields"] == body["fields"]
    assert report["version"] == 1

    status, content = await operator.ask("POST", "/reports", {"fields": {"victims": -1}})
    assert (status, content["code"]) == (422, "invalid-content")


async def test_the_form_says_all_that_a_report_is_made_of(operator: Person) -> None:
    status, form = await operator.ask("GET", "/form")
    assert (status, form["centre"]) == (200, "contoh")
    (fire,) = [each for each in form["categories"] if each["id"] == "kebakaran"]
    assert "damkar" in fire["agencies"]
    assert {"id": "bangunan", "name": "Bangunan"} in fire["subcategories"]
    (trapped,) = [each for each in fire["questions"] if each["id"] == "terjebak"]
    assert (trapped["answer"], trapped["choices"]) == ("ya-tidak", ["ya", "tidak"])
    assert all(each["villages"] for each in form["districts"])
    known = {each["id"] for each in form["agencies"]}
    assert {each for category in form["categories"] for each in category["agencies"]} <= known
    assert form["steps"][0] == "diserahkan"


async def test_who_has_a_call_sees_what_the_number_called_about_before(
    service: Service, operator: Person, colleague: Person
) -> None:
    service.given_present(OPERATOR)
    service.when_a_call_arrives()
    service.when_it_is_answered()
    number = await given_a_report(operator, {**FIRE, "narrative": "asap tebal"}, CALL)
    service.when_the_caller_hangs_up()
    service.when_a_call_arrives(ANOTHER, "+6281111111111")
    service.when_the_caller_hangs_up(ANOTHER)
    await service.engine.stored(5)

    await operator.ask("POST", "/operators/1001/end-wrap-up")
    service.when_a_call_arrives(LATER, NUMBER)
    assert (await operator.ask("GET", f"/calls/{LATER}/history"))[0] == 403
    service.when_it_is_answered(LATER)
    status, (before,) = await operator.ask("GET", f"/calls/{LATER}/history")
    assert (status, before["call"], before["operator"]) == (200, CALL, OPERATOR)
    (report,) = before["reports"]
    assert (report["number"], report["narrative"]) == (number, "asap tebal")
    assert (await colleague.ask("GET", f"/calls/{LATER}/history"))[0] == 403


async def test_calls_older_than_their_recordings_are_no_history(
    service: Service, supervisor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.when_a_call_arrives()
    service.when_the_caller_hangs_up()
    service.when_a_call_arrives(LATER)
    await service.engine.stored(5)
    _, calls = await supervisor.ask("GET", f"/calls/{LATER}/history")
    assert [each["call"] for each in calls] == [CALL]

    monkeypatch.setattr("ess_pbx.web.reports.keep_days", lambda _: lambda *_: 0)
    assert await supervisor.ask("GET", f"/calls/{LATER}/history") == (200, [])


async def test_a_history_that_the_database_cannot_tell_is_no_error_of_the_callers(
    service: Service, supervisor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise OSError("no database")

    service.when_a_call_arrives()
    monkeypatch.setattr("ess_pbx.web.reports.calls_of_number", away)
    status, content = await supervisor.ask("GET", f"/calls/{CALL}/history")
    assert (status, content["code"]) == (503, "no-database")
    status, content = await supervisor.ask("GET", "/calls/ess1-9.9/history")
    assert (status, content["code"]) == (404, "unknown-call")
