"""The menu: keys work over the first word, and pressing nothing leads to an operator too."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.domain.config import Choice, Menu, Queue
from ess_pbx.domain.effects import AsteriskEffect, PlayPrompt
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.softphone import Answer

from .story import SOON, GivenCentre, Story, until

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


async def test_an_information_line_ends_the_call_politely(given_centre: GivenCentre) -> None:
    menu = Menu(
        prompts=("gangguan",),
        keys={"8": Choice(information=("menu-lainnya",), then="end")},
        otherwise=Choice(queue="umum"),
    )
    story = await given_centre(menu=menu, greeting=None)
    played = prompts_played(story)

    caller = await story.when_caller_dials()
    await caller.chooses("8")
    ended = await story.assert_fact(FactKind.CALL_ENDED, within=2 * SOON, reason="information")

    assert (ended.data["result"], ended.data["ended_by"]) == ("success", None)
    assert [Path(file).name for file in played] == ["gangguan", "menu-lainnya", "terima-kasih"]
    assert story.told_of(FactKind.QUEUED) == []
    await caller.call.ended(SOON)
    await story.assert_one_ending(caller)


async def test_a_language_is_heard_from_its_own_files(given_centre: GivenCentre) -> None:
    story = await given_centre(greeting=None)
    played = prompts_played(story)

    caller = await story.when_caller_dials()
    await caller.chooses("9")
    await story.assert_fact(FactKind.MENU_ENTERED, menu="bahasa")
    await caller.rtp.press("3")
    await story.assert_fact(FactKind.CLASSIFIED, language="jv")
    await until(lambda: played[-1].endswith("/jv/menu-utama"), "the menu in Javanese")
    await caller.rtp.press("8")

    await until(lambda: played[-1].endswith("/id/menu-informasi"), "what Javanese lacks")
    assert played[0].endswith("/id/menu-utama")


async def test_a_key_in_the_queue_moves_the_call(given_centre: GivenCentre) -> None:
    short = Menu(prompts=("gangguan",), otherwise=Choice(queue="umum"), timeout=0.3)
    queues = tuple(
        Queue(id=name, name=name, operators=("1002",) if name == "medis" else ("1001",))
        for name in ("umum", "medis", "kebakaran", "keamanan", "bencana")
    )
    story = await given_centre(menu=short, greeting=None, queues=queues)
    await story.given_operators("1002", behaviour=Answer(0.1))

    caller = await story.when_caller_dials()
    await story.assert_fact(FactKind.QUEUED, within=2 * SOON, queue="umum")
    await caller.chooses("1")

    await story.assert_fact(FactKind.QUEUED, queue="medis")
    operator = await story.phones.incoming("1002", SOON)
    await story.assert_they_talk(caller, operator)


def prompts_played(story: Story) -> list[str]:
    """The sound files that Asterisk is asked for from now on."""
    played: list[str] = []
    executor = story.engine.dispatcher.executor
    assert executor is not None
    carry_out = executor.carry_out

    def listening(effect: AsteriskEffect) -> None:
        if isinstance(effect, PlayPrompt):
            played.append(str(executor.request(effect)[2]["media"]))
        carry_out(effect)

    executor.carry_out = listening  # type: ignore[method-assign]
    return played


async def test_a_key_without_a_meaning_leaves_the_menu_as_it_is(given_centre: GivenCentre) -> None:
    story = await given_centre()
    await story.given_operators("1001")

    caller = await story.when_caller_dials()
    await caller.chooses("7")
    await story.assert_fact(FactKind.KEY_PRESSED, key="7")
    assert story.told_of(FactKind.QUEUED) == []
    await caller.rtp.press("4")

    await story.assert_fact(FactKind.CLASSIFIED, category="bencana", queue="bencana")
