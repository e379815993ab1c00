"""Alarms reach the address of the settings, signed, in order and whatever it does; and no other."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ssl
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.settings.model import Webhook
from ess_pbx.watching import webhook
from ess_pbx.watching.webhook import AlarmMessages, Message, WebhookSender

SECRET = b"0123456789abcdef0123456789abcdef"
SOON = 5.0


def a_message(number: int = 1, alarm: str = "database", at: float | None = None) -> Message:
    return Message(
        id=f"b-{number}",
        event="raised",
        alarm=alarm,
        kind=alarm.partition(":")[0],
        detail="x",
        centres=["contoh"],
        node="ess1",
        at=time.time() if at is None else at,
    )


class Receiver:
    """What answers at the address."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.elsewhere = 0
        self.answers: list[int] = []
        """Statuses, the first for the next request; 200 when none is left."""

    @property
    def ids(self) -> list[str]:
        return [msgspec.json.decode(body)["id"] for _, body in self.got]

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        status = self.answers.pop(0) if self.answers else 200
        headers = {"Location": "/elsewhere"} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers)

    async def other(self, _: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()

    @contextlib.asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        app = web.Application()
        app.router.add_post("/alarms", self.take)
        app.router.add_route("*", "/elsewhere", self.other)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


class Sending:
    """A sender that runs, and what it told."""

    def __init__(self, port: int, **settings: Any) -> None:
        settings.setdefault("url", f"http://127.0.0.1:{port}/alarms")
        self.outcomes: list[str] = []
        self.waiting: list[int] = []
        self.troubles: list[str | None] = []
        self.sender = WebhookSender(
            Webhook(id="jaga", secret_env="X", **settings),
            SECRET,
            count=self.outcomes.append,
            waiting=self.waiting.append,
            tell=self.troubles.append,
            first_delay=0.02,
        )

    async def __aenter__(self) -> Sending:
        self._task = asyncio.create_task(self.sender.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, is_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON):
            while not is_true():
                assert not self._task.done()
                await asyncio.sleep(0.01)


async def test_an_alarm_is_posted_signed_with_its_time() -> None:
    receiver, message = Receiver(), a_message()
    async with receiver.listening() as port, Sending(port) as sending:
        sending.sender.put(message)
        await sending.until(lambda: sending.outcomes == ["delivered"])
    ((headers, body),) = receiver.got
    assert msgspec.json.decode(body) == msgspec.to_builtins(message)
    stamp = headers["X-Ess-Pbx-Timestamp"]
    expected = hmac.new(SECRET, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Ess-Pbx-Signature"] == f"sha256={expected}"
    assert abs(int(stamp) - time.time()) < SOON
    assert headers["Content-Type"] == "application/json"


async def test_what_is_not_taken_is_sent_again_in_order_and_under_the_same_id() -> None:
    receiver = Receiver()
    receiver.answers = [500, 503, 429, 200, 502]
    async with receiver.listening() as port, Sending(port) as sending:
        for number in (1, 2, 3):
            sending.sender.put(a_message(number))
        await sending.until(lambda: sending.outcomes == ["delivered"] * 3)
    assert receiver.ids == ["b-1", "b-1", "b-1", "b-1", "b-2", "b-2", "b-3"]
    assert [trouble is not None for trouble in sending.troubles] == [True, False, False, False]
    assert "HTTP 429; expected 2xx" in str(sending.troubles[0])


async def test_an_address_where_nobody_is_yet_gets_it_when_somebody_is() -> None:
    receiver = Receiver()
    async with receiver.listening() as port:
        pass
    async with Sending(port) as sending:
        sending.sender.put(a_message())
        await sending.until(lambda: len(sending.troubles) == 1)
        app = web.Application()
        app.router.add_post("/alarms", receiver.take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await sending.until(lambda: sending.outcomes == ["delivered"])
        await runner.cleanup()
    assert sending.troubles[-1] is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_never_followed(status: int) -> None:
    receiver = Receiver()
    receiver.answers = [status]
    async with receiver.listening() as port, Sending(port) as sending:
        sending.sender.put(a_message())
        await sending.until(lambda: sending.outcomes == ["given-up"])
    assert (len(receiver.got), receiver.elsewhere) == (1, 0)


async def test_what_is_refused_does_not_hold_up_what_comes_after() -> None:
    receiver = Receiver()
    receiver.answers = [400, 200]
    async with receiver.listening() as port, Sending(port) as sending:
        sending.sender.put(a_message(1))
        sending.sender.put(a_message(2))
        await sending.until(lambda: sending.outcomes == ["given-up", "delivered"])
    assert receiver.ids == ["b-1", "b-2"]


async def test_what_is_no_news_any_more_is_given_up() -> None:
    receiver = Receiver()
    receiver.answers = [500] * 5
    async with receiver.listening() as port, Sending(port) as sending:
        sending.sender.put(a_message(at=time.time() - webhook.GIVEN_UP_AFTER - 1))
        await sending.until(lambda: sending.outcomes == ["given-up"])
    assert len(receiver.got) == 1


async def test_only_the_kinds_that_are_wanted_are_sent() -> None:
    receiver = Receiver()
    async with (
        receiver.listening() as port,
        Sending(port, alarms=("trunk-down", "database")) as sending,
    ):
        for number, alarm in enumerate(("roster", "trunk-down:telco-a", "disk:journal"), 1):
            sending.sender.put(a_message(number, alarm))
        sending.sender.put(a_message(9))
        await sending.until(lambda: len(sending.outcomes) == 2)
    assert receiver.ids == ["b-2", "b-9"]


async def test_when_too_many_wait_the_oldest_are_given_up_and_nothing_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "QUEUED", 10)
    sending = Sending(1)
    for number in range(25):
        sending.sender.put(a_message(number))
    assert sending.outcomes == ["given-up"] * 15
    assert [each.id for each in sending.sender._queue] == [f"b-{n}" for n in range(15, 25)]
    assert sending.waiting[-1] == 10


def a_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's certificate for 127.0.0.1 that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "uji")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem


async def test_a_certificate_that_nobody_trusts_gets_nothing_and_one_of_the_house_does(
    tmp_path: Path,
) -> None:
    tls, authority = a_certificate(tmp_path)
    receiver = Receiver()
    async with receiver.listening(tls) as port:
        url = f"https://127.0.0.1:{port}/alarms"
        async with Sending(port, url=url) as sending:
            sending.sender.put(a_message())
            await sending.until(lambda: len(sending.troubles) == 1)
            assert "certificate" in str(sending.troubles[0]).lower()
        assert receiver.got == []
        async with Sending(port, url=url, authority=authority) as sending:
            sending.sender.put(a_message())
            await sending.until(lambda: sending.outcomes == ["delivered"])
    assert len(receiver.got) == 1


def a_fact(centre: str, kind: str = FactKind.ALARM_RAISED, **data: str) -> Fact:
    told = {"alarm": "database", "detail": "away", **data}
    return Fact(id=f"{centre}-1", centre=centre, call=None, kind=kind, at=9.0, ms=None, data=told)


async def test_one_alarm_of_several_centres_is_one_message() -> None:
    sent: list[Message] = []
    messages = AlarmMessages("ess1", sent.append)
    for centre in ("utara", "selatan"):
        messages.told(a_fact(centre))
    messages.told(a_fact("utara", FactKind.CALL_ARRIVED))
    messages.told(a_fact("utara", FactKind.ALARM_CLEARED, detail="right again"))
    async with asyncio.timeout(SOON):
        while len(sent) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    raised, cleared = sent
    assert (raised.event, raised.centres, raised.id) == ("raised", ["utara", "selatan"], "utara-1")
    assert (cleared.event, cleared.centres) == ("cleared", ["utara"])


async def test_a_number_in_what_is_wrong_is_masked() -> None:
    sent: list[Message] = []
    messages = AlarmMessages("ess1", sent.append)
    messages.told(a_fact("utara", alarm="unknown-number", detail="telco-a: +6281234567890"))
    async with asyncio.timeout(SOON):
        while not sent:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert "6281234567890" not in sent[0].detail
    assert sent[0].detail.startswith("telco-a: +62")
