"""``/metrics``, for those whom the settings name: closed to everybody else."""

from __future__ import annotations

import hmac
import socket
from ipaddress import ip_address
from pathlib import Path

from aiohttp import hdrs, web

from ess_pbx.metrics import CONTENT_TYPE, Metrics
from ess_pbx.settings.model import Metrics as Allowed
from ess_pbx.web.access import token_of
from ess_pbx.web.answers import ApiError

FORWARDED = frozenset({"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"})
"""By these a proxy on this machine shows that somebody else asks (RFC 7239, RFC 9110 §7.6.3)."""


class MetricsPage:
    """Answers with the figures, or says what would open them."""

    def __init__(self, metrics: Metrics, allowed: Allowed, token: str) -> None:
        """``token`` is what the file of the settings holds, empty without one."""
        self._metrics = metrics
        self._loopback = allowed.loopback
        self._token = token.encode()

    async def serve(self, request: web.Request) -> web.Response:
        """One reading. Raises ApiError (401, 403)."""
        if not self._may(request):
            if self._token:
                raise ApiError(
                    401,
                    "not-signed-in",
                    "no valid token",
                    "Authorization: Bearer with the content of the file in [metrics] token",
                    {hdrs.WWW_AUTHENTICATE: "Bearer"},
                )
            raise ApiError(
                403, "closed", "metrics are closed", "[metrics] loopback or token in the settings"
            )
        headers = {hdrs.CONTENT_TYPE: CONTENT_TYPE}
        return web.Response(body=self._metrics.text(), headers=headers)

    def _may(self, request: web.Request) -> bool:
        transport = request.transport
        connection = None if transport is None else transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            return True  # the control socket: the service's own user
        if self._token and hmac.compare_digest(_sent(request), self._token):
            return True
        direct = not any(name in request.headers for name in FORWARDED)
        return self._loopback and direct and _is_loopback(request.remote)


def read_token(path: Path | None) -> str:
    """The content of the token's file, empty without one; blocks. Raises OSError."""
    return "" if path is None else path.read_text().strip()


def _sent(request: web.Request) -> bytes:
    # What is no UTF-8 stays what it is, and is compared like any other.
    return token_of(request).encode(errors="surrogateescape")


def _is_loopback(address: str | None) -> bool:
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False
