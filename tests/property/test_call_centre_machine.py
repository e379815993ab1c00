"""The whole core on a small virtual Asterisk, whatever people, phones and time do."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Phase
from ess_pbx.domain.call_centre import CallCentre
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
from ess_pbx.domain.effects import Role
from ess_pbx.domain.events import (
    AlarmChanged,
    ClockRead,
    DeskCallArrived,
    EarthquakeReported,
    LegHeld,
    LegUnheld,
    OutboundDialled,
    PhoneLost,
    PhoneReachable,
    PinChecked,
    StreamRestarted,
    TimerId,
    TransferAsked,
    TransferBlocked,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, call_of, caller_leg, is_caller
from ess_pbx.domain.incident import Fields
from ess_pbx.domain.incidents import LinkCall, OpenReport
from ess_pbx.simulation.sample_centre import AGENTS, OTHER_SUPERVISOR, SUPERVISOR, a_centre
from ess_pbx.simulation.virtual_asterisk import NORMAL, arrival

from .centre_invariants import CentreInvariants
from .virtual_centre import BY, PHONES, SUPERVISORS

ADMIN = Asker("admin", Via.API)
CODES = (
    *("*119#", "*110#", "*2#", "*3#", "*4#", "*71#", "*73#", "*0#", "*5#", "*6#"),
    *("*8119#", "*8110#", f"*9{AGENTS[0]}#", f"*9{AGENTS[1]}#"),
)
TRANSFERS = ("119", "110", *AGENTS, "081234567890")
REFUSALS = (17, 19, 20, 21)
CUT_OFF = (0, 38, 127)
MOST_CALLS = 5
DESK_CODES = (
    *("*10", "*11", "*12", "*13", "*14", "*15", "*17", "*19"),
    *(f"*16{AGENTS[0]}", f"*18{AGENTS[0]}", f"*18{AGENTS[1]}"),
)
RIGHT_PIN = "246810"
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
picks = st.integers(0, 30)
"""Chooses among whatever there is, modulo how many there are."""


class CallCentreMachine(CentreInvariants):
    """A centre, its Asterisk and the world around them."""

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

    @rule(pick=picks, to=st.sampled_from(TRANSFERS), attended=st.booleans())
    def somebody_presses_the_transfer_button(self, pick: int, to: str, attended: bool) -> None:
        legs = sorted(self.asterisk.channels)
        if legs:
            leg = legs[pick % len(legs)]
            self._hear(TransferAsked(call_of(leg), leg, to, attended))

    @rule(pick=picks)
    def asterisk_refuses_a_transfer(self, pick: int) -> None:
        self._hear(TransferBlocked(PHONES[pick % len(PHONES)]))

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

    @rule(carried_out=st.integers(0, 6))
    def the_line_is_cut_and_comes_back(self, carried_out: int) -> None:
        phones = {agent: seat.reachable for agent, seat in self.core.acd.seats.items()}
        self._the_line_comes_back(carried_out, phones)

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
