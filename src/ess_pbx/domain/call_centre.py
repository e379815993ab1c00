"""The whole centre as one deterministic machine: events in, effects out.

It holds the calls and the ACD and lets them speak to each other: what a call asks of the queue is
answered here and now, in order, and only what concerns the world outside comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from ess_pbx.domain import clock_watch, moves, pranks, restoring, synthetic, transfer_button
from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.acd import Acd
from ess_pbx.domain.agency_answers import AgencyAnswers
from ess_pbx.domain.alarms import Alarms
from ess_pbx.domain.call import Call, Turn
from ess_pbx.domain.call_back_desk import CallBackDesk, Outcome
from ess_pbx.domain.call_backs import CallBacks
from ess_pbx.domain.call_in import CallIn
from ess_pbx.domain.call_memory import CallMemory, waited_before
from ess_pbx.domain.callers import Callers
from ess_pbx.domain.clock_watch import ClockWatch
from ess_pbx.domain.command_desk import decide_command
from ess_pbx.domain.commands import Command
from ess_pbx.domain.config import Centre
from ess_pbx.domain.desks import Desks
from ess_pbx.domain.effects import (
    Ask,
    Attend,
    Borrow,
    Effect,
    EngineEffect,
    Forget,
    Illegal,
    JoinQueue,
    LeaveQueue,
    OfferMissed,
    OfferTaken,
    Originate,
    Record,
    Refused,
    ReleaseAgent,
    Role,
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
    OutboundDialled,
    PhoneLost,
    PhoneReachable,
    PinChecked,
    RosterRead,
    StoodStill,
    SyntheticCallArrived,
    TicketsRead,
    TransferAsked,
    TransferBlocked,
)
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.hand_overs import HandOvers
from ess_pbx.domain.handed_over import HandedOver
from ess_pbx.domain.ids import CallId, LegId, PlaybackId, caller_leg
from ess_pbx.domain.incidents import Incidents, TakeBack
from ess_pbx.domain.memory import Memory
from ess_pbx.domain.offers import Decision
from ess_pbx.domain.outbound import OutboundCalls
from ess_pbx.domain.presence import Presence
from ess_pbx.domain.recording_pause import RecordingPauses
from ess_pbx.domain.roster import Roster, ahead
from ess_pbx.domain.surge import SurgeMode, SurgeState
from ess_pbx.domain.surge_centre import in_surge
from ess_pbx.domain.synthetic import SyntheticCalls
from ess_pbx.domain.taking_over import TakingOver
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
        self._clock = ClockWatch(config.policy.clock_jump)
        self.call_backs = CallBacks()
        self._hurry = 1.0
        self.incidents = Incidents(config)
        self.agency_answers = AgencyAnswers(self.incidents)
        self.hand_overs = HandOvers(config, self.incidents)
        self.handed_over = HandedOver(self.incidents)
        self.desks = Desks(config, self.acd)
        self.presence = Presence()
        self.moves = moves.Moves()
        self.desk = CallBackDesk(config, self.call_backs, self.acd)
        self.callers = Callers(config.policy)
        self.surge = SurgeMode(config.surge)
        self.call_in = CallIn(config)
        self.synthetic = SyntheticCalls(config)
        self.outbound = OutboundCalls(config, self.acd)
        self.recording_pauses = RecordingPauses()
        self._met = in_surge(config, None)
        """The centre as calls meet it now."""
        self._followed: SurgeState | None = None
        """The surge that centre, queue and duty go by; the one remembered, once it is followed."""
        self.kept = CallMemory()
        self._taking_over = TakingOver(self)
        self._told = 0
        """How many effects of this event the memories have seen."""
        self.memories: tuple[Memory, ...] = (
            self.kept,
            self.presence,
            self.moves,
            self.desks.wrong_pins,
            self.incidents,
            self.agency_answers,
            self.hand_overs,
            self.handed_over,
            self.outbound,
            self.callers,
            self.call_backs,
            self.surge,
            self.alarms,
            self.recording_pauses,
        )

    def decide(self, event: CallEvent | CentreEvent, now: float) -> list[EngineEffect]:
        """What is to be done about an event at ``now`` (monotonic seconds), in order."""
        effects: list[EngineEffect] = []
        self._told = 0
        match event:
            case CallEvent(call) if call in self.desks.lent:
                for each in self.desks.passed_on(event):
                    self.call(each, now, effects)
            case TransferAsked(call) if call not in self.calls:
                effects += transfer_button.of_no_call(event)
            case TransferBlocked(agent):
                asked = transfer_button.in_which_call(agent, self.calls.values())
                if asked is not None:
                    self.call(asked, now, effects)
            case CallEvent(call) | PinChecked(call) if call in self.desks.calls:
                effects += self.desks.decide(event, partial(self.command, now), self.wall(now))
            case CallEvent(call) if call in self.synthetic.calls:
                alarmed = synthetic.ALARM in self.alarms.standing
                effects += self.synthetic.decide(event, now, alarmed=alarmed)
            case CallEvent(call) if call in self.call_in.calls:
                effects += self.call_in.decide(event, self.wall(now))
            case CallEvent(call) if call in self.outbound.calls:
                self.carry_out(self.outbound.decide(event), now, effects)
            case OutboundDialled():
                self.carry_out(self.outbound.dialled(event, self.local_time(now)), now, effects)
            case CallEvent():
                self.call(event, now, effects)
            case DeskCallArrived():
                effects += self.desks.arrived(event, partial(self.command, now), self.wall(now))
            case SyntheticCallArrived():
                effects += self.synthetic.arrived(event)
            case PhoneReachable(agent):
                self.follow(self.acd.set_reachable(agent, True, now), now, effects)
            case PhoneLost(agent):
                self.follow(self.acd.set_reachable(agent, False, now), now, effects)
            case ClockRead(local, phones_known, wall):
                first, self._local = self._local is None, local
                self._clock_read(_epoch(local) if wall is None else wall, now, effects)
                self._taking_over.recall_seats(now, effects)
                effects += self.surge.clock(self.wall(now))
                self.follow(self.acd.set_on_duty(self.on_duty(local), now), now, effects)
                if first:
                    self.follow(self._restored(local, now), now, effects)
                    effects += self.agency_answers.left_over()
                    effects += self.hand_overs.left_over()
                effects += self.desks.clock(self.wall(now))
                if phones_known:
                    effects += self._look_ahead(local)
                effects += pranks.expire(self.callers, self.wall(now))
                effects += self.recording_pauses.clock(self.wall(now), self.config.policy)
                effects += self.desk.clock(self.calls, self.kept.live, self.wall(now))
                effects += self.alarms.clock_read(now, phones_known=phones_known)
                effects += self.synthetic.clock(
                    self.wall(now),
                    now,
                    ready=phones_known,
                    alarmed=synthetic.ALARM in self.alarms.standing,
                )
            case AsteriskFound():
                self._taking_over.found(event, now, effects)
            case DialplanServed():
                self._taking_over.served_anew(event, now, effects)
            case RosterRead(entries):
                self.roster = Roster.of(self.config, entries)
            case TicketsRead(numbers):
                self.incidents.given(numbers)
            case TakeBack(incident):
                effects += self.incidents.take_back(incident)
            case AlarmChanged():
                effects += self.alarms.changed(event)
            case AgentTimerFired(timer):
                self.follow(self.acd.timer_fired(timer, now), now, effects)
            case EarthquakeReported(quake):
                effects += self.surge.earthquake(quake, self.wall(now))
            case EarthquakeFeedRead(trouble):
                effects += self.surge.feed_read(trouble)
            case Command():
                effects += self.command(now, event)
        self.remember(effects, now)
        effects += self.agency_answers.follow(effects)
        self.remember(effects, now)
        effects += self.hand_overs.follow(effects)
        self.remember(effects, now)
        if self.surge.state is not self._followed:
            effects += self._follow_surge(now)
            self.remember(effects, now)
        if isinstance(event, ClockRead) or self.desk.wakes(effects):
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

    def set_wall(self, wall: float, now: float) -> None:
        """The wall clock says ``wall`` (epoch seconds) at ``now``."""
        self._wall_ahead = wall - now

    def hurry(self, factor: float, now: float) -> list[EngineEffect]:
        """From now on the ladder comes ``factor`` (above 0) times as early as the policy says.

        For those who wait already too: a step that is overdue by it comes at once.
        """
        effects: list[EngineEffect] = []
        if factor != self._hurry:
            self._hurry = factor
            for call in list(self.calls):
                self.call(Hurried(call), now, effects)
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
        self,
        call: CallId | None,
        kind: FactKind,
        data: Mapping[str, JSON],
        now: float,
        at: float | None = None,
    ) -> None:
        """Let everything that remembers see a fact, decided here or seen by the engine itself.

        ``at`` is when it was so, in epoch seconds, if not now.
        """
        at = self.wall(now) if at is None else at
        for memory in self.memories:
            memory.remember(kind, call, data, at)

    def checkpoint(self) -> Record:
        """All that is remembered, as a fact."""
        memories = {memory.name: memory.dump() for memory in self.memories}
        return Record(None, FactKind.CHECKPOINT, {"memories": memories})

    def sounds(self) -> frozenset[PlaybackId]:
        """Prompts and tones of which ``AsteriskFound`` is to say whether they are still heard."""
        unended = (call.unended for call in self.calls.values())
        return frozenset(self.kept.sounds(self.calls)).union(*unended)

    def legs(self) -> frozenset[LegId]:
        """Every leg that is known, or remembered from before."""
        here = {leg for call in self.calls.values() for leg in call.legs}
        before = {leg for call in self.kept.calls.values() for leg in call.legs}
        return frozenset(here | before | self.beside())

    def beside(self) -> frozenset[LegId]:
        """Legs of no call of a caller: of operators' codes, of who is called in, of test calls."""
        alone = map(caller_leg, self.desks.calls.keys() - self.desks.lent.keys())
        beside = (*self.call_in.legs, *self.outbound.legs, *self.synthetic.legs)
        return frozenset((*alone, *beside))

    def beside_calls(self) -> list[CallId]:
        """The calls that are no caller's, and those that an engine before this one left."""
        outbound = (*self.outbound.calls, *self.outbound.left)
        return [*self.desks.calls, *self.call_in.calls, *outbound, *self.synthetic.calls]

    def _clock_read(self, wall: float, now: float, effects: list[EngineEffect]) -> None:
        self.set_wall(wall, now)
        alarmed = clock_watch.ALARM in self.alarms.standing
        effects += self._clock.read(wall, now, self.calls, alarmed=alarmed)
        for call in self._clock.stood_still(self.calls.values()):
            self.call(StoodStill(call), now, effects)

    def remember(self, effects: Sequence[EngineEffect], now: float) -> None:
        """Let the memories see what they have not seen of this event's effects."""
        self._tell(effects[self._told :], now)
        self._told = len(effects)

    def _tell(self, effects: Sequence[EngineEffect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, Record):
                self.saw(effect.call, effect.kind, effect.data, now, effect.at)

    def _call_back(self, now: float, effects: list[EngineEffect]) -> None:
        """Begin the calls that there are operators for and no callers."""
        while (due := self.desk.next(self.calls, now, self.wall(now))) is not None:
            begun: list[EngineEffect] = []
            self.follow(self.acd.lend(due.call, due.agent), now, begun)
            self.call(due, now, begun)
            effects += begun
            self.remember(effects, now)

    def command(self, now: float, command: Command) -> list[EngineEffect]:
        """What somebody asks for, by API, command line or phone."""
        return decide_command(self, command, now)

    def carry_out(
        self,
        wanted: Sequence[EngineEffect | ReleaseAgent],
        now: float,
        effects: list[EngineEffect],
    ) -> None:
        """What an operator's own call needs; a seat that is given back is free for callers."""
        for effect in wanted:
            if isinstance(effect, ReleaseAgent):
                self.follow(self.acd.apply(effect, now), now, effects)
            else:
                effects.append(effect)

    def local_time(self, now: float) -> datetime:
        """The centre's time as it was last read; UTC before the first reading."""
        return self._local or datetime.fromtimestamp(self.wall(now), UTC)

    def _restored(self, local: datetime, now: float) -> list[Decision]:
        policy, wall = self.config.policy, self.wall(now)
        return [
            *self.presence.restore(self.acd, policy, self.roster, local, wall, now),
            *self.moves.restore(self.acd, self.roster, local, wall),
        ]

    def number_of(self, call: CallId) -> str | None:
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
        self.follow(self.acd.set_surge(self.config.surge if is_on else None, now), now, effects)
        if self._local is not None:
            self.follow(self.acd.set_on_duty(self.on_duty(self._local), now), now, effects)
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

    def call(self, event: CallEvent, now: float, effects: list[EngineEffect]) -> None:
        """Let a call decide what is to be done about its event."""
        call = self.calls.get(event.call)
        if call is None:
            if not isinstance(event, Arrived | CallBackDue):
                effects.append(Illegal(event.call, "unknown", type(event).__name__))
                if isinstance(event, OfferMade):
                    # Not a missed offer: the queue would offer it to the next operator, for ever.
                    self.follow(self.acd.apply(LeaveQueue(event.call), now), now, effects)
                return
            call = self._anew(event, now)
        turn = self.turn(call, now)
        decide(turn, event)
        seen = self.desk.saw(call, turn.call, event, self.calls, now, self.wall(now))
        self.decided(turn.call, turn.effects, now, effects, seen)
        if isinstance(event, Arrived):
            effects += self.handed_over.arrived(event)

    def _anew(self, event: Arrived | CallBackDue, now: float) -> Call:
        """A call that begins; one that the dialplan offers once more does not use an id again."""
        kept, wall, began = self.kept.calls.get(event.call), self.wall(now), now
        number = event.number if isinstance(event, CallBackDue) else event.caller_e164
        known = self.callers.known(number, wall)
        if isinstance(event, Arrived):
            began -= waited_before(event.invited_at, wall)
            if kept is None and event.call in self._taking_over.offered_again:
                kept = restoring.kept_of(event, wall)
        made = 0 if kept is None else restoring.first_never_made(kept, wall)
        earlier = self.desk.earlier(event)
        return Call(event.call, began, known, earlier=earlier, made_legs=made, made_playbacks=made)

    def turn(self, call: Call, now: float) -> Turn:
        """A call's turn to decide, with the centre as it meets it now."""
        local = self._local
        return Turn(
            call,
            now,
            self._met,
            local,
            holiday=local is not None and self.roster.is_holiday(local.date()),
            queue=self.acd,
            hurry=self._hurry,
            district=partial(self.incidents.district, call.id),
        )

    def decided(
        self,
        after: Call,
        wanted: Sequence[Effect],
        now: float,
        effects: list[EngineEffect],
        seen: Sequence[Outcome] = (),
    ) -> None:
        """Take over what became of a call, and hand on what it asks for."""
        self.calls[after.id] = after
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
                    | Attend()
                ):
                    decisions = self.acd.apply(effect, now)
                    # An offer rings at once. That nobody is there changes what the caller hears,
                    # which this turn may have begun: it is told after it.
                    missing += [each for each in decisions if isinstance(each, OperatorsMissing)]
                    rest = [each for each in decisions if not isinstance(each, OperatorsMissing)]
                    self.follow(rest, now, effects)
                case Ask(command):
                    effects += self.command(now, command)
                case Forget(gone):
                    self.calls.pop(gone, None)
                    effects.append(effect)
                case Originate(role=Role.AGENCY):
                    effects.append(self.hand_overs.referred(effect, after))
                case _:
                    effects.append(effect)
        self.follow([*missing, *seen], now, effects)

    def follow(
        self,
        decisions: Sequence[CallEvent | Decision | Refused],
        now: float,
        effects: list[EngineEffect],
    ) -> None:
        """Hand on what the queue decided: to the calls that it concerns, or to the world."""
        for decision in decisions:
            if isinstance(decision, CallEvent):
                self.call(decision, now, effects)
            else:
                effects.append(decision)


def _epoch(local: datetime) -> float:
    return (local if local.tzinfo is not None else local.replace(tzinfo=UTC)).timestamp()
