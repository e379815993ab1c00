"""Looks after the recordings of calls: that they go on, that they are kept when a call is over.

The dialplan begins the recording of each call by itself (``engine.recordings``). What is asked of
Asterisk here goes over its control socket, since ARI knows no MixMonitor: to begin again what
stopped, to pause, and to record each party that an operator consults, on its own leg. A recording
that was begun again goes on in another file, ``<recording>~2.raw``; the files become one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog

from ess_pbx.asterisk.console import ConsoleError
from ess_pbx.domain.call import Call, Phase, Standing
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId, LegId, call_of, caller_leg
from ess_pbx.domain.restoring import HUMANS
from ess_pbx.engine import recordings
from ess_pbx.engine.clock import Clock
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.keeping import RecordingKeeper
from ess_pbx.engine.segments import JournalError

LOOK_SECONDS = 1.0
STALLED_SECONDS = 5.0
"""Asterisk writes about each second; for so long a menu may let a silent caller think."""
FLUSH_SECONDS = 10.0
ALARM = "recording-failed"
LOST = "recording-lost"


class Console(Protocol):
    """The part of ``asterisk.console`` that the recorder needs."""

    async def ask(self, command: str) -> str:
        """What Asterisk says."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be recorded."""

    recording: str
    call: CallId
    leg: LegId


@dataclass(slots=True)
class Progress:
    """How far a recording has come."""

    file: Path
    bytes: int
    since: float
    """Monotonic seconds at which it had grown to that."""
    failed: bool = False
    """Until it has grown twice: on a full disk a file may have room for a moment's sound."""
    grown: int = 0


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
        self._progress: dict[str, Progress] = {}
        """By recording: a call's own, or that of a leg."""
        self._consulted: set[LegId] = set()
        """Those with recordings of their own, also where a pause has not let them begin."""
        self._talked: set[CallId] = set()
        """Calls in which somebody speaks with the caller: each has a recording, or an alarm."""
        self._finishing: set[CallId] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = asyncio.Lock()
        self._alarmed: dict[str, str] = {}
        """Centres that have the alarm, and what was said when it was raised."""
        self._log = structlog.get_logger(__name__)

    @property
    def at_work(self) -> int:
        """How much goes on that belongs to calls."""
        return len(self._tasks)

    def told(self, fact: Fact) -> None:
        """Follow the facts: who is consulted, and what is paused."""
        if fact.call is None:
            return
        call = CallId(fact.call)
        self._note_talking(call)
        match fact.kind:
            case FactKind.AGENCY_ANSWERED | FactKind.COLLEAGUE_ANSWERED:
                leg = LegId(str(fact.data["leg"]))
                if self._is_consulted(call, leg):
                    self._consulted.add(leg)
                    self._soon(self._begin(call, leg), "consult")
            case FactKind.RECORDING_PAUSED:
                of_others = {n: its for n, its in self._progress.items() if call_of(n) != call}
                self._progress = of_others
                self._soon(self._pause(call), "pause")
            case FactKind.RECORDING_RESUMED if call in self._centres.calls:
                self._soon(self._resume(call), "resume")

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
        wanted = {wish.recording: wish for wish in self._to_be_recorded()}
        for wish in wanted.values():
            self._note_talking(wish.call)
        self._progress = {name: each for name, each in self._progress.items() if name in wanted}
        latest = await asyncio.to_thread(recordings.written, self._folder)
        now = self._clock.monotonic()
        stalled: list[tuple[Wish, Progress]] = []
        for name, wish in wanted.items():
            file, size = latest.get(name, (recordings.raw_path(self._folder, name), 0))
            before = self._progress.get(name)
            if before is None:
                self._progress[name] = Progress(file, size, now)
            elif before.file != file:
                self._progress[name] = Progress(file, size, now, before.failed)
            elif before.bytes != size:
                failed = before.failed and not before.grown
                self._progress[name] = Progress(file, size, now, failed, before.grown + 1)
            elif now - before.since >= STALLED_SECONDS and wish.call in self._centres.calls:
                before.since, before.grown = now, 0
                stalled.append((wish, before))
        # All are told of before any is begun again: Asterisk may not answer.
        for wish, progress in stalled:
            self._has_stalled(wish, progress)
        self._tell_alarm()
        for wish, _ in stalled:
            await self._begin_again(wish)

    async def took_stock(self) -> None:
        """Ask again for what an engine before this one may have had no time to ask for."""
        there = {*await asyncio.to_thread(recordings.left_behind, self._folder)}
        for call in list(self._centres.calls.values()):
            for leg in self._consults(call):
                # What this engine has begun in vain is found by ``look``.
                if leg not in there and leg not in self._consulted:
                    self._soon(self._begin(call.id, leg), "consult")
                self._consulted.add(leg)
            if self._is_paused(call.id):
                self._soon(self._pause(call.id), "pause")

    def call_over(self, call: CallId) -> None:
        """Nothing of a call is left in Asterisk: its recordings are finished and kept."""
        if call not in self._finishing:
            self._finishing.add(call)
            self._soon(self._finish_all(call), "finish")

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

    def _to_be_recorded(self) -> Iterable[Wish]:
        for centre in self._centres:
            for call in centre.calls.values():
                kept = centre.kept.calls.get(call.id)
                answered = kept is not None and kept.answered
                paused = self._is_paused(call.id)
                over = call.phase is Phase.ENDED or call.caller not in call.legs
                if answered and not paused and not over:
                    yield Wish(call.id, call.id, call.caller)
                    for leg in self._consults(call):
                        yield Wish(leg, call.id, leg)

    def _consults(self, call: Call) -> Iterable[LegId]:
        """Those with whom an operator speaks aside, now."""
        for party in call.standing(Standing.INTRODUCED, Standing.CONSULTED):
            if self._is_consulted(call.id, party.leg):
                yield party.leg

    def _note_talking(self, call: CallId) -> None:
        if call not in self._talked and (there := self._centres.calls.get(call)) is not None:
            kept = self._centres.home(call).kept.calls.get(call)
            if kept is not None and kept.answered and there.phase in HUMANS:
                self._talked.add(call)

    def _is_consulted(self, call: CallId, leg: LegId) -> bool:
        """Whether an operator speaks with them whom the caller's recording may not have."""
        there = self._centres.calls.get(call)
        party = None if there is None else there.party_on(leg)
        aside = party is not None and party.standing is not Standing.JOINED
        return there is not None and there.operator is not None and aside

    def _has_stalled(self, wish: Wish, progress: Progress) -> None:
        if not progress.failed:
            progress.failed = True
            lacks = f"has {progress.bytes} bytes" if progress.bytes else "is not there"
            reason = f"{progress.file} {lacks} and has not grown for {STALLED_SECONDS:.0f} s"
            self._failed(wish.call, wish.recording, reason)

    async def _begin_again(self, wish: Wish) -> None:
        with contextlib.suppress(ConsoleError):
            async with self._asking:
                await self._console.ask(f"mixmonitor stop {wish.leg}")
        await self._begin(wish.call, wish.leg)

    async def _pause(self, call: CallId) -> None:
        async with self._asking:
            for leg in await self._recorded_legs(call):
                try:
                    await self._console.ask(f"mixmonitor stop {leg}")
                except ConsoleError as error:
                    self._log.error("recording.not_paused", call=call, leg=leg, error=str(error))

    async def _resume(self, call: CallId) -> None:
        for leg in await self._recorded_legs(call):
            await self._begin(call, leg)

    async def _begin(self, call: CallId, leg: LegId) -> None:
        """Record a leg into the next file of its recording, unless that is paused by now."""
        recording = call if leg == caller_leg(call) else leg
        async with self._asking:
            if self._is_paused(call):
                return
            file = await asyncio.to_thread(recordings.next_part, self._folder, recording)
            try:
                said = await self._console.ask(f'mixmonitor start {leg} "{file},D"')
            except ConsoleError as error:
                self._failed(call, recording, str(error))
                return
        if said:
            # Whoever has hung up by now is no channel any more, and that is no fault.
            self._log.info("recording.not_begun", call=call, leg=leg, said=said)

    async def _recorded_legs(self, call: CallId) -> list[LegId]:
        there = self._centres.calls.get(call)
        if there is None:
            return []
        # An engine before this one may have begun them.
        recorded = {*await asyncio.to_thread(recordings.left_behind, self._folder)}
        consulted = (leg for leg in there.legs if leg in recorded or leg in self._consulted)
        return [there.caller, *(leg for leg in consulted if leg != there.caller)]

    def _is_paused(self, call: CallId) -> bool:
        return call in self._centres.home(call).recording_pauses.until

    def _failed(self, call: CallId, recording: str, reason: str) -> None:
        data = {"recording": recording, "reason": reason}
        self._dispatcher.record(call, FactKind.RECORDING_FAILED, data)

    def _tell_alarm(self) -> None:
        """One alarm for each centre, while anything of it is not recorded.

        It keeps saying what it said first: with another detail it would be raised anew, on a full
        disk with each call. Each recording that fails is a fact of its own.
        """
        failing: dict[str, list[str]] = {}
        for recording, progress in self._progress.items():
            if progress.failed:
                home = self._centres.home(call_of(recording))
                failing.setdefault(home.config.id, []).append(recording)
        for centre in sorted(self._alarmed.keys() - failing.keys()):
            self._dispatcher.feed(AlarmChanged(ALARM, False, "", centre=centre))
        self._alarmed = {
            centre: self._alarmed.get(centre, f"not recorded: {', '.join(sorted(which))}")
            for centre, which in failing.items()
        }
        for centre, detail in self._alarmed.items():
            self._dispatcher.feed(AlarmChanged(ALARM, True, detail, centre=centre))

    async def _finish_all(self, call: CallId) -> None:
        talked = call in self._talked
        self._talked.discard(call)
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
            self._consulted = {leg for leg in self._consulted if call_of(leg) != call}
            if self.keeper is not None:
                self.keeper.forget(call)

    async def _finish(self, call: CallId, recording: str) -> bool:
        """Whether there is anything to be heard, or an alarm that says why not."""
        try:
            finished = await recordings.finish(self._folder, recording)
        except recordings.RecordingError as error:
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
