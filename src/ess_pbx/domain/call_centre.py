"""The whole centre as one deterministic machine: events in, effects out.

It holds the calls and the ACD and lets them speak to each other: what a call asks of the queue is
answered here and now, in order, and only what concerns the world outside comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ess_pbx.domain import absence, adoption, ids
from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.acd import Acd, Decision
from ess_pbx.domain.call import Call, Turn
from ess_pbx.domain.call_memory import CallMemory, KeptCall
from ess_pbx.domain.commands import Command, EndBreak
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    CreateBridge,
    Effect,
    EngineEffect,
    Forget,
    HangUp,
    Illegal,
    JoinQueue,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    Record,
    Refused,
    ReleaseAgent,
    ToDialplan,
)
from ess_pbx.domain.events import (
    AgentTimerFired,
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
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId, PlaybackId
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
        self.kept = CallMemory()
        self.memories: tuple[Memory, ...] = (self.kept,)
        self._taken_over = False
        self._offered_again: set[CallId] = set()
        self._served_calls: frozenset[CallId] = frozenset()

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
            case AsteriskFound():
                self._found(event, now, effects)
            case DialplanServed():
                self._served(event, now, effects)
            case RosterRead(entries):
                self.roster = Roster.of(self.config, entries)
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

    def checkpoint(self) -> Record:
        """All that is remembered, as a fact."""
        memories = {memory.name: memory.dump() for memory in self.memories}
        return Record(None, FactKind.CHECKPOINT, {"memories": memories})

    def sounds(self) -> frozenset[PlaybackId]:
        """Prompts and tones of which ``AsteriskFound`` is to say whether they are still heard."""
        return frozenset(self.kept.sounds(self.calls))

    def legs(self) -> frozenset[LegId]:
        """Every leg that is known, or remembered from before."""
        here = frozenset(leg for call in self.calls.values() for leg in call.legs)
        return here | {leg for call in self.kept.calls.values() for leg in call.legs}

    def _found(self, found: AsteriskFound, now: float, effects: list[EngineEffect]) -> None:
        """Go on with the calls that Asterisk holds, whoever began them (``domain.adoption``)."""
        self._wall_ahead = found.wall - now
        kept = dict(self.kept.calls)
        unknown = adoption.unknown_talkers({*kept, *self.calls}, found)
        kept |= {call: adoption.kept_of(each, found.wall) for call, each in unknown.items()}
        restored = (
            adoption.restore(each, found, self.config, now)
            for each in kept.values()
            if each.id not in self.calls and adoption.is_for_us(each.id, found)
        )
        adopted = list(adoption.one_call_each(restored, self.acd.seats))
        self.calls |= {call.id: call for call in adopted}
        # Of a call from before, whatever is not there is gone.
        whole, new = replace(found, asked=None), {call.id for call in adopted}
        missed = {
            call.id: list(
                adoption.missed(call, kept.get(call.id), whole if call.id in new else found)
            )
            for call in self.calls.values()
        }
        unwanted = list(adoption.strangers(self.calls, found))
        self._offered_again = {
            CallId(each.leg) for each in unwanted if isinstance(each, ToDialplan)
        }
        effects += unwanted
        self._take_seats(adopted, found.wall, effects)
        for agent, reachable in found.phones.items():
            self._follow(self.acd.set_reachable(agent, reachable, now), now, effects)
        for call in sorted(adopted, key=lambda each: adoption.turn_in_queue(each, self.config)):
            turn = Turn(call, now, self.config, self._local)
            adoption.resume(turn, kept[call.id], found, unknown.get(call.id))
            self._decided(turn.call, turn.effects, now, effects)
        for name, events in missed.items():
            self._catch_up(name, kept.get(name), events, found, now, effects)
        # What is gone need not be hung up; Asterisk would say 404.
        effects[:] = [
            each for each in effects if not (isinstance(each, HangUp) and found.is_gone(each.leg))
        ]

    def _served(self, told: DialplanServed, now: float, effects: list[EngineEffect]) -> None:
        """Put calls on record that the dialplan served; who talks in one is not to be rung."""
        for served in told.over:
            if served.call not in self.kept.imported:
                effects += absence.records(served)
        talking = {each.call: each.agent for each in told.talking if each.agent is not None}
        for seat in list(self.acd.seats.values()):
            if seat.call in self._served_calls - talking.keys() and seat.call is not None:
                over = ReleaseAgent(seat.call, seat.extension)
                self._follow(self.acd.apply(over, now), now, effects)
        self._served_calls = frozenset(talking)
        for call, agent in talking.items():
            effects += self.acd.adopt_talking(agent, call)

    def _take_seats(
        self, adopted: Sequence[Call], wall: float, effects: list[EngineEffect]
    ) -> None:
        """Who talks in an adopted call does so; who was in wrap-up or paused has the rest of it."""
        for call in adopted:
            if call.operator is not None:
                effects += self.acd.adopt_talking(call.operator.agent, call.id)
        if not self._taken_over:
            self._taken_over = True
            for agent, kept in self.kept.seats.items():
                effects += self.acd.adopt_rest(agent, kept.state, wall - kept.since)

    def _catch_up(
        self,
        name: CallId,
        kept: KeptCall | None,
        events: Sequence[CallEvent],
        found: AsteriskFound,
        now: float,
        effects: list[EngineEffect],
    ) -> None:
        """Ask again for what one call asked of Asterisk in vain; then what happened without us."""
        since, call = len(effects), self.calls.get(name)
        if call is None:
            return
        wanted = list(adoption.repairs(call, found))
        if any(isinstance(each, CreateBridge) for each in wanted):
            call = self.calls[name] = replace(call, bridged=True)
        effects += wanted
        for event in events:
            if name in self.calls:
                self._call(event, now, effects)
        if ids.caller_leg(name) not in found.legs and kept is not None:
            # The call ended without us: when it was last heard is nearer to the truth than now.
            at = min(found.wall, max(kept.last, found.last_heard.get(name, 0.0)))
            effects[since:] = [
                replace(each, at=at) if isinstance(each, Record) and each.call == name else each
                for each in effects[since:]
            ]

    def _remember(self, effects: Sequence[EngineEffect], now: float) -> None:
        at = self.wall(now)
        for effect in effects:
            if isinstance(effect, Record):
                for memory in self.memories:
                    memory.remember(effect.kind, effect.call, effect.data, at)

    def _command(self, command: Command, now: float, effects: list[EngineEffect]) -> None:
        match command:
            case EndBreak(_, agent) if agent not in self.acd.seats:
                effects.append(unknown_operator(agent))
            case EndBreak(_, agent):
                self._follow(self.acd.end_break(agent, now), now, effects)
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
            call = self._anew(event, now)
        after, wanted = decide(call, event, now, self.config, self._local)
        self._decided(after, wanted, now, effects)

    def _anew(self, event: CallEvent, now: float) -> Call:
        """A call that begins; one that the dialplan offers once more does not use an id again."""
        kept, wall = self.kept.calls.get(event.call), self.wall(now)
        if kept is None and event.call in self._offered_again and isinstance(event, Arrived):
            kept = adoption.kept_of(event, wall)
        if kept is None:
            return Call(event.call, now)
        made = adoption.first_never_made(kept, wall)
        return Call(event.call, now, made_legs=made, made_playbacks=made)

    def _decided(
        self, after: Call, wanted: Sequence[Effect], now: float, effects: list[EngineEffect]
    ) -> None:
        """Take over what became of a call, and hand on what it asks for."""
        self.calls[after.id] = after
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
