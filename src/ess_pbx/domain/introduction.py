"""What an agency hears when it answers: that it is 112, what it is about, and where.

Said to the agency's leg alone, before the operator, or the caller, speaks with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ess_pbx.domain import hearing, parties
from ess_pbx.domain.call import Party, Standing, Turn
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import ArmTimer, PlayPrompt, PlaySpeech, Role, StopPlayback
from ess_pbx.domain.ending import timer
from ess_pbx.domain.ids import PlaybackId

OPENING_PROMPT = "pembuka-112"
OPERATOR_PROMPT = "instansi-menjawab"
"""Told to the operator, who hears no ringing any more."""
SPEECH = "speech:district"
"""Stands on record for what no catalogue holds."""
LONGEST = 6.0
"""Seconds after which they speak, whatever is still being said."""


def begin(turn: Turn, party: Party) -> None:
    """Say it, part after part; Asterisk plays them in the order in which they are asked for."""
    language = turn.centre.language
    for prompt in _prompts(turn):
        playback = _next(turn, prompt)
        turn.do(PlayPrompt(party.leg, False, playback, prompt, language))
    district = turn.district()
    if district:
        text = f"{'District' if language == 'en' else 'Kecamatan'} {district}."
        turn.do(PlaySpeech(party.leg, _next(turn, SPEECH), text, language))
    parties.stand(turn, party, Standing.INTRODUCED)
    parties.sound(turn)
    turn.do(ArmTimer(timer(turn.call.id, "agency"), LONGEST))
    hearing.tell_operator(turn, OPERATOR_PROMPT)


def heard(turn: Turn, playback: PlaybackId) -> bool:
    """A part was said; returns whether it was the last."""
    rest = tuple(each for each in turn.call.introducing if each != playback)
    turn.set(introducing=rest)
    return not rest


def cut_short(turn: Turn) -> None:
    """It has taken long enough."""
    # The last one first: whatever stops, the next one waiting begins.
    turn.do(*(StopPlayback(each) for each in reversed(turn.call.introducing)))
    turn.set(introducing=())


def spoken(centre: Centre) -> Iterator[str]:
    """Every prompt that this module can play."""
    if any(agency.introduction for agency in centre.agencies):
        yield from (OPENING_PROMPT, OPERATOR_PROMPT)
        yield from (each.prompt for each in centre.categories if each.prompt is not None)


def _prompts(turn: Turn) -> Iterator[str]:
    yield OPENING_PROMPT
    for category in turn.centre.categories:
        if category.id == turn.call.category and category.prompt is not None:
            yield category.prompt


def _next(turn: Turn, prompt: str) -> PlaybackId:
    playback = turn.new_playback(prompt, Role.AGENCY)
    turn.set(introducing=(*turn.call.introducing, playback))
    return playback
