"""A caller in the queue: offered to operators until one answers, and never in silence."""

from __future__ import annotations

from ess_pbx.domain import comfort, hearing, ladder, overflow, priority, ringing, silence
from ess_pbx.domain.call import OperatorSide, Phase, Turn
from ess_pbx.domain.classifying import classify
from ess_pbx.domain.effects import CreateBridge, OfferTaken
from ess_pbx.domain.ending import caller_left, cancel_timers, hang_up_stranger
from ess_pbx.domain.events import (
    CallEvent,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    TimerFired,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.queueing import join, skills_for

WAIT_PROMPT = "mohon-tunggu"
NO_OPERATOR_PROMPT = "tidak-ada-operator"
TOP_PRIORITY = 9


def queue_call(turn: Turn, *prompts: str) -> None:
    """Put the caller into the queue of their category; they hear prompts, then music."""
    begin(turn)
    hearing.announce(turn, *prompts)


def requeue(turn: Turn) -> None:
    """A caller who had a human lost them: back to the head of the queue, age kept."""
    turn.set(operator=None, dialled="", telling=(), lost_at=turn.now)
    priority.raise_to(turn, priority.CUT_OFF, TOP_PRIORITY)
    begin(turn)
    hearing.announce(turn, WAIT_PROMPT)
    silence.watch(turn)


def begin(turn: Turn) -> None:
    """From now on the caller does nothing but wait."""
    turn.set(phase=Phase.WAITING)
    join(turn)
    wait(turn)


def wait(turn: Turn, *prompts: str) -> None:
    """What belongs to waiting beside the place in the queue."""
    comfort.arm(turn)
    ladder.arm(turn)
    if prompts:
        hearing.announce(turn, *prompts)


def rang(turn: Turn, event: LegRang) -> None:
    """An operator's phone rings, or an agency's."""
    if (offered := ringing.offered_on(turn, event.leg)) is not None:
        turn.record(FactKind.OPERATOR_RUNG, agent=offered.agent, leg=event.leg)
    elif (rung := overflow.rung_on(turn, event.leg)) is not None:
        turn.record(FactKind.AGENCY_RUNG, agency=rung.name, leg=event.leg)


def answered(turn: Turn, event: LegAnswered) -> None:
    """Our 200 is out, or somebody picked up."""
    if (offered := ringing.offered_on(turn, event.leg)) is not None:
        _connect(turn, offered)
    elif (rung := overflow.rung_on(turn, event.leg)) is not None:
        overflow.answered(turn, rung)
    else:
        hang_up_stranger(turn, event)


def _connect(turn: Turn, operator: OperatorSide) -> None:
    call = turn.call
    cancel_timers(turn)
    hearing.quiet(turn)
    if not call.bridged:
        turn.do(CreateBridge(call.bridge))
    turn.join(call.bridge, call.caller, operator.leg)
    ringing.stop_ringing(turn, but=operator.leg)
    overflow.give_up(turn, "answered elsewhere")
    turn.do(OfferTaken(call.id, operator.agent))
    turn.set(phase=Phase.TALKING, bridged=True, operator=operator, dialled="")
    turn.record(FactKind.OPERATOR_ANSWERED, agent=operator.agent, leg=operator.leg)
    silence.connected(turn)


def gone(turn: Turn, event: LegGone) -> None:
    """The caller left, or a phone that rang for them refused or vanished."""
    if event.leg == turn.call.caller:
        caller_left(turn, event)
        return
    turn.drop_leg(event.leg, event.cause)
    if (offered := ringing.offered_on(turn, event.leg)) is not None:
        ringing.missed(turn, offered, ringing.reason_of(event.cause))
    elif (rung := overflow.rung_on(turn, event.leg)) is not None:
        overflow.failed(turn, rung, ringing.reason_of(event.cause))


def timer_fired(turn: Turn, event: TimerFired) -> None:
    """Ring time is over, it is time to say that we are still there, or to do more."""
    match event.timer.kind:
        case ringing.RING:
            ringing.not_answered(turn, event.timer)
        case overflow.OVERFLOW:
            overflow.not_answered(turn, event.timer)
        case comfort.COMFORT:
            comfort.comfort(turn)
        case ladder.LADDER:
            ladder.climb(turn)
        case silence.TIMER:
            silence.fired(turn)


def nobody_there(turn: Turn, _: CallEvent) -> None:
    """No operator on shift can be reached: the caller is told, and waits on."""
    turn.record(FactKind.NO_OPERATOR, queue=turn.call.queue)
    if turn.call.prompt == silence.ACCEPTED_PROMPT:
        # That key 5 was understood is said to its end first.
        turn.set(announcements=())
    else:
        hearing.quiet(turn)
    comfort.say(turn, NO_OPERATOR_PROMPT)


def key(turn: Turn, event: KeyPressed) -> None:
    """A caller in the queue pressed a key: it may move the call, over whatever plays."""
    if event.leg != turn.call.caller:
        return
    turn.record(FactKind.KEY_PRESSED, key=event.key, menu=None)
    silence.watch(turn)
    if silence.accept(turn, event.key):
        hearing.quiet(turn)
        hearing.announce(turn, silence.ACCEPTED_PROMPT)
        join(turn)
        return
    wanted = turn.centre.queue_keys.get(event.key)
    if wanted is None:
        return
    before = turn.call.queue, turn.call.priority, skills_for(turn)
    priority.release_prank(turn, "key")
    classify(turn, wanted)
    hearing.quiet(turn)
    hearing.announce(turn, *(wanted.play or (WAIT_PROMPT,)))
    if (turn.call.queue, turn.call.priority, skills_for(turn)) != before:
        join(turn)
        # What is asked of an operator may have changed with it.
        ladder.arm_anew(turn)
