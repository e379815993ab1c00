"""All that is watched of one engine, started and stopped together.

What is found wrong becomes an event of the centres that it concerns, and theirs an alarm on
record: raised once, cleared once, on the live feed, among the figures and on its way to webhooks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import structlog

from ess_pbx.asterisk.render import TESTS
from ess_pbx.domain import synthetic
from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine.disk_watch import disks
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.service import Engine
from ess_pbx.metrics import Metrics
from ess_pbx.settings.entry import home
from ess_pbx.settings.model import Settings, Trunk, Webhook
from ess_pbx.settings.webhook_checks import SECRET, SecretError, read_secret
from ess_pbx.watching import behind, trunks
from ess_pbx.watching.behind import BehindWatch
from ess_pbx.watching.loop_lag import watch_loop
from ess_pbx.watching.recorded import clear, was_recorded
from ess_pbx.watching.trunks import TrunkWatch
from ess_pbx.watching.webhook import AlarmMessages, Message, WebhookSender

ROOM_SECONDS = 5.0
AWAY_SECONDS = 3.0
"""A line to Asterisk that is back within so long is no alarm."""
STUCK_SECONDS = 2.0
"""A disk that has not taken facts for so long is one."""
NOT_RECORDED = "test-not-recorded"
RIGHT = "right again"


def _journal_trouble(journal: Journal) -> str | None:
    if journal.refused or journal.stuck >= STUCK_SECONDS:
        return f"{journal.folder}: the disk takes no facts, they are in memory only; see its disk"
    if not journal.has_reserve:
        return (
            f"{journal.folder}: the disk has no room for the reserve, without which facts are "
            "lost when it is full; free space on it"
        )
    return None


class Watch:
    """The watch over one engine, which was started."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.metrics = Metrics(engine)
        self._settings = settings
        self._engine = engine
        self._tasks: list[asyncio.Task[None]] = []
        self._working: set[asyncio.Task[None]] = set()
        self._told: dict[tuple[str, str], str | None] = {}
        self._connected = time.monotonic()
        self._behind = BehindWatch(settings.watching.database_behind)
        self._trunks = TrunkWatch(settings.trunks, engine.ari, self._trunk)
        self._senders: list[WebhookSender] = []
        self._ready = False
        """Whether the senders are there."""
        self._unsent: list[Message] = []
        """What was to be sent before; a disk may be full when the engine starts."""
        self._messages = AlarmMessages(settings.asterisk.node, self._put)
        self._log = structlog.get_logger(__name__)
        engine.listeners.append(self._hear)

    async def start(self, early: Iterable[Fact] = ()) -> None:
        """Begin, once the engine was started; ``early`` is what it told before it was watched."""
        for fact in early:
            self.metrics.told(fact)
            self._hear(fact)
        self.metrics.follow_journal()
        await asyncio.to_thread(clear, self._settings.folders.recordings / TESTS)
        watches: dict[str, Coroutine[Any, Any, None]] = {
            "loop-lag": watch_loop(self.metrics.loop_lag.observe),
            "disks": self._every(ROOM_SECONDS, self._measure_disks),
            "beside-calls": self._every(behind.LOOK_SECONDS, self.look),
        }
        for hook in self._settings.webhook:
            sender = await self._sender(hook)
            if sender is not None:
                self._senders.append(sender)
                watches[f"webhook-{hook.id}"] = sender.run()
        self._ready = True
        for message in self._unsent:
            self._put(message)
        if self._trunks.trunks:
            watches["trunks"] = self._every(trunks.LOOK_SECONDS, self._trunks.look)
        self._tasks = [asyncio.create_task(watch, name=name) for name, watch in watches.items()]

    async def stop(self) -> None:
        """End; a second call does nothing."""
        tasks = [*self._tasks, *self._working]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks = []

    def tell(self, alarm: str, trouble: str | None, centres: Iterable[str] | None = None) -> None:
        """Say what is wrong, or None for nothing, of these centres or all; only news goes on."""
        every = [each.config.id for each in self._engine.centres]
        for centre in every if centres is None else centres:
            if (alarm, centre) in self._told and self._told[alarm, centre] == trouble:
                continue
            self._told[alarm, centre] = trouble
            changed = AlarmChanged(alarm, trouble is not None, trouble or RIGHT, centre=centre)
            self._engine.dispatcher.feed(changed)

    async def look(self) -> None:
        """Look once at what the engine itself can say."""
        engine, now = self._engine, time.monotonic()
        if engine.ari.connected:
            self._connected = now
        away = now - self._connected >= AWAY_SECONDS
        self.tell("asterisk", "Asterisk does not answer; see its log" if away else None)
        journal = engine.journal
        self.tell("journal", _journal_trouble(journal))
        lag = engine.not_stored
        self.tell("database", self._behind.look(lag, journal.durable - lag, now))

    async def _measure_disks(self) -> None:
        """For the figures; that there is too little is told by ``engine.disk_watch``."""
        folders = self._settings.folders
        for name, folder in disks(folders.recordings, folders.state).items():
            with contextlib.suppress(OSError):
                room = await asyncio.to_thread(os.statvfs, folder)
                self.metrics.disk_free.labels(name).set(room.f_bavail * room.f_frsize)

    def _trunk(self, trunk: Trunk, trouble: str | None) -> None:
        concerned = dict.fromkeys((home(self._settings, trunk), *trunk.centres.values()))
        self.tell(f"trunk-down:{trunk.id}", trouble, concerned)

    def _hear(self, fact: Fact) -> None:
        if self._settings.webhook:
            self._messages.told(fact)
        if fact.kind == FactKind.SYNTHETIC_CALL and fact.data.get("channel"):
            self._in_background(self._look_at_test(fact))

    async def _look_at_test(self, fact: Fact) -> None:
        """A test call is recorded where no evidence is, which shows that calls can be."""
        channel = str(fact.data["channel"])
        recorded = await was_recorded(self._settings.folders.recordings / TESTS, channel)
        if recorded or fact.data["result"] == synthetic.OK:
            lacks = "a test call was heard and not recorded; see the disk of the recordings"
            self.tell(NOT_RECORDED, None if recorded else lacks, (fact.centre,))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    def _put(self, message: Message) -> None:
        if not self._ready:
            self._unsent.append(message)
            return
        for sender in self._senders:
            sender.put(message)

    async def _sender(self, hook: Webhook) -> WebhookSender | None:
        alarm = f"webhook:{hook.id}"
        try:
            secret = await asyncio.to_thread(read_secret, hook)
        except SecretError as error:
            # It was there when the settings were read; unsigned, nothing is sent.
            self.tell(alarm, f"{hook.id}: {error}; expected {SECRET}")
            return None
        outcomes, waiting = self.metrics.webhooks, self.metrics.webhook_waiting.labels(hook.id)
        return WebhookSender(
            hook,
            secret,
            count=lambda outcome: outcomes.labels(hook.id, outcome).inc(),
            waiting=waiting.set,
            tell=partial(self.tell, alarm),
        )

    async def _every(self, seconds: float, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await look()
            except Exception:
                # A defect of one look must not end the watch.
                self._log.exception("watch.failed")
            await asyncio.sleep(seconds)
