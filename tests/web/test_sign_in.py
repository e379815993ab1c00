"""Signing in and out, over a real socket."""

from __future__ import annotations

import time
from pathlib import Path

import aiohttp
import pytest

from .story import COLLEAGUE, OPERATOR, PINS, Person, Service, centre_settings


async def test_an_operator_signs_in_with_extension_and_pin(anyone: Person) -> None:
    body = {"account": OPERATOR, "secret": PINS[OPERATOR]}
    status, content = await anyone.ask("POST", "/session", body)
    assert status == 200
    assert (content["account"], content["role"], content["centre"]) == (
        "1001",
        "operator",
        "contoh",
    )
    assert content["name"] == "Contoh Operator Satu"
    assert content["expires"] == pytest.approx(time.time() + 43200, abs=30)
    signed_in = Person(anyone.session, anyone.url, content["token"])
    status, who = await signed_in.ask("GET", "/session")
    assert (status, who["account"], who["token"]) == (200, "1001", None)


async def test_roles_come_from_the_settings(supervisor: Person, admin: Person) -> None:
    assert (await supervisor.ask("GET", "/session"))[1]["role"] == "supervisor"
    assert (await admin.ask("GET", "/session"))[1]["role"] == "admin"


@pytest.mark.parametrize(
    ("account", "secret"),
    [(OPERATOR, PINS[COLLEAGUE]), ("1006", "135790"), ("9999", "135790"), ("admin", "135790")],
    ids=["wrong PIN", "no PIN", "no account", "wrong password"],
)
async def test_what_is_wrong_with_a_sign_in_is_not_told(
    anyone: Person, account: str, secret: str
) -> None:
    status, content = await anyone.ask("POST", "/session", {"account": account, "secret": secret})
    assert (status, content["code"]) == (401, "wrong-sign-in")
    assert content["message"] == "account or PIN is wrong"


@pytest.fixture
def _no_time_passes(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait is one second, which a busy machine spends by itself."""
    monkeypatch.setattr(service.web.api.access, "_monotonic", lambda: 1000.0)


@pytest.mark.usefixtures("_no_time_passes")
async def test_wrong_sign_ins_make_the_next_wait_and_another_desk_does_not(
    service: Service, anyone: Person
) -> None:
    wrong = {"account": OPERATOR, "secret": "000000"}
    for _ in range(3):
        assert (await anyone.ask("POST", "/session", wrong))[0] == 401
    status, content = await anyone.ask("POST", "/session", wrong)
    assert (status, content["code"]) == (429, "sign-in-delayed")
    assert content["expected"] == "another try in 1 s"
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    ) as session:
        await Person(session, service.url).signs_in(OPERATOR, PINS[OPERATOR])


@pytest.mark.usefixtures("_no_time_passes")
async def test_an_address_told_by_a_stranger_is_not_believed(anyone: Person) -> None:
    wrong = {"account": OPERATOR, "secret": "000000"}
    for n in range(3):
        headers = {"X-Forwarded-For": f"10.0.0.{n}"}
        assert (await anyone.ask("POST", "/session", wrong, headers=headers))[0] == 401
    headers = {"X-Forwarded-For": "10.0.0.9"}
    assert (await anyone.ask("POST", "/session", wrong, headers=headers))[0] == 429


async def test_an_address_told_by_a_proxy_of_the_settings_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(centre_settings(tmp_path / "s", proxies=("127.0.0.1",)))
    await service.start()
    monkeypatch.setattr(service.web.api.access, "_monotonic", lambda: 1000.0)
    try:
        async with aiohttp.ClientSession() as session:
            desk = Person(session, service.url)
            wrong = {"account": OPERATOR, "secret": "000000"}
            bad, good = {"X-Forwarded-For": "10.0.0.66"}, {"X-Forwarded-For": "10.0.0.7"}
            for _ in range(3):
                assert (await desk.ask("POST", "/session", wrong, headers=bad))[0] == 401
            assert (await desk.ask("POST", "/session", wrong, headers=bad))[0] == 429
            assert (await desk.ask("POST", "/session", wrong, headers=good))[0] == 401
    finally:
        await service.stop()


async def test_without_a_token_or_with_a_wrong_one_nothing_is_told(anyone: Person) -> None:
    for token in ("", "x", "0" * 43):
        status, content = await Person(anyone.session, anyone.url, token).ask("GET", "/calls")
        assert (status, content["code"]) == (401, "not-signed-in")


async def test_a_token_is_over_once_signed_out(operator: Person) -> None:
    assert (await operator.ask("DELETE", "/session"))[0] == 200
    assert (await operator.ask("GET", "/session"))[0] == 401


async def test_a_new_pin_counts_at_once_and_ends_what_was_signed_in_with_the_old(
    service: Service, operator: Person, anyone: Person
) -> None:
    service.give_pins({OPERATOR: "111222"})
    again = await anyone.signs_in(OPERATOR, "111222")
    assert (await operator.ask("GET", "/session"))[0] == 401
    assert (await again.ask("GET", "/session"))[0] == 200


async def test_sign_ins_outlive_a_restart_of_the_service(service: Service, admin: Person) -> None:
    await service.stop()
    again = Service(service.settings)
    await again.start()
    try:
        # The same PINs: given anew, they would be other hashes.
        assert (await admin.ask("GET", "/session"))[0] == 200
    finally:
        await again.stop()


async def test_answers_are_kept_by_nobody_and_name_no_program(anyone: Person) -> None:
    async with anyone.session.get(f"{anyone.url}/api/v1/openapi.json") as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "aiohttp" not in answer.headers["Server"]
