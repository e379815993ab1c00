"""The engine as a whole: core, journal, database and the line to Asterisk, started and ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.ari import models
from ess_pbx.ari.connection import AriConnection
from ess_pbx.ari.translate import EVENTS, Translator
from ess_pbx.asterisk.render import AsteriskFolders
from ess_pbx.db import migrate
from ess_pbx.db.configuration import sync_centre
from ess_pbx.db.connect import create_engine
from ess_pbx.db.projector import Projector
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.events import ClockRead, RosterRead, Stopping
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.engine import absence, fallback, recordings
from ess_pbx.engine.clock import Clock, SystemClock
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.executor import APP, NOT_FOUND, Executor
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.recall import recall
from ess_pbx.engine.roster_file import RosterFile
from ess_pbx.engine.segments import JournalError
from ess_pbx.engine.stream_watch import StreamWatch
from ess_pbx.engine.taking_stock import take_stock
from ess_pbx.errors import AriError, AriRefusedError
from ess_pbx.settings.credentials import Credentials
from ess_pbx.settings.model import Settings

CLOCK_SECONDS = 5.0
"""How often the wall clock is read: shifts change, and the clock may be set."""
DRAIN_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 1.0
"""How long until Asterisk is asked again for what it did not tell after a connect."""


class Engine:
    """One engine for one centre on one Asterisk. ``on_fact`` hears every fact as it is written."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        folders: AsteriskFolders,
        *,
        clock: Clock | None = None,
        on_fact: Callable[[Fact], None] | None = None,
    ) -> None:
        self.settings = settings
        self.core = CallCentre(settings.centre)
        self._folders = folders
        self._clock = clock or SystemClock()
        self._zone = ZoneInfo(settings.centre.time_zone)
        self._translator = Translator(settings)
        self._on_fact = on_fact
        self._log = structlog.get_logger(__name__)
        self._duty: frozenset[str] | None = None
        self._phones_known = False
        roster = settings.roster
        self._roster = None if roster is None else RosterFile(roster, settings.centre)
        self._roster_error: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing: set[CallId] = set()
        self._asterisk_started: float | None = None
        self._watches: list[asyncio.Task[None]] = []
        self._projector_task: asyncio.Task[None] | None = None
        self._database: AsyncEngine | None = None
        self._stopped = False
        self.replaced = asyncio.Event()
        """Set when another engine has taken this one's place."""
        self.ari = AriConnection(
            settings.asterisk.ari_host,
            settings.asterisk.ari_port,
            APP,
            APP,
            credentials.ari_password,
            on_event=self._on_event,
            on_connected=self._on_connected,
            on_disconnected=self._on_disconnected,
            on_replaced=self._on_replaced,
            allowed_events=EVENTS,
        )

    async def start(self, timeout: float = 15.0) -> None:  # noqa: ASYNC109 - for Asterisk only
        """Start all; returns when calls are taken.

        The database is not waited for: facts are in the journal until it is there. Raises AriError
        when Asterisk does not answer within ``timeout`` seconds.
        """
        settings = self.settings
        self.journal = Journal(settings.folders.state / "journal", on_trouble=self._journal_trouble)
        self.dispatcher = Dispatcher(
            self.core, self.journal, self._clock, self._call_over, self._on_fact
        )
        recalled = await asyncio.to_thread(recall, self.journal, self.core)
        self._log.info("journal.recalled", facts=recalled)
        self.dispatcher.checkpoint()
        self.dispatcher.executor = Executor(
            self.ari, self._folders.prompts, self.dispatcher.feed, self.settings.centre.language
        )
        self._database = create_engine(settings.database.url)
        self.projector = Projector(
            self.journal,
            self._database,
            prepare=self._prepare_database,
            on_trouble=lambda reason: self._log.error("database.trouble", reason=reason),
            on_recovered=lambda: self._log.info("database.recovered"),
        )
        self._projector_task = asyncio.create_task(self.projector.run(), name="projector")
        await self._read_roster()
        self._read_clock()
        self.streams = StreamWatch(self.ari, lambda: list(self.core.calls.values()))
        self._watches = [
            asyncio.create_task(self._watch_clock(), name="clock"),
            asyncio.create_task(self.streams.run(), name="streams"),
        ]
        await self.ari.start()
        await self.ari.wait_connected(timeout)

    async def stop(self) -> None:
        """Stop all. Calls in Asterisk go on; what was decided is in the journal and database."""
        if self._stopped:
            return
        self._stopped = True
        await self.ari.close()
        for watch in self._watches:
            watch.cancel()
        if not hasattr(self, "dispatcher"):
            return
        self.dispatcher.timers.cancel_all()
        await self.settled()
        self.dispatcher.write_log()
        await self.journal.close()
        if self._projector_task is not None:
            # A closed journal lets the projector finish; a database that is away does not.
            done, _ = await asyncio.wait([self._projector_task], timeout=DRAIN_SECONDS)
            if not done:
                self._log.warning("database.behind", facts=self.projector.lag)
                self._projector_task.cancel()
        projector = [] if self._projector_task is None else [self._projector_task]
        await asyncio.gather(*self._watches, *projector, return_exceptions=True)
        if self._database is not None:
            await self._database.dispose()

    async def end_calls(self, within: float = DRAIN_SECONDS) -> None:
        """End every call, on record and with its recording: their Asterisk is to be stopped.

        Waits at most ``within`` seconds.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.core.calls:
                    # Each time, for calls may still arrive; a call that is ending ignores it.
                    for call in list(self.core.calls):
                        self.dispatcher.feed(Stopping(call))
                    await asyncio.sleep(0.02)
                await self.settled()

    async def settled(self) -> None:
        """Wait until the recordings of calls that are over are finished."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stored(self, within: float) -> None:
        """Wait until all facts so far are in the database; raises TimeoutError."""
        await self.settled()
        sequence = self.journal.durable + self.journal.waiting
        await asyncio.wait_for(self.projector.reached(sequence), within)

    @property
    def duty(self) -> frozenset[str]:
        """Extensions of the operators whose shift it is."""
        return self._duty or frozenset()

    @property
    def failed_requests(self) -> int:
        """Requests to Asterisk that failed and mattered."""
        executor = self.dispatcher.executor
        return 0 if executor is None else executor.failures

    @property
    def tasks_left(self) -> int:
        """Timers and background work that belong to calls."""
        return len(self._tasks) + len(self.dispatcher.timers)

    async def _prepare_database(self, database: AsyncEngine) -> None:
        await asyncio.to_thread(migrate.upgrade, self.settings.database.url)
        await sync_centre(database, self.settings.centre, self.settings.trunks)

    def _on_event(self, event: models.Event) -> None:
        if isinstance(event, models.CallBroadcast):
            # The dialplan offers a call to every engine; the first to claim it has it.
            query = {"channelId": event.channel.id, "application": APP}
            claim = self.ari.send("POST", "events/claim", query=query)
            claim.add_done_callback(lambda done: self._claimed(event.channel, done))
            return
        for translated in self._translator.translate(event):
            self.dispatcher.feed(translated)

    def _claimed(self, channel: models.Channel, done: asyncio.Future[Any]) -> None:
        if done.cancelled() or (error := done.exception()) is None:
            return
        self._log.info("call.not_claimed", call=channel.id, error=str(error))
        if isinstance(error, AriRefusedError) and error.status == NOT_FOUND:
            # The caller left in the milliseconds before the claim: the call is still a call.
            self.dispatcher.feed(self._translator.arrived(channel, gone=True))

    async def _on_connected(self) -> None:
        self._log.info("asterisk.connected")
        try:
            phones = self._translator.phones
            await self.ari.subscribe(",".join(f"deviceState:{phone}" for phone in phones))
            await self._take_stock()
        except (AriError, msgspec.ValidationError) as error:
            self._log.warning("asterisk.not_found", error=str(error))
            if self.ari.connected:
                # Otherwise the next connection starts over.
                self._watches.append(asyncio.create_task(self._try_again(), name="take-stock"))

    async def _try_again(self) -> None:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        if self.ari.connected:
            await self._on_connected()

    async def _take_stock(self) -> None:
        """Go on with the calls that are in Asterisk, and close those that are not any more."""
        recordings_folder = self.settings.folders.recordings
        found = await take_stock(
            self.ari, self._translator, self.core, recordings_folder, self._clock
        )
        self._phones_known = True
        self.dispatcher.feed(found)
        self._asterisk_started = found.started
        await self._read_unclaimed()
        self._log.info("asterisk.found", channels=len(found.legs), calls=len(self.core.calls))
        left = await asyncio.to_thread(recordings.left_behind, recordings_folder)
        for call in left:
            if call not in self.core.calls and LegId(call) not in found.legs:
                self._call_over(call)

    def _on_disconnected(self, reason: str) -> None:
        self._phones_known = False
        self._log.error("asterisk.disconnected", reason=reason)

    def _on_replaced(self) -> None:
        """Another engine took the application over: this one must not act any more."""
        self._log.error("engine.replaced")
        self.replaced.set()

    def _journal_trouble(self, reason: str) -> None:
        self._log.error("journal.trouble", reason=reason)

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            await self._read_roster()
            self._read_clock()
            await self._read_unclaimed()

    async def _read_unclaimed(self) -> None:
        """Bring calls on record that the dialplan served while no engine claimed them."""
        if self._asterisk_started is None:
            return
        try:
            told = await asyncio.to_thread(
                absence.read,
                self._folders.unclaimed,
                self._translator.told,
                self.core.kept.imported,
                self._asterisk_started,
                self.settings.folders.recordings,
            )
        except Exception:
            # As with the roster: the clock goes on.
            self._log.exception("unclaimed.failed")
            return
        self.dispatcher.feed(told)
        for served in told.over:
            self._log.warning("call.imported", call=served.call, operator=served.agent)
            self._call_over(served.call)

    async def _read_roster(self) -> None:
        """Take over a roster that changed; while it is wrong, the last good one goes on."""
        if self._roster is None:
            return
        try:
            change = await asyncio.to_thread(self._roster.read)
        except Exception:
            # A defect in reading must not stop the clock, and with it every change of shift.
            self._log.exception("roster.failed")
            return
        if change is None:
            return
        if change.error is None:
            self.dispatcher.feed(RosterRead(change.entries))
            self._log.info("roster.read", entries=len(change.entries))
        if change.error != self._roster_error:
            raised = change.error is not None
            kind = FactKind.ALARM_RAISED if raised else FactKind.ALARM_CLEARED
            detail = change.error or str(self.settings.roster)
            self.dispatcher.record(None, kind, {"alarm": "roster", "detail": detail})
            self._roster_error = change.error

    def _read_clock(self) -> None:
        local = datetime.fromtimestamp(self._clock.wall(), self._zone)
        duty = self.core.roster.on_duty(local)
        if duty != self._duty:
            self._duty = duty
            self._log.info("shift.on_duty", operators=sorted(duty))
            everyone = [operator.extension for operator in self.settings.centre.operators]
            with contextlib.suppress(OSError):
                fallback.write(self._folders.fallback, duty, everyone)
        self.dispatcher.feed(ClockRead(local, self._phones_known, self._clock.wall()))

    def _call_over(self, call: CallId) -> None:
        if call in self._finishing:
            return
        self._finishing.add(call)
        task = asyncio.create_task(self._finish_recording(call), name=f"recording-{call}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish_recording(self, call: CallId) -> None:
        try:
            await self._finish(call)
        finally:
            self._finishing.discard(call)

    async def _finish(self, call: CallId) -> None:
        folder = self.settings.folders.recordings
        try:
            recording = await recordings.finish(folder, call)
        except recordings.RecordingError as error:
            self.dispatcher.record(
                call, FactKind.RECORDING_FAILED, {"recording": call, "reason": str(error)}
            )
            return
        if recording is None:
            # Nothing was ever heard: the caller left before the answer.
            self._log.info("recording.none", call=call)
            return
        sequence = self.dispatcher.record(
            call,
            FactKind.RECORDING_FINISHED,
            {
                "recording": call,
                "path": str(recording.path),
                "seconds": recording.seconds,
                "sample_rate": recording.sample_rate,
                "channels": recording.channels,
                "sha256": recording.sha256,
                "rms_dbov": list(recording.rms_dbov),
                "bytes": recording.bytes,
            },
        )
        # Not before: a crash in between leaves the raw file, and the next start does this again.
        with contextlib.suppress(TimeoutError, JournalError):
            await asyncio.wait_for(self.journal.flushed(sequence), DRAIN_SECONDS)
            recordings.raw_path(folder, call).unlink(missing_ok=True)
