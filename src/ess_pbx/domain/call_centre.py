"""The whole centre as one deterministic machine: events in, effects out.

It holds the calls and the ACD and lets them speak to each other: what a call asks of the queue is
answered here and now, in order, and only what concerns the world outside comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from ess_pbx.domain import pranks
from ess_pbx.domain.acd import Acd, Decision
from ess_pbx.domain.alarms import Alarms
from ess_pbx.domain.call import Call
from ess_pbx.domain.call_back_desk import CallBackDesk
from ess_pbx.domain.call_backs import CallBacks
from ess_pbx.domain.call_in import CallIn
from ess_pbx.domain.callers import Callers
from ess_pbx.domain.commands import (
    AcknowledgeAlarm,
    CallBackNow,
    CloseCallBack,
    Command,
    ConfirmPrank,
    DeclareSurge,
    EndBreak,
    EndSurge,
    EndWrapUp,
    LiftPrank,
    LogIn,
    LogOut,
    MarkCall,
    TakeBreak,
)
from ess_pbx.domain.config import Centre
from ess_pbx.domain.desks import Desks
from ess_pbx.domain.effects import (
    Ask,
    Borrow,
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
    CallBackDue,
    CallEvent,
    CentreEvent,
    ClockRead,
    DeskCallArrived,
    EarthquakeFeedRead,
    EarthquakeReported,
    Hurried,
    OfferMade,
    OperatorsMissing,
    PhoneLost,
    PhoneReachable,
    PinChecked,
    RosterRead,
)
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.incidents import Incidents, ReportCommand
from ess_pbx.domain.memory import Memory
from ess_pbx.domain.presence import Presence, carry_out, unknown_operator
from ess_pbx.domain.roster import Roster, ahead
from ess_pbx.domain.surge import SurgeMode, SurgeState
from ess_pbx.domain.surge_centre import in_surge
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
        self.call_backs = CallBacks()
        self._hurry = 1.0
        self.incidents = Incidents(config)
        self.desks = Desks(config, self.acd)
        self.presence = Presence()
        self._desk = CallBackDesk(config, self.call_backs, self.acd)
        self.callers = Callers(config.policy)
        self.surge = SurgeMode(config.surge)
        self.call_in = CallIn(config)
        self._met = in_surge(config, None)
        """The centre as calls meet it now."""
        self._followed: SurgeState | None = None
        """The surge that centre, queue and duty go by; the one remembered, once it is followed."""
        self.memories: tuple[Memory, ...] = (
            self.presence,
            self.desks.wrong_pins,
            self.incidents,
            self.callers,
            self.call_backs,
            self.surge,
            self.alarms,
        )

    def decide(self, event: CallEvent | CentreEvent, now: float) -> list[EngineEffect]:
        """What is to be done about an event at ``now`` (monotonic seconds), in order."""
        effects: list[EngineEffect] = []
        match event:
            case CallEvent(call) | PinChecked(call) if call in self.desks.calls:
                effects += self.desks.decide(event, partial(self._command, now), self.wall(now))
            case CallEvent(call) if call in self.call_in.calls:
                effects += self.call_in.decide(event, self.wall(now))
            case CallEvent():
                self._call(event, now, effects)
            case DeskCallArrived():
                effects += self.desks.arrived(event, partial(self._command, now), self.wall(now))
            case PhoneReachable(agent):
                self._follow(self.acd.set_reachable(agent, True, now), now, effects)
            case PhoneLost(agent):
                self._follow(self.acd.set_reachable(agent, False, now), now, effects)
            case ClockRead(local, phones_known, wall):
                first, self._local = self._local is None, local
                self._wall_ahead = (_epoch(local) if wall is None else wall) - now
                effects += self.surge.clock(self.wall(now))
                self._follow(self.acd.set_on_duty(self.on_duty(local), now), now, effects)
                if first:
                    self._follow(self._restored(local, now), now, effects)
                effects += self.desks.clock(self.wall(now))
                if phones_known:
                    effects += self._look_ahead(local)
                effects += pranks.expire(self.callers, self.wall(now))
                effects += self._desk.clock(self.calls, self.wall(now))
                effects += self.alarms.clock_read(now, phones_known=phones_known)
            case RosterRead(entries):
                self.roster = Roster.of(self.config, entries)
            case AlarmChanged():
                effects += self.alarms.changed(event)
            case AgentTimerFired(timer):
                self._follow(self.acd.timer_fired(timer, now), now, effects)
            case EarthquakeReported(quake):
                effects += self.surge.earthquake(quake, self.wall(now))
            case EarthquakeFeedRead(trouble):
                effects += self.surge.feed_read(trouble)
            case Command():
                effects += self._command(now, event)
        self._remember(effects, now)
        if self.surge.state is not self._followed:
            changes = self._follow_surge(now)
            self._remember(changes, now)
            effects += changes
        if isinstance(event, ClockRead) or self._desk.wakes(effects):
            self._call_back(now, effects)
        return effects

    def on_duty(self, local: datetime) -> frozenset[str]:
        """Whose shift it is at a local time; in a surge everybody, where it calls them in."""
        if self.surge.state is not None and self.config.surge.call_in:
            return frozenset(self.acd.seats)
        return self.roster.on_duty(local)

    def wall(self, now: float) -> float:
        """Seconds since the epoch, by the wall clock as it was last read."""
        return now + self._wall_ahead

    def hurry(self, factor: float, now: float) -> list[EngineEffect]:
        """From now on the ladder comes ``factor`` (above 0) times as early as the policy says.

        For those who wait already too: a step that is overdue by it comes at once.
        """
        effects: list[EngineEffect] = []
        if factor != self._hurry:
            self._hurry = factor
            for call in list(self.calls):
                self._call(Hurried(call), now, effects)
        return effects

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

    def _call_back(self, now: float, effects: list[EngineEffect]) -> None:
        """Begin the calls that there are operators for and no callers."""
        while (due := self._desk.next(self.calls, now, self.wall(now))) is not None:
            begun: list[EngineEffect] = []
            self._follow(self.acd.lend(due.call, due.agent), now, begun)
            self._call(due, now, begun)
            self._remember(begun, now)
            effects += begun

    def _command(self, now: float, command: Command) -> list[EngineEffect]:
        """What somebody asks for, by API, command line or phone."""
        effects: list[EngineEffect] = []
        match command:
            case LogIn() | LogOut() | TakeBreak() | EndBreak() | EndWrapUp():
                done = carry_out(command, self.acd, self.config.policy, now)
                self._follow(done, now, effects)
            case CallBackNow(agent=str(agent)) if agent not in self.acd.seats:
                effects.append(unknown_operator(agent))
            case CallBackNow() | CloseCallBack():
                follows = self._desk.command(command, self.calls, self.wall(now))
                self._follow(follows, now, effects)
            case DeclareSurge() | EndSurge():
                effects += self.surge.command(command, self.wall(now))
            case _ if isinstance(command, ReportCommand):
                local = self._local or datetime.fromtimestamp(self.wall(now), UTC)
                effects += self.incidents.decide(command, local)
            case MarkCall(_, call):
                number, at = self._number_of(call), self.wall(now)
                effects += pranks.mark(self.callers, self.config.policy, command, number, at)
            case ConfirmPrank():
                effects += pranks.confirm(self.config.policy, command, self.wall(now))
            case LiftPrank():
                effects += pranks.lift(self.callers, command)
            case AcknowledgeAlarm(_, alarm) if alarm in self.surge.alarms:
                effects += self.surge.command(command, self.wall(now))
            case AcknowledgeAlarm():
                effects.append(self.alarms.acknowledge(command))
            case _:
                effects.append(Refused("not-supported", f"{type(command).__name__}: not known"))
        return effects

    def _restored(self, local: datetime, now: float) -> list[Decision]:
        policy, wall = self.config.policy, self.wall(now)
        return self.presence.restore(self.acd, policy, self.roster, local, wall, now)

    def _number_of(self, call: CallId) -> str | None:
        """The number of a call that goes on or is remembered; None for a call unknown."""
        going_on = self.calls.get(call)
        return self.callers.number_of(call) if going_on is None else going_on.number

    def _follow_surge(self, now: float) -> list[EngineEffect]:
        """Surge mode began, changed or ended: calls, queue and duty go by it from now on."""
        effects: list[EngineEffect] = []
        was_on, self._followed = self._followed is not None, self.surge.state
        self._met = in_surge(self.config, self._followed)
        is_on = self._followed is not None
        if was_on is is_on:
            return effects
        self._follow(self.acd.set_surge(self.config.surge if is_on else None, now), now, effects)
        if self._local is not None:
            self._follow(self.acd.set_on_duty(self.on_duty(self._local), now), now, effects)
        effects += self.hurry(self.config.surge.hurry if is_on else 1.0, now)
        if not is_on:
            effects += self.call_in.stop()
        elif self.config.surge.call_in:
            absent = [each for each, seat in self.acd.seats.items() if not seat.reachable]
            effects += self.call_in.begin(absent, self.wall(now))
        return effects

    def _look_ahead(self, local: datetime) -> list[Record]:
        there = {seat.extension for seat in self.acd.seats.values() if seat.reachable}
        within = self.config.policy.shift_alarm
        self._shift_alarms, records = ahead(self.roster, there, local, self._shift_alarms, within)
        return records

    def _call(self, event: CallEvent, now: float, effects: list[EngineEffect]) -> None:
        call = self.calls.get(event.call)
        if call is None:
            if not isinstance(event, Arrived | CallBackDue):
                effects.append(Illegal(event.call, "unknown", type(event).__name__))
                if isinstance(event, OfferMade):
                    # Not a missed offer: the queue would offer it to the next operator, for ever.
                    self._follow(self.acd.apply(LeaveQueue(event.call), now), now, effects)
                return
            number = event.number if isinstance(event, CallBackDue) else event.caller_e164
            known = self.callers.known(number, self.wall(now))
            call = Call(event.call, now, known, earlier=self._desk.earlier(event))
        local = self._local
        after, wanted = decide(
            call,
            event,
            now,
            self._met,
            local,
            holiday=local is not None and self.roster.is_holiday(local.date()),
            queue=self.acd,
            hurry=self._hurry,
            district=partial(self.incidents.district, event.call),
        )
        seen = self._desk.saw(call, after, event, self.calls, now, self.wall(now))
        self.calls[event.call] = after
        missing: list[Decision] = []
        for effect in wanted:
            match effect:
                case (
                    JoinQueue()
                    | LeaveQueue()
                    | OfferTaken()
                    | OfferMissed()
                    | ReleaseAgent()
                    | Borrow()
                ):
                    decisions = self.acd.apply(effect, now)
                    # An offer rings at once. That nobody is there changes what the caller hears,
                    # which this turn may have begun: it is told after it.
                    missing += [each for each in decisions if isinstance(each, OperatorsMissing)]
                    rest = [each for each in decisions if not isinstance(each, OperatorsMissing)]
                    self._follow(rest, now, effects)
                case Ask(command):
                    effects += self._command(now, command)
                case Forget(gone):
                    self.calls.pop(gone, None)
                    effects.append(effect)
                case _:
                    effects.append(effect)
        self._follow([*missing, *seen], now, effects)

    def _follow(
        self, decisions: Sequence[Decision | Refused], now: float, effects: list[EngineEffect]
    ) -> None:
        for decision in decisions:
            if isinstance(decision, CallEvent):
                self._call(decision, now, effects)
            else:
                effects.append(decision)


def _epoch(local: datetime) -> float:
    return (local if local.tzinfo is not None else local.replace(tzinfo=UTC)).timestamp()
