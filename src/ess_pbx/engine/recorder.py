"""Looks after the recordings of calls: that they go on, that they are kept when a call is over.

What is to be recorded is decided by ``domain.recording_watch``; here it is asked of Asterisk, over
its control socket, since ARI knows no MixMonitor, and looked at on the disk. A recording that was
begun again goes on in another file, ``<recording>~2.raw``; the files become one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol

import structlog

from ess_pbx.asterisk.console import ConsoleError
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId, LegId, call_of, caller_leg
from ess_pbx.domain.recording_watch import (
    LOOK_SECONDS,
    BeginRecording,
    RecordingWatch,
    StopRecording,
    Written,
)
from ess_pbx.engine import recordings
from ess_pbx.engine.clock import Clock
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.keeping import RecordingKeeper
from ess_pbx.engine.segments import JournalError

FLUSH_SECONDS = 10.0
LOST = "recording-lost"


class Console(Protocol):
    """The part of ``asterisk.console`` that the recorder needs."""

    async def ask(self, command: str) -> str:
        """What Asterisk says."""


class Recorder:
    """The recordings of one Asterisk."""

    def __init__(
        self,
        folder: Path,
        console: Console,
        centres: Centres,
        dispatcher: Dispatcher,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self.keeper: RecordingKeeper | None = None
        """Seals what is finished; without it a recording stays the WAV it is."""
        self._folder = folder
        self._console = console
        self._centres = centres
        self._dispatcher = dispatcher
        self._journal = journal
        self._clock = clock
        self._watch = RecordingWatch(centres)
        self._asks = False
        """Whether an order is being carried out: one at a time."""
        self._finishing: set[CallId] = set()
        self._unfinished: set[str] = set()
        """Recordings that could not be finished; an engine after this one tries again."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger(__name__)

    @property
    def at_work(self) -> int:
        """How much goes on that belongs to calls."""
        return len(self._tasks)

    def told(self, fact: Fact) -> None:
        """Follow the facts: who is consulted, and what is paused."""
        self._watch.told(fact)
        self._carry_on()

    async def run(self) -> None:
        """Look whether all that is to be recorded is, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception:
                # A disk that refuses to be looked at is the time to go on looking.
                self._log.exception("recordings.not_watched")

    async def look(self) -> None:
        """Look once; a recording that does not grow is an alarm, and begun again."""
        latest = await asyncio.to_thread(recordings.written, self._folder)
        written = {name: Written(str(file), size) for name, (file, size) in latest.items()}
        for call, recording, reason in self._watch.look(written, self._clock.monotonic()):
            self._failed(call, recording, reason)
        for alarm in self._watch.alarms():
            self._dispatcher.feed(alarm)
        self._carry_on()
        for recording in self._watch.forgotten(written, self._clock.monotonic()):
            unfinished = recording in self._unfinished
            if not unfinished and not await asyncio.to_thread(self._still_written, recording):
                self.call_over(call_of(recording))

    async def took_stock(self) -> None:
        """Ask again for what an engine before this one may have had no time to ask for."""
        self._watch.took_stock({*await asyncio.to_thread(recordings.left_behind, self._folder)})
        self._carry_on()

    def call_over(self, call: CallId, talked: bool = False) -> None:
        """Nothing of a call is left in Asterisk: its recordings are finished and kept.

        ``talked``: it is known that somebody spoke with the caller.
        """
        if call not in self._finishing:
            self._finishing.add(call)
            self._soon(self._finish_all(call, talked), "finish")

    async def finish_left_behind(self, legs: Iterable[LegId]) -> None:
        """Finish what an engine before this one left; ``legs`` are those that are in Asterisk."""
        there = {*legs}
        for recording in await asyncio.to_thread(recordings.left_behind, self._folder):
            call = call_of(recording)
            if call not in self._centres.calls and caller_leg(call) not in there:
                self.call_over(call)

    async def settled(self, within: float | None = None) -> None:
        """Wait until the recordings of calls that are over are finished.

        What is not after ``within`` seconds is left to the next engine.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._tasks:
                    await asyncio.gather(*self._tasks, return_exceptions=True)

    def _carry_on(self) -> None:
        if self._watch.has_orders and not self._asks:
            self._asks = True
            self._soon(self._carry_out_orders(), "orders")

    async def _carry_out_orders(self) -> None:
        try:
            while (order := self._watch.next_order()) is not None:
                match order:
                    case BeginRecording():
                        await self._begin(order)
                    case StopRecording(call, leg):
                        try:
                            await self._stop(leg)
                        except ConsoleError as error:
                            about = {"call": call, "leg": leg}
                            self._log.error("recording.not_paused", **about, error=str(error))
        finally:
            self._asks = False

    def _still_written(self, recording: str) -> bool:
        parts = recordings.parts(self._folder, recording)
        return any(recordings.still_written(part) for part in parts)

    async def _begin(self, order: BeginRecording) -> None:
        recording = order.recording
        if order.unless_written:
            latest = await asyncio.to_thread(recordings.written, self._folder)
            if recording in latest and latest[recording][1]:
                return
        try:
            await self._stop(order.leg)
            file = await asyncio.to_thread(recordings.next_part, self._folder, recording)
            said = await self._console.ask(f'mixmonitor start {order.leg} "{file},D"')
        except ConsoleError as error:
            self._failed(order.call, recording, str(error))
            return
        if said:
            # Whoever has hung up by now is no channel any more, and that is no fault.
            self._log.info("recording.not_begun", call=order.call, leg=order.leg, said=said)

    async def _stop(self, leg: LegId) -> None:
        await self._console.ask(f"mixmonitor stop {leg}")

    def _failed(self, call: CallId, recording: str, reason: str) -> None:
        data = {"recording": recording, "reason": reason}
        self._dispatcher.record(call, FactKind.RECORDING_FAILED, data)

    async def _finish_all(self, call: CallId, talked: bool) -> None:
        talked |= self._watch.over(call)
        try:
            finished = False
            for recording in await asyncio.to_thread(recordings.left_behind, self._folder):
                if call_of(recording) == call:
                    has_sound = await self._finish(call, recording)
                    finished |= has_sound and recording == call
            if talked and not finished:
                self._lost(call, call, f"{self._folder}: nothing of the call was recorded")
        finally:
            self._finishing.discard(call)
            if self.keeper is not None:
                self.keeper.forget(call)

    async def _finish(self, call: CallId, recording: str) -> bool:
        """Whether there is anything to be heard, or an alarm that says why not."""
        try:
            finished = await recordings.finish(self._folder, recording)
        except recordings.RecordingError as error:
            self._unfinished.add(recording)
            self._lost(call, recording, str(error))
            return True
        if finished is None:
            # Nothing was ever heard: the caller left before the answer.
            self._log.info("recording.none", call=call, recording=recording)
            return False
        sequence = self._dispatcher.record(
            call,
            FactKind.RECORDING_FINISHED,
            {
                "recording": recording,
                "path": str(finished.path),
                "seconds": finished.seconds,
                "sample_rate": finished.sample_rate,
                "channels": finished.channels,
                "sha256": finished.sha256,
                "rms_dbov": list(finished.rms_dbov),
                "bytes": finished.bytes,
            },
        )
        # Not before: a crash in between leaves the raw files, and the next start does this again.
        with contextlib.suppress(TimeoutError, JournalError):
            await asyncio.wait_for(self._journal.flushed(sequence), FLUSH_SECONDS)
            await asyncio.to_thread(recordings.discard_raw, self._folder, recording)
        if self.keeper is not None:
            await self.keeper.seal(finished.path, call)
        return True

    def _lost(self, call: CallId, recording: str, reason: str) -> None:
        self._failed(call, recording, reason)
        alarm, centre = f"{LOST}:{recording}", self._centres.home(call).config.id
        self._dispatcher.feed(AlarmChanged(alarm, True, reason, centre=centre))

    def _soon(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"recording-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("recording.defect", task=task.get_name(), exc_info=error)
