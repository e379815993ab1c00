"""A human voice as soon as an operator picks up, whatever the caller was hearing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.softphone import Answer

from .story import QUICK, SOON, GivenCentre

pytestmark = pytest.mark.asterisk

SEARCHING = replace(QUICK, search_at_once=True, ring=20)


async def test_an_operator_who_answers_cuts_greeting_and_menu_short(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=SEARCHING)
    await story.given_operators("1001", behaviour=Answer(0.3))

    caller = await story.when_caller_dials()
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, operator)

    assert story.told_of(FactKind.KEY_PRESSED) == []
    await operator.hang_up()
    record = await story.assert_one_ending(caller)
    assert (record.call["category"], record.call["operator"]) == ("lainnya", "1001")


async def test_a_key_pressed_while_the_phone_rings_already_tells_what_it_is(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=SEARCHING)
    await story.given_operators("1001")

    caller = await story.when_caller_dials()
    ringing = await story.phones.incoming("1001", SOON)
    await caller.chooses("1")
    await story.assert_fact(FactKind.CLASSIFIED, category="medis")
    await ringing.answer()
    await story.assert_they_talk(caller, ringing)

    assert len(story.told_of(FactKind.OFFERED)) == 1
    await ringing.hang_up()
    record = await story.assert_one_ending(caller)
    assert (record.call["category"], record.call["queue"]) == ("medis", "medis")
