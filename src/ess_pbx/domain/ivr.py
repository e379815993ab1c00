"""Menus: prompts, and keys that work from the first word on. Pressing nothing is an answer too."""

from __future__ import annotations

from ess_pbx.domain import hearing, waiting
from ess_pbx.domain.call import Phase, Result, Turn
from ess_pbx.domain.config import Choice
from ess_pbx.domain.effects import Answer, ArmTimer, CancelTimer, Role
from ess_pbx.domain.ending import UNKNOWN_CAUSE, end, timer
from ess_pbx.domain.events import (
    Arrived,
    KeyPressed,
    OperatorsMissing,
    PlaybackEnded,
    TimerFired,
)
from ess_pbx.domain.facts import FactKind

LONGEST_PROMPTS = 60.0
"""Seconds after which a menu goes on even if Asterisk never says that its prompts ended."""


def arrived(turn: Turn, event: Arrived) -> None:
    """A call begins: answer it, and on to the menu, or to the queue at once."""
    centre = turn.centre
    turn.record(
        FactKind.CALL_ARRIVED,
        caller_raw=event.caller_raw,
        caller_e164=event.caller_e164,
        caller_display=event.caller_display,
        called=event.called,
        trunk=event.trunk,
        channel=turn.call.caller,
        node=event.node,
        invited_at=event.invited_at,
    )
    if not event.known_number:
        turn.record(
            FactKind.ALARM_RAISED, alarm="unknown-number", detail=f"{event.trunk}: {event.called}"
        )
    turn.set(
        number=event.caller_e164 or "",
        display=event.caller_display,
        callable=event.callable,
        called=event.called,
        language=centre.language,
        category=centre.default_category,
        queue=centre.default_queue,
        priority=centre.policy.default_priority,
    )
    if event.gone:
        end(turn, Result.CLIENT, "abandoned", Role.CALLER, UNKNOWN_CAUSE)
        return
    turn.add_leg(turn.call.caller, Role.CALLER, event.caller_e164 or event.caller_display)
    greeting = () if centre.greeting is None else (centre.greeting,)
    if centre.first_menu is not None:
        if centre.policy.search_at_once:
            record_classification(turn)
            waiting.join(turn)
        turn.do(Answer(turn.call.caller))
        enter_menu(turn, centre.first_menu, *greeting)
        return
    record_classification(turn)
    # Without a menu the operator's phone is rung before the caller is even answered.
    waiting.begin(turn)
    turn.do(Answer(turn.call.caller))
    hearing.announce(turn, *greeting)


def enter_menu(turn: Turn, name: str, *before: str) -> None:
    """Play a menu's prompts, after some others; its keys work from the start."""
    turn.set(phase=Phase.IVR, menu=name)
    turn.record(FactKind.MENU_ENTERED, menu=name)
    menu = turn.centre.menus[name]
    hearing.announce(turn, *before, *menu.prompts)
    speaks = turn.call.playing is not None
    turn.do(ArmTimer(timer(turn.call.id, "menu"), LONGEST_PROMPTS if speaks else menu.timeout))


def key(turn: Turn, event: KeyPressed) -> None:
    """A key over the prompts or after them; one without a meaning changes nothing."""
    if event.leg != turn.call.caller:
        return
    turn.record(FactKind.KEY_PRESSED, key=event.key, menu=turn.call.menu)
    choice = turn.centre.menus[turn.call.menu].keys.get(event.key)
    if choice is not None:
        _choose(turn, choice)


def playback_ended(turn: Turn, event: PlaybackEnded) -> None:
    """The next prompt, or after the last one some time to press a key."""
    if event.playback == turn.call.playing and not hearing.play_next(turn):
        menu = turn.centre.menus[turn.call.menu]
        turn.do(ArmTimer(timer(turn.call.id, "menu"), menu.timeout))


def timer_fired(turn: Turn, event: TimerFired) -> None:
    """Nothing was pressed; or an operator did not answer."""
    if event.timer.kind == "menu":
        _choose(turn, turn.centre.menus[turn.call.menu].otherwise)
    elif event.timer.kind == "ring":
        waiting.timer_fired(turn, event)


def nobody_there(turn: Turn, _: OperatorsMissing) -> None:
    """No operator is there yet; the caller is told when the menu is done, if it is still so."""
    turn.record(FactKind.NO_OPERATOR, queue=turn.call.queue)


def _choose(turn: Turn, choice: Choice) -> None:
    hearing.quiet(turn)
    turn.do(CancelTimer(timer(turn.call.id, "menu")))
    _classify(turn, choice)
    if choice.menu is not None:
        enter_menu(turn, choice.menu)
    else:
        waiting.queue_call(turn, waiting.WAIT_PROMPT)


def _classify(turn: Turn, choice: Choice) -> None:
    queue_of = {category.id: category.queue for category in turn.centre.categories}
    category = choice.category or turn.call.category
    queue = choice.queue or (queue_of[category] if choice.category else turn.call.queue)
    turn.set(
        category=category,
        queue=queue,
        priority=turn.call.priority if choice.priority is None else choice.priority,
        language=choice.language or turn.call.language,
    )
    record_classification(turn)


def record_classification(turn: Turn) -> None:
    """What the caller chose, or was given."""
    call = turn.call
    turn.record(
        FactKind.CLASSIFIED,
        category=call.category,
        queue=call.queue,
        priority=call.priority,
        language=call.language,
    )
