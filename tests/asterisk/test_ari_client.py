"""The ARI client against the real Asterisk.

``PrivateAsterisk`` is a minimal one of this file's own; a shared fixture may take its place, as
long as it gives host, port, user, password, ``kill()`` and ``start()`` on the same port.
"""

import asyncio
import os
import secrets
import signal
import socket
import statistics
import subprocess
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from ess_pbx.ari.connection import AriConnection
from ess_pbx.ari.models import (
    Application,
    AsteriskInfo,
    CallBroadcast,
    Channel,
    Event,
    StasisEnd,
    StasisStart,
)
from ess_pbx.ari.protocol import path
from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.errors import AriError, AriRefusedError, RuntimeMissingError
from ess_pbx.runtime import Runtime

pytestmark = pytest.mark.asterisk

MODULES = (
    *("res_timing_timerfd", "res_http_websocket", "res_websocket_client"),
    *("res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb"),
    *("res_stasis", "res_stasis_answer", "res_stasis_playback", "res_stasis_recording"),
    *("res_stasis_snoop", "res_stasis_device_state", "res_stasis_broadcast"),
    *("res_ari", "res_ari_model", "res_ari_applications", "res_ari_asterisk", "res_ari_bridges"),
    *("res_ari_channels", "res_ari_device_states", "res_ari_endpoints", "res_ari_events"),
    *("res_ari_playbacks", "res_ari_recordings", "res_ari_sounds"),
    *("app_stasis", "app_stasis_broadcast", "pbx_config", "chan_bridge_media"),
    *("bridge_simple", "bridge_softmix", "codec_ulaw", "codec_alaw", "format_pcm", "format_wav"),
)

EXTENSIONS = """
[default]
exten = hold,1,Answer()
 same = n,Wait(60)
exten = claim,1,StasisBroadcast(10000)
 same = n,Wait(60)
"""

START_SECONDS = 30


class PrivateAsterisk:
    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.host = "127.0.0.1"
        self.user = "engine"
        self.password = secrets.token_hex(8)
        self.port = free_port(socket.SOCK_STREAM)
        self._runtime = runtime
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._configure()

    def start(self) -> None:
        configuration = self._folder / "etc" / "asterisk.conf"
        with (self._folder / "out.txt").open("ab") as out:
            self._process = subprocess.Popen(
                [*self._runtime.command("asterisk"), "-C", str(configuration), "-f"],
                env={**os.environ, **self._runtime.environment("asterisk")},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def kill(self) -> None:
        """As ``kill -9``; returns once it is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """As ``kill -STOP``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """As ``kill -CONT``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def store_recording(self, name: str, seconds: int) -> bytes:
        """Put a recording where Asterisk keeps them; its bytes."""
        file = self._folder / "spool" / "recording" / f"{name}.wav"
        with wave.open(str(file), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(secrets.token_bytes(16_000 * seconds))
        return file.read_bytes()

    def _configure(self) -> None:
        folders = {
            **{"astetcdir": "etc", "astrundir": "run", "astlogdir": "log", "astspooldir": "spool"},
            **{"astvarlibdir": "lib", "astdbdir": "lib", "astkeydir": "lib", "astagidir": "lib"},
            "astcachedir": "cache",
        }
        for name in (*sorted(set(folders.values())), "spool/recording"):
            (self._folder / name).mkdir()
        places = {key: self._folder / name for key, name in folders.items()}
        places["astmoddir"] = self._runtime.modules_dir()
        places["astdatadir"] = self._runtime.data_dir("asterisk")
        directories = "".join(f"{key} => {place}\n" for key, place in places.items())
        self._write("asterisk.conf", f"[directories]\n{directories}")
        self._write("logger.conf", "[logfiles]\nmessages => notice,warning,error\n")
        loads = "".join(f"load = {module}.so\n" for module in MODULES)
        self._write("modules.conf", f"[modules]\nautoload = no\n{loads}")
        self._write(
            "http.conf",
            f"[general]\nenabled = yes\nbindaddr = {self.host}\nbindport = {self.port}\n",
        )
        self._write(
            "ari.conf",
            "[general]\nenabled = yes\nwebsocket_write_timeout = 5000\n"
            f"[{self.user}]\ntype = user\npassword = {self.password}\n",
        )
        self._write("extensions.conf", EXTENSIONS)

    def _write(self, name: str, text: str) -> None:
        (self._folder / "etc" / name).write_text(text)


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateAsterisk]:
    try:
        private = PrivateAsterisk(Runtime.find(), tmp_path_factory.mktemp("asterisk"))
    except RuntimeMissingError as missing:
        pytest.skip(str(missing))
    private.start()
    yield private
    private.kill()


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.story: list[str] = []

    def started(self, channel_id: str) -> list[StasisStart]:
        starts = (event for event in self.events if isinstance(event, StasisStart))
        return [event for event in starts if event.channel.id == channel_id]


@asynccontextmanager
async def given_connected(
    asterisk: PrivateAsterisk, heard: Heard, app: str = "ess", **options: Any
) -> AsyncIterator[AriConnection]:
    async with AriConnection(
        *(asterisk.host, asterisk.port, app, asterisk.user, asterisk.password),
        **{
            "on_event": heard.events.append,
            "on_connected": lambda: heard.story.append("connected"),
            "on_disconnected": lambda _: heard.story.append("disconnected"),
            "on_replaced": lambda: heard.story.append("replaced"),
            **options,
        },
    ) as ari:
        await ari.wait_connected(START_SECONDS)
        yield ari


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def ari(asterisk: PrivateAsterisk, heard: Heard) -> AsyncIterator[AriConnection]:
    async with given_connected(asterisk, heard, allowed_events=["StasisStart", "StasisEnd"]) as ari:
        yield ari


async def eventually(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is Asterisk's
            await asyncio.sleep(0.005)


async def stays_connected(ari: AriConnection, seconds: float) -> None:
    since = time.monotonic()
    async with asyncio.timeout(START_SECONDS):
        while time.monotonic() - since < seconds:
            if not ari.connected:
                since = time.monotonic()
            await asyncio.sleep(0.005)


async def originate(ari: AriConnection, channel_id: str) -> Channel:
    answer = await ari.call(
        "POST",
        "channels",
        query={
            **{"endpoint": "Local/hold@default", "app": ari.app, "appArgs": "leg,7"},
            **{"channelId": channel_id, "otherChannelId": f"{channel_id}-other"},
        },
        body={"variables": {"ESS_CALL": "c1"}},
    )
    return msgspec.convert(answer, Channel)


async def test_asterisk_tells_its_version(ari: AriConnection) -> None:
    info = msgspec.convert(await ari.call("GET", "asterisk/info"), AsteriskInfo)

    assert info.system is not None
    assert info.system.version.startswith("22.")


async def test_the_event_filter_is_in_force(ari: AriConnection) -> None:
    application = msgspec.convert(await ari.call("GET", "applications/ess"), Application)

    allowed = {event["type"] for event in application.events_allowed}
    assert allowed == {"StasisStart", "StasisEnd", "RESTResponse", "ApplicationReplaced"}


async def test_what_is_not_there_is_refused_with_404_on_both_ways(ari: AriConnection) -> None:
    for way in (ari.call, ari.http):
        with pytest.raises(AriRefusedError, match="Channel not found") as refused:
            await way("GET", "channels/nobody")
        assert refused.value.status == 404


async def test_a_channel_originated_into_the_app_starts_carries_our_data_and_ends(
    ari: AriConnection, heard: Heard
) -> None:
    with capture_logs() as logs:
        made = await originate(ari, "leg-1")
        await eventually(lambda: heard.started("leg-1"))
        variable = await ari.call("GET", "channels/leg-1/variable", query={"variable": "ESS_CALL"})
        over_http = await ari.http("GET", "channels/leg-1")
        over_socket = await ari.call("GET", "channels/leg-1")
        await ari.call("DELETE", "channels/leg-1")
        await eventually(lambda: any(isinstance(event, StasisEnd) for event in heard.events))

    assert made.id == "leg-1"
    assert heard.started("leg-1")[0].args == ["leg", "7"]
    assert variable == {"value": "c1"}
    assert over_http == over_socket
    assert {type(event) for event in heard.events} == {StasisStart, StasisEnd}
    assert [entry for entry in logs if entry["log_level"] in ("warning", "error")] == []


async def test_every_event_of_a_call_fits_the_models(asterisk: PrivateAsterisk) -> None:
    heard = Heard()
    with capture_logs() as logs:
        async with given_connected(asterisk, heard) as ari:
            await ari.call("POST", "bridges", query={"bridgeId": "b1", "type": "mixing"})
            await originate(ari, "leg-2")
            await eventually(lambda: heard.started("leg-2"))
            await ari.call("POST", "bridges/b1/addChannel", query={"channel": ["leg-2"]})
            await ari.call("POST", "channels/leg-2/play", query={"media": "sound:beep"})
            await ari.call(
                "POST", "bridges/b1/record", query={"name": f"r-{time.time()}", "format": "wav"}
            )
            await ari.call("DELETE", "channels/leg-2")
            await eventually(lambda: any(isinstance(event, StasisEnd) for event in heard.events))
            await ari.call("DELETE", "bridges/b1")

    assert len({type(event) for event in heard.events}) > 8
    unread = [entry for entry in logs if entry["event"] in ("ari.garbage", "ari.unknown_event")]
    assert unread == []


async def test_a_channel_id_with_odd_characters_is_reached_on_both_ways(
    ari: AriConnection, heard: Heard
) -> None:
    odd = "leg 3/50%?é"
    await originate(ari, odd)
    await eventually(lambda: heard.started(odd))

    assert await ari.call("GET", path("channels", odd)) == await ari.http(
        "GET", path("channels", odd)
    )
    await ari.call("DELETE", path("channels", odd))


async def test_a_call_broadcast_by_the_dialplan_is_claimed_once(asterisk: PrivateAsterisk) -> None:
    heard = Heard()
    async with given_connected(asterisk, heard, "ess") as ari:
        await ari.call(
            "POST",
            "channels",
            query={
                **{"endpoint": "Local/claim@default", "extension": "hold", "context": "default"},
                **{"channelId": "caller", "otherChannelId": "caller-in"},
            },
        )
        await eventually(lambda: any(isinstance(event, CallBroadcast) for event in heard.events))
        claim = {"channelId": "caller-in", "application": "ess"}
        await ari.call("POST", "events/claim", query=claim)
        await eventually(lambda: heard.started("caller-in"))
        with pytest.raises(AriRefusedError) as lost:
            await ari.call("POST", "events/claim", query=claim)
        await ari.call("DELETE", "channels/caller-in")

    assert lost.value.status in (404, 409)


async def test_a_stored_recording_comes_byte_for_byte(
    asterisk: PrivateAsterisk, ari: AriConnection
) -> None:
    stored = asterisk.store_recording("evidence", seconds=20)

    pieces = [piece async for piece in ari.download("recordings/stored/evidence/file")]

    assert b"".join(pieces) == stored


async def test_a_wrong_password_is_told_and_never_shown(asterisk: PrivateAsterisk) -> None:
    async with AriConnection(
        *(asterisk.host, asterisk.port, "ess", asterisk.user, "wrong-pass"),
        on_event=lambda _: None,
    ) as ari:
        with pytest.raises(AriError, match=r"does not know this user.*ari\.conf") as error:
            await ari.wait_connected(3)

    assert "wrong-pass" not in str(error.value)


async def test_a_second_engine_on_the_same_app_displaces_the_first_for_good(
    asterisk: PrivateAsterisk,
) -> None:
    first, second = Heard(), Heard()
    async with (
        given_connected(asterisk, first, "twice", allowed_events=["StasisStart"]) as displaced,
        given_connected(asterisk, second, "twice", allowed_events=["StasisStart"]) as owner,
    ):
        await eventually(lambda: first.story[-1] == "disconnected")
        assert not displaced.connected
        assert isinstance(await owner.call("GET", "channels"), list)

    assert first.story == ["connected", "replaced", "disconnected"]
    assert second.story == ["connected"]


async def test_a_killed_asterisk_that_comes_back_is_connected_to_again(
    asterisk: PrivateAsterisk,
) -> None:
    heard = Heard()
    async with given_connected(asterisk, heard, allowed_events=["StasisStart"]) as ari:
        waiting = ari.send("GET", "channels", timeout=60)
        asterisk.kill()
        async with asyncio.timeout(20):
            await asyncio.wait([waiting])
        await eventually(lambda: heard.story == ["connected", "disconnected"])
        with pytest.raises(AriError):
            await ari.call("GET", "channels")

        asterisk.start()
        await eventually(lambda: heard.story[-1] == "connected", START_SECONDS)
        await originate(ari, "leg-9")
        await eventually(lambda: heard.started("leg-9"))

    assert heard.story == ["connected", "disconnected", "connected"]


@pytest.mark.parametrize("attempts_while_frozen", [1, 3])
async def test_a_frozen_asterisk_is_noticed_and_connected_to_again_for_good(
    asterisk: PrivateAsterisk, monkeypatch: pytest.MonkeyPatch, attempts_while_frozen: int
) -> None:
    monkeypatch.setattr("ess_pbx.ari.connection.HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr("ess_pbx.ari.connection.HEARTBEAT_TIMEOUT", 0.25)
    monkeypatch.setattr("ess_pbx.ari.connection.CONNECT_SECONDS", 0.2)
    heard = Heard()
    with capture_logs() as logs:
        async with given_connected(asterisk, heard, "frozen") as ari:
            asterisk.freeze()
            try:
                await eventually(lambda: heard.story[-1] == "disconnected")
                before = len(logs)
                await eventually(
                    lambda: (
                        [entry["event"] for entry in logs[before:]].count("ari.connect_failed")
                        >= attempts_while_frozen
                    )
                )
            finally:
                asterisk.thaw()
                # On a busy machine an answer may take a quarter of a second.
                monkeypatch.undo()
            # Asterisk now lets the given-up sockets live and die, which may cost us ours once more.
            await stays_connected(ari, seconds=2.5)
            channel_id = f"thawed-{attempts_while_frozen}"
            await originate(ari, channel_id)
            await eventually(lambda: heard.started(channel_id))

    assert "replaced" not in heard.story
    assert heard.story[:2] == ["connected", "disconnected"]


async def test_the_median_request_takes_less_than_a_tenth_of_a_second_on_both_ways(
    ari: AriConnection, record_property: Callable[[str, object], None]
) -> None:
    async def median_us(way: Any) -> float:
        taken = []
        for _ in range(1000):
            began = time.perf_counter()
            await way("GET", "channels")
            taken.append(time.perf_counter() - began)
        return round(statistics.median(taken) * 1e6)

    figures = {"socket": await median_us(ari.call), "http": await median_us(ari.http)}

    record_property("request_p50_us", figures)
    print(f"\nGET channels, p50 of 1000 in us: {figures}")
    assert max(figures.values()) < 100_000
