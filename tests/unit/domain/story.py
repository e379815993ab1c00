"""A centre and its calls, told step by step: what happens goes in, what follows is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ess_pbx.domain.call import Call, Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.config import (
    Centre,
)
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    EngineEffect,
    Originate,
    PlayPrompt,
    Record,
    StartMusic,
    StopMusic,
    StopPlayback,
)
from ess_pbx.domain.events import (
    AgentTimerFired,
    CallEvent,
    CentreEvent,
    ClockRead,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    PhoneLost,
    PhoneReachable,
    PlaybackBegan,
    PlaybackEnded,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, LegId, PlaybackId

from .centre import CALL, CENTRE, arrival, of


class Story:
    """A centre in virtual time. ``effects`` are those of the last step, ``all`` of every step."""

    def __init__(self, config: Centre = CENTRE, phones: Iterable[str] = ("2001",)) -> None:
        self.core = CallCentre(config)
        self.now = 1000.0
        self.effects: list[EngineEffect] = []
        self.all: list[EngineEffect] = []
        self.timers: dict[TimerId, float] = {}
        self._playing: dict[PlaybackId, tuple[str, str]] = {}
        self._music: set[str] = set()
        self.at(9)
        for phone in phones:
            self.feed(PhoneReachable(phone))

    # what happens

    def feed(self, event: CallEvent | CentreEvent) -> list[EngineEffect]:
        """One event."""
        self.effects = self.core.decide(event, self.now)
        self.all += self.effects
        for effect in self.effects:
            self._follow(effect)
        return self.effects

    def at(self, hour: int) -> list[EngineEffect]:
        """The clock on the wall shows an hour."""
        return self.feed(ClockRead(datetime(2026, 1, 1, hour)))

    def arrives(self, call: CallId = CALL, **changes: Any) -> list[EngineEffect]:
        """A caller dials 112."""
        return self.feed(arrival(call, **changes))

    def answers(self, leg: str) -> list[EngineEffect]:
        """The far end of a leg picks up."""
        return self.feed(LegAnswered(_call_of(leg), LegId(leg)))

    def rings(self, leg: str) -> list[EngineEffect]:
        """The far end of a leg rings."""
        return self.feed(LegRang(_call_of(leg), LegId(leg)))

    def gone(self, leg: str, cause: int = 16) -> list[EngineEffect]:
        """A leg ended."""
        return self.feed(LegGone(_call_of(leg), LegId(leg), cause))

    def presses(self, keys: str, leg: str = CALL) -> list[EngineEffect]:
        """Keys, one after another; the effects of all of them."""
        effects = []
        for key in keys:
            effects += self.feed(KeyPressed(_call_of(leg), LegId(leg), key))
        self.effects = effects
        return effects

    def prompt_over(self, call: CallId = CALL) -> list[EngineEffect]:
        """The prompt that plays to the caller came to its end."""
        playing = self.core.calls[call].playing
        assert playing is not None
        return self.played(playing)

    def begins(self, call: CallId = CALL) -> list[EngineEffect]:
        """The prompt that was asked for last is heard."""
        playing = self.core.calls[call].playing
        assert playing is not None
        return self.feed(PlaybackBegan(call, playing))

    def played(self, playback: PlaybackId) -> list[EngineEffect]:
        """A playback ended."""
        self._playing.pop(playback, None)
        return self.feed(PlaybackEnded(_call_of(playback), playback))

    def phone(self, agent: str, there: bool = True) -> list[EngineEffect]:
        """An operator's phone came or went."""
        return self.feed(PhoneReachable(agent) if there else PhoneLost(agent))

    def after(self, seconds: float) -> list[EngineEffect]:
        """Time passes; timers fire in their order. The effects of all of them."""
        until, effects = self.now + seconds, []
        while due := sorted((at, timer.kind) for timer, at in self.timers.items() if at <= until):
            timer = next(t for t, at in self.timers.items() if (at, t.kind) == due[0])
            self.now = self.timers.pop(timer)
            agent = timer.owner in self.core.acd.seats
            effects += self.feed(
                AgentTimerFired(timer) if agent else TimerFired(CallId(timer.owner), timer)
            )
        self.now = until
        self.effects = effects
        return effects

    # what is so

    @property
    def call(self) -> Call:
        """The state of the first call."""
        return self.core.calls[CALL]

    @property
    def hears(self) -> dict[str, list[str]]:
        """What plays to each leg; ``music`` where no prompt does."""
        heard: dict[str, list[str]] = defaultdict(list)
        for target, prompt in self._playing.values():
            heard[target].append(prompt)
        for leg in self._music - heard.keys():
            heard[leg] = ["music"]
        return heard

    def phase(self) -> Phase:
        """Where the first call is in its life."""
        return self.call.phase

    @property
    def rung(self) -> Originate:
        """The phone that was rung last."""
        return of(self.all, Originate)[-1]

    @property
    def operator(self) -> LegId:
        """The leg to the operator of the first call."""
        side = self.call.operator or (self.call.offers[-1] if self.call.offers else None)
        assert side is not None
        return side.leg

    @property
    def agency(self) -> LegId:
        """The leg to the agency of the first call."""
        assert self.call.agency is not None
        return self.call.agency.leg

    def together(self, leg: str = CALL) -> set[str]:
        """Who is in one bridge with a leg, itself among them; nobody with one that is alone."""
        rooms = self.call.rooms
        return {each for each, room in rooms.items() if room == rooms.get(LegId(leg))}

    def facts(self, kind: FactKind) -> list[dict[str, Any]]:
        """What was recorded of one kind, from the beginning."""
        return [dict(fact.data) for fact in of(self.all, Record) if fact.kind is kind]

    def armed(self, kind: str, owner: str = CALL) -> float | None:
        """Seconds until a timer fires, the first of its kind, or None."""
        due = [at for each, at in self.timers.items() if (each.owner, each.kind) == (owner, kind)]
        return min(due) - self.now if due else None

    def _follow(self, effect: EngineEffect) -> None:
        match effect:
            case ArmTimer(timer, seconds):
                self.timers[timer] = self.now + seconds
            case CancelTimer(timer):
                self.timers.pop(timer, None)
            case PlayPrompt(target, _, playback, prompt):
                self._playing[playback] = (target, prompt)
                self._music.discard(target)
            case StopPlayback(playback):
                self._playing.pop(playback, None)
            case StartMusic(leg):
                self._music.add(leg)
            case StopMusic(leg):
                self._music.remove(leg)
            case _:
                pass


def _call_of(identifier: str) -> CallId:
    return CallId(identifier.partition("~")[0])
