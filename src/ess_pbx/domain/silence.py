"""Callers who do not speak: asked for a key, and with it believed.

Whoever hides from a violent person, has had a stroke or is deaf may be unable to say a word. A
caller of whom nothing was heard for ``Policy.silent_after`` seconds is asked to press key 5; the
key works without being asked too, in the queue and in menus that give it no other meaning. Nothing
else follows from silence: nobody is dropped or marked for it.
"""

from __future__ import annotations

from ess_pbx.domain import hearing, priority
from ess_pbx.domain.call import Phase, Turn
from ess_pbx.domain.effects import ArmTimer, CancelTimer, PlayPrompt
from ess_pbx.domain.ending import timer
from ess_pbx.domain.events import PlaybackEnded, SpeechBegan, SpeechEnded, TimerFired
from ess_pbx.domain.facts import FactKind

KEY = "5"
TIMER = "silence"
AT_ONCE = 0.001
"""Seconds: what rounding leaves of a time is none, lest its timer fire for ever."""
ASK_PROMPT = "tekan-lima-bila-diam"
ACCEPTED_PROMPT = "diam-diterima"
OPERATOR_PROMPT = "penelepon-diam"
"""Told to the operator alone."""
SHOWN = "Penelepon diam"
"""What an operator's phone shows first."""


def watch(turn: Turn) -> None:
    """From now on the caller is asked when nothing is heard of them for some time."""
    call, after = turn.call, turn.centre.policy.silent_after
    if after > 0 and not call.silent and not call.speaking:
        turn.do(ArmTimer(timer(call.id, TIMER), after))


def began(turn: Turn, event: SpeechBegan) -> None:
    """The caller speaks, or there is sound where they are; nobody talks over them."""
    if event.leg != turn.call.caller:
        return
    turn.set(speaking=True)
    turn.do(CancelTimer(timer(turn.call.id, TIMER)))
    hearing.stop_asking(turn)


def ended(turn: Turn, event: SpeechEnded) -> None:
    """The caller is quiet again."""
    if event.leg != turn.call.caller:
        return
    turn.set(speaking=False)
    if turn.call.phase in (Phase.IVR, Phase.WAITING):
        watch(turn)


def fired(turn: Turn) -> bool:
    """Nothing was heard of a caller who is in a menu or waits; returns whether they are asked."""
    call, policy = turn.call, turn.centre.policy
    last, every, again = call.silence_asked, policy.silent_every, policy.silent_after
    lately = last is not None and last + every - turn.now > AT_ONCE
    asks = not lately and (call.phase is Phase.WAITING or _may_ask_in_menu(turn))
    if asks:
        turn.set(silence_asked=turn.now)
        # After what plays now, never over it.
        hearing.announce(turn, ASK_PROMPT)
    if last is not None and lately:
        again = last + every - turn.now
    turn.do(ArmTimer(timer(call.id, TIMER), again))
    return asks


def _may_ask_in_menu(turn: Turn) -> bool:
    """Once, lest the menu never end; and not where key 5 means something else."""
    call = turn.call
    menu = turn.centre.menus.get(call.menu)
    return (
        call.silence_asked is None
        and call.information is None
        and (menu is None or KEY not in menu.keys)
    )


def talking_timer(turn: Turn, event: TimerFired) -> None:
    """Nothing was heard of the caller since the operator answered: both hear what can be done."""
    call = turn.call
    if event.timer.kind != TIMER:
        return
    playback = turn.new_playback(ASK_PROMPT)
    turn.set(asking=playback, silence_asked=turn.now)
    turn.do(PlayPrompt(call.bridge, True, playback, ASK_PROMPT, call.language))


def asked(turn: Turn, event: PlaybackEnded) -> None:
    """What was said into the conversation is said."""
    if event.playback == turn.call.asking:
        turn.set(asking=None)


def accept(turn: Turn, key: str) -> bool:
    """Whether this key says that the caller cannot speak; then it is so from now on."""
    call, policy = turn.call, turn.centre.policy
    if key != KEY or policy.silent_after <= 0 or call.silent:
        return False
    turn.set(silent=True)
    leave(turn)
    priority.release_prank(turn, "key-5")
    priority.raise_to(turn, priority.SILENT, policy.silent_priority)
    turn.record(FactKind.SILENT_CALLER, phase=call.phase, priority=turn.call.priority)
    return True


def connected(turn: Turn) -> None:
    """An operator has the caller: they are told what is known, or it is found out."""
    leave(turn)
    if turn.call.silent:
        hearing.tell_operator(turn, OPERATOR_PROMPT)
    else:
        watch(turn)


def leave(turn: Turn) -> None:
    """Speech is not waited for any more."""
    if turn.centre.policy.silent_after > 0:
        turn.do(CancelTimer(timer(turn.call.id, TIMER)))
        hearing.stop_asking(turn)
