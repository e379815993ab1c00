"""The centre calls itself by way of its trunks' own path, again and again, and listens.

A channel of ours sends an INVITE to the test number; it comes in as any trunk's does, is offered to
the engines and claimed, and what answers is this module: a short sentence, at both ends, until each
end has heard the other. It is no caller's call: no queue, menu, figure or record of calls has
anything of it, only the fact ``synthetic_call`` and, after several that failed, an alarm.

Which call is one is told by the endpoint that it came by, which sends from a port of our own
(``ess_pbx.ari.translate``), never by the number: whoever else dials the test number is a caller.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ess_pbx.domain import ids
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    Answer,
    ArmTimer,
    CancelTimer,
    EngineEffect,
    HangUp,
    Originate,
    PlayPrompt,
    Record,
    Role,
)
from ess_pbx.domain.events import (
    CallEvent,
    LegAnswered,
    LegGone,
    SpeechBegan,
    SyntheticCallArrived,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import CallId, LegId

ALARM = "synthetic-call"
PROMPT = "panggilan-uji"
TIMER = "synthetic"
LONGEST = 30.0
"""Seconds after which a call that nobody ended is hung up."""
HOLD = 1.0
"""Seconds that both ends stay after they have heard each other."""
REMEMBERED = 20
"""Channels of earlier test calls whose end may still be told."""

NOT_SENT, NOT_ARRIVED, NOT_ANSWERED = "not-sent", "not-arrived", "not-answered"
CENTRE_NOT_HEARD, CALLER_NOT_HEARD, OK = "centre-not-heard", "caller-not-heard", "ok"
"""How far a call came; ``OK`` is all the way."""


@dataclass(slots=True)
class Attempt:
    """The test call that is under way. Times are monotonic seconds."""

    call: CallId
    token: str
    """The number that it shows, by which its arrival is known."""
    began: float
    arrived: CallId | None = None
    answered: float | None = None
    heard: float | None = None
    """When the end that called heard the sentence."""
    heard_us: bool = False
    """Whether the end that answered heard the one that called."""

    @property
    def reached(self) -> str:
        """How far it came."""
        if self.answered is None:
            return NOT_ARRIVED if self.arrived is None else NOT_ANSWERED
        if self.heard is None:
            return CENTRE_NOT_HEARD
        return OK if self.heard_us else CALLER_NOT_HEARD


@dataclass(slots=True)
class SyntheticCalls:
    """The test calls of one centre: those that it sends, and those that it answers."""

    centre: Centre
    attempt: Attempt | None = None
    calls: dict[CallId, bool] = field(default_factory=dict)
    """Those whose events are for here, by the channel's call, and whether the channel is there."""
    failed: int = 0
    """Test calls in a row that failed."""
    _due: float | None = None

    @property
    def legs(self) -> list[LegId]:
        """The channels that are there."""
        return [_leg(call) for call, there in self.calls.items() if there]

    def clock(self, wall: float, now: float, *, ready: bool, alarmed: bool) -> list[EngineEffect]:
        """Begin a call when it is time; the first one when the engine is ``ready`` for calls.

        ``wall`` (epoch seconds) names it; ``now`` is monotonic; ``alarmed``: the alarm stands.
        """
        wanted = self.centre.synthetic_call
        if wanted is None:
            return [_cleared("no test number is set")] if alarmed else []
        if self._due is None and not ready:
            return []
        if self.attempt is not None or (self._due is not None and now < self._due):
            return []
        self._due = now + wanted.every
        self._forget()
        token = str(round(wall * 1000))
        call = ids.synthetic_call(self.centre.id, token)
        self.attempt = Attempt(call, token, now)
        left = [HangUp(leg) for leg in self.legs]
        self.calls[call] = True
        ring = Originate(
            call=call,
            leg=_leg(call),
            role=Role.TEST,
            address=wanted.number,
            number=token,
            name="",
            timeout=wanted.within + 1,
        )
        return [*left, ring, ArmTimer(TimerId(call, TIMER), wanted.within)]

    def arrived(self, event: SyntheticCallArrived) -> list[EngineEffect]:
        """A test call came in, ours or that of another engine on this Asterisk: it is answered."""
        if event.call in self.calls:
            return []
        self.calls[event.call] = True
        if self.attempt is not None and self.attempt.token == event.token:
            self.attempt.arrived = event.call
        leg, playback = _leg(event.call), ids.playback(event.call, 1)
        return [
            Answer(leg),
            PlayPrompt(leg, False, playback, PROMPT, self.centre.language),
            ArmTimer(TimerId(event.call, TIMER), LONGEST),
        ]

    def decide(self, event: CallEvent, now: float, *, alarmed: bool) -> list[EngineEffect]:
        """What becomes of one of these calls; any other event of it means nothing."""
        attempt, call = self.attempt, event.call
        effects: list[EngineEffect] = []
        if isinstance(event, LegGone):
            self.calls[call] = False
            effects.append(CancelTimer(TimerId(call, TIMER)))
        elif isinstance(event, TimerFired) and self.calls[call]:
            effects.append(HangUp(_leg(call)))
        if attempt is None or call not in (attempt.call, attempt.arrived):
            return effects
        match event:
            case LegAnswered() if call == attempt.call and attempt.answered is None:
                attempt.answered = now
                if attempt.heard is not None:
                    # The sentence can be quicker than the news of the answer that it comes with.
                    attempt.heard = now
                playback = ids.playback(call, 1)
                language = self.centre.language
                effects.append(PlayPrompt(_leg(call), False, playback, PROMPT, language))
            case SpeechBegan() if call == attempt.call:
                attempt.heard = attempt.heard or now
            case SpeechBegan():
                attempt.heard_us = True
            case LegGone() if call == attempt.call and attempt.arrived is None:
                return effects + self._over(attempt, NOT_SENT, alarmed)
            case LegGone() | TimerFired():
                return effects + self._over(attempt, attempt.reached, alarmed)
        if attempt.reached == OK:
            return effects + self._over(attempt, OK, alarmed)
        return effects

    def _over(self, attempt: Attempt, reached: str, alarmed: bool) -> list[EngineEffect]:
        self.attempt = None
        wanted, mine = self.centre.synthetic_call, (attempt.call, attempt.arrived)
        effects: list[EngineEffect] = []
        if reached == OK:
            # So that there is something to record; then ``decide`` hangs up.
            effects.append(ArmTimer(TimerId(attempt.call, TIMER), HOLD))
        else:
            effects.append(CancelTimer(TimerId(attempt.call, TIMER)))
            effects += [HangUp(_leg(each)) for each in mine if each and self.calls.get(each)]
        told: dict[str, JSON] = {
            "channel": attempt.arrived,
            "result": reached,
            "answered_ms": _ms(attempt.answered, attempt.began),
            "heard_ms": _ms(attempt.heard, attempt.began),
        }
        effects.append(Record(None, FactKind.SYNTHETIC_CALL, told))
        self.failed = 0 if reached == OK else self.failed + 1
        if reached == OK:
            return [*effects, *([_cleared("a test call was heard")] if alarmed else [])]
        if not alarmed and wanted is not None and self.failed >= wanted.failures:
            effects.append(_raised(self.failed, reached))
        return effects

    def _forget(self) -> None:
        over = [call for call, there in self.calls.items() if not there]
        for call in over[: max(0, len(over) - REMEMBERED)]:
            del self.calls[call]


def _leg(call: CallId) -> LegId:
    return ids.synthetic_leg(call) if ids.is_synthetic(call) else ids.caller_leg(call)


def _ms(at: float | None, began: float) -> int | None:
    return None if at is None else round((at - began) * 1000)


def _raised(failed: int, reached: str) -> Record:
    detail = f"{failed} test calls in a row failed, the last: {reached}"
    return Record(None, FactKind.ALARM_RAISED, {"alarm": ALARM, "detail": detail})


def _cleared(detail: str) -> Record:
    return Record(None, FactKind.ALARM_CLEARED, {"alarm": ALARM, "detail": detail})
