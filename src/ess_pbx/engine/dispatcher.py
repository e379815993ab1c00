"""The one loop: events into the core in order, its effects out, facts into the journal."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.commands import Command
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    CheckPin,
    Defect,
    EngineEffect,
    Forget,
    Illegal,
    Record,
    Refused,
)
from ess_pbx.domain.events import (
    AgentTimerFired,
    Arrived,
    CallEvent,
    CentreEvent,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId
from ess_pbx.engine.clock import Clock
from ess_pbx.engine.executor import Executor
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.timers import Timers

ALARMS = frozenset(
    {
        FactKind.ALARM_RAISED,
        FactKind.ALARM_CLEARED,
        FactKind.RECORDING_FAILED,
        FactKind.SURGE_DECLARED,
        FactKind.WALLBOARD_ALARM,
    }
)
PRIVATE = frozenset({"fields", "incident"})
"""What people write in a report is nobody's who reads the log."""
LONGEST_ORIGINS = 10_000
OWN_FIELDS = {"call": "agent_call", "event": "earthquake", "ms": "fact_ms"}
"""What a fact's key is called in the log where the log's line has a field of that name itself."""
CHECKPOINT_FACTS = 10_000
"""After so many facts all that is remembered is written anew: the next start reads no further."""
LOG_SECONDS = 0.002
"""How long a fact's log line waits: to write one takes longer than to decide, and what is sent to
Asterisk leaves only when the loop has its turn (under uvloop at the end of a round)."""


class Dispatcher:
    """Feeds the centres and carries out what they decide. Never waits, never raises into ARI.

    ``on_over`` is told of each call of which nothing is left in Asterisk.
    """

    def __init__(
        self,
        centres: Centres,
        journal: Journal,
        clock: Clock,
        on_over: Callable[[CallId], None],
        on_fact: Callable[[Fact], None] | None = None,
    ) -> None:
        self.centres = centres
        self.timers = Timers(self._timer_fired)
        self.executor: Executor | None = None
        self.check_pin: Callable[[CheckPin], None] | None = None
        self._journal = journal
        self._clock = clock
        self._on_over = on_over
        self._on_fact = on_fact
        self._queue: deque[CallEvent | CentreEvent] = deque()
        self._working = False
        self._refused: list[Refused] = []
        self._boot = uuid.uuid4().hex
        self._facts = 0
        self._checkpoint = 0
        self._invited: dict[CallId, float] = {}
        self._unlogged: list[Fact] = []
        self._log = structlog.get_logger(__name__)

    def feed(self, event: CallEvent | CentreEvent) -> None:
        """Decide an event; one fed from within a decision waits for its end."""
        self._queue.append(event)
        if self._working:
            return
        self._working = True
        try:
            while self._queue:
                self._decide(self._queue.popleft())
        finally:
            self._working = False

    def command(self, command: Command) -> Refused | None:
        """Decide what a person asks for; returns why not, when it cannot be done."""
        self._refused = []
        self.feed(command)
        return self._refused[0] if self._refused else None

    def record(
        self,
        call: CallId | None,
        kind: FactKind,
        data: Mapping[str, JSON],
        centre: str | None = None,
        *,
        at: float | None = None,
        name: str | None = None,
    ) -> int:
        """Write a fact that the engine saw by itself; the core sees it as after a restart.

        It is the call's centre's, unless one is named. ``at``, in epoch seconds, is when it was so,
        if not now; ``name`` the id of a fact that may be recorded again. Returns the journal's
        sequence.
        """
        concerned = self.centres.home(call) if centre is None else self.centres[centre]
        sequence = self._write(call, kind, data, concerned.config.id, at=at, name=name)
        try:
            concerned.saw(call, kind, data, self._clock.monotonic(), at)
        except Exception:
            # What is remembered is less than what is on record.
            self._log.exception("fact.not_remembered", kind=kind)
        return sequence

    def _write(
        self,
        call: CallId | None,
        kind: FactKind,
        data: Mapping[str, JSON],
        centre: str,
        *,
        at: float | None = None,
        name: str | None = None,
    ) -> int:
        """Put a fact into the journal now, and into the log when the loop has a moment."""
        if kind is FactKind.CALL_BACK_STARTED and call is not None:
            # A call of our own has no INVITE before this.
            self._invited[call] = self._clock.monotonic()
        now = self._clock.wall()
        self._facts += 1
        fact = Fact(
            id=name or f"{self._boot}-{self._facts}",
            centre=centre or self.centres.home(call).config.id,
            call=call,
            kind=kind,
            at=now if at is None else at,
            ms=self._since_invite(call, 0.0 if at is None else max(0.0, now - at)),
            data=data,
        )
        sequence = self._journal.append(fact)
        self._unlogged.append(fact)
        if len(self._unlogged) == 1:
            self._log_soon()
        if self._on_fact is not None:
            self._on_fact(fact)
        return sequence

    def write_log(self) -> None:
        """Write the log lines of all facts until now; called once more when the engine stops."""
        facts, self._unlogged = self._unlogged, []
        for fact in facts:
            if fact.kind == FactKind.CHECKPOINT:
                continue  # it repeats what was logged, and holds numbers
            log = self._log.warning if fact.kind in ALARMS else self._log.info
            fields = {
                _field(name): value for name, value in fact.data.items() if name not in PRIVATE
            }
            log(str(fact.kind), **({"centre": fact.centre} | fields), call=fact.call, ms=fact.ms)

    def _decide(self, event: CallEvent | CentreEvent) -> None:
        if isinstance(event, Arrived):
            self._remember_invite(event.call, event.invited_at)
        elif isinstance(event, AsteriskFound):
            self._remember_invites(event)
        told = event.served if isinstance(event, AsteriskFound) else event
        if isinstance(told, DialplanServed):
            for served in told.over:
                self._remember_invite(served.call, served.arrival.invited_at)
        try:
            centre, effects = self.centres.decide(event, self._clock.monotonic())
        except Exception:
            # A defect in the core must cost at most this event, not the centre.
            self._log.exception("core.failed", event_type=type(event).__name__)
            if isinstance(event, Command):
                self._refused.append(Refused("failed", "a defect of ess-pbx; its log says which"))
            return
        facts: list[Record] = []
        for effect in effects:
            try:
                self._carry_out(effect, centre, facts)
            except Exception:
                self._log.exception("effect.not_carried_out", effect=type(effect).__name__)
        # The phone that is to ring does not wait until we have written down that it will.
        for fact in facts:
            self._write(fact.call, fact.kind, fact.data, centre, at=fact.at, name=fact.id)
        if self._facts - self._checkpoint >= CHECKPOINT_FACTS:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write down all that each centre remembers."""
        self._checkpoint = self._facts
        for centre in self.centres:
            fact = centre.checkpoint()
            self._write(fact.call, fact.kind, fact.data, centre.config.id)

    def _carry_out(self, effect: EngineEffect, centre: str, facts: list[Record]) -> None:
        match effect:
            case Record():
                facts.append(effect)
            case ArmTimer(timer, seconds):
                self.timers.arm(centre, timer, seconds)
            case CancelTimer(timer):
                self.timers.cancel(centre, timer)
            case Forget(call):
                self._on_over(call)
            case Refused():
                self._refused.append(effect)
            case CheckPin():
                if self.check_pin is not None:
                    self.check_pin(effect)
            case Defect(call, step, error):
                self._log.error("call.defect", call=call, step=step, exc_info=error)
            case Illegal(call, state, name):
                self._log.warning("event.illegal", call=call, state=state, event_type=name)
            case _ if self.executor is not None:
                self.executor.carry_out(effect)

    def _log_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.write_log()
        else:
            loop.call_later(LOG_SECONDS, self.write_log)

    def _timer_fired(self, centre: str, timer: TimerId) -> None:
        if timer.owner in self.centres[centre].acd.seats:
            self.feed(AgentTimerFired(timer, centre=centre))
        else:
            self.feed(TimerFired(CallId(timer.owner), timer))

    def _remember_invites(self, event: AsteriskFound) -> None:
        centre = self.centres[event.centre] if event.centre else next(iter(self.centres))
        for kept in centre.kept.calls.values():
            if kept.id not in centre.calls:
                self._remember_invite(kept.id, kept.invited_at)
        for leg in event.legs.values():
            if leg.arrival is not None and leg.arrival.call not in self._invited:
                self._remember_invite(leg.arrival.call, leg.arrival.invited_at)

    def _remember_invite(self, call: CallId, invited_at: float) -> None:
        # The INVITE was before the engine knew; how long before, only the wall clock can say.
        late = max(0.0, self._clock.wall() - invited_at)
        self._invited[call] = self._clock.monotonic() - late
        if len(self._invited) > LONGEST_ORIGINS:
            del self._invited[next(iter(self._invited))]

    def _since_invite(self, call: CallId | None, ago: float) -> int | None:
        if call is None or call not in self._invited:
            return None
        return round((self._clock.monotonic() - self._invited[call] - ago) * 1000)


def _field(name: str) -> str:
    """A fact's key as a log field; some names are the log's own."""
    return OWN_FIELDS.get(name, name)
