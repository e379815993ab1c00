"""Operators' status: what logging in and out, breaks and the end of wrap-up mean, and what lasts.

The queue (``acd``) has the status that counts; here are the commands that change it and the memory
by which it survives a restart of the engine. Who may force another's status is settled before: the
same commands come from the operator and from a supervisor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from ess_pbx.domain.acd import BY_DUTY, Acd
from ess_pbx.domain.acd_facts import status_fact
from ess_pbx.domain.agent import AgentState, Seat, Status
from ess_pbx.domain.commands import EndBreak, EndWrapUp, LogIn, LogOut, TakeBreak
from ess_pbx.domain.config import Policy
from ess_pbx.domain.effects import Record, Refused
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.offers import Decision
from ess_pbx.domain.roster import Roster

StatusCommand: TypeAlias = LogIn | LogOut | TakeBreak | EndBreak | EndWrapUp

LONGEST_RECALL = 12 * 3600.0
"""Seconds after which what held in a duty is over, whoever is on duty then."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An operator's status as it was last changed, ``at`` epoch seconds."""

    status: Status
    reason: str | None
    at: float


class Presence:
    """Remembers every operator's status."""

    name = "presence"

    def __init__(self) -> None:
        self.standing: dict[str, Standing] = {}

    def remember(self, kind: str, _: str | None, data: Mapping[str, JSON], at: float, /) -> None:
        """A change of status; all else is passed."""
        if kind != FactKind.AGENT_STATUS:
            return
        self._keep(data["agent"], data["status"], data["reason"], at)

    def dump(self) -> JSON:
        """Status, reason and time by extension."""
        return {each: [str(s.status), s.reason, s.at] for each, s in self.standing.items()}

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        self.standing.clear()
        if not isinstance(state, Mapping):
            return
        for agent, kept in state.items():
            match kept:
                case [status, reason, float() | int() as at]:
                    self._keep(agent, status, reason, at)

    def _keep(self, agent: JSON, status: JSON, reason: JSON, at: float) -> None:
        # What only another version knows must not keep a centre from starting.
        if status in set(Status):
            why = None if reason is None else str(reason)
            self.standing[str(agent)] = Standing(Status(str(status)), why, at)

    def restore(
        self, acd: Acd, policy: Policy, roster: Roster, local: datetime, wall: float, now: float
    ) -> list[Decision]:
        """Set the seats as they were before a restart; what the end of a duty ended is over."""
        decisions: list[Decision] = []
        for agent, known in list(self.standing.items()):
            seat = acd.seats.get(agent)
            if seat is None:
                continue
            of_duty = known.status is Status.BREAK or policy.log_in == "phone"
            wanted = known.status, known.reason
            if of_duty and not in_same_duty(agent, roster, local, wall - known.at):
                wanted = Status.AVAILABLE, None
                if wanted[0] is not known.status:
                    decisions.append(status_fact(agent, *wanted, BY_DUTY))
            if wanted != seat.standing:
                decisions += acd.set_status(agent, *wanted, None, now)
        return decisions


def in_same_duty(agent: str, roster: Roster, local: datetime, ago: float) -> bool:
    """Whether what was so ``ago`` seconds before is in the duty, or the leisure, of now."""
    then = local - timedelta(seconds=max(0.0, ago))
    same = (agent in roster.on_duty(then)) is (agent in roster.on_duty(local))
    return same and ago < LONGEST_RECALL


def carry_out(
    command: StatusCommand, acd: Acd, policy: Policy, now: float
) -> list[Decision | Refused]:
    """What a command changes, or why it cannot be done; wanting what is so already is no error."""
    seat = acd.seats.get(command.agent)
    if seat is None:
        return [unknown_operator(command.agent)]
    match command:
        case LogIn(by, agent):
            # Who logs in sits at the phone: a break is over, too.
            return [*acd.set_status(agent, Status.AVAILABLE, None, by, now)]
        case LogOut(by, agent):
            return [*acd.set_status(agent, Status.LOGGED_OUT, None, by, now)]
        case TakeBreak(by, agent, reason):
            if (refused := _no_break(seat, reason, policy)) is not None:
                return [refused]
            return [*acd.set_status(agent, Status.BREAK, reason, by, now)]
        case EndBreak(_, agent) if seat.on_break is None:
            return [Refused("not-on-break", f"{agent} is {seat.status}; expected one on break")]
        case EndBreak(by, agent):
            return [*acd.set_status(agent, Status.AVAILABLE, None, by, now)]
        case EndWrapUp(_, agent) if seat.state is not AgentState.WRAP_UP:
            return [Refused("not-in-wrap-up", f"{agent} is {seat.state}; expected wrap-up")]
        case EndWrapUp(by, agent):
            ended = Record(None, FactKind.WRAP_UP_ENDED, {"agent": agent, **by.fields})
            return [ended, *acd.end_wrap_up(agent, now)]


def _no_break(seat: Seat, reason: str, policy: Policy) -> Refused | None:
    names = [each.name for each in policy.break_reasons]
    if reason not in names:
        listed = ", ".join(names) or "there are none"
        return Refused("unknown-reason", f"{reason!r} is no reason for a break; one of: {listed}")
    if not seat.logged_in:
        return Refused("logged-out", f"{seat.extension} is logged out; expected one logged in")
    if not seat.on_duty:
        return Refused("not-on-duty", f"{seat.extension} is off duty; expected one on duty")
    return None


def unknown_operator(agent: str) -> Refused:
    """Nobody of the centre has this extension."""
    return Refused("unknown-operator", f"no operator has the extension {agent!r}")
