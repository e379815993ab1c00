"""A caller in the queue: offered to operators until one answers, and never in silence."""

from __future__ import annotations

from ess_pbx.domain import hearing, ids
from ess_pbx.domain.call import OperatorSide, Phase, Turn
from ess_pbx.domain.classifying import classify
from ess_pbx.domain.config import LANGUAGE_SKILL
from ess_pbx.domain.effects import (
    ArmTimer,
    CancelTimer,
    CreateBridge,
    HangUp,
    Join,
    JoinQueue,
    OfferMissed,
    OfferTaken,
    Originate,
    Role,
)
from ess_pbx.domain.ending import caller_left, hang_up_stranger, timer
from ess_pbx.domain.events import (
    CallEvent,
    KeyPressed,
    LegAnswered,
    LegGone,
    LegRang,
    OfferMade,
    TimerFired,
)
from ess_pbx.domain.facts import FactKind

WAIT_PROMPT = "mohon-tunggu"
COMFORT_PROMPT = "antrean-lanjut"
NO_OPERATOR_PROMPT = "tidak-ada-operator"
TOP_PRIORITY = 9

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


def queue_call(turn: Turn, *prompts: str) -> None:
    """Put the caller into the queue of their category; they hear prompts, then music."""
    begin(turn)
    hearing.announce(turn, *prompts)


def requeue(turn: Turn) -> None:
    """A caller who had a human lost them: back to the head of the queue, age kept."""
    turn.set(priority=TOP_PRIORITY, operator=None, agency=None, dialled="")
    begin(turn)
    hearing.announce(turn, WAIT_PROMPT)


def begin(turn: Turn) -> None:
    """From now on the caller does nothing but wait."""
    turn.set(phase=Phase.WAITING)
    join(turn)
    wait(turn)


def wait(turn: Turn, *prompts: str) -> None:
    """What belongs to waiting beside the place in the queue."""
    turn.do(ArmTimer(timer(turn.call.id, "comfort"), turn.centre.policy.comfort))
    arm_ladder(turn)
    if prompts:
        hearing.announce(turn, *prompts)


def join(turn: Turn) -> None:
    """Queue the call as it stands, or move it there; its age counts from its arrival."""
    call = turn.call
    turn.record(FactKind.QUEUED, queue=call.queue, priority=call.priority)
    _join(turn)


def _join(turn: Turn) -> None:
    call = turn.call
    turn.do(JoinQueue(call.id, call.queue, call.priority, call.arrived, skills_for(turn)))


def skills_for(turn: Turn) -> frozenset[str]:
    """What the call's category and language ask of an operator."""
    call, centre = turn.call, turn.centre
    if call.any_skills:
        return frozenset()
    asked = next((each.skills for each in centre.categories if each.id == call.category), ())
    if call.language == centre.language:
        return frozenset(asked)
    return frozenset({*asked, LANGUAGE_SKILL + call.language})


def offer(turn: Turn, event: OfferMade) -> None:
    """Ring the phone of the operator whom the queue chose: one request, before all else."""
    call, policy = turn.call, turn.centre.policy
    leg = ids.operator_leg(call.id, call.made_legs + 1)
    turn.do(
        Originate(
            call=call.id,
            leg=leg,
            role=Role.OPERATOR,
            address=event.agent,
            number=call.number,
            name=shown_name(turn),
            timeout=policy.ring + 5,
        ),
        ArmTimer(timer(call.id, "ring"), policy.ring),
    )
    turn.add_leg(leg, Role.OPERATOR, event.agent)
    turn.set(offer=OperatorSide(event.agent, leg))
    turn.record(FactKind.OFFERED, agent=event.agent, leg=leg)


def shown_name(turn: Turn) -> str:
    """What a phone shows with the call: its category, and that there is no number when so."""
    call = turn.call
    named = {category.id: category.name for category in turn.centre.categories}
    category = named.get(call.category, call.category)
    return category if call.number else f"{category}, {call.display}"


def rang(turn: Turn, event: LegRang) -> None:
    """The operator's phone rings."""
    offered = turn.call.offer
    if offered is not None and event.leg == offered.leg:
        turn.record(FactKind.OPERATOR_RUNG, agent=offered.agent, leg=event.leg)


def answered(turn: Turn, event: LegAnswered) -> None:
    """Our 200 is out, or the operator picked up."""
    call = turn.call
    if call.offer is not None and event.leg == call.offer.leg:
        _connect(turn, call.offer)
    else:
        hang_up_stranger(turn, event)


def _connect(turn: Turn, operator: OperatorSide) -> None:
    call = turn.call
    for kind in ("ring", "comfort", "menu", "ladder"):
        turn.do(CancelTimer(timer(call.id, kind)))
    hearing.quiet(turn)
    if not call.bridged:
        turn.do(CreateBridge(call.bridge))
    turn.do(Join(call.bridge, (call.caller, operator.leg)), OfferTaken(call.id, operator.agent))
    turn.set(phase=Phase.TALKING, bridged=True, offer=None, operator=operator, dialled="")
    turn.record(FactKind.OPERATOR_ANSWERED, agent=operator.agent, leg=operator.leg)


def gone(turn: Turn, event: LegGone) -> None:
    """The caller left, or the phone that was offered the call refused it or vanished."""
    call = turn.call
    if event.leg == call.caller:
        caller_left(turn, event)
        return
    turn.drop_leg(event.leg, event.cause)
    if call.offer is not None and event.leg == call.offer.leg:
        _missed(turn, call.offer, reason_of(event.cause))


def timer_fired(turn: Turn, event: TimerFired) -> None:
    """Ring time is over, or it is time to say that we are still there."""
    call = turn.call
    if event.timer.kind == "ring" and call.offer is not None:
        turn.do(HangUp(call.offer.leg))
        _missed(turn, call.offer, "no answer")
    elif event.timer.kind == "comfort":
        turn.do(ArmTimer(event.timer, turn.centre.policy.comfort))
        if call.playing is None:
            hearing.announce(turn, COMFORT_PROMPT)
    elif event.timer.kind == "ladder":
        _climb(turn)


def arm_ladder(turn: Turn) -> None:
    """When the next step is due, counted from the call's arrival; none when it changes nothing."""
    call, ladder = turn.call, turn.centre.policy.ladder
    if call.rungs < len(ladder) and skills_for(turn):
        due = call.arrived + ladder[call.rungs].after
        turn.do(ArmTimer(timer(call.id, "ladder"), max(0.0, due - turn.now)))


def _climb(turn: Turn) -> None:
    """The caller has waited long: the next step."""
    rung = turn.centre.policy.ladder[turn.call.rungs]
    turn.set(rungs=turn.call.rungs + 1, any_skills=True)
    turn.record(FactKind.LADDER_STEP, step=rung.step, after=rung.after)
    if rung.prompt is not None:
        hearing.announce(turn, rung.prompt)
    _join(turn)


def _missed(turn: Turn, offered: OperatorSide, reason: str) -> None:
    turn.set(offer=None)
    turn.record(FactKind.OFFER_MISSED, agent=offered.agent, leg=offered.leg, reason=reason)
    turn.do(
        CancelTimer(timer(turn.call.id, "ring")),
        OfferMissed(turn.call.id, offered.agent, reason),
    )


def nobody_there(turn: Turn, _: CallEvent) -> None:
    """No operator on shift can be reached: the caller is told, and waits on."""
    turn.record(FactKind.NO_OPERATOR, queue=turn.call.queue)
    hearing.quiet(turn)
    hearing.announce(turn, NO_OPERATOR_PROMPT)


def key(turn: Turn, event: KeyPressed) -> None:
    """A caller in the queue pressed a key: it may move the call, over whatever plays."""
    if event.leg != turn.call.caller:
        return
    turn.record(FactKind.KEY_PRESSED, key=event.key, menu=None)
    wanted = turn.centre.queue_keys.get(event.key)
    if wanted is None:
        return
    before = turn.call.queue, turn.call.priority, skills_for(turn)
    classify(turn, wanted)
    hearing.quiet(turn)
    hearing.announce(turn, *(wanted.play or (WAIT_PROMPT,)))
    if (turn.call.queue, turn.call.priority, skills_for(turn)) != before:
        join(turn)
        # What is asked of an operator may have changed with it.
        turn.do(CancelTimer(timer(turn.call.id, "ladder")))
        arm_ladder(turn)
