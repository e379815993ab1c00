"""Who only says that a report arrived is not believed; what went wrong is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from ess_pbx.domain.config import Neighbour
from ess_pbx.domain.handed_report import HandedReport, What
from ess_pbx.errors import SettingsError
from ess_pbx.neighbours import client
from ess_pbx.neighbours.client import PREFIX, Acknowledged, NotDeliveredError, deliver, path_of
from ess_pbx.neighbours.secret_file import make_secret, read_secret
from ess_pbx.neighbours.signatures import is_right, read_signed, signed_answer

REPORT = HandedReport(
    centre="utara",
    centre_name="Utara",
    ticket="utara-20261122-0001",
    version=3,
    opened_at=0.0,
    what=What(place="Pasar"),
)
KNOWN = b'{"report":"selatan-20261122-0007","version":3}'
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    make_secret(tmp_path / "secret")
    return tmp_path / "secret"


@asynccontextmanager
async def south(handler: Handler, secret: Path) -> AsyncIterator[Neighbour]:
    """A server that answers in a way of its own."""
    application = web.Application()
    application.router.add_put(PREFIX + "/{centre}/{origin}/{ticket}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield Neighbour(centre="selatan", url=f"http://{host}:{port}", secret=str(secret))
    finally:
        await runner.cleanup()


async def delivered(handler: Handler, secret: Path) -> Acknowledged:
    async with south(handler, secret) as neighbour, aiohttp.ClientSession() as session:
        return await deliver(session, neighbour, REPORT)


def answers(
    secret: Path, content: bytes = KNOWN, status: int = 200, *, signed: bool = True
) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        key, asked = read_secret(secret), read_signed(request.headers)
        assert asked is not None
        assert asked.key == "utara"
        assert is_right(key, asked, "PUT", path_of("selatan", REPORT))
        headers = signed_answer(key, asked, status, content, 1) if signed else {}
        return web.Response(status=status, body=content, headers=headers)

    return handler


async def test_a_signed_answer_acknowledges_the_version(secret: Path) -> None:
    known = await delivered(answers(secret), secret)
    assert known == Acknowledged(report="selatan-20261122-0007", version=3)


async def test_an_answer_that_nobody_signed_acknowledges_nothing(secret: Path) -> None:
    with pytest.raises(NotDeliveredError, match="without a right signature"):
        await delivered(answers(secret, signed=False), secret)


async def test_an_answer_signed_with_another_secret_acknowledges_nothing(
    secret: Path, tmp_path: Path
) -> None:
    make_secret(tmp_path / "other")

    async def handler(request: web.Request) -> web.StreamResponse:
        asked = read_signed(request.headers)
        assert asked is not None
        headers = signed_answer(read_secret(tmp_path / "other"), asked, 200, KNOWN, 1)
        return web.Response(body=KNOWN, headers=headers)

    with pytest.raises(NotDeliveredError, match="with the same secret"):
        await delivered(handler, secret)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"report":"x","version":0}', b"\xff"])
async def test_an_answer_that_makes_no_sense_acknowledges_nothing(
    content: bytes, secret: Path
) -> None:
    with pytest.raises(NotDeliveredError):
        await delivered(answers(secret, content), secret)


@pytest.mark.parametrize(("status", "conflict"), [(409, True), (422, False), (500, False)])
async def test_a_refusal_says_why_and_whether_it_is_a_conflict(
    status: int, conflict: bool, secret: Path
) -> None:
    content = b'{"code":"conflict","message":"other content","expected":"a later version"}'
    with pytest.raises(NotDeliveredError, match="conflict other content") as refused:
        await delivered(answers(secret, content, status), secret)
    assert (refused.value.answered, refused.value.conflict) == (True, conflict)


async def test_a_redirect_is_not_followed(secret: Path) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/elsewhere")

    with pytest.raises(NotDeliveredError, match="answered 302"):
        await delivered(handler, secret)


async def test_one_who_does_not_answer_is_told_of_as_such(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "WITHIN", 0.1)

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b" ")
        return response

    with pytest.raises(NotDeliveredError) as away:
        await delivered(handler, secret)
    assert not away.value.answered


async def test_without_a_secret_nothing_is_sent(tmp_path: Path) -> None:
    neighbour = Neighbour(centre="selatan", url="http://127.0.0.1:1", secret=str(tmp_path / "no"))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(SettingsError):
            await deliver(session, neighbour, REPORT)
