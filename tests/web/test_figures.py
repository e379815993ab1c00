"""The figures of a period over the API, and the agencies that a category is for."""

from __future__ import annotations

from typing import Any

import pytest

from .story import CALL, FIRE, Person, Service, given_a_report


def value(report: Any, title: str, heading: str) -> object:
    (section,) = (each for each in report["sections"] if each["title"] == title)
    place = [column["heading"] for column in section["columns"]].index(heading)
    return section["lines"][0]["values"][place]


async def test_supervisors_read_the_figures_of_a_day_by_any_group(
    service: Service, supervisor: Person
) -> None:
    service.when_a_call_arrives()
    await service.engine.stored(5)

    status, report = await supervisor.ask("GET", "/figures")

    assert status == 200
    assert (report["centre"], report["offered"]) == (service.core.config.name, 1)
    assert value(report, "Hasil", "Masuk") == 1
    assert value(report, "Penelepon ditahan", "Penahanan") == 0
    _, by_trunk = await supervisor.ask("GET", "/figures?by=trunk")
    codes = [line["code"] for line in by_trunk["sections"][0]["lines"]]
    assert codes == ["contoh", "telco-a"]
    _, month = await supervisor.ask("GET", "/figures?month=2020-01")
    assert (month["offered"], month["period"]["label"]) == (0, "Januari 2020")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?by=moon", "one of centre, category"),
        ("?day=2026-11-21&week=2026-W47", "expected one of day, week and month"),
        ("?day=tomorrow", "expected the form 2026-11-21"),
        ("?shift=no-such", "no shift of the centre"),
    ],
)
async def test_what_is_no_period_is_refused_with_what_was_expected(
    supervisor: Person, query: str, expected: str
) -> None:
    status, error = await supervisor.ask("GET", f"/figures{query}")
    assert status == 422
    assert expected in error["message"] + error["expected"]


async def test_operators_read_no_figures(operator: Person) -> None:
    assert (await operator.ask("GET", "/figures"))[0] == 403


async def test_a_call_and_a_report_show_the_agencies_of_their_category(
    service: Service, operator: Person
) -> None:
    service.when_a_call_arrives()
    own = service.core.config
    category = service.core.calls[CALL].category
    of_call = [each.code for each in own.agencies if category in each.categories]
    of_fire = [each.code for each in own.agencies if "kebakaran" in each.categories]
    assert of_fire

    _, (call,) = await operator.ask("GET", "/calls")
    number = await given_a_report(operator, FIRE, CALL)
    _, report = await operator.ask("GET", f"/reports/{number}")
    _, (listed,) = await operator.ask("GET", "/reports")

    assert [each["code"] for each in call["suggested_agencies"]] == of_call
    for shown in (report, listed):
        assert [each["code"] for each in shown["suggested_agencies"]] == of_fire
