"""How urgent a call is: one number from 0 to 9, made of all that speaks for and against it."""

from __future__ import annotations

from collections.abc import Mapping

from ess_pbx.domain.call import Call, Turn
from ess_pbx.domain.events import Arrived
from ess_pbx.domain.facts import JSON, FactKind

SILENT, REDIAL, CALL_BACK, CUT_OFF = "silent", "redial", "call-back", "cut-off"
"""What raises a call: key 5, calling again after an attempt in vain, being called back by us, and
having lost the human they had."""


def compose(usual: int, chosen: int | None, raises: Mapping[str, int], prank: int | None) -> int:
    """The priority of a call. From the weakest rule to the strongest:

    1. ``usual``: the trunk's, or else the centre's default.
    2. ``chosen``: what a menu or a key in the queue sets takes its place, higher or lower.
    3. ``raises``: the highest counts, and none ever lowers. A redial does not count for a caller
       who chose something that can wait (lower than usual): that is their own word.
    4. ``prank``: a confirmed prankster for whom nothing speaks is held to this at most. A key with
       a meaning, key 5 and a redial speak for them: ``prank`` is None from then on. A redial then
       raises them no further, so that two calls gain them nothing over honest callers.
    5. Cut off: who lost their operator by our fault goes to the head, prankster or not.
    """
    own = usual if chosen is None else chosen
    counted = [level for why, level in raises.items() if own >= usual or why != REDIAL]
    priority = max(own, *counted, 0)
    return priority if prank is None or CUT_OFF in raises else min(priority, prank)


def settle_arrival(turn: Turn, event: Arrived) -> None:
    """The priority with which a call begins: by its trunk, and by what is known of its number."""
    policy, known = turn.centre.policy, turn.call.known
    usual = policy.default_priority if event.priority is None else event.priority
    begin(turn, usual, prank=policy.prank_priority if known.prank else None)
    if known.earlier is not None:
        turn.record(FactKind.REDIAL, earlier=known.earlier)
        if known.prank:
            release_prank(turn, REDIAL)
        else:
            head_start = known.waited if policy.redial_keeps_age else 0.0
            raises = {**turn.call.raises, REDIAL: policy.redial_priority}
            _change(turn, raises=raises, head_start=head_start)
    if turn.call.prank is not None:
        turn.record(FactKind.PRANK_HELD, priority=turn.call.priority)


def begin(turn: Turn, usual: int, prank: int | None = None) -> None:
    """The priority of a call for which nothing speaks yet but where it comes from."""
    turn.set(usual_priority=turn.centre.policy.default_priority)
    _change(turn, usual_priority=usual, prank=prank)


def choose(turn: Turn, chosen: int | None) -> None:
    """A menu or key sets a priority; None leaves what was set before."""
    if chosen is not None:
        _change(turn, chosen_priority=chosen)


def raise_to(turn: Turn, why: str, level: int) -> None:
    """Something speaks for the call, from now on and to its end."""
    _change(turn, raises={**turn.call.raises, why: level})


def release_prank(turn: Turn, why: str) -> None:
    """Something speaks for a caller whose number is a confirmed prankster's: for this call."""
    if turn.call.prank is None:
        return
    _change(turn, prank=None)
    turn.record(FactKind.PRANK_RELEASED, why=why, priority=turn.call.priority)


def _change(turn: Turn, **parts: object) -> None:
    before = _parts(turn.call)
    turn.set(**parts)
    call = turn.call
    level = compose(call.usual_priority, call.chosen_priority, call.raises, call.prank)
    turn.set(priority=level)
    if (after := _parts(turn.call)) != before:
        turn.record(FactKind.PRIORITY_SET, priority=level, **after)


def _parts(call: Call) -> dict[str, JSON]:
    """What a priority is made of, as the fact has it."""
    return {
        "usual": call.usual_priority,
        "chosen": call.chosen_priority,
        "raises": dict(call.raises),
        "prank": call.prank,
        "head_start": call.head_start,
    }
