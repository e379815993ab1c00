"""Answers in JSON, and errors as ``{code, message, expected}``, whatever went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from ess_pbx.domain.effects import Refused
from ess_pbx.log import get_logger
from ess_pbx.web.models import Error

JSON_TYPE = "application/json"
BODY_BYTES = 64 * 1024

NOT_OF_THE_LIST = frozenset(
    f"unknown-{what}"
    for what in ("reason", "category", "subcategory", "district", "village", "question")
)
"""Refusals of what is in the body: a value that the centre's lists do not have."""

_log = get_logger(__name__)

_PLAIN = {
    400: ("bad-request", "an HTTP request"),
    404: ("no-such-path", "a path of /api/v1/openapi.json"),
    405: ("method-not-allowed", "a method of /api/v1/openapi.json"),
    413: ("too-large", f"at most {BODY_BYTES} bytes"),
    426: ("upgrade-required", "a WebSocket handshake (RFC 6455)"),
}


class ApiError(Exception):
    """An answer that says why not."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        expected: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = Error(code=code, message=message, expected=expected)
        self.headers = headers or {}


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer in JSON."""
    body = msgspec.json.encode(content)
    return web.Response(body=body, status=status, content_type=JSON_TYPE, headers=headers)


async def read_at_most(request: web.Request, most: int) -> bytes:
    """The content of a request. Raises ApiError (413) when it is longer than ``most`` bytes."""
    content = b""
    while len(content) <= most:
        more = await request.content.read(most + 1 - len(content))
        if not more:
            return content
        content += more
    raise ApiError(413, "too-large", f"more than {most} bytes", f"at most {most} bytes")


def refused(why: Refused) -> ApiError:
    """The core's refusal as an answer; the code's first word says what kind it is."""
    message, _, expected = why.detail.partition("; expected ")
    kind = why.code.partition("-")[0]
    status = {"unknown": 404, "invalid": 422, "failed": 500}.get(kind, 409)
    if why.code in NOT_OF_THE_LIST:
        status = 422
    return ApiError(status, why.code, message, expected)


def wrong_content(error: msgspec.DecodeError) -> ApiError:
    """What was sent is no JSON, or not what was asked for."""
    if isinstance(error, msgspec.ValidationError):
        expected, _, where = str(error).partition(" - at ")
        message = f"wrong content at {where or '`$`'}"
        return ApiError(422, "invalid-content", message, expected.removeprefix("Expected "))
    return ApiError(400, "not-json", str(error), "JSON (RFC 8259) in UTF-8")


@web.middleware
async def errors_in_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn every error into an answer that a program can read."""
    try:
        return await handler(request)
    except ApiError as error:
        return answer(error.error, error.status, error.headers)
    except web.HTTPException as error:
        code, expected = _PLAIN.get(error.status, ("http", ""))
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        content = Error(code=code, message=error.reason, expected=expected)
        return answer(content, error.status, headers)
    except Exception:
        _log.exception("web.failed", method=request.method)
        content = Error(code="failed", message="a defect of ess-pbx; its log says which")
        return answer(content, 500)


async def harden(_request: web.Request, response: web.StreamResponse) -> None:
    """Nothing of a call is kept by a browser or proxy, nor taken for anything but JSON."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["Server"] = "ess-pbx"
