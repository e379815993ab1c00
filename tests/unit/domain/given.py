"""A centre and its calls, told step by step: what happens goes in, what follows is kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from typing import Any, TypeVar, get_args

from msgspec.structs import replace

from ess_pbx.domain.call import Call, Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.config import (
    Agency,
    Category,
    Centre,
    Choice,
    Menu,
    Operator,
    Policy,
    Queue,
    Shift,
)
from ess_pbx.domain.effects import (
    ArmTimer,
    AsteriskEffect,
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
    Arrived,
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
from ess_pbx.domain.ids import CallId, LegId, PlaybackId, caller_leg

E = TypeVar("E")

CALL = CallId("ess1-1700000000.1")
OTHER = CallId("ess1-1700000000.2")
CALLER = caller_leg(CALL)
POLICY = Policy(ring=12, rona_pause=5, wrap_up=20, agency_ring=45, comfort=20)
DAY, EVENING = ("2001", "2002", "2003"), ("2004",)

CENTRE = Centre(
    id="contoh",
    name="Contoh",
    greeting="selamat-datang",
    first_menu="utama",
    default_queue="umum",
    default_category="lainnya",
    policy=POLICY,
    queues=(
        Queue(id="umum", name="Umum"),
        Queue(id="medis", name="Medis", operators=("2001", "2004")),
    ),
    categories=(
        Category(id="lainnya", name="Lainnya", queue="umum"),
        Category(id="medis", name="Medis", queue="medis"),
        Category(id="banjir", name="Banjir", queue="umum"),
    ),
    shifts=(
        Shift(id="pagi", name="Pagi", starts=time(7), ends=time(15), operators=DAY),
        Shift(id="sore", name="Sore", starts=time(15), ends=time(23), operators=EVENING),
    ),
    operators=tuple(Operator(extension=each, name=each) for each in (*DAY, *EVENING)),
    agencies=(
        Agency(id="psc", name="PSC", code="119", contact="sip:119@127.0.0.1"),
        Agency(id="polres", name="Polres", code="110", contact="sip:110@127.0.0.1"),
    ),
    menus={
        "utama": Menu(
            prompts=("menu-utama", "menu-lanjutan"),
            keys={
                "1": Choice(category="medis"),
                "2": Choice(menu="bencana"),
                "3": Choice(category="banjir", queue="medis", priority=8),
                "9": Choice(language="en", menu="utama"),
            },
            otherwise=Choice(category="lainnya"),
            timeout=4.0,
        ),
        "bencana": Menu(
            prompts=("menu-bencana",),
            keys={"1": Choice(category="banjir", priority=9)},
            otherwise=Choice(),
            timeout=3.0,
        ),
    },
)
NO_MENU = replace(CENTRE, first_menu=None)


def of(effects: Iterable[object], kind: type[E]) -> list[E]:
    """Those effects that are of one kind."""
    return [effect for effect in effects if isinstance(effect, kind)]


def requests(effects: Iterable[EngineEffect]) -> list[EngineEffect]:
    """Those effects that are asked of Asterisk."""
    return [effect for effect in effects if isinstance(effect, get_args(AsteriskEffect))]


def arrival(call: CallId = CALL, **changes: Any) -> Arrived:
    """A call to 112 from a mobile phone."""
    fields: dict[str, Any] = {
        "caller_raw": "08123456789",
        "caller_e164": "+628123456789",
        "caller_display": "0812-3456-789",
        "called": "112",
        "trunk": "telco-a",
    }
    return Arrived(call, **(fields | changes))


class Story:
    """A centre in virtual time. ``effects`` are those of the last step, ``all`` of every step."""

    def __init__(self, config: Centre = CENTRE, phones: Iterable[str] = ("2001",)) -> None:
        self.core = CallCentre(config)
        self.now = 1000.0
        self.effects: list[EngineEffect] = []
        self.all: list[EngineEffect] = []
        self.timers: dict[TimerId, float] = {}
        self.hears: dict[str, list[str]] = {}
        """What plays to each leg, ``music`` among it."""
        self._playing: dict[PlaybackId, tuple[str, str]] = {}
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
        self._silence(playback)
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
        side = self.call.operator or self.call.offer
        assert side is not None
        return side.leg

    @property
    def agency(self) -> LegId:
        """The leg to the agency of the first call."""
        assert self.call.agency is not None
        return self.call.agency.leg

    def facts(self, kind: FactKind) -> list[dict[str, Any]]:
        """What was recorded of one kind, from the beginning."""
        return [dict(fact.data) for fact in of(self.all, Record) if fact.kind is kind]

    def armed(self, kind: str, owner: str = CALL) -> float | None:
        """Seconds until a timer fires, or None."""
        at = self.timers.get(TimerId(owner, kind))
        return None if at is None else at - self.now

    def _follow(self, effect: EngineEffect) -> None:
        match effect:
            case ArmTimer(timer, seconds):
                self.timers[timer] = self.now + seconds
            case CancelTimer(timer):
                self.timers.pop(timer, None)
            case PlayPrompt(target, _, playback, prompt):
                self.hears.setdefault(target, []).append(prompt)
                self._playing[playback] = (target, prompt)
            case StopPlayback(playback):
                self._silence(playback)
            case StartMusic(leg):
                self.hears.setdefault(leg, []).append("music")
            case StopMusic(leg):
                self.hears[leg].remove("music")
            case _:
                pass

    def _silence(self, playback: PlaybackId) -> None:
        where = self._playing.pop(playback, None)
        if where is not None:
            self.hears[where[0]].remove(where[1])


def _call_of(identifier: str) -> CallId:
    return CallId(identifier.partition("~")[0])


# calls in each phase


def waiting(config: Centre = NO_MENU, phones: Iterable[str] = ("2001",)) -> Story:
    """A caller in the queue, offered to the first operator there is."""
    story = Story(config, phones)
    story.arrives()
    story.answers(CALLER)
    return story


def in_menu() -> Story:
    """A caller who hears the greeting; the menu's keys work."""
    story = Story()
    story.arrives()
    story.answers(CALLER)
    return story


def talking(phones: Iterable[str] = ("2001",)) -> Story:
    """Operator and caller talk."""
    story = waiting(phones=phones)
    story.answers(story.operator)
    return story


def consult_ringing(phones: Iterable[str] = ("2001",)) -> Story:
    """The agency's phone rings."""
    story = talking(phones)
    story.presses("*119#", story.operator)
    return story


def consult(phones: Iterable[str] = ("2001",)) -> Story:
    """Operator and agency speak alone."""
    story = consult_ringing(phones)
    story.answers(story.agency)
    return story


def returning(phones: Iterable[str] = ("2001",)) -> Story:
    """The agency was busy; the operator is being told so."""
    story = consult_ringing(phones)
    story.gone(story.agency, 17)
    return story


def conference(phones: Iterable[str] = ("2001",)) -> Story:
    """All three talk."""
    story = consult(phones)
    story.presses("*3#", story.operator)
    return story


def handed_over(phones: Iterable[str] = ("2001",)) -> Story:
    """Caller and agency go on; the operator's leg is gone."""
    story = conference(phones)
    operator = story.operator
    story.presses("*4#", operator)
    story.gone(operator)
    return story


def ended(phones: Iterable[str] = ("2001",)) -> Story:
    """The caller hung up; the operator's leg is still on its way out."""
    story = talking(phones)
    story.gone(CALL)
    return story


PHASES = {
    Phase.IVR: in_menu,
    Phase.WAITING: waiting,
    Phase.TALKING: talking,
    Phase.CONSULT_RINGING: consult_ringing,
    Phase.CONSULT: consult,
    Phase.RETURNING: returning,
    Phase.CONFERENCE: conference,
    Phase.HANDED_OVER: handed_over,
    Phase.ENDED: ended,
}
"""A story that leads into each phase a call can be found in; it is ARRIVING only within a turn."""
