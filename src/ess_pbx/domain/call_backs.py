"""Who is to be called back: callers who left before a human answered, or who were cut off.

One task stands for all such calls of a number, under the id of the first. A task that is closed is
forgotten here; the database keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from ess_pbx.domain import ids
from ess_pbx.domain.facts import JSON, FactKind

REACHED = "reached"
REDIALLED = "redialled"
UNREACHABLE = "unreachable"
CLOSED = "closed"
EXPIRED = "expired"

OPERATOR_LEFT = "operator left"
"""An attempt's outcome that says nothing of the caller: it does not count against the task."""
ENGINE_RESTARTED = "engine restarted"

TORN_OFF = 10
"""Calls begun within the last milliseconds before a crash, whose facts may be lost."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One time that the number was rung."""

    at: float
    agent: str
    outcome: str


class Dialling(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt in flight."""

    call: str
    agent: str


class CallBack(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to call back. Times are epoch seconds."""

    id: str
    caller_e164: str | None
    caller_display: str
    category: str
    queue: str
    priority: int
    language: str
    trunk: str
    why: str
    """``abandoned`` or ``cut off``."""
    not_callable: str | None
    """Why the number cannot be called; then it is for people to find the caller."""
    due: float | None
    """When to try next; None when never."""
    created: float
    calls: tuple[str, ...] = ()
    """Later calls of the same number that it stands for too."""
    attempts: tuple[Attempt, ...] = ()
    dialling: Dialling | None = None
    asked: bool = False
    """Somebody wants it done now."""
    agent: str | None = None
    """Whom they want to do it."""

    @property
    def failed(self) -> int:
        """Attempts that count against the task."""
        return sum(each.outcome != OPERATOR_LEFT for each in self.attempts)


class CallBacks:
    """The open tasks (a ``Memory``)."""

    name = "call-backs"

    def __init__(self) -> None:
        self.open: dict[str, CallBack] = {}
        self.started = 0
        """The number of the latest call made, for its id."""
        self._of_number: dict[str, str] = {}

    def of_number(self, number: str | None) -> CallBack | None:
        """The task that a number (E.164) has."""
        return self.open.get(self._of_number.get(number, "")) if number else None

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], at: float, /) -> None:
        """Follow what was decided."""
        if kind == FactKind.CALL_BACK_CREATED:
            self._keep(msgspec.convert({**data, "id": call, "created": at}, CallBack))
            return
        if kind == FactKind.CALL_BACK_STARTED:
            self.started = max(self.started + 1, ids.number_of_call_back(str(call)))
        task = self.open.get(str(data.get("task")))
        if task is None:
            return
        match kind:
            case FactKind.CALL_BACK_ADDED:
                self._change(task, data, "priority", "due", calls=(*task.calls, str(call)))
            case FactKind.CALL_BACK_ASKED:
                self._change(task, data, "agent", "due", asked=True)
            case FactKind.CALL_BACK_DIALLED:
                dialling = Dialling(call=str(call), agent=str(data["agent"]))
                self._change(task, data, dialling=dialling)
            case FactKind.CALL_BACK_ATTEMPTED:
                attempt = Attempt(at=at, agent=str(data["agent"]), outcome=str(data["outcome"]))
                # What somebody asked for is done.
                self._change(
                    *(task, data, "due"),
                    attempts=(*task.attempts, attempt),
                    dialling=None,
                    asked=False,
                    agent=None,
                )
            case FactKind.CALL_BACK_CLOSED:
                del self.open[task.id]
                if task.caller_e164 and self._of_number.get(task.caller_e164) == task.id:
                    del self._of_number[task.caller_e164]

    def skip_torn_off(self, wall: float) -> None:
        """After a start: the latest calls made may be on no record, and their ids be in use.

        Numbers go on from the wall clock's milliseconds, which no engine before it had.
        """
        self.started = max(self.started + TORN_OFF, round(wall * 1000))

    def skip_in_use(self, calls: Iterable[str]) -> None:
        """The ids of these calls are taken, whether their start is on record or not."""
        self.started = max(self.started, *map(ids.number_of_call_back, calls), 0)

    def dump(self) -> JSON:
        """All of it, for a checkpoint."""
        tasks: JSON = msgspec.to_builtins(list(self.open.values()))
        return {"started": self.started, "open": tasks}

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave."""
        kept = msgspec.convert(state, _Kept)
        self.started, self.open, self._of_number = kept.started, {}, {}
        for task in kept.open:
            self._keep(task)

    def _keep(self, task: CallBack) -> None:
        self.open[task.id] = task
        if task.caller_e164:
            self._of_number[task.caller_e164] = task.id

    def _change(
        self, task: CallBack, data: Mapping[str, JSON], *same: str, **changes: object
    ) -> None:
        self.open[task.id] = replace(task, **{name: data[name] for name in same}, **changes)


class _Kept(msgspec.Struct, frozen=True):
    started: int
    open: list[CallBack]
