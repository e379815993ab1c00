"""The ladder: what is done for who waits long, step by step; they always wait on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Centre, Operator, Rung
from ess_pbx.domain.effects import ArmTimer, CancelTimer, HangUp, Join, Originate, Role
from ess_pbx.domain.events import TimerId
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import bridge_of

from .acd_steps import an_acd
from .centre import CALL, CALLER, NO_MENU, POLICY, of
from .given import waiting
from .story import Story

SUPERVISOR = Operator(extension="3001", name="Penyelia", role="supervisor")
CATEGORIES = tuple(
    replace(each, skills=("medis",)) if each.id == "lainnya" else each
    for each in NO_MENU.categories
)


def with_ladder(*rungs: Rung, **changes: object) -> Centre:
    """Nobody is quick to answer: the ladder is what happens."""
    policy = replace(POLICY, ladder=rungs, ring=3600, comfort=3600)
    operators = (*NO_MENU.operators, SUPERVISOR)
    return replace(NO_MENU, policy=policy, operators=operators, **changes)


def steps(story: Story) -> list[str]:
    return [fact["step"] for fact in story.facts(FactKind.LADDER_STEP)]


def rung_phones(story: Story) -> list[str]:
    return [each.address for each in of(story.all, Originate)]


def test_ring_all_rings_all_on_shift_whatever_their_queue_and_says_so() -> None:
    ladder = Rung(after=60, step="ring-all", prompt="antrean-semua-operator")
    story = waiting(
        with_ladder(ladder, default_queue="medis"), phones=("2001", "2002", "2004", "3001")
    )
    story.prompt_over()
    assert rung_phones(story) == ["2001"]

    story.after(60)

    assert rung_phones(story) == ["2001", "2002"]  # 2004 is off shift, 3001 a supervisor
    assert story.hears[CALL] == ["antrean-semua-operator"]
    assert story.facts(FactKind.LADDER_STEP) == [{"step": "ring-all", "after": 60.0}]
    announced = story.facts(FactKind.ANNOUNCED)[-1]
    assert (announced["prompt"], announced["position"]) == ("antrean-semua-operator", None)


def test_supervisors_are_rung_at_their_step_without_a_shift_and_not_before() -> None:
    story = waiting(with_ladder(Rung(after=60, step="supervisors")), phones=("3001",))
    assert story.facts(FactKind.NO_OPERATOR) == [{"queue": "umum"}]
    story.after(59)
    assert rung_phones(story) == []

    story.after(1)

    assert rung_phones(story) == ["3001"]
    story.answers(story.operator)
    assert story.phase() is Phase.TALKING


def test_both_steps_in_either_order_reach_everyone() -> None:
    for first, second in (("ring-all", "supervisors"), ("supervisors", "ring-all")):
        ladder = (Rung(after=10, step=first), Rung(after=20, step=second))  # type: ignore[arg-type]
        story = waiting(
            with_ladder(*ladder, default_queue="medis"), phones=("2001", "2002", "3001")
        )

        story.after(20)

        assert sorted(rung_phones(story)) == ["2001", "2002", "3001"]


def test_a_supervisor_who_is_reachable_is_present_and_one_on_a_shift_is_no_operator() -> None:
    config = with_ladder()
    acd = an_acd(config=config)

    acd.set_reachable("3001", True, 1)

    assert acd.seats["3001"].status == "present"
    acd.set_on_duty([], 2)
    assert acd.seats["3001"].status == "present"
    assert acd.seats["3001"].queues == ()
    acd.set_reachable("3001", False, 3)
    assert acd.seats["3001"].status == "away"


def test_the_news_that_nobody_is_there_comes_again_when_the_supervisor_goes_too() -> None:
    story = waiting(with_ladder(Rung(after=10, step="supervisors")), phones=("3001",))
    story.after(10)
    story.gone(story.operator, 21)

    story.phone("3001", there=False)

    assert len(story.facts(FactKind.NO_OPERATOR)) == 2
    assert len(story.facts(FactKind.ALARM_RAISED)) == 1


def test_a_step_that_changes_nothing_is_passed_over() -> None:
    ladder = (
        Rung(after=10, step="wider-skills"),
        Rung(after=20, step="ring-all"),
        Rung(after=30, step="ring-all"),
    )
    story = waiting(with_ladder(*ladder))

    assert story.armed("ladder") == 20
    story.after(3600)

    assert steps(story) == ["ring-all"]
    assert story.armed("ladder") is None


def test_steps_that_are_overdue_when_the_caller_comes_to_the_queue_come_at_once_in_order() -> None:
    ladder = (Rung(after=1, step="wider-skills"), Rung(after=2, step="ring-all"))
    story = Story(replace(with_ladder(*ladder, categories=CATEGORIES), first_menu="utama"))
    story.arrives()
    story.now += 30

    story.presses("8")
    story.after(0)

    assert steps(story) == ["wider-skills", "ring-all"]


@pytest.mark.parametrize(("factor", "left"), [(2.0, 10.0), (0.5, 100.0), (10.0, 0.0)])
def test_the_ladder_of_who_waits_already_can_be_hurried_or_slowed(
    factor: float, left: float
) -> None:
    story = waiting(with_ladder(Rung(after=60, step="ring-all")))
    story.after(20)

    effects = story.core.hurry(factor, story.now)

    assert effects == [
        CancelTimer(TimerId(CALL, "ladder")),
        ArmTimer(TimerId(CALL, "ladder"), left),
    ]
    assert story.core.hurry(factor, story.now) == []


def test_who_loses_their_operator_climbs_anew_from_where_they_were() -> None:
    ladder = (Rung(after=10, step="ring-all"), Rung(after=60, step="overflow", to="psc"))
    story = waiting(with_ladder(*ladder, default_queue="medis"), phones=("2001", "2002"))
    story.after(20)
    story.answers(story.call.offers[0].leg)
    story.after(600)

    story.gone(story.operator, 38)

    assert steps(story) == ["ring-all"]
    assert story.rung.address == "2002"
    assert story.armed("ladder") == 60


# Overflow


OVERFLOW = Rung(after=60, step="overflow", to="psc", prompt="antrean-pusat-lain")


def overflowing(*phones: str) -> Story:
    """A neighbour's phone rings, and an operator's."""
    story = waiting(with_ladder(OVERFLOW), phones=phones or ("2001",))
    story.prompt_over()
    story.after(60)
    return story


def test_overflow_rings_the_neighbour_while_the_caller_waits_for_operators_too() -> None:
    story = overflowing()

    assert story.rung.role is Role.AGENCY
    assert story.rung.address == "sip:119@127.0.0.1"
    assert story.phase() is Phase.WAITING
    assert [side.agent for side in story.call.offers] == ["2001"]
    assert story.hears[CALL] == ["antrean-pusat-lain"]
    [started] = story.facts(FactKind.OVERFLOW_STARTED)
    leg = story.call.overflows[0].leg
    assert started == {"agency": "psc", "leg": leg, "contact": 1}
    story.rings(story.call.overflows[0].leg)
    assert len(story.facts(FactKind.AGENCY_RUNG)) == 1


def test_a_neighbour_who_answers_first_has_the_caller() -> None:
    story = overflowing()
    offered, rung = story.call.offers[0], story.call.overflows[0]

    story.answers(rung.leg)

    assert story.phase() is Phase.HANDED_OVER
    assert story.agency == rung.leg
    assert Join(bridge_of(CALL), (CALLER, rung.leg)) in story.effects
    assert of(story.effects, HangUp) == [HangUp(offered.leg)]
    assert story.hears[CALL] == []
    assert story.core.acd.seats["2001"].free
    assert story.core.acd.waiting == {}
    assert {timer.owner for timer in story.timers} == set()
    assert story.facts(FactKind.AGENCY_ANSWERED) == [{"agency": "psc", "leg": rung.leg}]
    story.answers(offered.leg)
    assert story.effects == [HangUp(offered.leg)]


def test_an_operator_who_answers_first_has_the_caller_and_the_neighbour_stops() -> None:
    story = overflowing()
    rung = story.call.overflows[0]

    story.answers(story.call.offers[0].leg)

    assert story.phase() is Phase.TALKING
    assert of(story.effects, HangUp) == [HangUp(rung.leg)]
    [failed] = story.facts(FactKind.OVERFLOW_FAILED)
    assert failed["reason"] == "answered elsewhere"
    story.answers(rung.leg)
    assert story.effects == [HangUp(rung.leg)]


@pytest.mark.parametrize(("cause", "reason"), [(17, "busy"), (19, "no answer")])
def test_a_neighbour_who_does_not_answer_costs_the_caller_nothing(cause: int, reason: str) -> None:
    story = overflowing()
    hears = story.hears[CALL]

    story.gone(story.call.overflows[0].leg, cause)

    assert [each["reason"] for each in story.facts(FactKind.OVERFLOW_FAILED)] == [reason]
    assert story.phase() is Phase.WAITING
    assert story.call.overflows == ()
    assert len(story.call.offers) == 1
    assert story.hears[CALL] == hears


def test_a_neighbour_rings_as_long_as_an_agency_does() -> None:
    story = overflowing()
    rung = story.call.overflows[0]

    story.after(POLICY.agency_ring)

    assert HangUp(rung.leg) in story.effects
    assert story.facts(FactKind.OVERFLOW_FAILED)[0]["reason"] == "no answer"
    assert story.phase() is Phase.WAITING


def test_a_neighbour_that_is_cut_off_leaves_the_caller_at_the_head_of_the_queue() -> None:
    story = overflowing()
    rung = story.call.overflows[0]
    story.answers(rung.leg)

    story.gone(rung.leg, 38)

    assert story.phase() is Phase.WAITING
    assert story.call.priority == 9
    assert story.rung.address == "2001"


def test_a_caller_who_leaves_stops_the_neighbours_phone() -> None:
    story = overflowing()
    rung = story.call.overflows[0]

    story.gone(CALL)

    assert HangUp(rung.leg) in story.effects
    assert {timer.kind for timer in story.timers} == {"release"}


def test_a_neighbour_is_rung_without_any_operator_there() -> None:
    story = waiting(with_ladder(OVERFLOW), phones=())

    story.after(60)

    assert story.rung.role is Role.AGENCY
