"""What is said to who waits: their place in the queue, that we are there, and what keys do."""

from __future__ import annotations

from collections.abc import Iterator

from ess_pbx.domain import hearing
from ess_pbx.domain.call import Call, Turn
from ess_pbx.domain.config import Centre, QueueKey
from ess_pbx.domain.effects import ArmTimer
from ess_pbx.domain.ending import timer

COMFORT = "comfort"
COMFORT_PROMPT = "antrean-lanjut"
LAST_POSITION = 20
"""Places further back are all told alike."""
FURTHER_BACK_PROMPT = "antrean-nomor-lebih"
KEY_PROMPTS = {"*": "tekan-bintang", "#": "tekan-pagar"} | {str(n): f"tekan-{n}" for n in range(10)}


def arm(turn: Turn) -> None:
    """The next announcement comes after the time that the policy says."""
    turn.do(ArmTimer(timer(turn.call.id, COMFORT), turn.centre.policy.comfort))


def comfort(turn: Turn) -> None:
    """Say it again, unless something else is being said."""
    arm(turn)
    call, policy = turn.call, turn.centre.policy
    if call.playing is not None:
        return
    position = turn.queue.position(call.id) if policy.announce_position else None
    place = () if position is None else (position_prompt(position),)
    say(turn, *place, COMFORT_PROMPT, *_hints(turn.centre, call), position=position)


def say(turn: Turn, *prompts: str, position: int | None = None) -> None:
    """Announce to a waiting caller; ``position`` is their place when it is said."""
    if position is not None:
        turn.set(told_place=position)
    hearing.announce(turn, *prompts)


def position_prompt(position: int) -> str:
    """The prompt that tells a place in the queue, from 1."""
    return f"antrean-nomor-{position}" if position <= LAST_POSITION else FURTHER_BACK_PROMPT


def spoken(centre: Centre) -> Iterator[str]:
    """Every prompt that this module can play."""
    yield COMFORT_PROMPT
    if centre.policy.announce_position:
        yield from (position_prompt(place) for place in range(1, LAST_POSITION + 2))
    for key, wanted in centre.queue_keys.items():
        yield from _hint(key, wanted)


def _hints(centre: Centre, call: Call) -> Iterator[str]:
    """What each key of the queue is for, as the keys are now; not where the caller already is."""
    for key, wanted in centre.queue_keys.items():
        if wanted.category is None or wanted.category != call.category:
            yield from _hint(key, wanted)


def _hint(key: str, wanted: QueueKey) -> Iterator[str]:
    if wanted.hint is not None:
        yield from (wanted.hint, KEY_PROMPTS[key])
