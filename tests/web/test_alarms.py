"""What is wrong beside calls: raised once and cleared once, on record, live and in the figures."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from msgspec.structs import replace

from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.engine import disk_watch
from ess_pbx.engine.journal import RESERVE_SECONDS
from ess_pbx.settings.model import Webhook
from ess_pbx.watching import behind
from ess_pbx.watching import watch as watching
from ess_pbx.watching.recorded import was_recorded

from .story import PINS, SUPERVISOR, Person, Service, centre_settings, until

CHANGES = (FactKind.ALARM_RAISED, FactKind.ALARM_CLEARED)


class Watched(Service):
    """A service whose alarms are listened to."""

    def __init__(self, folder: Path, hooks: tuple[Webhook, ...] = ()) -> None:
        settings = replace(centre_settings(folder / "s"), webhook=hooks)
        settings.folders.recordings.mkdir(parents=True)
        super().__init__(settings, watched=True)
        self.alarms: list[tuple[str, str]] = []
        self.engine.listeners.append(self._hear)

    def _hear(self, fact: Fact) -> None:
        if fact.kind in CHANGES:
            self.alarms.append((str(fact.data["alarm"]), str(fact.kind)))

    def of(self, alarm: str) -> list[str]:
        """What was told of this alarm, in order."""
        return [kind.removeprefix("alarm_") for name, kind in self.alarms if name == alarm]


class Receiver:
    """Where webhooks go."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        """Alarms, and whether each was raised or cleared, in order."""
        self.hook = Webhook(id="jaga", url="http://127.0.0.1", secret_env="ESS_HOOK")

    async def take(self, request: web.Request) -> web.Response:
        message = await request.json()
        self.told.append((message["alarm"], message["event"]))
        return web.Response()


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/alarm", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("ESS_HOOK", "0123456789abcdef")
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/alarm"
    receiver.hook = replace(receiver.hook, url=url)
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(watching, "AWAY_SECONDS", 0.2)
    monkeypatch.setattr(behind, "LOOK_SECONDS", 0.05)
    service = Watched(tmp_path)
    service.engine.ari._ready.set()
    await service.start()
    yield service
    await service.stop()


async def test_nothing_is_wrong_where_nothing_is(watched: Watched) -> None:
    for _ in range(5):
        await watched.watch.look()
    assert watched.alarms == []


async def test_a_lost_line_to_asterisk_is_an_alarm_until_it_is_back(watched: Watched) -> None:
    watched.engine.ari._ready.clear()
    await until(lambda: watched.of("asterisk") == ["raised"], "raised")
    watched.engine.ari._ready.set()
    await until(lambda: watched.of("asterisk") == ["raised", "cleared"], "cleared")


async def test_a_disk_that_refuses_facts_is_an_alarm_that_is_on_record_when_it_takes_them(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = watched.engine.journal
    monkeypatch.setattr("ess_pbx.engine.journal.RESERVE_SECONDS", 0.0)
    with monkeypatch.context() as full:
        full.setattr(journal, "_commit", refuse)
        watched.engine.dispatcher.record(None, FactKind.NO_OPERATOR, {"queue": "umum"})
        await until(lambda: watched.of("journal") == ["raised"], "raised")
    await until(lambda: watched.of("journal")[-1] == "cleared", "cleared")
    await asyncio.wait_for(journal.flushed(journal.durable + journal.waiting), 5)
    kept = [f for _, f in journal.read() if f.kind in CHANGES and f.data["alarm"] == "journal"]
    assert {fact.kind for fact in kept} == {"alarm_raised", "alarm_cleared"}


async def test_while_facts_are_written_on_the_reserve_it_is_an_alarm(watched: Watched) -> None:
    reserve = watched.engine.journal._reserve
    assert reserve.release()
    await until(lambda: watched.of("journal") == ["raised"], "raised")
    reserve._tried = -RESERVE_SECONDS
    watched.engine.dispatcher.record(None, FactKind.NO_OPERATOR, {"queue": "umum"})
    await until(lambda: watched.of("journal") == ["raised", "cleared"], "cleared")


async def test_a_disk_that_is_nearly_full_from_the_start_is_told_and_that_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setattr(disk_watch, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(disk_watch, "LOW_SHARE", 1.0)
    monkeypatch.setattr(disk_watch, "LOW_BYTES", 2**62)
    watched = Watched(tmp_path, hooks=(receiver.hook,))
    watched.engine.ari._ready.set()
    await watched.start()
    try:
        await until(lambda: ("disk:state", "raised") in receiver.told, "the webhook is told")
        raised = watched.watch.metrics._alarms_raised.labels("contoh", "disk")
        assert raised._value.get() == 1
        assert watched.of("disk:state") == ["raised"]
        monkeypatch.setattr(disk_watch, "LOW_BYTES", 0)
        await until(lambda: ("disk:state", "cleared") in receiver.told, "and that it is over")
        assert watched.of("disk:state") == ["raised", "cleared"]
    finally:
        await watched.stop()


async def test_a_database_that_is_away_is_an_alarm_until_it_has_all_facts(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError("database is away")

    await watched.engine.stored(5)
    monkeypatch.setattr(watched.watch._behind, "_within", 1.0)
    with monkeypatch.context() as stopped:
        stopped.setattr(watched.engine._storing._projector, "_store", away)
        watched.when_a_call_arrives()
        await until(lambda: watched.of("database") == ["raised"], "raised")
        assert watched.engine.not_stored > 0
    await until(lambda: watched.of("database") == ["raised", "cleared"], "cleared")
    await watched.engine.stored(5)


async def test_a_test_call_that_left_no_recording_is_an_alarm_until_one_does(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "was_recorded", partial(was_recorded, within=0.3))
    folder = watched.settings.folders.recordings / "uji"
    await asyncio.to_thread(folder.mkdir)

    def when_it_is_over(result: str = "ok") -> None:
        data: dict[str, JSON] = {"channel": "ess1-1.1", "result": result}
        watched.engine.dispatcher.record(None, FactKind.SYNTHETIC_CALL, data)

    when_it_is_over()
    await until(lambda: watched.of("test-not-recorded") == ["raised"], "raised")
    await asyncio.to_thread((folder / "ess1-1.1.raw").write_bytes, b"\x00" * 320)
    when_it_is_over()
    await until(lambda: watched.of("test-not-recorded") == ["raised", "cleared"], "cleared")
    when_it_is_over("centre-not-heard")
    await until(lambda: not watched.watch._working, "looked at")
    assert watched.of("test-not-recorded") == ["raised", "cleared"]


async def test_alarms_are_heard_on_the_live_feed(watched: Watched) -> None:
    async with aiohttp.ClientSession() as session:
        person = Person(session, watched.url)
        supervisor = await person.signs_in(SUPERVISOR, PINS[SUPERVISOR])
        async with supervisor.feed() as feed:
            await feed.next()
            watched.engine.ari._ready.clear()
            raised = (await feed.until_fact("alarm_raised"))[-1]
            watched.engine.ari._ready.set()
            cleared = (await feed.until_fact("alarm_cleared"))[-1]
    assert raised["data"]["alarm"] == cleared["data"]["alarm"] == "asterisk"


async def test_an_alarm_of_an_engine_before_is_cleared_by_the_next_that_finds_nothing_wrong(
    tmp_path: Path,
) -> None:
    before = Watched(tmp_path / "a")
    await before.start()
    before.watch.tell("database", "the database takes no facts")
    await before.stop()
    after = Service(before.settings, watched=True)
    await after.start()
    try:
        await until(lambda: "database" not in after.core.alarms.standing, "cleared")
    finally:
        await after.stop()


async def test_a_webhook_is_told_of_an_alarm_and_of_its_end(
    tmp_path: Path, receiver: Receiver
) -> None:
    watched = Watched(tmp_path, hooks=(replace(receiver.hook, alarms=("asterisk",)),))
    watched.engine.ari._ready.set()
    await watched.start()
    try:
        watched.watch.tell("roster", "baris 3")
        watched.watch.tell("asterisk", "Asterisk does not answer; see its log")
        watched.watch.tell("asterisk", None)
        told = [("asterisk", "raised"), ("asterisk", "cleared")]
        await until(lambda: receiver.told == told, "both are told")
        delivered = watched.watch.metrics.webhooks.labels("jaga", "delivered")
        await until(lambda: delivered._value.get() == 2, "both are counted")
    finally:
        await watched.stop()
