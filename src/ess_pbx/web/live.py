"""The live feed: a WebSocket that tells all as it is, and then every fact as it is written.

``GET /api/v1/live``, with the token in the ``Authorization`` header or, since a browser cannot set
one, as the first message ``{"token": "…"}``. It tells of the account's centre; who belongs to none
hears all, or the one of ``?centre=``. A client that reads too slowly is cut off when ``QUEUED``
messages wait for it: neither a call nor another client ever waits for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from ess_pbx.domain.centres import Centres
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.log import get_logger
from ess_pbx.web.access import Access, token_of
from ess_pbx.web.accounts import Account
from ess_pbx.web.answers import ApiError
from ess_pbx.web.masking import masked_data
from ess_pbx.web.models import FactMessage
from ess_pbx.web.views import snapshot
from ess_pbx.web.whose import CENTRE, unknown_centre

QUEUED = 1000
"""Messages: some seconds of the worst disaster (70 calls a second, 20 facts each)."""
GATHERED = 0.01
"""Seconds that facts wait to be told together: to wake every client for each costs more than they
do, and what is sent to Asterisk leaves only when the loop has its turn."""
CLIENTS = 1000
HEARTBEAT = 20.0
"""Seconds between pings (RFC 6455 §5.5.2); half of it without a pong ends the connection."""
CLOSED_WITHIN = 1.0
"""Seconds that a client has to answer our close (RFC 6455 §7.1.1): the engine does not wait."""
TOKEN_WITHIN = 5.0
CHECKED_EVERY = 10.0
"""Seconds until a sign-in that is over ends a quiet feed too."""
LONGEST_MESSAGE = 4096
SIGNED_OUT = 4401
"""Close code: sign in again. Codes from 4000 on are an application's own (RFC 6455 §7.4.2)."""
NOT_YOURS = 4403
"""Close code: the account belongs to another centre."""

_log = get_logger(__name__)


class TokenMessage(msgspec.Struct):
    """The first message of a browser."""

    token: str


class Client:
    """One open feed: its queue, and how to cut it off."""

    def __init__(self, account: Account, centre: str | None, cut: Callable[[], None]) -> None:
        self.account = account
        self.centre = centre
        """The one whose facts it hears; None is every centre."""
        self._cut = cut
        self._waiting = 0
        self._batches: asyncio.Queue[Sequence[str]] = asyncio.Queue()

    def put(self, messages: Sequence[str]) -> bool:
        """Send soon; returns whether the client keeps up. One that does not is cut off."""
        if self._waiting >= QUEUED:
            self._cut()
            return False
        self._waiting += len(messages)
        self._batches.put_nowait(messages)
        return True

    async def take(self) -> Sequence[str]:
        """The next messages, waited for."""
        messages = await self._batches.get()
        self._waiting -= len(messages)
        return messages


class LiveFeed:
    """Every open feed of an engine; ``__call__`` is a listener of it."""

    def __init__(
        self, centres: Centres, access: Access, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.clients: set[Client] = set()
        self._centres = centres
        self._access = access
        self._monotonic = monotonic
        self._sockets: set[web.WebSocketResponse] = set()
        self._facts: list[Fact] = []

    def __call__(self, fact: Fact) -> None:
        """Tell a fact when the loop has a moment: the phone that is to ring comes first."""
        if not self.clients or fact.kind == FactKind.CHECKPOINT:
            return
        self._facts.append(fact)
        if len(self._facts) == 1:
            asyncio.get_running_loop().call_later(GATHERED, self.tell)

    def tell(self) -> None:
        """Put the facts since the last time into every queue, encoded once for those who see
        numbers and once for others.
        """
        facts, self._facts = self._facts, []
        if not facts:
            return
        encoded: dict[tuple[bool, str | None], list[str]] = {}
        for client in tuple(self.clients):
            whole, centre = client.account.sees_numbers, client.centre
            if (whole, centre) not in encoded:
                encoded[whole, centre] = [
                    _message(fact, whole=whole) for fact in facts if centre in (None, fact.centre)
                ]
            if not client.put(encoded[whole, centre]):
                self.clients.discard(client)
                self._access.counts["live-too-slow"] += 1
                _log.warning("web.live_too_slow", account=client.account.name)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Handle one WebSocket from handshake to close."""
        named = request.query.get(CENTRE)
        if named is not None and named not in {each.config.id for each in self._centres}:
            raise unknown_centre(self._centres)
        if len(self._sockets) >= CLIENTS:
            raise ApiError(429, "too-many-feeds", f"{CLIENTS} live feeds are open", "fewer")
        socket = web.WebSocketResponse(
            timeout=CLOSED_WITHIN,
            heartbeat=HEARTBEAT,
            max_msg_size=LONGEST_MESSAGE,
            compress=False,
        )
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await self._serve(request, socket, named)
        finally:
            self._sockets.discard(socket)
        return socket

    async def close(self) -> None:
        """End every feed: the engine stops."""
        ends = [socket.close(code=WSCloseCode.GOING_AWAY) for socket in tuple(self._sockets)]
        await asyncio.gather(*ends, return_exceptions=True)

    async def _serve(
        self, request: web.Request, socket: web.WebSocketResponse, named: str | None
    ) -> None:
        token = token_of(request)
        account = self._access.by_socket(request) or self._access.by_token(token)
        if account is None and not token:
            token = await _first_token(socket)
            account = self._access.by_token(token)
        if account is None:
            self._access.counts["not-signed-in"] += 1
            await socket.close(code=SIGNED_OUT, message=b"not-signed-in")
            return
        if account.centre and named not in (None, account.centre):
            self._access.denied(
                account, "GET /live", f"another centre's; expected {account.centre}"
            )
            await socket.close(code=NOT_YOURS, message=b"denied")
            return
        transport = request.transport
        centre = account.centre or named
        client = Client(
            account, centre, lambda: transport.abort() if transport is not None else None
        )
        cores = [each for each in self._centres if centre in (None, each.config.id)]
        # In one turn: no fact is missing between the snapshot and the first that follows, and
        # those that it knows already are told to the others only.
        self.tell()
        first = msgspec.json.encode(snapshot(cores, account, self._monotonic())).decode()
        client.put([first])
        self.clients.add(client)
        writing = asyncio.create_task(self._write(socket, client, token), name="live")
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self.clients.discard(client)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, socket: web.WebSocketResponse, client: Client, token: str) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                messages: Sequence[str] = ()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CHECKED_EVERY):
                        messages = await client.take()
                if token and self._access.by_token(token) != client.account:
                    await socket.close(code=SIGNED_OUT, message=b"signed-out")
                    return
                for message in messages:
                    await socket.send_str(message)


async def _first_token(socket: web.WebSocketResponse) -> str:
    """The token of a browser's first message; empty when it is none, or none comes."""
    try:
        message = await socket.receive(TOKEN_WITHIN)
        if message.type is not WSMsgType.TEXT:
            return ""
        return msgspec.json.decode(message.data, type=TokenMessage).token
    except (TimeoutError, msgspec.DecodeError):
        return ""


def _message(fact: Fact, *, whole: bool) -> str:
    message = FactMessage(
        id=fact.id,
        centre=fact.centre,
        call=fact.call,
        kind=str(fact.kind),
        at=fact.at,
        ms=fact.ms,
        data=fact.data if whole else masked_data(fact),
    )
    return msgspec.json.encode(message).decode()
