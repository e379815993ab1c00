"""The whole core on a small virtual Asterisk: whatever people, phones and time do, what holds.

What the core asks for is carried out, and what comes of it is told back, at once or, while the line
lags, later and step by step, so that requests and events cross.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import ON_THE_LINE, Call, Phase, Standing, Then
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.call_memory import MOST_RECENT
from ess_pbx.domain.calling_back import PHASES as CALLED_BACK
from ess_pbx.domain.commands import (
    AcknowledgeAlarm,
    Asker,
    CloseCallBack,
    Command,
    DeclareSurge,
    EndBreak,
    EndSurge,
    EndWrapUp,
    LogIn,
    LogOut,
    Mode,
    MoveOperator,
    PullCall,
    StopSupervising,
    Supervise,
    TakeBreak,
    Via,
)
from ess_pbx.domain.earthquake import Earthquake, Tsunami
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
    AlarmChanged,
    CallEvent,
    CentreEvent,
    ClockRead,
    DeskCallArrived,
    EarthquakeReported,
    LegGone,
    LegHeld,
    LegUnheld,
    OutboundDialled,
    PhoneLost,
    PhoneReachable,
    PinChecked,
    PlaybackEnded,
    StreamRestarted,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId, call_of, caller_leg, is_call_back, is_caller
from ess_pbx.domain.incident import Fields
from ess_pbx.domain.incidents import LinkCall, OpenReport
from ess_pbx.domain.parties import ASIDE
from ess_pbx.domain.priority import compose
from ess_pbx.domain.surge import SurgeMode
from ess_pbx.simulation.sample_centre import (
    AGENTS,
    LADDER,
    OTHER_SUPERVISOR,
    SUPERVISOR,
    a_centre,
)
from ess_pbx.simulation.virtual_asterisk import NORMAL, VirtualAsterisk, arrival

ADMIN = Asker("admin", Via.API)
CODES = (
    *("*119#", "*110#", "*2#", "*3#", "*4#", "*71#", "*73#", "*0#", "*5#", "*6#"),
    *("*8119#", "*8110#", f"*9{AGENTS[0]}#", f"*9{AGENTS[1]}#"),
)
REFUSALS = (17, 19, 20, 21)
CUT_OFF = (0, 38, 127)
MOST_CALLS = 5
DESK_CODES = (
    *("*10", "*11", "*12", "*13", "*14", "*15", "*17", "*19"),
    *(f"*16{AGENTS[0]}", f"*18{AGENTS[0]}", f"*18{AGENTS[1]}"),
)
RIGHT_PIN = "246810"
NEIGHBOUR = "polres"
"""The agency of the sample centre that is another centre."""
BY = Asker("3001", Via.API)
COMMANDS: tuple[Command, ...] = tuple(
    command
    for agent in AGENTS
    for command in (
        *(LogIn(BY, agent), LogIn(BY, agent), LogOut(BY, agent), EndWrapUp(BY, agent)),
        *(TakeBreak(BY, agent, "sholat"), TakeBreak(BY, agent, "tidur"), EndBreak(BY, agent)),
        *(MoveOperator(BY, agent, ("umum",)), MoveOperator(BY, agent, ("medis",))),
        *(MoveOperator(BY, agent, ()), MoveOperator(BY, agent, ("umum", "medis"))),
    )
)
SUPERVISED = (FactKind.SUPERVISION_ASKED, FactKind.CALL_PULLED)
SUPERVISORS = (SUPERVISOR, OTHER_SUPERVISOR)
NOBODY_RUNG = {Phase.CALLING_OPERATOR, Phase.CALL_BACK_FAILED}
PHONES = (*AGENTS, *SUPERVISORS)
STARTED = 1_800_000_000.0

picks = st.integers(0, 30)
"""Chooses among whatever there is, modulo how many there are."""


class CallCentreMachine(RuleBasedStateMachine):
    """A centre, its Asterisk and the world around them."""

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

    @initialize(
        menu=st.booleans(),
        wrap_up=st.sampled_from([0.0, 20.0]),
        searches=st.booleans(),
        rings_all=st.booleans(),
        phones=st.sets(st.sampled_from(PHONES), min_size=2),
        calls=st.lists(st.integers(0, 7), min_size=1, max_size=MOST_CALLS),
        lags=st.booleans(),
        calls_back=st.none() | st.integers(0, 4),
    )
    def opens(
        self,
        menu: bool,
        wrap_up: float,
        searches: bool,
        rings_all: bool,
        phones: set[str],
        calls: list[int],
        lags: bool,
        calls_back: int | None,
    ) -> None:
        """Some calls are under way, each a number of steps: few would come far by chance alone.

        So are call-backs, where those who waited gave up.
        """
        self.searches = searches
        self.centre = a_centre(
            menu, wrap_up, searches, calls_back is not None, rings_all, SUPERVISORS
        )
        self.core = CallCentre(self.centre)
        self.clock_shows(9)
        for phone in sorted(phones):
            self._hear(PhoneReachable(phone))
        for number, steps in enumerate(calls):
            self.someone_calls()
            self.a_call_goes_on_as_it_should(number, steps)
        if calls_back:
            self.time_passes(6.0)
            self.operators_have_time_for_those_to_be_called_back(calls_back - 1)
        self.lags = lags

    # the world

    @precondition(lambda self: len(self.core.calls) < MOST_CALLS)
    @rule()
    def someone_calls(self) -> None:
        self.arrived += 1
        call = CallId(f"n-{self.arrived}")
        self.asterisk.calls(call)
        self._hear(arrival(call, self._wall()))

    @rule(pick=picks)
    def a_phone_is_picked_up(self, pick: int) -> None:
        if ringing := self._ringing():
            self.asterisk.picks_up(ringing[pick % len(ringing)])
        self._catch_up()

    @rule(pick=picks, cause=st.sampled_from(REFUSALS))
    def a_phone_refuses(self, pick: int, cause: int) -> None:
        if ringing := self._ringing():
            self.asterisk.hangs_up(ringing[pick % len(ringing)], cause)
        self._catch_up()

    @rule(
        pick=picks,
        role=st.sampled_from(Role),
        cause=st.sampled_from((NORMAL, NORMAL, *CUT_OFF)),
    )
    def someone_hangs_up(self, pick: int, role: Role, cause: int) -> None:
        channels = self.asterisk.channels.items()
        up = [leg for leg, channel in channels if channel.up and channel.role is role]
        if up:
            self.asterisk.hangs_up(up[pick % len(up)], cause)
        self._catch_up()

    @rule(pick=picks, key=st.sampled_from("12359#"))
    def a_caller_presses_a_key(self, pick: int, key: str) -> None:
        legs = [call.caller for call in self.core.calls.values()]
        if legs:
            self._dial(legs[pick % len(legs)], key)
        self._catch_up()

    @rule(pick=picks, speaks=st.booleans())
    def a_caller_speaks_or_falls_silent(self, pick: int, speaks: bool) -> None:
        legs = [call.caller for call in self.core.calls.values()]
        if legs and (leg := legs[pick % len(legs)]) in self.asterisk.channels:
            self.asterisk.speaks(leg, speaks)
        self._catch_up()

    @rule(pick=picks, code=st.sampled_from(CODES))
    def an_operator_dials(self, pick: int, code: str) -> None:
        legs = [call.operator.leg for call in self.core.calls.values() if call.operator]
        if legs:
            self._dial(legs[pick % len(legs)], code)
        self._catch_up()

    @rule(pick=picks, holds=st.booleans())
    def an_operator_presses_hold(self, pick: int, holds: bool) -> None:
        legs = [call.operator.leg for call in self.core.calls.values() if call.operator]
        if legs:
            leg = legs[pick % len(legs)]
            self._hear((LegHeld if holds else LegUnheld)(call_of(leg), leg))

    @rule(pick=picks)
    def a_prompt_comes_to_its_end(self, pick: int) -> None:
        heard = [queue[0] for queue in self.asterisk.playing.values()]
        heard = [playback for playback in heard if playback not in self.asterisk.tones]
        if heard:
            self.asterisk.playback_over(heard[pick % len(heard)])
        self._catch_up()

    @precondition(lambda self: self.core.calls)
    @rule(pick=picks, steps=st.integers(1, 6))
    def a_call_goes_on_as_it_should(self, pick: int, steps: int) -> None:
        name = list(self.core.calls)[pick % len(self.core.calls)]
        for _ in range(steps):
            if name in self.core.calls:
                self._go_on(self.core.calls[name])
                self._catch_up()

    @rule(command=st.sampled_from(COMMANDS))
    def something_is_commanded(self, command: Command) -> None:
        self._hear(command)

    @rule(
        pick=picks,
        supervisor=st.sampled_from((SUPERVISOR, SUPERVISOR, OTHER_SUPERVISOR, AGENTS[0])),
        mode=st.sampled_from(Mode),
        picks_up=st.booleans(),
    )
    def a_call_is_supervised(self, pick: int, supervisor: str, mode: Mode, picks_up: bool) -> None:
        self._hear(PhoneReachable(supervisor))
        # Those with an operator, if there are any: of others it is refused.
        talking = [call for call in self.core.calls.values() if call.operator]
        calls = talking or list(self.core.calls.values())
        if not calls:
            return
        call = calls[pick % len(calls)].id
        self._hear(Supervise(BY, call, supervisor, mode))
        supervision = self.core.calls[call].supervision if call in self.core.calls else None
        if picks_up and supervision is not None:
            self._pick_up(supervision.leg)
        self._catch_up()

    @rule(pick=picks, key=st.sampled_from("12341234*9"))
    def a_supervisor_presses_a_key(self, pick: int, key: str) -> None:
        legs = [call.supervision.leg for call in self.core.calls.values() if call.supervision]
        if legs:
            self._dial(legs[pick % len(legs)], key)
        self._catch_up()

    @rule(pick=picks)
    def supervision_is_stopped(self, pick: int) -> None:
        if calls := list(self.core.calls):
            self._hear(StopSupervising(BY, calls[pick % len(calls)]))

    @rule(pick=picks)
    def a_stream_restarts(self, pick: int) -> None:
        if legs := [leg for call in self.core.calls.values() for leg in call.legs]:
            leg = legs[pick % len(legs)]
            if leg in self.asterisk.channels and call_of(leg) in self.core.calls:
                self._hear(StreamRestarted(call_of(leg), leg))

    @rule(pick=picks, agent=st.sampled_from(PHONES))
    def a_call_is_pulled(self, pick: int, agent: str) -> None:
        if calls := list(self.core.calls):
            self._hear(PullCall(BY, calls[pick % len(calls)], agent))

    @rule(agent=st.sampled_from(("9999", SUPERVISOR, *AGENTS)), code=st.sampled_from(DESK_CODES))
    def an_operator_dials_a_code_at_the_desk(self, agent: str, code: str) -> None:
        call = CallId(f"d-{len(self.desk_calls) + 1}")
        self.desk_calls.add(call)
        self.asterisk.calls(call)
        self._hear(DeskCallArrived(call, agent, code))

    @rule(
        agent=st.sampled_from((SUPERVISOR, *AGENTS)),
        number=st.sampled_from(["108", "108", "+622541", ""]),
    )
    def an_operator_calls_somebody_by_themselves(self, agent: str, number: str) -> None:
        call = CallId(f"d-{len(self.desk_calls) + 1}")
        self.desk_calls.add(call)
        self.asterisk.calls(call)
        self._hear(OutboundDialled(call, agent, number))

    @invariant()
    def nobody_calls_more_than_the_day_allows(self) -> None:
        begun = Counter(
            (fact.data["day"], fact.data["role"])
            for fact in self.facts
            if fact.kind is FactKind.OUTBOUND_STARTED
        )
        assert all(begun[day, "operator"] <= 3 for day, _ in begun)
        assert all(begun[day, "supervisor"] <= 2 for day, _ in begun)

    @rule(pick=picks, keys=st.sampled_from([RIGHT_PIN, RIGHT_PIN, "111111", "2", "*", "9"]))
    def keys_are_pressed_at_a_desk(self, pick: int, keys: str) -> None:
        if desks := list(self.core.desks.calls):
            self._dial(caller_leg(desks[pick % len(desks)]), keys)
        self._catch_up()

    @rule(right=st.sampled_from([True, True, True, False, None]))
    def a_pin_was_compared(self, right: bool | None) -> None:
        while self.checks:
            check = self.checks.pop()
            assert check.pin not in repr(check)
            self._hear(PinChecked(check.call, right and check.pin == RIGHT_PIN))

    @precondition(lambda self: self.core.call_backs.open)
    @rule(steps=st.integers(0, 3))
    def operators_have_time_for_those_to_be_called_back(self, steps: int) -> None:
        for call in list(self.core.calls.values()):
            if call.phase in (Phase.WAITING, Phase.IVR) and call.caller in self.asterisk.channels:
                self.asterisk.hangs_up(call.caller, NORMAL)
        self._catch_up()
        for agent in AGENTS:
            self._hear(PhoneReachable(agent))
        self.time_passes(30.0)
        self.clock_shows(9)
        for _ in range(steps):
            for call in list(self.core.calls.values()):
                if call.phase in CALLED_BACK:
                    self._go_on(call)
            self._catch_up()

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

    @rule(factor=st.sampled_from([0.5, 1.0, 4.0]))
    def the_ladder_is_hurried(self, factor: float) -> None:
        self._follow(self.core.hurry(factor, self.now), {}, {}, None)
        self._catch_up()

    @rule(agent=st.sampled_from(PHONES), there=st.booleans())
    def a_phone_comes_or_goes(self, agent: str, there: bool) -> None:
        self._hear(PhoneReachable(agent) if there else PhoneLost(agent))

    @rule(alarm=st.sampled_from(["roster", "web"]), standing=st.booleans())
    def the_engine_watches_something(self, alarm: str, standing: bool) -> None:
        self._hear(AlarmChanged(alarm, standing, "x"))

    @rule(hour=st.sampled_from([6, 9, 20]))
    def clock_shows(self, hour: int) -> None:
        self.hour = hour
        self._hear(ClockRead(datetime(2026, 1, 1, hour), wall=self._wall()))

    @precondition(lambda self: self.core.calls)
    @rule(pick=picks, to_report=st.booleans())
    def somebody_writes_of_a_call(self, pick: int, to_report: bool) -> None:
        call = list(self.core.calls)[pick % len(self.core.calls)]
        open_reports = list(self.core.incidents.open)
        if to_report and open_reports:
            self._hear(LinkCall(BY, open_reports[pick % len(open_reports)], call))
        else:
            self._hear(OpenReport(BY, Fields(place="x"), call))

    @invariant()
    def reports_went_where_their_calls_did(self) -> None:
        if not hasattr(self, "core"):
            return
        outgoing = [(each.report, each.agency) for each in self.core.hand_overs.outgoing]
        assert len(outgoing) == len(set(outgoing))
        passed_on = {
            (report.number, str(fact.data["agency"]))
            for fact in self.facts
            if fact.kind == FactKind.AGENCY_ANSWERED and fact.data["agency"] == NEIGHBOUR
            for report in self.core.incidents.open.values()
            if fact.call in report.calls
        }
        assert set(outgoing) == passed_on

    @rule(tsunami=st.sampled_from(Tsunami), number=st.integers(1, 2))
    def the_earth_shakes(self, tsunami: Tsunami, number: int) -> None:
        at = self.core.wall(self.now)
        quake = Earthquake(f"q{number}", at, -6.0, 106.0, 6.0, None, "", tsunami)
        self._hear(EarthquakeReported(quake))

    @rule()
    def a_surge_is_declared_or_ended(self) -> None:
        on = self.core.surge.state is not None
        self._hear(EndSurge(ADMIN, "x") if on else DeclareSurge(ADMIN, "x"))
        assert (self.core.surge.state is not None) is not on

    @precondition(lambda self: any(each.sounds for each in self.core.surge.alarms.values()))
    @rule()
    def somebody_acknowledges(self) -> None:
        sounding = [each for each in self.core.surge.alarms.values() if each.sounds]
        self._hear(AcknowledgeAlarm(ADMIN, sounding[0].alarm))
        assert not any(each is sounding[0] for each in self.core.surge.alarms.values())

    @rule(seconds=st.sampled_from([0.5, 6.0, 13.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [(at, t.owner, t.kind, t.key) for t, at in self.timers.items()]:
            at, owner, kind, key = min(due)
            if at > until:
                break
            self.now = at
            self._fire(TimerId(owner, kind, key))
        self.now = until

    @rule(
        trouble=st.sampled_from(
            ["refuses_phones", "refuses_snoops", "loses_phones", "plays_nothing"]
        ),
        on=st.booleans(),
    )
    def asterisk_has_trouble(self, trouble: str, on: bool) -> None:
        setattr(self.asterisk, trouble, on)

    # the line

    @rule(lags=st.booleans())
    def the_line_lags_or_recovers(self, lags: bool) -> None:
        self.lags = lags
        self._catch_up()

    @precondition(lambda self: self.asterisk.requests)
    @rule(count=st.integers(1, 5))
    def asterisk_works(self, count: int) -> None:
        for _ in range(min(count, len(self.asterisk.requests))):
            self.asterisk.carry_out()

    @precondition(lambda self: self.asterisk.events)
    @rule(count=st.integers(1, 5))
    def the_core_hears(self, count: int) -> None:
        for _ in range(min(count, len(self.asterisk.events))):
            self._decide(self.asterisk.events.popleft())

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

    # the engine dies, or its line is cut

    @precondition(lambda self: self._no_more_plays_than_are_remembered())
    @rule(torn=st.integers(0, 3), carried_out=st.integers(0, 6))
    def the_engine_dies_and_another_takes_over(self, torn: int, carried_out: int) -> None:
        """The latest facts are torn off, requests on their way are lost, and all events."""
        recent = [fact for fact in self.facts[self.durable :] if fact.at >= self._wall()]
        del self.facts[len(self.facts) - min(torn, len(recent)) :]
        phones = {agent: seat.reachable for agent, seat in self.core.acd.seats.items()}
        self.core = CallCentre(self.centre)
        self.raised.clear()
        for fact in self.facts:
            self.core.recall(fact)
            if fact.kind is FactKind.ALARM_RAISED:
                self.raised.add(str(fact.data["alarm"]))
            elif fact.kind is FactKind.ALARM_CLEARED:
                self.raised.discard(str(fact.data["alarm"]))
        dumped = msgspec.json.decode(msgspec.json.encode(self.core.kept.dump()))
        kept, self.core.kept.calls = self.core.kept.calls, {}
        self.core.kept.load(dumped)
        assert self.core.kept.calls == kept
        self.timers.clear()
        self.checks.clear()
        self.made = sum(fact.kind is FactKind.CALL_BACK_STARTED for fact in self.facts)
        self.now += 1.0
        self.ends = Counter(
            CallId(fact.call)
            for fact in self.facts
            if fact.kind is FactKind.CALL_ENDED and fact.call is not None
        )
        self.forgotten = set(self.ends) - self.core.kept.calls.keys()
        self._decide(ClockRead(datetime(2026, 1, 1, self.hour), wall=self._wall()))
        recorded = {fact.call for fact in self.facts if fact.kind is FactKind.CALL_ARRIVED}
        there = {CallId(leg) for leg in self.asterisk.channels if is_caller(leg)}
        arrived = {CallId(f"n-{number + 1}") for number in range(self.arrived)}
        self.unrecorded = arrived - recorded - there
        self._the_line_comes_back(carried_out, phones)

    def _no_more_plays_than_are_remembered(self) -> bool:
        """A line that lags behind by more announcements than that is gone before."""
        return all(len(call.unended) <= MOST_RECENT for call in self.core.calls.values())

    @rule(carried_out=st.integers(0, 6))
    def the_line_is_cut_and_comes_back(self, carried_out: int) -> None:
        phones = {agent: seat.reachable for agent, seat in self.core.acd.seats.items()}
        self._the_line_comes_back(carried_out, phones)

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

    # the core

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

    # what always holds

    @invariant()
    def every_call_ends_once(self) -> None:
        for call in self.core.calls.values():
            assert self.ends[call.id] == (call.phase is Phase.ENDED)
        for gone in self.forgotten:
            assert self.ends[gone] == 1
            assert gone not in self.core.calls

    @invariant()
    def alarms_stand_that_were_raised_and_not_cleared(self) -> None:
        if hasattr(self, "core"):
            assert set(self.core.alarms.standing) == self.raised

    @invariant()
    def a_call_has_one_operator_and_an_operator_one_call(self) -> None:
        bridged = Counter(
            channel.bridge
            for channel in self.asterisk.channels.values()
            if channel.role is Role.OPERATOR and channel.bridge
        )
        assert all(count == 1 for count in bridged.values())
        for agent, seat in self.core.acd.seats.items():
            calls = [call.id for call in self.core.calls.values() if agent in agents_of(call)]
            calls += [own for own, who in self.core.outbound.talkers.items() if who == agent]
            assert calls == ([seat.call] if seat.call else [])

    @invariant()
    def whoever_waits_is_in_the_queue(self) -> None:
        searching = {Phase.WAITING, Phase.IVR} if self.searches else {Phase.WAITING}
        waiting = {
            call.id
            for call in self.core.calls.values()
            if call.phase in searching and call.information is not Then.END
        }
        assert self.core.acd.waiting.keys() == waiting

    @invariant()
    def no_operator_is_rung_to_call_back_whom_a_caller_could_have(self) -> None:
        """Who waits and rings nowhere has nobody in reach, not even one who is only rung."""
        lent = {
            side.agent
            for call in self.core.calls.values()
            if call.phase is Phase.CALLING_OPERATOR
            for side in call.offers
        }
        for entry in self.core.acd.waiting.values():
            if not entry.offers:
                reach = {agent for agent in lent if self.core.acd.seats[agent].present}
                assert not reach & set(entry.line.seats)

    @invariant()
    def a_task_is_called_by_one_call_at_a_time(self) -> None:
        tasks = Counter(
            call.earlier for call in self.core.calls.values() if call.phase in CALLED_BACK
        )
        assert all(count == 1 for count in tasks.values())
        dialling = [t.dialling for t in self.core.call_backs.open.values() if t.dialling]
        assert all(
            self.core.calls[CallId(each.call)].phase is Phase.CALLING_BACK for each in dialling
        )

    @invariant()
    def timers_belong_to_someone(self) -> None:
        owners = {timer.owner for timer in self.timers}
        beside = {*self.core.desks.calls, *self.core.outbound.calls}
        assert owners <= {*PHONES, *self.core.calls, *beside}
        alone = self.core.desks.calls.keys() - self.core.desks.lent.keys()
        assert owners >= alone, "a call at a desk ends by itself"

    @invariant()
    def whoever_is_rung_or_being_told_has_a_timer_that_ends_it(self) -> None:
        for call in self.core.calls.values():
            ring = {("ring", side.leg) for side in call.offers}
            overflow = {("overflow", side.leg) for side in call.overflows}
            ladder = {("ladder", "")} if steps_left(call) else set()
            silence = set() if call.silent or call.speaking else {("silence", "")}
            every: dict[Phase, set[Any]] = {
                Phase.IVR: {("menu", ""), *ring, *silence},
                Phase.WAITING: {("comfort", ""), *ring, *ladder, *overflow, *silence},
                Phase.CONSULT_RINGING: {("agency", "")},
                Phase.BLIND_RINGING: {("agency", "")},
                Phase.RETURNING: {("agency", "")},
                Phase.CALLING_OPERATOR: ring,
                Phase.CALLING_BACK: {("callback", "")},
                Phase.CALL_BACK_FAILED: {("callback", "")},
                Phase.ENDED: {("release", "")},
            }
            expected = every.get(call.phase, set())
            called = {("called", party.leg) for party in call.standing(Standing.CALLED)}
            armed = {(t.kind, t.key) for t in self.timers if t.owner == call.id}
            if call.phase is Phase.TALKING and silence:
                armed -= silence  # until the caller was asked
            if (supervision := call.supervision) is not None:
                coming = supervision.coming is not None or not supervision.connected
                assert (("supervise", "") in armed) is coming
            relieved = {("relieved", str(each.side.leg)) for each in call.relieved}
            assert armed - relieved - {("supervise", "")} == expected | called, call.phase
            assert relieved <= armed

    @invariant()
    def a_call_at_a_desk_is_lent_to_the_call_that_hangs_it_up(self) -> None:
        for desk, to in self.core.desks.lent.items():
            assert caller_leg(desk) in self.core.calls[to].legs

    @invariant()
    def supervisors_and_agencies_ring_for_those_alone_whom_the_ladder_brought_so_far(self) -> None:
        for call in self.core.calls.values():
            if call.rungs < len(LADDER) and call.id not in self.supervised:
                assert not {*SUPERVISORS} & {side.agent for side in call.offers}
            if call.rungs < 2:
                assert call.overflows == ()

    @invariant()
    def priority_is_what_speaks_for_and_against_a_call(self) -> None:
        for call in self.core.calls.values():
            parts = (call.usual_priority, call.chosen_priority, call.raises, call.prank)
            assert call.priority == compose(*parts)
            assert call.silent is ("silent" in call.raises)
            assert call.prank is None or not call.silent

    @invariant()
    def nothing_is_said_into_a_conversation_that_is_none(self) -> None:
        for call in self.core.calls.values():
            assert call.asking is None or (call.phase is Phase.TALKING and not call.silent)

    @invariant()
    def what_is_remembered_survives_a_restart(self) -> None:
        again = SurgeMode(self.core.config.surge)
        again.load(msgspec.json.decode(msgspec.json.encode(self.core.surge.dump())))
        assert again.dump() == self.core.surge.dump()

    @invariant()
    def everybody_is_on_duty_in_a_surge(self) -> None:
        on_duty = {agent for agent, seat in self.core.acd.seats.items() if seat.on_duty}
        assert self.core.surge.state is None or on_duty >= set(AGENTS)
        assert self.core.acd.ring_all is (self.core.surge.state is not None)

    # what holds when nothing is under way

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def callers_without_a_human_hear_one_thing_and_others_nothing(self) -> None:
        for call in self.core.calls.values():
            if call.phase is Phase.ENDED or call.phase in CALLED_BACK:
                continue
            channel = self.asterisk.channels[call.caller]
            assert channel.up
            playing = self.asterisk.playing.get(call.caller, [])
            heard = len(playing) or channel.music
            humans = self.asterisk.humans_heard_by(call.caller)
            assert heard == (0 if humans else 1), f"{call.phase}: {playing}, {channel}"
            assert playing == ([call.playing] if call.playing else [])
            assert channel.music is call.music

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def those_hear_each_other_who_should(self) -> None:
        for call in self.core.calls.values():
            assert self.asterisk.members(call.bridge) == talkers(call), call.phase
            assert self.asterisk.members(call.aside) == aside(call), call.phase
            assert call.bridged is (call.bridge in self.asterisk.bridges)
            assert call.aside_made is (call.aside in self.asterisk.bridges)

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def whoever_is_on_hold_hears_music_and_nobody_else_does(self) -> None:
        for call in self.core.calls.values():
            if call.phase is not Phase.ENDED:
                held = {party.leg for party in call.standing(Standing.HELD)}
                there = {leg for leg in call.legs if leg in self.asterisk.channels}
                music = {leg for leg in there if self.asterisk.channels[leg].music}
                assert music - {call.caller} == held & there

    @precondition(lambda self: self.asterisk.quiet and not self.asterisk.loses_phones)
    @invariant()
    def every_leg_is_known_on_both_sides(self) -> None:
        known = {leg for call in self.core.calls.values() for leg in call.legs}
        known |= {caller_leg(call) for call in self.core.desks.calls}
        known |= set(self.core.outbound.legs)
        assert known >= self.asterisk.channels.keys()

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def no_phone_rings_or_is_held_for_nothing(self) -> None:
        for call in self.core.calls.values():
            sides = (*call.offers, call.operator, *call.parties, *call.overflows)
            caller = set() if call.phase in NOBODY_RUNG else {call.caller}
            wanted = caller | {side.leg for side in sides if side is not None}
            wanted |= {each.side.leg for each in call.relieved}
            if (supervision := call.supervision) is not None:
                wanted |= {supervision.leg}
                wanted |= {s for s in (supervision.snoop, supervision.coming) if s is not None}
            there = {leg for leg in self.asterisk.channels if call_of(leg) == call.id}
            assert there <= (set() if call.phase is Phase.ENDED else wanted)

    @precondition(lambda self: self.asterisk.quiet)
    @invariant()
    def a_supervisor_hears_and_is_heard_as_their_mode_says(self) -> None:
        for call in self.core.calls.values():
            supervision = call.supervision
            if supervision is None or supervision.mode is None or call.phase is Phase.ENDED:
                continue
            channels = self.asterisk.channels
            by_snoop = {
                channels[each].spied
                for each in self.asterisk.humans_heard_by(supervision.leg)
                if channels[each].role is Role.SNOOP
            }
            spoken_to = self.asterisk.spoken_to_by(supervision.leg)
            operator = {call.operator.leg} if call.operator else set()
            match supervision.mode:
                case Mode.BARGE:
                    assert by_snoop == set()
                    together = aside(call) if call.phase in ASIDE else talkers(call)
                    assert spoken_to == together - {supervision.leg}
                case Mode.LISTEN if supervision.coming is None:
                    assert (by_snoop, spoken_to) == (operator, set())
                case Mode.WHISPER if supervision.coming is None:
                    assert (by_snoop, spoken_to) == (operator, operator)
                case _:
                    assert call.caller not in spoken_to

    def teardown(self) -> None:
        """Trouble passes, everyone hangs up, and time goes by: nothing is left."""
        if not hasattr(self, "core"):
            return
        self.asterisk.loses_phones = self.asterisk.refuses_phones = False
        self._settle()
        for _ in range(4):
            for leg in list(self.asterisk.channels):
                if leg in self.asterisk.channels:
                    self.asterisk.hangs_up(leg, NORMAL)
            self._settle()
            self.lags = False
            for task in list(self.core.call_backs.open):
                self._hear(CloseCallBack(Asker("penyelia", Via.API), task, "tutup"))
            self.time_passes(50.0)
        assert self.core.calls == {}
        assert self.core.desks.calls == {}
        assert self.core.outbound.calls == {}
        assert self.core.outbound.left == []
        assert self.core.acd.waiting == {}
        assert self.asterisk.channels == {}
        assert self.asterisk.bridges == set()
        assert self.asterisk.playing == {}
        assert {timer.owner for timer in self.timers} <= set(PHONES)
        ended = self.arrived + self.made - len(self.unrecorded)
        assert len(self.forgotten) == ended == self.ends.total()
        assert all(seat.state is AgentState.IDLE for seat in self.core.acd.seats.values())


def agents_of(call: Call) -> list[str]:
    """Operators whom a call keeps busy."""
    seats = [party.seat for party in (*call.parties, *call.overflows) if party.seat]
    sides = (*call.offers, call.operator, *(each.side for each in call.relieved))
    supervisor = [call.supervision.supervisor] if call.supervision else []
    return [*(side.agent for side in sides if side is not None), *seats, *supervisor]


def steps_left(call: Call) -> bool:
    """Whether the ladder goes on: of this one the first step alone can change nothing."""
    asks = not call.any_skills and (call.language != "id" or call.category == "medis")
    return any(asks or rung.step != "wider-skills" for rung in LADDER[call.rungs :])


def talkers(call: Call) -> set[LegId]:
    """Who is to be in a call's bridge."""
    operator = {call.operator.leg} if call.operator else set()
    if call.supervision and call.supervision.mode is Mode.BARGE:
        operator |= {call.supervision.leg}
    joined = {party.leg for party in call.standing(Standing.JOINED)}
    together = {call.caller} | joined if joined else set()
    return {
        Phase.TALKING: {call.caller} | operator,
        Phase.CALLING_BACK: operator,
        Phase.CALL_BACK_FAILED: operator,
        Phase.HELD: operator | joined,
        Phase.CONFERENCE: {call.caller} | operator | joined,
        Phase.CONSULT_RINGING: together,
        Phase.CONSULT: together,
        Phase.RETURNING: together,
        Phase.BLIND_RINGING: set(),
        Phase.HANDED_OVER: {call.caller} | joined | operator,
    }.get(call.phase, set())


def aside(call: Call) -> set[LegId]:
    """Who is to speak with the operator without the caller."""
    if call.operator is None or call.phase not in ASIDE:
        return set()
    barges = call.supervision is not None and call.supervision.mode is Mode.BARGE
    supervisor = {call.supervision.leg} if call.supervision is not None and barges else set()
    consulted = {each.leg for each in call.standing(Standing.CONSULTED)}
    return {call.operator.leg} | consulted | supervisor


TestCallCentre = CallCentreMachine.TestCase
TestCallCentre.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    # The same histories each time: `ess-pbx simulate` is the one that goes looking for new ones.
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
