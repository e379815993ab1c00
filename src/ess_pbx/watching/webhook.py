"""Alarms sent on to an address of the settings, and to no other.

Each is a POST of JSON (``Message``), signed so that the receiver can tell that it is ours and new:
``X-Ess-Pbx-Signature: sha256=<hex>`` is the HMAC-SHA256 (RFC 2104) over the timestamp of
``X-Ess-Pbx-Timestamp`` (epoch seconds), a full stop and the body, under the shared secret. What is
not taken is sent again, later and later, in the order in which it happened; ``id`` stays the same,
so that a receiver can tell what it had. Nothing waits for any of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import time
from collections import deque
from collections.abc import Callable

import aiohttp
import msgspec
import structlog

from ess_pbx.ari.backoff import Backoff
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.log import masked
from ess_pbx.settings.model import Webhook

QUEUED = 1000
"""Messages; when more wait, the oldest are given up."""
TIMEOUT = 10.0
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
GIVEN_UP_AFTER = 3600.0
"""Seconds after which an alarm is no news any more."""
FAILURES = 3
"""Attempts in a row that must fail before it is trouble: a lost packet is no news."""
GATHERED = 0.05
"""Seconds in which the same alarm of several centres becomes one message."""
LATER = frozenset({408, 425, 429})
"""Refusals (4xx) that ask to come again."""
TIMESTAMP, SIGNATURE = "X-Ess-Pbx-Timestamp", "X-Ess-Pbx-Signature"
_EVENTS = {FactKind.ALARM_RAISED: "raised", FactKind.ALARM_CLEARED: "cleared"}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is told. Numbers of callers are masked."""

    id: str
    event: str
    """``raised`` or ``cleared``."""
    alarm: str
    kind: str
    """What stands before the colon of ``alarm``."""
    detail: str
    centres: list[str]
    node: str
    at: float
    """Epoch seconds."""


class AlarmMessages:
    """Makes messages of facts; an alarm of the whole installation is one, not one a centre."""

    def __init__(self, node: str, put: Callable[[Message], object]) -> None:
        self._node = node
        self._put = put
        self._gathering: dict[tuple[str, str, str], Message] = {}

    def told(self, fact: Fact) -> None:
        """Hear a fact; what is no alarm is passed by."""
        if fact.kind not in _EVENTS:
            return
        event, alarm = _EVENTS[FactKind(fact.kind)], str(fact.data.get("alarm"))
        detail = str(masked(fact.data).get("detail") or "")
        key = event, alarm, detail
        if key in self._gathering:
            self._gathering[key].centres.append(fact.centre)
            return
        self._gathering[key] = Message(
            id=fact.id,
            event=event,
            alarm=alarm,
            kind=alarm.partition(":")[0],
            detail=detail,
            centres=[fact.centre],
            node=self._node,
            at=fact.at,
        )
        asyncio.get_running_loop().call_later(GATHERED, self._send, key)

    def _send(self, key: tuple[str, str, str]) -> None:
        self._put(self._gathering.pop(key))


class WebhookSender:
    """Sends to one address until it is cancelled."""

    def __init__(
        self,
        hook: Webhook,
        secret: bytes,
        *,
        count: Callable[[str], object],
        waiting: Callable[[int], object],
        tell: Callable[[str | None], object],
        wall: Callable[[], float] = time.time,
        first_delay: float = FIRST_DELAY,
    ) -> None:
        """``count`` is told the outcome of each message, ``waiting`` how many are still to be sent;
        ``tell`` what is wrong after some attempts that failed, and None after one that worked.
        """
        self._hook = hook
        self._secret = secret
        self._count = count
        self._waiting = waiting
        self._tell = tell
        self._wall = wall
        self._first_delay = first_delay
        self._queue: deque[Message] = deque()
        self._news = asyncio.Event()
        self._failed = 0
        self._log = structlog.get_logger(__name__).bind(webhook=hook.id)

    def put(self, message: Message) -> None:
        """Send it soon, if the webhook wants its kind; never waits."""
        if self._hook.alarms and message.kind not in self._hook.alarms:
            return
        if len(self._queue) >= QUEUED:
            self._given_up(self._queue.popleft(), "too many wait")
        self._queue.append(message)
        self._waiting(len(self._queue))
        self._news.set()

    async def run(self) -> None:
        """Send what is put, one after another. The system's proxies are not asked."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=await self._trusted(), limit=1),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "ess-pbx", "Content-Type": "application/json"},
        ) as session:
            while True:
                if not self._queue:
                    self._news.clear()
                    await self._news.wait()
                message = self._queue.popleft()
                await self._deliver(session, message)
                self._waiting(len(self._queue))

    async def _trusted(self) -> ssl.SSLContext:
        """The certificates to trust, as soon as they can be read."""
        authority = None if self._hook.authority is None else str(self._hook.authority)
        while True:
            try:
                return await asyncio.to_thread(ssl.create_default_context, cafile=authority)
            except (OSError, ssl.SSLError) as error:
                self._tell(f"{self._hook.id}: {authority}: {error}; expected PEM certificates")
                await asyncio.sleep(LONGEST_DELAY)

    async def _deliver(self, session: aiohttp.ClientSession, message: Message) -> None:
        delays = Backoff(first=self._first_delay, limit=LONGEST_DELAY)
        while True:
            trouble, again = await self._attempt(session, message)
            if trouble is None:
                self._failed = 0
                self._tell(None)
                self._count("delivered")
                return
            self._log.warning("webhook.failed", alarm=message.alarm, reason=trouble)
            self._failed += 1
            if self._failed == FAILURES:
                self._tell(f"{self._hook.id}: {trouble}; see its address and what answers there")
            if not again:
                self._given_up(message, trouble)
                return
            if self._wall() - message.at > GIVEN_UP_AFTER:
                self._given_up(message, "it is no news any more")
                return
            await asyncio.sleep(delays.next_delay())

    async def _attempt(
        self, session: aiohttp.ClientSession, message: Message
    ) -> tuple[str | None, bool]:
        """Send once: what is wrong, None when nothing is, and whether to try again."""
        body = msgspec.json.encode(message)
        stamp = str(int(self._wall()))
        headers = {TIMESTAMP: stamp, SIGNATURE: signature(self._secret, stamp, body)}
        try:
            async with session.post(
                self._hook.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return str(error) or type(error).__name__, True
        if 200 <= status < 300:
            return None, False
        return f"HTTP {status}; expected 2xx", status >= 500 or status in LATER

    def _given_up(self, message: Message, reason: str) -> None:
        self._log.error("webhook.given_up", alarm=message.alarm, reason=reason)
        self._count("given-up")


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """What the header of this name says."""
    signed = hmac.new(secret, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"sha256={signed}"
