"""Calls in each phase of their life."""

from __future__ import annotations

from collections.abc import Iterable

from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Centre

from .centre import CALL, CALLER, NO_MENU
from .story import Story


def waiting(config: Centre = NO_MENU, phones: Iterable[str] = ("2001",)) -> Story:
    """A caller in the queue, offered to the first operator there is."""
    story = Story(config, phones)
    story.arrives()
    story.answers(CALLER)
    return story


def in_menu() -> Story:
    """A caller who hears the greeting; the menu's keys work."""
    story = Story()
    story.arrives()
    story.answers(CALLER)
    return story


def talking(phones: Iterable[str] = ("2001",)) -> Story:
    """Operator and caller talk."""
    story = waiting(phones=phones)
    story.answers(story.operator)
    return story


def consult_ringing(phones: Iterable[str] = ("2001",)) -> Story:
    """The agency's phone rings."""
    story = talking(phones)
    story.presses("*119#", story.operator)
    return story


def consult(phones: Iterable[str] = ("2001",)) -> Story:
    """Operator and agency speak alone."""
    story = consult_ringing(phones)
    story.answers(story.agency)
    return story


def returning(phones: Iterable[str] = ("2001",)) -> Story:
    """The agency was busy; the operator is being told so."""
    story = consult_ringing(phones)
    story.gone(story.agency, 17)
    return story


def conference(phones: Iterable[str] = ("2001",)) -> Story:
    """All three talk."""
    story = consult(phones)
    story.presses("*3#", story.operator)
    return story


def handed_over(phones: Iterable[str] = ("2001",)) -> Story:
    """Caller and agency go on; the operator's leg is gone."""
    story = conference(phones)
    operator = story.operator
    story.presses("*4#", operator)
    story.gone(operator)
    return story


def ended(phones: Iterable[str] = ("2001",)) -> Story:
    """The caller hung up; the operator's leg is still on its way out."""
    story = talking(phones)
    story.gone(CALL)
    return story


PHASES = {
    Phase.IVR: in_menu,
    Phase.WAITING: waiting,
    Phase.TALKING: talking,
    Phase.CONSULT_RINGING: consult_ringing,
    Phase.CONSULT: consult,
    Phase.RETURNING: returning,
    Phase.CONFERENCE: conference,
    Phase.HANDED_OVER: handed_over,
    Phase.ENDED: ended,
}
"""A story that leads into each phase a call can be found in; it is ARRIVING only within a turn."""
