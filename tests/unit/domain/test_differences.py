"""What Asterisk holds otherwise than the core has it is known, once it has lasted."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from ess_pbx.domain.call import Phase
from ess_pbx.domain.differences import (
    LONGEST_REST,
    STALE_SECONDS,
    Difference,
    Differences,
    as_they_are,
    differences,
    owed,
    phones_that_differ,
    unchanged,
)
from ess_pbx.domain.effects import HangUp, ToDialplan
from ess_pbx.domain.events import LegAnswered
from ess_pbx.domain.found import AsteriskFound, FoundLeg
from ess_pbx.domain.ids import CallId, LegId, bridge_of, operator_leg

from .centre import CALL, CALLER, arrival
from .given import talking
from .story import Story

BRIDGE = bridge_of(CALL)
STRANGER = LegId("n-77")


def as_it_is(story: Story) -> AsteriskFound:
    """Asterisk holds what the core believes."""
    call = story.core.calls[CALL]
    ringing = {side.leg for side in call.offers}
    members = frozenset(leg for leg, room in call.rooms.items() if room == BRIDGE)
    return AsteriskFound(
        legs={
            leg: FoundLeg(leg not in ringing, "", arrival(CALL) if leg == CALLER else None)
            for leg in call.legs
        },
        bridges={BRIDGE: members} if call.bridged else {},
        wall=0.0,
        playbacks=owed([call]),
        asked=story.core.legs(),
        sounds=owed([call]),
    )


def differ(story: Story, found: AsteriskFound) -> list[str]:
    return [each.what for each in differences(story.core, found)]


def ringing() -> Story:
    story = Story()
    story.arrives()
    story.answers(CALL)
    story.presses("1")
    assert story.core.calls[CALL].offers
    return story


@pytest.mark.parametrize("given", [talking, ringing])
def test_nothing_differs_where_nothing_was_lost(given: object) -> None:
    story = talking() if given is talking else ringing()
    assert differ(story, as_it_is(story)) == []


def test_a_leg_that_is_gone_differs_and_one_newer_than_the_question_does_not() -> None:
    story = talking()
    found = replace(as_it_is(story), legs={}, bridges={})
    assert any("LegGone" in each and CALLER in each for each in differ(story, found))
    newer = replace(found, asked=frozenset[LegId]())
    assert not any("LegGone" in each for each in differ(story, newer))


def test_a_phone_that_was_picked_up_unheard_differs_and_is_mended() -> None:
    story = ringing()
    found = as_it_is(story)
    leg = story.core.calls[CALL].offers[0].leg
    found = replace(found, legs={**found.legs, leg: FoundLeg(True, "2001")})
    assert differ(story, found)[0] == f"unheard: {LegAnswered(CALL, leg)}"

    story.core.decide(found.only(frozenset([CALL])), story.now)

    assert story.core.calls[CALL].phase is Phase.TALKING


def test_a_prompt_that_ended_unheard_differs_if_it_was_asked_for() -> None:
    story = Story()
    story.arrives()
    story.answers(CALL)
    assert story.core.calls[CALL].playing is not None
    found = replace(as_it_is(story), playbacks=frozenset())
    assert any("PlaybackEnded" in each for each in differ(story, found))
    assert differ(story, replace(found, sounds=frozenset())) == []


def test_a_caller_nobody_was_told_of_differs_and_is_offered_again_and_others_are_left_alone() -> (
    None
):
    story = talking()
    found = as_it_is(story)
    there = FoundLeg(False, "", arrival(CallId(STRANGER)))
    found = replace(found, legs={**found.legs, STRANGER: there}, bridges={})
    about = found.only(frozenset([CallId(STRANGER)]))

    effects = story.feed(about)

    assert effects == [ToDialplan(STRANGER)]
    assert any("ToDialplan" in each for each in differ(story, found))


def test_a_leg_of_a_call_that_is_over_differs() -> None:
    story = talking()
    found, left = as_it_is(story), story.core.calls[CALL].operator
    assert left is not None
    for leg in found.legs:
        story.gone(leg)
    assert CALL not in story.core.calls
    found = replace(found, legs={left.leg: found.legs[left.leg]}, bridges={})
    assert differ(story, found) == [f"nobody's: {HangUp(left.leg)}"]


def test_who_is_in_no_bridge_of_theirs_differs() -> None:
    story = talking()
    found = replace(as_it_is(story), bridges={BRIDGE: frozenset([CALLER])})
    assert len(differ(story, found)) == 1
    assert "Join" in differ(story, found)[0]


def test_a_phone_differs_that_is_reachable_unheard() -> None:
    story = Story()
    found = AsteriskFound({}, {}, 0.0, phones={"2001": True, "2002": True, "9999": True})
    assert [*phones_that_differ(story.core, found)] == [Difference("2002", "reachable")]


ONE, OTHER = Difference("n-1", "a"), Difference("n-1", "b")


def test_what_differs_for_a_moment_is_nothing_and_what_lasts_is_told() -> None:
    seen = Differences()
    assert seen.stale([ONE], 0.0) == []
    assert seen.stale([OTHER], STALE_SECONDS) == [], "another one in its place is as new"
    assert seen.stale([ONE, OTHER], 2 * STALE_SECONDS) == [OTHER]


def test_what_cannot_be_mended_is_tried_ever_more_seldom() -> None:
    seen = Differences()
    tried = [at / 2 for at in range(1200) if seen.stale([ONE], at / 2)]
    assert len(tried) < 20
    assert max(later - at for at, later in pairwise(tried)) == LONGEST_REST


def test_a_call_of_which_something_was_decided_meanwhile_is_left_for_the_next_look() -> None:
    story = talking()
    others = CallId("n-9")
    before = as_they_are([story.core], [CALL, others])
    assert unchanged(before, [story.core]) == {CALL, others}
    story.presses("*", operator_leg(CALL, 2))
    assert unchanged(before, [story.core]) == {others}
