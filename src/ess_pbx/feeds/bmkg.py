"""Asks BMKG for its latest earthquake, again and again, and never lets it do any harm.

The server is a stranger: TLS is verified, a redirect is followed on its own host only, a body has a
size and a time, and whatever goes wrong is told once and tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import aiohttp
import structlog
from yarl import URL

from ess_pbx.domain.config import EarthquakeFeed
from ess_pbx.domain.earthquake import Earthquake
from ess_pbx.feeds.autogempa import Malformed, read

LONGEST_BODY = 64 * 1024
"""Bytes; the real one has about 600."""
MOST_REDIRECTS = 3
FAILURES = 3
"""Polls in a row that must fail before it is trouble: a lost packet is no news."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FeedError(Exception):
    """One poll failed; the text says how, without the address's query."""


class BmkgFeed:
    """Polls one address; what it says may be told again, for whoever hears it keeps count.

    ``on_quake`` is told the latest earthquake after each poll that worked, and ``on_trouble`` None;
    after some polls that failed in a row it is told what is wrong.
    """

    def __init__(
        self,
        feed: EarthquakeFeed,
        on_quake: Callable[[Earthquake], None],
        on_trouble: Callable[[str | None], None],
    ) -> None:
        self._feed = feed
        self._url = URL(feed.url)
        self._on_quake = on_quake
        self._on_trouble = on_trouble
        self._failed = 0
        self._known: dict[str, str] = {}
        """Headers by which the server can say that nothing is new (RFC 9110 §13.1)."""
        self._last: Earthquake | None = None
        self._log = structlog.get_logger(__name__)

    async def run(self) -> None:
        """Poll until cancelled."""
        timeout = aiohttp.ClientTimeout(total=self._feed.timeout)
        # A compressed body could be a thousand times as long as it looks.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with aiohttp.ClientSession(
            timeout=timeout,
            headers={**headers, "User-Agent": "ess-pbx"},
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            while True:
                await self._poll(session)
                await asyncio.sleep(self._feed.every)

    async def _poll(self, session: aiohttp.ClientSession) -> None:
        try:
            await self._ask(session)
        except (FeedError, aiohttp.ClientError, TimeoutError, OSError) as error:
            self._fails(str(error) or type(error).__name__)
        except Exception as error:
            # A defect here must not end the watch for every later earthquake.
            self._log.exception("bmkg.failed")
            self._fails(type(error).__name__)
        else:
            if self._failed >= FAILURES:
                self._log.info("bmkg.recovered")
            self._failed = 0
            self._on_trouble(None)

    def _fails(self, reason: str) -> None:
        self._failed += 1
        if self._failed == FAILURES:
            self._log.warning("bmkg.trouble", reason=reason)
            self._on_trouble(f"{self._url.host}: {reason}")

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        url = self._url
        for _ in range(MOST_REDIRECTS + 1):
            async with session.get(url, headers=self._known, allow_redirects=False) as answer:
                if answer.status in _REDIRECTS:
                    url = self._elsewhere(url, answer.headers.get("Location", ""))
                    continue
                if answer.status == 304 and self._last is not None:
                    self._on_quake(self._last)
                    return
                if answer.status != 200:
                    raise FeedError(f"HTTP {answer.status}; expected 200")
                self._understand(await _body(answer), answer.headers)
                return
        raise FeedError(f"more than {MOST_REDIRECTS} redirects")

    def _elsewhere(self, url: URL, location: str) -> URL:
        try:
            wanted = url.join(URL(location))
            stays = wanted.origin() == url.origin()
        except ValueError:
            raise FeedError("a redirect to no address") from None
        if not location or not stays:
            raise FeedError("a redirect to another host; set the new address if it is meant")
        return wanted

    def _understand(self, body: bytes, headers: Mapping[str, str]) -> None:
        found = read(body)
        if isinstance(found, Malformed):
            self._known, self._last = {}, None
            raise FeedError(found.reason)
        self._last = found
        self._on_quake(found)
        # Only what was understood need not be sent again.
        answers = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
        self._known = {ask: headers[name] for ask, name in answers.items() if name in headers}


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FeedError("a compressed body, which was not asked for")
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > LONGEST_BODY:
            raise FeedError(f"a body above {LONGEST_BODY} bytes")
    return bytes(body)
