"""The requests under way on a socket: whom each answer belongs to, and who waited too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from ess_pbx.ari.bypass import no_answer
from ess_pbx.ari.models import Event
from ess_pbx.ari.protocol import (
    Answer,
    AriProtocol,
    Garbage,
    Late,
    Query,
    Request,
    Response,
    UnknownEvent,
)
from ess_pbx.errors import AriError, AriRefusedError, AriTimeoutError

_TYPES_TOLD = 100

OnSettled: TypeAlias = Callable[[str, float, str], None]
"""Method, seconds from the request to its end, and ``answered``, ``refused``, ``no-answer`` or
``lost``."""


def _ignore(*_: object) -> None:
    pass


class PendingRequests:
    """``AriProtocol`` with futures and one timer. ``clock`` gives seconds, ``log`` is structlog's.

    ``stalled``: a request went unanswered in time, and since then the socket answered nothing.
    """

    def __init__(self, clock: Callable[[], float], log: Any) -> None:
        self.stalled = False
        self._clock = clock
        self._log = log
        self._protocol = AriProtocol()
        self._futures: dict[str, asyncio.Future[Answer]] = {}
        self.on_settled: OnSettled = _ignore
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._unknown_types: set[str] = set()

    def begin(
        self, method: str, uri: str, query: Query | None, body: object, timeout: float
    ) -> tuple[str, asyncio.Future[Answer]]:
        """The frame to send now, and the future of its answer. Raises as ``AriProtocol.request``.

        The future fails with AriRefusedError, AriTimeoutError after ``timeout`` seconds, AriError.
        """
        request = self._protocol.request(
            method, uri, query=query, body=body, now=self._clock(), timeout=timeout
        )
        future = self._futures[request.id] = new_answer()
        self._arm_timer()
        return request.frame, future

    def receive(self, frame: str | bytes) -> Event | None:
        """Settle what an answer answers and log what cannot be used; the event, if it is one."""
        match self._protocol.receive(frame, self._clock()):
            case Response(request=request) as response:
                self.stalled = False
                self._settle(request, response.refusal() or response.body)
            case Late(request_id=request_id, status=status):
                self.stalled = False
                self._log.info("ari.late_answer", request_id=request_id, status=status)
            case Garbage(type=type_, error=error, request=request):
                self._log.error("ari.garbage", type=type_, error=error)
                if request is not None:
                    self._settle(request, AriError(f"{request.method} {request.uri}: {error}"))
            case UnknownEvent(type=type_):
                if type_ not in self._unknown_types and len(self._unknown_types) < _TYPES_TOLD:
                    self._unknown_types.add(type_)
                    self._log.warning("ari.unknown_event", type=type_)
            case event:
                return event
        return None

    def give_up(self, reason: str) -> None:
        """Fail every request with AriError: ``reason`` is why no answer can come any more."""
        self.stalled = False
        for request in self._protocol.connection_lost():
            lost = AriError(
                f"{request.method} {request.uri}: {reason} before the answer came; "
                "whether it was carried out is not known"
            )
            self._settle(request, lost)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle(self, request: Request, outcome: Answer | AriError) -> None:
        future = self._futures.pop(request.id, None)
        self.on_settled(request.method, self._clock() - request.made, _outcome(outcome))
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
        # Not less than 1 ms: the loop's clock may be a little ahead of ours.
        delay = max(0.001, due - self._clock())
        loop = asyncio.get_running_loop()
        self._timer, self._timer_due = loop.call_later(delay, self._time_is_up), due

    def _time_is_up(self) -> None:
        self._timer = None
        for request in self._protocol.expired(self._clock()):
            self.stalled = True
            self._settle(request, no_answer(request.method, request.uri, request.timeout))
        self._arm_timer()


def _outcome(outcome: Answer | AriError) -> str:
    match outcome:
        case AriRefusedError():
            return "refused"
        case AriTimeoutError():
            return "no-answer"
        case AriError():
            return "lost"
    return "answered"


def new_answer() -> asyncio.Future[Answer]:
    """A future that may be dropped: asyncio does not complain about an error nobody looked at."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
