"""Callers, operators, agencies and supervisors: what they do of themselves, and when rung."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ess_pbx.domain.commands import LogIn
from ess_pbx.domain.effects import Originate, Role
from ess_pbx.domain.events import (
    Arrived,
    DeskCallArrived,
    LegHeld,
    LegUnheld,
    OutboundDialled,
    PhoneLost,
    PhoneReachable,
    Reference,
    StreamRestarted,
)
from ess_pbx.domain.ids import CallId, LegId, call_of, caller_leg, is_called_back
from ess_pbx.simulation import askers
from ess_pbx.simulation.askers import BY
from ess_pbx.simulation.authors import reaction_of
from ess_pbx.simulation.sample_centre import NEIGHBOURS_CENTRE
from ess_pbx.simulation.story import (
    AS_ONE_SHOULD,
    AnyStep,
    Asks,
    Calls,
    CallsOut,
    Commands,
    Dials,
    PhoneGoes,
    Reaction,
    Trouble,
)
from ess_pbx.simulation.virtual_asterisk import NORMAL

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World

KEY_SECONDS = 0.2
"""Between two keys of a code."""
PIN_SECONDS = 2.0
"""After which an operator keys in their PIN."""
CALLED_BACK_SECONDS = 60.0
"""The longest that somebody talks who was rung."""
DISCONNECTED = 0
ASKS_AGAIN = 30
"""Seconds that somebody waits for a call of which they want something."""
OWN_REACTIONS = (Role.SUPERVISOR, Role.OUTSIDE)
"""In which people do other things than when they are rung for a call."""


class People:
    """Everybody of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._calls: dict[CallId, Calls] = {}
        self._invited: dict[CallId, float] = {}
        self._numbers: dict[CallId, str] = {}
        world.line.asterisk.arrivals = self.arrival
        self._talked: set[LegId] = set()
        self._rung: Counter[str] = Counter()
        self._callers_out: dict[CallId, str] = {}
        self.made = 0

    # of themselves

    def begins(self, step: AnyStep) -> None:
        """A step of the story."""
        if self._world.closing:
            return
        self._world.tell("*", step)
        match step:
            case Calls():
                self._calls_112(step)
            case Commands(command=command, agent=agent):
                for wanted in askers.wanted(self._world, command, agent):
                    self._world.hear(wanted)
            case Asks():
                self._asks(step, ASKS_AGAIN)
            case Dials():
                self._dials(step)
            case CallsOut():
                self._calls_out(step)
            case PhoneGoes():
                self._phone_goes(step)
            case Trouble():
                self._world.line.trouble(step)

    def _asks(self, step: Asks, again: int) -> None:
        """Once there is somebody whom it can concern."""
        asked = askers.asked(self._world, step)
        if asked is not None:
            self._world.hear(asked)
        elif again and not self._world.closing:
            self._world.later(1.0, self._asks, step, again - 1)

    def logs_in(self, agent: str) -> None:
        """As every shift begins where phones alone do not do it."""
        self._world.hear(LogIn(BY, agent))

    def _calls_112(self, step: Calls) -> None:
        world = self._world
        self.made += 1
        call = CallId(f"n-{self.made}")
        leg = caller_leg(call)
        self._calls[call] = step
        self._numbers[call], self._invited[call] = f"+62812345678{step.number}", world.wall
        world.line.asterisk.calls(call)
        if world.core.config.policy.record_waiting:
            world.line.mixmonitors.starts(leg, call)
        world.watch.call_comes(call)
        world.line.dialplan.offers(leg)
        for after, key in step.keys:
            world.later(after, self._presses, leg, key)
        if step.speaks is not None:
            world.later(step.speaks, self._speaks, leg, True)
            world.later(step.speaks + 3.0, self._speaks, leg, False)
        world.later(step.patience, self._loses_patience, call)

    def arrival(self, call: CallId, _: float = 0.0) -> Arrived:
        """A caller's call, as it is told whenever the dialplan offers it."""
        number, invited_at = self._numbers[call], self._invited[call]
        step, reference = self._calls.get(call), None
        channel = self._world.line.asterisk.channels.get(caller_leg(call))
        if step is not None and step.passed_on:
            reference = Reference(NEIGHBOURS_CENTRE, askers.passed_on(step.number))
        return Arrived(
            call,
            number,
            number,
            number,
            "112",
            "telco",
            callable=True,
            invited_at=invited_at,
            up=channel is not None and channel.up,
            reference=reference,
        )

    def _loses_patience(self, call: CallId) -> None:
        leg = caller_leg(call)
        if leg in self._talked:
            return  # who talks hangs up when all is said
        step = self._calls[call]
        self._hangs_up(leg, step.cause)
        if step.redials is not None:
            again = Calls(
                at=0.0, number=step.number, patience=step.patience, talk=step.talk, keys=step.keys
            )
            self._world.later(step.redials, self.begins, again)

    def _phone_goes(self, step: PhoneGoes) -> None:
        world, agent = self._world, step.agent
        asterisk = world.line.asterisk
        if agent in asterisk.unreachable:
            return
        asterisk.unreachable.add(agent)
        if step.dies:
            for leg, channel in list(asterisk.channels.items()):
                if channel.address == agent:
                    world.line.act(asterisk.hangs_up, leg, DISCONNECTED)
        world.line.tell(PhoneLost(agent))
        world.later(step.seconds, self._phone_comes, agent)

    def _phone_comes(self, agent: str) -> None:
        self._world.line.asterisk.unreachable.discard(agent)
        self._world.line.tell(PhoneReachable(agent))

    def _dials(self, step: Dials) -> None:
        call = self._takes_up_phone(step.agent, step.stays)
        if call is None:
            return
        world, leg = self._world, caller_leg(call)
        world.line.tell(DeskCallArrived(call, step.agent, step.code))
        world.later(PIN_SECONDS, self._presses_all, leg, step.keys)
        after = PIN_SECONDS + len(step.keys) * KEY_SECONDS
        for later, keys in step.then:
            world.later(after + later, self._presses_all, leg, keys)

    def _calls_out(self, step: CallsOut) -> None:
        call = self._takes_up_phone(step.agent, step.stays)
        if call is not None:
            self._callers_out[call] = step.agent
            self._world.line.mixmonitors.starts(caller_leg(call), call)
            number = step.number if step.number.startswith("+") else ""
            short = "" if number else step.number
            self._world.line.tell(OutboundDialled(call, step.agent, number, short))

    def who_calls(self, call: CallId) -> str:
        """The operator who makes a call by themselves; empty when nobody does."""
        return self._callers_out.get(call, "")

    def _takes_up_phone(self, agent: str, stays: float) -> CallId | None:
        """The call that an operator begins; None when their phone or the engine is not there."""
        world = self._world
        if not world.line.is_up or agent in world.line.asterisk.unreachable:
            return None
        if world.line.dialplan.talks_since(agent) is not None:
            return None
        self.made += 1
        call = CallId(f"d-{self.made}")
        world.line.asterisk.calls(call, agent)
        world.watch.desk_call_comes(call, agent)
        world.later(stays, self._hangs_up, caller_leg(call), NORMAL)
        return call

    # when rung

    def is_called(self, wanted: Originate) -> None:
        """A phone is about to ring."""
        if wanted.role is Role.CALLER:
            self._numbers[wanted.call] = wanted.address
            self._invited[wanted.call] = self._world.wall
        who = f"{wanted.role} {wanted.address}" if wanted.role in OWN_REACTIONS else wanted.address
        reaction = self._reaction(who)
        match reaction.does:
            case "answers":
                self._world.later(reaction.after, self._picks_up, wanted.leg, reaction)
            case "refuses" if not reaction.after:
                self._world.line.asterisk.refusals[wanted.leg] = reaction.cause
            case "refuses":
                self._world.later(reaction.after, self._refuses, wanted.leg, reaction.cause)
            case "misses":
                # Asterisk itself gives up in the end.
                self._world.later(wanted.timeout, self._refuses, wanted.leg, 19)

    def _reaction(self, who: str) -> Reaction:
        key = f"{who}#{self._rung[who]}"
        self._rung[who] += 1
        reactions = self._world.story.reactions
        if reactions is None:
            reaction = reaction_of(self._world.story.seed, key)
        else:
            reaction = reactions.get(key, AS_ONE_SHOULD)
        self._world.outcome.reactions[key] = reaction
        return reaction

    def is_rung_by_the_dialplan(self, leg: LegId, phone: str) -> None:
        """A phone is rung for a caller whom no engine has."""
        reaction, world = self._reaction(f"dialplan {phone}"), self._world
        if reaction.does == "answers":
            world.later(reaction.after, self._picks_up_for_the_dialplan, leg, reaction)
        elif reaction.does == "refuses":
            world.later(reaction.after, self._refuses, leg, reaction.cause)

    def _picks_up_for_the_dialplan(self, leg: LegId, reaction: Reaction) -> None:
        if self._world.line.dialplan.picks_up(leg):
            for after, what in reaction.then:
                if what in ("hangs up", "dies"):
                    self._world.later(after, self._hangs_up, leg, NORMAL)

    def _picks_up(self, leg: LegId, reaction: Reaction) -> None:
        line = self._world.line
        channel = line.asterisk.channels.get(leg)
        if channel is None or channel.up:
            return
        if is_called_back(leg):
            line.mixmonitors.starts(leg, call_of(leg))
        line.act(line.asterisk.picks_up, leg)
        for after, what in (*reaction.then, (CALLED_BACK_SECONDS, "hangs up")):
            match what:
                case "hangs up":
                    self._world.later(after, self._hangs_up, leg, NORMAL)
                case "dies":
                    self._world.later(after, self._hangs_up, leg, DISCONNECTED)
                case "holds" | "takes back":
                    self._world.later(after, self._presses_hold, leg, what == "holds")
                case "restarts":
                    self._world.later(after, self._stream_restarts, leg)
                case keys:
                    self._world.later(after, self._presses_all, leg, keys)

    def _refuses(self, leg: LegId, cause: int) -> None:
        channel = self._world.line.asterisk.channels.get(leg)
        if channel is not None and not channel.up:
            self._world.line.act(self._world.line.asterisk.hangs_up, leg, cause)

    def talks(self, leg: LegId) -> None:
        """Somebody is in a bridge with somebody."""
        step = self._calls.get(CallId(leg))
        if step is not None and leg not in self._talked:
            self._talked.add(leg)
            self._world.later(step.talk, self._hangs_up, leg, step.cause)

    def _hangs_up(self, leg: LegId, cause: int) -> None:
        if leg in self._world.line.asterisk.channels:
            self._world.line.act(self._world.line.asterisk.hangs_up, leg, cause)

    def _presses(self, leg: LegId, key: str) -> None:
        if leg in self._world.line.asterisk.channels:
            self._world.line.act(self._world.line.asterisk.presses, leg, key)

    def _presses_all(self, leg: LegId, keys: str) -> None:
        for number, key in enumerate(keys):
            self._world.later(number * KEY_SECONDS, self._presses, leg, key)

    def _stream_restarts(self, leg: LegId) -> None:
        # ``engine.stream_watch`` looks after legs in bridges, of calls that go on.
        channel = self._world.line.asterisk.channels.get(leg)
        if channel is not None and channel.bridge and call_of(leg) in self._world.core.calls:
            self._world.line.tell(StreamRestarted(call_of(leg), leg))

    def _presses_hold(self, leg: LegId, holds: bool) -> None:
        if leg in self._world.line.asterisk.channels:
            self._world.line.tell((LegHeld if holds else LegUnheld)(call_of(leg), leg))

    def _speaks(self, leg: LegId, speaks: bool) -> None:
        if leg in self._world.line.asterisk.channels:
            self._world.line.act(self._world.line.asterisk.speaks, leg, speaks)
