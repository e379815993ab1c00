"""An operator's call to the centre itself, to change their status: code, PIN, and what is done.

    *10 hear my status      *13 break, then a key for the reason    *16<ext> log another out
    *11 log in              *14 end the break                       *17<ext> end another's break
    *12 log out             *15 end wrap-up                         *18<ext> listen to another
                                                                    (these three: supervisors)

Who listens hears at once, on this very call: it is lent to the call that they listen to
(``supervising``), and ends with that.

One table, (step, event) → what is done, as for callers' calls (``transitions``); but here nothing
hangs on the call itself: it always ends, by a timer if by nothing else, and leaves nothing behind.
The PIN is in no fact and no log: keys are not recorded, and ``repr`` hides them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias

from ess_pbx.domain import ids
from ess_pbx.domain.commands import (
    Asker,
    Command,
    EndBreak,
    EndWrapUp,
    LogIn,
    LogOut,
    TakeBreak,
    Via,
)
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    Answer,
    ArmTimer,
    CancelTimer,
    CheckPin,
    EngineEffect,
    HangUp,
    PlayPrompt,
    Record,
    StopPlayback,
)
from ess_pbx.domain.events import (
    CallEvent,
    KeyPressed,
    LegAnswered,
    LegGone,
    PinChecked,
    PlaybackEnded,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, PlaybackId
from ess_pbx.domain.supervision import ListenByPhone

PIN_LENGTH = 6
MOST_WRONG = 3
"""Wrong PINs, or wrong keys of a choice, in one call."""

ANSWERED_WITHIN = 5.0
FIRST_KEY_WITHIN = 20.0
"""Seconds from the beginning of the prompt that asks for it."""
NEXT_KEY_WITHIN = 10.0
CHECKED_WITHIN = 10.0
SAID_WITHIN = 30.0
RELEASED_WITHIN = 5.0

ASK_PIN, WRONG_PIN, BLOCKED = "masukkan-pin", "pin-salah", "pin-salah-tiga-kali"
ASK_REASON, TOO_LATE = "pilih-alasan", "waktu-habis"
UNKNOWN_CODE, REFUSED, DONE = "kode-tidak-dikenal", "tidak-dapat-dilakukan", "sudah-dilakukan"
PROMPTS = (*(ASK_PIN, WRONG_PIN, BLOCKED, ASK_REASON, TOO_LATE, UNKNOWN_CODE, REFUSED, DONE),)

BREAK_CODE, STATUS_CODE = "*13", "*10"
_OWN: Mapping[str, Callable[[Asker, str], Command]] = {
    "*11": LogIn,
    "*12": LogOut,
    "*14": EndBreak,
    "*15": EndWrapUp,
}
_OTHERS: Mapping[str, Callable[[Asker, str], Command]] = {"*16": LogOut, "*17": EndBreak}
LISTEN_CODE = "*18"
_FOR_SUPERVISORS = frozenset({*_OTHERS, LISTEN_CODE})
_CODE_LENGTH = 3
NO_SUPERVISOR = "not-a-supervisor"


class Step(StrEnum):
    """How far the call is."""

    ARRIVING = "arriving"
    PIN = "pin"
    CHECKING = "checking"
    REASON = "reason"
    SAYING = "saying"
    """The last words; then it is hung up."""
    LENT = "lent"
    """A supervisor listens: what happens to the call is the business of the one listened to."""
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class DeskCall:
    """The whole state of such a call."""

    id: CallId
    agent: str
    code: str
    step: Step = Step.ARRIVING
    keys: str = field(default="", repr=False)
    """Of the PIN, so far."""
    wrong: int = 0
    playing: PlaybackId | None = None
    prompts: tuple[str, ...] = ()
    """Still to be heard after the one that plays."""
    made_playbacks: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """What the operator wants, to be decided like any command; ``Told`` is the answer.

    None asks for nothing but the status.
    """

    command: Command | None


@dataclass(frozen=True, slots=True)
class Told:
    """The answer to ``Ask``, and the prompts that say how it stands now."""

    refused: str
    """Why it is not done, as ``Refused.code``; empty when it is."""
    status: tuple[str, ...]


Wanted: TypeAlias = EngineEffect | Ask
Heard: TypeAlias = CallEvent | PinChecked | Told


class Turn:
    """One event being decided: the call as it becomes, and the effects in order."""

    def __init__(self, call: DeskCall, centre: Centre) -> None:
        self.call = call
        self.centre = centre
        self.effects: list[Wanted] = []

    def set(self, **changes: Any) -> None:
        """Replace fields of the call."""
        self.call = replace(self.call, **changes)

    def do(self, *effects: Wanted) -> None:
        """Add effects, carried out in this order."""
        self.effects.extend(effects)

    def go(self, step: Step, within: float, *prompts: str) -> None:
        """Take a step: these are heard, and unless something happens ``within`` it is over."""
        self.hush()
        self.set(step=step, prompts=prompts)
        self.do(ArmTimer(self.timer, within))
        self.say_next()

    def say_next(self) -> bool:
        """Play the next prompt, if there is one."""
        call = self.call
        if not call.prompts:
            self.set(playing=None)
            return False
        playback = ids.playback(call.id, call.made_playbacks + 1)
        prompt, *later = call.prompts
        self.set(playing=playback, prompts=tuple(later), made_playbacks=call.made_playbacks + 1)
        leg = ids.caller_leg(call.id)
        self.do(PlayPrompt(leg, False, playback, prompt, self.centre.language))
        return True

    def hush(self) -> None:
        """Nothing is heard any more."""
        if self.call.playing is not None:
            self.do(StopPlayback(self.call.playing))
        self.set(playing=None, prompts=())

    @property
    def timer(self) -> TimerId:
        """The one timer of the call."""
        return TimerId(self.call.id, "desk")

    @property
    def asker(self) -> Asker:
        """The operator, by their phone."""
        return Asker(self.call.agent, Via.PHONE)


def arrive(call: CallId, agent: str, code: str, centre: Centre) -> tuple[DeskCall, list[Wanted]]:
    """A new call; one from nobody's phone is hung up."""
    turn = Turn(DeskCall(call, agent, code), centre)
    if all(each.extension != agent for each in centre.operators):
        _hang_up(turn)
    else:
        turn.do(ArmTimer(turn.timer, ANSWERED_WITHIN), Answer(ids.caller_leg(call)))
    return turn.call, turn.effects


def decide(call: DeskCall, event: Heard, centre: Centre) -> tuple[DeskCall | None, list[Wanted]]:
    """What becomes of the call, None when it is over, and what is to be done."""
    turn = Turn(call, centre)
    if isinstance(event, LegGone):
        return None, [CancelTimer(turn.timer)]
    handler = TABLE[call.step].get(type(event))
    if handler is not None:
        handler(turn, event)
    return turn.call, turn.effects


def _answered(turn: Turn, _: LegAnswered) -> None:
    code = turn.call.code
    own, others = code in {*_OWN, BREAK_CODE, STATUS_CODE}, code[:_CODE_LENGTH] in _FOR_SUPERVISORS
    if own or (others and len(code) > _CODE_LENGTH):
        turn.go(Step.PIN, FIRST_KEY_WITHIN, ASK_PIN)
    else:
        turn.go(Step.SAYING, SAID_WITHIN, UNKNOWN_CODE)


def _pin_key(turn: Turn, event: KeyPressed) -> None:
    turn.hush()
    turn.do(ArmTimer(turn.timer, NEXT_KEY_WITHIN))
    if event.key == "*":
        turn.set(keys="")
    elif event.key.isdigit():
        turn.set(keys=turn.call.keys + event.key)
        if len(turn.call.keys) == PIN_LENGTH:
            pin = turn.call.keys
            turn.set(keys="")
            turn.go(Step.CHECKING, CHECKED_WITHIN)
            turn.do(CheckPin(turn.call.id, turn.call.agent, pin))


def _checked(turn: Turn, event: PinChecked) -> None:
    if event.right is None:
        turn.go(Step.SAYING, SAID_WITHIN, REFUSED)
    elif event.right:
        turn.set(wrong=0)
        _go_on(turn)
    else:
        agent = turn.call.agent
        turn.do(Record(None, FactKind.PIN_REFUSED, {"agent": agent, **turn.asker.fields}))
        turn.set(wrong=turn.call.wrong + 1)
        if turn.call.wrong == MOST_WRONG:
            turn.go(Step.SAYING, SAID_WITHIN, BLOCKED)
        else:
            turn.go(Step.PIN, FIRST_KEY_WITHIN, WRONG_PIN)


def _go_on(turn: Turn) -> None:
    """The PIN was right."""
    agent, code = turn.call.agent, turn.call.code
    if code == BREAK_CODE:
        _ask_reason(turn)
    elif code == STATUS_CODE:
        turn.do(Ask(None))
    elif code in _OWN:
        turn.do(Ask(_OWN[code](turn.asker, agent)))
    elif not _may_force(turn):
        _refuse(turn, NO_SUPERVISOR)
    elif (other := code[_CODE_LENGTH:]) and code.startswith(LISTEN_CODE):
        leg = ids.caller_leg(turn.call.id)
        turn.do(Ask(ListenByPhone(turn.asker, other, leg)))
    else:
        turn.do(Ask(_OTHERS[code[:_CODE_LENGTH]](turn.asker, other)))


def _refuse(turn: Turn, reason: str, *status: str) -> None:
    """On record, in the audit log too: who tries to listen may be up to something."""
    asked = {"agent": turn.call.agent, "code": turn.call.code, "reason": reason}
    turn.do(Record(None, FactKind.DESK_CODE_REFUSED, {**asked, **turn.asker.fields}))
    turn.go(Step.SAYING, SAID_WITHIN, REFUSED, *status)


def _may_force(turn: Turn) -> bool:
    return any(
        each.extension == turn.call.agent and each.supervisor for each in turn.centre.operators
    )


def _ask_reason(turn: Turn) -> None:
    reasons = turn.centre.policy.break_reasons
    spoken = (each.prompt for each in reasons if each.key and each.prompt)
    turn.go(Step.REASON, FIRST_KEY_WITHIN, ASK_REASON, *spoken)


def _reason_key(turn: Turn, event: KeyPressed) -> None:
    reasons = turn.centre.policy.break_reasons
    name = next((each.name for each in reasons if each.key == event.key), None)
    if name is not None:
        turn.do(Ask(TakeBreak(turn.asker, turn.call.agent, name)))
        return
    turn.set(wrong=turn.call.wrong + 1)
    if turn.call.wrong == MOST_WRONG:
        turn.go(Step.SAYING, SAID_WITHIN, TOO_LATE)
    else:
        _ask_reason(turn)


def _told(turn: Turn, event: Told) -> None:
    code = turn.call.code
    if event.refused:
        _refuse(turn, event.refused, *event.status)
    elif code.startswith(LISTEN_CODE):
        turn.hush()
        turn.set(step=Step.LENT)
        turn.do(CancelTimer(turn.timer))
    elif code[:_CODE_LENGTH] in _OTHERS:
        turn.go(Step.SAYING, SAID_WITHIN, DONE)
    else:
        turn.go(Step.SAYING, SAID_WITHIN, *event.status)


def _prompt_over(turn: Turn, event: PlaybackEnded) -> None:
    if event.playback != turn.call.playing or turn.say_next():
        return
    if turn.call.step is Step.SAYING:
        _hang_up(turn)


def _too_late(turn: Turn, _: TimerFired) -> None:
    turn.go(Step.SAYING, SAID_WITHIN, TOO_LATE)


def _not_checked(turn: Turn, _: TimerFired) -> None:
    turn.go(Step.SAYING, SAID_WITHIN, REFUSED)


def _give_up(turn: Turn, _: TimerFired) -> None:
    _hang_up(turn)


def _hang_up(turn: Turn) -> None:
    turn.hush()
    turn.set(step=Step.ENDING, keys="")
    turn.do(ArmTimer(turn.timer, RELEASED_WITHIN), HangUp(ids.caller_leg(turn.call.id)))


Handler: TypeAlias = Callable[[Turn, Any], None]

TABLE: Mapping[Step, Mapping[type[Heard], Handler]] = {
    Step.ARRIVING: {LegAnswered: _answered, TimerFired: _give_up},
    Step.PIN: {KeyPressed: _pin_key, PlaybackEnded: _prompt_over, TimerFired: _too_late},
    Step.CHECKING: {PinChecked: _checked, Told: _told, TimerFired: _not_checked},
    Step.REASON: {
        KeyPressed: _reason_key,
        PlaybackEnded: _prompt_over,
        Told: _told,
        TimerFired: _too_late,
    },
    Step.SAYING: {PlaybackEnded: _prompt_over, TimerFired: _give_up},
    Step.LENT: {},
    Step.ENDING: {TimerFired: _give_up},
}
"""An event without a row means nothing in that step; ``LegGone`` is the end in each."""
