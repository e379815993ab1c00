"""Menus: a key at any time, and pressing nothing leads to a human too."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Choice, Menu
from ess_pbx.domain.effects import Answer, Originate, PlayPrompt, StopPlayback
from ess_pbx.domain.events import PlaybackEnded
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ivr import LONGEST_PROMPTS

from .centre import CALL, CALLER, CENTRE, of
from .given import in_menu
from .story import Story

ALL_PROMPTS = ("selamat-datang", "menu-utama", "menu-lanjutan")


def test_a_caller_is_answered_and_hears_greeting_and_menu_one_after_another() -> None:
    story = Story()

    story.arrives()

    assert of(story.effects, Answer) == [Answer(CALLER)]
    for prompt in ALL_PROMPTS:
        assert story.hears[CALL] == [prompt]
        story.prompt_over()
    assert story.phase() is Phase.IVR
    assert story.facts(FactKind.MENU_ENTERED) == [{"menu": "utama"}]


@pytest.mark.parametrize("menu", ["utama", None])
def test_who_was_answered_while_no_engine_was_there_is_on_record_as_answered_at_once(
    menu: str | None,
) -> None:
    story = Story(replace(CENTRE, first_menu=menu))

    story.arrives(up=True)

    assert of(story.effects, Answer) == []
    assert story.facts(FactKind.CALL_ANSWERED) == [{}]


def test_the_arrival_is_recorded_as_the_network_gave_it() -> None:
    story = Story()

    story.arrives(caller_raw="anonymous", caller_e164=None, caller_display="tanpa nomor")

    [fact] = story.facts(FactKind.CALL_ARRIVED)
    assert (fact["caller_raw"], fact["caller_e164"]) == ("anonymous", None)
    assert (story.call.number, story.call.display) == ("", "tanpa nomor")
    assert story.call.legs[story.call.caller].party == "tanpa nomor"


def test_a_call_to_an_unknown_number_is_an_alarm_and_is_taken_all_the_same() -> None:
    story = Story()

    story.arrives(known_number=False, called="999")

    assert story.facts(FactKind.ALARM_RAISED) == [
        {"alarm": "unknown-number", "detail": "telco-a: 999"}
    ]
    assert story.phase() is Phase.IVR


def test_the_first_prompt_heard_is_the_greeting_of_the_call_and_counts_once() -> None:
    story = in_menu()

    story.begins()
    story.prompt_over()
    story.begins()

    assert story.facts(FactKind.GREETING_STARTED) == [{}]
    assert story.facts(FactKind.CALL_ANSWERED) == [{}]


@pytest.mark.parametrize("heard", range(len(ALL_PROMPTS) + 1))
def test_a_key_cuts_the_prompt_and_classifies_whenever_it_comes(heard: int) -> None:
    story = in_menu()
    for _ in range(heard):
        story.prompt_over()
    playing = story.call.playing

    story.presses("1")

    assert of(story.effects, StopPlayback) == ([StopPlayback(playing)] if playing else [])
    assert story.facts(FactKind.KEY_PRESSED) == [{"key": "1", "menu": "utama"}]
    assert story.facts(FactKind.CLASSIFIED) == [
        {"category": "medis", "queue": "medis", "priority": 5, "language": "id"}
    ]
    assert (story.phase(), story.call.queue) == (Phase.WAITING, "medis")
    assert story.hears[CALL] == ["mohon-tunggu"]
    assert story.armed("menu") is None


def test_the_operator_is_rung_before_the_caller_is_told_to_wait() -> None:
    story = in_menu()

    story.presses("1")

    requests = [e for e in story.effects if isinstance(e, Originate | PlayPrompt)]
    assert [type(request) for request in requests] == [Originate, PlayPrompt]
    assert (story.rung.address, story.rung.name) == ("2001", "Medis")


def test_a_choice_can_name_the_queue_and_priority_itself() -> None:
    story = in_menu()

    story.presses("3")

    assert story.facts(FactKind.CLASSIFIED) == [
        {"category": "banjir", "queue": "medis", "priority": 8, "language": "id"}
    ]


@pytest.mark.parametrize("key", "0456*#ABCD")
def test_a_key_without_a_meaning_is_recorded_and_changes_nothing(key: str) -> None:
    story = in_menu()
    before = story.call

    story.presses(key)

    assert story.facts(FactKind.KEY_PRESSED) == [{"key": key, "menu": "utama"}]
    assert len(story.effects) == 1
    assert story.call == before


def test_the_lowest_priority_is_a_choice_too() -> None:
    story = in_menu()

    story.presses("8")

    assert (story.call.priority, story.core.acd.waiting[CALL].order[0]) == (0, 1000.0)


def test_a_caller_is_queued_with_the_age_of_their_arrival() -> None:
    story = in_menu()
    story.after(30)

    story.presses("1")

    lifted = 5 * story.core.config.policy.age_lift
    assert story.core.acd.waiting[CALL].order[0] == 1000.0 - lifted


def test_pressing_nothing_goes_otherwise_when_the_menus_time_is_over() -> None:
    story = in_menu()
    for _ in ALL_PROMPTS:
        story.prompt_over()

    story.after(3.9)
    assert story.phase() is Phase.IVR
    story.after(0.2)

    assert story.phase() is Phase.WAITING
    assert (story.call.category, story.call.queue) == ("lainnya", "umum")


def test_a_caller_is_not_in_silence_while_the_menu_waits_for_a_key() -> None:
    story = in_menu()
    for _ in ALL_PROMPTS:
        story.prompt_over()
    assert story.hears[CALL] == ["music"]

    story.presses("1")

    assert story.hears[CALL] == ["mohon-tunggu"]


def test_a_menu_goes_on_although_the_end_of_its_prompt_is_never_heard_of() -> None:
    story = in_menu()

    story.after(LONGEST_PROMPTS + 0.1)

    assert story.phase() is Phase.WAITING


def test_a_sub_menu_is_entered_at_once_and_has_its_own_keys_and_time() -> None:
    story = in_menu()

    story.presses("2")
    assert (story.phase(), story.call.menu) == (Phase.IVR, "bencana")
    assert story.hears[CALL] == ["menu-bencana"]
    story.prompt_over()
    assert story.armed("menu") == 3.0
    story.presses("1")

    assert (story.call.category, story.call.priority) == ("banjir", 9)
    assert story.phase() is Phase.WAITING


def test_pressing_nothing_in_a_sub_menu_keeps_what_was_chosen_before() -> None:
    story = in_menu()
    story.presses("2")
    story.prompt_over()

    story.after(3.1)

    assert (story.call.category, story.call.queue) == ("lainnya", "umum")


@pytest.mark.parametrize("prompts", [(), ("menu-bencana",)])
def test_a_sub_menu_without_prompts_waits_only_its_own_time(prompts: tuple[str, ...]) -> None:
    silent = Menu(prompts=prompts, otherwise=Choice(), timeout=3.0)
    story = Story(replace(CENTRE, menus={**CENTRE.menus, "bencana": silent}))
    story.arrives()

    story.presses("2")

    assert story.armed("menu") == (LONGEST_PROMPTS if prompts else 3.0)
    assert story.hears[CALL] == (list(prompts) or ["music"])


def test_a_language_is_spoken_from_the_next_prompt_on() -> None:
    story = in_menu()

    story.presses("9")

    [prompt] = of(story.effects, PlayPrompt)
    assert (prompt.prompt, prompt.language) == ("menu-utama", "en")
    story.presses("1")
    [prompt] = of(story.effects, PlayPrompt)
    assert (prompt.prompt, prompt.language) == ("mohon-tunggu", "en")


def test_the_end_of_a_prompt_that_was_cut_off_does_not_start_another() -> None:
    story = in_menu()
    cut = story.call.playing
    assert cut is not None
    story.presses("2")

    story.feed(PlaybackEnded(CALL, cut))

    assert story.effects == []
    assert story.hears[CALL] == ["menu-bencana"]


def test_a_caller_who_leaves_in_the_menu_has_abandoned() -> None:
    story = in_menu()

    story.gone(CALL)

    [fact] = story.facts(FactKind.CALL_ENDED)
    assert fact == {
        "result": "client",
        "reason": "abandoned",
        "channel_cause": 16,
        "ended_by": "caller",
    }
    assert story.core.calls == {}
    assert story.timers == {}


@pytest.mark.parametrize(("stood", "phase"), [(5.1, Phase.IVR), (30.0, Phase.WAITING)])
def test_whoever_was_in_a_menu_while_the_engine_stood_still_is_asked_no_more(
    stood: float, phase: Phase
) -> None:
    story = Story()
    story.at(9)
    story.now += 5.0
    story.at(9)
    story.arrives()
    story.answers(CALLER)
    story.now += 0.5
    story.at(9)
    story.now += stood
    story.at(9)

    assert story.phase() is phase
    assert bool(of(story.all, Originate)) is (phase is Phase.WAITING)


def test_whoever_came_in_the_moment_before_the_engine_stood_still_is_asked_no_more() -> None:
    story = Story()
    story.at(9)
    story.now += 4.9
    story.arrives()
    story.answers(CALLER)
    story.now += 30.0
    story.at(9)

    assert story.phase() is Phase.WAITING


@pytest.mark.parametrize(("ago", "phase"), [(9.0, Phase.IVR), (11.0, Phase.WAITING)])
def test_whom_no_engine_took_for_long_no_menu_asks(ago: float, phase: Phase) -> None:
    story = Story()

    story.arrives(invited_at=story.core.wall(story.now) - ago)

    assert story.phase() is phase


def test_whoever_came_after_the_engine_stood_still_hears_the_menu() -> None:
    story = Story()
    story.at(9)
    story.now += 30.0
    story.arrives()
    story.answers(CALLER)
    story.at(9)

    assert story.phase() is Phase.IVR
