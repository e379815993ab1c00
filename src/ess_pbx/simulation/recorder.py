"""Carries out what ``domain.recording_watch`` decides, on the virtual Asterisk, as
``engine.recorder`` does on the real one: one order after the other, and files made into one that is
kept when a call is over.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

from ess_pbx.domain.centres import Centres
from ess_pbx.domain.effects import Record
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.ids import CallId, LegId, call_of, caller_leg
from ess_pbx.domain.recording_watch import (
    LOOK_SECONDS,
    BeginRecording,
    Order,
    RecordingWatch,
    StopRecording,
)

if TYPE_CHECKING:
    from ess_pbx.domain.call_centre import CallCentre
    from ess_pbx.simulation.world import World

CONSOLE_SECONDS = 0.01
CONSOLE_TIMEOUT = 5.0
FINISH_SECONDS = 0.1
KEPT_SECONDS = 0.05
"""From the fact that a recording is finished until its raw files are discarded: it is durable."""


class Recorder:
    """The recorder of one engine."""

    def __init__(self, world: World, core: CallCentre) -> None:
        self._world, self._core = world, core
        self._watch = RecordingWatch(Centres((core,)))
        self._finishing: set[CallId] = set()
        self._asks = False
        self._was_there = False
        """Whether there was anything to be looked at; if not, nobody looks."""
        world.looks(LOOK_SECONDS, self._look)

    @property
    def alarmed(self) -> list[str]:
        """Centres in which something is not recorded, as far as was told."""
        return [each.centre for each in self._watch.alarms() if each.standing]

    def told(self, fact: Fact) -> None:
        """Follow the facts."""
        self._watch.told(fact)
        self._carry_on()

    def took_stock(self, legs: Container[LegId]) -> None:
        """What an engine before this one left: ``legs`` are those that are in Asterisk."""
        files = self._world.line.mixmonitors.files
        self._watch.took_stock({*files})
        self._carry_on()
        for call in {call_of(recording) for recording in files}:
            if call not in self._core.calls and caller_leg(call) not in legs:
                self.call_over(call)

    def call_over(self, call: CallId, talked: bool = False) -> None:
        """Nothing of a call is left in Asterisk: its recordings are finished and kept."""
        if call not in self._finishing:
            self._finishing.add(call)
            self._world.later(FINISH_SECONDS, self._does, self._finish, call, talked)

    @property
    def _is_there(self) -> bool:
        return self._world.alive and self._world.recorder is self

    def _does(self, *what: object) -> None:
        if self._is_there:
            self._world.does(*what)  # type: ignore[arg-type]

    def _look(self) -> None:
        if not self._is_there:
            return
        world = self._world
        there = bool(self._core.calls or world.line.mixmonitors.files)
        if (there or self._was_there) and not world.is_frozen:
            self._was_there = there
            written = world.line.mixmonitors.written()
            for call, recording, reason in self._watch.look(written, world.now):
                self._failed(call, recording, reason)
            for alarm in self._watch.alarms():
                world.hear(alarm)
            self._carry_on()
            for recording in self._watch.forgotten(written, world.now):
                if not world.line.mixmonitors.is_open(recording):
                    self.call_over(call_of(recording))
        if not world.over:
            world.looks(LOOK_SECONDS, self._look)

    # orders

    def _carry_on(self) -> None:
        if not self._asks and (order := self._watch.next_order()) is not None:
            self._asks = True
            self._goes_on(self._steps(order))

    def _goes_on(self, steps: Iterator[float]) -> None:
        """Do the next step of an order, when what was asked before it is answered."""
        after = next(steps, None)
        if after is None:
            self._asks = False
            self._carry_on()
        else:
            self._world.later(after, self._does, self._goes_on, steps)

    def _steps(self, order: Order) -> Iterator[float]:
        """As ``engine.recorder``: each step yields how long it takes until the next."""
        monitors = self._world.line.mixmonitors
        match order:
            case StopRecording(_, leg):
                yield CONSOLE_SECONDS
                if not self._world.line.console_fails:
                    monitors.stops(leg)
                else:
                    yield self._world.line.console_fails
            case BeginRecording(call, leg, recording, unless_written):
                there = monitors.written().get(recording)
                if unless_written and there is not None and there.bytes:
                    return
                for do in (monitors.stops, lambda leg: monitors.starts(leg, recording)):
                    yield CONSOLE_SECONDS
                    if self._world.line.console_fails:
                        yield self._world.line.console_fails
                        self._failed(call, recording, "the console does not answer")
                        return
                    do(leg)

    # when a call is over

    def _finish(self, call: CallId, talked: bool) -> None:
        monitors, finished = self._world.line.mixmonitors, False
        talked |= self._watch.over(call)
        for recording in [each for each in monitors.files if call_of(each) == call]:
            if monitors.has_sound(recording):
                finished |= recording == call
                self._is_finished(call, recording)
            self._world.later(KEPT_SECONDS, self._does, monitors.discard, recording)
        if talked and not finished:
            self._failed(call, call, "nothing of the call was recorded")
        self._finishing.discard(call)

    def _is_finished(self, call: CallId, recording: str) -> None:
        seconds = sum(each.seconds for each in self._world.line.mixmonitors.files[recording])
        data: dict[str, JSON] = {
            "recording": recording,
            "path": f"{recording}.wav",
            "seconds": round(seconds, 3),
            "sample_rate": 8000,
            "channels": 2,
            "sha256": "0" * 64,
            "rms_dbov": [-20.0, -20.0],
            "bytes": round(seconds * 32_000),
        }
        self._record(call, FactKind.RECORDING_FINISHED, data)

    def _failed(self, call: CallId, recording: str, reason: str) -> None:
        self._record(call, FactKind.RECORDING_FAILED, {"recording": recording, "reason": reason})

    def _record(self, call: CallId, kind: FactKind, data: dict[str, JSON]) -> None:
        self._world.record(Record(call, kind, data))
