"""A real engine without its Asterisk, and people who speak to its API over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from argon2 import PasswordHasher
from msgspec.structs import replace

from ess_pbx.asterisk.render import AsteriskFolders
from ess_pbx.demo.stage import loopback, sample
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.events import Arrived, ClockRead, LegAnswered, LegGone, PhoneReachable
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, caller_leg
from ess_pbx.engine.service import Engine
from ess_pbx.settings.credentials import load_credentials, write_credentials
from ess_pbx.settings.model import Settings
from ess_pbx.watching.watch import Watch
from ess_pbx.web.control import Control, control_socket
from ess_pbx.web.server import WebServer

SOON = 5.0
CALL = CallId("ess1-1700000000.1")
NUMBER = "+6281234567890"
OPERATOR, COLLEAGUE, SUPERVISOR = "1001", "1002", "1003"
PINS = {OPERATOR: "135790", COLLEAGUE: "246801", SUPERVISOR: "975310"}
FIRE = {"category": "kebakaran", "place": "Pasar Kranggot, Jalan Ahmad Yani"}
"""What is known of an incident."""
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""For PINs of tests; what verifies them reads the cost out of the hash (PHC string)."""


def centre_settings(state: Path, **web: Any) -> Settings:
    """The sample centre with a supervisor, all on duty all day."""
    settings = loopback(sample(), state)
    centre = settings.centre_named()
    operators = tuple(
        replace(each, role="supervisor" if each.extension == SUPERVISOR else "operator")
        for each in centre.operators
    )
    everyone = tuple(each.extension for each in operators)
    whole_day = replace(
        centre.shifts[0], ends=centre.shifts[0].starts, operators=everyone, minimum=0
    )
    return replace(
        settings,
        centres=(
            replace(
                centre,
                operators=operators,
                shifts=(whole_day,),
                # Whoever leaves is to be called back, when somebody asks for it.
                policy=replace(centre.policy, call_back_after=0.0, call_back_delays=(3600.0,) * 3),
            ),
        ),
        web=replace(settings.web, **web),
    )


async def without_asterisk(engine: Engine) -> None:
    """Start all of an engine but its line to Asterisk; what it wants of Asterisk is dropped."""

    async def nothing(*_: object) -> None:
        pass

    engine.ari.start = nothing  # type: ignore[method-assign]
    engine.ari.wait_connected = nothing  # type: ignore[method-assign, assignment]
    engine._took_stock.set()  # there is none to be taken
    await engine.start()
    engine.dispatcher.executor = None


class Service:
    """An engine and its API; that it has no Asterisk is an alarm only where it is ``watched``."""

    def __init__(self, settings: Settings, *, watched: bool = False) -> None:
        self.settings = settings
        self.watched = watched
        state = settings.folders.state
        extensions = [each.extension for centre in settings.centres for each in centre.operators]
        credentials = load_credentials(state, extensions)
        self.give_pins(PINS)
        assert credentials.admin_password is not None
        self.admin_password = credentials.admin_password
        unused = Path("/nonexistent")
        places = dict.fromkeys(AsteriskFolders.__dataclass_fields__, unused)
        folders = AsteriskFolders(**{**places, "fallback": state / "fallback"})
        self.engine = Engine(settings, credentials, folders)
        self.watch = Watch(settings, self.engine)
        self.web = WebServer(settings, self.engine, self.watch.metrics)

    def give_pins(self, pins: dict[str, str]) -> None:
        state = self.settings.folders.state
        known = load_credentials(state, ())
        hashes = {extension: QUICK.hash(pin) for extension, pin in pins.items()}
        write_credentials(state, replace(known, pins={**known.pins, **hashes}))

    @property
    def url(self) -> str:
        return f"http://{self.settings.web.host}:{self.settings.web.port}"

    @property
    def control(self) -> Control:
        return Control(control_socket(self.settings))

    async def start(self) -> None:
        await without_asterisk(self.engine)
        if self.watched:
            await self.watch.start()
        await self.web.start()

    async def stop(self) -> None:
        await self.web.stop()
        await self.watch.stop()
        await self.engine.stop()

    @property
    def core(self) -> CallCentre:
        """The first centre."""
        return next(iter(self.engine.centres))

    # What happens in the centre

    def given_present(self, *extensions: str) -> None:
        for core in self.engine.centres:
            noon = ClockRead(datetime(2026, 11, 22, 12), False, time.time(), centre=core.config.id)
            self.engine.dispatcher.feed(noon)
        for extension in extensions:
            self.engine.dispatcher.feed(PhoneReachable(extension))

    def when_a_call_arrives(
        self, call: CallId = CALL, number: str = NUMBER, centre: str = ""
    ) -> None:
        self.engine.dispatcher.feed(
            Arrived(
                call,
                number,
                number,
                number,
                "112",
                "telco-a",
                invited_at=time.time(),
                callable=True,
                centre=centre,
            )
        )

    def when_it_is_answered(self, call: CallId = CALL) -> str:
        """The operator who was offered the call picks up; returns who it was."""
        self.engine.dispatcher.feed(LegAnswered(call, caller_leg(call)))
        offer = self.engine.centres.calls[call].offers[0]
        self.engine.dispatcher.feed(LegAnswered(call, offer.leg))
        return offer.agent

    def when_much_is_announced(self, prompt: str) -> None:
        """A fact of some size, for buffers that are to be full."""
        self.engine.dispatcher.record(CALL, FactKind.ANNOUNCED, {"prompt": prompt})

    def when_the_caller_hangs_up(self, call: CallId = CALL) -> None:
        self.engine.dispatcher.feed(LegGone(call, caller_leg(call), 16))


class Person:
    """Somebody with an HTTP client, signed in or not."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str = "") -> None:
        self.session = session
        self.url = url
        self.token = token

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def ask(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any]:
        """Status and content of an answer."""
        data = b"" if body is None else msgspec.json.encode(body)
        data = body if isinstance(body, bytes) else data
        headers = {**self.headers, **options.pop("headers", {})}
        async with self.session.request(
            method, f"{self.url}/api/v1{path}", data=data, headers=headers, **options
        ) as answer:
            text = await answer.read()
            return answer.status, msgspec.json.decode(text) if text else None

    async def signs_in(self, account: str, secret: str) -> Person:
        status, content = await self.ask("POST", "/session", {"account": account, "secret": secret})
        assert status == 200, content
        return Person(self.session, self.url, content["token"])

    @contextlib.asynccontextmanager
    async def feed(self, *, by_message: bool = False, centre: str = "") -> AsyncIterator[Feed]:
        headers = {} if by_message else self.headers
        url = f"{self.url}/api/v1/live" + (f"?centre={centre}" if centre else "")
        async with self.session.ws_connect(url, headers=headers) as socket:
            if by_message:
                await socket.send_str(msgspec.json.encode({"token": self.token}).decode())
            yield Feed(socket)


class Feed:
    """A live feed as a client sees it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> Any:
        message = await asyncio.wait_for(self.socket.receive(), SOON)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return msgspec.json.decode(message.data)

    async def until_fact(self, kind: str) -> list[Any]:
        """All facts up to the first of this kind."""
        facts = [await self.next()]
        while facts[-1]["kind"] != kind:
            facts.append(await self.next())
        return facts

    async def closed(self) -> int | None:
        """Wait for the end; the close code."""
        async with asyncio.timeout(SOON):
            async for _ in self.socket:
                pass
        return self.socket.close_code


async def until(is_true: Callable[[], bool], wanted: str) -> None:
    """Wait for a condition; fails with what was wanted."""
    deadline = time.monotonic() + SOON
    while not is_true():
        assert time.monotonic() < deadline, f"not within {SOON} s: {wanted}"
        await asyncio.sleep(0.01)


async def given_a_report(person: Person, fields: Any = FIRE, call: str | None = None) -> str:
    status, content = await person.ask("POST", "/reports", {"fields": fields, "call": call})
    assert status == 200, content
    number: str = content["report"]["number"]
    return number
