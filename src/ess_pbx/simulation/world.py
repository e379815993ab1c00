"""Lets a story happen: an agenda on virtual time, with nothing in it that chance could change."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Asker, CloseCallBack, Via
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    ArmTimer,
    AsteriskEffect,
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
    CallEvent,
    CentreEvent,
    ClockRead,
    PhoneLost,
    PhoneReachable,
    PinChecked,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import Fact, fields_differ
from ess_pbx.domain.ids import CallId
from ess_pbx.engine import fallback
from ess_pbx.simulation.authors import RIGHT_PIN
from ess_pbx.simulation.invariants import Broken, Watch
from ess_pbx.simulation.line import LOOK_SECONDS, Line
from ess_pbx.simulation.people import People
from ess_pbx.simulation.recorder import Recorder
from ess_pbx.simulation.settings import centre_of
from ess_pbx.simulation.story import Reaction, Story
from ess_pbx.simulation.virtual_asterisk import NORMAL, ImpossibleRequest

if TYPE_CHECKING:
    from ess_pbx.simulation.database import Database

CLOCK_SECONDS = 5.0
"""How often the engine reads the wall clock."""
PIN_SECONDS = 0.05
TORN_SECONDS = 0.005
"""How long before a crash facts may not have been on the disk yet."""
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
CLOSING_SECONDS = 150.0
"""How long after the last of a story everything must be over."""
MOST_STEPS = 50_000
SUPERVISOR = Asker("penyelia", Via.API)


@dataclass
class Outcome:
    """How a run went."""

    story: Story
    broken: str | None = None
    """What did not hold; None when all did."""
    at: float = 0.0
    steps: int = 0
    calls: int = 0
    told: list[str] = field(default_factory=list)
    """What happened, line by line, where it was asked for."""
    reactions: dict[str, Reaction] = field(default_factory=dict)
    """What those did who were rung."""


class World:
    """One run of a story."""

    def __init__(self, story: Story, *, tells: bool = False, centre: Centre | None = None) -> None:
        """``centre`` is another than the story's setting says."""
        self.story = story
        self.now = 0.0
        self._began = STARTED + timedelta(hours=story.setting.hour)
        self.wall_jump = 0.0
        self.outcome = Outcome(story)
        self.closing = False
        self.core = CallCentre(centre or centre_of(story.setting))
        self.alive = True
        """Whether the engine runs."""
        self.facts: list[Fact] = []
        self._facts = 0
        self._written: list[float] = []
        """When each was, on a clock that nobody sets."""
        self._tells = tells
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._entries = 0
        self._looks: set[int] = set()
        self.happened = 0.0
        """When anything did last; that somebody looks is nothing."""
        self._timers: dict[TimerId, int] = {}
        self._kill_after: int | None = None
        self.is_frozen = False
        self._stopped: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        """What a frozen engine does when it goes on."""
        self.read_unclaimed_at = 0.0
        self.watch = Watch(self)
        self.line = Line(self)
        self.people = People(self)
        self.recorder = Recorder(self, self.core)
        self.thawed = 0.0
        """When the engine last went on after it was frozen."""
        self.database: Database | None = None

    def run(self) -> Outcome:
        """Until the story is over and nothing is left, or something does not hold."""
        outcome = self.outcome
        try:
            self.open()
            while self._agenda:
                self._step()
            self.watch.is_over()
            if self.database is not None:
                for otherwise in self.database.is_over():
                    raise Broken(otherwise)
        except (Broken, ImpossibleRequest) as broken:
            outcome.broken = str(broken)
        except Exception as error:
            # A defect of the core is what is looked for.
            last = error.__traceback__
            while last is not None and last.tb_next is not None:
                last = last.tb_next
            where = "" if last is None else f" ({last.tb_frame.f_code.co_name}:{last.tb_lineno})"
            outcome.broken = f"{type(error).__name__}: {error}{where}"
        finally:
            if self.database is not None:
                self.database.close()
        outcome.at = self.now
        return outcome

    def open(self) -> None:
        """The engine has started, phones are registered, and the story is on the agenda."""
        setting = self.story.setting
        self._read_clock()
        self.recorder.took_stock(())
        for agent, seat in self.core.acd.seats.items():
            there = agent in setting.phones
            if not there:
                self.line.asterisk.unreachable.add(agent)
            self.hear(PhoneReachable(agent) if there else PhoneLost(agent))
            if there and not seat.logged_in:
                self.people.logs_in(agent)
        self.later(CLOCK_SECONDS, self.read_clock)
        self.later(LOOK_SECONDS, self.line.look)
        if setting.database:
            # Loaded for these alone: it takes longer than a hundred stories.
            from ess_pbx.simulation.database import Database

            self.database = Database(self)
        for step in self.story.steps:
            self.later(step.at, self.people.begins, step)
        self.later(self.story.seconds, self._close)

    def go_on(self, until: Callable[[], bool]) -> None:
        """Let things happen until it is so; an error when the story is over before."""
        while not until():
            if not self._agenda:
                raise Broken("it does not come to that")
            self._step()

    def _step(self) -> None:
        at, entry, do, with_what = heapq.heappop(self._agenda)
        self.watch.time_passes(at)
        self.now = at
        if entry in self._looks:
            self._looks.remove(entry)
        else:
            self.happened = at
        do(*with_what)
        self.outcome.steps += 1
        if self.outcome.steps > MOST_STEPS:
            raise Broken("it never comes to rest")

    # time

    def later(self, seconds: float, do: Callable[..., None], *with_what: Any) -> None:
        """Put something on the agenda."""
        self._entries += 1
        heapq.heappush(self._agenda, (self.now + seconds, self._entries, do, with_what))

    def looks(self, seconds: float, do: Callable[..., None]) -> None:
        """Put on the agenda that somebody looks, and may find that nothing is to be done."""
        self.later(seconds, do)
        self._looks.add(self._entries)

    @property
    def wall(self) -> float:
        """Epoch seconds, as the clock of the engine's machine shows them."""
        return self._began.timestamp() + self.now + self.wall_jump

    @property
    def local(self) -> datetime:
        """The centre's local time, by that clock."""
        return self._began + timedelta(seconds=self.now + self.wall_jump)

    def tell(self, line: str, *values: object) -> None:
        """Write down what happened, for who wants to read it."""
        if self._tells:
            told = " ".join((line, *map(str, values)))
            self.outcome.told.append(f"{self.now:9.3f}  {told}")

    # the engine

    def hear(self, event: CallEvent | CentreEvent) -> None:
        """Let the core decide, and carry out what it wants."""
        if not self.alive:
            return
        if self.is_frozen:
            self._stopped.append((self.hear, (event,)))
            return
        if self._tells and not isinstance(event, ClockRead):
            self.tell(">", event)
        self.watch.before(event)
        effects = self.core.decide(event, self.now)
        facts: list[Record] = []
        for effect in effects:
            if self._kill_after is not None:
                self._kill_after -= 1
                if self._kill_after < 0:
                    # What was to be done after this is not, nor is any of it on record.
                    self.line.engine_dies()
                    return
            self._carry_out(effect, facts)
        for record in facts:
            self._journal(record)
        self.watch.after(event, effects)

    def kill_after(self, effects: int) -> None:
        """The engine dies when it has carried out so many effects more."""
        self._kill_after = effects

    def die(self, torn: int) -> None:
        """All that was in memory is gone, and of the journal the end of the last milliseconds."""
        self.alive, self._kill_after = False, None
        self.is_frozen = False
        self._stopped.clear()
        self._timers.clear()
        while torn and self._written and self._written[-1] > self.now - TORN_SECONDS:
            torn -= 1
            del self.facts[-1], self._written[-1]

    def freeze(self, seconds: float) -> None:
        """The engine does nothing for so long; what reaches it meanwhile waits."""
        if self.alive and not self.is_frozen:
            self.is_frozen = True
            self.later(seconds, self._thaw)

    def _thaw(self) -> None:
        if not self.is_frozen:
            return  # another engine runs
        self.tell("the engine goes on")
        self.is_frozen, self.thawed = False, self.now
        self.watch.clock_jumped()
        while self._stopped and self.alive:
            do, with_what = self._stopped.popleft()
            do(*with_what)

    def does(self, do: Callable[..., None], *with_what: Any) -> None:
        """The engine does something, when it can."""
        if self.is_frozen:
            self._stopped.append((do, with_what))
        elif self.alive:
            do(*with_what)

    def read_unclaimed(self) -> None:
        """The engine reads what the dialplan wrote of calls that nobody claimed."""
        if not self.alive or self.is_frozen:
            return
        if (told := self.unclaimed()) is not None:
            self.hear(told)
            for served in told.over:
                self.recorder.call_over(served.call, served.answered is not None)

    def unclaimed(self) -> DialplanServed | None:
        """What the engine reads of them; None when nothing is written."""
        self.read_unclaimed_at = self.now
        return self.line.dialplan.told(self.core.kept, self.core.calls)

    def start_anew(self) -> None:
        """Another engine: what it knows is what is in the journal."""
        self.core = CallCentre(self.core.config)
        for fact in self.facts:
            self.core.recall(fact)
        self.alive = True
        self.recorder = Recorder(self, self.core)
        self.line.dialplan.engine_started()
        self.watch.engine_started()
        self._read_clock()

    def read_clock(self) -> None:
        """The engine reads the wall clock, every few seconds."""
        if not self.is_frozen:
            self._read_clock()
            self.read_unclaimed()
        if not self.over:
            self.later(CLOCK_SECONDS, self.read_clock)

    def _read_clock(self) -> None:
        if self.alive:
            on_duty = self.core.on_duty(self.local)
            everyone = (each.extension for each in self.core.config.operators)
            self.line.dialplan.listed(fallback.dial_string(on_duty, everyone))
        self.hear(ClockRead(self.local, phones_known=True, wall=self.wall))

    def _carry_out(self, effect: EngineEffect, facts: list[Record]) -> None:
        match effect:
            case Record():
                facts.append(effect)
            case ArmTimer(timer, seconds):
                self._entries += 1
                self._timers[timer] = token = self._entries
                heapq.heappush(
                    self._agenda, (self.now + seconds, token, self._fire, (timer, token))
                )
            case CancelTimer(timer):
                self._timers.pop(timer, None)
            case Forget(call):
                self.recorder.call_over(call)
            case Illegal() | Refused() | Defect():
                self.tell("    !", effect)
            case CheckPin(call, _, pin):
                self.later(PIN_SECONDS, self.hear, PinChecked(call, pin == RIGHT_PIN))
            case _:
                self._ask(effect)

    def _ask(self, effect: AsteriskEffect) -> None:
        if self._tells:
            self.tell("   <", effect)
        self.watch.asked(effect)
        self.line.send(effect)

    def _fire(self, timer: TimerId, token: int) -> None:
        if self._timers.get(timer) != token:
            return
        if self.is_frozen:
            self._stopped.append((self._fire, (timer, token)))
            return
        del self._timers[timer]
        if timer.owner in self.core.acd.seats:
            self.hear(AgentTimerFired(timer))
        else:
            self.hear(TimerFired(CallId(timer.owner), timer))

    def record(self, record: Record) -> None:
        """A fact that the engine saw by itself."""
        self._journal(record)
        self.core.saw(record.call, record.kind, record.data, self.now)

    def _journal(self, record: Record) -> None:
        fact = Fact(
            id=record.id or f"{self._facts}",
            centre="c",
            call=record.call,
            kind=record.kind,
            at=self.wall if record.at is None else record.at,
            ms=None,
            data=record.data,
        )
        if (differs := fields_differ(fact)) is not None:
            raise Broken(f"a fact {record.kind} is not as it should be: {differs}")
        self._facts += 1
        known = record.id and any(each.id == record.id for each in self.facts)
        self.facts.append(fact)
        self._written.append(self.now)
        if not known:
            self.watch.recorded(fact)
        self.recorder.told(fact)

    @property
    def timers(self) -> list[TimerId]:
        """Those that are armed."""
        return list(self._timers)

    def durable_facts(self) -> list[Fact]:
        """Those that no crash tears off any more; all when the story is over."""
        count = len(self.facts)
        while count and not self.over and self._written[count - 1] > self.now - TORN_SECONDS:
            count -= 1
        return self.facts[:count]

    # the end

    @property
    def over(self) -> bool:
        """Whether nothing is begun any more."""
        return self.now >= self.story.seconds + CLOSING_SECONDS

    def _close(self) -> None:
        """Everybody hangs up, nobody is called back, and time goes by: nothing may be left."""
        if not self.closing:
            self.tell("everybody hangs up")
        self.closing = True
        self.line.closes()
        if self.alive:
            for leg in list(self.line.asterisk.channels):
                if leg in self.line.asterisk.channels:
                    self.line.act(self.line.asterisk.hangs_up, leg, NORMAL)
            for task in list(self.core.call_backs.open):
                self.hear(CloseCallBack(SUPERVISOR, task, "tutup"))
        if not self.over:
            self.later(CLOSING_SECONDS / 5, self._close)
