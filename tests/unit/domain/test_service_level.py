"""Each figure is what its definition says, and holds for every set of calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess_pbx.domain.service_level import (
    LONGEST_STATE,
    CallFacts,
    Consult,
    MissedOffer,
    Outcome,
    StateFact,
    Step,
    Thresholds,
    Work,
    figures,
    spread,
    work,
)

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
HOUR = 3600.0


def a_call(**known: object) -> CallFacts:
    return replace(CallFacts(id="call-1", invited_at=AT), **known)  # type: ignore[arg-type]


def an_answered_call(after: float, **known: object) -> CallFacts:
    return a_call(operator="1001", operator_answered=after, caller_connected=0.1, **known)


def an_abandoned_call(after: float) -> CallFacts:
    return a_call(queued=True, ended=after, result="client", ended_by="caller")


seconds = st.floats(0, 7200, allow_nan=False)
some_consults = st.lists(
    st.builds(
        Consult,
        agency=st.sampled_from(["psc119", "damkar"]),
        started=seconds,
        rung=st.booleans(),
        answered=st.none() | seconds,
    ),
    max_size=2,
).map(tuple)
any_call = st.builds(
    CallFacts,
    id=st.just("call"),
    invited_at=st.just(AT),
    greeted=st.booleans(),
    queued=st.booleans(),
    rung=st.booleans(),
    caller_connected=st.none() | seconds,
    operator_answered=st.none() | seconds,
    consults=some_consults,
    ended=st.none() | seconds,
    result=st.none() | st.sampled_from(["success", "client", "server", "upstream"]),
    ended_by=st.none() | st.sampled_from(["caller", "operator", "agency"]),
)
any_calls = st.lists(any_call, max_size=12)
limits = st.builds(
    Thresholds, within=st.lists(seconds, min_size=1, max_size=3).map(tuple), short=seconds
)


def test_without_calls_there_are_no_rates_and_nothing_is_divided_by_zero() -> None:
    nothing = figures([])
    assert set(nothing.funnel.values()) == {0}
    assert [(s.of_all, s.without_short) for s in nothing.service_levels] == [(None, None)] * 2
    assert (nothing.answer.mean, nothing.answer.p95, nothing.longest_wait) == (None, None, None)
    assert nothing.agency.to_answer.mean is None


@given(any_calls, limits)
def test_no_step_of_the_funnel_exceeds_the_one_before(
    calls: list[CallFacts], thresholds: Thresholds
) -> None:
    funnel = figures(calls, (), thresholds).funnel
    assert list(funnel) == list(Step)
    assert funnel[Step.OFFERED] == len(calls)
    assert all(later <= earlier for earlier, later in pairwise(funnel.values()))


@given(any_calls, limits)
def test_service_levels_are_shares(calls: list[CallFacts], thresholds: Thresholds) -> None:
    for level in figures(calls, (), thresholds).service_levels:
        for share in (level.of_all, level.without_short):
            assert share is None or 0 <= share <= 1
        if level.of_all is not None and level.without_short is not None:
            assert level.of_all <= level.without_short


@given(any_calls, limits)
def test_a_call_answered_in_time_never_lowers_the_service_level(
    calls: list[CallFacts], thresholds: Thresholds
) -> None:
    in_time = a_call(operator_answered=min(thresholds.within))
    before = figures(calls, (), thresholds).service_levels
    after = figures([*calls, in_time], (), thresholds).service_levels
    for old, new in zip(before, after, strict=True):
        assert (new.of_all or 0) >= (old.of_all or 0)
        assert (new.without_short or 0) >= (old.without_short or 0)


@given(any_calls)
def test_each_call_has_one_outcome(calls: list[CallFacts]) -> None:
    found = figures(calls)
    outcomes = (found.answered, found.abandoned, found.lost, found.informed, found.waiting)
    assert sum(outcomes) == found.offered
    assert found.waiting <= found.unfinished
    assert found.answered == found.funnel[Step.ANSWERED]


def test_an_unfinished_call_is_no_abandon() -> None:
    found = figures([a_call(queued=True), an_answered_call(4.0)])
    assert (found.abandoned, found.lost, found.waiting, found.unfinished) == (0, 0, 1, 2)
    assert found.service_levels[0].of_all == 0.5


def test_a_caller_who_heard_the_information_is_neither_lost_nor_in_the_service_level() -> None:
    informed = a_call(ended=30.0, result="success", ended_by=None, queued=True)
    found = figures([informed, an_answered_call(4.0)])
    assert informed.outcome is Outcome.INFORMED
    assert (found.informed, found.lost, found.abandoned) == (1, 0, 0)
    assert found.service_levels[0].of_all == 1.0
    assert found.longest_wait == 4.0


def test_a_call_that_we_lost_is_no_abandon() -> None:
    lost = a_call(ended=3.0, result="server", ended_by=None)
    assert lost.outcome is Outcome.LOST
    found = figures([lost])
    assert (found.lost, found.abandoned, found.short_abandons) == (1, 0, 0)


def test_the_clock_stops_when_both_hear_each_other() -> None:
    assert a_call(operator_answered=2.0, caller_connected=0.5).answered_after == 2.0
    assert a_call(operator_answered=2.0, caller_connected=2.5).answered_after == 2.5
    assert a_call(operator_answered=2.0).answered_after == 2.0
    assert a_call(greeted=True, caller_connected=0.5).answered_after is None


def test_an_agency_that_answers_a_waiting_caller_is_an_answer_and_one_that_only_rang_is_none() -> (
    None
):
    rang = Consult(agency="tetangga", started=60.0, rung=True)
    answered = replace(rang, answered=64.0)

    taken = a_call(queued=True, consults=(answered,), result="success", ended_by="caller")
    given_up = a_call(queued=True, consults=(rang,), result="client", ended_by="caller")

    assert (taken.answered_after, taken.outcome) == (64.0, Outcome.ANSWERED)
    assert (given_up.answered_after, given_up.outcome) == (None, Outcome.ABANDONED)
    assert an_answered_call(70.0, consults=(rang,)).answered_after == 70.0


def test_the_threshold_itself_is_in_time_and_short_is_below_its_own() -> None:
    calls = [an_answered_call(10.0), an_answered_call(10.001)]
    calls += [an_abandoned_call(4.999), an_abandoned_call(5.0)]
    ten, twenty = figures(calls).service_levels
    assert (ten.within, ten.of_all, ten.without_short) == (10.0, 1 / 4, 1 / 3)
    assert (twenty.within, twenty.of_all, twenty.without_short) == (20.0, 2 / 4, 2 / 3)
    assert (figures(calls).abandoned, figures(calls).short_abandons) == (2, 1)


def test_only_short_abandons_leave_no_second_service_level() -> None:
    level = figures([an_abandoned_call(1.0)]).service_levels[0]
    assert (level.of_all, level.without_short) == (0.0, None)


def test_an_operator_faster_than_the_greeting_is_no_loss_there() -> None:
    assert figures([an_answered_call(0.4)]).funnel[Step.GREETED] == 1


@pytest.mark.parametrize(
    ("call", "step"),
    [
        (a_call(), Step.OFFERED),
        (a_call(greeted=True), Step.GREETED),
        (a_call(greeted=True, queued=True), Step.QUEUED),
        (a_call(queued=True, rung=True), Step.RUNG),
        (an_answered_call(3.0, result="success"), Step.ANSWERED),
        (an_answered_call(3.0, consults=(Consult(agency="a", started=9.0),)), Step.ANSWERED),
        (
            an_answered_call(3.0, consults=(Consult(agency="a", started=9.0, rung=True),)),
            Step.AGENCY_RUNG,
        ),
        (
            an_answered_call(3.0, consults=(Consult(agency="a", started=9.0, answered=12.0),)),
            Step.AGENCY_ANSWERED,
        ),
        (
            an_answered_call(
                3.0, result="success", consults=(Consult(agency="a", started=9.0, answered=12.0),)
            ),
            Step.CLOSED,
        ),
    ],
)
def test_a_call_reaches_its_step(call: CallFacts, step: Step) -> None:
    assert call.step is step


def test_calls_done_without_an_agency_are_told_beside_the_funnel() -> None:
    found = figures([an_answered_call(3.0, result="success"), an_answered_call(3.0)])
    assert (found.without_agency, found.funnel[Step.AGENCY_RUNG]) == (1, 0)


def test_speed_of_answer_is_over_answered_calls_and_the_longest_wait_over_all() -> None:
    calls = [an_answered_call(float(s)) for s in range(1, 11)]
    found = figures([*calls, an_abandoned_call(90.0), a_call(queued=True)])
    assert (found.answer.count, found.answer.mean) == (10, 5.5)
    assert (found.answer.p50, found.answer.p90, found.answer.p95) == (5.0, 9.0, 10.0)
    assert found.longest_wait == 90.0


@given(st.lists(seconds, min_size=1, max_size=50))
def test_a_percentile_is_a_time_that_a_caller_had(values: list[float]) -> None:
    found = spread(values)
    for percent, value in ((50, found.p50), (90, found.p90), (95, found.p95)):
        assert value in values
        assert sum(v <= (value or 0) for v in values) * 100 >= percent * len(values)


def test_rona_is_a_phone_that_rang_to_its_end_only() -> None:
    offers = [
        MissedOffer(call="c", agent="1001", reason=reason)
        for reason in ("no answer", "refused", "no answer", "not registered")
    ]
    found = figures([a_call()], offers)
    assert (found.missed_offers, found.rona) == (4, 2)


def test_agencies_answer_from_our_request_and_from_the_invite() -> None:
    busy = Consult(agency="damkar", started=20.0, rung=False)
    slow = Consult(agency="psc119", started=30.0, rung=True, answered=42.0)
    found = figures([an_answered_call(5.0, consults=(busy, slow))])
    agency = found.agency
    assert (agency.consults, agency.rung, agency.answered) == (2, 1, 1)
    assert agency.to_answer.mean == 12.0
    assert found.invite_to_agency.mean == 42.0


def a_state(at: float, state: str, *, agent: str = "1001", **other: str) -> StateFact:
    return StateFact(
        agent=agent, status=other.pop("status", "present"), state=state, at=at, **other
    )


def test_occupancy_is_talking_and_wrap_up_of_the_time_on_duty() -> None:
    states = [
        a_state(0, "idle"),
        a_state(HOUR, "offered"),
        a_state(1.5 * HOUR, "talking"),
        a_state(2 * HOUR, "wrap-up"),
        a_state(2.25 * HOUR, "idle"),
        a_state(3 * HOUR, "idle", status="away"),
    ]
    did = work(states, [(0, 8 * HOUR)], now=8 * HOUR)["1001"]
    assert (did.talking, did.wrap_up, did.on_duty) == (0.5 * HOUR, 0.25 * HOUR, 3 * HOUR)
    assert did.occupancy == 0.25


def test_who_talks_on_after_the_shift_is_at_work() -> None:
    states = [a_state(0, "talking"), a_state(10, "talking", status="away"), a_state(30, "idle")]
    did = work(states, [(0, 30)], now=30)["1001"]
    assert (did.talking, did.on_duty, did.occupancy) == (30, 30, 1.0)


def test_a_state_counts_inside_the_windows_and_until_now_only() -> None:
    states = [a_state(0, "talking")]
    assert work(states, [(10, 20), (40, 90)], now=50)["1001"].talking == 20
    assert work(states, [(60, 90)], now=50) == {}


def test_nothing_is_claimed_between_two_runs_of_the_engine() -> None:
    states = [
        a_state(0, "talking", run="a"),
        a_state(100, "idle", agent="1002", run="a"),
        a_state(500, "idle", run="b"),
    ]
    did = work(states, [(0, 600)], now=600)
    assert (did["1001"].talking, did["1001"].on_duty) == (100, 200)
    assert "1002" not in did


def test_a_state_without_a_newer_fact_is_believed_for_a_day() -> None:
    did = work([a_state(0, "idle")], [(0, 9 * LONGEST_STATE)], now=9 * LONGEST_STATE)
    assert did["1001"].on_duty == LONGEST_STATE


def test_nobody_on_duty_has_no_occupancy() -> None:
    assert Work().occupancy is None


@given(
    st.lists(
        st.tuples(
            st.floats(0, 100),
            st.sampled_from(["1001", "1002"]),
            st.sampled_from(["present", "away"]),
            st.sampled_from(["idle", "offered", "talking", "wrap-up", "paused"]),
            st.sampled_from(["a", "b"]),
        )
    )
)
def test_occupancy_is_a_share_and_nobody_works_longer_than_the_time(
    states: list[tuple[float, str, str, str, str]],
) -> None:
    facts = [
        StateFact(at=at, agent=agent, status=status, state=state, run=run)
        for at, agent, status, state, run in sorted(states)
    ]
    for did in work(facts, [(0, 30), (30, 90)], now=95).values():
        assert 0 <= (did.occupancy or 0) <= 1
        assert did.on_duty <= 90 + 1e-6
