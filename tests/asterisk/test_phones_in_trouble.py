"""Phones that refuse, vanish or die: the caller gets to a human all the same."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.phones.sipp import AgencyScenario
from ess_pbx.phones.softphone import Answer, Behaviour

from .story import QUICK, SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

LONGEST_SILENCE = 3.0
"""Seconds; what no caller may be left in."""
PATIENT = replace(QUICK, ring=30, agency_ring=20)
"""Far longer than anything here is waited for, so that it is not the clock that passes it on."""


def passed_on(story: Story) -> Fact:
    """The miss of 1001; it was offered to 1002 once."""
    (missed,) = story.told_of(FactKind.OFFER_MISSED, agent="1001")
    (_,) = story.told_of(FactKind.OFFERED, agent="1002")
    return missed


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("busy", "busy"), ("unavailable", "no answer"), ("decline", "refused")],
)
async def test_an_operators_phone_that_refuses_is_followed_by_the_next_at_once(
    behaviour: Behaviour, reason: str, given_centre: GivenCentre
) -> None:
    story = await given_centre(first_menu=None, policy=PATIENT)
    await story.given_operators("1001", behaviour=behaviour)
    await story.given_operators("1002")

    await story.when_caller_dials()
    await story.phones.incoming("1002", SOON)

    assert len(story.told_of(FactKind.OFFERED, agent="1001")) == 1
    assert passed_on(story).data["reason"] == reason


async def test_a_phone_that_unregisters_while_it_rings_is_followed_by_the_next(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(first_menu=None)
    await story.given_operators("1001")
    await story.given_operators("1002", behaviour=Answer(0.1))

    caller = await story.when_caller_dials()
    ringing = await story.phones.incoming("1001", SOON)
    await story.phones.unregister("1001")
    await story.assert_reachable("1001", False)
    operator = await story.phones.incoming("1002", QUICK.ring + SOON)
    assert await ringing.ended(SOON) == "far"

    await story.assert_they_talk(caller, operator)
    assert len(story.told_of(FactKind.OFFERED, agent="1001")) == 1


async def test_a_phone_that_dies_while_it_rings_is_followed_by_the_next(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(first_menu=None)
    await story.given_operators("1001", desk=1)
    await story.given_operators("1002", behaviour=Answer(0.1))

    caller = await story.when_caller_dials()
    await story.desks[1].incoming("1001", SOON)
    story.when_phones_die(desk=1)
    operator = await story.phones.incoming("1002", QUICK.ring + SOON)

    await story.assert_they_talk(caller, operator)
    assert passed_on(story).data["reason"] == "no answer"


async def test_a_phone_that_dies_in_a_call_drops_nobody_and_leaves_nothing(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",))
    caller, _ = await story.given_talking()

    story.when_phones_die()
    await story.assert_fact(FactKind.QUEUED, priority=9)
    died = time.monotonic()
    await story.assert_fact(FactKind.ANNOUNCED, prompt="mohon-tunggu")
    later = died + LONGEST_SILENCE + 2
    await until(lambda: caller.rtp.heard_until() > later, "later")
    assert caller.rtp.longest_silence(died, later) < LONGEST_SILENCE
    assert caller.call.end is None
    await caller.call.hang_up()

    record = await story.assert_one_ending(caller)
    # With nobody else to take them they left; that is no conversation that was completed.
    assert (record.call["result"], record.call["reason"]) == ("client", "abandoned")


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("uas-agency-busy", "busy"),
        ("uas-agency-ring-answer", "no answer"),
        ("uas-agency-no-answer", "no answer"),
    ],
)
async def test_an_agency_that_does_not_answer_gives_the_caller_back_to_the_operator(
    scenario: AgencyScenario, reason: str, given_centre: GivenCentre
) -> None:
    story = await given_centre()
    await story.given_agency(scenario, answer_after=None)
    caller, operator = await story.given_talking()

    await operator.press("*119#")
    await story.assert_fact(FactKind.CONSULT_FAILED, agency="psc-119", reason=reason)

    await _assert_told_then_back(story)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)
    assert (record.call["reason"], record.call["agency"]) == ("completed", None)


async def test_an_agency_that_refuses_gives_the_caller_back_to_the_operator(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(policy=PATIENT)
    agency = await story.given_agency(answer_after=None)
    _, operator = await story.given_talking()

    await operator.press("*119#")
    await (await agency.invited(SOON)).hang_up()

    await story.assert_fact(FactKind.CONSULT_FAILED, agency="psc-119", reason="refused")
    await _assert_told_then_back(story)


async def _assert_told_then_back(story: Story) -> None:
    """The operator hears why, then has the caller again."""
    (caller,), (operator,) = story.callers, story.phones.calls
    # After the ring tone, which the recording may still have.
    since = time.monotonic() + 0.3
    await until(lambda: operator.heard_until() >= since + 1.0, "a second of what is said")
    assert operator.level_dbov(since, since + 1.0) > -45
    await story.assert_fact(FactKind.BACK_TO_CALLER)
    await story.assert_they_talk(caller, operator)
