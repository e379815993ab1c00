"""The asyncio driver of ARI: one WebSocket that always comes back, and an HTTP bypass beside it.

- A reader task takes frames off the socket and never waits for anybody; events go to an unbounded
  queue and one consumer task hands them to ``on_event`` in order.
- Requests run one after another in Asterisk's thread for the socket, so a stall there stalls all.
  The rule of the bypass: once a socket request went unanswered in time, ``call`` sends GET and
  DELETE over HTTP until the socket answers anything again or was replaced by a new one.
- The socket counts as dead when two pings in a row, a second apart, bring no pong.
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
from ess_pbx.ari.bypass import AriHttp, failure_text, no_answer
from ess_pbx.ari.models import ApplicationReplaced, Event
from ess_pbx.ari.protocol import Answer, AriProtocol, Garbage, Late, Query, Response, UnknownEvent
from ess_pbx.errors import AriError, AriRefusedError, AriTimeoutError

OnEvent: TypeAlias = Callable[[Event], Awaitable[None] | None]
OnConnected: TypeAlias = Callable[[], Awaitable[None] | None]
OnDisconnected: TypeAlias = Callable[[str], Awaitable[None] | None]
OnReplaced: TypeAlias = Callable[[], Awaitable[None] | None]

PING_SECONDS = 1.0
MISSED_PINGS = 2
CONNECT_SECONDS = 3.0
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
        self._base = URL.build(
            scheme="http", host=host, port=port, path=f"{prefix.rstrip('/')}/ari/"
        )
        self._authorization = aiohttp.encode_basic_auth(username, password, "utf-8")
        self._filter = wire.event_filter(allowed_events)
        self._on_event = on_event
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self._on_replaced = on_replaced
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._log = structlog.get_logger(__name__).bind(app=app, host=host, port=port)

        self._protocol = AriProtocol()
        self._futures: dict[str, asyncio.Future[Answer]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._outgoing: asyncio.Queue[tuple[WSMsgType, str | bytes]] | None = None
        self._deliveries: asyncio.Queue[tuple[Callable[..., Any], tuple[Any, ...]]] = (
            asyncio.Queue()
        )
        self._early: list[Event] = []
        self._ready = asyncio.Event()
        self._stalled = False
        self._missed_pings = 0
        self._stopped = False
        self._closed = False
        self._last_failure = "not started"
        self._unknown_types: set[str] = set()
        self._session: aiohttp.ClientSession | None = None
        self._http: AriHttp | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    # -- life ------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether requests can be sent: the socket is open and the event filter set."""
        return self._ready.is_set()

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
        self._give_up_pending("the connection was closed")
        if self._session is not None:
            await self._session.close()
        if self._http is not None:
            await self._http.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

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
        if self._stalled and method in _BYPASS_METHODS:
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
        if not self.connected:
            future = _future()
            future.set_exception(
                AriError(f"{method} {uri}: not connected to Asterisk ({self._last_failure})")
            )
            return future
        return self._send(method, uri, query, body, timeout)

    def _send(
        self, method: str, uri: str, query: Query | None, body: object, timeout: float
    ) -> asyncio.Future[Answer]:
        assert self._outgoing is not None  # noqa: S101 - callers looked
        request = self._protocol.request(
            method, uri, query=query, body=body, now=self._clock(), timeout=timeout
        )
        future = self._futures[request.id] = _future()
        self._outgoing.put_nowait((WSMsgType.TEXT, request.frame))
        self._arm_timer()
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

    # -- answers ---------------------------------------------------------------------------------

    def _take(self, received: wire.Received) -> None:
        match received:
            case Response(request=request):
                self._stalled = False
                self._settle(request, received.refusal() or received.body)
            case Late(request_id=request_id, status=status):
                self._stalled = False
                self._log.info("ari.late_answer", request_id=request_id, status=status)
            case Garbage(type=type_, error=error, request=request):
                self._log.error("ari.garbage", type=type_, error=error)
                if request is not None:
                    self._settle(request, AriError(f"{request.method} {request.uri}: {error}"))
            case UnknownEvent(type=type_):
                if type_ not in self._unknown_types and len(self._unknown_types) < 100:
                    self._unknown_types.add(type_)
                    self._log.warning("ari.unknown_event", type=type_)
            case ApplicationReplaced(application=self.app):
                self._stopped = True
                self._log.error("ari.replaced")
                self._deliver(self._on_replaced)
            case _ if self.connected:
                self._deliver(self._on_event, received)
            case _:
                self._early.append(received)

    def _settle(self, request: wire.Request, outcome: Answer | AriError) -> None:
        future = self._futures.pop(request.id, None)
        if isinstance(outcome, AriTimeoutError):
            self._log.warning("ari.request_timeout", method=request.method, uri=request.uri)
        elif isinstance(outcome, AriError):
            self._log.info("ari.request_failed", code=outcome.code, error=str(outcome))
        if future is None or future.done():
            return
        if isinstance(outcome, AriError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _arm_timer(self) -> None:
        due = self._protocol.next_deadline()
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.001, due - self._clock())
        self._timer, self._timer_due = asyncio.get_running_loop().call_later(delay, self._ring), due

    def _ring(self) -> None:
        self._timer = None
        for request in self._protocol.expired(self._clock()):
            self._stalled = True
            self._settle(request, no_answer(request.method, request.uri, request.timeout))
        self._arm_timer()

    def _give_up_pending(self, reason: str) -> None:
        for request in self._protocol.connection_lost():
            self._settle(
                request,
                AriError(
                    f"{request.method} {request.uri}: {reason} before the answer came; "
                    "whether it was carried out is not known"
                ),
            )
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- events ----------------------------------------------------------------------------------

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
                    autoping=False,
                    max_msg_size=LARGEST_FRAME,
                    timeout=aiohttp.ClientWSTimeout(ws_close=0.2),
                )
        except (aiohttp.ClientError, OSError) as error:
            return False, failure_text(error)
        self._outgoing = asyncio.Queue()
        self._stalled = False
        self._missed_pings = 0
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
            self._give_up_pending(reason)
            if was_connected:
                self._deliver(self._on_disconnected, reason)
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()
        return was_connected, reason

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._take(self._protocol.receive(message.data, self._clock()))
            elif message.type is WSMsgType.PONG:
                self._missed_pings = 0
            elif message.type is WSMsgType.PING and self._outgoing is not None:
                self._outgoing.put_nowait((WSMsgType.PONG, message.data))
            if self._stopped:
                return "another program took the application over"
        return f"Asterisk closed the socket (code {socket.close_code})"

    def _end_of(self, task: asyncio.Task[str]) -> str:
        error = task.exception()
        if error is None:
            return task.result()
        if not isinstance(error, (AriError, aiohttp.ClientError, OSError)):
            self._log.error("ari.socket_task_failed", exc_info=error)
        return failure_text(error)

    @staticmethod
    async def _write(
        socket: aiohttp.ClientWebSocketResponse,
        outgoing: asyncio.Queue[tuple[WSMsgType, str | bytes]],
    ) -> str:
        while True:
            kind, payload = await outgoing.get()
            await socket.send_frame(payload.encode() if isinstance(payload, str) else payload, kind)

    async def _watch(self) -> str:
        """Set the filter, open for business, then ping until the pongs stay away."""
        await self._set_filter()
        self._backoff.reset()
        self._ready.set()
        self._log.info("ari.connected")
        self._deliver(self._on_connected)
        for event in self._early:
            self._deliver(self._on_event, event)
        self._early.clear()
        while self._outgoing is not None and self._missed_pings < MISSED_PINGS:
            self._missed_pings += 1
            self._outgoing.put_nowait((WSMsgType.PING, b""))
            await asyncio.sleep(PING_SECONDS)
        return f"no pong to {MISSED_PINGS} pings"

    async def _set_filter(self) -> None:
        uri = wire.path("applications", self.app, "eventFilter")
        try:
            await self._send("PUT", uri, None, self._filter, wire.REQUEST_TIMEOUT)
        except AriRefusedError as error:
            # More events than wanted is a smaller harm than no centre.
            self._log.error("ari.filter_refused", error=str(error))


def _future() -> asyncio.Future[Answer]:
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    # Who sends without waiting may drop the future; asyncio would complain about its error.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
