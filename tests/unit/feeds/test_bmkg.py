"""The feed against a real server on this machine: good, slow, dead, hostile, and good again."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from ess_pbx.domain.config import EarthquakeFeed, Region
from ess_pbx.domain.earthquake import Earthquake
from ess_pbx.feeds.bmkg import FAILURES, LONGEST_BODY, BmkgFeed

from .autogempa_samples import body

SOON = 15.0
"""Seconds for anything that should come at once: a deadline, not a delay."""
BOMB = gzip.compress(b" " * 10_000_000)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Bmkg:
    """A server that answers as it is told, and a feed that asks it."""

    def __init__(self) -> None:
        self.answer: Handler = self.good
        self.requests: list[web.Request] = []
        self.quakes: list[Earthquake] = []
        self.troubles: list[str | None] = []

    async def good(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=body(), content_type="application/json")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.answer(request)

    def on_trouble(self, trouble: str | None) -> None:
        """Keep changes only, as the core does."""
        if not self.troubles or self.troubles[-1] != trouble:
            self.troubles.append(trouble)

    async def until(self, is_true: Callable[[], bool], wanted: str) -> None:
        deadline = time.monotonic() + SOON
        while not is_true():
            assert time.monotonic() < deadline, f"{wanted}; troubles {self.troubles}"
            await asyncio.sleep(0.005)

    async def trouble(self) -> str:
        """Wait for trouble; what it is."""
        await self.until(lambda: bool(self.troubles) and self.troubles[-1] is not None, "trouble")
        last = self.troubles[-1]
        assert last is not None
        return last


@pytest.fixture
async def server() -> AsyncIterator[tuple[Bmkg, BaseTestServer]]:
    stub = Bmkg()
    application = web.Application()
    application.router.add_get("/{path:.*}", stub.handle)
    async with TestServer(application) as running:
        yield stub, running


@contextlib.asynccontextmanager
async def asking(stub: Bmkg, url: str, timeout: float = 1.0) -> AsyncIterator[None]:  # noqa: ASYNC109
    """A feed that asks again at once."""
    region = Region(latitude=-6.12, longitude=106.15)
    # Far more often than a settings file may say.
    settings = EarthquakeFeed(url=url, every=0.01, timeout=timeout, region=region)
    feed = BmkgFeed(settings, stub.quakes.append, stub.on_trouble)
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_earthquake_is_told_and_nothing_is_wrong(
    server: tuple[Bmkg, BaseTestServer],
) -> None:
    stub, running = server
    async with asking(stub, str(running.make_url("/autogempa.json"))):
        await stub.until(lambda: bool(stub.quakes), "a quake")
    assert stub.quakes[0].magnitude == 5.9
    assert stub.troubles == [None]
    assert stub.requests[0].path == "/autogempa.json"


async def test_what_is_known_is_not_sent_again_and_told_all_the_same(
    server: tuple[Bmkg, BaseTestServer],
) -> None:
    stub, running = server
    since = "Sat, 21 Nov 2026 00:14:00 GMT"

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == '"1"':
            assert request.headers["If-Modified-Since"] == since
            return web.Response(status=304)
        return web.Response(body=body(), headers={"ETag": '"1"', "Last-Modified": since})

    stub.answer = answer
    async with asking(stub, str(running.make_url("/"))):
        await stub.until(lambda: len(stub.requests) >= 3, "some polls")
        await stub.until(lambda: len(stub.quakes) >= 3, "told again")
    assert stub.troubles == [None]
    assert len({quake.id for quake in stub.quakes}) == 1
    assert [request.headers.get("If-None-Match") for request in stub.requests[:2]] == [None, '"1"']


async def html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>gangguan</html>", content_type="text/html")


async def broken(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503, text="gangguan")


async def huge(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b" " * (LONGEST_BODY + 1) + body())


async def bomb(_: web.Request) -> web.StreamResponse:
    return web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})


async def away(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.2:9/autogempa.json")


async def nowhere(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("mailto:bmkg")


async def round_and_round(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(request.path + "x")


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def trickle(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.01)


async def cut(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "600"})
    await answer.prepare(request)
    await answer.write(body()[:100])
    assert request.transport is not None
    request.transport.close()
    return answer


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (html, "not JSON"),
        (broken, "HTTP 503"),
        (huge, "above 65536 bytes"),
        (bomb, "compressed"),
        (away, "another host"),
        (nowhere, "redirect"),
        (round_and_round, "more than 3 redirects"),
        (slow, ""),
        (trickle, ""),
        (cut, ""),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_a_bad_answer_is_trouble_once_and_over_with_a_good_one(
    server: tuple[Bmkg, BaseTestServer], answer: Handler, why: str
) -> None:
    stub, running = server
    stub.answer = answer
    timeout = 0.3 if answer in (slow, trickle) else 5.0
    async with asking(stub, str(running.make_url("/")), timeout):
        assert why in await stub.trouble()
        polls = len(stub.requests)
        await stub.until(lambda: len(stub.requests) >= polls + 2, "asks on")
        assert stub.quakes == []
        stub.answer = stub.good
        await stub.until(lambda: stub.troubles[-1] is None, "good again")
    assert len(stub.troubles) == 2
    assert len(stub.quakes) >= 1


async def test_a_redirect_on_the_same_host_is_followed(server: tuple[Bmkg, BaseTestServer]) -> None:
    stub, running = server

    async def moved(request: web.Request) -> web.StreamResponse:
        if request.path == "/old":
            raise web.HTTPMovedPermanently("/new")
        return await stub.good(request)

    stub.answer = moved
    async with asking(stub, str(running.make_url("/old"))):
        await stub.until(lambda: bool(stub.quakes), "a quake")
    assert stub.troubles == [None]


async def test_one_lost_poll_is_no_trouble(server: tuple[Bmkg, BaseTestServer]) -> None:
    stub, running = server

    async def sometimes(request: web.Request) -> web.StreamResponse:
        failing = len(stub.requests) % FAILURES != 0
        return await (broken(request) if failing else stub.good(request))

    stub.answer = sometimes
    async with asking(stub, str(running.make_url("/"))):
        await stub.until(lambda: len(stub.quakes) >= 3, "some good polls")
    assert stub.troubles == [None]


async def test_a_dead_server_is_trouble_until_it_is_back(unused_tcp_port: int) -> None:
    stub = Bmkg()
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    async with asking(stub, url):
        assert "127.0.0.1" in await stub.trouble()
        application = web.Application()
        application.router.add_get("/", stub.handle)
        async with TestServer(application, port=unused_tcp_port):
            await stub.until(lambda: bool(stub.quakes), "a quake")
            await stub.until(lambda: stub.troubles[-1] is None, "good again")


async def test_a_certificate_that_nobody_vouches_for_is_trouble(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, [*made, *names], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    stub = Bmkg()
    application = web.Application()
    application.router.add_get("/", stub.handle)
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=context)
    try:
        async with asking(stub, str(server.make_url("/"))):
            assert "ertificate" in await stub.trouble()
    finally:
        await server.close()
    assert stub.requests == []
