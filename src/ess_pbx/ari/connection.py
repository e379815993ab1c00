"""The asyncio driver of ARI: one WebSocket that always comes back, and an HTTP bypass beside it.

- A reader task takes frames off the socket and never waits for anybody; events go to an unbounded
  queue and one consumer task hands them to ``on_event`` in order.
- Requests run one after another in Asterisk's thread for the socket, so a stall there stalls all.
  The rule of the bypass: once a socket request went unanswered in time, ``call`` sends GET and
  DELETE over HTTP until the socket answers anything again or was replaced by a new one.
- The heartbeat is a REST request each second, not a WebSocket ping: an Asterisk that was frozen may
  end a socket that we gave up long ago, and with it unregister the application of the new one,
  which still pongs but answers no request and brings no event.
- Missed events are not replayed by Asterisk: list and reconcile in ``on_connected``.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Self, TypeAlias

import aiohttp
import structlog
from aiohttp import WSMsgType
from yarl import URL

from ess_pbx.ari import protocol as wire
from ess_pbx.ari.backoff import Backoff
from ess_pbx.ari.bypass import AriHttp, failure_text
from ess_pbx.ari.models import ApplicationReplaced, Event
from ess_pbx.ari.pending import OnSettled, PendingRequests, new_answer
from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.errors import AriError, AriRefusedError, AriTimeoutError

OnEvent: TypeAlias = Callable[[Event], Awaitable[None] | None]
OnConnected: TypeAlias = Callable[[], Awaitable[None] | None]
OnDisconnected: TypeAlias = Callable[[str], Awaitable[None] | None]
OnReplaced: TypeAlias = Callable[[], Awaitable[None] | None]

HEARTBEAT_SECONDS = 1.0
HEARTBEAT_TIMEOUT = 2.0
CONNECT_SECONDS = 3.0
GHOST_SECONDS = 10.0
"""So long after giving up a socket, what replaces us may be that one, come to life at last."""
LARGEST_FRAME = 64 * 2**20
"""Bytes. ``GET channels`` of some thousand channels is one frame of several MB."""

_BYPASS_METHODS = frozenset({"GET", "DELETE"})


class AriConnection:
    """One Stasis application's line to one Asterisk. Use it in one event loop.

    ``allowed_events`` names the events wanted (None: all). Handlers may be plain functions or
    coroutines; one that raises is logged and the next event is handed out. ``on_connected`` runs
    before the first event of a new socket, ``on_disconnected(reason)`` after the last one of the
    old. ``on_replaced``: another program took the application over; this one stops for good.
    ``clock`` gives seconds and must not run backwards.

    Raises ValueError for a name in ``allowed_events`` that is no event (Asterisk would accept it).
    """

    def __init__(
        self,
        host: str,
        port: int,
        app: str,
        username: str,
        password: str,
        *,
        on_event: OnEvent,
        on_connected: OnConnected | None = None,
        on_disconnected: OnDisconnected | None = None,
        on_replaced: OnReplaced | None = None,
        allowed_events: Iterable[str] | None = None,
        prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
    ) -> None:
        self.app = app
        self.requests = 0
        """How many requests ``send`` was asked for: not the heartbeat's, not those over HTTP."""
        self._base = URL.build(
            scheme="http", host=host, port=port, path=f"{prefix.rstrip('/')}/ari/"
        )
        self._authorization = aiohttp.encode_basic_auth(username, password, "utf-8")
        self._filter = wire.event_filter(allowed_events)
        self._on_event = on_event
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self._on_replaced = on_replaced
        self._backoff = backoff or Backoff()
        self._log = structlog.get_logger(__name__).bind(app=app, host=host, port=port)

        self._clock = clock
        self._pending = PendingRequests(clock, self._log)
        self._outgoing: asyncio.Queue[str] | None = None
        self._deliveries: asyncio.Queue[tuple[Callable[..., Any], tuple[Any, ...]]] = (
            asyncio.Queue()
        )
        self._early: list[Event] = []
        self._ready = asyncio.Event()
        self._ghost_until = clock()
        self._stopped = False
        self._closed = False
        self._last_failure = "not started"
        self._session: aiohttp.ClientSession | None = None
        self._http: AriHttp | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    # -- life ------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether requests can be sent: the socket is open and the event filter set."""
        return self._ready.is_set()

    @property
    def ended(self) -> list[str]:
        """Names of the tasks of a started connection that ended, though it is not closed."""
        return [task.get_name() for task in self._tasks if task.done()]

    @property
    def backlog(self) -> int:
        """How many events were read and not yet handed to ``on_event``."""
        return self._deliveries.qsize()

    async def start(self) -> None:
        """Begin connecting, and keep connected until ``close``. Does not wait for Asterisk."""
        if self._tasks or self._closed:
            raise RuntimeError("AriConnection.start: expected a new connection; make another one")
        headers = {"Authorization": self._authorization}
        self._session = aiohttp.ClientSession(headers=headers)
        self._http = AriHttp(self._base, self._authorization)
        self._tasks = (
            asyncio.create_task(self._keep_connected(self._session), name=f"ari-{self.app}-socket"),
            asyncio.create_task(self._hand_out(), name=f"ari-{self.app}-events"),
        )

    async def wait_connected(self, timeout: float) -> None:  # noqa: ASYNC109
        """Wait until connected. Raises AriError with the last failure after ``timeout`` seconds."""
        try:
            await asyncio.wait_for(self._ready.wait(), timeout)
        except TimeoutError:
            raise AriError(
                f"no ARI connection to {self._base} within {timeout} s: {self._last_failure}"
            ) from None

    async def close(self) -> None:
        """Stop: waiting requests fail, undelivered events are dropped, no handler is called again.

        May be called any number of times, also from a handler.
        """
        if self._closed:
            return
        self._closed = self._stopped = True
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._pending.give_up("the connection was closed")
        if self._session is not None:
            await self._session.close()
        if self._http is not None:
            await self._http.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def on_settled(self, tell: OnSettled) -> None:
        """Tell of every request over the socket, the heartbeat's too, when it has its end."""
        self._pending.on_settled = tell

    # -- requests --------------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        uri: str,
        *,
        query: Query | None = None,
        body: object = None,
        timeout: float = wire.REQUEST_TIMEOUT,  # noqa: ASYNC109 - goes into the protocol
    ) -> Answer:
        """Ask Asterisk and return its answer's JSON. ``uri`` is like ``channels/ID/answer``.

        Raises AriRefusedError for an error status, AriTimeoutError after ``timeout`` seconds,
        AriError when not connected or cut off. GET and DELETE may take the bypass (see the module).
        """
        if self._pending.stalled and method in _BYPASS_METHODS:
            return await self.http(method, uri, query=query, body=body, timeout=timeout)
        return await self.send(method, uri, query=query, body=body, timeout=timeout)

    def send(
        self,
        method: str,
        uri: str,
        *,
        query: Query | None = None,
        body: object = None,
        timeout: float = wire.REQUEST_TIMEOUT,
    ) -> asyncio.Future[Answer]:
        """As ``call``, without waiting: requests leave, and are carried out, in the order of calls.

        Always over the socket. The future may be ignored; its failure is logged.
        """
        self.requests += 1
        if not self.connected:
            future = new_answer()
            future.set_exception(
                AriError(f"{method} {uri}: not connected to Asterisk ({self._last_failure})")
            )
            return future
        return self._send(method, uri, query, body, timeout)

    def _send(
        self, method: str, uri: str, query: Query | None, body: object, timeout: float
    ) -> asyncio.Future[Answer]:
        assert self._outgoing is not None  # noqa: S101 - callers looked
        frame, future = self._pending.begin(method, uri, query, body, timeout)
        self._outgoing.put_nowait(frame)
        return future

    async def subscribe(self, event_source: str) -> None:
        """Also receive events of ``channel:ID``, ``bridge:ID``, ``endpoint:TECH/NAME`` or such.

        Asterisk forgets it when it restarts, so repeat it in ``on_connected``. Raises as ``call``.
        """
        uri = wire.path("applications", self.app, "subscription")
        await self.call("POST", uri, query={"eventSource": event_source})

    async def http(
        self,
        method: str,
        uri: str,
        *,
        query: Query | None = None,
        body: object = None,
        timeout: float = wire.REQUEST_TIMEOUT,  # noqa: ASYNC109 - goes to aiohttp
    ) -> Answer:
        """As ``call``, over HTTP whatever the socket does. Not in step with socket requests."""
        return await self._bypass().call(method, uri, query=query, body=body, timeout=timeout)

    def download(
        self, uri: str, *, idle_timeout: float = wire.REQUEST_TIMEOUT
    ) -> AsyncIterator[bytes]:
        """The bytes of ``recordings/stored/NAME/file``, piece by piece, over HTTP.

        Raises as ``call``; AriTimeoutError when nothing comes for ``idle_timeout`` seconds.
        """
        return self._bypass().download(uri, idle_timeout=idle_timeout)

    def _bypass(self) -> AriHttp:
        if self._http is None or self._closed:
            raise AriError("the ARI connection is not open; start() it, and not after close()")
        return self._http

    # -- events ----------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        if self.connected:
            self._deliver(self._on_event, event)
        else:
            self._early.append(event)

    def _replaced(self) -> str:
        if self._clock() < self._ghost_until:
            return "replaced, perhaps by a socket of our own that we had given up"
        self._stopped = True
        self._log.error("ari.replaced")
        self._deliver(self._on_replaced)
        return "another program took the application over"

    def _deliver(self, handler: Callable[..., Any] | None, *arguments: object) -> None:
        if handler is not None:
            self._deliveries.put_nowait((handler, arguments))

    async def _hand_out(self) -> None:
        while not self._closed:
            handler, arguments = await self._deliveries.get()
            try:
                outcome = handler(*arguments)
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception:
                self._log.exception("ari.handler_failed", arguments=[type(a) for a in arguments])
            # A full queue never makes get() wait: without this, a burst would starve the reader.
            await asyncio.sleep(0)

    # -- the socket ------------------------------------------------------------------------------

    async def _keep_connected(self, session: aiohttp.ClientSession) -> None:
        while not self._stopped:
            was_connected, reason = await self._live_one_socket(session)
            self._last_failure = reason
            if self._stopped:
                return
            delay = self._backoff.next_delay()
            event = "ari.disconnected" if was_connected else "ari.connect_failed"
            self._log.warning(event, reason=reason, retry_seconds=round(delay, 3))
            await asyncio.sleep(delay)

    async def _live_one_socket(self, session: aiohttp.ClientSession) -> tuple[bool, str]:
        """From handshake to loss; whether it was ever ready, and why it ended."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await session.ws_connect(
                    self._base / "events",
                    params={"app": self.app, "subscribeAll": "false"},
                    max_msg_size=LARGEST_FRAME,
                    timeout=aiohttp.ClientWSTimeout(ws_close=0.2),
                )
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                self._ghost_until = self._clock() + GHOST_SECONDS
            return False, failure_text(error)
        self._outgoing = asyncio.Queue()
        tasks = [
            asyncio.create_task(step)
            for step in (self._read(socket), self._write(socket, self._outgoing), self._watch())
        ]
        reason = "the connection was closed"
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            reason = "; ".join(sorted(self._end_of(task) for task in done))
        finally:
            was_connected = self.connected
            self._ready.clear()
            self._outgoing = None
            self._early.clear()
            self._last_failure = reason
            for task in tasks:
                task.cancel()
            self._pending.give_up(reason)
            if was_connected:
                self._deliver(self._on_disconnected, reason)
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()
        return was_connected, reason

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            event = self._pending.receive(message.data)
            if isinstance(event, ApplicationReplaced) and event.application == self.app:
                return self._replaced()
            if event is not None:
                self._take(event)
        return f"Asterisk closed the socket (code {socket.close_code})"

    def _end_of(self, task: asyncio.Task[str]) -> str:
        error = task.exception()
        if error is None:
            return task.result()
        if not isinstance(error, (AriError, aiohttp.ClientError, OSError)):
            self._log.error("ari.socket_task_failed", exc_info=error)
        return failure_text(error)

    @staticmethod
    async def _write(socket: aiohttp.ClientWebSocketResponse, outgoing: asyncio.Queue[str]) -> str:
        while True:
            await socket.send_str(await outgoing.get())

    async def _watch(self) -> str:
        """Set the filter, open for business, then watch that requests are answered."""
        await self._probe("PUT", wire.path("applications", self.app, "eventFilter"), self._filter)
        self._backoff.reset()
        self._ready.set()
        self._log.info("ari.connected")
        self._deliver(self._on_connected)
        for event in self._early:
            self._deliver(self._on_event, event)
        self._early.clear()
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._probe("GET", "asterisk/ping")

    async def _probe(self, method: str, uri: str, body: object = None) -> None:
        """A request of our own. A refusal is logged: a lesser harm than a centre without a line."""
        try:
            await self._send(method, uri, None, body, HEARTBEAT_TIMEOUT)
        except AriRefusedError as error:
            self._log.error("ari.probe_refused", error=str(error))
        except AriTimeoutError:
            self._ghost_until = self._clock() + GHOST_SECONDS
            raise
