"""Reports that the engine has forgotten: read out of the database, found, and taken up again."""

from __future__ import annotations

import shutil
from datetime import datetime

import pytest

from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.effects import Record
from ess_pbx.domain.events import ClockRead
from ess_pbx.domain.incident import Fields
from ess_pbx.domain.incidents import OpenReport

from .story import CALL, FIRE, OPERATOR, Person, Service, given_a_report


async def given_an_old_report(service: Service, operator: Person) -> str:
    """One that was closed long ago, and of which the engine knows nothing any more."""
    service.when_a_call_arrives()
    fields = {**FIRE, "caller_name": "Ibu Sari", "contact_number": "0812-9999-1234"}
    number = await given_a_report(operator, fields, CALL)
    path = f"/reports/{number}"
    await operator.ask("POST", f"{path}/agencies/damkar", {"step": "berangkat"})
    typed = {"base": 1, "fields": {"victims": 2}}
    await operator.ask("POST", f"{path}/draft", typed)
    assert (await operator.ask("POST", f"{path}/close", {"outcome": "padam"}))[0] == 200
    await service.engine.stored(10)
    service.core.incidents.open.clear()
    return number


async def test_a_report_that_was_closed_long_ago_is_read_from_the_database(
    service: Service, operator: Person
) -> None:
    number = await given_an_old_report(service, operator)
    status, content = await operator.ask("GET", f"/reports/{number}")
    assert (status, content["centre"]) == (200, "contoh")
    report = content["report"]
    assert {"category": "kebakaran", "contact_number": "0812-9999-1234"}.items() <= report[
        "fields"
    ].items()
    assert (report["outcome"], report["closed_by"], report["calls"]) == ("padam", OPERATOR, [CALL])
    assert list(report["agencies"]["damkar"]) == ["berangkat"]
    assert report["drafts"][OPERATOR]["fields"] == {"victims": 2}
    status, content = await operator.ask("GET", f"/reports/{number[:-4]}0999")
    assert (status, content["code"]) == (404, "unknown-report")


async def test_an_old_report_can_be_written_into_and_go_on(
    service: Service, operator: Person
) -> None:
    number = await given_an_old_report(service, operator)
    body = {"base": 1, "fields": {"narrative": "menyala lagi"}}
    status, content = await operator.ask("POST", f"/reports/{number}/save", body)
    assert (status, content["code"]) == (409, "closed-report")
    service.core.incidents.open.clear()
    await service.engine.stored(10)
    status, content = await operator.ask(
        "POST", f"/reports/{number}/reopen", {"reason": "menyala lagi"}
    )
    assert (status, content["report"]["closed_at"]) == (200, None)
    kept = content["report"]["drafts"][OPERATOR]["fields"]
    assert kept == {"victims": 2, "narrative": "menyala lagi"}
    assert content["report"]["fields"]["place"] == FIRE["place"]
    assert await given_a_report(operator) != number


async def test_a_database_that_is_away_keeps_nobody_from_the_reports_at_hand(
    operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise OSError("no database")

    number = await given_a_report(operator)
    monkeypatch.setattr("ess_pbx.web.old_reports.report_with_everything", away)
    assert (await operator.ask("GET", f"/reports/{number}"))[0] == 200
    status, content = await operator.ask("GET", "/reports/contoh-20200101-0001")
    assert (status, content["code"]) == (503, "no-database")


@pytest.mark.parametrize(
    "asked",
    [
        {"ticket": "0001"},
        {"caller": "0812-3456-7890"},
        {"caller": "+62 812 9999 1234"},
        {"caller": "sari"},
        {"day": "TODAY", "caller": "sari"},
        {"day": "TODAY"},
    ],
    ids=str,
)
async def test_reports_are_found_by_ticket_caller_and_day(
    service: Service, operator: Person, asked: dict[str, str]
) -> None:
    number = await given_an_old_report(service, operator)
    day = f"{number[7:11]}-{number[11:13]}-{number[13:15]}"
    asked = {name: day if value == "TODAY" else value for name, value in asked.items()}
    status, found = await operator.ask("POST", "/reports/search", asked)
    assert status == 200, found
    assert [each["number"] for each in found] == [number]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "nothing-asked"),
        ({"day": "2026-13-01"}, "invalid-day"),
        ({"day": "besok"}, "invalid-content"),
    ],
    ids=str,
)
async def test_a_search_says_what_it_takes(
    operator: Person, asked: dict[str, str], code: str
) -> None:
    status, content = await operator.ask("POST", "/reports/search", asked)
    assert (status, content["code"]) == (422, code)


async def test_nothing_is_found_of_others(service: Service, operator: Person) -> None:
    await given_an_old_report(service, operator)
    for asked in (
        {"ticket": "0002"},
        {"caller": "+6281234567891"},
        {"day": "2020-01-01"},
        {"caller": "s_ri"},
        {"ticket": "%%"},
    ):
        assert await operator.ask("POST", "/reports/search", asked) == (200, []), asked


async def test_a_new_journal_goes_on_with_the_databases_numbers(
    service: Service, operator: Person
) -> None:
    first = await given_a_report(operator)
    await service.engine.stored(10)
    settings = service.settings
    await service.stop()
    shutil.rmtree(settings.folders.state / "journal")
    again = Service(settings)
    await again.start()
    try:
        await again.engine.stored(10)
        again.core.decide(ClockRead(datetime.strptime(first[7:15], "%Y%m%d")), 1.0)
        effects = again.core.decide(OpenReport(Asker("1001", Via.API), Fields()), 2.0)
    finally:
        await again.stop()
    (opened,) = [each for each in effects if isinstance(each, Record)]
    assert opened.data["report"] == f"{first[:-4]}0002"
