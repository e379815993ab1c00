"""What is to be recorded of calls, decided: begun, begun again, let end, told of when it is not.

The dialplan begins the recording of each call by itself, but where callers who wait are not
recorded (``record_waiting``): there it begins when somebody speaks with them. What is decided here
is asked of Asterisk one order after the other (``engine.recorder``; ``simulation.recordings`` of a
virtual one): to begin a talk's recording, to begin again what stopped, to pause, and to record each
party that an operator consults, on its own leg. Whatever became of an order, what does not grow on
the disk is ordered again, and so is the end of what grows in a pause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ess_pbx.domain.call import Call, Phase, Standing
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId, LegId, call_of
from ess_pbx.domain.restoring import HUMANS

LOOK_SECONDS = 1.0
STALLED_SECONDS = 5.0
"""Asterisk writes about each second; for so long a menu may let a silent caller think."""
FORGOTTEN_SECONDS = 60.0
"""A recording that has not grown for so long and is of no call is left over."""
ALARM = "recording-failed"


@dataclass(frozen=True, slots=True)
class BeginRecording:
    """Record a leg into the next file of a recording, and into no other."""

    call: CallId
    leg: LegId
    recording: str
    unless_written: bool = False
    """Nothing is to be done when there is sound in its file: somebody before has begun it."""


@dataclass(frozen=True, slots=True)
class StopRecording:
    """Let the recording of a leg end."""

    call: CallId
    leg: LegId


Order: TypeAlias = BeginRecording | StopRecording


class Written(NamedTuple):
    """How far a recording has come on the disk."""

    file: str
    """The latest of its files."""
    bytes: int


NOTHING = Written("", 0)


class NotRecorded(NamedTuple):
    """Of a call something is not recorded, and why."""

    call: CallId
    recording: str
    reason: str


@dataclass(slots=True)
class Progress:
    """How far a recording has come."""

    written: Written
    since: float
    """Monotonic seconds at which it had grown to that."""
    failed: bool = False
    """Until it has grown twice: on a full disk a file may have room for a moment's sound."""
    grown: int = 0


class RecordingWatch:
    """The recordings of the calls of one Asterisk, as they are to be."""

    def __init__(self, centres: Centres) -> None:
        self._centres = centres
        self._orders: list[Order] = []
        self._progress: dict[str, Progress] = {}
        """By recording: a call's own, or that of a leg."""
        self._paused: dict[str, Written] = {}
        """What was written of those that are paused, when it was last looked at."""
        self._of_nobody: dict[str, Progress] = {}
        """What is on the disk of calls that are not known."""
        self._aside: set[LegId] = set()
        """Those with recordings of their own, also where a pause has not let them begin."""
        self._talked: set[CallId] = set()
        """Calls in which somebody speaks with the caller: each has a recording, or an alarm."""
        self._knows_calls = False
        """Whether it is known which calls go on: before that none is nobody's."""
        self._alarmed: dict[str, str] = {}
        """Centres that have the alarm, and what was said when it was raised."""

    # what happens

    def told(self, fact: Fact) -> None:
        """Follow the facts: who talks, who is consulted, and what is paused."""
        if fact.call is None:
            return
        call = CallId(fact.call)
        self._note_talking(call)
        there = self._centres.calls.get(call)
        if there is None:
            return
        self._note_consults(there)
        match fact.kind:
            case FactKind.RECORDING_PAUSED:
                self._stop_all(there)
            case FactKind.RECORDING_RESUMED:
                for recording, leg in self._recorded(there):
                    self._order(BeginRecording(call, leg, recording))

    def took_stock(self, raw: AbstractSet[str]) -> None:
        """Order again what an engine before this one may have had no time to.

        ``raw`` are the recordings that have files, of these calls and of others.
        """
        self._knows_calls = True
        for call in self._centres.calls.values():
            self._note_talking(call.id)
            self._aside |= call.legs.keys() & raw - {call.caller}
            self._note_consults(call)
            if self._is_paused(call.id):
                self._stop_all(call)

    def look(self, written: Mapping[str, Written], now: float) -> list[NotRecorded]:
        """Compare with what is on the disk at ``now`` (monotonic seconds).

        What has not grown for a while is ordered anew; returned is what that is told of first now.
        """
        self._see_pauses(written)
        wanted = {each.recording: each for each in self._to_be_recorded()}
        self._progress = {name: each for name, each in self._progress.items() if name in wanted}
        failed: list[NotRecorded] = []
        for name, begin in wanted.items():
            there = written.get(name, NOTHING)
            before = self._progress.get(name)
            if before is None:
                self._progress[name] = Progress(there, now)
            elif before.written.file not in ("", there.file):
                self._progress[name] = Progress(there, now, before.failed)
            elif before.written.bytes != there.bytes:
                goes_on = before.failed and not before.grown
                self._progress[name] = Progress(there, now, goes_on, before.grown + 1)
            elif now - before.since >= STALLED_SECONDS:
                if not before.failed:
                    failed.append(NotRecorded(begin.call, name, _stalled(name, there)))
                before.since, before.grown, before.failed = now, 0, True
                if begin not in self._orders:
                    self._orders.append(begin)
        return failed

    def forgotten(self, written: Mapping[str, Written], now: float) -> list[str]:
        """Recordings that are of no call any more, as is an operator's own when its engine died.

        The dialplan may have their callers: whether Asterisk still writes is to be asked.
        """
        if not self._knows_calls:
            return []
        known = {
            call for centre in self._centres for call in (*centre.calls, *centre.beside_calls())
        }
        before, self._of_nobody = self._of_nobody, {}
        forgotten: list[str] = []
        for recording, there in written.items():
            if call_of(recording) in known:
                continue
            progress = before.get(recording)
            if progress is None or progress.written != there:
                progress = Progress(there, now)
            elif now - progress.since >= FORGOTTEN_SECONDS:
                forgotten.append(recording)
                progress = Progress(there, now)
            self._of_nobody[recording] = progress
        return forgotten

    def over(self, call: CallId) -> bool:
        """Nothing is left of a call; whether somebody has spoken with the caller."""
        self._aside = {leg for leg in self._aside if call_of(leg) != call}
        self._orders = [each for each in self._orders if each.call != call]
        self._paused = {name: it for name, it in self._paused.items() if call_of(name) != call}
        talked = call in self._talked
        self._talked.discard(call)
        return talked

    # what is to be done

    @property
    def has_orders(self) -> bool:
        """Whether anything may be to be done."""
        return bool(self._orders)

    def next_order(self) -> Order | None:
        """What is to be asked of Asterisk now; None when there is nothing.

        Another may follow, and what was ordered before a pause may not be wanted any more: it is
        to be asked for one at a time.
        """
        while self._orders:
            order = self._orders.pop(0)
            if isinstance(order, StopRecording) or not self._is_paused(order.call):
                return order
        return None

    def alarms(self) -> Iterator[AlarmChanged]:
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
            yield AlarmChanged(ALARM, False, "", centre=centre)
        self._alarmed = {
            centre: self._alarmed.get(centre, f"not recorded: {', '.join(sorted(which))}")
            for centre, which in failing.items()
        }
        for centre, detail in self._alarmed.items():
            yield AlarmChanged(ALARM, True, detail, centre=centre)

    def _order(self, order: Order) -> None:
        # What was ordered last holds.
        self._orders = [*(each for each in self._orders if each != order), order]

    def _stop_all(self, call: Call) -> None:
        for _, leg in self._recorded(call):
            self._order(StopRecording(call.id, leg))

    def _recorded(self, call: Call) -> Iterator[tuple[str, LegId]]:
        """The recordings of a call and the legs that they are of."""
        yield call.id, call.caller
        for leg in call.legs:
            if leg in self._aside:
                yield leg, leg

    def _see_pauses(self, written: Mapping[str, Written]) -> None:
        """Whatever grows in a pause is to end: Asterisk may not have done what it was asked."""
        before, self._paused = self._paused, {}
        for call in self._centres.calls.values():
            if not self._is_paused(call.id):
                continue
            for recording, leg in self._recorded(call):
                there = self._paused[recording] = written.get(recording, NOTHING)
                stop = StopRecording(call.id, leg)
                if before.get(recording, there) != there and stop not in self._orders:
                    self._orders.append(stop)

    def _to_be_recorded(self) -> Iterator[BeginRecording]:
        for centre in self._centres:
            waiting_too = centre.config.policy.record_waiting
            for call in centre.calls.values():
                self._note_talking(call.id)
                kept = centre.kept.calls.get(call.id)
                answered = kept is not None and kept.answered
                answered = answered and (waiting_too or call.id in self._talked)
                over = call.phase is Phase.ENDED or call.caller not in call.legs
                if answered and not self._is_paused(call.id) and not over:
                    yield BeginRecording(call.id, call.caller, call.id)
                    for leg in _consults(call):
                        yield BeginRecording(call.id, leg, leg)

    def _note_talking(self, call: CallId) -> None:
        if call in self._talked or (there := self._centres.calls.get(call)) is None:
            return
        home = self._centres.home(call)
        kept = home.kept.calls.get(call)
        if kept is not None and kept.answered and there.phase in HUMANS:
            self._talked.add(call)
            if not home.config.policy.record_waiting:
                self._order(BeginRecording(call, there.caller, call, unless_written=True))

    def _note_consults(self, call: Call) -> None:
        for leg in _consults(call):
            # What was begun in vain is found by ``look``.
            if leg not in self._aside:
                self._aside.add(leg)
                self._order(BeginRecording(call.id, leg, leg))

    def _is_paused(self, call: CallId) -> bool:
        return call in self._centres.home(call).recording_pauses.until


def _consults(call: Call) -> Iterator[LegId]:
    """Those with whom the operator speaks now, and the caller does not."""
    room = None if call.operator is None else call.rooms.get(call.operator.leg)
    for party in call.parties if room is not None else ():
        aside = party.standing in (Standing.INTRODUCED, Standing.CONSULTED)
        if aside or call.rooms.get(party.leg) == room != call.rooms.get(call.caller):
            yield party.leg


def _stalled(recording: str, there: Written) -> str:
    lacks = f"has {there.bytes} bytes" if there.file else "is not there"
    return f"{there.file or recording} {lacks} and has not grown for {STALLED_SECONDS:.0f} s"
