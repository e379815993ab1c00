"""Warm transfer: consult, conference, handover, and back to the caller when it fails.

``parties`` says who is in which bridge. Whoever leaves whenever, the caller is left with a human or
in the queue. ``transfer_codes`` has what the operator asks for.
"""

from __future__ import annotations

from ess_pbx.domain import (
    contacts,
    hearing,
    holding,
    introduction,
    parties,
    ringing,
    silence,
    waiting,
)
from ess_pbx.domain.call import (
    ON_THE_LINE,
    OperatorSide,
    Party,
    Phase,
    Result,
    Standing,
    Turn,
)
from ess_pbx.domain.config import Agency
from ess_pbx.domain.effects import (
    AnswerTransfer,
    ArmTimer,
    CancelTimer,
    PlayPrompt,
    ReleaseAgent,
    Role,
    TransferOutcome,
)
from ess_pbx.domain.ending import end, hang_up_stranger, stop_operator_sound, timer
from ess_pbx.domain.events import LegAnswered, LegGone, LegRang, PlaybackEnded, TimerFired
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import LegId
from ess_pbx.domain.supervision import SYSTEM

HOLD_PROMPT = "hubungkan-instansi"
NEXT_PROMPT = "instansi-kontak-berikut"
CUT_OFF_PROMPT = "instansi-terputus"
NO_SUPERVISOR_PROMPT = "penyelia-tidak-ada"
LONGEST_EXPLANATION = 15.0
"""Seconds after which the caller comes back even if the prompt's end was never heard of."""
BELIEVED_DONE = 5.0
"""Seconds after a refused transfer in which who hangs up may think that it was done."""
TOLD_AFTER = 0.2
"""Seconds after a REFER before which Asterisk is told nothing of how it goes: one that is answered
within microseconds has ended it (docs/decisions/0022)."""
NORMAL_CLEARING = 16
"""Q.850 cause of a party that hung up on purpose."""


def consult(turn: Turn, agency: Agency) -> str | None:
    """Ring an agency, and take the operator aside; returns why it cannot be done."""
    operator = turn.call.operator
    if operator is None:
        return contacts.CLOSED
    reason = contacts.ring(turn, agency, operator.agent)
    if reason is None:
        take_aside(turn)
    return reason


def take_aside(turn: Turn) -> None:
    """The operator hears a phone ring; the caller is with others, or waits."""
    parties.go(turn, Phase.CONSULT_RINGING, HOLD_PROMPT)
    hearing.ring_back(turn, turn.call.aside)


def blind(turn: Turn, agency: Agency) -> str | None:
    """The operator is released at once; the caller waits for the agency, with the queue behind."""
    operator = turn.call.operator
    if operator is None:
        return contacts.CLOSED
    reason = contacts.ring(turn, agency, operator.agent)
    if reason is None:
        turn.record(FactKind.BLIND_TRANSFER, agency=agency.id, agent=operator.agent)
        _let_operator_go(turn, operator)
        parties.go(turn, Phase.BLIND_RINGING, HOLD_PROMPT)
    return reason


def rang(turn: Turn, event: LegRang) -> None:
    """The phone of somebody who is to be brought in rings."""
    party = turn.call.party_on(event.leg)
    if party is not None and party.agency is not None:
        turn.record(FactKind.AGENCY_RUNG, agency=party.name, leg=event.leg)


def answered(turn: Turn, event: LegAnswered) -> None:
    """Somebody picked up: they speak with the operator alone, or with the caller at once."""
    party = turn.call.party_on(event.leg)
    if party is None or party.standing not in (Standing.RINGING, Standing.CALLED):
        hang_up_stranger(turn, event)
        return
    kind = FactKind.COLLEAGUE_ANSWERED
    if party.agency is None:
        turn.record(kind, party=party.name, leg=event.leg)
    else:
        turn.record(FactKind.AGENCY_ANSWERED, agency=party.name, leg=event.leg)
    if party.standing is Standing.CALLED:
        turn.do(CancelTimer(parties.called_timer(turn.call.id, event.leg)))
        parties.stand(turn, party, Standing.JOINED)
        _stop_calling(turn, "answered elsewhere")
        _settle(turn)
        return
    turn.do(CancelTimer(timer(turn.call.id, "agency")))
    stop_operator_sound(turn)
    if party.agency is not None and party.agency.introduction:
        introduction.begin(turn, party)
    else:
        _meet(turn, party)


def gone(turn: Turn, event: LegGone) -> None:
    """Somebody left: a caller ends the call, nobody else does unless they meant to."""
    call = turn.call
    party = call.party_on(event.leg)
    turn.drop_leg(event.leg, event.cause)
    if event.leg == call.caller:
        reason = "caller left during a consult" if call.phase in parties.ASIDE else "completed"
        end(turn, Result.SUCCESS, reason, Role.CALLER, event.cause)
    elif call.operator is not None and event.leg == call.operator.leg:
        _operator_gone(turn, event.cause)
    elif party is not None:
        _party_gone(turn, party, event.cause)


def timer_fired(turn: Turn, event: TimerFired) -> None:
    """A phone was not picked up, or something was never heard to end."""
    call = turn.call
    if event.timer.kind == parties.CALLED:
        party = call.party_on(LegId(event.timer.key))
        if party is not None and party.standing is Standing.CALLED:
            parties.drop(turn, party, contacts.NO_ANSWER)
            _nobody_called(turn)
    elif event.timer.kind == silence.TIMER:
        silence.talking_timer(turn, event)
    elif event.timer.kind == "agency" and call.phase is Phase.RETURNING:
        back_to_caller(turn)
    elif event.timer.kind == "agency":
        for party in call.standing(Standing.RINGING):
            parties.drop(turn, party, contacts.NO_ANSWER)
            _next(turn, party, contacts.NO_ANSWER)
        for party in call.standing(Standing.INTRODUCED):
            introduction.cut_short(turn)
            _meet(turn, party)


def playback_ended(turn: Turn, event: PlaybackEnded) -> None:
    """The operator knows why, an agency knows what it is, or the caller heard an announcement."""
    call = turn.call
    hearing.told(turn, event.playback)
    if event.playback == call.operator_hears:
        turn.set(operator_hears=None)
        if call.phase is Phase.RETURNING:
            back_to_caller(turn)
    elif event.playback in call.introducing:
        if introduction.heard(turn, event.playback):
            for party in call.standing(Standing.INTRODUCED):
                turn.do(CancelTimer(timer(call.id, "agency")))
                _meet(turn, party)
    else:
        silence.asked(turn, event)
        hearing.ended(turn, event)


def back_to_caller(turn: Turn) -> None:
    """Operator and caller talk again; one whose phone is on hold has music go on for them."""
    turn.do(CancelTimer(timer(turn.call.id, "agency")))
    stop_operator_sound(turn)
    tell_phone(turn, TransferOutcome.FAILED)
    turn.set(dialled="")
    if holding.is_deaf(turn):
        turn.record(FactKind.BACK_TO_CALLER)
        holding.hold(turn, holding.PHONE)
        return
    parties.talk(turn)
    turn.record(FactKind.BACK_TO_CALLER)


def tell_phone(turn: Turn, outcome: TransferOutcome) -> None:
    """What became of the transfer that the operator's phone asked for, if it did."""
    operator, asked = turn.call.operator, turn.call.referred
    done = outcome is TransferOutcome.DONE
    # Its leg is hung up with that, which has to do where Asterisk cannot be told yet.
    too_early = done and asked is not None and turn.now - asked.at < TOLD_AFTER
    if asked is not None and operator is not None and not too_early:
        turn.do(AnswerTransfer(operator.leg, outcome))
    turn.set(referred=None)


def leave(turn: Turn) -> None:
    """The operator's work is done: the caller goes on with those who have answered.

    A colleague among them has the call from then on.
    """
    call = turn.call
    if call.operator is None:
        return
    stop_operator_sound(turn)
    turn.do(CancelTimer(timer(call.id, "agency")))
    _let_operator_go(turn, call.operator)
    for party in turn.call.parties:
        if party.standing not in ON_THE_LINE:
            parties.drop(turn, party, "the operator left")
    for party in turn.call.parties:
        parties.stand(turn, party, Standing.JOINED)
    heir = next((party for party in turn.call.parties if party.agency is None), None)
    if heir is None:
        parties.go(turn, Phase.HANDED_OVER)
        return
    rest = tuple(each for each in turn.call.parties if each != heir)
    turn.set(parties=rest, operator=OperatorSide(heir.name, heir.leg))
    parties.talk(turn)
    former = call.operator.agent
    turn.record(FactKind.TAKEN_OVER, agent=heir.name, former=former, leg=heir.leg, **SYSTEM)


def requeue(turn: Turn) -> None:
    """Nobody is left with the caller: to the head of the queue, with music meanwhile."""
    call = turn.call
    stop_operator_sound(turn)
    turn.do(CancelTimer(timer(call.id, "agency")))
    silence.leave(turn)
    turn.part(call.caller)
    # In the queue first: where there is no wrap-up, whoever is freed has the next call at once.
    waiting.requeue(turn)
    for party in call.parties:
        parties.drop(turn, party, "the operator left")
    if call.operator is not None:
        turn.do(ReleaseAgent(call.id, call.operator.agent))


def _meet(turn: Turn, party: Party) -> None:
    if turn.call.phase is Phase.BLIND_RINGING:
        parties.stand(turn, party, Standing.JOINED)
        parties.go(turn, Phase.HANDED_OVER)
        return
    parties.stand(turn, party, Standing.CONSULTED)
    if turn.call.referred is not None:
        leave(turn)
    else:
        parties.go(turn, Phase.CONSULT)


def _settle(turn: Turn) -> None:
    """Somebody came to the caller or left them, and the operator stays where they are."""
    if turn.call.phase in (Phase.TALKING, Phase.CONFERENCE):
        parties.talk(turn)
    else:
        parties.arrange(turn)


def _let_operator_go(turn: Turn, operator: OperatorSide) -> None:
    if operator.leg in turn.call.legs:
        tell_phone(turn, TransferOutcome.DONE)
        turn.hang_up(operator.leg)
    # On record before the operator is in wrap-up, lest a crash leave a call that has them still.
    turn.record(FactKind.OPERATOR_LEFT, agent=operator.agent)
    turn.do(ReleaseAgent(turn.call.id, operator.agent))
    turn.set(operator=None, dialled="", telling=(), referred=None, owed="")


def _operator_gone(turn: Turn, cause: int) -> None:
    call = turn.call
    refused = call.button_refused
    believed = refused is not None and turn.now - refused < BELIEVED_DONE
    rung = call.standing(Standing.RINGING, Standing.INTRODUCED)
    if call.standing(*ON_THE_LINE):
        leave(turn)
    elif call.referred is not None and call.operator and rung and rung[0].agency is not None:
        # Many phones leave as soon as we have said that we take the caller.
        stop_operator_sound(turn)
        turn.record(FactKind.BLIND_TRANSFER, agency=rung[0].name, agent=call.operator.agent)
        _let_operator_go(turn, call.operator)
        parties.go(turn, Phase.BLIND_RINGING)
    elif call.phase is Phase.TALKING and cause == NORMAL_CLEARING and not believed:
        end(turn, Result.SUCCESS, "completed", Role.OPERATOR, cause)
    else:
        requeue(turn)


def _party_gone(turn: Turn, party: Party, cause: int) -> None:
    match party.standing:
        case Standing.RINGING:
            reason = ringing.reason_of(cause)
            parties.forget(turn, party, reason)
            _next(turn, party, reason)
        case Standing.CALLED:
            parties.forget(turn, party, ringing.reason_of(cause))
            _nobody_called(turn)
        case Standing.INTRODUCED | Standing.CONSULTED:
            parties.forget(turn, party, "hung up")
            _not_reached(turn, CUT_OFF_PROMPT)
        case Standing.HELD:
            parties.forget(turn, party, "hung up")
            hearing.tell_operator(turn, CUT_OFF_PROMPT)
        case Standing.JOINED:
            _left_caller(turn, party, cause)


def _left_caller(turn: Turn, party: Party, cause: int) -> None:
    early = cause != NORMAL_CLEARING or turn.now - party.since < turn.centre.policy.agency_early
    parties.forget(turn, party, "cut off" if early else "hung up")
    if turn.call.operator is not None:
        _settle(turn)
        if early:
            hearing.tell_operator(turn, CUT_OFF_PROMPT)
    elif turn.call.standing(Standing.JOINED):
        parties.arrange(turn)
    elif early:
        requeue(turn)
    else:
        end(turn, Result.SUCCESS, "completed", Role.AGENCY, cause)


def _next(turn: Turn, party: Party, reason: str) -> None:
    """Somebody did not answer: try their next contact, or have the caller back."""
    operator = turn.call.operator
    if party.agency is not None:
        agent = "" if operator is None else operator.agent
        left = contacts.ring(turn, party.agency, agent, party.contact + 1, reason)
        if left is None:
            hearing.tell_operator(turn, NEXT_PROMPT)
            return
        reason = left
    _not_reached(turn, contacts.prompt_for(reason))


def _not_reached(turn: Turn, prompt: str) -> None:
    """Tell the operator, then bring the caller back; without an operator the caller queues."""
    stop_operator_sound(turn)
    if turn.call.operator is None:
        requeue(turn)
        return
    tell_phone(turn, TransferOutcome.FAILED)
    if holding.is_deaf(turn):
        turn.set(owed=prompt)
        back_to_caller(turn)
        return
    playback = turn.new_playback(prompt, Role.OPERATOR)
    turn.set(operator_hears=playback)
    parties.go(turn, Phase.RETURNING)
    turn.do(
        PlayPrompt(turn.call.aside, True, playback, prompt, turn.centre.language),
        ArmTimer(timer(turn.call.id, "agency"), LONGEST_EXPLANATION),
    )


def _stop_calling(turn: Turn, reason: str) -> None:
    for party in turn.call.standing(Standing.CALLED):
        parties.drop(turn, party, reason)


def _nobody_called(turn: Turn) -> None:
    if not turn.call.standing(Standing.CALLED):
        hearing.tell_operator(turn, NO_SUPERVISOR_PROMPT)
