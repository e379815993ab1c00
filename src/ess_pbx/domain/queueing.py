"""What a call asks of the queue: which line, which place in it, and whom it may reach."""

from __future__ import annotations

from ess_pbx.domain.call import Phase, Turn
from ess_pbx.domain.config import LANGUAGE_SKILL, Centre
from ess_pbx.domain.effects import JoinQueue
from ess_pbx.domain.facts import FactKind


def join(turn: Turn) -> None:
    """Queue the call as it stands, or move it there; its age counts from its arrival."""
    record(turn)
    ask(turn)


def record(turn: Turn) -> None:
    """Put on record that the call waits, and where."""
    call = turn.call
    menu = call.menu if call.phase is Phase.IVR else ""
    turn.record(FactKind.QUEUED, queue=call.queue, priority=call.priority, menu=menu or None)


def ask(turn: Turn, *offered_to: str) -> None:
    """Tell the queue what the call asks now.

    ``offered_to`` are operators whose phones ring for it already, when an engine takes it over.
    """
    call = turn.call
    since, skills = call.arrived - call.head_start, skills_for(turn)
    turn.do(JoinQueue(call.id, call.queue, call.priority, since, skills, call.reach, offered_to))


def skills_for(turn: Turn) -> frozenset[str]:
    """What the call's category and language ask of an operator."""
    call = turn.call
    if call.any_skills:
        return frozenset()
    return skills_of(turn.centre, call.category, call.language)


def skills_of(centre: Centre, category: str, language: str) -> frozenset[str]:
    """What a category and a language ask of an operator."""
    asked = next((each.skills for each in centre.categories if each.id == category), ())
    if language == centre.language:
        return frozenset(asked)
    return frozenset({*asked, LANGUAGE_SKILL + language})
