"""A centre on the virtual Asterisk: what the core asks for is carried out and told back.

At once or, while the line lags, later and step by step, so that requests and events cross. What
may never be asked for is checked as it is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from hypothesis.stateful import RuleBasedStateMachine

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import ON_THE_LINE, Call, Phase, Then
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.call_memory import MOST_RECENT
from ess_pbx.domain.calling_back import PHASES as CALLED_BACK
from ess_pbx.domain.commands import Asker, Command, EndWrapUp, Via
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    CheckPin,
    Defect,
    EngineEffect,
    Forget,
    HangUp,
    Illegal,
    Originate,
    Record,
    Refused,
    Role,
)
from ess_pbx.domain.events import (
    AgentTimerFired,
    CallEvent,
    CentreEvent,
    LegGone,
    PinChecked,
    PlaybackEnded,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId, call_of, caller_leg, is_call_back, is_caller
from ess_pbx.simulation.sample_centre import AGENTS, OTHER_SUPERVISOR, SUPERVISOR
from ess_pbx.simulation.virtual_asterisk import NORMAL, VirtualAsterisk

BY = Asker("3001", Via.API)
SUPERVISED = (FactKind.SUPERVISION_ASKED, FactKind.CALL_PULLED)
SUPERVISORS = (SUPERVISOR, OTHER_SUPERVISOR)
PHONES = (*AGENTS, *SUPERVISORS)
STARTED = 1_800_000_000.0


class VirtualCentre(RuleBasedStateMachine):
    """A centre, its Asterisk and the line between them."""

    centre: Centre
    core: CallCentre
    hour: int
    searches: bool

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.arrived = 0
        self.made = 0
        self.asterisk = VirtualAsterisk()
        self.timers: dict[TimerId, float] = {}
        self.ends: Counter[CallId] = Counter()
        self.raised: set[str] = set()
        self.forgotten: set[CallId] = set()
        self.desk_calls: set[CallId] = set()
        self.outside: set[str] = set()
        """Operators who called somebody by themselves, when the event that is decided came."""
        self.checks: list[CheckPin] = []
        self.lags = False
        self.facts: list[Fact] = []
        self.durable = 0
        self.unrecorded: set[CallId] = set()
        """Calls that came and went between the last fact on disk and the next engine."""
        self.supervised: set[CallId] = set()

    def _ringing(self) -> list[LegId]:
        return [
            leg
            for leg, channel in self.asterisk.channels.items()
            if not channel.up and not is_caller(leg)
        ]

    def _go_on(self, call: Call) -> None:
        """What people do next in a call that has trouble with nothing."""
        match call.phase:
            case Phase.IVR:
                self._dial(call.caller, "1")
            case Phase.WAITING if call.offers:
                # All at once: exactly one of them may be bridged.
                for side in call.offers[-2:]:
                    self._pick_up(side.leg)
            case Phase.WAITING if call.overflows:
                self._pick_up(call.overflows[0].leg)
            case Phase.TALKING if call.operator:
                self._dial(call.operator.leg, "*119#")
            case Phase.CONSULT_RINGING | Phase.BLIND_RINGING if call.introducing:
                self.asterisk.playback_over(call.introducing[0])
            case Phase.CONSULT_RINGING | Phase.BLIND_RINGING if call.agency:
                self._pick_up(call.agency.leg)
            case Phase.HELD if call.operator:
                self._dial(call.operator.leg, "*0#")
            case Phase.CONSULT if call.operator:
                self._dial(call.operator.leg, "*3#")
            case Phase.CONFERENCE if call.operator:
                self._dial(call.operator.leg, "*4#")
            case Phase.CALLING_OPERATOR if call.offers:
                self._pick_up(call.offers[0].leg)
            case Phase.CALLING_BACK:
                self._pick_up(call.caller)
            case Phase.RETURNING | Phase.CALL_BACK_FAILED if call.operator_hears:
                self.asterisk.playback_over(call.operator_hears)
            case _:
                pass

    def _pick_up(self, leg: LegId) -> None:
        channel = self.asterisk.channels.get(leg)
        if channel is not None and not channel.up:
            self.asterisk.picks_up(leg)

    def _dial(self, leg: LegId, keys: str) -> None:
        if leg in self.asterisk.channels:
            for key in keys:
                self.asterisk.presses(leg, key)

    def _hear(self, event: CallEvent | CentreEvent) -> None:
        self._decide(event)
        self._catch_up()

    def _catch_up(self) -> None:
        if not self.lags:
            self._settle()

    def _settle(self) -> None:
        for _ in range(100_000):
            if self.asterisk.requests:
                self.asterisk.carry_out()
            elif self.asterisk.events:
                self._decide(self.asterisk.events.popleft())
            else:
                return
        raise AssertionError("core and Asterisk never come to rest")

    def _fire(self, timer: TimerId) -> None:
        del self.timers[timer]
        if timer.owner in self.core.acd.seats:
            self._hear(AgentTimerFired(timer))
        else:
            self._hear(TimerFired(CallId(timer.owner), timer))

    def _no_more_plays_than_are_remembered(self) -> bool:
        """A line that lags behind by more announcements than that is gone before."""
        return all(len(call.unended) <= MOST_RECENT for call in self.core.calls.values())

    def _the_line_comes_back(self, carried_out: int, phones: dict[str, bool]) -> None:
        self.asterisk.loses_the_line(carried_out)
        known = self.core.legs(), self.core.sounds()
        found = self.asterisk.found(self._wall(), *known, self.desk_calls)
        self._hear(replace(found, phones=phones))
        # The next crash is not within the same milliseconds.
        self._settle()
        self.durable = len(self.facts)

    def _wall(self) -> float:
        return STARTED + self.now

    def _decide(self, event: CallEvent | CentreEvent) -> None:
        before = {call.id: call for call in self.core.calls.values()}
        seats = {agent: seat.state for agent, seat in self.core.acd.seats.items()}
        self.outside = set(self.core.outbound.talkers.values())
        self._follow(self.core.decide(event, self.now), before, seats, event)

    def _follow(
        self,
        effects: Iterable[EngineEffect],
        before: dict[CallId, Call],
        seats: dict[str, AgentState],
        event: CallEvent | CentreEvent | None,
    ) -> None:
        in_vain = {
            call.operator.agent
            for call in before.values()
            if call.phase in CALLED_BACK and call.operator
        } | self.outside
        for each in before.values():
            borrowed = (*each.overflows, *each.parties)
            in_vain |= {party.seat for party in borrowed if not party.has_spoken}
        for effect in effects:
            match effect:
                case Record(call, kind, data):
                    at = self._wall() if effect.at is None else effect.at
                    fact = Fact(id="", centre="", call=call, kind=kind, at=at, ms=0, data=data)
                    assert fields_differ(fact) is None
                    if kind is FactKind.ALARM_RAISED:
                        self.raised.add(str(data["alarm"]))
                    elif kind is FactKind.ALARM_CLEARED:
                        self.raised.discard(str(data["alarm"]))
                    self.facts.append(fact)
                    if kind is FactKind.CALL_ENDED and call is not None:
                        self.ends[call] += 1
                    if kind in SUPERVISED and call is not None:
                        self.supervised.add(call)
                    if kind is FactKind.CALL_BACK_STARTED:
                        self.made += 1
                        assert not self.core.acd.waiting, "callers go first"
                case ArmTimer(timer, seconds):
                    self.timers[timer] = self.now + seconds
                case CancelTimer(timer):
                    self.timers.pop(timer, None)
                case Forget(call) if call in self.desk_calls:
                    pass  # an operator's own, of which a recording may be left
                case Forget(call):
                    self.forgotten.add(call)
                case Illegal(call, state, name):
                    assert state == "unknown", f"{name} in {state}"
                    # Or on its way through the dialplan, to be offered again.
                    again = caller_leg(call) in self.asterisk.channels
                    beside = {*self.core.desks.calls, *self.core.outbound.calls}
                    gone = self.desk_calls - beside
                    # Or one of ours, whose beginning was torn off: its phone is hung up.
                    unknown = again or is_call_back(call)
                    assert unknown or call in self.forgotten | self.unrecorded | gone, name
                case Refused():
                    assert isinstance(event, Command), f"nobody asked: {effect}"
                case Defect(call, step, error):
                    raise AssertionError(f"{call}: {step}") from error
                case CheckPin():
                    self.checks.append(effect)
                case _:
                    if isinstance(effect, Originate) and effect.role is Role.OPERATOR:
                        state = seats[effect.address]
                        self._may_be_rung(effect.address, state, event, effect.address in in_vain)
                    if isinstance(effect, HangUp) and CallId(effect.leg) not in self.desk_calls:
                        its = before.get(call_of(effect.leg))
                        if effect.leg == caller_leg(call_of(effect.leg)) and (
                            its is None or its.phase not in CALLED_BACK
                        ):
                            self._may_be_dropped(its, event)
                    self.asterisk.requests.append(effect)

    def _may_be_rung(
        self,
        agent: str,
        state: AgentState,
        event: CallEvent | CentreEvent | None,
        in_vain: bool,
    ) -> None:
        seat = self.core.acd.seats[agent]
        if isinstance(event, AsteriskFound) and seat.state is not AgentState.OFFERED:
            return  # rung for a call that is over, as the very same event tells next
        assert seat.present, "on duty and reachable"
        assert seat.state is AgentState.OFFERED
        # Idle before, or made so by this very event.
        if state is AgentState.WRAP_UP and (
            isinstance(event, PinChecked) or event == EndWrapUp(BY, agent)
        ):
            return
        if isinstance(event, AgentTimerFired) and event.timer.owner == agent:
            assert state in (AgentState.WRAP_UP, AgentState.PAUSED)
        elif state is AgentState.TALKING:
            # Whoever rang somebody in vain has nothing to report.
            taken_over = isinstance(event, AsteriskFound)
            assert in_vain or taken_over or self.core.config.policy.wrap_up == 0
        else:
            assert state in (AgentState.IDLE, AgentState.OFFERED, AgentState.SUPERVISING)

    def _may_be_dropped(self, call: Call | None, event: CallEvent | CentreEvent | None) -> None:
        """A caller is hung up only when who talked with them hung up, or after the end.

        Or when they heard the information that they chose to its end.
        """
        if isinstance(event, AsteriskFound):
            # Whose end is on record from before.
            assert call is None or call.phase is Phase.ENDED
            return
        assert call is not None
        if call.phase is Phase.ENDED:
            return
        if call.information is Then.END:
            assert call.heard
            assert isinstance(event, PlaybackEnded)
            return
        assert call.phase in (Phase.TALKING, Phase.HANDED_OVER)
        if call.phase is Phase.TALKING:
            assert call.operator is not None
            assert not call.standing(*ON_THE_LINE)
            assert event == LegGone(call.id, call.operator.leg, NORMAL)
        else:
            [last] = call.parties
            assert self.now - last.since >= self.core.config.policy.agency_early
            assert event == LegGone(call.id, last.leg, NORMAL)
