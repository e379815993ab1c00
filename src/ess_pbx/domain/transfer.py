"""Warm transfer: consult, conference, handover, and back to the caller when it fails.

One bridge serves throughout: who is not to be heard is out of it. A caller who is out of it hears
an announcement and music.
"""

from __future__ import annotations

from ess_pbx.domain import hearing, operator_keys, ringing, silence, waiting
from ess_pbx.domain.call import Phase, Result, Turn
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    HangUp,
    Join,
    Part,
    PlayPrompt,
    ReleaseAgent,
    Role,
)
from ess_pbx.domain.ending import end, hang_up_stranger, stop_operator_sound, timer
from ess_pbx.domain.events import (
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    PlaybackEnded,
    TimerFired,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.feature_codes import Command

HOLD_PROMPT = "hubungkan-instansi"
FAILED_PROMPT = "instansi-tidak-menjawab"
LONGEST_EXPLANATION = 15.0
"""Seconds after which the caller comes back even if the prompt's end was never heard of."""


def consult(turn: Turn, code: str) -> None:
    """Take the caller out to wait and ring the agency of this code, if there is one."""
    call = turn.call
    agency = next((agency for agency in turn.centre.agencies if agency.code == code), None)
    if agency is None or call.operator is None:
        return
    silence.leave(turn)
    side = ringing.ring_agency(turn, agency)
    turn.do(
        Part(call.bridge, call.caller),
        ArmTimer(timer(call.id, "agency"), turn.centre.policy.agency_ring),
    )
    turn.set(phase=Phase.CONSULT_RINGING, agency=side)
    agent = call.operator.agent
    turn.record(FactKind.CONSULT_STARTED, agency=agency.id, agent=agent, leg=side.leg)
    hearing.announce(turn, HOLD_PROMPT)
    hearing.ring_back(turn)


def rang(turn: Turn, event: LegRang) -> None:
    """The agency's phone rings."""
    agency = turn.call.agency
    if agency is not None and event.leg == agency.leg:
        turn.record(FactKind.AGENCY_RUNG, agency=agency.agency.id, leg=event.leg)


def answered(turn: Turn, event: LegAnswered) -> None:
    """The agency answered: it and the operator speak alone."""
    call = turn.call
    if call.agency is None or event.leg != call.agency.leg:
        hang_up_stranger(turn, event)
        return
    turn.do(CancelTimer(timer(call.id, "agency")))
    stop_operator_sound(turn)
    turn.do(Join(call.bridge, (event.leg,)))
    turn.set(phase=Phase.CONSULT)
    turn.record(FactKind.AGENCY_ANSWERED, agency=call.agency.agency.id, leg=event.leg)


def ringing_key(turn: Turn, event: KeyPressed) -> None:
    """While the agency rings the operator can only go back to the caller."""
    if _command(turn, event) is Command.BACK_TO_CALLER:
        _drop_agency(turn, "cancelled")
        back_to_caller(turn)


def consult_key(turn: Turn, event: KeyPressed) -> None:
    """Conference, leave, or back to the caller without the agency."""
    match _command(turn, event):
        case Command.CONFERENCE:
            _bring_caller_in(turn)
            turn.set(phase=Phase.CONFERENCE)
            turn.record(FactKind.CONFERENCE)
        case Command.LEAVE:
            _bring_caller_in(turn)
            leave(turn)
        case Command.BACK_TO_CALLER:
            _drop_agency(turn, "dropped by the operator")
            back_to_caller(turn)
        case None:
            pass


def conference_key(turn: Turn, event: KeyPressed) -> None:
    """Leave, or go on with the caller alone."""
    match _command(turn, event):
        case Command.LEAVE:
            leave(turn)
        case Command.BACK_TO_CALLER:
            _drop_agency(turn, "dropped by the operator")
            turn.set(phase=Phase.TALKING)
            turn.record(FactKind.BACK_TO_CALLER)
        case Command.CONFERENCE | None:
            pass


def leave(turn: Turn) -> None:
    """The operator's work is done: caller and agency go on."""
    operator = turn.call.operator
    if operator is None:
        return
    if operator.leg in turn.call.legs:
        turn.do(HangUp(operator.leg))
    turn.do(ReleaseAgent(turn.call.id, operator.agent))
    turn.set(phase=Phase.HANDED_OVER, operator=None, dialled="")
    turn.record(FactKind.OPERATOR_LEFT, agent=operator.agent)


def ringing_gone(turn: Turn, event: LegGone) -> None:
    """Someone left while the agency's phone rang; without operator and agency the caller queues."""
    match _who_left(turn, event):
        case Role.CALLER:
            end(turn, Result.SUCCESS, "caller left during a consult", Role.CALLER, event.cause)
        case Role.AGENCY:
            _consult_failed(turn, ringing.reason_of(event.cause))
        case Role.OPERATOR:
            _drop_agency(turn, "the operator left")
            _requeue_without_operator(turn)


def consult_gone(turn: Turn, event: LegGone) -> None:
    """Someone left the consult; an operator who hangs up has handed the caller over."""
    match _who_left(turn, event):
        case Role.CALLER:
            end(turn, Result.SUCCESS, "caller left during a consult", Role.CALLER, event.cause)
        case Role.AGENCY:
            _consult_failed(turn, "the agency hung up")
        case Role.OPERATOR:
            _bring_caller_in(turn)
            leave(turn)


def conference_gone(turn: Turn, event: LegGone) -> None:
    """Someone left the three: the other two go on, if the caller is one of them."""
    match _who_left(turn, event):
        case Role.CALLER:
            end(turn, Result.SUCCESS, "completed", Role.CALLER, event.cause)
        case Role.AGENCY:
            turn.set(phase=Phase.TALKING, agency=None)
        case Role.OPERATOR:
            leave(turn)


def returning_gone(turn: Turn, event: LegGone) -> None:
    """Someone left while the operator was told that the agency does not answer."""
    match _who_left(turn, event):
        case Role.CALLER:
            end(turn, Result.SUCCESS, "caller left during a consult", Role.CALLER, event.cause)
        case Role.OPERATOR:
            _requeue_without_operator(turn)


def ringing_timer(turn: Turn, event: TimerFired) -> None:
    """The agency does not answer."""
    agency = turn.call.agency
    if event.timer.kind == "agency" and agency is not None:
        turn.do(HangUp(agency.leg))
        _consult_failed(turn, "no answer")


def returning_timer(turn: Turn, event: TimerFired) -> None:
    """The explanation never ended; the caller has waited enough."""
    if event.timer.kind == "agency":
        back_to_caller(turn)


def returning_playback_ended(turn: Turn, event: PlaybackEnded) -> None:
    """The operator knows; the caller comes back."""
    if event.playback == turn.call.operator_hears:
        turn.set(operator_hears=None)
        back_to_caller(turn)
    else:
        hearing.ended(turn, event)


def back_to_caller(turn: Turn) -> None:
    """Operator and caller talk again."""
    turn.do(CancelTimer(timer(turn.call.id, "agency")))
    stop_operator_sound(turn)
    _bring_caller_in(turn)
    turn.set(phase=Phase.TALKING, agency=None, dialled="")
    turn.record(FactKind.BACK_TO_CALLER)


def _command(turn: Turn, event: KeyPressed) -> Command | None:
    command = operator_keys.pressed(turn, event)
    return command if isinstance(command, Command) else None


def _who_left(turn: Turn, event: LegGone) -> Role | None:
    """The role of the leg that went; None for one that was already on its way out."""
    call = turn.call
    turn.drop_leg(event.leg, event.cause)
    if event.leg == call.caller:
        return Role.CALLER
    if call.operator is not None and event.leg == call.operator.leg:
        return Role.OPERATOR
    if call.agency is not None and event.leg == call.agency.leg:
        return Role.AGENCY
    return None


def _bring_caller_in(turn: Turn) -> None:
    hearing.quiet(turn)
    turn.do(Join(turn.call.bridge, (turn.call.caller,)))


def _drop_agency(turn: Turn, reason: str) -> None:
    agency = turn.call.agency
    if agency is None:
        return
    if agency.leg in turn.call.legs:
        turn.do(HangUp(agency.leg))
    _record_failure(turn, reason)
    turn.set(agency=None)


def _record_failure(turn: Turn, reason: str) -> None:
    side = turn.call.agency
    if side is not None:
        turn.record(FactKind.CONSULT_FAILED, agency=side.agency.id, leg=side.leg, reason=reason)


def _consult_failed(turn: Turn, reason: str) -> None:
    """Tell the operator, then bring the caller back."""
    _record_failure(turn, reason)
    stop_operator_sound(turn)
    prompt = turn.new_playback(FAILED_PROMPT, Role.OPERATOR)
    turn.set(phase=Phase.RETURNING, agency=None, operator_hears=prompt)
    turn.do(
        PlayPrompt(turn.call.bridge, True, prompt, FAILED_PROMPT, turn.centre.language),
        ArmTimer(timer(turn.call.id, "agency"), LONGEST_EXPLANATION),
    )


def _requeue_without_operator(turn: Turn) -> None:
    """The caller, who hears music, waits for another operator at the head of the queue."""
    operator = turn.call.operator
    turn.do(CancelTimer(timer(turn.call.id, "agency")))
    stop_operator_sound(turn)
    waiting.requeue(turn)
    if operator is not None:
        turn.do(ReleaseAgent(turn.call.id, operator.agent))
