"""Reports between two services over real HTTP: signed, told until acknowledged, taken once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace

from ess_pbx.domain.config import Neighbour
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.handed_report import HandedReport, What
from ess_pbx.domain.incident import HandedCall, Incident
from ess_pbx.engine import outbox
from ess_pbx.neighbours.client import PREFIX
from ess_pbx.neighbours.secret_file import make_secret, read_secret
from ess_pbx.neighbours.signatures import signed_request
from ess_pbx.web.control import Control
from ess_pbx.web.handed_over import LONGEST
from ess_pbx.web.server import WebServer

from .story import CALL, NUMBER, Person, Service, centre_settings, until

NORTH, SOUTH, TO_NORTH, TO_SOUTH = "contoh", "selatan", "pusat-tetangga", "pusat-tetangga"
TICKET = f"{NORTH}-20261122-0001"
PATH = f"{PREFIX}/{SOUTH}/{NORTH}/{TICKET}"
REPORT = HandedReport(
    centre=NORTH,
    centre_name="Pusat 112 Contoh",
    ticket=TICKET,
    version=1,
    opened_at=1_800_000_000.0,
    what=What(place="Pasar lama", narrative="Api."),
    calls=(HandedCall(id="ess1-1.1", number=NUMBER, arrived_at=1_800_000_000.0),),
)


def knowing(service: Service, other: Service, secret: Path) -> None:
    centre = service.settings.centre_named()
    *agencies, last = centre.agencies
    known = Neighbour(centre=other.core.config.id, url=other.url, secret=str(secret))
    agencies.append(replace(last, neighbour=known))
    changed = replace(centre, agencies=tuple(agencies))
    Service.__init__(service, replace(service.settings, centres=(changed,)))


class Pair:
    """Two services that know each other."""

    def __init__(self, folder: Path) -> None:
        self.secret = folder / "secret"
        make_secret(self.secret)
        self.north = Service(centre_settings(folder / "n"))
        settings = centre_settings(folder / "s")
        centre = replace(settings.centre_named(), id=SOUTH, name="Selatan")
        self.south = Service(replace(settings, centres=(centre,)))
        knowing(self.north, self.south, self.secret)
        knowing(self.south, self.north, self.secret)

    @property
    def theirs(self) -> list[Incident]:
        return list(self.south.core.incidents.open.values())

    def signed(self, content: bytes, *, path: str = PATH, **changes: Any) -> dict[str, str]:
        nonce = {"created": int(time.time()), "nonce": f"n{time.monotonic_ns():020}"}
        key = read_secret(self.secret)
        return signed_request(key, NORTH, "PUT", path, content, **{**nonce, **changes})


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(outbox, "FIRST_DELAY", 0.02)
    pair = Pair(tmp_path)
    await pair.north.start()
    await pair.south.start()
    yield pair
    await pair.north.stop()
    await pair.south.stop()


async def put(
    pair: Pair, content: bytes, headers: dict[str, str], path: str = PATH
) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.put(pair.south.url + path, data=content, headers=headers) as answer,
    ):
        return answer.status, msgspec.json.decode(await answer.read())


async def opened(control: Control, call: str | None = None) -> str:
    body = {"call": call, "fields": {"place": "Pasar lama", "narrative": "Api."}}
    number: str = (await control.ask("POST", "/reports", body))["report"]["number"]
    return number


async def test_a_report_that_is_handed_over_is_the_neighbours_report(pair: Pair) -> None:
    pair.north.given_present("1001")
    pair.north.when_a_call_arrives()
    number = await opened(pair.north.control, CALL)
    await pair.north.control.ask("POST", f"/reports/{number}/hand-over/{TO_SOUTH}")
    await until(lambda: bool(pair.theirs), "a report in the south")
    (report,) = pair.theirs
    assert report.origin is not None
    assert (report.origin.ticket, report.fields.place) == (number, "Pasar lama")
    await until(lambda: not pair.north.core.hand_overs.waiting(TO_SOUTH), "acknowledged")
    (seen,) = await pair.north.control.ask("GET", "/hand-overs")
    assert (seen["version"], seen["acknowledged"]) == (1, 1)
    assert (seen["theirs"], seen["failed"]) == (report.number, "")

    body = {"base": 1, "fields": {"victims": 2}}
    await pair.north.control.ask("POST", f"/reports/{number}/save", body)
    await until(lambda: pair.theirs[0].fields.victims == 2, "the newer version")
    assert len(pair.theirs) == 1


async def test_a_neighbour_that_is_away_gets_it_later_and_once(pair: Pair) -> None:
    await pair.south.web.stop()
    number = await opened(pair.north.control)
    await pair.north.control.ask("POST", f"/reports/{number}/hand-over/{TO_SOUTH}")
    alarms = pair.north.core.alarms.standing
    await until(lambda: f"neighbour:{TO_SOUTH}" in alarms, "the alarm")
    pair.south.web = WebServer(pair.south.settings, pair.south.engine, pair.south.watch.metrics)
    await pair.south.web.start()
    await until(lambda: not pair.north.core.hand_overs.waiting(TO_SOUTH), "acknowledged")
    assert len(pair.theirs) == 1
    await until(lambda: f"neighbour:{TO_SOUTH}" not in alarms, "no alarm")


async def test_another_secret_delivers_nothing_until_it_is_the_same(pair: Pair) -> None:
    right = pair.secret.read_text()
    other = pair.secret.with_name("other")
    make_secret(other)
    *agencies, last = pair.south.settings.centre_named().agencies
    assert last.neighbour is not None
    wrong = replace(last, neighbour=replace(last.neighbour, secret=str(other)))
    centre = replace(pair.south.core.config, agencies=(*agencies, wrong))
    pair.south.core.config = centre
    number = await opened(pair.north.control)
    await pair.north.control.ask("POST", f"/reports/{number}/hand-over/{TO_SOUTH}")
    counts = pair.south.web.api.access.counts
    await until(lambda: counts["handed-over-refused"] > 2, "refused")
    assert pair.theirs == []
    other.write_text(right)
    await until(lambda: len(pair.theirs) == 1, "a report in the south")


async def test_the_same_body_twice_is_one_report(pair: Pair) -> None:
    content = msgspec.json.encode(REPORT)
    for _ in range(2):
        status, known = await put(pair, content, pair.signed(content))
        assert (status, known["version"]) == (200, 1)
    assert [each.number for each in pair.theirs] == [known["report"]]


async def test_a_copy_of_a_request_is_refused(pair: Pair) -> None:
    content = msgspec.json.encode(REPORT)
    headers = pair.signed(content)
    assert (await put(pair, content, headers))[0] == 200
    assert (await put(pair, content, headers))[0] == 401


async def test_other_content_of_the_same_version_is_a_conflict(pair: Pair) -> None:
    content = msgspec.json.encode(REPORT)
    await put(pair, content, pair.signed(content))
    other = msgspec.json.encode(replace(REPORT, what=What(place="Terminal")))
    status, error = await put(pair, other, pair.signed(other))
    assert (status, error["code"]) == (409, "conflict")
    assert pair.theirs[0].fields.place == "Pasar lama"


@pytest.mark.parametrize(
    "changes",
    [{"created": 1}, {"path": PATH + "0"}, {"nonce": "short"}],
    ids=["old", "path", "nonce"],
)
async def test_what_is_not_signed_for_this_is_refused(changes: Any, pair: Pair) -> None:
    content = msgspec.json.encode(REPORT)
    status, error = await put(pair, content, pair.signed(content, **changes))
    assert (status, error["code"]) == (401, "not-signed")
    assert pair.theirs == []


async def test_strangers_are_refused_without_being_read(pair: Pair) -> None:
    content = b"x" * (LONGEST * 4)
    async with aiohttp.ClientSession() as session:
        anyone = Person(session, pair.south.url)
        operator = await anyone.signs_in("admin", pair.south.admin_password)
        for headers in ({}, operator.headers):
            async with session.put(pair.south.url + PATH, data=b"{}", headers=headers) as answer:
                assert answer.status == 401
    status, _ = await put(pair, b"{}", pair.signed(content))
    assert status == 400, "signed, but not this"
    assert pair.theirs == []
    assert pair.south.web.api.access.counts["handed-over-refused"] == 2


@pytest.mark.parametrize("path", [PATH.replace(SOUTH, "barat"), PATH.replace(NORTH, SOUTH)])
async def test_a_report_for_or_from_nobody_we_know_is_refused(path: str, pair: Pair) -> None:
    content = msgspec.json.encode(REPORT)
    assert (await put(pair, content, pair.signed(content, path=path), path))[0] == 401


async def test_a_neighbour_cannot_speak_for_another_centre(pair: Pair) -> None:
    ticket = "barat-20261122-0001"
    content = msgspec.json.encode(replace(REPORT, centre="barat", ticket=ticket))
    path = f"{PREFIX}/{SOUTH}/barat/{ticket}"
    own = read_secret(pair.secret)
    now = int(time.time())
    headers = signed_request(own, "barat", "PUT", path, content, created=now, nonce="n" * 20)
    assert (await put(pair, content, headers, path))[0] == 401
    assert pair.theirs == []


async def test_a_centre_without_neighbours_takes_nothing(service: Service, tmp_path: Path) -> None:
    make_secret(tmp_path / "secret")
    content = msgspec.json.encode(replace(REPORT, centre=SOUTH))
    path = f"{PREFIX}/{NORTH}/{SOUTH}/{TICKET}"
    headers = signed_request(
        read_secret(tmp_path / "secret"),
        *(SOUTH, "PUT", path, content),
        created=int(time.time()),
        nonce="n" * 20,
    )
    async with (
        aiohttp.ClientSession() as session,
        session.put(service.url + path, data=content, headers=headers) as answer,
    ):
        assert answer.status == 401


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"\xff", 400),
        (b"[]", 422),
        (msgspec.json.encode(replace(REPORT, version=0)), 422),
        (msgspec.json.encode(replace(REPORT, ticket=f"{NORTH}-20261122-0002")), 422),
        (msgspec.json.encode(replace(REPORT, centre="barat")), 422),
        (msgspec.json.encode({**msgspec.to_builtins(REPORT), "format": 2}), 422),
        (msgspec.json.encode(replace(REPORT, what=What(narrative="x" * 10_001))), 422),
        (b'{"x":"' + b"x" * LONGEST + b'"}', 413),
    ],
)
async def test_rubbish_that_is_signed_is_refused_with_a_reason(
    content: bytes, status: int, pair: Pair
) -> None:
    found, error = await put(pair, content, pair.signed(content))
    assert found == status, error
    assert error["code"]
    assert pair.theirs == []


async def test_what_a_newer_neighbour_adds_is_passed_over(pair: Pair) -> None:
    plain = msgspec.to_builtins(REPORT)
    plain["what"]["weather"] = "hujan"
    content = msgspec.json.encode({**plain, "mood": "x"})
    assert (await put(pair, content, pair.signed(content)))[0] == 200


async def test_the_neighbours_numbers_are_shown_whole_to_leaders_alone(pair: Pair) -> None:
    content = msgspec.json.encode(REPORT)
    await put(pair, content, pair.signed(content))
    (number,) = (each.number for each in pair.theirs)
    async with aiohttp.ClientSession() as session:
        anyone = Person(session, pair.south.url)
        leader = await anyone.signs_in("admin", pair.south.admin_password)
        operator = await anyone.signs_in("1001", "135790")
        seen = {}
        for person in (leader, operator):
            for path in (f"/reports/{number}", "/reports"):
                _, found = await person.ask("GET", path)
                found = found[0] if isinstance(found, list) else found
                seen[person.token, path] = found["report"]["origin"]["calls"][0]["number"]
    assert [value == NUMBER for value in seen.values()] == [True, True, False, False]


async def test_receiving_is_in_the_audit_log_of_the_receiver(pair: Pair) -> None:
    content = msgspec.json.encode(REPORT)
    told: list[Fact] = []
    pair.south.engine.listeners.append(told.append)
    await put(pair, content, pair.signed(content))
    kinds = {fact.kind: fact.data for fact in told}
    for kind in (FactKind.REPORT_OPENED, FactKind.REPORT_RECEIVED):
        assert (kinds[kind]["by"], kinds[kind]["via"]) == (f"pusat:{NORTH}", "neighbour")
