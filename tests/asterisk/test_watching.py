"""What is watched beside calls, on the real Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.demo.stage import HOST
from ess_pbx.domain.config import SyntheticCall
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine import service
from ess_pbx.engine.service import Engine
from ess_pbx.phones.softphone import Answer
from ess_pbx.settings.credentials import Credentials

from .story import SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

QUALIFIED_WITHIN = 20.0
"""Seconds: asked every second, with two to answer, and Asterisk begins when it likes."""
_ECHOED = ("via:", "from:", "to:", "call-id:", "cseq:")


class Telco(asyncio.DatagramProtocol):
    """The telco's side of a trunk, which answers OPTIONS while ``answers`` (RFC 3261 §11.2)."""

    def __init__(self) -> None:
        self.answers = True
        self.asked = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        lines = data.decode().split("\r\n")
        if not lines[0].startswith("OPTIONS "):
            return
        self.asked += 1
        if self.answers:
            echoed = [line for line in lines if line.lower().startswith(_ECHOED)]
            answer = ["SIP/2.0 200 OK", *echoed, "Content-Length: 0", "", ""]
            self._transport.sendto("\r\n".join(answer).encode(), address)


async def test_a_trunk_that_does_not_answer_options_is_an_alarm_until_it_does(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(started=False)
    trunk = replace(story.settings.trunks[0], qualify=1)
    story.settings = replace(story.settings, trunks=(trunk, *story.settings.trunks[1:]))
    story.installation.settings = story.settings
    loop = asyncio.get_running_loop()
    transport, telco = await loop.create_datagram_endpoint(Telco, local_addr=(HOST, trunk.port))
    try:
        await story.given_it_runs()
        await until(lambda: telco.asked > 1, "the telco is asked", QUALIFIED_WITHIN)
        alarm = f"trunk-down:{trunk.id}"
        assert story.told_of(FactKind.ALARM_RAISED, alarm=alarm) == []

        telco.answers = False
        raised = await story.assert_fact(FactKind.ALARM_RAISED, QUALIFIED_WITHIN, alarm=alarm)
        assert f"{HOST}:{trunk.port}" in str(raised.data["detail"])
        assert story.engine.centres["contoh"].alarms.standing[alarm]

        telco.answers = True
        await story.assert_fact(FactKind.ALARM_CLEARED, QUALIFIED_WITHIN, alarm=alarm)
        assert len(story.told_of(FactKind.ALARM_RAISED, alarm=alarm)) == 1
    finally:
        transport.close()


async def test_a_trunk_that_is_not_to_be_asked_gets_no_options(given_centre: GivenCentre) -> None:
    story = await given_centre(started=False)
    trunk = story.settings.trunks[0]
    loop = asyncio.get_running_loop()
    transport, telco = await loop.create_datagram_endpoint(Telco, local_addr=(HOST, trunk.port))
    try:
        await story.given_it_runs()
        rendered = (story.installation.folders.etc / "pjsip.conf").read_text()
        assert "qualify_frequency" not in rendered.split(f"[{trunk.id}](trunk)")[1].split("\n\n")[1]
        found = await story.engine.ari.call("GET", f"endpoints/PJSIP/{trunk.id}")
        assert found is not None
        assert telco.asked == 0
    finally:
        transport.close()


async def test_without_asterisk_it_is_an_alarm_and_with_it_again_it_is_not(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.installation.asterisk.stop()
    await story.assert_fact(FactKind.ALARM_RAISED, alarm="asterisk")
    await story.installation.asterisk.start()
    await story.assert_fact(FactKind.ALARM_CLEARED, alarm="asterisk")


TEST_NUMBER = "0254112999"
SILENCE = b"\xd5"
"""A sample of no sound in A-law (G.711)."""
PATIENT = 8.0
"""Seconds for a test call that is to succeed on a busy machine."""
TESTED = SyntheticCall(number=TEST_NUMBER, every=1.0, within=3.0, failures=2)


@pytest.fixture
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test calls are begun when the clock is read."""
    monkeypatch.setattr(service, "CLOCK_SECONDS", 0.3)


def results(story: Story) -> list[Any]:
    return [fact.data["result"] for fact in story.told_of(FactKind.SYNTHETIC_CALL)]


class Line:
    """The engine's line to Asterisk, which can be frozen: open, and nothing passes."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._ways: set[asyncio.Task[None]] = set()
        self.port = 0

    def freeze(self) -> None:
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Line]:
        server = await asyncio.start_server(self._joined, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for way in self._ways:
                way.cancel()
            await asyncio.gather(*self._ways, return_exceptions=True)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = await asyncio.open_connection(HOST, self._target)
        for one, other in ((reader, far[1]), (far[0], writer)):
            way = asyncio.create_task(self._pass(one, other))
            self._ways.add(way)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._thawed.wait()
                writer.write(data)
        writer.close()


def given_its_line_goes_through(story: Story, line: Line) -> None:
    """The story's engine finds its Asterisk at the other end of this line."""

    def make(credentials: Credentials, on_fact: Callable[[Fact], None] | None) -> Engine:
        asterisk = replace(story.settings.asterisk, ari_port=line.port)
        settings = replace(story.settings, asterisk=asterisk)
        return Engine(settings, credentials, story.installation.folders, on_fact=on_fact)

    story.installation.make_engine = make  # type: ignore[method-assign]


async def test_a_test_call_comes_in_by_sip_is_answered_and_each_end_hears_the_other(
    given_centre: GivenCentre,
    quick_clock: None,  # noqa: ARG001 - for its effect
) -> None:
    story = await given_centre(synthetic_call=replace(TESTED, within=PATIENT))
    await story.given_operators("1001", behaviour=Answer(0.1))
    await until(lambda: len(results(story)) >= 3, "three test calls", 3 * PATIENT)
    told = story.told_of(FactKind.SYNTHETIC_CALL)[:3]
    assert [fact.data["result"] for fact in told] == ["ok"] * 3
    for fact in told:
        assert fact.call is None
        assert 0 < fact.data["answered_ms"] <= fact.data["heard_ms"]  # type: ignore[operator]
        assert fact.data["heard_ms"] < 1000 * PATIENT  # type: ignore[operator]

    others = {FactKind.CALL_ARRIVED, FactKind.CALL_ENDED, FactKind.QUEUED, FactKind.OFFERED}
    others |= {FactKind.RECORDING_STARTED, FactKind.RECORDING_FINISHED}
    assert [fact.kind for fact in story.facts if fact.kind in others] == []
    assert story.phones.calls == []
    recordings = story.settings.folders.recordings
    files = [recordings / "uji" / f"{fact.data['channel']}.raw" for fact in told]
    await until(lambda: not any(each.exists() for each in files), "test recordings are gone")
    assert list(recordings.glob("*.raw")) == []
    for alarm in ("synthetic-call", "recording-failed", "test-not-recorded"):
        assert story.told_of(FactKind.ALARM_RAISED, alarm=alarm) == []


async def test_whoever_else_dials_the_test_number_is_a_caller(
    given_centre: GivenCentre,
    quick_clock: None,  # noqa: ARG001 - for its effect
) -> None:
    story = await given_centre(synthetic_call=TESTED)
    await story.given_operators("1001", behaviour=Answer(0.1))
    caller = await story.when_caller_dials(TEST_NUMBER)
    await caller.chooses("1")
    call = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, call)
    await until(lambda: "ok" in results(story), "a test call beside it", 20)


async def test_a_frozen_line_is_an_alarm_after_some_failures_and_none_once_a_call_is_heard(
    given_centre: GivenCentre,
    quick_clock: None,  # noqa: ARG001 - for its effect
) -> None:
    story = await given_centre(started=False, synthetic_call=TESTED)
    async with Line(story.settings.asterisk.ari_port).open() as line:
        given_its_line_goes_through(story, line)
        await story.given_it_runs()
        await story.given_operators("1001")
        await until(lambda: "ok" in results(story), "a test call that is heard", 20)
        line.freeze()
        raised = await story.assert_fact(FactKind.ALARM_RAISED, 30, alarm="synthetic-call")
        assert "2 test calls in a row failed" in str(raised.data["detail"])
        assert story.phones.calls == []  # no phone rings for a test that nobody claimed
        line.thaw()
        await story.assert_fact(FactKind.ALARM_CLEARED, 30, alarm="synthetic-call")
        assert len(story.told_of(FactKind.ALARM_RAISED, alarm="synthetic-call")) == 1


async def test_a_way_in_that_is_broken_is_told_by_how_far_the_call_came(
    given_centre: GivenCentre,
    quick_clock: None,  # noqa: ARG001 - for its effect
) -> None:
    story = await given_centre(started=False, synthetic_call=TESTED)
    story.installation.prepare()
    rendered = story.installation.folders.etc / "pjsip.conf"
    whole = rendered.read_text()
    rendered.write_text(whole.replace("endpoint = uji\n", "endpoint = nobody\n"))
    await story.given_it_runs()
    raised = await story.assert_fact(FactKind.ALARM_RAISED, 30, alarm="synthetic-call")
    assert "not-sent" in str(raised.data["detail"])


async def test_a_centre_that_says_nothing_is_not_heard_and_that_is_an_alarm(
    given_centre: GivenCentre,
    quick_clock: None,  # noqa: ARG001 - for its effect
) -> None:
    story = await given_centre(started=False, synthetic_call=TESTED)
    story.installation.prepare()
    sentence = story.installation.folders.prompts / "id" / "panggilan-uji.alaw"
    sentence.write_bytes(SILENCE * sentence.stat().st_size)
    await story.given_it_runs()
    raised = await story.assert_fact(FactKind.ALARM_RAISED, 30, alarm="synthetic-call")
    assert "centre-not-heard" in str(raised.data["detail"])
    not_heard = story.told_of(FactKind.SYNTHETIC_CALL, result="centre-not-heard")
    assert not_heard
    assert all(fact.data["answered_ms"] for fact in not_heard)
