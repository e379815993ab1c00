"""The ways to reach an agency, tried in order: the next one when one is closed, busy or silent."""

from __future__ import annotations

from ess_pbx.domain import ringing
from ess_pbx.domain.call import Party, Turn
from ess_pbx.domain.config import Agency, Contact
from ess_pbx.domain.effects import ArmTimer, Borrow
from ess_pbx.domain.ending import timer
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.opening import is_open

CLOSED, BUSY, NO_ANSWER, REFUSED = "closed", "busy", "no answer", "refused"
PROMPTS = {
    CLOSED: "instansi-tutup",
    BUSY: "instansi-sibuk",
    NO_ANSWER: "instansi-tidak-menjawab",
    REFUSED: "instansi-menolak",
}
FAILED_PROMPT = "instansi-tidak-terhubung"
"""For any other reason."""


def prompt_for(reason: str) -> str:
    """What an operator is told of an agency that was not reached."""
    return PROMPTS.get(reason, FAILED_PROMPT)


def ring(turn: Turn, agency: Agency, agent: str, at: int = 0, reason: str = CLOSED) -> str | None:
    """Ring the first contact from number ``at`` on that can be rung now.

    Returns None when one rings; else why the last one that there was did not do, which is
    ``reason`` when there are none.
    """
    number, obstacle = choose(turn, agency, at)
    if number is None:
        return obstacle or reason
    party = begin(turn, agency, number)
    contact = agency.ways[number]
    turn.do(ArmTimer(timer(turn.call.id, "agency"), ringing.ring_time(turn, agency, contact)))
    turn.set(parties=(*turn.call.parties, party))
    turn.record(
        FactKind.CONSULT_STARTED, agency=agency.id, agent=agent, leg=party.leg, contact=number + 1
    )
    return None


def choose(turn: Turn, agency: Agency, at: int) -> tuple[int | None, str]:
    """The first contact from number ``at`` on that can be rung now, and why the last passed over
    cannot.
    """
    reason = ""
    for number, contact in enumerate(agency.ways[at:], at):
        obstacle = _obstacle(turn, agency, contact)
        if obstacle is None:
            return number, reason
        reason = obstacle
        turn.record(
            FactKind.CONTACT_PASSED_OVER, agency=agency.id, contact=number + 1, reason=reason
        )
    return None, reason


def begin(turn: Turn, agency: Agency, at: int) -> Party:
    """Ring a contact; an operator whose own phone it is is passed by the queue meanwhile."""
    extension = agency.ways[at].extension
    if extension is not None:
        turn.do(Borrow(turn.call.id, extension))
    return ringing.ring_contact(turn, agency, at)


def _obstacle(turn: Turn, agency: Agency, contact: Contact) -> str | None:
    hours = contact.hours or agency.hours
    # A clock that was not read yet closes nobody.
    if (
        hours is not None
        and turn.local is not None
        and not is_open(hours, turn.local, holiday=turn.holiday)
    ):
        return CLOSED
    if contact.extension is not None and not turn.queue.is_free(contact.extension):
        return BUSY
    return None
