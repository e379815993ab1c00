"""What a caller hears while no human talks to them: announcements, then music, never silence.

Music is asked for with each announcement, not after it: Asterisk begins it when the announcement
has ended, whatever has become of this engine by then. An announcement ends the music that plays,
so that no moment is left in which neither was asked for. docs/decisions/0011 has the reasons.
"""

from __future__ import annotations

from ess_pbx.domain.call import Turn
from ess_pbx.domain.effects import (
    PlayPrompt,
    PlayTone,
    Role,
    StartMusic,
    StopMusic,
    StopPlayback,
)
from ess_pbx.domain.events import PlaybackBegan, PlaybackEnded
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import BridgeId, PlaybackId

RING_TONE = "tone:ring"


def announce(turn: Turn, *prompts: str) -> None:
    """Play prompts to the caller after those already waiting to be heard."""
    turn.set(announcements=turn.call.announcements + prompts)
    if turn.call.playing is None:
        play_next(turn)


def play_next(turn: Turn) -> bool:
    """Start the next announcement, or music when the caller has heard them all.

    Returns whether an announcement was started.
    """
    call = turn.call
    if call.announcements:
        prompt, *later = call.announcements
        playback = turn.new_playback(prompt, position=call.told_place)
        turn.set(announcements=tuple(later), playing=playback, prompt=prompt)
        turn.set(heard=False, music=True)
        turn.do(
            PlayPrompt(call.caller, False, playback, prompt, call.language),
            StartMusic(call.caller),
        )
        return True
    turn.set(playing=None, prompt="", told_place=None)
    if not call.music:
        turn.set(music=True)
        turn.do(StartMusic(call.caller))
    return False


def quiet(turn: Turn) -> None:
    """Stop all that the caller hears: a human, or a menu's next step, comes."""
    call = turn.call
    if call.playing is not None:
        turn.do(StopPlayback(call.playing))
    if call.music:
        turn.do(StopMusic(call.caller))
    turn.set(announcements=(), playing=None, prompt="", told_place=None, music=False)
    stop_asking(turn)


def stop_asking(turn: Turn) -> None:
    """Stop what is said into the conversation of caller and operator."""
    if turn.call.asking is not None:
        turn.do(StopPlayback(turn.call.asking))
        turn.set(asking=None)


def tell_operator(turn: Turn, prompt: str) -> None:
    """Say something short to the operator alone, who talks to someone.

    Asterisk takes a channel out of its bridge's mix while it plays to it: for that second neither
    side hears the other, and only this leg hears the prompt.
    """
    operator = turn.call.operator
    if operator is not None:
        playback = turn.new_playback(prompt, Role.OPERATOR)
        turn.set(telling=(*turn.call.telling, playback))
        turn.do(PlayPrompt(operator.leg, False, playback, prompt, turn.centre.language))


def stop_telling(turn: Turn) -> None:
    """The operator goes elsewhere, for which Asterisk would wait until all is said."""
    # The last one first: whatever stops, the next one waiting begins.
    turn.do(*(StopPlayback(each) for each in reversed(turn.call.telling)))
    turn.set(telling=())


def told(turn: Turn, playback: PlaybackId) -> None:
    """Something was said to the operator."""
    turn.set(telling=tuple(each for each in turn.call.telling if each != playback))


def ring_back(turn: Turn, bridge: BridgeId) -> None:
    """The operator, alone in a bridge, hears that the other phone rings."""
    tone = turn.new_playback(RING_TONE, Role.OPERATOR)
    turn.set(operator_hears=tone)
    turn.do(PlayTone(bridge, tone, "ring"))


def began(turn: Turn, event: PlaybackBegan) -> None:
    """A prompt is heard; the first greeting is a figure of the call."""
    call = turn.call
    if event.playback != call.playing:
        return
    turn.set(heard=True)
    if not call.greeted:
        turn.set(greeted=True)
        turn.record(FactKind.GREETING_STARTED)


def ended(turn: Turn, event: PlaybackEnded) -> None:
    """A prompt ended: go on with the next, or with music."""
    if event.playback == turn.call.playing:
        play_next(turn)
