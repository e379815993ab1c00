"""Whatever is sent, the answer is an error of the sender's, in JSON: never a 5xx, never a hang."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from ess_pbx.web.table import TABLE, Row

from .story import NUMBER, Person, Service

LONG = "x" * 5000
STRANGE = [
    "'; DROP TABLE audit; --",
    '" OR 1=1 --',
    "\x00",
    "a\x00b",
    "\n",
    "\u202e\ufeff",
    "../../etc/passwd",
    "%00",
    "{}",
    "${jndi:ldap://x}",
    "😀" * 300,
    LONG,
]
WRONG_VALUES: list[Any] = [None, True, 0, -1, 1e308, [], {}, [[]], {"a": 1}, *STRANGE]
NOT_JSON = [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"a":', b"nul", b'{"reason": "\\ud800"}']
BODIED = [row for row in TABLE if row.body.__struct_fields__]


def path_of(row: Row, values: dict[str, str]) -> str:
    return row.path.format(**values)


def good(row: Row) -> dict[str, str]:
    known = {"agent": "1001", "call": "ess1-1.1", "task": "t1", "alarm": "roster"}
    known |= {"report": "contoh-20261122-0001", "agency": "pmi"}
    return {name: known[name] for name in row.parameters}


def is_an_error_of_the_senders(status: int, content: Any) -> bool:
    return 400 <= status < 500 and set(content) == {"code", "message", "expected"}


@pytest.mark.parametrize("row", [row for row in TABLE if row.parameters], ids=lambda row: row.name)
async def test_strange_values_in_a_path(row: Row, admin: Person) -> None:
    for strange in STRANGE:
        for name in row.parameters:
            path = path_of(row, {**good(row), name: quote(strange, safe="")})
            status, content = await admin.ask(row.method, path, {})
            assert is_an_error_of_the_senders(status, content), (strange, status, content)


@pytest.mark.parametrize("row", BODIED, ids=lambda row: row.name)
async def test_wrong_values_in_a_body(row: Row, admin: Person, service: Service) -> None:
    await service.engine.stored(10)  # the database's tables are there
    path = path_of(row, good(row))
    whole: dict[str, Any] = {
        "account": "1001",
        "secret": "0",
        "reason": "uji",
        "mark": "prank",
        "note": "",
        "number": NUMBER,
        "agent": None,
        "prompt": None,
        "fields": {"place": "Pasar Kranggot"},
        "call": "ess1-1.1",
        "base": 0,
        "to": "contoh-20261122-0002",
        "step": "diterima",
        "outcome": "padam",
        "supervisor": "1007",
        "mode": "listen",
        "queues": ["umum"],
        "ticket": "0001",
        "caller": "Sari",
        "day": "2026-11-22",
    }
    body = {name: whole[name] for name in row.body.__struct_fields__}
    for wrong in WRONG_VALUES:
        for name in body:
            status, content = await admin.ask(row.method, path, {**body, name: wrong})
            assert status < 500, (name, wrong, content)
            if status != 200:
                assert is_an_error_of_the_senders(status, content), (name, wrong, status, content)
        status, content = await admin.ask(row.method, path, wrong)
        assert is_an_error_of_the_senders(status, content), (wrong, status, content)
    status, content = await admin.ask(row.method, path, {**body, "unknown": 1})
    assert (status, content["code"]) == (422, "invalid-content")


@pytest.mark.parametrize("row", BODIED, ids=lambda row: row.name)
async def test_what_is_no_json(row: Row, admin: Person) -> None:
    for rubbish in NOT_JSON:
        status, content = await admin.ask(row.method, path_of(row, good(row)), rubbish)
        assert is_an_error_of_the_senders(status, content), (rubbish[:20], status, content)


async def test_a_body_that_is_too_long_is_not_read(admin: Person) -> None:
    status, content = await admin.ask("POST", "/surge/end", b" " * 1_000_000)
    assert (status, content["code"]) == (413, "too-large")


async def test_unknown_paths_and_methods_are_told_in_json(admin: Person) -> None:
    status, content = await admin.ask("GET", "/nothing")
    assert (status, content["code"]) == (404, "no-such-path")
    status, content = await admin.ask("PUT", "/session")
    assert (status, content["code"]) == (405, "method-not-allowed")
    status, content = await admin.ask("GET", "/live")
    assert is_an_error_of_the_senders(status, content)


async def test_every_route_without_a_token_is_closed(anyone: Person) -> None:
    for row in TABLE:
        if row.roles:
            status, content = await anyone.ask(row.method, path_of(row, good(row)), {})
            assert (status, content["code"]) == (401, "not-signed-in"), row.name


async def test_strange_tokens_are_no_tokens(anyone: Person) -> None:
    for strange in ("Bearer", "Bearer  ", "Basic YWRtaW46YWRtaW4=", "Bearer ' OR 1=1", "\xff"):
        status, _ = await anyone.ask("GET", "/calls", headers={"Authorization": strange})
        assert status == 401


@pytest.mark.parametrize("reason", ["", "a\nb", "a\x00", "x" * 201, "a\x7f"])
async def test_a_reason_is_one_line_of_a_length_to_be_read(admin: Person, reason: str) -> None:
    status, content = await admin.ask("POST", "/surge/end", {"reason": reason})
    assert (status, content["code"]) == (422, "invalid-content")
    assert content["message"] == "wrong content at `$.reason`"


async def test_a_defect_is_told_in_json_and_tells_nothing_of_itself(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("geheim")

    monkeypatch.setattr("ess_pbx.web.api.views.operator_views", broken)
    status, content = await admin.ask("GET", "/operators")
    assert (status, content["code"]) == (500, "failed")
    assert "geheim" not in str(content)
