"""Menus: prompts, and keys that work from the first word on. Pressing nothing is an answer too."""

from __future__ import annotations

from ess_pbx.domain import hearing, priority, queueing, ringing, silence, waiting
from ess_pbx.domain.call import Phase, Result, Then, Turn
from ess_pbx.domain.classifying import classify, record_classification
from ess_pbx.domain.config import Choice
from ess_pbx.domain.effects import Answer, ArmTimer, CancelTimer, LeaveQueue, Role
from ess_pbx.domain.ending import end, timer
from ess_pbx.domain.events import (
    Arrived,
    KeyPressed,
    OperatorsMissing,
    PlaybackEnded,
    StoodStill,
    TimerFired,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.opening import is_open

LONGEST_PROMPTS = 60.0
"""Seconds after which a menu goes on even if Asterisk never says that its prompts ended."""

ASKED_WITHIN = 10.0
"""Seconds after the INVITE from which on nobody is asked by a menu: no engine took the call, and
they have heard enough music for a human to come first."""

FAREWELL_PROMPT = "terima-kasih"
NORMAL_CLEARING = 16
"""Q.850 cause of a call that we ended ourselves."""


def arrived(turn: Turn, event: Arrived) -> None:
    """A call begins: answer it, and on to the menu, or to the queue at once."""
    centre = turn.centre
    record_arrival(turn, event)
    if not event.known_number:
        turn.record(
            FactKind.ALARM_RAISED, alarm="unknown-number", detail=f"{event.trunk}: {event.called}"
        )
    turn.set(
        number=event.caller_e164 or "",
        display=event.caller_display,
        callable=event.callable,
        number_fault=event.number_fault,
        trunk=event.trunk or "",
        called=event.called,
        language=centre.language,
        category=centre.default_category,
        queue=centre.default_queue,
    )
    priority.settle_arrival(turn, event)
    turn.add_leg(turn.call.caller, Role.CALLER, event.caller_e164 or event.caller_display)
    greeting: tuple[str, ...] = () if centre.greeting is None else (centre.greeting,)
    if turn.call.prank is not None and centre.policy.prank_warning is not None:
        greeting += (centre.policy.prank_warning,)
    silence.watch(turn)
    if centre.first_menu is not None and turn.now - turn.call.arrived < ASKED_WITHIN:
        if centre.policy.search_at_once:
            record_classification(turn)
            queueing.join(turn)
        _answer(turn, event)
        enter_menu(turn, centre.first_menu, *greeting)
        return
    if centre.first_menu is not None:
        classify(turn, centre.menus[centre.first_menu].otherwise)
    else:
        record_classification(turn)
    # Without a menu the operator's phone is rung before the caller is even answered.
    waiting.begin(turn)
    _answer(turn, event)
    hearing.announce(turn, *greeting)


def _answer(turn: Turn, event: Arrived) -> None:
    if event.up:
        # Asterisk tells nothing of an answer to who is answered.
        turn.record(FactKind.CALL_ANSWERED)
    else:
        turn.do(Answer(turn.call.caller))


def record_arrival(turn: Turn, event: Arrived) -> None:
    """Who called which number, and how."""
    turn.record(FactKind.CALL_ARRIVED, **event.fields(turn.call.caller))


def enter_menu(turn: Turn, name: str, *before: str, closed: tuple[str, ...] = ()) -> None:
    """Play a menu's prompts, after some others; its keys work from the start.

    Where it is closed the caller goes elsewhere; ``closed`` are the menus that sent them on.
    """
    menu = turn.centre.menus[name]
    hours, local = menu.hours, turn.local
    if hours is not None and local is not None and not is_open(hours, local, holiday=turn.holiday):
        classify(turn, hours.closed)
        _go_on(turn, hours.closed, *before, closed=(*closed, name))
        return
    way = turn.call.menus
    way = (*(way[: way.index(name)] if name in way else way), name)
    turn.set(menu=name, menus=way)
    turn.record(FactKind.MENU_ENTERED, menu=name)
    _speak(turn, *before)


def key(turn: Turn, event: KeyPressed) -> None:
    """A key over the prompts or after them; one without a meaning changes nothing."""
    if event.leg != turn.call.caller:
        return
    menu = turn.call.menu
    turn.record(FactKind.KEY_PRESSED, key=event.key, menu=menu or None)
    silence.watch(turn)
    choice = turn.centre.menus[menu].keys.get(event.key) if menu else None
    if choice is not None:
        _choose(turn, choice, pressed=True)
    elif silence.accept(turn, event.key):
        # Not back into a menu: every further key may be one too many.
        hearing.quiet(turn)
        _to_queue(turn, silence.ACCEPTED_PROMPT)


def playback_ended(turn: Turn, event: PlaybackEnded) -> None:
    """The next prompt; after the last one some time to press a key, or what follows."""
    if event.playback != turn.call.playing:
        return
    if turn.call.information is not None:
        _information_goes_on(turn)
    elif not hearing.play_next(turn):
        menu = turn.centre.menus[turn.call.menu]
        turn.do(ArmTimer(timer(turn.call.id, "menu"), menu.timeout))


def timer_fired(turn: Turn, event: TimerFired) -> None:
    """Nothing was pressed; or an operator did not answer."""
    if event.timer.kind == "menu":
        _nothing_pressed(turn)
    elif event.timer.kind == ringing.RING:
        ringing.not_answered(turn, event.timer)
    elif event.timer.kind == silence.TIMER and silence.fired(turn):
        # The menu's own time goes on when this is said too.
        turn.do(ArmTimer(timer(turn.call.id, "menu"), LONGEST_PROMPTS))


def stood_still(turn: Turn, _: StoodStill) -> None:
    """Whoever heard music where a menu was to go on has waited long enough for a human."""
    if turn.call.information is not None or not turn.call.menu:
        return
    hearing.quiet(turn)
    classify(turn, turn.centre.menus[turn.call.menu].otherwise)
    _to_queue(turn)


def nobody_there(turn: Turn, _: OperatorsMissing) -> None:
    """No operator is there yet; the caller is told when the menu is done, if it is still so."""
    turn.record(FactKind.NO_OPERATOR, queue=turn.call.queue)


def _speak(turn: Turn, *before: str) -> None:
    """Play the prompts of the menu the caller is in, from the first on."""
    menu = turn.centre.menus[turn.call.menu]
    turn.set(phase=Phase.IVR, repeated=0)
    hearing.announce(turn, *before, *menu.prompts)
    speaks = turn.call.playing is not None
    turn.do(ArmTimer(timer(turn.call.id, "menu"), LONGEST_PROMPTS if speaks else menu.timeout))


def _nothing_pressed(turn: Turn) -> None:
    if turn.call.information is not None:
        # Asterisk never said that the information ended: a human is the safe way on.
        hearing.quiet(turn)
        _to_queue(turn)
        return
    menu, repeated = turn.centre.menus[turn.call.menu], turn.call.repeated
    if repeated < menu.repeats:
        hearing.quiet(turn)
        _speak(turn)
        turn.set(repeated=repeated + 1)
    else:
        _choose(turn, menu.otherwise, pressed=False)


def _choose(turn: Turn, choice: Choice, *, pressed: bool) -> None:
    before = turn.call.priority
    if pressed:
        priority.release_prank(turn, "key")
    hearing.quiet(turn)
    turn.do(CancelTimer(timer(turn.call.id, "menu")))
    left_queue = turn.call.information is Then.END
    turn.set(information=None)
    classify(turn, choice)
    _go_on(turn, choice)
    in_menu = turn.call.phase is Phase.IVR and turn.call.information is not Then.END
    moves = left_queue or turn.call.priority != before
    if in_menu and moves and turn.centre.policy.search_at_once:
        queueing.join(turn)


def _go_on(turn: Turn, choice: Choice, *before: str, closed: tuple[str, ...] = ()) -> None:
    """The one way that a choice leads; any that leads nowhere leads to the queue."""
    prompts, call = (*before, *choice.play), turn.call
    if choice.information:
        _inform(turn, choice, *prompts)
    elif choice.menu is not None and choice.menu not in closed:
        enter_menu(turn, choice.menu, *prompts, closed=closed)
    elif choice.back and call.menus and not closed:
        enter_menu(turn, call.menus[max(0, len(call.menus) - 2)], *prompts)
    elif (choice.back or choice.repeat or choice.play) and call.menu:
        # A menu that is closed was never entered: back is where the caller already is.
        _speak(turn, *prompts)
    else:
        _to_queue(turn, *prompts)


def _to_queue(turn: Turn, *prompts: str) -> None:
    turn.set(information=None)
    turn.do(CancelTimer(timer(turn.call.id, "menu")))
    waiting.queue_call(turn, *prompts, waiting.WAIT_PROMPT)


def _inform(turn: Turn, choice: Choice, *before: str) -> None:
    """An information line: the caller wants no operator when it ends the call."""
    then = Then(choice.then or Then.QUEUE)
    turn.set(phase=Phase.IVR, information=then)
    if then is Then.END:
        _stop_searching(turn)
    farewell = (FAREWELL_PROMPT,) if then is Then.END else ()
    hearing.announce(turn, *before, *choice.information, *farewell)
    turn.do(ArmTimer(timer(turn.call.id, "menu"), LONGEST_PROMPTS))


def _stop_searching(turn: Turn) -> None:
    ringing.stop_ringing(turn)
    turn.do(LeaveQueue(turn.call.id))


def _information_goes_on(turn: Turn) -> None:
    call = turn.call
    if call.announcements:
        hearing.play_next(turn)
        turn.do(ArmTimer(timer(call.id, "menu"), LONGEST_PROMPTS))
        return
    turn.set(playing=None, prompt="")
    if call.information is Then.END and call.heard:
        turn.set(information=None)
        end(turn, Result.SUCCESS, "information", None, NORMAL_CLEARING)
    else:
        # Nobody is sent away by a farewell that could not be played.
        _to_queue(turn)
