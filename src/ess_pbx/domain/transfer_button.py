"""The transfer button of an operator's phone (REFER, RFC 3515): blind, with our own safety net.

Whom it names rings while the operator keeps their leg: it leaves when somebody has answered, and
has the caller back when nobody does. A phone that leaves before that leaves the caller to the
transfer, and behind it to the queue. All else is refused, and the operator hears why: an attended
transfer too, for which there are codes.
"""

from __future__ import annotations

from collections.abc import Iterable

from ess_pbx.domain import colleagues, contacts, holding, transfer, transfer_codes
from ess_pbx.domain.call import Call, Phase, Referral, Turn
from ess_pbx.domain.config import Agency
from ess_pbx.domain.effects import AnswerTransfer, TransferOutcome
from ess_pbx.domain.events import TransferAsked
from ess_pbx.domain.facts import FactKind

USE_CODES_PROMPT = "transfer-pakai-kode"
NOT_THERE_PROMPT = "transfer-tujuan-ditolak"
PROMPTS = (USE_CODES_PROMPT, NOT_THERE_PROMPT)
"""What only this button can make an operator hear."""


def pressed(turn: Turn, event: TransferAsked) -> None:
    """The button of some phone of the call; only the operator's can do anything."""
    operator = turn.call.operator
    if operator is None or event.leg != operator.leg:
        declined(turn, event)
        return
    referred = turn.call.referred
    if referred is not None and not event.attended and referred.to == event.to:
        return  # Asterisk repeats one that is still unanswered when its phone hangs up
    refusal = _transferred(turn, event)
    turn.record(
        FactKind.TRANSFER_BUTTON,
        agent=operator.agent,
        to=event.to,
        attended=event.attended,
        refusal=refusal,
    )
    if refusal is None:
        turn.set(referred=Referral(event.to, turn.now))
        return
    # Asterisk tells a phone of all its transfers at once: one that goes on is by code from now on.
    turn.set(referred=None, button_refused=turn.now)
    declined(turn, event)
    holding.tell(turn, refusal)


def declined(turn: Turn, event: TransferAsked) -> None:
    """Nobody is told but the phone."""
    if not event.refused:
        turn.do(AnswerTransfer(event.leg, TransferOutcome.REFUSED))


def of_no_call(event: TransferAsked) -> list[AnswerTransfer]:
    """Of an operator's own call, which is nobody's to pass on."""
    return [] if event.refused else [AnswerTransfer(event.leg, TransferOutcome.REFUSED)]


def in_which_call(agent: str, calls: Iterable[Call]) -> TransferAsked | None:
    """What Asterisk has refused an operator's phone, as an event of the call that they have."""
    for call in calls:
        if call.operator is not None and call.operator.agent == agent:
            return TransferAsked(call.id, call.operator.leg, "", refused=True)
    return None


def _transferred(turn: Turn, event: TransferAsked) -> str | None:
    """Ring whom it names; returns the prompt that says why not."""
    call = turn.call
    if event.attended or event.refused:
        return USE_CODES_PROMPT
    supervised = call.supervision is not None and call.supervision.in_call is not None
    if call.phase not in (Phase.TALKING, Phase.HELD) or call.parties or supervised:
        return transfer_codes.NOT_NOW_PROMPT
    agency = _agency(turn, event.to)
    if agency is not None:
        reason = transfer.consult(turn, agency)
        return None if reason is None else contacts.prompt_for(reason)
    if event.to in {each.extension for each in turn.centre.operators}:
        return colleagues.consult(turn, event.to)
    return NOT_THERE_PROMPT


def _agency(turn: Turn, to: str) -> Agency | None:
    """The agency of this code, or with a contact of this number."""
    for agency in turn.centre.agencies:
        if to == agency.code or to in {way.number for way in agency.ways if way.number}:
            return agency
    return None
