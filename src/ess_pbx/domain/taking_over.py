"""What an engine that starts takes over: the calls that Asterisk holds, and who talks in them.

``adoption`` and ``restoring`` say what became of one call; this puts all of them, the operators'
seats and what is beside the calls back into a centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs

from ess_pbx.domain import (
    absence,
    adoption,
    restoring,
    supervision,
    supervision_adoption,
    synthetic,
)
from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Call, Phase
from ess_pbx.domain.call_memory import KeptCall
from ess_pbx.domain.effects import (
    Attend,
    CreateBridge,
    Defect,
    EngineEffect,
    HangUp,
    LeaveQueue,
    Record,
    ReleaseAgent,
    ToDialplan,
)
from ess_pbx.domain.ending import UNKNOWN_CAUSE
from ess_pbx.domain.events import Arrived, CallEvent, LegGone
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, call_of, caller_leg

if TYPE_CHECKING:
    from ess_pbx.domain.call_centre import CallCentre


class TakingOver:
    """What one centre takes over from the engine before, and from the dialplan."""

    def __init__(self, centre: CallCentre) -> None:
        self.offered_again: set[CallId] = set()
        """Calls that the dialplan is to offer once more."""
        self._centre = centre
        self._recalled_seats = False
        self._taken_over = False
        self._served_calls: dict[CallId, str] = {}
        """Those in which an operator talks whom the dialplan rang."""

    def found(self, found: AsteriskFound, now: float, effects: list[EngineEffect]) -> None:
        """Go on with the calls that Asterisk holds, whoever began them (``domain.adoption``).

        Nobody is offered a call before all calls are where they belong: one whose operator left
        meanwhile goes before others. What one call has wrong costs that call its adoption alone:
        its caller is offered again.
        """
        centre = self._centre
        with centre.acd.holding():
            self._take_over(found, now, effects)
        centre.follow(centre.acd.serve(now), now, effects)
        centre.remember(effects, now)
        effects += centre.desk.clock(centre.calls, centre.kept.live, found.wall)

    def _take_over(self, found: AsteriskFound, now: float, effects: list[EngineEffect]) -> None:
        centre = self._centre
        centre.set_wall(found.wall, now)
        centre.call_backs.skip_in_use(map(call_of, found.legs))
        self.recall_seats(now, effects)
        if found.served is not None:
            # Whom the dialplan had is no call of ours that ended unheard, nor their operator free.
            self.served(found.served, now, effects)
        # As it was before: what is decided here is remembered too.
        kept = {
            each.id: structs.replace(each)
            for each in centre.kept.calls.values()
            if found.is_about(each.id)
        }
        unknown = adoption.unknown_talkers({*kept, *centre.calls}, found)
        kept |= {call: restoring.kept_of(each, found.wall) for call, each in unknown.items()}
        for name, own in centre.calls.items():
            if found.is_about(name):
                centre.calls[name] = supervision_adoption.seen(own, found)
        adopted = self._restored_calls(kept, found, now, effects)
        centre.calls |= {call.id: call for call in adopted}
        for call in adopted:
            centre.desks.lend_again(call)
        missed = self._missed(kept, {call.id for call in adopted}, found, effects)
        centre.carry_out(centre.outbound.found(found), now, effects)
        strangers = adoption.strangers(centre.calls, centre.beside(), found)
        # What an operator's own call has asked for is not asked for twice.
        unwanted = [each for each in strangers if each not in effects]
        again = {CallId(each.leg) for each in unwanted if isinstance(each, ToDialplan)}
        self.offered_again = again if found.concerns is None else self.offered_again | again
        effects += unwanted
        effects += adoption.answers(centre.calls.values(), found)
        self._take_seats(found, now, effects)
        for agent, reachable in found.phones.items():
            centre.follow(centre.acd.set_reachable(agent, reachable, now), now, effects)
        for call in sorted(
            adopted, key=lambda each: adoption.turn_in_queue(each, centre.config, found)
        ):
            self._resume(call, kept[call.id], unknown.get(call.id), found, now, effects)
            if call.caller not in found.legs:
                # What rings for who has left is hung up before it rings for others.
                events = missed.pop(call.id, [])
                self._catch_up(call.id, kept[call.id], events, found, now, effects)
        centre.remember(effects, now)
        for name, events in missed.items():
            self._catch_up(name, kept.get(name), events, found, now, effects)
        for desk_call in [each for each in centre.desks.calls if found.is_gone(caller_leg(each))]:
            gone = LegGone(desk_call, caller_leg(desk_call), UNKNOWN_CAUSE)
            effects += centre.desks.decide(gone, partial(centre.command, now), centre.wall(now))
        for leg in [each for each in centre.call_in.legs if found.is_gone(each)]:
            away = LegGone(call_of(leg), leg, UNKNOWN_CAUSE)
            effects += centre.call_in.decide(away, centre.wall(now))
        for leg in [each for each in centre.synthetic.legs if found.is_gone(each)]:
            alarmed = synthetic.ALARM in centre.alarms.standing
            lost = LegGone(call_of(leg), leg, UNKNOWN_CAUSE)
            effects += centre.synthetic.decide(lost, now, alarmed=alarmed)
        # Who left one of these calls unheard may have answered the dialplan's since.
        for name, agent in self._served_calls.items():
            effects += centre.acd.adopt_talking(agent, name)

    def _restored_calls(
        self,
        kept: Mapping[CallId, KeptCall],
        found: AsteriskFound,
        now: float,
        effects: list[EngineEffect],
    ) -> list[Call]:
        centre = self._centre
        restored: list[Call] = []
        for each in kept.values():
            if each.id in centre.calls or not adoption.is_for_us(each.id, found):
                continue
            try:
                restored.append(restoring.restore(each, found, centre.config, now))
            except Exception as error:
                effects.append(Defect(each.id, "restore", error))
        return list(restoring.one_call_each(restored, centre.acd.seats))

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
        for call in filter(lambda each: found.is_about(each.id), self._centre.calls.values()):
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
        centre = self._centre
        begun: list[EngineEffect] = []
        try:
            if call.phase is Phase.CALLING_OPERATOR:
                for side in call.offers:
                    centre.follow(centre.acd.lend(call.id, side.agent), now, begun)
            turn = centre.turn(call, now)
            adoption.resume(turn, kept, found, arrival)
            centre.decided(turn.call, turn.effects, now, begun)
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
        centre = self._centre
        del centre.calls[call.id]
        for leg in call.legs:
            if leg != call.caller and leg in found.legs:
                effects.append(HangUp(leg))
        if found.is_ours(call.id):
            self.offered_again.add(call.id)
            effects.append(ToDialplan(call.caller))
        centre.follow(centre.acd.apply(LeaveQueue(call.id), now), now, effects)

    def served_anew(self, told: DialplanServed, now: float, effects: list[EngineEffect]) -> None:
        """The dialplan has served more calls: who is free of one may be in the next already."""
        centre = self._centre
        with centre.acd.holding():
            self.served(told, now, effects)
        centre.follow(centre.acd.serve(now), now, effects)

    def served(self, told: DialplanServed, now: float, effects: list[EngineEffect]) -> None:
        """Put calls on record that the dialplan served; who talks in one is not to be rung."""
        centre = self._centre
        for served in told.over:
            if served.call in centre.kept.imported:
                continue
            # An engine that had them in the end records how they ended.
            if not served.lost or served.call not in {*centre.calls, *centre.kept.live}:
                effects += absence.records(served)
                effects += centre.desk.imported(served, centre.wall(now))
            effects.append(absence.imported(served))
            centre.remember(effects, now)
        talking = {each.call: each.agent for each in told.talking if each.agent is not None}
        for seat in list(centre.acd.seats.values()):
            if seat.call is not None and seat.call in self._served_calls.keys() - talking.keys():
                over = ReleaseAgent(seat.call, seat.extension)
                centre.follow(centre.acd.apply(over, now), now, effects)
        self._served_calls = talking
        for call, agent in talking.items():
            effects += centre.acd.adopt_talking(agent, call)

    def recall_seats(self, now: float, effects: list[EngineEffect]) -> None:
        """Who was in wrap-up or paused has the rest of it; who talked does, until it is known.

        Before anything else is said of a seat: each fact of it tells its state too.
        """
        centre = self._centre
        if self._recalled_seats:
            return
        self._recalled_seats = True
        for agent, kept in list(centre.kept.seats.items()):
            effects += centre.acd.adopt_rest(agent, kept.state, centre.wall(now) - kept.since)
            if agent in centre.acd.seats:
                centre.acd.seats[agent].wraps_up = kept.wraps_up
            if kept.state == AgentState.TALKING and kept.call is not None:
                effects += centre.acd.adopt_talking(agent, CallId(kept.call))

    def _take_seats(
        self,
        found: AsteriskFound,
        now: float,
        effects: list[EngineEffect],
    ) -> None:
        """Who talks in an adopted call does so; whose call ended meanwhile has all the wrap-up."""
        centre = self._centre
        calls = centre.calls.values()
        talks = {(call.id, agent) for call in calls for agent in adoption.kept_busy(call)}
        talks |= set(centre.outbound.talkers.items())
        if not self._taken_over:
            self._taken_over = True
            centre.call_backs.skip_torn_off(found.wall)
            talking = [
                seat for seat in centre.acd.seats.values() if seat.state is AgentState.TALKING
            ]
            for seat in talking:
                call = seat.call
                if call is None or (call, seat.extension) in talks:
                    continue
                if call in centre.calls and supervision.is_told(centre.calls[call], seat.extension):
                    continue
                if call in self._served_calls or found.is_served(call):
                    self._served_calls[call] = seat.extension
                    continue
                # What comes next is offered when all calls are taken over.
                over = ReleaseAgent(call, seat.extension)
                centre.follow(centre.acd.apply(over, now), now, effects)
        for name, agent in sorted(talks):
            effects += centre.acd.adopt_talking(agent, name)
        for each in centre.calls.values():
            if each.supervision is not None:
                attends = Attend(each.id, each.supervision.supervisor)
                centre.follow(centre.acd.apply(attends, now), now, effects)

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
        centre = self._centre
        call = centre.calls.get(name)
        if call is None:
            return
        done: list[EngineEffect] = []
        try:
            wanted = list(adoption.repairs(call, found))
            made = {each.bridge for each in wanted if isinstance(each, CreateBridge)}
            # One that was asked for on a line that broke may never have been made.
            made |= found.bridges.keys()
            bridged, aside_made = call.bridge in made, call.aside in made
            call = centre.calls[name] = structs.replace(
                call, bridged=bridged, aside_made=aside_made
            )
            done += wanted
            for event in events:
                if name in centre.calls:
                    centre.call(event, now, done)
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
        centre.remember(effects, now)
