"""A supervisor moves operators to other queues: whom they serve then, and for how long."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Asker, MoveOperator, Via
from ess_pbx.domain.config import Queue
from ess_pbx.domain.effects import Originate, Record, Refused
from ess_pbx.domain.events import ClockRead, PhoneReachable
from ess_pbx.domain.facts import Fact, FactKind

from .centre import CALL, NO_MENU, of
from .story import Story
from .supervised import BOSS, SUPERVISED

BY = Asker("penyelia", Via.API)
OTHERS = "medis"
TWO_QUEUES = replace(
    SUPERVISED,
    queues=(
        replace(NO_MENU.queues[0], operators=("2001",)),
        Queue(id=OTHERS, name="Medis", operators=("2002",)),
    ),
)
USUAL = NO_MENU.queues[0].id
NIGHT = datetime(2026, 1, 1, 20)


def given(*phones: str) -> Story:
    return Story(TWO_QUEUES, phones)


def moved(story: Story, agent: str, *queues: str) -> Story:
    story.feed(MoveOperator(BY, agent, queues))
    return story


def rung(story: Story) -> list[str]:
    return [each.address for each in of(story.effects, Originate)]


def test_who_is_moved_is_rung_for_the_callers_of_that_queue_at_once() -> None:
    story = given("2002")
    story.arrives()
    assert rung(story) == []

    moved(story, "2002", USUAL)

    assert rung(story) == ["2002"]
    (fact,) = story.facts(FactKind.AGENT_MOVED)
    assert fact == {"agent": "2002", "queues": [USUAL], "by": "penyelia", "via": "api"}


def test_who_is_moved_away_is_rung_no_more_and_the_caller_is_told_that_nobody_is_there() -> None:
    story = moved(given("2001"), "2001", OTHERS)
    story.arrives()
    assert rung(story) == []
    assert [each["alarm"] for each in story.facts(FactKind.ALARM_RAISED)] == [
        f"no-operator:{USUAL}"
    ]

    moved(story, "2001")

    assert rung(story) == ["2001"]
    assert story.facts(FactKind.AGENT_MOVED)[-1]["queues"] == []
    assert [each["alarm"] for each in story.facts(FactKind.ALARM_CLEARED)] == [
        f"no-operator:{USUAL}"
    ]


def test_a_call_in_hand_and_a_phone_that_rings_go_on() -> None:
    story = given("2001")
    story.arrives()
    story.answers(CALL)
    moved(story, "2001", OTHERS)
    assert story.call.offers
    story.answers(story.operator)
    moved(story, "2001")
    assert story.call.operator is not None


def test_a_move_ends_with_the_duty() -> None:
    story = moved(given("2001", "2002"), "2002", USUAL, OTHERS)
    assert sorted(story.core.acd.seats["2002"].queues) == sorted((USUAL, OTHERS))

    story.feed(ClockRead(NIGHT))

    assert story.core.acd.seats["2002"].queues == (OTHERS,)
    (fact,) = story.facts(FactKind.AGENT_MOVED)[1:]
    assert (fact["queues"], fact["by"]) == ([], "duty")


@pytest.mark.parametrize(("later", "queues"), [(60.0, (USUAL,)), (13 * 3600.0, (OTHERS,))])
def test_a_move_outlives_the_engine_but_not_the_duty(later: float, queues: tuple[str, ...]) -> None:
    story = moved(given("2002"), "2002", USUAL)
    wall = datetime(2026, 1, 1, 9).timestamp()
    for checkpoint in (False, True):
        new = CallCentre(TWO_QUEUES)
        records = [each for each in of(story.all, Record) if each.kind is FactKind.AGENT_MOVED]
        if checkpoint:
            for each in records:
                new.recall(_fact(each, wall))
            records, new = [new.checkpoint()], CallCentre(TWO_QUEUES)
        for each in records:
            new.recall(_fact(each, wall))
        new.decide(ClockRead(datetime(2026, 1, 1, 9), wall=wall + later), 5.0)
        new.decide(PhoneReachable("2002"), 5.0)
        assert new.acd.seats["2002"].queues == queues
        assert ("2002" in new.moves.moved) is (queues == (USUAL,))


def _fact(each: Record, at: float) -> Fact:
    return Fact(id="", centre="", call=each.call, kind=each.kind, at=at, ms=0, data=each.data)


@pytest.mark.parametrize(
    ("agent", "queue", "code"),
    [
        ("9999", USUAL, "unknown-operator"),
        ("2001", "laut", "unknown-queue"),
        (BOSS, USUAL, "not-an-operator"),
    ],
)
def test_what_cannot_be_is_refused(agent: str, queue: str, code: str) -> None:
    story = moved(given("2001"), agent, queue)
    (refused,) = of(story.effects, Refused)
    assert refused.code == code
    assert story.facts(FactKind.AGENT_MOVED) == []


def test_nobody_off_duty_is_moved() -> None:
    story = given("2001")
    story.feed(ClockRead(NIGHT))
    moved(story, "2001", OTHERS)
    (refused,) = of(story.effects, Refused)
    assert refused.code == "not-on-duty"
