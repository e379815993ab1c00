"""The figures' rows of a period come from both databases as the journal told them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.connect import DatabaseError, create_engine
from ess_pbx.db.figures import PeriodFacts, read_period
from ess_pbx.db.projector import project
from ess_pbx.domain.absence import ServedCall, imported, records
from ess_pbx.domain.events import Arrived
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.outbound_figures import OutboundFacts
from ess_pbx.domain.service_level import Consult, MissedOffer, Outcome, Step, figures, work

from .story import a_whole_call, an_overflowing_call

K = FactKind
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)
_OPERATOR = {"agent": "1001", "leg": "op"}
_ARRIVAL = dict.fromkeys(
    ("caller_raw", "caller_e164", "caller_display", "called", "channel", "node")
)

Told = tuple[FactKind, float, dict[str, Any]]


async def given_facts(engine: AsyncEngine, facts: list[Fact], journal: str = "journal") -> None:
    async with engine.begin() as connection:
        await project(connection, list(enumerate(facts, 1)), journal)


def a_call(
    name: str, invited: datetime, told: list[Told], *, centre: str = "cilegon", **arrival: Any
) -> list[Fact]:
    """The facts of a call, each at seconds after its INVITE."""
    start = {**_ARRIVAL, "trunk": "telkom", "invited_at": invited.timestamp(), **arrival}
    return [
        Fact(
            id=f"{name}-{number}",
            centre=centre,
            call=name,
            kind=kind,
            at=invited.timestamp() + after,
            ms=round(after * 1000),
            data=data,
        )
        for number, (kind, after, data) in enumerate([(K.CALL_ARRIVED, 0.0, start), *told])
    ]


def ended(after: float, result: str, by: str | None) -> Told:
    data = {"result": result, "reason": "", "channel_cause": 16, "ended_by": by}
    return K.CALL_ENDED, after, data


def answered(after: float) -> list[Told]:
    return [
        (K.QUEUED, 0.5, {"queue": "umum", "priority": 5}),
        (K.OPERATOR_RUNG, 1.0, _OPERATOR),
        (K.CALL_ANSWERED, 1.5, {}),
        (K.OPERATOR_ANSWERED, after, _OPERATOR),
    ]


async def the_day(engine: AsyncEngine, **chosen: str) -> PeriodFacts:
    return await read_period(engine, "cilegon", MIDNIGHT, MIDNIGHT + DAY, **chosen)


async def test_an_empty_period_has_no_facts(engine: AsyncEngine) -> None:
    found = await the_day(engine)
    assert (found.calls, found.missed, found.states) == ((), (), ())


async def test_a_whole_call_is_told_with_its_offers_and_consults(engine: AsyncEngine) -> None:
    await given_facts(engine, a_whole_call())
    around = datetime(2025, 6, 15, tzinfo=UTC)
    found = await read_period(engine, "cilegon", around, around + DAY)

    (call,) = found.calls
    assert (call.category, call.trunk, call.operator) == ("medis", "telkom", "2002")
    assert (call.greeted, call.queued, call.rung, call.step) == (True, True, True, Step.CLOSED)
    assert (call.caller_connected, call.operator_answered, call.ended) == (3.0, 20.0, 33.0)
    assert call.consults == (
        Consult(agency="damkar", started=21.0, failure="busy"),
        Consult(agency="psc119", started=24.0, rung=True, answered=26.0),
    )
    assert found.missed == (MissedOffer(call="call-1", agent="2001", reason="no-answer"),)
    assert [(state.agent, state.status, state.run) for state in found.states] == [
        ("2001", "available", "boot")
    ]


async def test_an_agency_that_took_a_waiting_caller_answered_the_call(
    engine: AsyncEngine,
) -> None:
    await given_facts(engine, an_overflowing_call())
    around = datetime(2025, 6, 15, tzinfo=UTC)
    (call,) = (await read_period(engine, "cilegon", around, around + DAY)).calls

    assert (call.operator, call.operator_answered, call.step) == (None, None, Step.CLOSED)
    assert call.answered_after == 9.0
    assert call.consults == (
        Consult(agency="tetangga", started=5.0, failure="busy"),
        Consult(agency="psc119", started=7.0, rung=True, answered=9.0),
    )


async def test_each_contacts_outcome_and_who_was_given_the_caller_are_told(
    engine: AsyncEngine,
) -> None:
    first, second = {"agency": "psc119", "leg": "a~ag3"}, {"agency": "psc119", "leg": "a~ag4"}
    events = [
        *answered(2.0),
        (K.CONSULT_STARTED, 3.0, {**first, "agent": "2001", "contact": 1}),
        (K.AGENCY_RUNG, 4.0, first),
        (K.CONSULT_FAILED, 9.0, {**first, "reason": "no answer"}),
        (K.CONSULT_STARTED, 9.0, {**second, "agent": "2001", "contact": 2}),
        (K.AGENCY_RUNG, 10.0, second),
        (K.AGENCY_ANSWERED, 12.0, second),
        (K.PARTY_JOINED, 20.0, {"party": "psc119", "leg": "a~ag4"}),
    ]
    await given_facts(engine, a_call("a", MIDNIGHT, events))

    [call] = (await the_day(engine)).calls

    assert call.consults == (
        Consult(agency="psc119", started=3.0, rung=True, failure="no answer"),
        Consult(agency="psc119", started=9.0, contact=2, rung=True, answered=12.0, given=True),
    )


async def test_a_call_belongs_to_the_day_of_its_invite(engine: AsyncEngine) -> None:
    times = {
        "before": MIDNIGHT - timedelta(milliseconds=1),
        "first": MIDNIGHT,
        "last": MIDNIGHT + DAY - timedelta(milliseconds=1),
        "after": MIDNIGHT + DAY,
    }
    for number, (name, invited) in enumerate(times.items()):
        await given_facts(engine, a_call(name, invited, answered(2000.0)), f"journal{number}")
    found = await the_day(engine)
    assert [call.id for call in found.calls] == ["first", "last"]
    assert [call.operator_answered for call in found.calls] == [2000.0, 2000.0]


async def test_other_centres_categories_and_trunks_are_left_out(engine: AsyncEngine) -> None:
    medis = {"category": "medis", "queue": "umum", "priority": 5, "language": "id"}
    facts = [
        *a_call("here", MIDNIGHT, [(K.CLASSIFIED, 1.0, medis), *answered(3.0)]),
        *a_call("other-trunk", MIDNIGHT, answered(3.0), trunk="indosat"),
        *a_call("elsewhere", MIDNIGHT, answered(3.0), centre="serang"),
    ]
    await given_facts(engine, facts)
    assert [call.id for call in (await the_day(engine)).calls] == ["here", "other-trunk"]
    assert [call.id for call in (await the_day(engine, category="medis")).calls] == ["here"]
    assert [call.id for call in (await the_day(engine, trunk="indosat")).calls] == ["other-trunk"]


async def test_outcomes_are_told_apart(engine: AsyncEngine) -> None:
    missed = (K.OFFER_MISSED, 9.0, {**_OPERATOR, "reason": "no answer"})
    facts = [
        *a_call("1-answered", MIDNIGHT, [*answered(3.0), ended(60.0, "success", "caller")]),
        *a_call("2-abandoned", MIDNIGHT, [missed, ended(20.0, "client", "caller")]),
        *a_call("3-lost", MIDNIGHT, [ended(2.0, "server", None)]),
        *a_call("4-waiting", MIDNIGHT, [(K.QUEUED, 1.0, {"queue": "umum", "priority": 5})]),
        *a_call("5-talking", MIDNIGHT, answered(30.0)),
    ]
    await given_facts(engine, facts)
    found = await the_day(engine)
    assert [call.outcome for call in found.calls] == [
        *(Outcome.ANSWERED, Outcome.ABANDONED, Outcome.LOST, Outcome.WAITING, Outcome.ANSWERED)
    ]
    result = figures(found.calls, found.missed)
    assert (result.unfinished, result.rona, result.longest_wait) == (2, 1, 30.0)
    assert result.service_levels[0].of_all == 1 / 5


async def test_the_first_operator_who_answered_is_the_one(engine: AsyncEngine) -> None:
    again = (K.OPERATOR_ANSWERED, 50.0, {"agent": "1002", "leg": "op2"})
    await given_facts(engine, a_call("call", MIDNIGHT, [*answered(3.0), again]))
    (call,) = (await the_day(engine)).calls
    assert (call.operator, call.operator_answered) == ("1001", 3.0)


async def test_a_call_whose_arrival_was_lost_is_counted_by_what_is_known(
    engine: AsyncEngine,
) -> None:
    facts = a_call("call", MIDNIGHT, [*answered(3.0), ended(9.0, "success", "caller")])[1:]
    unclocked = [
        Fact(id=f.id, centre=f.centre, call=f.call, kind=f.kind, at=f.at, ms=None, data=f.data)
        for f in facts
    ]
    await given_facts(engine, unclocked)
    (call,) = (await the_day(engine)).calls
    # The first time known is our answer, 1.5 s after the INVITE that nobody remembers.
    assert (call.operator_answered, call.ended) == (1.5, 7.5)


async def test_states_are_read_from_a_day_before_in_order(engine: AsyncEngine) -> None:
    def state(number: int, hours: float, name: str) -> Fact:
        data = {"agent": "1001", "status": "present", "state": name, "call": None}
        at = MIDNIGHT.timestamp() + hours * 3600
        return Fact(
            id=f"boot-{number}",
            centre="cilegon",
            call=None,
            kind=K.AGENT_STATE,
            at=at,
            ms=None,
            data=data,
        )

    told = [state(1, -25, "idle"), state(2, -1, "talking"), state(3, 1, "idle"), state(4, 24, "x")]
    await given_facts(engine, told)
    found = await the_day(engine)
    assert [each.state for each in found.states] == ["talking", "idle"]
    window = (MIDNIGHT.timestamp(), (MIDNIGHT + DAY).timestamp())
    did = work(found.states, [window], now=window[0] + 2 * 3600)["1001"]
    assert (did.talking, did.on_duty) == (3600.0, 7200.0)


async def test_a_database_without_tables_says_what_to_do(empty_url: str) -> None:
    engine = create_engine(empty_url)
    try:
        with pytest.raises(DatabaseError, match="ess-pbx migrate"):
            await the_day(engine)
    finally:
        await engine.dispose()


async def test_calls_that_the_dialplan_served_are_in_the_figures_of_their_day(
    engine: AsyncEngine,
) -> None:
    at = MIDNIGHT.timestamp() + 3600

    def arrived(name: str) -> Arrived:
        call = CallId(name)
        return Arrived(
            *(call, "0811", "+62811", "0811", "112", "telkom"),
            invited_at=at,
            callable=True,
            node="ess1",
        )

    answered_one = ServedCall(
        arrived("ess1-1.1"), agent="1001", leg="PJSIP-1", answered=at + 4.0, ended=at + 64.0
    )
    given_up = ServedCall(arrived("ess1-1.2"), ended=at + 30.0)
    # What an engine says of them when it is back, twice: the first was cut off.
    for served in (answered_one, given_up, answered_one):
        told = [*records(served), imported(served)]
        await given_facts(
            engine,
            [
                Fact(
                    id=str(each.id),
                    centre="cilegon",
                    call=each.call,
                    kind=each.kind,
                    at=float(each.at or 0.0),
                    ms=None,
                    data=each.data,
                )
                for each in told
            ],
            journal=f"journal-{served.call}",
        )

    found = await the_day(engine)
    its = figures(found.calls)
    assert (its.offered, its.answered, its.abandoned) == (2, 1, 1)
    assert its.answer.mean == 4.0
    assert [call.operator for call in found.calls] == ["1001", None]


async def test_what_operators_dialled_of_themselves_is_none_of_the_calls_that_came_in(
    engine: AsyncEngine,
) -> None:
    at = MIDNIGHT + timedelta(hours=9)
    by = {"agent": "1001", "role": "operator", "number": "+622541234567", "by": "1001"}
    more = {"day": "2026-11-21", "via": "phone"}
    place = {"trunk": "telkom", "node": "ess1"}

    def fact(name: str, kind: FactKind, after: float, call: str | None, **data: Any) -> Fact:
        when = at.timestamp() + after
        return Fact(id=name, centre="cilegon", call=call, kind=kind, at=when, ms=None, data=data)

    refused = {**by, **more, "reason": "not-allowed"}
    facts = [
        fact("f1", K.OUTBOUND_STARTED, 0.0, "out-1", **by, **more, **place),
        fact("f2", K.OUTBOUND_ANSWERED, 3.0, "out-1", agent="1001"),
        fact("f3", K.OUTBOUND_REFUSED, 9.0, None, **refused),
        fact("f4", K.OUTBOUND_STARTED, 24 * 3600.0, "out-2", **by, **more, **place),
    ]
    await given_facts(engine, facts)

    period = await read_period(engine, "cilegon", MIDNIGHT, MIDNIGHT + DAY)
    assert period.calls == ()
    assert period.outbound == (
        OutboundFacts(agent="1001", answered=True),
        OutboundFacts(agent="1001", refused="not-allowed"),
    )
    assert (await read_period(engine, "serang", MIDNIGHT, MIDNIGHT + DAY)).outbound == ()
