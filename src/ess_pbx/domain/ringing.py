"""The phones that ring for a caller: operators' whom the queue chose, and agencies'."""

from __future__ import annotations

from ess_pbx.domain import ids, silence
from ess_pbx.domain.call import OperatorSide, Party, Phase, Turn
from ess_pbx.domain.config import Agency, Contact
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    HangUp,
    OfferMissed,
    Originate,
    Role,
)
from ess_pbx.domain.events import OfferMade, OfferWithdrawn, TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, LegId

RING = "ring"
REASONS = {
    17: "busy",
    18: "no answer",
    19: "no answer",
    20: "not registered",
    21: "refused",
    27: "unreachable",
    3: "unreachable",
}
"""Q.850 causes of a leg that was never answered, in words."""


def reason_of(cause: int) -> str:
    """Why a leg was not answered."""
    return REASONS.get(cause, f"failed (cause {cause})")


def ring_timer(call: CallId, leg: LegId) -> TimerId:
    """How long an operator's phone rings; several can."""
    return TimerId(call, RING, leg)


def shown_name(turn: Turn) -> str:
    """What a phone shows with the call: that its caller cannot speak, its category, and that
    there is no number, each when so.
    """
    call = turn.call
    named = {category.id: category.name for category in turn.centre.categories}
    category = named.get(call.category, call.category)
    if call.phase is Phase.CALLING_OPERATOR:
        category = f"Telepon balik {category}"
    shown = category if call.number else f"{category}, {call.display}"
    return f"{silence.SHOWN}, {shown}" if call.silent else shown


def offer(turn: Turn, event: OfferMade) -> None:
    """Ring the phone of the operator whom the queue chose: one request, before all else."""
    call, policy = turn.call, turn.centre.policy
    leg = ids.operator_leg(call.id, call.made_legs + 1)
    seated = {operator.extension: operator for operator in turn.centre.operators}
    itself = event.agent in seated and seated[event.agent].auto_answer
    ring(turn, leg, Role.OPERATOR, event.agent, policy.ring, answers_itself=itself)
    turn.do(ArmTimer(ring_timer(call.id, leg), policy.ring))
    turn.add_leg(leg, Role.OPERATOR, event.agent)
    turn.set(offers=(*call.offers, OperatorSide(event.agent, leg)))
    turn.record(FactKind.OFFERED, agent=event.agent, leg=leg)


def offered_on(turn: Turn, leg: LegId) -> OperatorSide | None:
    """The operator whose phone rings on this leg."""
    return next((side for side in turn.call.offers if side.leg == leg), None)


def missed(turn: Turn, offered: OperatorSide, reason: str) -> None:
    """One operator did not take the call; other phones that ring for it go on."""
    call = turn.call
    turn.set(offers=tuple(side for side in call.offers if side != offered))
    turn.record(FactKind.OFFER_MISSED, agent=offered.agent, leg=offered.leg, reason=reason)
    turn.do(
        CancelTimer(ring_timer(call.id, offered.leg)),
        OfferMissed(call.id, offered.agent, reason),
    )


def not_answered(turn: Turn, timer: TimerId) -> None:
    """Ring time is over for one phone."""
    offered = offered_on(turn, LegId(timer.key))
    if offered is not None:
        turn.do(HangUp(offered.leg))
        missed(turn, offered, "no answer")


def withdrawn(turn: Turn, event: OfferWithdrawn) -> None:
    """Whoever is being rung takes no calls any more: the queue has the next one."""
    call = turn.call
    offered = next((side for side in call.offers if side.agent == event.agent), None)
    if offered is None:
        return
    turn.set(offers=tuple(side for side in call.offers if side != offered))
    turn.record(FactKind.OFFER_MISSED, agent=offered.agent, leg=offered.leg, reason=event.reason)
    turn.do(HangUp(offered.leg), CancelTimer(ring_timer(call.id, offered.leg)))


def stop_ringing(turn: Turn, but: LegId | None = None) -> None:
    """The operators' phones stop, except one that was picked up.

    To be done before the queue is told: who is given back may be rung for the next call in the
    same moment.
    """
    call = turn.call
    for side in call.offers:
        turn.do(CancelTimer(ring_timer(call.id, side.leg)))
        if side.leg != but:
            turn.do(HangUp(side.leg))
    turn.set(offers=())


def ring_contact(turn: Turn, agency: Agency, at: int) -> Party:
    """Ring an agency's contact; how long is for the caller of this to say."""
    call, contact = turn.call, agency.ways[at]
    leg = ids.agency_leg(call.id, call.made_legs + 1)
    address = contact.extension or contact.number or contact.sip or ""
    seconds = ring_time(turn, agency, contact)
    ring(turn, leg, Role.AGENCY, address, seconds, trunk=contact.trunk or "")
    turn.add_leg(leg, Role.AGENCY, agency.id)
    return Party(agency.id, leg, agency, at, contact.extension or "")


def ring_time(turn: Turn, agency: Agency, contact: Contact) -> float:
    """How long a contact's phone rings, in seconds."""
    return contact.ring or agency.ring or turn.centre.policy.agency_ring


def ring(
    turn: Turn,
    leg: LegId,
    role: Role,
    address: str,
    seconds: float,
    *,
    trunk: str = "",
    answers_itself: bool = False,
) -> None:
    """Ring a phone, which shows the caller's number and what it is about."""
    call = turn.call
    turn.do(
        Originate(
            call=call.id,
            leg=leg,
            role=role,
            address=address,
            number=call.number,
            name=shown_name(turn),
            timeout=seconds + 5,
            trunk=trunk,
            answers_itself=answers_itself,
        )
    )
