"""The driver against a scripted Asterisk, which says and withholds what a test tells it to."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from ess_pbx.ari.backoff import Backoff
from ess_pbx.ari.connection import AriConnection
from ess_pbx.ari.models import ChannelUserevent, Event
from ess_pbx.errors import AriError, AriRefusedError, AriTimeoutError

PASSWORD = "rahasia-0815"

Script = Callable[[dict[str, Any]], dict[str, Any] | None]


def ok(_: dict[str, Any]) -> dict[str, Any] | None:
    return {"status_code": 200, "message_body": "{}"}


class ScriptedAsterisk:
    """Its ``script`` turns a request into the answer's fields, or None to stay silent."""

    def __init__(self) -> None:
        self.port = 0
        self.script: Script = ok
        self.socket: web.WebSocketResponse | None = None
        self.handshakes: list[web.Request] = []
        self.requests: list[dict[str, Any]] = []
        self.http_requests: list[str] = []
        self.alive = True
        self.heartbeats = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_route("*", "/ari/{uri:.*}", self._http)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self.drop()
            await self._runner.cleanup()

    async def drop(self) -> None:
        if self.socket is not None and self.handshakes[-1].transport is not None:
            self.handshakes[-1].transport.abort()

    async def say(self, frame: dict[str, Any] | str) -> None:
        assert self.socket is not None
        await self.socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def answer(self, request_id: str, **fields: Any) -> None:
        await self.say(
            {
                **{"type": "RESTResponse", "transaction_id": "", "request_id": request_id},
                **{"status_code": 200, "reason_phrase": "Words", "uri": ""},
                **{"application": "ess", "timestamp": "t"},
                **fields,
            }
        )

    def asked(self, uri: str) -> list[dict[str, Any]]:
        return [request for request in self.requests if request["uri"] == uri]

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        self.handshakes.append(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.socket = socket
        async for message in socket:
            asked = json.loads(message.data)
            if asked["uri"] == "asterisk/ping":
                self.heartbeats += 1
                answer = ok(asked) if self.alive else None
            else:
                self.requests.append(asked)
                answer = self.script(asked)
            if answer is not None:
                await self.answer(asked["request_id"], **answer)
        return socket

    async def _http(self, request: web.Request) -> web.Response:
        self.http_requests.append(f"{request.method} {request.raw_path}")
        if request.path.endswith("/file"):
            return web.Response(body=b"RIFF" * 50_000)
        if request.path.endswith("/none"):
            return web.json_response({"message": "No such thing"}, status=404)
        return web.json_response({"over": "http"})


class Heard:
    """What the connection told its owner, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.story: list[str] = []

    def names(self) -> list[str]:
        return [e.eventname for e in self.events if isinstance(e, ChannelUserevent)]

    def event(self, event: Event) -> None:
        self.events.append(event)
        self.story.append("event")


@pytest.fixture
async def asterisk() -> AsyncIterator[ScriptedAsterisk]:
    scripted = ScriptedAsterisk()
    await scripted.start()
    yield scripted
    await scripted.stop()


def given_connection(asterisk: ScriptedAsterisk, heard: Heard, **options: Any) -> AriConnection:
    return AriConnection(
        *("127.0.0.1", asterisk.port, "ess", "engine", PASSWORD),
        **{
            "on_event": heard.event,
            "on_connected": lambda: heard.story.append("connected"),
            "on_disconnected": lambda _: heard.story.append("disconnected"),
            "on_replaced": lambda: heard.story.append("replaced"),
            "allowed_events": ["ChannelUserevent"],
            "backoff": Backoff(first=0.01, limit=0.05),
            **options,
        },
    )


@asynccontextmanager
async def given_connected(
    asterisk: ScriptedAsterisk, heard: Heard | None = None, **options: Any
) -> AsyncIterator[AriConnection]:
    async with given_connection(asterisk, heard or Heard(), **options) as ari:
        await ari.wait_connected(5)
        yield ari


async def eventually(condition: Callable[[], object], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is somebody else's
            await asyncio.sleep(0.002)


def given_quick_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ess_pbx.ari.connection.HEARTBEAT_SECONDS", 0.02)
    # Longer than a busy machine stands still: Asterisk answers in this very loop.
    monkeypatch.setattr("ess_pbx.ari.connection.HEARTBEAT_TIMEOUT", 1.5)


def user_event(name: str) -> dict[str, Any]:
    return {
        **{"type": "ChannelUserevent", "eventname": name, "userevent": {}},
        **{"application": "ess", "timestamp": "t"},
    }


class TestConnecting:
    async def test_the_filter_is_set_before_anyone_hears_of_the_connection(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        seen: list[list[str]] = []

        async with given_connected(
            asterisk,
            on_connected=lambda: seen.append([request["uri"] for request in asterisk.requests]),
        ):
            await eventually(lambda: seen)

        assert seen == [["applications/ess/eventFilter"]]
        allowed = json.loads(asterisk.requests[0]["message_body"])["allowed"]
        assert {"type": "ChannelUserevent"} in allowed
        assert {"type": "RESTResponse"} in allowed

    async def test_events_that_come_before_the_filter_is_set_follow_on_connected(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        heard = Heard()
        asterisk.script = lambda _: None
        async with given_connection(asterisk, heard) as ari:
            await eventually(lambda: asterisk.requests)
            await asterisk.say(user_event("early"))
            await asterisk.answer(asterisk.requests[0]["request_id"])
            await ari.wait_connected(5)
            await eventually(lambda: heard.events)

        assert heard.story == ["connected", "event"]

    async def test_a_refused_filter_is_logged_and_the_centre_works_on(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        asterisk.script = lambda request: {
            "status_code": 400 if request["method"] == "PUT" else 204
        }
        with capture_logs() as logs:
            async with given_connected(asterisk) as ari:
                assert await ari.call("GET", "channels") is None

        assert "ari.probe_refused" in [entry["event"] for entry in logs]

    async def test_the_password_is_in_the_header_and_nowhere_else(
        self, asterisk: ScriptedAsterisk, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with capture_logs() as logs:
            async with given_connected(asterisk) as ari:
                await ari.call("GET", "channels")
                await ari.http("GET", "channels")
                assert PASSWORD not in repr(ari)
            await asterisk.stop()
            async with given_connection(asterisk, Heard()) as ari:
                with pytest.raises(AriError) as refused:
                    await ari.wait_connected(0.05)
                with pytest.raises(AriError) as unreachable:
                    await ari.http("GET", "channels")

        request = asterisk.handshakes[0]
        assert request.headers["Authorization"].startswith("Basic ")
        assert request.query_string == "app=ess&subscribeAll=false"
        secrets = (PASSWORD, request.headers["Authorization"].split()[1])
        said = [str(request.url), repr(logs), caplog.text, *asterisk.http_requests]
        said += [repr(refused.value), repr(unreachable.value)]
        assert not [text for text in said for secret in secrets if secret in text]
        assert unreachable.value.__cause__ is None

    async def test_no_connection_is_told_with_the_reason(self, asterisk: ScriptedAsterisk) -> None:
        async with given_connection(asterisk, Heard(), prefix="/elsewhere") as ari:
            with pytest.raises(AriError, match="no ARI at this address"):
                await ari.wait_connected(0.1)
            with pytest.raises(AriError, match="not connected"):
                await ari.call("GET", "channels")


class TestReconnecting:
    async def test_a_dropped_socket_comes_back_with_its_filter(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        heard = Heard()
        async with given_connected(asterisk, heard) as ari:
            await asterisk.drop()
            await eventually(lambda: heard.story.count("connected") == 2)
            await asterisk.say(user_event("again"))
            await eventually(lambda: heard.events)
            assert await ari.call("GET", "channels") == {}

        assert heard.story == ["connected", "disconnected", "connected", "event"]
        assert len(asterisk.asked("applications/ess/eventFilter")) == 2

    async def test_asterisk_may_be_away_for_long(self, asterisk: ScriptedAsterisk) -> None:
        async with given_connected(asterisk) as ari:
            await asterisk.stop()
            await eventually(lambda: not ari.connected)
            with pytest.raises(AriError):
                await ari.wait_connected(0.2)
            await asterisk.start()
            await ari.wait_connected(5)

    async def test_waiting_requests_fail_at_once_when_the_socket_drops(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        async with given_connected(asterisk) as ari:
            asterisk.script = lambda _: None
            futures = [ari.send("POST", f"channels/{n}/answer", timeout=60) for n in range(3)]
            await eventually(lambda: len(asterisk.requests) == 4)
            await asterisk.drop()
            async with asyncio.timeout(5):
                outcomes = await asyncio.gather(*futures, return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [AriError] * 3
        assert "not known" in str(outcomes[0])

    async def test_a_socket_that_pongs_but_answers_nothing_is_given_up(
        self, asterisk: ScriptedAsterisk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given_quick_heartbeats(monkeypatch)
        heard = Heard()
        async with given_connected(asterisk, heard):
            await eventually(lambda: asterisk.heartbeats > 5)
            assert len(asterisk.handshakes) == 1
            asterisk.alive = False
            await eventually(lambda: len(asterisk.handshakes) > 1)
            asterisk.alive = True

        assert heard.story[:2] == ["connected", "disconnected"]

    async def test_a_given_up_socket_of_our_own_that_replaces_us_does_not_stop_us(
        self, asterisk: ScriptedAsterisk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given_quick_heartbeats(monkeypatch)
        heard = Heard()
        async with given_connected(asterisk, heard) as ari:
            asterisk.alive = False
            await eventually(lambda: heard.story[:2] == ["connected", "disconnected"])
            asterisk.alive = True
            await ari.wait_connected(5)
            handshakes = len(asterisk.handshakes)
            await asterisk.say(
                {"type": "ApplicationReplaced", "application": "ess", "timestamp": "t"}
            )
            await eventually(lambda: len(asterisk.handshakes) > handshakes)
            await ari.wait_connected(5)

        assert "replaced" not in heard.story

    async def test_after_application_replaced_it_stops_for_good(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        heard = Heard()
        async with given_connected(asterisk, heard) as ari:
            await asterisk.say(
                {"type": "ApplicationReplaced", "application": "ess", "timestamp": "t"}
            )
            await eventually(lambda: heard.story[-1:] == ["disconnected"])
            await asyncio.sleep(0.2)  # twenty times the backoff: time enough to wrongly return
            with pytest.raises(AriError, match="took the application over"):
                await ari.call("GET", "channels")

        assert heard.story == ["connected", "replaced", "disconnected"]
        assert len(asterisk.handshakes) == 1

    async def test_another_applications_replacement_is_not_ours(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        heard = Heard()
        async with given_connected(asterisk, heard) as ari:
            await asterisk.say(
                {"type": "ApplicationReplaced", "application": "other", "timestamp": "t"}
            )
            await eventually(lambda: heard.events)
            assert ari.connected


class TestRequests:
    async def test_requests_leave_in_the_order_of_the_calls_without_waiting(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        async with given_connected(asterisk) as ari:
            futures = [ari.send("POST", f"channels/{n}") for n in range(200)]
            await asyncio.gather(*futures)

        uris = [request["uri"] for request in asterisk.requests[1:]]
        assert uris == [f"channels/{n}" for n in range(200)]

    async def test_an_error_status_is_raised_with_status_and_words(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        async with given_connected(asterisk) as ari:
            asterisk.script = lambda _: {
                **{"status_code": 409, "message_body": '{"message":"Channel not in Stasis"}'}
            }
            with pytest.raises(AriRefusedError) as refused:
                await ari.call("POST", "channels/1/answer")

        assert (refused.value.status, refused.value.reason) == (409, "Channel not in Stasis")

    async def test_a_request_never_answered_times_out_and_a_late_answer_is_harmless(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        async with given_connected(asterisk) as ari:
            asterisk.script = lambda _: None
            with pytest.raises(AriTimeoutError, match=r"within 0\.05 s"):
                await ari.call("POST", "channels/1/answer", timeout=0.05)
            asterisk.script = ok
            with capture_logs() as logs:
                await asterisk.answer(asterisk.requests[-1]["request_id"])
                assert await ari.call("POST", "channels/2/answer") == {}

        assert "ari.late_answer" in [entry["event"] for entry in logs]

    async def test_a_short_timeout_is_kept_behind_a_long_one(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        async with given_connected(asterisk) as ari:
            asterisk.script = lambda _: None
            ari.send("POST", "slow", timeout=60)
            async with asyncio.timeout(5):
                with pytest.raises(AriTimeoutError):
                    await ari.call("POST", "quick", timeout=0.05)

    async def test_a_caller_that_went_away_disturbs_nobody(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        async with given_connected(asterisk) as ari:
            asterisk.script = lambda _: None
            ari.send("GET", "left").cancel()
            await eventually(lambda: asterisk.asked("left"))
            await asterisk.answer(asterisk.requests[-1]["request_id"])
            asterisk.script = ok
            assert await ari.call("GET", "next") == {}

    async def test_subscribe_names_the_source(self, asterisk: ScriptedAsterisk) -> None:
        async with given_connected(asterisk) as ari:
            await ari.subscribe("endpoint:PJSIP/201")

        assert asterisk.asked("applications/ess/subscription")[0]["query_strings"] == [
            {"name": "eventSource", "value": "endpoint:PJSIP/201"}
        ]


class TestBypass:
    async def test_while_the_socket_is_stuck_get_and_delete_go_over_http(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        async with given_connected(asterisk) as ari:
            asterisk.script = lambda _: None
            with pytest.raises(AriTimeoutError):
                await ari.call("GET", "channels", timeout=0.05)
            stuck = asterisk.requests[-1]

            assert await ari.call("GET", "channels", query={"a": "b c"}) == {"over": "http"}
            assert await ari.call("DELETE", "channels/a%2Fb") == {"over": "http"}
            with pytest.raises(AriTimeoutError):
                await ari.call("POST", "channels/1/answer", timeout=0.05)
            asterisk.script = ok
            with capture_logs() as logs:
                await asterisk.answer(stuck["request_id"])
                await eventually(lambda: "ari.late_answer" in [entry["event"] for entry in logs])
            assert await ari.call("GET", "channels") == {}

        assert asterisk.http_requests == ["GET /ari/channels?a=b+c", "DELETE /ari/channels/a%2Fb"]

    async def test_http_refusals_are_the_same_errors(self, asterisk: ScriptedAsterisk) -> None:
        async with given_connected(asterisk) as ari:
            with pytest.raises(AriRefusedError, match="404 No such thing"):
                await ari.http("GET", "channels/none")
            with pytest.raises(AriRefusedError, match="404 No such thing"):
                async for _ in ari.download("recordings/stored/none"):
                    pass

    async def test_a_recording_comes_whole(self, asterisk: ScriptedAsterisk) -> None:
        async with given_connected(asterisk) as ari:
            pieces = [piece async for piece in ari.download("recordings/stored/r/file")]

        assert b"".join(pieces) == b"RIFF" * 50_000
        assert len(pieces) > 1

    async def test_what_is_not_json_is_an_error_that_points_to_download(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        async with given_connected(asterisk) as ari:
            with pytest.raises(AriError, match="download"):
                await ari.http("GET", "recordings/stored/r/file")


class TestEvents:
    async def test_a_burst_keeps_its_order_and_requests_are_answered_meanwhile(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        heard = Heard()
        gate = asyncio.Event()

        async def slow(event: Event) -> None:
            await gate.wait()
            heard.event(event)

        async with given_connected(asterisk, heard, on_event=slow) as ari:

            async def burst() -> None:
                for number in range(10_000):
                    await asterisk.say(user_event(str(number)))

            bursting = asyncio.create_task(burst())
            while not bursting.done():
                assert await ari.call("POST", "channels/1/answer") == {}
            await eventually(lambda: ari.backlog >= 9_999)
            assert heard.events == []
            gate.set()
            assert await ari.call("POST", "channels/2/answer") == {}
            assert len(heard.events) < 10_000
            await eventually(lambda: len(heard.events) == 10_000)

        assert heard.names() == [str(number) for number in range(10_000)]

    async def test_unknown_and_wrong_shaped_events_are_logged_and_the_next_one_comes(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        heard = Heard()
        with capture_logs() as logs:
            async with given_connected(asterisk, heard):
                await asterisk.say({"type": "Tsunami"})
                await asterisk.say({"type": "ChannelUserevent", "eventname": 7})
                await asterisk.say("not JSON")
                await asterisk.say(user_event("fine"))
                await eventually(lambda: heard.events)

        assert heard.names() == ["fine"]
        logged = [entry["event"] for entry in logs]
        assert logged.count("ari.unknown_event") == 1
        assert logged.count("ari.garbage") == 2

    async def test_a_handler_that_raises_does_not_stop_the_events(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        heard = Heard()

        def failing(event: Event) -> None:
            heard.event(event)
            if len(heard.events) == 1:
                raise ZeroDivisionError

        with capture_logs() as logs:
            async with given_connected(asterisk, heard, on_event=failing):
                await asterisk.say(user_event("first"))
                await asterisk.say(user_event("second"))
                await eventually(lambda: len(heard.events) == 2)

        assert "ari.handler_failed" in [entry["event"] for entry in logs]


class TestClosing:
    async def test_close_may_be_called_again_and_fails_what_waits(
        self, asterisk: ScriptedAsterisk
    ) -> None:
        heard = Heard()
        async with given_connected(asterisk, heard) as ari:
            asterisk.script = lambda _: None
            waiting = ari.send("POST", "channels/1/answer", timeout=60)
            await ari.close()
            await ari.close()

            with pytest.raises(AriError, match="closed"):
                await waiting
            with pytest.raises(AriError):
                await ari.call("GET", "channels")
            with pytest.raises(AriError):
                await ari.http("GET", "channels")
        assert "disconnected" not in heard.story

    async def test_close_from_a_handler_ends_everything(self, asterisk: ScriptedAsterisk) -> None:
        before = asyncio.all_tasks()
        ari: AriConnection | None = None

        async def close() -> None:
            assert ari is not None
            await ari.close()

        ari = given_connection(asterisk, Heard(), on_connected=close)
        await ari.start()
        ours = {task for task in asyncio.all_tasks() - before if task.get_name().startswith("ari-")}
        assert len(ours) == 2

        await eventually(lambda: all(task.done() for task in ours))

    async def test_close_before_start_is_fine(self, asterisk: ScriptedAsterisk) -> None:
        ari = given_connection(asterisk, Heard())
        await ari.close()

        with pytest.raises(RuntimeError):
            await ari.start()
