"""Callers who do not speak: asked once and again, believed at key 5, never dropped for it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Category, Centre, Choice, Menu, QueueKey
from ess_pbx.domain.effects import PlayPrompt, Record, StopPlayback
from ess_pbx.domain.events import (
    LegAnswered,
    PlaybackEnded,
    SpeechBegan,
    SpeechEnded,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import LegId, bridge_of
from ess_pbx.domain.silence import ACCEPTED_PROMPT, ASK_PROMPT, OPERATOR_PROMPT

from .centre import CALL, CALLER, CENTRE, OTHER, POLICY, of
from .story import Story

ON = replace(POLICY, silent_after=10, silent_every=60, comfort=300, ladder=())
QUEUE = replace(CENTRE, first_menu=None, greeting=None, policy=ON)
MENU = replace(CENTRE, policy=ON)


def waiting(config: Centre = QUEUE, phones: tuple[str, ...] = ("2001",)) -> Story:
    story = Story(config, phones)
    story.arrives()
    story.answers(CALLER)
    return story


def talking(config: Centre = QUEUE) -> Story:
    story = waiting(config)
    story.answers(story.operator)
    return story


def speaks(story: Story, leg: str = CALLER) -> None:
    story.feed(SpeechBegan(CALL, LegId(leg)))


def falls_silent(story: Story, leg: str = CALLER) -> None:
    story.feed(SpeechEnded(CALL, LegId(leg)))


def asked(story: Story) -> int:
    """How often the caller was asked to press 5."""
    return len([each for each in of(story.all, PlayPrompt) if each.prompt == ASK_PROMPT])


# asked


def test_a_caller_of_whom_nothing_is_heard_is_asked_for_a_key() -> None:
    story = waiting()

    story.after(9.9)
    assert asked(story) == 0
    story.after(0.2)

    assert story.hears[CALL] == [ASK_PROMPT]
    announced = [fact["prompt"] for fact in story.facts(FactKind.ANNOUNCED)]
    assert announced.count(ASK_PROMPT) == 1


def test_they_are_asked_again_after_some_time_and_not_before() -> None:
    story = waiting(phones=())
    for second in range(300):
        if story.call.playing:
            story.prompt_over()
        story.after(1)
        assert asked(story) <= 1 + second // 60
    assert asked(story) == 5


def test_who_speaks_is_never_asked() -> None:
    story = waiting()

    speaks(story)
    story.after(300)

    assert asked(story) == 0


def test_who_spoke_and_then_is_silent_is_asked() -> None:
    story = waiting(phones=())
    story.prompt_over()
    speaks(story)
    story.after(30)

    falls_silent(story)
    story.after(9)
    assert asked(story) == 0
    story.after(2)

    assert asked(story) == 1


def test_a_sound_between_does_not_bring_the_question_sooner_again() -> None:
    story = waiting(phones=())
    story.prompt_over()
    story.after(11)
    story.prompt_over()
    speaks(story)
    falls_silent(story)

    story.after(40)
    assert asked(story) == 1
    story.after(30)

    assert asked(story) == 2


def test_a_key_is_a_sign_of_life() -> None:
    story = waiting()
    story.after(9)
    story.presses("7")

    story.after(9)
    assert asked(story) == 0
    story.after(2)

    assert asked(story) == 1


def test_sound_from_an_operator_is_not_the_callers() -> None:
    story = waiting()

    speaks(story, story.operator)
    story.after(11)

    assert asked(story) == 1


def test_the_question_cuts_no_announcement() -> None:
    story = waiting(replace(QUEUE, greeting="selamat-datang"))

    story.after(11)
    assert story.hears[CALL] == ["selamat-datang"]
    story.prompt_over()

    assert story.hears[CALL] == [ASK_PROMPT]


def test_off_means_no_question_and_no_meaning_of_the_key() -> None:
    story = waiting(replace(QUEUE, policy=replace(ON, silent_after=0)))

    story.after(300)
    story.presses("5")

    assert asked(story) == 0
    assert story.facts(FactKind.SILENT_CALLER) == []
    assert not story.call.silent


# in a menu


def test_in_a_menu_the_question_comes_after_its_prompts_and_once() -> None:
    story = Story(MENU, ("2001",))
    story.arrives()
    story.answers(CALLER)

    story.after(11)
    assert story.hears[CALL] == ["selamat-datang"]
    for prompt in ("menu-utama", "menu-lanjutan", ASK_PROMPT):
        story.prompt_over()
        assert story.hears[CALL] == [prompt]
    story.after(30)  # it plays on; the menu's own time does not run meanwhile
    assert story.phase() is Phase.IVR
    story.prompt_over()
    story.after(4)

    assert story.phase() is Phase.WAITING
    assert asked(story) == 1


def test_a_menu_ends_although_its_caller_never_stirs() -> None:
    slow = replace(CENTRE.menus["utama"], timeout=100.0, repeats=1)
    story = Story(replace(MENU, menus={**CENTRE.menus, "utama": slow}), ("2001",))
    story.arrives()
    for _ in range(20):
        if story.core.calls[CALL].playing:
            story.prompt_over()
        story.after(30)

    assert story.phase() is Phase.WAITING


def test_a_menu_that_needs_the_key_itself_keeps_it_and_asks_nothing() -> None:
    own = Menu(keys={"5": Choice(category="banjir")}, otherwise=Choice(), timeout=40)
    story = Story(replace(MENU, greeting=None, menus={"utama": own}), ("2001",))
    story.arrives()
    story.answers(CALLER)

    story.after(30)
    assert asked(story) == 0
    story.presses("5")

    assert story.call.category == "banjir"
    assert not story.call.silent


@pytest.mark.parametrize("search_at_once", [True, False])
def test_key_5_in_a_menu_leads_to_the_queue_at_once(search_at_once: bool) -> None:
    story = Story(replace(MENU, policy=replace(ON, search_at_once=search_at_once)), ())
    story.arrives()
    story.answers(CALLER)

    story.presses("5")

    assert story.phase() is Phase.WAITING
    assert story.hears[CALL][0] == ACCEPTED_PROMPT
    assert story.facts(FactKind.SILENT_CALLER) == [{"phase": "ivr", "priority": 9}]
    assert story.armed("menu") is None


# believed


def test_key_5_works_without_being_asked_and_goes_before_an_earlier_caller() -> None:
    story = waiting(phones=())
    story.now += 60
    story.arrives(OTHER)

    story.presses("5", OTHER)
    story.phone("2001")

    assert story.rung.call == OTHER
    assert story.rung.name == "Penelepon diam, Lainnya"
    assert story.facts(FactKind.SILENT_CALLER) == [{"phase": "waiting", "priority": 9}]
    assert ACCEPTED_PROMPT in story.hears[OTHER]


def test_an_agency_sees_that_the_caller_cannot_speak() -> None:
    story = waiting()
    story.presses("5")
    story.answers(story.operator)

    story.presses("*119#", story.operator)

    assert story.rung.name == "Penelepon diam, Lainnya"


def test_the_operator_who_picks_up_is_told_and_the_caller_is_with_them_already() -> None:
    story = waiting()
    story.presses("5")

    story.answers(story.operator)

    told = of(story.effects, PlayPrompt)
    assert [(each.target, each.in_bridge, each.prompt) for each in told] == [
        (story.operator, False, OPERATOR_PROMPT)
    ]
    joined = [type(effect).__name__ for effect in story.effects]
    assert joined.index("Join") < joined.index("PlayPrompt")


def test_a_second_key_5_changes_nothing_and_nobody_is_asked_any_more() -> None:
    story = waiting(phones=())
    story.presses("5")

    story.presses("5")
    story.after(300)

    assert [each.kind for each in of(story.effects, Record)] == []
    assert asked(story) == 0
    assert len(story.facts(FactKind.SILENT_CALLER)) == 1


def test_key_5_in_the_queue_means_this_whatever_a_program_says_of_the_queues_keys() -> None:
    story = waiting(replace(QUEUE, queue_keys={"5": QueueKey(priority=1)}), ())

    story.presses("5")

    assert story.call.priority == 9


# talking


def test_a_caller_who_says_nothing_to_the_operator_is_asked_and_both_hear_it() -> None:
    story = talking()

    story.after(10.1)

    [play] = of(story.effects, PlayPrompt)
    assert (play.target, play.in_bridge, play.prompt) == (bridge_of(CALL), True, ASK_PROMPT)
    assert story.phase() is Phase.TALKING
    story.after(300)
    assert asked(story) == 1


def test_who_speaks_to_the_operator_is_not_asked_even_when_quiet_later() -> None:
    story = talking()
    story.after(5)
    speaks(story)
    falls_silent(story)

    story.after(300)

    assert asked(story) == 0


def test_who_speaks_while_they_are_picked_up_is_not_asked() -> None:
    story = waiting()
    speaks(story)
    story.answers(story.operator)

    story.after(300)

    assert asked(story) == 0


def test_nobody_talks_over_a_caller_who_begins_to_speak() -> None:
    story = talking()
    story.after(10.1)
    [play] = of(story.effects, PlayPrompt)

    speaks(story)

    assert StopPlayback(play.playback) in story.effects


def test_a_question_that_was_heard_is_not_stopped_again() -> None:
    story = talking()
    story.after(10.1)
    [play] = of(story.effects, PlayPrompt)
    story.feed(PlaybackEnded(CALL, play.playback))

    speaks(story)

    assert of(story.effects, StopPlayback) == []


def test_key_5_while_talking_is_told_to_the_operator() -> None:
    story = talking()

    story.presses("5")

    told = [each.prompt for each in of(story.effects, PlayPrompt) if not each.in_bridge]
    assert told == [OPERATOR_PROMPT]
    assert story.facts(FactKind.SILENT_CALLER) == [{"phase": "talking", "priority": 9}]
    assert story.phase() is Phase.TALKING


def test_the_question_ends_when_the_operator_calls_an_agency() -> None:
    story = talking()
    story.after(10.1)
    [play] = of(story.effects, PlayPrompt)

    story.presses("*119#", story.operator)

    assert StopPlayback(play.playback) in story.effects
    assert story.armed("silence") is None


def test_a_caller_whose_operator_is_lost_is_listened_to_again() -> None:
    story = talking()
    story.gone(story.operator, 38)

    assert story.phase() is Phase.WAITING
    assert story.armed("silence") == 10


def test_a_call_that_ends_listens_no_more() -> None:
    story = waiting()

    story.gone(CALL)

    assert story.armed("silence") is None


def test_an_operator_who_answers_before_our_own_answer_is_told_too() -> None:
    story = Story(QUEUE)
    story.arrives()
    story.presses("5")
    story.feed(LegAnswered(CALL, story.operator))

    assert [each.prompt for each in of(story.effects, PlayPrompt)] == [OPERATOR_PROMPT]


def test_the_phone_that_rings_already_goes_on_ringing() -> None:
    centre = replace(
        QUEUE, categories=(*QUEUE.categories, Category(id="x", name="X", queue="umum"))
    )
    story = waiting(centre)
    leg = story.operator

    story.presses("5")

    assert story.operator == leg
    assert len(story.facts(FactKind.OFFERED)) == 1


def test_what_rounding_leaves_of_the_time_to_the_next_question_is_none() -> None:
    """Its timer would fire at once, for ever (found by the simulation)."""
    story = waiting(replace(QUEUE, policy=replace(ON, silent_every=20)), phones=())
    story.prompt_over()
    for hair in (0.0, 1e-14, 1e-9):
        last = story.now
        story.core.calls[CALL] = replace(story.call, silence_asked=last)
        story.now = last + 20 - hair

        story.feed(TimerFired(CALL, TimerId(CALL, "silence")))

        assert story.armed("silence") == 10
        story.prompt_over()
