"""The line between engine and Asterisk, through which events may go missing or come late.

Only events are touched: answers to requests pass as they are, since a lost answer is a lost request
to the engine, which is another fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import WSMsgType, web

LARGEST_FRAME = 64 * 2**20
Send = Callable[[str], Awaitable[None]]


@dataclass
class Troubles:
    """Of each event, the chance of each trouble; and the pause before each message, seconds."""

    lost: float = 0.0
    twice: float = 0.0
    later: float = 0.0
    """The chance that an event comes after the one that follows it."""
    pause: float = 0.0


@dataclass
class Done:
    """What was done to events so far."""

    passed: int = 0
    lost: int = 0
    twice: int = 0
    later: int = 0

    @property
    def troubled(self) -> int:
        """Events that did not come once and in order."""
        return self.lost + self.twice + self.later


class Meddler:
    """Passes messages on, or not quite."""

    def __init__(self, troubles: Troubles, chance: random.Random, done: Done) -> None:
        self.troubles, self._chance, self._done = troubles, chance, done
        self._held: str | None = None

    async def pass_on(self, message: str, send: Send) -> None:
        """One message from Asterisk."""
        if json.loads(message).get("type") == "RESTResponse":
            await send(message)
            return
        troubles, roll = self.troubles, self._chance.random
        held, self._held = self._held, None
        self._done.passed += 1
        if roll() < troubles.lost:
            self._done.lost += 1
        elif held is None and roll() < troubles.later:
            self._done.later += 1
            self._held = message
        else:
            await send(message)
            if roll() < troubles.twice:
                self._done.twice += 1
                await send(message)
        if held is not None:
            await send(held)


class AriLine:
    """A proxy on loopback in front of one Asterisk's ARI, WebSocket and plain HTTP."""

    def __init__(self, target: tuple[str, int], seed: int = 1) -> None:
        self._base = f"http://{target[0]}:{target[1]}"
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self.troubles = Troubles()
        self.done = Done()
        self.connections = 0
        """How often the engine has connected."""
        self._slow: set[int] = set()
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.port = 0

    async def start(self) -> int:
        """Begin to listen; returns the port."""
        self._session = aiohttp.ClientSession()
        app = web.Application(client_max_size=LARGEST_FRAME)
        app.router.add_get("/ari/events", self._socket)
        app.router.add_route("*", "/{rest:.*}", self._request)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self.port

    async def close(self) -> None:
        """Cut the line. Idempotent."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    def slow_down(self, pause: float) -> None:
        """From now on the sockets that are open pass one message in so many seconds."""
        self.troubles.pause = pause
        self._slow = set(range(self.connections + 1))

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        assert self._session is not None  # noqa: S101 - it listens
        self.connections += 1
        number = self.connections
        try:
            far = await self._session.ws_connect(
                f"{self._base}{request.rel_url}",
                headers={"Authorization": request.headers.get("Authorization", "")},
                max_msg_size=LARGEST_FRAME,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise web.HTTPBadGateway from error
        near = web.WebSocketResponse(max_msg_size=LARGEST_FRAME)
        await near.prepare(request)
        meddler = Meddler(self.troubles, self._chance, self.done)

        async def to_engine() -> None:
            while True:
                if self.troubles.pause and number in self._slow:
                    # Not read: Asterisk's side fills up, as it does with a slow reader.
                    await asyncio.sleep(self.troubles.pause)
                message = await far.receive()
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    return
                await meddler.pass_on(message.data, near.send_str)

        async def to_asterisk() -> None:
            async for message in near:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await far.send_str(message.data)

        ways = [asyncio.create_task(way()) for way in (to_engine, to_asterisk)]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            with contextlib.suppress(Exception):
                await far.close()
            with contextlib.suppress(Exception):
                await near.close()
        return near

    async def _request(self, request: web.Request) -> web.Response:
        assert self._session is not None  # noqa: S101 - it listens
        kept = ("Authorization", "Content-Type")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        async with self._session.request(
            request.method,
            f"{self._base}{request.rel_url}",
            headers=headers,
            data=await request.read(),
        ) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)
