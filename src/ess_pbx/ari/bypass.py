"""ARI over plain HTTP: the way around a socket that is stuck, and the way to recordings.

A few connections of its own. What goes here is not in step with what goes over the socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
from yarl import URL

from ess_pbx.ari import protocol as wire
from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.errors import AriError, AriTimeoutError

POOL = 4
DOWNLOADS = 2
"""Of the pool's connections at most these carry recordings, so that requests are never starved."""

_CHUNK = 64 * 2**10
_HANDSHAKE_HINTS = {
    400: "Asterisk did not accept the application's name",
    401: "Asterisk does not know this user and password; see ari.conf",
    404: "no ARI at this address; see http.conf (enabled, prefix) and that res_ari is loaded",
}


class AriHttp:
    """ARI's resources under ``base`` (``http://HOST:PORT/PREFIX/ari/``). Make it in a running loop.

    ``authorization`` is the header that is sent along; it appears nowhere else.
    """

    def __init__(self, base: URL, authorization: str) -> None:
        self._base = base
        self._downloads = asyncio.Semaphore(DOWNLOADS)
        self._session = aiohttp.ClientSession(
            headers={"Authorization": authorization},
            # Asterisk closes an idle connection after 15 s (session_keep_alive): be first.
            connector=aiohttp.TCPConnector(limit=POOL, keepalive_timeout=10),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Break off what is under way. May be called again."""
        await self._session.close()

    async def call(
        self,
        method: str,
        uri: str,
        *,
        query: Query | None = None,
        body: object = None,
        timeout: float = wire.REQUEST_TIMEOUT,  # noqa: ASYNC109 - goes to aiohttp
    ) -> Answer:
        """The JSON of Asterisk's answer.

        Raises AriRefusedError for an error status, AriTimeoutError after ``timeout`` seconds,
        AriError when Asterisk cannot be reached or its answer is no JSON.
        """
        with _as_ari_errors(method, uri, timeout):
            async with self._session.request(
                method,
                self._url(uri),
                params=wire.query_pairs(query or {}),
                json=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as response:
                content = await response.read()
        _raise_refusal(method, uri, response, content)
        try:
            return wire.decode_body(content)
        except ValueError as error:
            raise AriError(f"{method} {uri}: {error}; use download() for recordings") from None

    async def download(
        self, uri: str, *, idle_timeout: float = wire.REQUEST_TIMEOUT
    ) -> AsyncIterator[bytes]:
        """The bytes that ``GET uri`` answers, piece by piece.

        Raises as ``call``; AriTimeoutError when nothing comes for ``idle_timeout`` seconds.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=idle_timeout, sock_read=idle_timeout)
        with _as_ari_errors("GET", uri, idle_timeout):
            async with (
                self._downloads,
                self._session.get(
                    self._url(uri), allow_redirects=False, timeout=timeout
                ) as response,
            ):
                if response.status >= 300:
                    _raise_refusal("GET", uri, response, await response.read())
                async for piece in response.content.iter_chunked(_CHUNK):
                    yield piece

    def _url(self, uri: str) -> URL:
        return self._base.join(URL(wire.quoted(uri), encoded=True))


@contextmanager
def _as_ari_errors(method: str, uri: str, timeout: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise no_answer(method, uri, timeout) from None
    except (aiohttp.ClientError, OSError, RuntimeError) as error:
        # ``from None``: aiohttp's errors hold the request's headers, hence the password.
        raise AriError(f"{method} {uri} over HTTP: {failure_text(error)}") from None


def _raise_refusal(method: str, uri: str, response: aiohttp.ClientResponse, content: bytes) -> None:
    try:
        body = wire.decode_body(content)
    except ValueError:
        body = None
    refused = wire.refusal(method, uri, response.status, response.reason or "", body)
    if refused is not None:
        raise refused


def no_answer(method: str, uri: str, timeout: float) -> AriTimeoutError:
    """The error of a request that was not answered within ``timeout`` seconds."""
    return AriTimeoutError(
        f"{method} {uri}: no answer from Asterisk within {timeout} s; "
        "whether it was carried out is not known"
    )


def failure_text(error: BaseException) -> str:
    """What went wrong, without repr(): that of aiohttp's errors shows the password."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        hint = _HANDSHAKE_HINTS.get(error.status, error.message)
        return f"the WebSocket was refused with status {error.status}: {hint}"
    return f"{type(error).__name__}: {error}".rstrip(": ")
