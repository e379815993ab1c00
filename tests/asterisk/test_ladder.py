"""The ladder on the real Asterisk: who waits long reaches supervisors, then another centre."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.demo.stage import sample
from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Rung
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.sipp import AgencyScenario
from ess_pbx.phones.softphone import Answer

from .story import AGENCY_TONE, CALLER_TONE, QUICK, SOON, GivenCentre, until

pytestmark = pytest.mark.asterisk

OVERFLOW = Rung(after=2, step="overflow", to="pusat-tetangga", prompt="antrean-pusat-lain")
PATIENT = replace(QUICK, ring=30, rona_limit=100)


async def test_a_caller_whom_nobody_answers_reaches_the_supervisor_who_is_on_no_shift(
    given_centre: GivenCentre,
) -> None:
    ladder = (Rung(after=3, step="supervisors", prompt="antrean-penyelia"),)
    story = await given_centre(
        first_menu=None, policy=replace(PATIENT, ladder=ladder), on_duty=("1001",)
    )
    await story.given_operators("1001")
    await story.given_operators("1007", behaviour=Answer(0.5), desk=1)

    caller = await story.when_caller_dials()
    ringing = await story.phones.incoming("1001", SOON)
    step = await story.assert_fact(FactKind.LADDER_STEP, step="supervisors")
    supervisor = await story.desks[1].incoming("1007", SOON)
    await story.assert_they_talk(caller, supervisor)

    assert await ringing.ended(SOON) == "far"
    (offered,) = story.told_of(FactKind.OFFERED, agent="1007")
    assert step.ms is not None
    assert offered.ms is not None
    assert 3000 <= step.ms <= offered.ms
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)
    assert record.call["operator"] == "1007"


async def test_a_caller_of_another_queue_reaches_all_operators_on_shift(
    given_centre: GivenCentre,
) -> None:
    ladder = (Rung(after=3, step="ring-all", prompt="antrean-semua-operator"),)
    queues = tuple(
        replace(each, operators=("1001",) if each.id == "medis" else ())
        for each in sample().centre_named().queues
    )
    story = await given_centre(
        policy=replace(PATIENT, ladder=ladder), queues=queues, on_duty=("1001", "1002")
    )
    await story.given_operators("1001", "1002")

    caller = await story.when_caller_dials()
    await caller.chooses("1")
    first = await story.phones.incoming("1001", SOON)
    other = await story.phones.incoming("1002", SOON)

    await story.assert_fact(FactKind.LADDER_STEP, step="ring-all")
    assert first.ended_by is None
    await other.answer()
    await story.assert_they_talk(caller, other)
    assert await first.ended(SOON) == "far"


async def test_a_neighbouring_centre_that_answers_first_has_the_caller(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(
        first_menu=None, policy=replace(PATIENT, ladder=(OVERFLOW,), agency_ring=20)
    )
    neighbour = await story.given_agency(answer_after=None)
    await story.given_operators("1001")

    caller = await story.when_caller_dials()
    ringing = await story.phones.incoming("1001", SOON)
    called = await neighbour.invited(SOON)
    assert ringing.ended_by is None
    called.answer()
    await caller.rtp.heard_tone(AGENCY_TONE, SOON)
    await story.agency_line.heard_tone(CALLER_TONE, SOON)

    assert await ringing.ended(SOON) == "far"
    (call,) = story.engine.centres.calls.values()
    assert call.phase is Phase.HANDED_OVER
    await until(lambda: story.engine.centres.seats["1001"].free, "1001 is free")
    assert story.told_of(FactKind.OFFER_MISSED) == []
    await caller.call.hang_up()
    assert (await called.ended(SOON)).by == "far"
    record = await story.assert_one_ending(caller)
    assert [record.call[each] for each in ("agency", "operator", "result")] == [
        *("pusat-tetangga", None, "success")
    ]


async def test_an_operator_who_answers_first_has_the_caller_and_the_neighbour_stops(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(
        first_menu=None, policy=replace(PATIENT, ladder=(OVERFLOW,), agency_ring=20)
    )
    neighbour = await story.given_agency(answer_after=None)
    await story.given_operators("1001")

    caller = await story.when_caller_dials()
    operator = await story.phones.incoming("1001", SOON)
    called = await neighbour.invited(SOON)
    await story.assert_fact(FactKind.AGENCY_RUNG, agency="pusat-tetangga")
    await operator.answer()

    await story.assert_they_talk(caller, operator)
    assert (await called.ended(SOON)).how == "cancelled"
    await story.assert_fact(FactKind.OVERFLOW_FAILED, reason="answered elsewhere")
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)
    assert (record.call["operator"], record.call["agency"]) == ("1001", None)


@pytest.mark.parametrize(
    ("scenario", "reason"), [("uas-agency-busy", "busy"), ("uas-agency-no-answer", "no answer")]
)
async def test_a_neighbour_who_does_not_answer_costs_the_caller_nothing(
    scenario: AgencyScenario, reason: str, given_centre: GivenCentre
) -> None:
    story = await given_centre(
        first_menu=None, policy=replace(PATIENT, ladder=(OVERFLOW,), agency_ring=2)
    )
    await story.given_agency(scenario)
    await story.given_operators("1001")

    caller = await story.when_caller_dials()
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_fact(FactKind.OVERFLOW_FAILED, agency="pusat-tetangga", reason=reason)

    assert operator.ended_by is None
    assert caller.call.end is None
    await operator.answer()
    await story.assert_they_talk(caller, operator)
    await until(lambda: len(story.engine.centres.calls) == 1, "one call")
