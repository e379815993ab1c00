"""What holds after every step of every story, whatever happens (faults.md of the project).

It is worked out from what the core says and from what Asterisk does, beside the queue's own
reckoning. For a moment after a fault of the line the two may differ; what is the core's alone holds
then too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ess_pbx.domain.adoption import kept_busy
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Call, Phase
from ess_pbx.domain.commands import Command
from ess_pbx.domain.differences import Difference
from ess_pbx.domain.effects import (
    AsteriskEffect,
    Defect,
    EngineEffect,
    Illegal,
    Refused,
    Role,
)
from ess_pbx.domain.events import Arrived, CallEvent, CentreEvent, ClockRead
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId, LegId, call_of, is_call_back
from ess_pbx.simulation import rest
from ess_pbx.simulation.calling_out import CallingOut
from ess_pbx.simulation.overhearing import Overhearing
from ess_pbx.simulation.recorded import Recorded
from ess_pbx.simulation.rung import CLOCK_SECONDS, Rung
from ess_pbx.simulation.sample_centre import NEIGHBOUR
from ess_pbx.simulation.unserved import Unserved
from ess_pbx.simulation.virtual_asterisk import Channel

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World

LONGEST_SILENCE = 3.0
AT_REST = 1.0
"""Seconds without anything that happens, after which nothing is on its way any more."""
LONGEST_DOUBLED = 1.5
"""Seconds in which whoever takes over and who had the call may both be with the caller."""
LONGEST_LEFT = 5.5
"""Seconds after the end of a call until its legs are gone, lines of some tenths included."""


class Broken(AssertionError):  # noqa: N818 - what is said is no error of this program
    """Something did not hold."""


class Watch:
    """Looks at everything that happens in one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._comes: set[CallId] = set()
        self._cut_off: set[CallId] = set()
        """Calls that Asterisk had when it died: nobody may have known of those just come."""
        self._desk: set[CallId] = set()
        self._ended: dict[CallId, float] = {}
        self._left: dict[CallId, float] = {}
        """Ended calls whose legs are to go."""
        self._silent: dict[LegId, float] = {}
        self._trouble_until = 0.0
        self._adopts = False
        self._took_over: set[LegId] = set()
        self._doubled: dict[str, float] = {}
        self._pauses: dict[CallId, float] = {}
        self._rung = Rung(world)
        self._overhearing = Overhearing(world)
        self._calling_out = CallingOut(world)
        self._recorded = Recorded(world)
        self.unserved = Unserved(world)

    # what the world says

    def call_comes(self, call: CallId) -> None:
        """A caller is there."""
        self._world.outcome.calls += 1
        self._comes.add(call)

    def desk_call_comes(self, call: CallId, agent: str) -> None:
        """An operator calls the centre itself, or somebody else."""
        self._desk.add(call)
        self._overhearing.desk_call_comes(call, agent)
        self._recorded.desk_call_comes(call)

    def rung_without_engine(self, leg: LegId, offered: float, phones: int) -> None:
        """The dialplan rings so many phones for a caller whom it offered in vain."""
        self.unserved.calls.add(call_of(leg))
        _none_of(self.unserved.rings(leg, offered, phones))

    def troubled(self, seconds: float) -> None:
        """For so long belief and Asterisk may differ."""
        self._trouble_until = max(self._trouble_until, self._world.now + seconds)

    def recorded_again_after(self, seconds: float) -> None:
        """For so long nothing may be recorded, or a pause not be kept."""
        self._recorded.cannot(seconds)

    @property
    def is_troubled(self) -> bool:
        """Whether a fault may show yet."""
        return self._world.now < self._trouble_until

    def differed(self, what: Sequence[Difference]) -> None:
        """Core and Asterisk do, and go on to."""
        if not self._trouble_until:
            raise Broken(f"{what[0].what} of {what[0].of} differs, and nothing was lost")

    def clock_jumped(self) -> None:
        """The wall clock was set."""
        self._rung.clock_jumped()

    def engine_started(self) -> None:
        """What the journal lost did not happen."""
        facts = self._world.facts
        self._rung.engine_started(facts)
        self._ended = {
            CallId(fact.call): self._world.now
            for fact in facts
            if fact.kind is FactKind.CALL_ENDED and fact.call is not None
        }
        paused = {fact.call for fact in facts if fact.kind is FactKind.RECORDING_PAUSED}
        self._pauses = {call: at for call, at in self._pauses.items() if call in paused}
        begun = {fact.call for fact in facts if fact.kind is FactKind.CALL_BACK_STARTED}
        # Who was to be called back, and of whom that is not on record, is still.
        self._comes = {call for call in self._comes if not is_call_back(call) or call in begun}
        self._adopts = True

    def found_its_calls(self) -> None:
        """The engine has looked at what Asterisk holds."""
        self._adopts = False

    def asterisk_died(self, legs: Iterable[LegId]) -> None:
        """Everybody was cut off."""
        for leg in legs:
            self._silent.pop(leg, None)
            self._cut_off.add(call_of(leg))

    # before and after a decision

    def before(self, event: CallEvent | CentreEvent) -> None:
        """What was so before the core decides."""
        if isinstance(event, Arrived):
            self._comes.add(event.call)
        elif isinstance(event, ClockRead):
            self.unserved.clock_read(event)
        self._rung.before(event)
        self._overhearing.before(event)

    def asked(self, effect: AsteriskEffect) -> None:
        """Something is asked of Asterisk."""
        _none_of(self._rung.asked(effect))
        _none_of(self._calling_out.asked(effect))
        _none_of(self.unserved.asked(effect))

    def recorded(self, fact: Fact) -> None:
        """A fact is in the journal."""
        world = self._world
        self._rung.recorded(fact)
        self._recorded.told(fact)
        match fact.kind:
            case FactKind.CALL_ENDED if fact.call is not None:
                call = CallId(fact.call)
                if call in self._ended:
                    raise Broken(f"{call} ended twice")
                self._ended[call] = world.now
                self._pauses.pop(call, None)
                self._left[call] = world.now
            case FactKind.CALL_ARRIVED | FactKind.CALL_BACK_STARTED if fact.call is not None:
                self._comes.add(CallId(fact.call))
            case FactKind.RECORDING_PAUSED if fact.call is not None:
                self._pauses[CallId(fact.call)] = world.now
            case FactKind.RECORDING_RESUMED if fact.call is not None:
                self._pauses.pop(CallId(fact.call), None)
            case FactKind.TAKEN_OVER:
                self._took_over.add(LegId(str(fact.data["leg"])))
            case _:
                pass

    def after(self, event: CallEvent | CentreEvent, effects: list[EngineEffect]) -> None:
        """What holds when the core has decided."""
        for effect in effects:
            match effect:
                case Illegal(whose, state, name):
                    gone = whose in self._ended or whose in self._desk
                    if not self.is_troubled and not (state == "unknown" and gone):
                        raise Broken(f"{name} of {whose} cannot happen in {state}")
                case Defect(whose, step, error):
                    raise Broken(f"{whose}: {step}: {error!r}")
                case Refused(code) if not isinstance(event, Command):
                    raise Broken(f"{code} refused to nobody")
                case _:
                    pass
        _none_of(self._rung.after())
        if isinstance(event, ClockRead):
            longest = self._world.core.config.policy.recording_pause + CLOCK_SECONDS
            for name, at in self._pauses.items():
                if self._world.now - at > longest:
                    raise Broken(f"of {name} nothing is recorded for more than {longest:.0f} s")
        if self._adopts:
            return  # operators are known to talk, and the calls are not known yet
        core = self._world.core
        seats = core.acd.seats
        busy: dict[str, CallId] = {}
        for call in core.calls.values():
            if (call.phase is Phase.ENDED) is not (call.id in self._ended):
                raise Broken(f"{call.id} is {call.phase}, and its end is on record, or not")
            for agent in _all_kept_busy(call):
                if busy.setdefault(agent, call.id) != call.id:
                    raise Broken(f"{agent} is rung or talks in two calls")
                if seats[agent].call != call.id:
                    raise Broken(f"{call.id} has {agent}, who has {seats[agent].call}")
        for own, agent in core.outbound.talkers.items():
            if busy.setdefault(agent, own) != own or seats[agent].call != own:
                raise Broken(f"{agent} has called somebody, and has {seats[agent].call}")
        for seat in seats.values():
            if seat.call is not None and seat.extension not in busy:
                if self.unserved.keeps(seat.call, seat.extension):
                    continue
                raise Broken(f"{seat.extension} is kept for {seat.call}, which does not know it")
        _none_of(self._rung.everybody_is_served(core.calls.values()))

    # what Asterisk does

    def listens(self) -> None:
        """Who hears nothing, and who talks with whom."""
        asterisk, now = self._world.line.asterisk, self._world.now
        taken: Counter[str] = Counter()
        takers: Counter[str] = Counter()
        silent: dict[LegId, float] = {}
        for leg, channel in asterisk.channels.items():
            if channel.role is Role.OPERATOR and channel.bridge is not None:
                taken[channel.bridge] += 1
            if channel.bridge is not None and (
                channel.role is Role.OPERATOR or leg in self._took_over
            ):
                takers[channel.bridge] += 1
            if channel.bridge is not None and channel.address in self._world.core.acd.seats:
                taken[channel.address] += 1
            if (
                self._may_not_be_left(leg, channel)
                and not channel.music
                and leg not in asterisk.playing
                and not self._is_heard_in(channel.bridge)
            ):
                silent[leg] = self._silent.get(leg, now)
        self._silent = silent
        self._doubled = {
            bridge: self._doubled.get(bridge, now) for bridge, n in takers.items() if n > 1
        }
        _none_of(self._overhearing.listens(asterisk))
        self._recorded.listens()
        if not self.is_troubled:
            for whom, count in taken.items():
                if count > 1:
                    raise Broken(f"{whom}: two operators in one bridge, or one in two")

    def _may_not_be_left(self, leg: LegId, channel: Channel) -> bool:
        """Whether somebody must hear something: callers, and whom an operator brought in.

        An operator may have everybody on hold, and knows it.
        """
        match channel.role:
            case Role.CALLER:
                return call_of(leg) not in self._desk and (channel.up or not is_call_back(leg))
            case Role.OUTSIDE:
                return channel.up
            case Role.AGENCY | Role.COLLEAGUE if channel.up:
                call = self._world.core.calls.get(call_of(leg))
                return call is None or call.operator is None or call.operator.leg != leg
            case _:
                return False

    def _is_heard_in(self, bridge: object) -> bool:
        asterisk = self._world.line.asterisk
        if bridge is None:
            return False
        return sum(channel.bridge == bridge for channel in asterisk.channels.values()) > 1

    def time_passes(self, until: float) -> None:
        """Nothing happens until then."""
        world = self._world
        if until - world.happened > AT_REST and world.line.is_up and not self.is_troubled:
            _none_of(rest.otherwise(world))
        for leg, since in self._silent.items():
            if until - max(since, self._trouble_until) > LONGEST_SILENCE:
                raise Broken(f"{leg} has heard nothing for {until - since:.1f} s")
        for bridge, since in self._doubled.items():
            if until - max(since, self._trouble_until) > LONGEST_DOUBLED:
                raise Broken(f"{bridge} has two operators for {until - since:.1f} s")
        _none_of(self._overhearing.too_long(until, self._trouble_until))
        _none_of(self._recorded.too_long(until, self._trouble_until))
        for call, since in list(self._left.items()):
            late = until - max(since, self._trouble_until) - LONGEST_LEFT
            if late > 0:
                left = [leg for leg in self._world.line.asterisk.channels if call_of(leg) == call]
                if left:
                    raise Broken(f"{left} is there {LONGEST_LEFT + late:.1f} s after the end")
                del self._left[call]

    # in the end

    def is_over(self) -> None:
        """Everybody has hung up long ago: nothing is left, and all is on record."""
        world, core, asterisk = self._world, self._world.core, self._world.line.asterisk
        left = {
            "calls": list(core.calls),
            "calls at desks": [*core.desks.calls, *core.desks.lent],
            "calls out": [*core.outbound.calls, *core.outbound.left],
            "pauses of recordings": list(core.recording_pauses.until),
            "who waits": list(core.acd.waiting),
            "channels": list(asterisk.channels),
            "bridges": list(asterisk.bridges),
            "sounds": list(asterisk.playing),
            "timers": [each for each in world.timers if each.owner not in core.acd.seats],
            "busy operators": [s.extension for s in core.acd.seats.values() if s.call],
            "busy states": [
                f"{s.extension} {s.state}"
                for s in core.acd.seats.values()
                if s.state is not AgentState.IDLE
            ],
        }
        for what, which in left.items():
            if which:
                raise Broken(f"{what} left: {which}")
        known = {fact.call for fact in world.facts}
        comes = {call for call in self._comes if call in known or call not in self._cut_off}
        lost = sorted((comes | self.unserved.calls) - self._ended.keys())
        if lost:
            raise Broken(f"no end on record: {lost}")
        _none_of(self._calling_out.is_over())
        _none_of(self._recorded.is_over())
        _none_of(self._reports_not_handed_over())

    def _reports_not_handed_over(self) -> Iterator[str]:
        """A report goes where its call did, unless it came from there."""
        core = self._world.core
        outgoing = {(each.report, each.agency) for each in core.hand_overs.outgoing}
        for fact in self._world.facts:
            if fact.kind is not FactKind.AGENCY_ANSWERED or fact.data["agency"] != NEIGHBOUR:
                continue
            for report in core.incidents.open.values():
                if fact.call not in report.calls or report.origin is not None:
                    continue
                if (report.number, NEIGHBOUR) not in outgoing:
                    yield f"{NEIGHBOUR} has {fact.call}, and not its report {report.number}"


def _all_kept_busy(call: Call) -> Iterator[str]:
    """Whoever is rung for a call or is in it, and has no other meanwhile."""
    yield from (side.agent for side in call.offers)
    yield from kept_busy(call)
    yield from (each.side.agent for each in call.relieved)
    if call.supervision is not None:
        yield call.supervision.supervisor


def _none_of(broken: Iterable[str]) -> None:
    for each in broken:
        raise Broken(each)
