"""Ring-all on the real Asterisk: every free phone rings, and one operator has the caller."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from ess_pbx.demo.stage import operator_tone, sample
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.softphone_call import SoftCall

from .story import QUICK, SOON, Caller, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

RING_ALL = tuple(replace(queue, strategy="ring-all") for queue in sample().centre_named().queues)
PATIENT = replace(QUICK, ring=20)


async def given_all_ring(
    given_centre: GivenCentre, *phones: str
) -> tuple[Story, Caller, list[SoftCall]]:
    """A caller without a menu, for whom these phones ring."""
    story = await given_centre(first_menu=None, policy=PATIENT, queues=RING_ALL, on_duty=phones)
    await story.given_operators(*phones)
    caller = await story.when_caller_dials()
    return story, caller, [await story.phones.incoming(each, SOON) for each in phones]


async def test_the_first_who_answers_has_the_call_and_the_other_phones_stop(
    given_centre: GivenCentre,
) -> None:
    story, caller, (first, second, third) = await given_all_ring(
        given_centre, "1001", "1002", "1003"
    )
    seats = story.engine.centres.seats
    idle_since = {each: seats[each].idle_since for each in ("1001", "1003")}

    await second.answer()

    await story.assert_they_talk(caller, second)
    assert [await each.ended(SOON) for each in (first, third)] == ["far", "far"]
    await until(
        lambda: all(seats[each].state is AgentState.IDLE for each in idle_since), "both are idle"
    )
    assert story.told_of(FactKind.OFFER_MISSED) == []
    for agent, since in idle_since.items():
        assert seats[agent].missed == 0
        assert seats[agent].idle_since == since
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)
    assert record.call["operator"] == "1002"


async def test_of_two_who_pick_up_in_the_same_moment_one_has_the_caller(
    given_centre: GivenCentre,
) -> None:
    story, caller, phones = await given_all_ring(given_centre, "1001", "1002")

    await asyncio.gather(*(phone.answer() for phone in phones))

    answered = await story.assert_fact(FactKind.OPERATOR_ANSWERED)
    taker = next(each for each in phones if each.account == answered.data["agent"])
    (other,) = (each for each in phones if each is not taker)
    assert await other.ended(SOON) == "far"
    await story.assert_they_talk(caller, taker)
    window = (caller.rtp.heard_until() - 0.5, caller.rtp.heard_until())
    story.assert_not_heard(caller.rtp, *window, operator_tone(other.account))
    assert len(story.told_of(FactKind.OPERATOR_ANSWERED)) == 1
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_one_who_refuses_is_passed_over_alone_and_rings_again_after_the_pause(
    given_centre: GivenCentre,
) -> None:
    story, caller, (first, second) = await given_all_ring(given_centre, "1001", "1002")

    await first.hang_up(status=603)

    await story.assert_fact(FactKind.OFFER_MISSED, agent="1001", reason="refused")
    again = await story.phones.incoming("1001", QUICK.rona_pause + SOON)
    assert second.ended_by is None
    assert story.told_of(FactKind.OFFER_MISSED, agent="1002") == []
    await again.answer()
    await story.assert_they_talk(caller, again)
    assert await second.ended(SOON) == "far"
    await until(lambda: not story.engine.centres[story.centre.id].acd.waiting, "nobody waits")
