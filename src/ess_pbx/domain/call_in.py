"""Off-shift operators called in: their own phones rung over a trunk, and a sentence said to each.

Begun by surge mode for those who have a number and are not there. A few at a time, so that the
trunk stays free for callers; who does not answer is tried once more. None of it concerns a call of
a caller, and whatever goes wrong with it is left at that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ess_pbx.domain import ids
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
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
    PlaybackEnded,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.domain.ringing import reason_of

AT_ONCE = 3
"""Calls at the same time."""
ATTEMPTS = 2
RING_SECONDS = 40.0
LONGEST_SENTENCE = 30.0
"""Seconds after which the phone is hung up even if the prompt's end was never heard of."""
TIMER = "call-in"
TOLD = "told"


@dataclass(frozen=True, slots=True)
class Ringing:
    """One operator who is being called in."""

    agent: str
    number: str
    attempt: int
    answered: bool = False
    told: bool = False


class CallIn:
    """Who is called in now, and who is still to be."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._numbers = {each.extension: each.phone for each in centre.operators if each.phone}
        self.calls: dict[CallId, Ringing] = {}
        self._next: deque[Ringing] = deque()
        self._made = 0

    @property
    def legs(self) -> list[LegId]:
        """The channels to the phones that ring or are spoken to."""
        return [_leg(call) for call in self.calls]

    def begin(self, absent: Iterable[str], wall: float) -> list[EngineEffect]:
        """Call in those of the absent who have a number; ``wall`` (epoch seconds) names calls."""
        trunk = self._centre.surge.call_in_trunk
        known = {each.agent for each in (*self._next, *self.calls.values())}
        for agent in absent:
            number = self._numbers.get(agent)
            if trunk is not None and number is not None and agent not in known:
                self._next.append(Ringing(agent, number, 1))
        return self._ring(wall)

    def stop(self) -> list[EngineEffect]:
        """The surge is over: nobody else is rung."""
        self._next.clear()
        # None is tried again.
        self.calls = {call: replace(one, attempt=ATTEMPTS) for call, one in self.calls.items()}
        return [HangUp(_leg(call)) for call, one in self.calls.items() if not one.answered]

    def decide(self, event: CallEvent, wall: float) -> list[EngineEffect]:
        """What becomes of one of these calls; any other event of it means nothing."""
        call = event.call
        one = self.calls[call]
        match event:
            case LegAnswered(leg=leg) if not one.answered:
                self.calls[call] = replace(one, answered=True)
                surge, playback = self._centre.surge, ids.playback(call, 1)
                return [
                    PlayPrompt(leg, False, playback, surge.call_in_prompt, self._centre.language),
                    ArmTimer(_timer(call), LONGEST_SENTENCE),
                ]
            case PlaybackEnded():
                self.calls[call] = replace(one, told=True)
                return [HangUp(_leg(call))]
            case TimerFired():
                return [HangUp(_leg(call))]
            case LegGone(cause=cause):
                del self.calls[call]
                outcome = TOLD if one.told or one.answered else reason_of(cause)
                if outcome != TOLD and one.attempt < ATTEMPTS:
                    self._next.append(Ringing(one.agent, one.number, one.attempt + 1))
                ended = Record(
                    None,
                    FactKind.CALL_IN_ENDED,
                    {"agent": one.agent, "attempt": one.attempt, "outcome": outcome},
                )
                return [CancelTimer(_timer(call)), ended, *self._ring(wall)]
        return []

    def _ring(self, wall: float) -> list[EngineEffect]:
        effects: list[EngineEffect] = []
        while self._next and len(self.calls) < AT_ONCE:
            one = self._next.popleft()
            self._made += 1
            call = CallId(f"{self._centre.id}-ci{wall:.0f}.{self._made}")
            self.calls[call] = one
            effects += [
                Originate(
                    call=call,
                    leg=_leg(call),
                    role=Role.STAFF,
                    address=one.number,
                    number="",
                    name="",
                    timeout=RING_SECONDS,
                    trunk=self._centre.surge.call_in_trunk or "",
                ),
                ArmTimer(_timer(call), RING_SECONDS + 5),
                Record(
                    None, FactKind.CALL_IN_STARTED, {"agent": one.agent, "attempt": one.attempt}
                ),
            ]
        return effects


def _leg(call: CallId) -> LegId:
    return ids.staff_leg(call)


def _timer(call: CallId) -> TimerId:
    return TimerId(call, TIMER)
