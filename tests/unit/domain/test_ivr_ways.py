"""Where a choice leads: information, back, repeats, closed menus, and keys in the queue."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Literal

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Choice, Hours, Menu, OpenPeriod, QueueKey
from ess_pbx.domain.effects import HangUp, Originate, PlayPrompt
from ess_pbx.domain.events import ClockRead, PlaybackEnded, RosterRead
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ivr import LONGEST_PROMPTS
from ess_pbx.domain.opening import is_open
from ess_pbx.domain.roster import Entry, Kind

from .centre import CALL, CALLER, CENTRE, of
from .story import Story

OFFICE = OpenPeriod(days=("sen", "jum"), since=time(7), to=time(15))
CLOSED = Choice(information=("tutup",), then="end")
KEYS = {
    "1": Choice(category="medis"),
    "2": Choice(menu="info"),
    "4": Choice(play=("jam-buka",)),
    "5": Choice(information=("syarat", "alamat"), then="end"),
    "6": Choice(information=("syarat",), category="banjir"),
    "7": Choice(menu="kantor"),
    "0": Choice(repeat=True),
}
INFO = Menu(
    prompts=("menu-info",),
    keys={"*": Choice(back=True), "9": Choice(language="en", back=True)},
    otherwise=Choice(back=True),
)
KANTOR = Menu(
    prompts=("menu-kantor",),
    otherwise=Choice(),
    hours=Hours(open=(OFFICE,), closed=CLOSED),
)
MENUS = {
    "utama": Menu(prompts=("menu-utama",), keys=KEYS, otherwise=Choice(), repeats=2),
    "info": INFO,
    "kantor": KANTOR,
}


def in_menu(search: bool = False, phones: tuple[str, ...] = ("2001",), **changes: object) -> Story:
    policy = replace(CENTRE.policy, search_at_once=search)
    centre = replace(CENTRE, greeting=None, menus=MENUS, policy=policy)
    story = Story(replace(centre, **changes), phones)
    story.arrives()
    story.answers(CALLER)
    return story


def heard_out(story: Story) -> None:
    """Every prompt begins and ends."""
    while CALL in story.core.calls and story.call.playing is not None:
        story.begins()
        story.prompt_over()


def test_the_prompts_play_again_as_often_as_said_before_otherwise() -> None:
    story = in_menu()

    for _ in range(3):
        assert story.phase() is Phase.IVR
        assert story.hears[CALL] == ["menu-utama"]
        story.prompt_over()
        story.after(4.1)

    assert story.phase() is Phase.WAITING
    assert len(of(story.all, PlayPrompt)) == 4
    assert len(story.facts(FactKind.MENU_ENTERED)) == 1


def test_a_key_makes_the_menu_play_again_and_counts_its_repeats_anew() -> None:
    story = in_menu()
    story.prompt_over()
    story.after(4.1)

    story.presses("0")

    assert (story.hears[CALL], story.call.repeated) == (["menu-utama"], 0)


def test_prompts_play_and_the_same_menu_after_them() -> None:
    story = in_menu()

    story.presses("4")
    assert story.hears[CALL] == ["jam-buka"]
    story.prompt_over()

    assert story.hears[CALL] == ["menu-utama"]
    assert story.phase() is Phase.IVR


@pytest.mark.parametrize("way", ["*", "nothing"])
def test_back_leads_to_the_menu_before(way: str) -> None:
    story = in_menu()
    story.presses("2")
    assert list(story.call.menus) == ["utama", "info"]

    if way == "*":
        story.presses("*")
    else:
        story.prompt_over()
        story.after(4.1)

    assert (story.call.menu, list(story.call.menus)) == ("utama", ["utama"])


def test_a_language_is_chosen_on_the_way_back() -> None:
    story = in_menu()
    story.presses("2")

    story.presses("9")

    [prompt] = of(story.effects, PlayPrompt)
    assert (prompt.prompt, prompt.language) == ("menu-utama", "en")


def test_an_information_line_ends_politely_as_a_success() -> None:
    story = in_menu()

    story.presses("5")
    heard_out(story)

    assert [each.prompt for each in of(story.all, PlayPrompt)][1:] == [
        *("syarat", "alamat", "terima-kasih")
    ]
    assert story.facts(FactKind.CALL_ENDED) == [
        {"result": "success", "reason": "information", "channel_cause": 16, "ended_by": None}
    ]
    assert of(story.effects, HangUp) == [HangUp(CALLER)]
    story.gone(CALL)
    assert story.core.calls == {}
    assert story.timers == {}


def test_an_information_line_may_lead_on_to_the_queue() -> None:
    story = in_menu()

    story.presses("6")
    heard_out(story)

    assert story.phase() is Phase.WAITING
    assert (story.call.category, story.call.queue) == ("banjir", "umum")
    assert story.armed("menu") is None


def test_the_keys_of_the_menu_work_over_the_information() -> None:
    story = in_menu()
    story.presses("5")

    story.presses("1")

    assert (story.phase(), story.call.category) == (Phase.WAITING, "medis")
    assert story.call.information is None


def test_nobody_is_sent_away_by_a_farewell_that_was_not_heard() -> None:
    story = in_menu()
    story.presses("5")

    for _ in range(3):
        story.prompt_over()

    assert story.phase() is Phase.WAITING


def test_an_information_whose_end_is_never_told_leads_to_the_queue() -> None:
    story = in_menu()
    story.presses("5")

    story.after(LONGEST_PROMPTS + 0.1)

    assert story.phase() is Phase.WAITING


def test_who_listens_to_the_last_information_keeps_no_operators_phone_ringing() -> None:
    story = in_menu(search=True)
    [ringing] = of(story.all, Originate)

    story.presses("5")

    assert of(story.effects, HangUp) == [HangUp(ringing.leg)]
    assert story.core.acd.waiting == {}
    assert story.armed("ring") is None


def test_who_goes_back_to_the_menu_is_searched_an_operator_for_again() -> None:
    story = in_menu(search=True)
    story.presses("5")

    story.presses("0")

    assert story.phase() is Phase.IVR
    assert len(of(story.effects, Originate)) == 1


@pytest.mark.parametrize(
    ("day", "hour", "is_so"),
    [(5, 7, True), (5, 14, True), (5, 15, False), (5, 6, False), (6, 9, False), (9, 9, True)],
)
def test_a_period_is_open_on_its_days_from_and_to_its_times(
    day: int, hour: int, is_so: bool
) -> None:
    assert is_open(Hours(open=(OFFICE,), closed=CLOSED), datetime(2026, 1, day, hour)) is is_so


@pytest.mark.parametrize(
    ("at", "is_so"), [((5, 23), True), ((6, 5), True), ((6, 6), False), ((6, 23), False)]
)
def test_a_period_may_run_past_midnight_of_the_day_it_began(
    at: tuple[int, int], is_so: bool
) -> None:
    night = OpenPeriod(days=("sen",), since=time(22), to=time(6))

    assert is_open(Hours(open=(night,), closed=CLOSED), datetime(2026, 1, *at)) is is_so


@pytest.mark.parametrize(("day", "heard"), [(5, "menu-kantor"), (6, "tutup")])
def test_a_menu_is_entered_only_while_it_is_open(day: int, heard: str) -> None:
    story = in_menu()
    story.feed(ClockRead(datetime(2026, 1, day, 9)))

    story.presses("7")

    assert story.hears[CALL] == [heard]
    assert story.call.menu == ("kantor" if day == 5 else "utama")


@pytest.mark.parametrize(("holidays", "heard"), [("open", "menu-kantor"), ("closed", "tutup")])
def test_a_menu_may_be_closed_on_holidays_of_the_roster(
    holidays: Literal["open", "closed"], heard: str
) -> None:
    hours = Hours(open=(OFFICE,), closed=CLOSED, holidays=holidays)
    story = in_menu(menus={**MENUS, "kantor": replace(KANTOR, hours=hours)})
    story.feed(RosterRead((Entry(date(2026, 1, 5), None, None, Kind.OFF),)))
    story.feed(ClockRead(datetime(2026, 1, 5, 9)))

    story.presses("7")

    assert story.hears[CALL] == [heard]


def test_a_first_menu_that_is_closed_sends_the_caller_on_after_the_greeting() -> None:
    closed = replace(KANTOR, hours=Hours(open=(OFFICE,), closed=Choice(category="medis")))
    story = in_menu(menus={"utama": closed}, greeting="halo")  # 1 January 2026 is a Thursday

    assert story.phase() is Phase.WAITING
    assert story.hears[CALL] == ["halo"]
    assert story.call.queue == "medis"


def test_menus_that_send_each_other_on_while_closed_lead_to_the_queue() -> None:
    def shut(to: str) -> Menu:
        return replace(KANTOR, hours=Hours(open=(OFFICE,), closed=Choice(menu=to)))

    story = in_menu(menus={"utama": shut("b"), "b": shut("utama")})

    assert story.phase() is Phase.WAITING


def waiting_with(phones: tuple[str, ...] = (), **keys: QueueKey) -> Story:
    named = {name.removeprefix("key_"): wanted for name, wanted in keys.items()}
    return in_menu(phones=phones, first_menu=None, queue_keys=named)


def test_a_key_in_the_queue_moves_the_call_and_is_heard_at_once() -> None:
    story = waiting_with(key_3=QueueKey(category="medis", play=("pindah",)))
    cut = story.call.playing
    assert cut is not None
    story.phone("2004")

    story.presses("3")

    assert (story.call.queue, story.core.acd.waiting[CALL].queue) == ("medis", "medis")
    assert story.facts(FactKind.KEY_PRESSED) == [{"key": "3", "menu": None}]
    queued = {"queue": "medis", "priority": 5, "menu": None}
    assert story.facts(FactKind.QUEUED)[-1] == queued
    assert "pindah" in [each.prompt for each in of(story.effects, PlayPrompt)]
    assert story.feed(PlaybackEnded(CALL, cut)) == []


def test_a_key_in_the_queue_that_changes_nothing_does_not_queue_again() -> None:
    story = waiting_with(("2001",), key_3=QueueKey(category="lainnya"))

    story.presses("3")

    assert len(story.facts(FactKind.QUEUED)) == 1
    [prompt] = of(story.effects, PlayPrompt)
    assert prompt.prompt == "mohon-tunggu"


def test_another_language_in_the_queue_asks_for_an_operator_who_speaks_it() -> None:
    story = waiting_with(("2001",), key_3=QueueKey(language="en"))

    story.presses("3")

    assert len(story.facts(FactKind.QUEUED)) == 2
    [prompt] = of(story.effects, PlayPrompt)
    assert (prompt.prompt, prompt.language) == ("mohon-tunggu", "en")
    assert story.armed("ladder") is not None


def test_a_key_without_a_meaning_in_the_queue_leaves_what_is_heard() -> None:
    story = waiting_with(("2001",), key_3=QueueKey(category="medis"))
    heard = list(story.hears[CALL])

    story.presses("4")

    assert story.hears[CALL] == heard
    assert len(story.effects) == 1
