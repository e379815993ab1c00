"""ARI's frames, without I/O and without a clock: requests become frames, frames become events.

Asterisk 22.4+ takes REST requests over the event WebSocket and answers them on it, out of step
with the events. The models are RESTRequest and RESTResponse of ``rest-api/events.json``.

``receive`` never raises: a call centre goes on whatever comes in.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec

from ess_pbx.ari.models import EVENT_TYPES, Event, RESTResponse
from ess_pbx.errors import AriRefusedError

QueryValue: TypeAlias = str | int | float | bool | Sequence[str]
Query: TypeAlias = Mapping[str, QueryValue]
Answer: TypeAlias = dict[str, Any] | list[Any] | None
"""The JSON body of an answer; None when it has none."""

REQUEST_TIMEOUT = 2.0
"""Seconds. Requests of one socket run one after another, so a slow one means all are stuck."""

ALWAYS_ALLOWED = frozenset({"RESTResponse", "ApplicationReplaced"})
"""Asterisk's event filter also drops the answers to our own requests, and the news of our end."""

_KEPT_IN_URI = "/%:@!$&'()*+,;="


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request on its way; ``frame`` is the WebSocket text message that carries it.

    ``made`` and ``deadline`` are in the seconds of the ``now`` that was passed in.
    """

    id: str
    method: str
    uri: str
    frame: str
    made: float
    timeout: float

    @property
    def deadline(self) -> float:
        """When it counts as unanswered."""
        return self.made + self.timeout


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """Asterisk's answer to ``request``, good or bad, ``seconds`` after it was made."""

    request: Request
    status: int
    reason: str
    body: Answer
    seconds: float

    def refusal(self) -> AriRefusedError | None:
        """The error that this answer is; None when the request was carried out."""
        return refusal(self.request.method, self.request.uri, self.status, self.reason, self.body)


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a request that nobody waits for any more, or never made."""

    request_id: str
    status: int


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a type that this Asterisk's models do not have."""

    type: str
    fields: dict[str, Any]


class Garbage(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that could not be read; ``request`` is set when it answers one with an unusable body.

    ``type`` is empty when not even that could be read. ``error`` says what was expected and where.
    """

    type: str
    error: str
    request: Request | None = None


Received: TypeAlias = Response | Late | Event | UnknownEvent | Garbage


class _Envelope(msgspec.Struct):
    type: str


class _RefusalBody(msgspec.Struct):
    message: str = ""


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_RESPONSE = msgspec.json.Decoder(RESTResponse)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_EVENTS = {
    name: msgspec.json.Decoder(model)
    for name, model in EVENT_TYPES.items()
    if model is not RESTResponse
}
# ValueError: msgspec.DecodeError, invalid UTF-8, lone surrogates. RecursionError: deep nesting.
_UNREADABLE = (ValueError, msgspec.MsgspecError, RecursionError)


def path(*segments: str) -> str:
    """The URI of a resource from its raw segments: ``path("channels", channel_id, "answer")``.

    Use it where an id was not chosen by us: it may hold a slash.
    """
    return "/".join(quote(segment, safe="") for segment in segments)


def quoted(uri: str) -> str:
    """``uri`` with everything percent-encoded that cannot stand in a path; ``%XX`` is kept."""
    return quote(uri.strip("/"), safe=_KEPT_IN_URI)


def query_pairs(query: Query) -> list[tuple[str, str]]:
    """Names and values as ARI reads them: lists joined by commas, ``true`` and ``false``.

    Raises ValueError for a list item holding a comma, which ARI would take for two items.
    """
    return [(name, _query_text(name, value)) for name, value in query.items()]


def _query_text(name: str, value: QueryValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    for item in value:
        if "," in item:
            raise ValueError(
                f"query {name}: {item!r} holds a comma, at which ARI splits lists. "
                "Send that field in the body instead."
            )
    return ",".join(value)


def event_filter(allowed: Iterable[str] | None) -> dict[str, list[dict[str, str]]]:
    """The body of ``PUT applications/APP/eventFilter`` that lets these events through; None: all.

    Raises ValueError for a name that is no event, which Asterisk would accept in silence.
    """
    if allowed is None:
        return {"allowed": [], "disallowed": []}
    names = set(allowed)
    strangers = sorted(names - EVENT_TYPES.keys())
    if strangers:
        raise ValueError(
            f"allowed events: {strangers} are no events of Asterisk; "
            "expected names from ess_pbx.ari.models.EVENT_TYPES"
        )
    types = [{"type": name} for name in sorted(names | ALWAYS_ALLOWED)]
    return {"allowed": types, "disallowed": []}


def decode_body(text: str | bytes | None) -> Answer:
    """The JSON of an answer's body; None when there is none. Raises ValueError when not JSON."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any] | list[Any] | None)
    except _UNREADABLE as error:
        raise ValueError(f"the answer's body is not a JSON object or list: {error}") from error


def refusal(
    method: str, uri: str, status: int, reason: str, body: Answer
) -> AriRefusedError | None:
    """The error for an answer of ``status``; None for 2xx. Asterisk's own words are preferred."""
    if 200 <= status < 300:
        return None
    try:
        message = msgspec.convert(body, _RefusalBody).message
    except msgspec.ValidationError:
        message = ""
    return AriRefusedError(method, uri, status, message or reason)


class AriProtocol:
    """One ARI session: what was asked and not yet answered. Survives reconnects.

    ``now`` is in seconds, from any clock that does not run backwards.
    """

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._pending: dict[str, Request] = {}
        self._deadlines: list[tuple[float, int, str]] = []

    @property
    def pending(self) -> int:
        """How many requests wait for their answer."""
        return len(self._pending)

    def request(
        self,
        method: str,
        uri: str,
        *,
        query: Query | None = None,
        body: object = None,
        now: float,
        timeout: float = REQUEST_TIMEOUT,
    ) -> Request:
        """Note a request and return it with the frame to send; ``body`` is anything JSON can say.

        Raises ValueError as ``query_pairs`` does, TypeError for a body that JSON cannot say.
        """
        number = next(self._ids)
        uri = quoted(uri)
        fields: dict[str, object] = {
            "type": "RESTRequest",
            "request_id": str(number),
            "method": method,
            "uri": uri,
        }
        if query:
            fields["query_strings"] = [
                {"name": name, "value": value} for name, value in query_pairs(query)
            ]
        if body is not None:
            fields["content_type"] = "application/json"
            fields["message_body"] = msgspec.json.encode(body).decode()
        request = Request(
            id=str(number),
            method=method,
            uri=uri,
            frame=msgspec.json.encode(fields).decode(),
            made=now,
            timeout=timeout,
        )
        self._pending[request.id] = request
        heapq.heappush(self._deadlines, (request.deadline, number, request.id))
        return request

    def receive(self, frame: str | bytes, now: float) -> Received:
        """What ``frame`` says. Never raises; what cannot be read is Garbage.

        An answer counts until ``expired`` has given its request up: it is better than none.
        """
        type_ = ""
        try:
            type_ = _ENVELOPE.decode(frame).type
            if type_ == "RESTResponse":
                return self._response(_RESPONSE.decode(frame), now)
            decoder = _EVENTS.get(type_)
            if decoder is None:
                return UnknownEvent(type=type_, fields=_OBJECT.decode(frame))
            return decoder.decode(frame)
        except _UNREADABLE as error:
            return Garbage(type=type_, error=f"{type(error).__name__}: {error}")

    def _response(self, answer: RESTResponse, now: float) -> Received:
        request = self._pending.pop(answer.request_id, None)
        if request is None:
            return Late(request_id=answer.request_id, status=answer.status_code)
        try:
            body = decode_body(answer.message_body)
        except ValueError as error:
            return Garbage(type="RESTResponse", error=str(error), request=request)
        return Response(
            request=request,
            status=answer.status_code,
            reason=answer.reason_phrase,
            body=body,
            seconds=now - request.made,
        )

    def expired(self, now: float) -> list[Request]:
        """The requests whose time is up at ``now``, earliest deadline first; each only once."""
        over = []
        while self._deadlines and self._deadlines[0][0] <= now:
            request = self._pending.pop(heapq.heappop(self._deadlines)[2], None)
            if request is not None:
                over.append(request)
        return over

    def next_deadline(self) -> float | None:
        """When ``expired`` will next have something to report; None while nothing is pending."""
        while self._deadlines and self._deadlines[0][2] not in self._pending:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def connection_lost(self) -> list[Request]:
        """The requests that will never be answered now, in the order they were made."""
        lost = list(self._pending.values())
        self._pending.clear()
        self._deadlines.clear()
        return lost
