"""Calls in each phase of their life."""

from __future__ import annotations

from collections.abc import Iterable

from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Centre
from ess_pbx.domain.events import CallBackDue

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
    """Caller and agency have gone on for a while; the operator's leg is gone."""
    story = conference(phones)
    operator = story.operator
    story.presses("*4#", operator)
    story.gone(operator)
    story.after(10)
    return story


def held(phones: Iterable[str] = ("2001",)) -> Story:
    """The operator has put the caller on hold."""
    story = talking(phones)
    story.presses("*0#", story.operator)
    return story


def blind_ringing(phones: Iterable[str] = ("2001",)) -> Story:
    """The operator has left; an agency's phone rings for the caller."""
    story = talking(phones)
    operator = story.operator
    story.presses("*8119#", operator)
    story.gone(operator)
    return story


def ended(phones: Iterable[str] = ("2001",)) -> Story:
    """The caller hung up; the operator's leg is still on its way out."""
    story = talking(phones)
    story.gone(CALL)
    return story


def calling_operator(phones: Iterable[str] = ("2001",)) -> Story:
    """Somebody is to be called back, and an operator's phone rings for it."""
    story = Story(NO_MENU, phones)
    story.core.acd.lend(CALL, "2001")
    story.feed(
        CallBackDue(
            CALL,
            agent="2001",
            task="ess1-1600000000.1",
            number="+628123456789",
            display="0812-3456-789",
            category="medis",
            queue="medis",
            priority=5,
            language="id",
            trunk="telco-a",
            node="ess1",
        )
    )
    return story


def calling_back(phones: Iterable[str] = ("2001",)) -> Story:
    """The operator picked up; the caller's phone rings."""
    story = calling_operator(phones)
    story.answers(story.operator)
    return story


def call_back_failed(phones: Iterable[str] = ("2001",)) -> Story:
    """The caller's line is busy; the operator is being told so."""
    story = calling_back(phones)
    story.gone(CALLER, 17)
    return story


PHASES = {
    Phase.IVR: in_menu,
    Phase.WAITING: waiting,
    Phase.TALKING: talking,
    Phase.CONSULT_RINGING: consult_ringing,
    Phase.CONSULT: consult,
    Phase.RETURNING: returning,
    Phase.CONFERENCE: conference,
    Phase.HELD: held,
    Phase.BLIND_RINGING: blind_ringing,
    Phase.HANDED_OVER: handed_over,
    Phase.CALLING_OPERATOR: calling_operator,
    Phase.CALLING_BACK: calling_back,
    Phase.CALL_BACK_FAILED: call_back_failed,
    Phase.ENDED: ended,
}
"""A story that leads into each phase a call can be found in; it is ARRIVING only within a turn."""
