"""The dialplan of the virtual Asterisk: offers callers to the engine, and rings phones by itself.

As ``dialplan/extensions.conf.j2`` has it: a caller whom no engine claims in time is answered,
rings a few free phones of the list that the engine wrote last, and is offered again. Who was
refused by them rings the next ones at once, and hears music when none is left. What is written of
them ``engine.absence`` reads, here as there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ess_pbx.asterisk.render import AT_ONCE
from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.call_memory import CallMemory
from ess_pbx.domain.effects import Role
from ess_pbx.domain.events import Arrived
from ess_pbx.domain.ids import BridgeId, CallId, LegId, call_of
from ess_pbx.engine.absence import CLAIMED, to_the_end, told_of
from ess_pbx.engine.ended_calls import Ended, not_seen, unheard, without
from ess_pbx.simulation.virtual_asterisk import NORMAL, Channel

if TYPE_CHECKING:
    from ess_pbx.simulation.line import Line
    from ess_pbx.simulation.world import World

CLAIM_SECONDS = 0.2
"""How long an offer lasts, beside what a line of some tenths takes."""
MUSIC_SECONDS = 2.0
"""Before the next offer of a caller for whom nobody is free."""
MOST_CALLERS = 2
"""For whom a phone rings at once."""


@dataclass
class Caller:
    """A caller as the dialplan has them."""

    leg: LegId
    turn: int = 0
    """Counts offers and rounds of phones: what belongs to an earlier one is over."""
    offered: float | None = None
    """Since when they are, while they are."""
    written: bool = False
    """Whether they have been without an engine: then all steps are written down."""
    status: str = ""
    """Of the last offer."""
    ringing: set[LegId] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    """The phones of this round at which nobody has looked yet, in their order."""
    bridge: BridgeId | None = None


@dataclass
class Talk:
    """A call that the dialplan has connected."""

    agent: str
    answered: float
    ended: float | None = None


class Dialplan:
    """What Asterisk does with callers of its own accord."""

    def __init__(self, world: World, line: Line) -> None:
        self.phones: tuple[str, ...] = ()
        """Those of the list that the engine has written."""
        self.talks: dict[CallId, Talk] = {}
        self._world, self._line = world, line
        self._callers: dict[LegId, Caller] = {}
        self._lines: list[list[str]] = []
        self._legs = 0
        self._next = 0
        """At which phone of the list the next caller's round begins."""
        self._ends: list[Ended] = []
        self._unread: list[Ended] = []
        """Those that this engine has not read."""
        self._begins = False
        self._late: list[float] = []
        """After how many seconds the engine hears of the next offers."""
        line.asterisk.offers, line.asterisk.gone = self.offers, self._gone

    def listed(self, dial: str) -> None:
        """The engine has written what ``Dial()`` is to ring."""
        self.phones = tuple(each.removeprefix("PJSIP/") for each in dial.split("&") if each)

    # offers and claims

    def offers(self, leg: LegId) -> None:
        """A caller enters, or is sent back by the engine."""
        caller = self._callers.setdefault(leg, Caller(leg))
        self._line.asterisk.channels[leg].served = True
        self._offer(caller)

    def late(self, seconds: float, offers: int) -> None:
        """The engine hears of the next ones late."""
        self._late = [seconds] * offers

    def _offer(self, caller: Caller) -> None:
        world, line = self._world, self._line
        caller.turn += 1
        caller.offered = world.now
        if line.is_up:
            after = line.event_seconds + (self._late.pop() if self._late else 0.0)
            world.later(after, world.does, self._is_heard, caller, caller.turn, line.connection)
        within = CLAIM_SECONDS + line.event_seconds + line.request_seconds
        world.later(within, self._is_not_claimed, caller, caller.turn)

    def _is_heard(self, caller: Caller, turn: int, connection: int) -> None:
        if self._line.connection == connection:
            self._world.later(
                self._line.request_seconds, self._is_claimed, caller, turn, connection
            )

    def _is_claimed(self, caller: Caller, turn: int, connection: int) -> None:
        world, line = self._world, self._line
        if line.connection != connection:
            return
        if caller.offered is None or caller.turn != turn or not self._is_here(caller):
            return
        caller.offered, caller.status = None, CLAIMED
        world.watch.unserved.calls.discard(call_of(caller.leg))
        channel = line.asterisk.channels[caller.leg]
        channel.served = channel.music = False
        line.tell(world.people.arrival(call_of(caller.leg)))

    # without an engine

    def _is_not_claimed(self, caller: Caller, turn: int) -> None:
        if caller.turn != turn or caller.offered is None or not self._is_here(caller):
            return
        world, asterisk, began = self._world, self._line.asterisk, caller.offered
        channel = asterisk.channels[caller.leg]
        channel.up = channel.music = True
        caller.offered, caller.status = None, "TIMEOUT"
        if not caller.written:
            caller.written = True
            arrival = world.people.arrival(call_of(caller.leg))
            self._write("arrived", caller.leg, f"{arrival.invited_at:.3f}", "", "112", "", "c")
            if not world.core.config.policy.record_waiting:
                call = call_of(caller.leg)
                self._line.mixmonitors.starts(caller.leg, call, in_bridges_only=True)
        at = self._next % len(self.phones) if self.phones else 0
        self._next = at + AT_ONCE
        caller.left = [*self.phones[at:], *self.phones[:at]]
        self._ring(caller)
        world.watch.rung_without_engine(caller.leg, began, len(caller.ringing))
        self._line.changed()

    def _ring(self, caller: Caller) -> None:
        """The next free phones; where there is none, some that ring for another."""
        world, asterisk = self._world, self._line.asterisk
        free, ringing = list[str](), list[str]()
        while caller.left and len(free) < AT_ONCE:
            phone = caller.left.pop(0)
            legs = [each for each in asterisk.channels.values() if each.address == phone]
            if phone in asterisk.unreachable or any(each.up for each in legs):
                continue
            if not legs:
                free.append(phone)
            elif len(legs) < MOST_CALLERS:
                ringing.append(phone)
        rung = (free or ringing)[:AT_ONCE]
        world.tell("the dialplan rings for", caller.leg, rung)
        for phone in rung:
            self._legs += 1
            leg = LegId(f"p-{self._legs}")
            asterisk.channels[leg] = Channel(Role.OPERATOR, phone, served=True)
            caller.ringing.add(leg)
            world.people.is_rung_by_the_dialplan(leg, phone)
        caller.turn += 1
        if rung:
            ring = world.core.config.policy.ring
            world.later(ring, self._nobody_answers, caller, caller.turn)
        else:
            world.later(MUSIC_SECONDS, self._again, caller, caller.turn)

    def _nobody_answers(self, caller: Caller, turn: int) -> None:
        if caller.turn != turn or caller.bridge is not None or not self._is_here(caller):
            return
        self._hang_up(caller.ringing)
        self._offer(caller)

    def _all_refused(self, caller: Caller) -> None:
        if caller.left:
            self._ring(caller)
            return
        caller.turn += 1
        self._world.later(MUSIC_SECONDS, self._again, caller, caller.turn)

    def _again(self, caller: Caller, turn: int) -> None:
        if caller.turn == turn and self._is_here(caller):
            self._offer(caller)

    def picks_up(self, leg: LegId) -> bool:
        """A phone that rings is picked up; whether it still rang."""
        caller = next((each for each in self._callers.values() if leg in each.ringing), None)
        if caller is None or caller.bridge is not None:
            return False
        world, asterisk = self._world, self._line.asterisk
        phone = asterisk.channels[leg]
        if any(
            each is not phone and each.address == phone.address
            for each in asterisk.channels.values()
        ):
            return False  # they speak with somebody by now
        world.tell("picks up", leg, phone.address, "for", caller.leg)
        caller.ringing.remove(leg)
        self._hang_up(caller.ringing)
        caller.turn += 1
        self._legs += 1
        caller.bridge = BridgeId(f"dial-{self._legs}")
        asterisk.bridges.add(caller.bridge)
        there = asterisk.channels[caller.leg]
        phone.up, there.music = True, False
        phone.bridge = there.bridge = caller.bridge
        self.talks[call_of(caller.leg)] = Talk(phone.address, world.now)
        channel = f"PJSIP/{phone.address}-{self._legs:08}"
        self._write("answered", caller.leg, f"{world.wall:.3f}", leg, channel)
        world.people.talks(caller.leg)
        self._line.changed()
        return True

    def _hang_up(self, legs: set[LegId]) -> None:
        ended = sorted(legs)
        legs.clear()
        for leg in ended:
            self._line.asterisk.hangs_up(leg, NORMAL)

    def _gone(self, leg: LegId, cause: int) -> None:
        """A channel has ended, whosever it was."""
        if (caller := self._callers.pop(leg, None)) is not None:
            self._hang_up(caller.ringing)
            self._part(caller)
            end = Ended(leg, cause, self._world.wall, self._invited(leg), "", "112", "", "c")
            self._ends.append(end)
            self._unread.append(end)
            if caller.written:
                self._write("ended", leg, f"{self._world.wall:.3f}", str(cause), caller.status)
            return
        for other in list(self._callers.values()):
            if leg in other.ringing:
                other.ringing.discard(leg)
                if not other.ringing and other.bridge is None:
                    self._all_refused(other)
            elif other.bridge is not None and not self._line.asterisk.members(other.bridge) - {
                other.leg
            }:
                self._line.asterisk.hangs_up(other.leg, NORMAL)

    def _part(self, caller: Caller) -> None:
        if caller.bridge is None:
            return
        talk = self.talks[call_of(caller.leg)]
        talk.ended = self._world.now
        others = self._line.asterisk.members(caller.bridge)
        self._line.asterisk.bridges.discard(caller.bridge)
        self._hang_up(others - {caller.leg})

    def asterisk_died(self) -> None:
        """Nothing is written of anybody's end."""
        for caller in self._callers.values():
            caller.turn += 1
            if (talk := self.talks.get(call_of(caller.leg))) is not None and talk.ended is None:
                talk.ended = self._world.now
        self._callers.clear()

    # what is known of it

    def engine_started(self) -> None:
        """It reads all ends anew."""
        self._begins, self._unread = True, list(self._ends)

    def told(self, known: CallMemory, calls: Iterable[CallId]) -> DialplanServed | None:
        """What the engine reads that has these ``calls``; None when nothing was ever written."""
        if not self._lines and not self._unread:
            self._begins = False
            return None

        def arrival(leg: str, invited_at: float, *_: str) -> Arrived:
            return self._world.people.arrival(call_of(leg), invited_at)

        def last_written(_: str) -> float | None:
            return None

        there = self._line.asterisk.channels
        gone = {line[1] for line in self._lines if self._line.is_up and line[1] not in there}
        told = told_of(self._lines, arrival, known.imported, gone, last_written)[0]
        served = map(call_of, to_the_end(self._lines))
        known_calls = {*calls, *known.calls, *known.imported, *known.over, *served}
        # Whatever was told of them the engine has heard before it looks.
        coming = self._line.arriving
        ends = [each for each in self._unread if call_of(each.channel) not in coming]
        self._unread = [each for each in self._unread if call_of(each.channel) in coming]
        if self._begins:
            self._begins, ends = False, not_seen(ends, known_calls, 0.0)
        came = unheard(without(ends, known_calls), arrival)
        return replace(told, over=[*told.over, *came])

    def talks_since(self, agent: str) -> float | None:
        """Since when an operator is in such a call; None when they are in none."""
        there = (talk for talk in self.talks.values() if talk.agent == agent)
        return next((talk.answered for talk in there if talk.ended is None), None)

    def _invited(self, leg: LegId) -> float:
        return self._world.people.arrival(call_of(leg)).invited_at

    def _is_here(self, caller: Caller) -> bool:
        return self._callers.get(caller.leg) is caller

    def _write(self, *fields: str) -> None:
        self._lines.append(list(fields))
