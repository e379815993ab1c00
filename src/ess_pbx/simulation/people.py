"""Callers, operators, agencies and supervisors: what they do of themselves, and when rung."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ess_pbx.domain.commands import (
    Asker,
    CloseCallBack,
    Command,
    DeclareSurge,
    EndBreak,
    EndSurge,
    EndWrapUp,
    LogIn,
    LogOut,
    TakeBreak,
    Via,
)
from ess_pbx.domain.effects import Originate, Role
from ess_pbx.domain.events import (
    Arrived,
    DeskCallArrived,
    LegHeld,
    LegUnheld,
    PhoneLost,
    PhoneReachable,
)
from ess_pbx.domain.ids import CallId, LegId, call_of, caller_leg
from ess_pbx.simulation.authors import reaction_of
from ess_pbx.simulation.story import (
    AS_ONE_SHOULD,
    AnyStep,
    Calls,
    Commands,
    Dials,
    PhoneGoes,
    Reaction,
    Trouble,
)
from ess_pbx.simulation.virtual_asterisk import NORMAL

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World

BY = Asker("3001", Via.API)
KEY_SECONDS = 0.2
"""Between two keys of a code."""
DESK_SECONDS = 25.0
"""How long an operator stays on a call to the centre itself."""
CALLED_BACK_SECONDS = 60.0
"""The longest that somebody talks who was rung."""
DISCONNECTED = 0


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
                for wanted in self._wanted(command, agent):
                    self._world.hear(wanted)
            case Dials():
                self._dials(step)
            case PhoneGoes():
                self._phone_goes(step)
            case Trouble():
                self._world.line.trouble(step)

    def logs_in(self, agent: str) -> None:
        """As every shift begins where phones alone do not do it."""
        self._world.hear(LogIn(BY, agent))

    def _calls_112(self, step: Calls) -> None:
        world = self._world
        if not world.line.is_up:
            # The dialplan serves them until the engine is back: none of this story.
            world.later(1.0, self.begins, step)
            return
        self.made += 1
        call = CallId(f"n-{self.made}")
        leg = caller_leg(call)
        self._calls[call] = step
        self._numbers[call], self._invited[call] = f"+6281{step.number}", world.wall
        world.line.asterisk.calls(call)
        world.watch.call_comes()
        world.line.tell(self.arrival(call))
        for after, key in step.keys:
            world.later(after, self._presses, leg, key)
        if step.speaks is not None:
            world.later(step.speaks, self._speaks, leg, True)
            world.later(step.speaks + 3.0, self._speaks, leg, False)
        world.later(step.patience, self._loses_patience, call)

    def arrival(self, call: CallId, _: float = 0.0) -> Arrived:
        """A caller's call, as it is told whenever the dialplan offers it."""
        number, invited_at = self._numbers[call], self._invited[call]
        return Arrived(
            call, number, number, number, "112", "telco", callable=True, invited_at=invited_at
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
        world = self._world
        if not world.line.is_up or step.agent in world.line.asterisk.unreachable:
            return
        self.made += 1
        call = CallId(f"d-{self.made}")
        world.line.asterisk.calls(call)
        world.watch.desk_call_comes(call)
        world.line.tell(DeskCallArrived(call, step.agent, step.code))
        for number, key in enumerate(step.keys):
            world.later(2.0 + number * KEY_SECONDS, self._presses, caller_leg(call), key)
        world.later(DESK_SECONDS, self._hangs_up, caller_leg(call), NORMAL)

    def _wanted(self, command: str, agent: str) -> list[Command]:
        match command:
            case "take-break":
                return [TakeBreak(BY, agent, "sholat")]
            case "end-break":
                return [EndBreak(BY, agent)]
            case "log-in":
                return [LogIn(BY, agent)]
            case "log-out":
                return [LogOut(BY, agent)]
            case "end-wrap-up":
                return [EndWrapUp(BY, agent)]
            case "declare-surge":
                return [DeclareSurge(BY, "gempa")]
            case "end-surge":
                return [EndSurge(BY, "selesai")]
            case _:
                tasks = list(self._world.core.call_backs.open)
                return [CloseCallBack(BY, task, "tutup") for task in tasks]

    # when rung

    def is_called(self, wanted: Originate) -> None:
        """A phone is about to ring."""
        if wanted.role is Role.CALLER:
            self._numbers[wanted.call] = wanted.address
            self._invited[wanted.call] = self._world.wall
        key = f"{wanted.address}#{self._rung[wanted.address]}"
        self._rung[wanted.address] += 1
        reactions = self._world.story.reactions
        if reactions is None:
            reaction = reaction_of(self._world.story.seed, key)
        else:
            reaction = reactions.get(key, AS_ONE_SHOULD)
        self._world.outcome.reactions[key] = reaction
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

    def _picks_up(self, leg: LegId, reaction: Reaction) -> None:
        line = self._world.line
        channel = line.asterisk.channels.get(leg)
        if channel is None or channel.up:
            return
        line.act(line.asterisk.picks_up, leg)
        for after, what in (*reaction.then, (CALLED_BACK_SECONDS, "hangs up")):
            match what:
                case "hangs up":
                    self._world.later(after, self._hangs_up, leg, NORMAL)
                case "dies":
                    self._world.later(after, self._hangs_up, leg, DISCONNECTED)
                case "holds" | "takes back":
                    self._world.later(after, self._presses_hold, leg, what == "holds")
                case keys:
                    for number, key in enumerate(keys):
                        self._world.later(after + number * KEY_SECONDS, self._presses, leg, key)

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

    def _presses_hold(self, leg: LegId, holds: bool) -> None:
        if leg in self._world.line.asterisk.channels:
            self._world.line.tell((LegHeld if holds else LegUnheld)(call_of(leg), leg))

    def _speaks(self, leg: LegId, speaks: bool) -> None:
        if leg in self._world.line.asterisk.channels:
            self._world.line.act(self._world.line.asterisk.speaks, leg, speaks)
