"""The engine as a whole: core, journal, database and the line to Asterisk, started and ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from ess_pbx.ari import models
from ess_pbx.ari.connection import AriConnection
from ess_pbx.ari.translate import EVENTS, Translator, to_be_recorded
from ess_pbx.asterisk.console import Console
from ess_pbx.asterisk.render import AsteriskFolders
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.events import (
    Arrived,
    CallEvent,
    CentreEvent,
    LegAnswered,
    PhoneLost,
    PhoneReachable,
    Stopping,
)
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId, call_of
from ess_pbx.engine.blocked_transfers import BlockedTransfers
from ess_pbx.engine.clock import Clock, SystemClock
from ess_pbx.engine.disk_watch import watch_disks
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.duty import Duty
from ess_pbx.engine.earthquake_feeds import earthquake_feeds
from ess_pbx.engine.ended_calls import EndedCalls
from ess_pbx.engine.executor import APP, Executor
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.keeping import ALARM as NOT_SEALED
from ess_pbx.engine.keeping import RecordingKeeper, open_archive
from ess_pbx.engine.outbox import Outbox
from ess_pbx.engine.phone_watch import PhoneWatch
from ess_pbx.engine.pin_check import PinCheck
from ess_pbx.engine.recall import recall
from ess_pbx.engine.recorder import Recorder
from ess_pbx.engine.replaced_legs import ReplacedLegs
from ess_pbx.engine.stock_watch import StockWatch
from ess_pbx.engine.storing import Storing
from ess_pbx.engine.stream_watch import StreamWatch
from ess_pbx.engine.taking_stock import Stock
from ess_pbx.engine.unclaimed import Unclaimed
from ess_pbx.errors import AriError
from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.retention import keep_days
from ess_pbx.prompts.spoken import SpokenTexts
from ess_pbx.settings.credentials import Credentials
from ess_pbx.settings.entry import own_sip_address
from ess_pbx.settings.model import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

CLOCK_SECONDS = 5.0
"""How often the wall clock is read: shifts change, and the clock may be set."""
DRAIN_SECONDS = 10.0
HAND_OVER_SECONDS = 0.5
"""While an engine finishes what the next one would do as well, callers may have none."""
STOCK_SECONDS = 5.0
"""How long the database waits at most for the calls to be taken over."""
LOOK_AGAIN_SECONDS = 1.0
"""How long until Asterisk is asked again for what it did not tell after a connect."""


class Engine:
    """One engine for the centres on one Asterisk.

    ``on_fact`` hears every fact as it is written, as does everyone in ``listeners``.
    """

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
        self.centres = Centres(CallCentre(each) for each in settings.centres)
        self._folders = folders
        self._clock = clock or SystemClock()
        self._translator = Translator(settings)
        self.listeners: list[Callable[[Fact], None]] = [] if on_fact is None else [on_fact]
        self._log = structlog.get_logger(__name__)
        self._duties: list[Duty] = []
        self._phones_known = False
        self._held: list[CallEvent | CentreEvent] | None = None
        """Events while Asterisk is asked for all it holds, of calls that are not taken over yet."""
        self._watches: list[asyncio.Task[None]] = []
        self._took_stock = asyncio.Event()
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
        self._replaced_legs = ReplacedLegs(self.ari, lambda: self.centres.calls)

    async def start(self, timeout: float = 15.0) -> None:  # noqa: ASYNC109 - for Asterisk only
        """Start all; returns when calls are taken.

        The database is not waited for: facts are in the journal until it is there. Raises AriError
        when Asterisk does not answer within ``timeout`` seconds.
        """
        settings = self.settings
        self.journal = Journal(
            settings.folders.state / "journal",
            on_trouble=lambda reason: self._log.error("journal.trouble", reason=reason),
            on_recovered=lambda: self._log.info("journal.recovered"),
        )
        self.dispatcher = Dispatcher(
            self.centres,
            self.journal,
            self._clock,
            lambda call: self.recorder.call_over(call),
            self._tell,
        )
        self._storing = Storing(settings, self.journal, self.dispatcher.feed)
        self.recorder = Recorder(
            settings.folders.recordings,
            Console(self._folders.config_file),
            self.centres,
            self.dispatcher,
            self.journal,
            self._clock,
        )
        self.listeners.append(self.recorder.told)
        recalled = await asyncio.to_thread(recall, self.journal, self.centres)
        self._log.info("journal.recalled", facts=recalled)
        ended = EndedCalls(self._folders.ended)
        self._unclaimed = Unclaimed(
            self.ari,
            self._translator,
            self.centres,
            self.dispatcher,
            self._folders.unclaimed,
            settings.folders.recordings,
            self.recorder.call_over,
            ended,
            since=self.journal.begun,
        )
        self.dispatcher.checkpoint()
        self._stock = Stock(
            self.ari,
            self._translator,
            self.centres,
            settings.folders.recordings,
            ended,
            self._clock,
        )
        self.stock = StockWatch(
            self._stock,
            self.centres,
            self._clock,
            lambda: self.ari.connected and self._phones_known,
            self._take_over,
            self._on_phone,
        )
        self.dispatcher.executor = Executor(
            self.ari,
            self._folders.prompts,
            self.dispatcher.feed,
            self._language,
            {trunk.id: trunk.identity for trunk in settings.trunks},
            own_address=own_sip_address(settings.asterisk),
            spoken=SpokenTexts(settings.folders.state / "spoken").file,
            doubt=self.stock.doubt,
        )
        self.dispatcher.check_pin = PinCheck(settings.folders.state, self.dispatcher.feed).begin
        self._duties = [
            Duty(
                centre,
                self.dispatcher,
                settings.rosters.get(centre.config.id),
                self._folders.fallback / centre.config.id,
            )
            for centre in self.centres
        ]
        for duty in self._duties:
            await self._read_duty(duty)
        self.streams = StreamWatch(
            self.ari,
            lambda: list(self.centres.calls.values()),
            self.dispatcher.feed,
            doubt=self.stock.doubt,
        )
        self.phones = PhoneWatch(self.ari, self.centres, self.dispatcher.feed)
        blocked = BlockedTransfers(self._folders.log / "asterisk.log", self.dispatcher.feed)
        self._watches = [
            asyncio.create_task(self.streams.run(), name="streams"),
            asyncio.create_task(self.phones.run(), name="phones"),
            asyncio.create_task(self.stock.run(), name="stock"),
            asyncio.create_task(blocked.run(), name="blocked-transfers"),
            asyncio.create_task(self.recorder.run(), name="recorder"),
            asyncio.create_task(self._watch_unclaimed(), name="unclaimed"),
            asyncio.create_task(watch_disks(settings, self.dispatcher.feed), name="disks"),
            # Each of its own: a roster on a disk that does not answer holds up one centre only.
            *(asyncio.create_task(self._watch_clock(duty), name="clock") for duty in self._duties),
        ]
        feeds = earthquake_feeds(settings.centres, self.dispatcher.feed)
        self._watches += [asyncio.create_task(each.run(), name="earthquakes") for each in feeds]
        outbox = Outbox(self.centres, self.dispatcher, self.journal)
        self.listeners.append(outbox.told)
        self._watches.append(asyncio.create_task(outbox.run(), name="outbox"))
        await self._keep_recordings()
        await self.ari.start()
        await self.ari.wait_connected(timeout)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._took_stock.wait(), STOCK_SECONDS)
        await self._storing.begin()

    async def stop(self, *, hand_over: bool = False) -> None:
        """Stop all. Calls in Asterisk go on; what was decided is in the journal and database.

        ``hand_over``: to the next engine, which finishes recordings and the database's share too.
        """
        if self._stopped:
            return
        self._stopped = True
        within = HAND_OVER_SECONDS if hand_over else None
        if hand_over and hasattr(self, "recorder"):
            # Calls go on meanwhile.
            await self.recorder.settled(within)
        await self.ari.close()
        for watch in self._watches:
            watch.cancel()
        if not hasattr(self, "dispatcher"):
            return
        self.dispatcher.timers.cancel_all()
        await self.recorder.settled(within)
        self.dispatcher.write_log()
        await self.journal.close()
        await self._storing.stop(within or DRAIN_SECONDS)
        await asyncio.gather(*self._watches, return_exceptions=True)

    async def end_calls(self, within: float = DRAIN_SECONDS) -> None:
        """End every call, on record and with its recording: their Asterisk is to be stopped.

        Waits at most ``within`` seconds.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.centres.calls:
                    # Each time, for calls may still arrive; a call that is ending ignores it.
                    for call in list(self.centres.calls):
                        self.dispatcher.feed(Stopping(call))
                    await asyncio.sleep(0.02)
                await self.settled()

    async def settled(self) -> None:
        """Wait until the recordings of calls that are over are finished."""
        await self.recorder.settled()

    async def stored(self, within: float) -> None:
        """Wait until all facts so far are in the database; raises TimeoutError."""
        await self.settled()
        sequence = self.journal.durable + self.journal.waiting
        await self._storing.reached(sequence, within)

    @property
    def duty(self) -> frozenset[str]:
        """Extensions of the operators whose shift it is."""
        return frozenset().union(*(duty.on_duty or () for duty in self._duties))

    @property
    def database(self) -> AsyncEngine:
        """Where facts end up; raises RuntimeError before the start."""
        return self._storing.database

    @property
    def not_stored(self) -> int:
        """How many facts are not in the database yet."""
        return self._storing.lag

    @property
    def phones_known(self) -> bool:
        """Whether stock was taken: which calls Asterisk holds, and which phones are reachable."""
        return self._phones_known

    @property
    def ended(self) -> list[str]:
        """Names of background work that is to go on for ever and did not."""
        return [*self.ari.ended, *(["projector"] if self._storing.ended else [])]

    @property
    def failed_requests(self) -> int:
        """Requests to Asterisk that failed and mattered."""
        executor = self.dispatcher.executor
        return 0 if executor is None else executor.failures

    @property
    def tasks_left(self) -> int:
        """Timers and background work that belong to calls."""
        executor = self.dispatcher.executor
        deleting = 0 if executor is None else executor.deleting
        return self.recorder.at_work + len(self.dispatcher.timers) + deleting

    async def _keep_recordings(self) -> None:
        """Seal recordings from now on; without the keys they are kept as they are, and told of."""
        try:
            archive = await asyncio.to_thread(open_archive, self.settings)
        except EvidenceError as error:
            self._log.error("recordings.not_sealed", error=str(error))
            alarm = {"alarm": NOT_SEALED, "detail": str(error)}
            self.dispatcher.record(None, FactKind.ALARM_RAISED, alarm)
            return
        if archive is not None:
            days = keep_days(self.settings.centres)
            keeper = self.recorder.keeper = RecordingKeeper(
                archive,
                days,
                self.dispatcher.record,
                centres=self.centres,
                journal=self.journal,
            )
            self.listeners.append(keeper.told)
            self._watches.append(asyncio.create_task(keeper.run(), name="recordings"))

    def _tell(self, fact: Fact) -> None:
        for listener in tuple(self.listeners):
            try:
                listener(fact)
            except Exception:
                # Who only listens must not keep the others, or a call, from going on.
                self._log.exception("listener.failed", kind=fact.kind)

    def _language(self, call: CallId) -> str:
        return self.centres.home(call).config.language

    def _on_event(self, event: models.Event) -> None:
        if isinstance(event, models.CallBroadcast):
            # The dialplan offers a call to every engine; the first to claim it has it.
            query = {"channelId": event.channel.id, "application": APP}
            claim = self.ari.send("POST", "events/claim", query=query)
            claim.add_done_callback(lambda done: self._offered(event.channel.id, done))
            return
        if self._replaced_legs.undone(event):
            return
        if (called_back := to_be_recorded(event)) is not None:
            self._record_called_back(LegId(called_back))
        for translated in self._translator.translate(event):
            if isinstance(translated, PhoneReachable | PhoneLost):
                self._on_phone(translated)
            elif self._held is not None and self._is_of_call_to_adopt(translated):
                self._held.append(translated)
            else:
                self.dispatcher.feed(translated)

    def _on_phone(self, event: PhoneReachable | PhoneLost) -> None:
        if self.phones.passes(event):
            self.dispatcher.feed(event)

    def _is_of_call_to_adopt(self, event: CallEvent | CentreEvent) -> bool:
        """Whether it happened to a call that is about to be taken over: it is decided after."""
        if not isinstance(event, CallEvent) or isinstance(event, Arrived):
            return False
        return event.call not in self.centres.calls and event.call in self.centres.known

    def _record_called_back(self, leg: LegId) -> None:
        """Only the dialplan can start MixMonitor; it sends the channel back at once."""
        where: dict[str, str | int] = {"context": "call-back", "extension": "s", "priority": 1}
        sent = self.ari.send("POST", f"channels/{leg}/continue", query=where)

        def done(sent: asyncio.Future[Any]) -> None:
            if sent.cancelled() or (error := sent.exception()) is None:
                return
            # Whoever is there is spoken with all the same.
            self.dispatcher.record(
                call_of(leg), FactKind.RECORDING_FAILED, {"recording": leg, "reason": str(error)}
            )
            self.dispatcher.feed(LegAnswered(call_of(leg), leg))

        sent.add_done_callback(done)

    def _offered(self, channel: str, done: asyncio.Future[Any]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            # The dialplan has them, and writes so; or they have left, and that it writes, too.
            self._log.info("call.not_claimed", call=channel, error=str(error))

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
        self._held = []
        try:
            served = await self._unclaimed.read()
            found = replace(await self._stock.take(), served=served)
        finally:
            held, self._held = self._held, None
        self._phones_known = True
        self._take_over(found, held)
        self._took_stock.set()
        if served is not None:
            self._unclaimed.told(served)
        self._log.info("asterisk.found", channels=len(found.legs), calls=len(self.centres.calls))
        await self.recorder.took_stock()
        await self.recorder.finish_left_behind(found.legs)

    def _take_over(
        self, found: AsteriskFound, held: Sequence[CallEvent | CentreEvent] = ()
    ) -> None:
        """Let the core decide what follows from what Asterisk holds, and then what came since."""
        for event in (*self.centres.shares(found), *held):
            self.dispatcher.feed(event)
        for leg, there in found.legs.items():
            if there.to_be_recorded and call_of(leg) in self.centres.calls:
                self._record_called_back(leg)

    def _on_disconnected(self, reason: str) -> None:
        self._phones_known = False
        self._log.error("asterisk.disconnected", reason=reason)

    def _on_replaced(self) -> None:
        """Another engine took the application over: this one must not act any more."""
        self._log.error("engine.replaced")
        self.replaced.set()

    async def _watch_clock(self, duty: Duty) -> None:
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            await self._read_duty(duty)

    async def _watch_unclaimed(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            if self._took_stock.is_set():
                await self._unclaimed.watch()

    async def _read_duty(self, duty: Duty) -> None:
        alarm = await duty.read_roster()
        await duty.read_clock(self._clock.wall(), phones_known=self._phones_known)
        if alarm is not None:
            # Last: before the clock is read no fact has a time.
            self.dispatcher.feed(alarm)
