"""Strategies, skills, age, and operators who never answer."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.acd import PAUSE, Acd
from ess_pbx.domain.agent import Status
from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.config import Category, Centre, Operator, Queue, Strategy
from ess_pbx.domain.effects import JoinQueue, OfferMissed, OfferTaken, Record, ReleaseAgent
from ess_pbx.domain.events import OfferMade, TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.offers import Decision

from .centre import CALL, CENTRE, of
from .story import Story

SUPERVISOR = Asker("3001", Via.API)

SKILLS = {"2001": {"medis": 1}, "2002": {"medis": 3, "bahasa-en": 1}, "2003": {}}
POLICY = replace(CENTRE.policy, wrap_up=0, age_lift=60, rona_limit=2)


def a_centre(strategy: Strategy = "longest-idle") -> Centre:
    return replace(
        CENTRE,
        policy=POLICY,
        queues=(Queue(id="umum", name="U", strategy=strategy),),
        categories=(
            Category(id="lainnya", name="L", queue="umum"),
            Category(id="medis", name="M", queue="umum", skills=("medis",)),
        ),
        operators=tuple(
            Operator(extension=each, name=each, skills=skills) for each, skills in SKILLS.items()
        ),
        shifts=(replace(CENTRE.shifts[0], operators=tuple(SKILLS)),),
        default_category="lainnya",
        first_menu=None,
    )


def an_acd(*agents: str, strategy: Strategy = "longest-idle") -> Acd:
    acd = Acd(a_centre(strategy))
    acd.set_on_duty(SKILLS, 0)
    for at, agent in enumerate(agents):
        acd.set_reachable(agent, True, at)
    return acd


def joins(
    acd: Acd, number: int, *skills: str, priority: int = 5, since: float | None = None
) -> list[tuple[str, str]]:
    age = float(number) if since is None else since
    call = CallId(f"c-{number}")
    return offers(acd.apply(JoinQueue(call, "umum", priority, age, frozenset(skills)), 100))


def offers(decisions: list[Decision]) -> list[tuple[str, str]]:
    return [(offer.call, offer.agent) for offer in of(decisions, OfferMade)]


def is_served(acd: Acd, number: int, agent: str, now: float) -> None:
    acd.apply(OfferTaken(CallId(f"c-{number}"), agent), now)
    acd.apply(ReleaseAgent(CallId(f"c-{number}"), agent), now)


def misses(acd: Acd, number: int, agent: str, reason: str = "no answer") -> list[Decision]:
    return acd.apply(OfferMissed(CallId(f"c-{number}"), agent, reason), 100)


def alarms(decisions: list[Decision]) -> list[tuple[FactKind, object]]:
    kinds = (FactKind.ALARM_RAISED, FactKind.ALARM_CLEARED)
    return [(each.kind, each.data["alarm"]) for each in of(decisions, Record) if each.kind in kinds]


@pytest.mark.parametrize(("ahead", "first"), [(59, "c-2"), (61, "c-1")])
def test_a_step_of_priority_is_worth_so_much_waiting_and_no_more(ahead: float, first: str) -> None:
    acd = an_acd()
    joins(acd, 1, priority=5, since=1000 - ahead)
    joins(acd, 2, priority=6, since=1000)

    [(call, _)] = offers(acd.set_reachable("2001", True, 1100))

    assert call == first


def test_by_default_the_highest_priority_goes_before_all_who_came_twenty_minutes_earlier() -> None:
    acd = Acd(CENTRE)
    acd.set_on_duty(["2001"], 0)
    joins(acd, 1, priority=5, since=0)
    joins(acd, 2, priority=9, since=1199)

    assert offers(acd.set_reachable("2001", True, 1200)) == [("c-2", "2001")]


def test_round_robin_goes_by_turns_however_long_the_others_are_idle() -> None:
    acd = an_acd("2001", "2002", "2003", strategy="round-robin")
    order = []
    for n in range(6):
        [(_, agent)] = joins(acd, n)
        order.append(agent)
        is_served(acd, n, agent, 1000 - n)  # the latest to finish is the longest idle

    assert order == ["2001", "2002", "2003"] * 2


def test_fewest_calls_makes_up_for_who_came_late() -> None:
    acd = an_acd("2001", "2002", strategy="fewest-calls")
    for n in range(4):
        [(_, agent)] = joins(acd, n)
        is_served(acd, n, agent, 100 + n)
    acd.set_reachable("2003", True, 200)

    for n in (4, 5):
        assert joins(acd, n) == [(f"c-{n}", "2003")]
        is_served(acd, n, "2003", 300 + n)
    assert joins(acd, 6) == [("c-6", "2001")]


def test_skill_first_takes_the_highest_level_then_the_longest_idle() -> None:
    acd = an_acd("2003", "2001", "2002", strategy="skill-first")

    assert joins(acd, 1, "medis") == [("c-1", "2002")]
    assert joins(acd, 2) == [("c-2", "2003")]


def test_of_those_who_come_on_duty_together_the_strategy_chooses() -> None:
    acd = an_acd("2001", "2002", strategy="skill-first")
    acd.set_on_duty([], 10)
    joins(acd, 1, "medis")

    assert offers(acd.set_on_duty(["2001", "2002"], 20)) == [("c-1", "2002")]


def test_a_call_goes_to_who_has_its_skills_though_another_is_idle_longer() -> None:
    acd = an_acd("2003", "2001", "2002")

    assert joins(acd, 1, "medis") == [("c-1", "2001")]
    assert joins(acd, 2, "medis", "bahasa-en") == [("c-2", "2002")]


def test_while_who_has_the_skills_is_busy_the_call_waits_for_them() -> None:
    acd = an_acd("2001", "2003")
    joins(acd, 1, "medis")

    assert joins(acd, 2, "medis") == []
    assert joins(acd, 3) == [("c-3", "2003")]


def test_where_nobody_has_the_skills_anyone_of_the_queue_takes_the_call() -> None:
    acd = an_acd("2003")

    assert joins(acd, 1, "medis") == [("c-1", "2003")]


def test_when_the_last_who_has_the_skills_goes_their_calls_go_to_anyone() -> None:
    acd = an_acd("2001", "2003")
    joins(acd, 1, "medis")
    joins(acd, 2, "medis")

    assert offers(acd.set_reachable("2001", False, 50)) == [("c-2", "2003")]


def test_a_call_missed_by_who_has_the_skills_goes_to_the_next_at_once() -> None:
    acd = an_acd("2001", "2003")
    joins(acd, 1, "medis")

    assert offers(misses(acd, 1, "2001")) == [("c-1", "2003")]


def test_a_call_that_moves_leaves_nothing_behind_in_its_old_line() -> None:
    acd = an_acd("2001", "2003")
    joins(acd, 0, "medis")
    joins(acd, 1)
    joins(acd, 2, since=2)
    joins(acd, 2, "medis", since=2)

    is_served(acd, 1, "2003", 50)

    assert acd.waiting[CallId("c-2")].offers == []
    is_served(acd, 0, "2001", 60)
    assert acd.waiting[CallId("c-2")].offers == ["2001"]


def test_who_misses_too_many_in_a_row_is_on_break_and_the_supervisor_is_told() -> None:
    acd = an_acd("2001", "2003")
    joins(acd, 1, "medis")
    misses(acd, 1, "2001")
    acd.timer_fired(TimerId("2001", PAUSE), 101)
    joins(acd, 2, "medis")
    decisions = misses(acd, 2, "2001")

    assert alarms(decisions) == [(FactKind.ALARM_RAISED, "operator-not-answering:2001")]
    assert acd.seats["2001"].on_break == "tidak menjawab"
    assert of(decisions, Record)[-1].data["status"] == "break"
    assert acd.timer_fired(TimerId("2001", PAUSE), 110)  # the pause is over, the break is not
    assert not acd.seats["2001"].free


def on_break() -> Acd:
    acd = an_acd("2001", "2003")
    for n in (1, 2):
        joins(acd, n, "medis")
        misses(acd, n, "2001")
        acd.timer_fired(TimerId("2001", PAUSE), 101)
    assert not acd.seats["2001"].present
    return acd


@pytest.mark.parametrize("command", [True, False])
def test_the_break_ends_by_command_or_when_the_phone_registers_anew(command: bool) -> None:
    acd = on_break()

    if command:
        decisions = acd.set_status("2001", Status.AVAILABLE, None, SUPERVISOR, 200)
    else:
        acd.set_reachable("2001", False, 190)
        decisions = acd.set_reachable("2001", True, 200)

    assert alarms(decisions) == [(FactKind.ALARM_CLEARED, "operator-not-answering:2001")]
    assert acd.seats["2001"].present
    assert acd.seats["2001"].missed == 0


def test_the_last_one_there_is_told_of_and_rung_on() -> None:
    acd = an_acd("2001")
    for n in (1, 2, 3):
        joins(acd, n)
        misses(acd, acd_call(acd, "2001"), "2001")
        acd.timer_fired(TimerId("2001", PAUSE), 101)

    assert acd.seats["2001"].present
    assert acd.seats["2001"].call is not None
    assert acd.seats["2001"].missed == 3


def acd_call(acd: Acd, agent: str) -> int:
    call = acd.seats[agent].call
    assert call is not None
    return int(call.removeprefix("c-"))


def test_who_is_on_break_is_called_back_when_nobody_else_is_left() -> None:
    acd = on_break()

    decisions = acd.set_reachable("2003", False, 300)

    assert acd.seats["2001"].present
    assert alarms(decisions) == []


@pytest.mark.parametrize("reason", ["unreachable", "not registered", "failed (cause 0)"])
def test_what_the_network_missed_sends_nobody_on_break(reason: str) -> None:
    acd = an_acd("2001", "2003")
    for n in (1, 2, 3):
        joins(acd, n, "medis")
        misses(acd, n, "2001", reason)
        acd.timer_fired(TimerId("2001", PAUSE), 101)

    assert acd.seats["2001"].missed == 0
    assert acd.seats["2001"].present


def test_answering_once_counts_the_misses_anew() -> None:
    acd = an_acd("2001", "2003")
    joins(acd, 1, "medis")
    misses(acd, 1, "2001")
    acd.timer_fired(TimerId("2001", PAUSE), 101)
    joins(acd, 2, "medis")
    is_served(acd, 2, "2001", 102)

    assert acd.seats["2001"].missed == 0


def test_a_caller_who_waited_long_for_skills_is_for_anyone() -> None:
    config = replace(a_centre(), default_category="medis")
    story = Story(config, phones=("2001", "2003"))
    story.arrives(CallId("first"))
    story.answers(story.core.calls[CallId("first")].offers[0].leg)

    story.arrives(CALL)
    story.after(29.9)
    assert story.call.offers == ()
    story.after(0.2)

    assert story.rung.address == "2003"
    assert story.facts(FactKind.LADDER_STEP) == [{"step": "wider-skills", "after": 30.0}]


def test_a_language_other_than_the_centres_asks_for_who_speaks_it() -> None:
    story = Story(replace(a_centre(), first_menu="utama"), phones=("2003", "2002"))
    story.arrives()
    story.presses("9")
    story.after(100)

    assert story.call.language == "en"
    assert story.facts(FactKind.OFFERED)[0]["agent"] == "2002"


def test_a_call_taken_from_who_goes_on_break_is_for_anyone_when_the_able_are_busy() -> None:
    acd = an_acd("2002", "2001", "2003")
    joins(acd, 1, "medis")
    acd.apply(OfferTaken(CallId("c-1"), "2002"), 100)
    assert joins(acd, 2, "medis") == [("c-2", "2001")]

    decisions = acd.set_status("2001", Status.BREAK, "makan", SUPERVISOR, 110)

    assert offers(decisions) == [("c-2", "2003")]
