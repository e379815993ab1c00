"""The whole centre as one deterministic machine: events in, effects out.

It holds the calls and the ACD and lets them speak to each other: what a call asks of the queue is
answered here and now, in order, and only what concerns the world outside comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ess_pbx.domain.acd import Acd, Decision
from ess_pbx.domain.alarms import Alarms
from ess_pbx.domain.call import Call
from ess_pbx.domain.commands import AcknowledgeAlarm, Command, EndBreak
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    EngineEffect,
    Forget,
    Illegal,
    JoinQueue,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    Record,
    Refused,
    ReleaseAgent,
)
from ess_pbx.domain.events import (
    AgentTimerFired,
    AlarmChanged,
    Arrived,
    CallEvent,
    CentreEvent,
    ClockRead,
    OfferMade,
    OperatorsMissing,
    PhoneLost,
    PhoneReachable,
    RosterRead,
)
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.memory import Memory
from ess_pbx.domain.roster import Roster, ahead
from ess_pbx.domain.transitions import decide


class CallCentre:
    """The calls, operators and queues of one pusat."""

    def __init__(self, config: Centre) -> None:
        self.config = config
        self.acd = Acd(config)
        self.calls: dict[CallId, Call] = {}
        self.roster = Roster.of(config)
        self._shift_alarms: frozenset[str] = frozenset()
        self._local: datetime | None = None
        self._wall_ahead = 0.0
        self.alarms = Alarms()
        self.memories: tuple[Memory, ...] = (self.alarms,)

    def decide(self, event: CallEvent | CentreEvent, now: float) -> list[EngineEffect]:
        """What is to be done about an event at ``now`` (monotonic seconds), in order."""
        effects: list[EngineEffect] = []
        match event:
            case CallEvent():
                self._call(event, now, effects)
            case PhoneReachable(agent):
                self._follow(self.acd.set_reachable(agent, True, now), now, effects)
            case PhoneLost(agent):
                self._follow(self.acd.set_reachable(agent, False, now), now, effects)
            case ClockRead(local, phones_known, wall):
                self._local = local
                self._wall_ahead = (_epoch(local) if wall is None else wall) - now
                duty = self.roster.on_duty(local)
                self._follow(self.acd.set_on_duty(duty, now), now, effects)
                if phones_known:
                    effects += self._look_ahead(local)
                effects += self.alarms.clock_read(now, phones_known=phones_known)
            case RosterRead(entries):
                self.roster = Roster.of(self.config, entries)
            case AlarmChanged():
                effects += self.alarms.changed(event)
            case AgentTimerFired(timer):
                self._follow(self.acd.timer_fired(timer, now), now, effects)
            case Command():
                self._command(event, now, effects)
        self._remember(effects, now)
        return effects

    def wall(self, now: float) -> float:
        """Seconds since the epoch, by the wall clock as it was last read."""
        return now + self._wall_ahead

    def recall(self, fact: Fact) -> None:
        """A fact from before this start, oldest first; calls are not made anew by it."""
        if fact.kind == FactKind.CHECKPOINT:
            kept = fact.data["memories"]
            for memory in self.memories:
                if isinstance(kept, dict) and memory.name in kept:
                    memory.load(kept[memory.name])
            return
        for memory in self.memories:
            memory.remember(fact.kind, fact.call, fact.data, fact.at)

    def saw(
        self, call: CallId | None, kind: FactKind, data: Mapping[str, JSON], now: float
    ) -> None:
        """Let everything that remembers see a fact, decided here or seen by the engine itself."""
        at = self.wall(now)
        for memory in self.memories:
            memory.remember(kind, call, data, at)

    def checkpoint(self) -> Record:
        """All that is remembered, as a fact."""
        memories = {memory.name: memory.dump() for memory in self.memories}
        return Record(None, FactKind.CHECKPOINT, {"memories": memories})

    def _remember(self, effects: Sequence[EngineEffect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, Record):
                self.saw(effect.call, effect.kind, effect.data, now)

    def _command(self, command: Command, now: float, effects: list[EngineEffect]) -> None:
        match command:
            case EndBreak(_, agent) if agent not in self.acd.seats:
                effects.append(unknown_operator(agent))
            case EndBreak(_, agent):
                self._follow(self.acd.end_break(agent, now), now, effects)
            case AcknowledgeAlarm():
                effects.append(self.alarms.acknowledge(command))
            case _:
                effects.append(Refused("not-supported", f"{type(command).__name__}: not known"))

    def _look_ahead(self, local: datetime) -> list[Record]:
        there = {seat.extension for seat in self.acd.seats.values() if seat.reachable}
        within = self.config.policy.shift_alarm
        self._shift_alarms, records = ahead(self.roster, there, local, self._shift_alarms, within)
        return records

    def _call(self, event: CallEvent, now: float, effects: list[EngineEffect]) -> None:
        call = self.calls.get(event.call)
        if call is None:
            if not isinstance(event, Arrived):
                effects.append(Illegal(event.call, "unknown", type(event).__name__))
                if isinstance(event, OfferMade):
                    # Not a missed offer: the queue would offer it to the next operator, for ever.
                    self._follow(self.acd.apply(LeaveQueue(event.call), now), now, effects)
                return
            call = Call(event.call, now)
        after, wanted = decide(call, event, now, self.config, self._local)
        self.calls[event.call] = after
        missing: list[Decision] = []
        for effect in wanted:
            match effect:
                case JoinQueue() | LeaveQueue() | OfferTaken() | OfferMissed() | ReleaseAgent():
                    decisions = self.acd.apply(effect, now)
                    # An offer rings at once. That nobody is there changes what the caller hears,
                    # which this turn may have begun: it is told after it.
                    missing += [each for each in decisions if isinstance(each, OperatorsMissing)]
                    rest = [each for each in decisions if not isinstance(each, OperatorsMissing)]
                    self._follow(rest, now, effects)
                case Forget(gone):
                    self.calls.pop(gone, None)
                    effects.append(effect)
                case _:
                    effects.append(effect)
        self._follow(missing, now, effects)

    def _follow(
        self, decisions: Sequence[Decision], now: float, effects: list[EngineEffect]
    ) -> None:
        for decision in decisions:
            if isinstance(decision, OfferMade | OperatorsMissing):
                self._call(decision, now, effects)
            else:
                effects.append(decision)


def unknown_operator(agent: str) -> Refused:
    """Nobody of the centre has this extension."""
    return Refused("unknown-operator", f"no operator has the extension {agent!r}")


def _epoch(local: datetime) -> float:
    return (local if local.tzinfo is not None else local.replace(tzinfo=UTC)).timestamp()
