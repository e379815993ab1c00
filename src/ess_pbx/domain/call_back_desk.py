"""Sees to it that callers whom nobody answered are called back: when, by whom, and how it ended.

It makes tasks of calls that end so (``call_backs``), starts a call for one that is due when an
operator is idle and no caller waits, and settles what came of it. A caller always goes first: an
operator whose phone only rings for a call-back is the ACD's to take.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TypeAlias

from ess_pbx.domain import ids
from ess_pbx.domain.absence import ServedCall
from ess_pbx.domain.acd import Acd
from ess_pbx.domain.call import Call, Phase, Result, Then
from ess_pbx.domain.call_backs import (
    CLOSED,
    ENGINE_RESTARTED,
    EXPIRED,
    OPERATOR_LEFT,
    REACHED,
    REDIALLED,
    UNREACHABLE,
    CallBack,
    CallBacks,
)
from ess_pbx.domain.calling_back import PHASES
from ess_pbx.domain.commands import Asker, CallBackNow, CloseCallBack
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import EngineEffect, Record, Refused
from ess_pbx.domain.events import Arrived, CallBackDue, CallBackWithdrawn, CallEvent, LegGone
from ess_pbx.domain.facts import JSON, FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.queueing import skills_of
from ess_pbx.domain.waiting import TOP_PRIORITY

Outcome: TypeAlias = Record | Refused | CallBackWithdrawn

ABANDONED, CUT_OFF = "abandoned", "cut off"
FAULTS = frozenset({0, 27, 38, 41, 42, 47, 102, 111})
"""Causes (Q.850) of a caller's leg that nobody hung up on purpose: the line broke, on our side or
the network's. 0 is one of which nothing was heard."""
PASSED_OVER = 60.0
"""Seconds for which an operator who did not take a call-back is offered no other."""
HOUR = 3600.0

_WAKING = frozenset(
    {
        *(FactKind.AGENT_STATE, FactKind.CALL_ENDED, FactKind.CALL_BACK_CREATED),
        *(FactKind.CALL_BACK_ADDED, FactKind.CALL_BACK_ASKED, FactKind.CALL_BACK_ATTEMPTED),
    }
)
"""After these there may be somebody to call back, or somebody to do it."""


class CallBackDesk:
    """The call-backs of one centre."""

    def __init__(self, centre: Centre, tasks: CallBacks, acd: Acd) -> None:
        self._centre = centre
        self._policy = centre.policy
        self._tasks = tasks
        self._acd = acd
        self._passed: dict[str, float] = {}

    def earlier(self, event: CallEvent) -> str:
        """The call that a caller who dials again made before, when nobody answered that."""
        if not isinstance(event, Arrived):
            return ""
        task = self._tasks.of_number(event.caller_e164)
        return "" if task is None else task.id

    def saw(
        self,
        before: Call,
        after: Call,
        event: CallEvent,
        calls: Mapping[CallId, Call],
        now: float,
        wall: float,
    ) -> list[Outcome]:
        """What an event of a call means for who is to be called back."""
        if before.phase in PHASES:
            return self._attempt(before, after, event, now, wall)
        if before.phase is Phase.ARRIVING and after.earlier and isinstance(event, Arrived):
            return self._redialled(after, calls)
        if before.phase is not Phase.ENDED and after.phase is Phase.ENDED:
            return self._ended(before, after, event, now, wall)
        return []

    def clock(
        self, calls: Mapping[CallId, Call], kept: Container[CallId], wall: float
    ) -> list[Record]:
        """Give up what is too old, and settle attempts that an engine before this one began.

        ``kept`` are calls from before that may still be taken over.
        """
        records: list[Record] = []
        busy = _under_way(calls)
        oldest = wall - self._policy.call_back_expires * HOUR
        for task in list(self._tasks.open.values()):
            if task.dialling is not None:
                call = calls.get(CallId(task.dialling.call))
                if task.dialling.call in kept if call is None else call.phase in PHASES:
                    continue
                over = call is None or call.phase is Phase.ENDED
                outcome = ENGINE_RESTARTED if over else REACHED
                records += self._attempted(task, task.dialling.agent, outcome, wall)
            elif task.id not in busy and task.created <= oldest:
                records.append(_closed(task, EXPIRED))
        return records

    def wakes(self, effects: Sequence[EngineEffect]) -> bool:
        """Whether what was decided may let a call-back begin."""
        return bool(self._tasks.open) and any(
            isinstance(effect, Record) and effect.kind in _WAKING for effect in effects
        )

    def next(self, calls: Mapping[CallId, Call], now: float, wall: float) -> CallBackDue | None:
        """The call-back that is to begin now: the most urgent that is due, then the oldest."""
        if self._acd.waiting:
            return None
        self._passed = {agent: until for agent, until in self._passed.items() if until > now}
        seats = self._acd.seats.values()
        free = {seat.extension for seat in seats if seat.free} - self._passed.keys()
        if not free:
            return None
        busy = _under_way(calls)
        due = (
            task
            for task in self._tasks.open.values()
            if task.due is not None and task.due <= wall and task.id not in busy
        )
        for task in sorted(due, key=lambda task: (not task.asked, -task.priority, task.created)):
            agent = self._operator_for(task, free)
            if agent is not None and (task.asked or self._policy.call_back):
                node = ids.node_of(task.id)
                return CallBackDue(
                    ids.call_back(task.id, self._tasks.started + 1),
                    agent=agent,
                    task=task.id,
                    number=task.caller_e164 or "",
                    display=task.caller_display,
                    category=task.category,
                    queue=task.queue,
                    priority=task.priority,
                    language=task.language,
                    trunk=task.trunk,
                    node=node,
                )
        return None

    def command(
        self, command: CallBackNow | CloseCallBack, calls: Mapping[CallId, Call], wall: float
    ) -> list[Outcome]:
        """What a person wants done about a task."""
        task = self._tasks.open.get(command.task)
        if task is None:
            return [Refused("unknown-call-back", f"no open call-back has the id {command.task!r}")]
        if isinstance(command, CloseCallBack):
            closed = _closed(task, CLOSED, command.reason, command.by)
            return [closed, *_withdraw(task, calls, "closed by a person")]
        if task.not_callable is not None:
            return [Refused("not-callable", f"the number cannot be called: {task.not_callable}")]
        if task.id in _under_way(calls):
            return [Refused("already-calling", "this caller is being called back now")]
        agent = command.agent
        if agent is not None:
            if self._acd.waiting:
                return [Refused("callers-waiting", "callers wait for an operator; they go first")]
            if not self._acd.seats[agent].free:
                return [Refused("operator-busy", f"operator {agent} is not idle now")]
            self._passed.pop(agent, None)
        asked: dict[str, JSON] = {"task": task.id, "agent": agent, "due": wall, **command.by.fields}
        return [Record(None, FactKind.CALL_BACK_ASKED, asked)]

    def _operator_for(self, task: CallBack, free: set[str]) -> str | None:
        if task.agent is not None:
            return task.agent if task.agent in free else None
        skills = skills_of(self._centre, task.category, task.language)
        return next((each for each in self._acd.idle(task.queue, skills) if each in free), None)

    def _redialled(self, call: Call, calls: Mapping[CallId, Call]) -> list[Outcome]:
        task = self._tasks.open[call.earlier]
        return [
            Record(call.id, FactKind.CALL_LINKED, {"earlier": task.id}),
            _closed(task, REDIALLED, call=call.id),
            *_withdraw(task, calls, REDIALLED),
        ]

    def _attempt(
        self, before: Call, after: Call, event: CallEvent, now: float, wall: float
    ) -> list[Outcome]:
        task = self._tasks.open.get(before.earlier)
        over = after.phase is Phase.ENDED
        if task is None or isinstance(event, CallBackWithdrawn):
            return []
        if before.phase is Phase.CALLING_OPERATOR and over and before.offers:
            self._passed[before.offers[0].agent] = now + PASSED_OVER
        if before.phase is not Phase.CALLING_BACK or before.operator is None:
            return []
        agent = before.operator.agent
        if after.phase is Phase.TALKING:
            return [*self._attempted(task, agent, REACHED, wall, after.id)]
        if over or after.phase is Phase.CALL_BACK_FAILED:
            return [*self._attempted(task, agent, after.unreached, wall, after.id)]
        return []

    def _attempted(
        self, task: CallBack, agent: str, outcome: str, wall: float, call: CallId | None = None
    ) -> list[Record]:
        policy = self._policy
        failed = task.failed + (outcome not in (REACHED, OPERATOR_LEFT))
        closed = REACHED if outcome == REACHED else None
        if failed >= policy.call_back_attempts:
            closed = UNREACHABLE
        delay = policy.call_back_delays[min(failed, len(policy.call_back_delays) - 1)]
        if outcome == OPERATOR_LEFT:
            delay = max(delay, PASSED_OVER)
        data: dict[str, JSON] = {
            "task": task.id,
            "attempt": len(task.attempts) + 1,
            "agent": agent,
            "outcome": outcome,
            "due": None if closed else wall + delay,
        }
        records = [Record(call, FactKind.CALL_BACK_ATTEMPTED, data)]
        if closed:
            records.append(_closed(task, closed, call=call))
        return records

    def _ended(
        self, before: Call, after: Call, event: CallEvent, now: float, wall: float
    ) -> list[Outcome]:
        why = self._why(before, after, event, now)
        return [] if why is None else [*self._wanted(after, why, wall)]

    def imported(self, served: ServedCall, wall: float) -> list[Record]:
        """What a call that the dialplan served means for who is to be called back.

        It is over: who spoke with somebody is not called back, who was cut off or left unheard is.
        """
        arrival, centre = served.arrival, self._centre
        task = self._tasks.of_number(arrival.caller_e164)
        if served.lost:
            why = CUT_OFF
        elif served.agent is not None:
            return [] if task is None else [_closed(task, REDIALLED, call=served.call)]
        elif served.waited >= self._policy.call_back_after or task is not None:
            why = ABANDONED
        else:
            return []
        if task is not None and task.id == served.call:
            return []
        call = Call(
            served.call,
            0.0,
            number=arrival.caller_e164 or "",
            display=arrival.caller_display,
            callable=arrival.callable,
            number_fault=arrival.number_fault,
            trunk=arrival.trunk or "",
            language=centre.language,
            category=centre.default_category,
            queue=centre.default_queue,
            priority=centre.policy.default_priority,
        )
        return self._wanted(call, why, wall)

    def _wanted(self, after: Call, why: str, wall: float) -> list[Record]:
        """A task for a call that nobody answered, or that was cut off."""
        if not self._policy.call_back:
            return []
        priority = TOP_PRIORITY if why == CUT_OFF else after.priority
        due = wall + self._policy.call_back_delays[0]
        task = self._tasks.of_number(after.number)
        if task is not None:
            if task.due is not None:
                due = min(due, task.due)
            added: dict[str, JSON] = {
                "task": task.id,
                "priority": max(priority, task.priority),
                "why": why,
                "due": due if task.not_callable is None else None,
            }
            return [Record(after.id, FactKind.CALL_BACK_ADDED, added)]
        not_callable = None if after.callable else after.number_fault or "unknown"
        created: dict[str, JSON] = {
            "caller_e164": after.number or None,
            "caller_display": after.display,
            "category": after.category,
            "queue": after.queue,
            "priority": priority,
            "language": after.language,
            "trunk": after.trunk,
            "why": why,
            "not_callable": not_callable,
            "due": None if not_callable else due,
        }
        return [Record(after.id, FactKind.CALL_BACK_CREATED, created)]

    def _why(self, before: Call, after: Call, event: CallEvent, now: float) -> str | None:
        ending = after.termination
        if ending is None or before.information is Then.END:
            return None
        broken = isinstance(event, LegGone) and event.leg == before.caller and event.cause in FAULTS
        if broken or ending.result is Result.SERVER:
            return CUT_OFF
        # Who had called before has waited enough.
        waited = now - before.arrived >= self._policy.call_back_after or bool(before.earlier)
        return ABANDONED if ending.reason == "abandoned" and waited else None


def _under_way(calls: Mapping[CallId, Call]) -> dict[str, Call]:
    return {call.earlier: call for call in calls.values() if call.phase in PHASES}


def _withdraw(task: CallBack, calls: Mapping[CallId, Call], reason: str) -> list[CallBackWithdrawn]:
    call = _under_way(calls).get(task.id)
    return [] if call is None else [CallBackWithdrawn(call.id, reason)]


def _closed(
    task: CallBack,
    outcome: str,
    reason: str = "",
    by: Asker | None = None,
    call: CallId | None = None,
) -> Record:
    who: dict[str, JSON] = {"by": None, "via": None} if by is None else {**by.fields}
    data: dict[str, JSON] = {"task": task.id, "outcome": outcome, "reason": reason or None, **who}
    return Record(call, FactKind.CALL_BACK_CLOSED, data)
