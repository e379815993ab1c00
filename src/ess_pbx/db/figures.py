"""The rows that the figures of a period are made from: read here, defined in the domain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ess_pbx.db.connect import reading
from ess_pbx.db.tables import call_backs, call_events, calls
from ess_pbx.domain.call_back_figures import CallBackFacts
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.outbound_figures import OutboundFacts
from ess_pbx.domain.service_level import (
    LONGEST_STATE,
    CallFacts,
    Consult,
    MissedOffer,
    PassedOver,
    StateFact,
)

BATCH = 2000
"""Rows taken from the database at a time; a bad month of a large city has a million events."""

K = FactKind
_KINDS = (
    *(K.CALL_ANSWERED, K.GREETING_STARTED, K.QUEUED, K.OPERATOR_RUNG, K.OFFER_MISSED),
    *(K.OPERATOR_ANSWERED, K.CONSULT_STARTED, K.OVERFLOW_STARTED),
    *(K.AGENCY_RUNG, K.AGENCY_ANSWERED, K.CONSULT_FAILED, K.OVERFLOW_FAILED, K.PARTY_JOINED),
    *(K.REDIAL, K.SILENT_CALLER, K.CONTACT_PASSED_OVER, K.HELD, K.UNHELD, K.OPERATOR_LEFT),
)
_first_known = func.coalesce(
    calls.c.answered_at, calls.c.queued_at, calls.c.operator_answered_at, calls.c.ended_at
)


_CAME_IN = calls.c.direction.is_distinct_from("out")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFacts:
    """All that a period's figures are made from."""

    calls: tuple[CallFacts, ...]
    """In order of their INVITE."""
    missed: tuple[MissedOffer, ...]
    states: tuple[StateFact, ...]
    """In order of time, from ``LONGEST_STATE`` before the period on; never filtered."""
    call_backs: tuple[CallBackFacts, ...] = ()
    """Those whose task was made in the period."""
    outbound: tuple[OutboundFacts, ...] = ()
    """What operators dialled themselves; never filtered."""


async def read_period(
    engine: AsyncEngine,
    centre: str,
    start: datetime,
    end: datetime,
    *,
    category: str | None = None,
    trunk: str | None = None,
) -> PeriodFacts:
    """What happened to the calls of ``centre`` whose INVITE came in [start, end), both aware.

    Only calls of a category or trunk when given. Raises DatabaseError when it cannot be read.
    """
    # A call that the centre made is none that was offered to it.
    chosen = [calls.c.centre == centre, _arrived_in(start, end), _CAME_IN]
    backs = call_backs.c
    tasks = [backs.centre == centre, backs.created_at >= start, backs.created_at < end]
    if category is not None:
        chosen.append(calls.c.category == category)
        tasks.append(backs.category == category)
    if trunk is not None:
        chosen.append(calls.c.trunk == trunk)
        tasks.append(backs.trunk == trunk)
    async with reading(engine, "the figures") as connection:
        stories = {row.id: _Story(row) async for row in _rows(connection, _calls(chosen))}
        async for row in _rows(connection, _events(chosen)):
            # A call that the projector wrote between the two reads comes with the next report.
            if row.call in stories:
                stories[row.call].take(row)
        states = [
            state
            async for row in _rows(connection, _states(centre, start, end))
            if (state := _state(row)) is not None
        ]
        found = [
            _call_back_facts(row)
            async for row in _rows(connection, select(call_backs).where(*tasks))
        ]
        dialled: dict[str, OutboundFacts] = {}
        async for row in _rows(connection, _outbound(centre, start, end)):
            _take_outbound(dialled, row)
    told = [story.call() for story in stories.values()]
    return PeriodFacts(
        calls=tuple(sorted(told, key=lambda call: (call.invited_at, call.id))),
        missed=tuple(offer for story in stories.values() for offer in story.missed),
        states=tuple(states),
        call_backs=tuple(found),
        outbound=tuple(dialled.values()),
    )


def _arrived_in(start: datetime, end: datetime) -> ColumnElement[bool]:
    """By the INVITE, or by the first time known when the fact of the arrival was lost."""
    invited = calls.c.invited_at
    return or_(
        and_(invited >= start, invited < end),
        and_(invited.is_(None), _first_known >= start, _first_known < end),
    )


def _calls(chosen: list[ColumnElement[bool]]) -> Select[Any]:
    return select(calls, _first_known.label("first_known")).where(*chosen)


def _events(chosen: list[ColumnElement[bool]]) -> Select[Any]:
    events = call_events.c
    return (
        select(events.call, events.kind, events.at, events.ms, events.data)
        .join(calls, events.call == calls.c.id)
        .where(*chosen, events.kind.in_(_KINDS))
        .order_by(events.call, events.position)
    )


def _states(centre: str, start: datetime, end: datetime) -> Select[Any]:
    events = call_events.c
    since = start - timedelta(seconds=LONGEST_STATE)
    return (
        select(events.id, events.at, events.data)
        .where(events.centre == centre, events.kind == K.AGENT_STATE)
        .where(events.at >= since, events.at < end)
        .order_by(events.at, events.position)
    )


def _outbound(centre: str, start: datetime, end: datetime) -> Select[Any]:
    """What was dialled in the period; its answer may have come after it."""
    events = call_events.c
    kinds = (K.OUTBOUND_STARTED, K.OUTBOUND_REFUSED)
    dialled = (
        select(events.call)
        .where(events.centre == centre, events.kind == K.OUTBOUND_STARTED)
        .where(events.at >= start, events.at < end)
    )
    in_time = and_(events.kind.in_(kinds), events.at >= start, events.at < end)
    answers = and_(events.kind == K.OUTBOUND_ANSWERED, events.call.in_(dialled))
    return (
        select(events.id, events.call, events.kind, events.data)
        .where(events.centre == centre, or_(in_time, answers))
        .order_by(events.at, events.position)
    )


def _take_outbound(dialled: dict[str, OutboundFacts], row: Row[Any]) -> None:
    attempt = row.call or row.id
    agent = str(row.data.get("agent"))
    before = dialled.get(attempt, OutboundFacts(agent=agent))
    match row.kind:
        case K.OUTBOUND_REFUSED:
            before = replace(before, refused=str(row.data.get("reason")))
        case K.OUTBOUND_ANSWERED:
            before = replace(before, answered=True)
    dialled[attempt] = before


def _call_back_facts(row: Row[Any]) -> CallBackFacts:
    closed = None
    if row.closed_at is not None:
        closed = max(0.0, (row.closed_at - row.created_at).total_seconds())
    return CallBackFacts(
        id=row.id,
        category=row.category,
        trunk=row.trunk,
        created_at=row.created_at,
        callable=row.not_callable is None,
        outcome=row.outcome,
        closed_after=closed,
    )


def _state(row: Row[Any]) -> StateFact | None:
    agent = row.data.get("agent")
    if agent is None:
        return None
    # Fact.id: the run of the engine, and a counter.
    run = row.id.rpartition("-")[0]
    status, state = str(row.data.get("status")), str(row.data.get("state"))
    return StateFact(agent=agent, status=status, state=state, at=row.at.timestamp(), run=run)


@dataclass(slots=True)
class _Story:
    """One call while its events are read, in the order in which they were decided."""

    row: Row[Any]
    first: dict[str, float] = field(default_factory=dict)
    """Seconds since the INVITE of the first event of each kind."""
    operator: str | None = None
    consults: dict[str, Consult] = field(default_factory=dict)
    missed: list[MissedOffer] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    holds: list[float] = field(default_factory=list)
    held_since: float | None = None

    @property
    def invited_at(self) -> datetime:
        found: datetime = self.row.invited_at or self.row.first_known
        return found

    def since_invite(self, at: datetime | None, ms: int | None) -> float | None:
        """By the monotonic clock; by the wall's when a restarted engine no longer knew it."""
        if ms is not None:
            return max(0.0, ms / 1000)
        return None if at is None else max(0.0, (at - self.invited_at).total_seconds())

    def take(self, event: Row[Any]) -> None:
        after = self.since_invite(event.at, event.ms) or 0.0
        data = event.data
        leg = str(data.get("leg"))
        self.first.setdefault(event.kind, after)
        match event.kind:
            case K.OPERATOR_ANSWERED if self.operator is None:
                self.operator = data.get("agent")
            case K.OFFER_MISSED:
                agent, reason = str(data.get("agent")), str(data.get("reason"))
                self.missed.append(MissedOffer(call=self.row.id, agent=agent, reason=reason))
            case K.CONTACT_PASSED_OVER:
                agency, contact = str(data.get("agency")), data.get("contact") or 1
                reason = str(data.get("reason"))
                self.passed_over.append(PassedOver(agency=agency, contact=contact, reason=reason))
            case K.HELD:
                self.held_since = after
            case K.UNHELD | K.QUEUED | K.OPERATOR_LEFT:
                self._hold_over(after)
            case K.CONSULT_STARTED | K.OVERFLOW_STARTED:
                agency, contact = str(data.get("agency")), data.get("contact") or 1
                self.consults[leg] = Consult(agency=agency, started=after, contact=contact)
            case K.AGENCY_RUNG | K.AGENCY_ANSWERED:
                agency = str(data.get("agency"))
                consult = self.consults.get(leg, Consult(agency=agency, started=after))
                if event.kind == K.AGENCY_RUNG:
                    self.consults[leg] = replace(consult, rung=True)
                else:
                    self.consults[leg] = replace(consult, answered=after)
            case K.CONSULT_FAILED | K.OVERFLOW_FAILED if leg in self.consults:
                reason = str(data.get("reason"))
                self.consults[leg] = replace(self.consults[leg], failure=reason)
            case K.PARTY_JOINED if leg in self.consults:
                self.consults[leg] = replace(self.consults[leg], given=True)

    def _hold_over(self, after: float) -> None:
        if self.held_since is not None:
            self.holds.append(max(0.0, after - self.held_since))
        self.held_since = None

    def call(self) -> CallFacts:
        row = self.row
        answered = self.since_invite(row.operator_answered_at, row.operator_answered_ms)
        ended = None if row.result is None else self.since_invite(row.ended_at, row.ended_ms)
        if ended is not None:
            self._hold_over(ended)
        going_on = () if self.held_since is None else (None,)
        return CallFacts(
            id=row.id,
            invited_at=self.invited_at,
            category=row.category,
            trunk=row.trunk,
            operator=self.operator or row.operator,
            greeted=K.GREETING_STARTED in self.first,
            queued=row.queued_at is not None or K.QUEUED in self.first,
            rung=K.OPERATOR_RUNG in self.first,
            caller_connected=self.first.get(
                K.CALL_ANSWERED, self.since_invite(row.answered_at, None)
            ),
            operator_answered=self.first.get(K.OPERATOR_ANSWERED, answered),
            consults=tuple(self.consults.values()),
            passed_over=tuple(self.passed_over),
            holds=(*self.holds, *going_on),
            ended=ended,
            result=row.result,
            ended_by=row.ended_by,
            mark=row.mark,
            redial=K.REDIAL in self.first,
            silent=K.SILENT_CALLER in self.first,
        )


async def _rows(connection: AsyncConnection, query: Select[Any]) -> AsyncIterator[Row[Any]]:
    result = await connection.stream(query)
    async for batch in result.partitions(BATCH):
        for row in batch:
            yield row
