"""The line between engine and Asterisk: requests and events take their time, and meet faults.

What a request's failure becomes is as ``ess_pbx.engine.executor`` has it; what is asked of Asterisk
after each connect, as ``engine.service`` does; and that core and Asterisk are compared every few
seconds, as ``engine.stock_watch`` does, but for its looks at once after a request that failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ess_pbx.domain.differences import AGAIN_SECONDS, STALE_SECONDS
from ess_pbx.domain.effects import (
    AsteriskEffect,
    Join,
    Originate,
    PlayPrompt,
    PlaySpeech,
    PlayTone,
    Snoop,
)
from ess_pbx.domain.events import (
    Arrived,
    CallEvent,
    CentreEvent,
    LegGone,
    PhoneReachable,
    PlaybackBegan,
    PlaybackEnded,
)
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId, LegId, PlaybackId, call_of
from ess_pbx.simulation.dialplan import Dialplan
from ess_pbx.simulation.mixmonitors import MixMonitors
from ess_pbx.simulation.stock import Stock
from ess_pbx.simulation.story import Trouble
from ess_pbx.simulation.virtual_asterisk import DEAD, VirtualAsterisk

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World

LOOK_SECONDS = 2.0
"""As ``engine.stock_watch`` has it."""
NOTICED_SECONDS = LOOK_SECONDS + 2 * STALE_SECONDS
"""After a single event was lost or out of order until it is known; a look may be missed."""
REQUEST_TIMEOUT = 5.0
"""Of the console too."""
CONSOLE_SECONDS = 0.01
SWAPPED_WITHIN = 1.0
OF_EVENTS = ("event-lost", "event-doubled", "event-late", "events-swapped")
OF_REQUESTS = ("request-fails", "request-times-out", "request-unseen")
SETTLED_SECONDS = 1.5
"""How long after a connect all is as it should be."""


class Line:
    """Asterisk, and the way to it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asterisk = VirtualAsterisk()
        self.is_up = True
        self.returned = 0.0
        """When the engine last came to it."""
        self.dialplan = Dialplan(world, self)
        self.mixmonitors = MixMonitors(world)
        self._there = world.story.setting.request_seconds
        self._back = world.story.setting.event_seconds
        self._connection = 0
        self._requests: deque[AsteriskEffect] = deque()
        self._unanswered: deque[tuple[float, AsteriskEffect]] = deque()
        self._meet_events: list[Trouble] = []
        self._meet_requests: list[Trouble] = []
        self._snoops_fail: list[float] = []
        """After so many seconds; after as many as a request may take nothing is told of it."""
        self._held: CallEvent | CentreEvent | None = None
        self.arriving: set[CallId] = set()
        """Calls whose arrival is on its way to the engine."""
        self._prompts: dict[PlaybackId, str] = {}
        self._restarted = 0.0
        self._console_fails, self._console_until = 0.0, 0.0
        self._stock = Stock(world, self)
        self._engine_since = 0
        """The connection with which this engine began."""

    @property
    def request_seconds(self) -> float:
        """How long a request is on the way."""
        return self._there

    @property
    def event_seconds(self) -> float:
        """How long an event is."""
        return self._back

    @property
    def connection(self) -> int:
        """Counts what was ever connected."""
        return self._connection

    @property
    def console_fails(self) -> float:
        """How many seconds Asterisk takes to do nothing that it is asked on its console."""
        return self._console_fails if self._world.now < self._console_until else 0.0

    # requests

    def send(self, effect: AsteriskEffect) -> None:
        """A request leaves."""
        world = self._world
        if not self.is_up:
            world.later(0.0, self._fails, effect, self._connection)
            return
        if self._snoops_fail and isinstance(effect, Snoop):
            after = self._snoops_fail.pop()
            world.watch.troubled(after + SETTLED_SECONDS)
            if after < REQUEST_TIMEOUT:
                world.later(after, self._fails, effect, self._connection)
            return
        if self._meet_requests and isinstance(effect, Originate | PlayPrompt | Snoop):
            fault = self._meet_requests.pop(0).fault
            if fault == "request-fails":
                world.later(self._there + self._back, self._fails, effect, self._connection)
                return
            world.watch.troubled(REQUEST_TIMEOUT + SETTLED_SECONDS)
            if isinstance(effect, PlayPrompt):
                world.later(REQUEST_TIMEOUT, self._fails, effect, self._connection)
            if fault == "request-times-out":
                return
            if isinstance(effect, PlayPrompt):
                self.asterisk.unseen.add(effect.playback)
        self._requests.append(effect)
        self._unanswered.append((world.now + self._there + self._back, effect))
        while self._unanswered and self._unanswered[0][0] <= world.now:
            self._unanswered.popleft()
        world.later(self._there, self._arrives, self._connection)

    def _arrives(self, connection: int) -> None:
        if connection == self._connection:
            self._carry_out(self._requests.popleft())

    def _carry_out(self, effect: AsteriskEffect) -> None:
        asterisk = self.asterisk
        if isinstance(effect, PlayPrompt):
            self._prompts[effect.playback] = effect.prompt
        elif isinstance(effect, Originate) and effect.address not in asterisk.unreachable:
            self._world.people.is_called(effect)
        asterisk.requests.append(effect)
        self.act(asterisk.carry_out)
        if isinstance(effect, Join) and len(members := asterisk.members(effect.bridge)) > 1:
            for leg in members:
                self._world.people.talks(leg)

    def _fails(self, effect: AsteriskEffect, connection: int) -> None:
        """As the executor tells it; nothing to an engine that came later."""
        if connection < self._engine_since:
            return
        match effect:
            case Originate(call, leg):
                self._world.hear(LegGone(call, leg, DEAD))
            case Snoop(_, snoop):
                self._world.hear(LegGone(call_of(snoop), snoop, DEAD))
            case PlayPrompt() | PlaySpeech() | PlayTone():
                self._world.hear(PlaybackEnded(call_of(effect.playback), effect.playback))
            case _:
                pass

    # events

    def act(self, do: Callable[..., None], *with_what: Any) -> None:
        """Something happens in Asterisk, and what it causes is told."""
        do(*with_what)
        events = self.asterisk.events
        while events:
            event = events.popleft()
            if isinstance(event, PlaybackBegan) and event.playback not in self.asterisk.tones:
                prompt = self._prompts.get(event.playback, "")
                self._world.later(1.5 + len(prompt) / 10, self._prompt_ends, event.playback)
            self.tell(event)
        self.changed()

    def changed(self) -> None:
        """Legs are in other places than before."""
        self.mixmonitors.follow()
        self._world.watch.listens()

    def _prompt_ends(self, playback: PlaybackId) -> None:
        self.act(self.asterisk.playback_over, playback)

    def tell(self, event: CallEvent | CentreEvent) -> None:
        """An event leaves Asterisk; nobody hears it while the line is down."""
        world = self._world
        if not self.is_up:
            return
        if isinstance(event, Arrived):
            self.arriving.add(event.call)
        if self._held is not None:
            held, self._held = self._held, None
            world.later(self._back, self._is_heard, event, self._connection)
            world.later(self._back, self._is_heard, held, self._connection)
            return
        after = self._back
        if self._meet_events:
            trouble = self._meet_events.pop(0)
            self._world.watch.troubled(NOTICED_SECONDS + SETTLED_SECONDS)
            match trouble.fault:
                case "event-lost":
                    world.tell("event lost:", event)
                    if isinstance(event, Arrived):
                        self.arriving.discard(event.call)
                    return
                case "event-doubled":
                    world.later(after, self._is_heard, event, self._connection)
                case "event-late":
                    # An arrival that comes when its call is over would be another call.
                    arrives = isinstance(event, Arrived)
                    after += min(trouble.much, STALE_SECONDS) if arrives else trouble.much
                case _:
                    self._held = event
                    world.later(SWAPPED_WITHIN, self._let_go, self._connection)
                    return
        world.later(after, self._is_heard, event, self._connection)

    def _let_go(self, connection: int) -> None:
        if self._held is not None and connection == self._connection:
            held, self._held = self._held, None
            self._is_heard(held, connection)

    def _is_heard(self, event: CallEvent | CentreEvent, connection: int) -> None:
        if connection == self._connection:
            if isinstance(event, Arrived):
                self.arriving.discard(event.call)
            self._world.hear(event)

    # faults

    def trouble(self, step: Trouble) -> None:
        """A fault begins, or waits for the next event or request."""
        world = self._world
        match step.fault:
            case fault if fault in OF_EVENTS:
                self._meet_events.append(step)
            case fault if fault in OF_REQUESTS:
                self._meet_requests.append(step)
            case "snoops-fail":
                self._snoops_fail = [step.much] * (1 + step.count % 4)
            case "claims-late":
                self.dialplan.late(step.much, 1 + step.count % 4)
            case "engine-frozen":
                self._world.freeze(step.much)
                world.watch.troubled(step.much + SETTLED_SECONDS)
            case "database-stops":
                if world.database is not None:
                    world.database.stops(step.much, step.count)
            case "recording-stops":
                self.mixmonitors.falls_silent(step.count)
                self.changed()
            case "disk-full":
                self.mixmonitors.disk_is_full(step.much)
                world.watch.recorded_again_after(step.much)
            case "console-fails":
                self._console_fails = REQUEST_TIMEOUT if step.count % 2 else CONSOLE_SECONDS
                self._console_until = world.now + step.much
                world.watch.recorded_again_after(step.much + 2 * REQUEST_TIMEOUT)
            case "clock-jumps":
                world.wall_jump += step.much
                world.watch.clock_jumped()
            case _ if not self.is_up:
                return
            case "line-cut":
                self._cut(step.count)
                world.later(step.much, self._comes_back)
                world.watch.troubled(step.much + SETTLED_SECONDS)
            case "asterisk-restarts":
                self._asterisk_restarts(step)
            case _:
                world.kill_after(step.count)
                self._killed = step

    def engine_dies(self) -> None:
        """In the middle of what it was doing."""
        world, step = self._world, self._killed
        world.tell("the engine is killed")
        world.die(step.count)
        self._cut(step.count)
        world.watch.troubled(step.much + SETTLED_SECONDS)
        world.later(step.much, self._next_engine)

    def _next_engine(self) -> None:
        self._world.tell("another engine starts")
        self._engine_since = self._connection + 1
        self._world.start_anew()
        self._comes_back()

    def _asterisk_restarts(self, step: Trouble) -> None:
        world, asterisk = self._world, self.asterisk
        world.tell("Asterisk is killed")
        self._cut(0)
        world.watch.asterisk_died(list(asterisk.channels))
        self.dialplan.asterisk_died()
        asterisk.channels.clear()
        asterisk.bridges.clear()
        asterisk.playing.clear()
        self.mixmonitors.follow()
        self._restarted = world.wall
        gone = [each for each in world.core.acd.seats if each not in asterisk.unreachable]
        asterisk.unreachable.update(gone)
        world.later(step.much, self._comes_back)
        world.later(step.much + 1.0, self._phones_register, gone)
        world.watch.troubled(step.much + 1.0 + SETTLED_SECONDS)

    def _phones_register(self, phones: list[str]) -> None:
        for phone in phones:
            self.asterisk.unreachable.discard(phone)
            self.tell(PhoneReachable(phone))

    def _cut(self, carried_out: int) -> None:
        """Some requests still arrive, the rest does not, and none is answered; no event is."""
        world = self._world
        unanswered = [effect for due, effect in self._unanswered if due > world.now]
        self.is_up, self._held = False, None
        self.arriving.clear()
        self._connection += 1
        self._unanswered.clear()
        for _ in range(min(carried_out, len(self._requests))):
            self._carry_out(self._requests.popleft())
        self._requests.clear()
        self.asterisk.lost_requests = True
        if world.alive:
            for effect in unanswered:
                world.later(0.0, self._fails, effect, self._connection)

    def _comes_back(self) -> None:
        if self.is_up or not self._world.alive:
            return  # the line is the engine's: while it is dead there is none
        if self._world.is_frozen:
            self._world.does(self._comes_back)
            return
        self.is_up, self.returned = True, self._world.now
        self._connection += 1
        self._world.tell("the line is up")
        self._world.watch.found_its_calls()
        self._stock.take(self._restarted)

    # the engine looks

    def look(self) -> None:
        """Core and Asterisk are compared while the line is up, again and again."""
        goes = self._world.alive and not self._world.is_frozen
        differs = self.is_up and goes and self._stock.look()
        if not self._world.over:
            self._world.later(AGAIN_SECONDS if differs else LOOK_SECONDS, self.look)

    def ask(
        self,
        question: Callable[[frozenset[LegId], frozenset[PlaybackId]], AsteriskFound],
        told: Callable[[dict[CallId, tuple[object, ...]], AsteriskFound], None],
        before: dict[CallId, tuple[object, ...]],
        legs: frozenset[LegId],
        sounds: frozenset[PlaybackId],
    ) -> None:
        """Ask what Asterisk holds, after all that was asked before; ``before`` is told with it."""
        connection = self._connection

        def is_asked() -> None:
            if connection == self._connection:
                self._world.later(self._back, is_told, question(legs, sounds))

        def is_told(found: AsteriskFound) -> None:
            if connection == self._connection:
                self._world.does(told, before, found)

        self._world.later(self._there, is_asked)

    def closes(self) -> None:
        """No fault begins any more."""
        self._meet_events.clear()
        self._meet_requests.clear()
        self._snoops_fail.clear()
        self.dialplan.late(0.0, 0)
