"""What a call asks of the queue: which line, which place in it, and whom it may reach."""

from __future__ import annotations

from ess_pbx.domain.call import Turn
from ess_pbx.domain.config import LANGUAGE_SKILL, Centre
from ess_pbx.domain.effects import JoinQueue
from ess_pbx.domain.facts import FactKind


def join(turn: Turn) -> None:
    """Queue the call as it stands, or move it there; its age counts from its arrival."""
    turn.record(FactKind.QUEUED, queue=turn.call.queue, priority=turn.call.priority)
    ask(turn)


def ask(turn: Turn) -> None:
    """Tell the queue what the call asks now."""
    call = turn.call
    since, skills = call.arrived - call.head_start, skills_for(turn)
    turn.do(JoinQueue(call.id, call.queue, call.priority, since, skills, call.reach))


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
