"""The menu: keys work over the first word, and pressing nothing leads to an operator too."""

from __future__ import annotations

import pytest

from ess_pbx.domain.config import Choice, Menu
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.softphone import Answer

from .story import SOON, GivenCentre

pytestmark = pytest.mark.asterisk

GREETING_MS = 4800
"""How long the sample centre's greeting is."""


async def test_pressing_nothing_leads_to_an_operator(given_centre: GivenCentre) -> None:
    short = Menu(
        prompts=("gangguan",), otherwise=Choice(category="lainnya", queue="umum"), timeout=0.3
    )
    story = await given_centre(menu=short, greeting=None)
    await story.given_operators("1001", behaviour=Answer(0.1))

    caller = await story.when_caller_dials()
    await caller.hears_the_centre()
    operator = await story.phones.incoming("1001", SOON)

    await story.assert_they_talk(caller, operator)
    await story.assert_fact(FactKind.CLASSIFIED, category="lainnya", queue="umum")
    assert story.told_of(FactKind.KEY_PRESSED) == []


async def test_a_key_pressed_over_the_greeting_works_at_once(given_centre: GivenCentre) -> None:
    story = await given_centre()
    await story.given_operators("1001")

    caller = await story.when_caller_dials()
    await caller.chooses("2")

    queued = await story.assert_fact(FactKind.QUEUED, queue="kebakaran")
    pressed = await story.assert_fact(FactKind.KEY_PRESSED, key="2")
    assert queued.ms is not None
    assert pressed.ms is not None
    assert pressed.ms <= queued.ms < GREETING_MS
    await story.phones.incoming("1001", SOON)


async def test_a_key_without_a_meaning_leaves_the_menu_as_it_is(given_centre: GivenCentre) -> None:
    story = await given_centre()
    await story.given_operators("1001")

    caller = await story.when_caller_dials()
    await caller.chooses("7")
    await story.assert_fact(FactKind.KEY_PRESSED, key="7")
    assert story.told_of(FactKind.QUEUED) == []
    await caller.rtp.press("4")

    await story.assert_fact(FactKind.CLASSIFIED, category="bencana", queue="bencana")
