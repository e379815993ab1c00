"""Two centres on one API: people see and do what is of their own, the administrator all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.domain.centre import renumbered

from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.ids import CallId
from ess_pbx.web.live import NOT_YOURS

from .story import CALL, NUMBER, OPERATOR, PINS, SUPERVISOR, Person, Service, centre_settings

NORTH, SOUTH = "contoh", "selatan"
THERE, THERE_LEADS = "2001", "2003"
CALL_THERE = CallId("ess1-1700000001.2")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = centre_settings(tmp_path / "s")
    (north,) = settings.centres
    service = Service(replace(settings, centres=(north, renumbered(north, SOUTH, "2"))))
    service.give_pins({THERE: PINS[OPERATOR], THERE_LEADS: PINS[SUPERVISOR]})
    await service.start()
    service.given_present(OPERATOR, THERE)
    yield service
    await service.stop()


@pytest.fixture
async def there(anyone: Person) -> Person:
    """An operator of the south."""
    return await anyone.signs_in(THERE, PINS[OPERATOR])


@pytest.fixture
async def leads_there(anyone: Person) -> Person:
    return await anyone.signs_in(THERE_LEADS, PINS[SUPERVISOR])


def given_calls(service: Service) -> None:
    service.when_a_call_arrives(centre=NORTH)
    service.when_a_call_arrives(CALL_THERE, centre=SOUTH)


async def test_an_account_is_its_operators_centres(there: Person, admin: Person) -> None:
    who = (await there.ask("GET", "/session"))[1]
    assert (who["centre"], who["role"]) == (SOUTH, "operator")
    assert (await admin.ask("GET", "/session"))[1]["centre"] == ""


async def test_lists_are_of_ones_own_centre_and_the_administrators_of_all(
    service: Service, operator: Person, leads_there: Person, admin: Person
) -> None:
    given_calls(service)
    wanted = {"calls": {CALL: NORTH, CALL_THERE: SOUTH}, "centres": {NORTH: None, SOUTH: None}}
    for path, every in wanted.items():
        _, of_all = await admin.ask("GET", f"/{path}")
        assert {each["id"]: each.get("centre") for each in of_all} == every
    for person, call in ((operator, CALL), (leads_there, CALL_THERE)):
        assert [each["id"] for each in (await person.ask("GET", "/calls"))[1]] == [call]
    _, named = await admin.ask("GET", f"/calls?centre={SOUTH}")
    assert [each["id"] for each in named] == [CALL_THERE]
    _, seats = await leads_there.ask("GET", "/operators")
    assert {each["centre"] for each in seats} == {SOUTH}
    assert all(each["extension"].startswith("2") for each in seats)


async def test_another_centre_is_nobodys_but_the_administrators(
    operator: Person, leads_there: Person, admin: Person
) -> None:
    for person in (operator, leads_there):
        other = SOUTH if person is operator else NORTH
        status, content = await person.ask("GET", f"/calls?centre={other}")
        assert (status, content["code"]) == (403, "denied")
    status, content = await admin.ask("GET", "/calls?centre=mars")
    assert (status, content["code"]) == (404, "unknown-centre")
    assert SOUTH in content["expected"]


async def test_a_supervisor_leads_the_own_centre_alone(
    service: Service, leads_there: Person
) -> None:
    assert (await leads_there.ask("POST", f"/operators/{THERE}/log-out"))[0] == 200
    status, content = await leads_there.ask("POST", f"/operators/{OPERATOR}/log-out")
    assert (status, content["code"]) == (404, "unknown-operator")
    assert service.core.acd.seats[OPERATOR].logged_in
    given_calls(service)
    status, content = await leads_there.ask("POST", f"/calls/{CALL}/mark", {"mark": "prank"})
    assert (status, content["code"]) == (404, "unknown-call")
    why = {"number": NUMBER, "reason": "tiga kali"}
    assert (await leads_there.ask("POST", "/pranks/confirm", why))[0] == 200
    confirmed = [each.callers.confirmed(NUMBER) is not None for each in service.engine.centres]
    assert confirmed == [False, True]


async def test_the_administrator_names_a_centre_only_where_nothing_else_says_it(
    service: Service, admin: Person
) -> None:
    given_calls(service)
    assert (await admin.ask("POST", f"/operators/{THERE}/log-out"))[0] == 200
    assert (await admin.ask("POST", f"/calls/{CALL_THERE}/mark", {"mark": "ghost"}))[0] == 200
    why = {"number": NUMBER, "reason": "tiga kali"}
    status, content = await admin.ask("POST", "/pranks/confirm", why)
    assert (status, content["code"]) == (422, "no-centre")
    assert (await admin.ask("POST", f"/pranks/confirm?centre={SOUTH}", why))[0] == 200
    _, (prank,) = await admin.ask("GET", "/pranks")
    assert prank["centre"] == SOUTH


async def test_the_same_alarm_of_two_centres_is_acknowledged_in_one(
    service: Service, leads_there: Person, admin: Person
) -> None:
    for centre in (NORTH, SOUTH):
        service.engine.dispatcher.feed(AlarmChanged("roster", True, "baris 3", centre=centre))
    assert (await leads_there.ask("POST", "/alarms/roster/acknowledge"))[0] == 200
    _, alarms = await admin.ask("GET", "/alarms")
    seen = {each["centre"]: each["acknowledged_by"] for each in alarms}
    assert seen == {NORTH: None, SOUTH: THERE_LEADS}


async def test_reports_are_of_the_people_of_the_centre(
    operator: Person, there: Person, admin: Person
) -> None:
    status, content = await there.ask("POST", "/reports", {"fields": {"place": "Alun-alun"}})
    number = content["report"]["number"]
    assert (status, content["centre"]) == (200, SOUTH)
    assert await operator.ask("GET", "/reports") == (200, [])
    assert (await operator.ask("GET", f"/reports/{number}"))[0] == 404
    change = {"base": 1, "fields": {"place": "Serang"}}
    assert (await operator.ask("POST", f"/reports/{number}/save", change))[0] == 404
    assert (await admin.ask("GET", f"/reports/{number}"))[0] == 200
    assert (await admin.ask("POST", f"/reports/{number}/link", {"call": CALL}))[0] == 200


async def test_a_live_feed_tells_of_the_own_centre_alone(
    service: Service, supervisor: Person, leads_there: Person, admin: Person
) -> None:
    async with supervisor.feed() as north, leads_there.feed() as south, admin.feed() as both:
        snapshots = [await each.next() for each in (north, south, both)]
        given_calls(service)
        told = []
        for feed in (north, south, both):
            facts = await feed.until_fact("call_arrived")
            told.append([each["call"] for each in facts if each["kind"] == "call_arrived"])
        assert told == [[CALL], [CALL_THERE], [CALL]]
        facts = await both.until_fact("call_arrived")
        assert facts[-1]["call"] == CALL_THERE
        service.when_the_caller_hangs_up()
        service.when_the_caller_hangs_up(CALL_THERE)
        for feed, centre in ((north, NORTH), (south, SOUTH)):
            facts = await feed.until_fact("call_ended")
            assert {each["centre"] for each in facts} == {centre}
    centres = [[each["id"] for each in one["centres"]] for one in snapshots]
    assert centres == [[NORTH], [SOUTH], [NORTH, SOUTH]]


async def test_a_live_feed_of_another_centre_is_closed_and_of_none_not_opened(
    leads_there: Person, admin: Person
) -> None:
    async with leads_there.feed(centre=NORTH) as feed:
        assert await feed.closed() == NOT_YOURS
    async with admin.feed(centre=SOUTH) as feed:
        snapshot = await feed.next()
        assert [each["id"] for each in snapshot["centres"]] == [SOUTH]
    status, content = await admin.ask("GET", "/live?centre=mars")
    assert (status, content["code"]) == (404, "unknown-centre")
