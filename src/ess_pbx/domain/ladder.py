"""The ladder: what is done for a caller the longer they wait, step by step. They always wait on."""

from __future__ import annotations

from ess_pbx.domain import comfort, overflow, queueing
from ess_pbx.domain.call import Turn
from ess_pbx.domain.config import Rung
from ess_pbx.domain.effects import ArmTimer, CancelTimer, Reach
from ess_pbx.domain.ending import timer
from ess_pbx.domain.events import CallEvent
from ess_pbx.domain.facts import FactKind

LADDER = "ladder"
WIDER: dict[Reach | None, Reach] = {
    None: Reach.EVERYONE,
    Reach.SUPERVISORS: Reach.ALL,
}
"""Whom a call reaches after ``ring-all``, by whom it did before."""
HIGHER: dict[Reach | None, Reach] = {
    None: Reach.SUPERVISORS,
    Reach.EVERYONE: Reach.ALL,
}
"""The same for ``supervisors``."""


def arm(turn: Turn) -> None:
    """When the next step is due, by how long the caller waits; none when none changes anything.

    Who lost their human keeps the steps that were done, and has the others by the new wait.
    """
    rung = _next(turn)
    if rung is not None:
        after = turn.centre.policy.ladder[rung].after / turn.hurry
        call = turn.call
        since = call.arrived if call.lost_at is None else call.lost_at
        due = since + after - turn.now
        turn.do(ArmTimer(timer(turn.call.id, LADDER), max(0.0, due)))


def arm_anew(turn: Turn, _: CallEvent | None = None) -> None:
    """What the call asks for has changed, or the ladder comes earlier or later than before."""
    turn.do(CancelTimer(timer(turn.call.id, LADDER)))
    arm(turn)


def climb(turn: Turn) -> None:
    """The caller has waited long: the next step."""
    at = _next(turn)
    if at is None:
        return
    rung = turn.centre.policy.ladder[at]
    turn.set(rungs=at + 1)
    turn.record(FactKind.LADDER_STEP, step=rung.step, after=rung.after)
    if rung.prompt is not None:
        comfort.say(turn, rung.prompt)
    if rung.step == "overflow":
        overflow.ring(turn, rung.to)
    else:
        turn.set(any_skills=True, reach=reach_after(rung.step, turn.call.reach))
        queueing.ask(turn)
    arm(turn)


def reach_after(step: str, reach: Reach | None) -> Reach | None:
    """Whom a call reaches after a step."""
    match step:
        case "ring-all":
            return WIDER.get(reach, reach)
        case "supervisors":
            return HIGHER.get(reach, reach)
        case _:
            return reach


def _next(turn: Turn) -> int | None:
    """The next step that changes anything for this call."""
    ladder = turn.centre.policy.ladder
    left = range(turn.call.rungs, len(ladder))
    return next((at for at in left if _matters(turn, ladder[at])), None)


def _matters(turn: Turn, rung: Rung) -> bool:
    reach = turn.call.reach
    match rung.step:
        case "wider-skills":
            return bool(queueing.skills_for(turn))
        case "ring-all":
            return reach in WIDER
        case "supervisors":
            there_are = any(each.role == "supervisor" for each in turn.centre.operators)
            return there_are and reach in HIGHER
        case "overflow":
            return True
