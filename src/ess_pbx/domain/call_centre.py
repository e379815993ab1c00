"""The whole centre as one deterministic machine: events in, effects out.

It holds the calls and the ACD and lets them speak to each other: what a call asks of the queue is
answered here and now, in order, and only what concerns the world outside comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from msgspec import structs

from ess_pbx.domain import (
    absence,
    adoption,
    clock_watch,
    moves,
    pranks,
    restoring,
    supervision,
    supervision_adoption,
    supervision_desk,
    synthetic,
)
from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.acd import Acd
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.alarms import Alarms
from ess_pbx.domain.call import Call, Phase, Turn
from ess_pbx.domain.call_back_desk import CallBackDesk, Outcome
from ess_pbx.domain.call_backs import CallBacks
from ess_pbx.domain.call_in import CallIn
from ess_pbx.domain.call_memory import CallMemory, KeptCall
from ess_pbx.domain.callers import Callers
from ess_pbx.domain.clock_watch import ClockWatch
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
    MoveOperator,
    PauseRecording,
    PullCall,
    ResumeRecording,
    StopSupervising,
    Supervise,
    TakeBreak,
)
from ess_pbx.domain.config import Centre
from ess_pbx.domain.desks import Desks
from ess_pbx.domain.effects import (
    Ask,
    Attend,
    Borrow,
    CreateBridge,
    Defect,
    Effect,
    EngineEffect,
    Forget,
    HangUp,
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
    ToDialplan,
)
from ess_pbx.domain.ending import UNKNOWN_CAUSE
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
    LegGone,
    OfferMade,
    OperatorsMissing,
    OutboundDialled,
    PhoneLost,
    PhoneReachable,
    PinChecked,
    RosterRead,
    SyntheticCallArrived,
)
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.hand_overs import HandOverReport, HandOvers
from ess_pbx.domain.handed_over import HandedOver, ReceiveReport
from ess_pbx.domain.ids import CallId, LegId, PlaybackId, call_of, caller_leg
from ess_pbx.domain.incidents import Incidents, ReportCommand
from ess_pbx.domain.memory import Memory
from ess_pbx.domain.offers import Decision
from ess_pbx.domain.outbound import OutboundCalls
from ess_pbx.domain.presence import Presence, carry_out, unknown_operator
from ess_pbx.domain.recording_pause import RecordingPauses
from ess_pbx.domain.roster import Roster, ahead
from ess_pbx.domain.supervision import ListenByPhone
from ess_pbx.domain.surge import SurgeMode, SurgeState
from ess_pbx.domain.surge_centre import in_surge
from ess_pbx.domain.synthetic import SyntheticCalls
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
        self.hand_overs = HandOvers(config, self.incidents)
        self.handed_over = HandedOver(self.incidents)
        self.desks = Desks(config, self.acd)
        self.presence = Presence()
        self.moves = moves.Moves()
        self._desk = CallBackDesk(config, self.call_backs, self.acd)
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
        self._recalled_seats = False
        self._taken_over = False
        self._offered_again: set[CallId] = set()
        self._served_calls: frozenset[CallId] = frozenset()
        self._told = 0
        """How many effects of this event the memories have seen."""
        self.memories: tuple[Memory, ...] = (
            self.kept,
            self.presence,
            self.moves,
            self.desks.wrong_pins,
            self.incidents,
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
                    self._call(each, now, effects)
            case CallEvent(call) | PinChecked(call) if call in self.desks.calls:
                effects += self.desks.decide(event, partial(self._command, now), self.wall(now))
            case CallEvent(call) if call in self.synthetic.calls:
                alarmed = synthetic.ALARM in self.alarms.standing
                effects += self.synthetic.decide(event, now, alarmed=alarmed)
            case CallEvent(call) if call in self.call_in.calls:
                effects += self.call_in.decide(event, self.wall(now))
            case CallEvent(call) if call in self.outbound.calls:
                self._outbound(self.outbound.decide(event), now, effects)
            case OutboundDialled():
                self._outbound(self.outbound.dialled(event, self.local_time(now)), now, effects)
            case CallEvent():
                self._call(event, now, effects)
            case DeskCallArrived():
                effects += self.desks.arrived(event, partial(self._command, now), self.wall(now))
            case SyntheticCallArrived():
                effects += self.synthetic.arrived(event)
            case PhoneReachable(agent):
                self._follow(self.acd.set_reachable(agent, True, now), now, effects)
            case PhoneLost(agent):
                self._follow(self.acd.set_reachable(agent, False, now), now, effects)
            case ClockRead(local, phones_known, wall):
                first, self._local = self._local is None, local
                effects += self._clock_read(_epoch(local) if wall is None else wall, now)
                self._recall_seats(now, effects)
                effects += self.surge.clock(self.wall(now))
                self._follow(self.acd.set_on_duty(self.on_duty(local), now), now, effects)
                if first:
                    self._follow(self._restored(local, now), now, effects)
                    effects += self.hand_overs.left_over()
                effects += self.desks.clock(self.wall(now))
                if phones_known:
                    effects += self._look_ahead(local)
                effects += pranks.expire(self.callers, self.wall(now))
                effects += self.recording_pauses.clock(self.wall(now), self.config.policy)
                effects += self._desk.clock(self.calls, self.kept.live, self.wall(now))
                effects += self.alarms.clock_read(now, phones_known=phones_known)
                effects += self.synthetic.clock(
                    self.wall(now),
                    now,
                    ready=phones_known,
                    alarmed=synthetic.ALARM in self.alarms.standing,
                )
            case AsteriskFound():
                self._found(event, now, effects)
            case DialplanServed():
                self._served(event, now, effects)
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
        effects += self.hand_overs.follow(effects)
        self._remember(effects, now)
        if self.surge.state is not self._followed:
            effects += self._follow_surge(now)
            self._remember(effects, now)
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

    def _found(self, found: AsteriskFound, now: float, effects: list[EngineEffect]) -> None:
        """Go on with the calls that Asterisk holds, whoever began them (``domain.adoption``).

        Nobody is offered a call before all calls are where they belong: one whose operator left
        meanwhile goes before others. What one call has wrong costs that call its adoption alone:
        its caller is offered again.
        """
        with self.acd.holding():
            self._take_over(found, now, effects)
        self._follow(self.acd.serve(now), now, effects)
        self._remember(effects, now)
        effects += self._desk.clock(self.calls, self.kept.live, found.wall)

    def _take_over(self, found: AsteriskFound, now: float, effects: list[EngineEffect]) -> None:
        self._wall_ahead = found.wall - now
        self.call_backs.skip_in_use(map(call_of, found.legs))
        self._recall_seats(now, effects)
        # As it was before: what is decided here is remembered too.
        kept = {each.id: structs.replace(each) for each in self.kept.calls.values()}
        unknown = adoption.unknown_talkers({*kept, *self.calls}, found)
        kept |= {call: restoring.kept_of(each, found.wall) for call, each in unknown.items()}
        for name, own in self.calls.items():
            self.calls[name] = supervision_adoption.seen(own, found)
        adopted = self._restored_calls(kept, found, now, effects)
        self.calls |= {call.id: call for call in adopted}
        for call in adopted:
            self.desks.lend_again(call)
        missed = self._missed(kept, {call.id for call in adopted}, found, effects)
        self._outbound(self.outbound.found(found), now, effects)
        unwanted = list(adoption.strangers(self.calls, self.beside(), found))
        self._offered_again = {
            CallId(each.leg) for each in unwanted if isinstance(each, ToDialplan)
        }
        effects += unwanted
        effects += adoption.answers(self.calls.values(), found)
        self._take_seats(found, now, effects)
        for agent, reachable in found.phones.items():
            self._follow(self.acd.set_reachable(agent, reachable, now), now, effects)
        for call in sorted(
            adopted, key=lambda each: adoption.turn_in_queue(each, self.config, found)
        ):
            self._resume(call, kept[call.id], unknown.get(call.id), found, now, effects)
            if call.caller not in found.legs:
                # What rings for who has left is hung up before it rings for others.
                events = missed.pop(call.id, [])
                self._catch_up(call.id, kept[call.id], events, found, now, effects)
        self._remember(effects, now)
        for name, events in missed.items():
            self._catch_up(name, kept.get(name), events, found, now, effects)
        for desk_call in [each for each in self.desks.calls if found.is_gone(caller_leg(each))]:
            gone = LegGone(desk_call, caller_leg(desk_call), UNKNOWN_CAUSE)
            effects += self.desks.decide(gone, partial(self._command, now), self.wall(now))
        for leg in [each for each in self.call_in.legs if found.is_gone(each)]:
            away = LegGone(call_of(leg), leg, UNKNOWN_CAUSE)
            effects += self.call_in.decide(away, self.wall(now))
        for leg in [each for each in self.synthetic.legs if found.is_gone(each)]:
            alarmed = synthetic.ALARM in self.alarms.standing
            lost = LegGone(call_of(leg), leg, UNKNOWN_CAUSE)
            effects += self.synthetic.decide(lost, now, alarmed=alarmed)

    def _restored_calls(
        self,
        kept: Mapping[CallId, KeptCall],
        found: AsteriskFound,
        now: float,
        effects: list[EngineEffect],
    ) -> list[Call]:
        restored: list[Call] = []
        for each in kept.values():
            if each.id in self.calls or not adoption.is_for_us(each.id, found):
                continue
            try:
                restored.append(restoring.restore(each, found, self.config, now))
            except Exception as error:
                effects.append(Defect(each.id, "restore", error))
        return list(restoring.one_call_each(restored, self.acd.seats))

    def _missed(
        self,
        kept: Mapping[CallId, KeptCall],
        adopted: Set[CallId],
        found: AsteriskFound,
        effects: list[EngineEffect],
    ) -> dict[CallId, list[CallEvent]]:
        # Of a call from before, whatever is not there is gone.
        whole = replace(found, asked=None)
        missed: dict[CallId, list[CallEvent]] = {}
        for call in self.calls.values():
            there = whole if call.id in adopted else found
            try:
                missed[call.id] = list(adoption.missed(call, kept.get(call.id), there))
            except Exception as error:
                effects.append(Defect(call.id, "missed", error))
        return missed

    def _resume(
        self,
        call: Call,
        kept: KeptCall,
        arrival: Arrived | None,
        found: AsteriskFound,
        now: float,
        effects: list[EngineEffect],
    ) -> None:
        """Start what lives in an engine alone; who talks goes on talking if it cannot be."""
        begun: list[EngineEffect] = []
        try:
            if call.phase is Phase.CALLING_OPERATOR:
                for side in call.offers:
                    self._follow(self.acd.lend(call.id, side.agent), now, begun)
            turn = self._turn(call, now)
            adoption.resume(turn, kept, found, arrival)
            self._decided(turn.call, turn.effects, now, begun)
        except Exception as error:
            effects.append(Defect(call.id, "resume", error))
            if call.phase not in restoring.HUMANS:
                self._give_up(call, found, now, effects)
            return
        effects += begun

    def _give_up(
        self, call: Call, found: AsteriskFound, now: float, effects: list[EngineEffect]
    ) -> None:
        """A call that cannot be gone on with: its caller begins anew, nobody else rings for it."""
        del self.calls[call.id]
        for leg in call.legs:
            if leg != call.caller and leg in found.legs:
                effects.append(HangUp(leg))
        if found.is_ours(call.id):
            self._offered_again.add(call.id)
            effects.append(ToDialplan(call.caller))
        self._follow(self.acd.apply(LeaveQueue(call.id), now), now, effects)

    def _served(self, told: DialplanServed, now: float, effects: list[EngineEffect]) -> None:
        """Put calls on record that the dialplan served; who talks in one is not to be rung."""
        for served in told.over:
            if served.call in self.kept.imported:
                continue
            effects += absence.records(served)
            effects += self._desk.imported(served, self.wall(now))
            effects.append(absence.imported(served))
            self._remember(effects, now)
        talking = {each.call: each.agent for each in told.talking if each.agent is not None}
        for seat in list(self.acd.seats.values()):
            if seat.call in self._served_calls - talking.keys() and seat.call is not None:
                over = ReleaseAgent(seat.call, seat.extension)
                self._follow(self.acd.apply(over, now), now, effects)
        self._served_calls = frozenset(talking)
        for call, agent in talking.items():
            effects += self.acd.adopt_talking(agent, call)

    def _clock_read(self, wall: float, now: float) -> list[Record]:
        self._wall_ahead = wall - now
        alarmed = clock_watch.ALARM in self.alarms.standing
        return self._clock.read(wall, now, self.calls, alarmed=alarmed)

    def _recall_seats(self, now: float, effects: list[EngineEffect]) -> None:
        """Who was in wrap-up or paused has the rest of it; who talked does, until it is known.

        Before anything else is said of a seat: each fact of it tells its state too.
        """
        if self._recalled_seats:
            return
        self._recalled_seats = True
        for agent, kept in list(self.kept.seats.items()):
            effects += self.acd.adopt_rest(agent, kept.state, self.wall(now) - kept.since)
            if agent in self.acd.seats:
                self.acd.seats[agent].wraps_up = kept.wraps_up
            if kept.state == AgentState.TALKING and kept.call is not None:
                effects += self.acd.adopt_talking(agent, CallId(kept.call))

    def _take_seats(
        self,
        found: AsteriskFound,
        now: float,
        effects: list[EngineEffect],
    ) -> None:
        """Who talks in an adopted call does so; whose call ended meanwhile has all the wrap-up."""
        calls = self.calls.values()
        talks = {(call.id, agent) for call in calls for agent in adoption.kept_busy(call)}
        talks |= set(self.outbound.talkers.items())
        if not self._taken_over:
            self._taken_over = True
            self.call_backs.skip_torn_off(found.wall)
            talking = [seat for seat in self.acd.seats.values() if seat.state is AgentState.TALKING]
            for seat in talking:
                call = seat.call
                if call is None or (call, seat.extension) in talks:
                    continue
                if call in self.calls and supervision.is_told(self.calls[call], seat.extension):
                    continue
                if found.is_served(call):
                    self._served_calls |= {call}
                    continue
                # What comes next is offered when all calls are taken over.
                over = ReleaseAgent(call, seat.extension)
                self._follow(self.acd.apply(over, now), now, effects)
        for name, agent in sorted(talks):
            effects += self.acd.adopt_talking(agent, name)
        for each in self.calls.values():
            if each.supervision is not None:
                attends = Attend(each.id, each.supervision.supervisor)
                self._follow(self.acd.apply(attends, now), now, effects)

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
        call = self.calls.get(name)
        if call is None:
            return
        done: list[EngineEffect] = []
        try:
            wanted = list(adoption.repairs(call, found))
            made = {each.bridge for each in wanted if isinstance(each, CreateBridge)}
            # One that was asked for on a line that broke may never have been made.
            made |= found.bridges.keys()
            bridged, aside_made = call.bridge in made, call.aside in made
            call = self.calls[name] = structs.replace(call, bridged=bridged, aside_made=aside_made)
            done += wanted
            for event in events:
                if name in self.calls:
                    self._call(event, now, done)
        except Exception as error:
            done.append(Defect(name, "missed", error))
        # What is gone need not be hung up; Asterisk would say 404.
        done = [each for each in done if not (isinstance(each, HangUp) and found.is_gone(each.leg))]
        if kept is not None and call.caller in call.legs and call.caller not in found.legs:
            # The call ended without us: when it was last heard is nearer to the truth than now.
            at = min(found.wall, max(kept.last, found.last_heard.get(name, 0.0)))
            done = [
                replace(each, at=at) if isinstance(each, Record) and each.call == name else each
                for each in done
            ]
        effects += done
        self._remember(effects, now)

    def _remember(self, effects: Sequence[EngineEffect], now: float) -> None:
        """Let the memories see what they have not seen of this event's effects."""
        self._tell(effects[self._told :], now)
        self._told = len(effects)

    def _tell(self, effects: Sequence[EngineEffect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, Record):
                self.saw(effect.call, effect.kind, effect.data, now, effect.at)

    def _call_back(self, now: float, effects: list[EngineEffect]) -> None:
        """Begin the calls that there are operators for and no callers."""
        while (due := self._desk.next(self.calls, now, self.wall(now))) is not None:
            begun: list[EngineEffect] = []
            self._follow(self.acd.lend(due.call, due.agent), now, begun)
            self._call(due, now, begun)
            effects += begun
            self._remember(effects, now)

    def _command(self, now: float, command: Command) -> list[EngineEffect]:
        """What somebody asks for, by API, command line or phone."""
        effects: list[EngineEffect] = []
        match command:
            case LogIn() | LogOut() | TakeBreak() | EndBreak() | EndWrapUp():
                done = carry_out(command, self.acd, self.config.policy, now)
                self._follow(done, now, effects)
            case MoveOperator():
                self._follow(moves.move(command, self.acd, self.config), now, effects)
            case CallBackNow(agent=str(agent)) if agent not in self.acd.seats:
                effects.append(unknown_operator(agent))
            case CallBackNow() | CloseCallBack():
                follows = self._desk.command(command, self.calls, self.wall(now))
                self._follow(follows, now, effects)
            case Supervise() | ListenByPhone() | StopSupervising() | PullCall():
                asked = supervision_desk.command(command, self.calls, self.acd)
                self._follow(asked, now, effects)
            case DeclareSurge() | EndSurge():
                effects += self.surge.command(command, self.wall(now))
            case _ if isinstance(command, ReportCommand):
                effects += self.incidents.decide(command, self.local_time(now))
            case ReceiveReport():
                effects += self.handed_over.receive(command, self.local_time(now))
            case HandOverReport():
                effects += self.hand_overs.command(command)
            case MarkCall(_, call):
                number, at = self._number_of(call), self.wall(now)
                effects += pranks.mark(self.callers, self.config.policy, command, number, at)
            case PauseRecording(_, call):
                talking = call in self.calls and self.calls[call].phase in restoring.HUMANS
                policy, at = self.config.policy, self.wall(now)
                effects.append(self.recording_pauses.pause(command, policy, talking=talking, at=at))
            case ResumeRecording():
                effects.append(self.recording_pauses.resume(command))
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

    def _outbound(
        self,
        wanted: Sequence[EngineEffect | ReleaseAgent],
        now: float,
        effects: list[EngineEffect],
    ) -> None:
        """What an operator's own call needs; a seat that is given back is free for callers."""
        for effect in wanted:
            if isinstance(effect, ReleaseAgent):
                self._follow(self.acd.apply(effect, now), now, effects)
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
            call = self._anew(event, now)
        turn = self._turn(call, now)
        decide(turn, event)
        seen = self._desk.saw(call, turn.call, event, self.calls, now, self.wall(now))
        self._decided(turn.call, turn.effects, now, effects, seen)
        if isinstance(event, Arrived):
            effects += self.handed_over.arrived(event)

    def _anew(self, event: Arrived | CallBackDue, now: float) -> Call:
        """A call that begins; one that the dialplan offers once more does not use an id again."""
        kept, wall = self.kept.calls.get(event.call), self.wall(now)
        number = event.number if isinstance(event, CallBackDue) else event.caller_e164
        known = self.callers.known(number, wall)
        if kept is None and event.call in self._offered_again and isinstance(event, Arrived):
            kept = restoring.kept_of(event, wall)
        made = 0 if kept is None else restoring.first_never_made(kept, wall)
        earlier = self._desk.earlier(event)
        return Call(event.call, now, known, earlier=earlier, made_legs=made, made_playbacks=made)

    def _turn(self, call: Call, now: float) -> Turn:
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

    def _decided(
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
                    self._follow(rest, now, effects)
                case Ask(command):
                    effects += self._command(now, command)
                case Forget(gone):
                    self.calls.pop(gone, None)
                    effects.append(effect)
                case Originate(role=Role.AGENCY):
                    effects.append(self.hand_overs.referred(effect, after))
                case _:
                    effects.append(effect)
        self._follow([*missing, *seen], now, effects)

    def _follow(
        self,
        decisions: Sequence[CallEvent | Decision | Refused],
        now: float,
        effects: list[EngineEffect],
    ) -> None:
        for decision in decisions:
            if isinstance(decision, CallEvent):
                self._call(decision, now, effects)
            else:
                effects.append(decision)


def _epoch(local: datetime) -> float:
    return (local if local.tzinfo is not None else local.replace(tzinfo=UTC)).timestamp()
