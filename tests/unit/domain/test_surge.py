"""Surge mode in virtual time: what it changes for callers and operators, and how it ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace as with_value
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call import Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import AcknowledgeAlarm, Asker, Command, DeclareSurge, EndSurge, Via
from ess_pbx.domain.config import Centre, EarthquakeFeed, Region, Rung, Surge, Threshold
from ess_pbx.domain.earthquake import Earthquake, Tsunami
from ess_pbx.domain.effects import Originate, Record, Refused
from ess_pbx.domain.events import (
    ClockRead,
    EarthquakeFeedRead,
    EarthquakeReported,
    PhoneReachable,
)
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.surge_centre import MENU

from .centre import CALL, CALLER, CENTRE, NO_MENU, OTHER, of
from .story import Story

SUPERVISOR = Asker("admin", Via.API)
FEED = EarthquakeFeed(
    region=Region(latitude=-6.12, longitude=106.15),
    thresholds=(Threshold(within_km=100, magnitude=5.0),),
    tsunami_within_km=300,
)
SURGE = Surge(prompts=("siaga-banjir",), feed=FEED, hurry=2, wrap_up=5, lasts=7200)
CAREFUL = replace(CENTRE, surge=SURGE)
CAREFUL_NO_MENU = replace(NO_MENU, surge=SURGE)
NINE = datetime(2026, 1, 1, 9, tzinfo=UTC).timestamp()
DECLARE = DeclareSurge(SUPERVISOR, "Banjir bandang", "siaga-banjir")


def a_quake(
    tsunami: Tsunami = Tsunami.NONE, magnitude: float = 6.0, name: str = "q1"
) -> Earthquake:
    """An earthquake a minute ago, on the region's point."""
    return Earthquake(
        id=name,
        at=NINE - 60,
        latitude=-6.12,
        longitude=106.15,
        magnitude=magnitude,
        depth=10.0,
        place="Laut",
        tsunami=tsunami,
    )


def in_surge(config: Centre = CAREFUL, **story: Any) -> Story:
    """A centre where a supervisor has declared surge mode."""
    told = Story(config, **story)
    told.feed(DECLARE)
    return told


def clock(story: Story, after: float) -> None:
    """The wall clock is read, some seconds after nine."""
    story.now = 1000.0 + after
    story.feed(ClockRead(datetime.fromtimestamp(NINE + after, UTC), wall=NINE + after))


def hears(story: Story) -> list[str]:
    """What plays to the first caller."""
    return story.hears[CALLER]


def refused(story: Story, command: Command) -> str:
    """The code with which a command is refused."""
    return of(story.feed(command), Refused)[0].code


def after_restart(
    story: Story, *, by_checkpoint: bool = False, phones: Iterable[str] = ("2001",)
) -> Story:
    """The engine starts again: all that is left of the centre is its journal."""
    again = Story(story.core.config, ())
    core = CallCentre(story.core.config)
    records = of(story.all, Record)
    if by_checkpoint:
        records = [story.core.checkpoint()]
    for number, record in enumerate(records):
        core.recall(
            Fact(
                id=str(number),
                centre="contoh",
                call=record.call,
                kind=record.kind,
                at=NINE,
                ms=None,
                data=record.data,
            )
        )
    again.core, again.all = core, []
    for phone in phones:
        again.feed(PhoneReachable(phone))
    return again


class TestCallers:
    """What a caller meets while surge mode is on."""

    def test_hear_what_happened_in_place_of_the_greeting_and_are_asked_for_their_need(self) -> None:
        story = in_surge()
        story.arrives()
        assert hears(story) == ["siaga-banjir"]
        story.prompt_over()
        assert hears(story) == ["siaga-butuh-bantuan"]

    def test_who_presses_the_key_waits_before_who_presses_nothing(self) -> None:
        story = in_surge(phones=())
        for call in (CALL, OTHER):
            story.arrives(call)
            story.answers(call)
        story.prompt_over(CALL)
        story.prompt_over(CALL)
        story.after(4)
        assert story.call.priority == SURGE.other_priority
        story.presses("1", OTHER)
        assert story.core.calls[OTHER].priority == SURGE.need_priority
        story.phone("2001")
        assert story.rung.call == OTHER

    def test_who_presses_nothing_waits_and_is_offered(self) -> None:
        story = in_surge()
        story.arrives()
        story.answers(CALLER)
        story.prompt_over()
        story.prompt_over()
        story.after(4)
        assert story.phase() is Phase.WAITING
        assert story.rung.call == CALL
        assert hears(story) == ["mohon-tunggu"]

    def test_who_presses_nothing_may_be_told_that_hanging_up_is_fine_and_waits_all_the_same(
        self,
    ) -> None:
        informing = replace(SURGE, ask_own_need="inform")
        story = in_surge(replace(CAREFUL, surge=informing), phones=())
        story.arrives()
        story.answers(CALLER)
        story.prompt_over()
        story.prompt_over()
        story.after(4)
        assert hears(story) == ["siaga-informasi"]
        story.prompt_over()
        assert story.phase() is Phase.WAITING
        assert story.call.priority == informing.other_priority

    def test_need_can_still_be_told_while_waiting(self) -> None:
        story = in_surge(CAREFUL_NO_MENU, phones=())
        story.arrives()
        story.answers(CALLER)
        story.after(70)
        assert story.call.priority == SURGE.other_priority
        story.presses("1")
        assert story.call.priority == SURGE.need_priority

    def test_the_first_menus_other_keys_go_on_working(self) -> None:
        story = in_surge(phones=())
        story.arrives()
        story.presses("3")
        assert (story.call.category, story.call.queue) == ("banjir", "medis")

    def test_are_not_asked_where_the_settings_say_so(self) -> None:
        story = in_surge(replace(CAREFUL, surge=replace(SURGE, ask_own_need="no")))
        story.arrives()
        assert hears(story) == ["siaga-banjir"]
        story.prompt_over()
        assert hears(story) == ["menu-utama"]

    def test_are_greeted_as_ever_where_nothing_is_announced(self) -> None:
        story = in_surge(replace(CAREFUL, surge=replace(SURGE, announce=False)))
        story.arrives()
        assert hears(story) == ["selamat-datang"]

    def test_who_is_being_asked_when_it_ends_goes_on_to_the_queue(self) -> None:
        story = in_surge()
        story.arrives()
        story.answers(CALLER)
        story.feed(EndSurge(SUPERVISOR, "aman"))
        assert story.call.menu == MENU
        story.prompt_over()
        story.prompt_over()
        story.after(4)
        assert story.phase() is Phase.WAITING

    def test_who_waited_before_goes_on_waiting_at_their_place(self) -> None:
        story = Story(CAREFUL_NO_MENU, phones=())
        story.arrives()
        story.answers(CALLER)
        before = story.core.acd.waiting[CALL].order
        story.feed(DECLARE)
        assert story.core.acd.waiting[CALL].order == before

    def test_the_ladder_is_climbed_earlier_also_by_who_waits_already(self) -> None:
        policy = replace(CENTRE.policy, ladder=(Rung(after=30, step="wider-skills"),))
        medis = with_skills(replace(CAREFUL_NO_MENU, policy=policy))
        story = Story(medis, phones=())
        story.arrives()
        story.answers(CALLER)
        assert story.armed("ladder") == 30
        story.after(4)
        story.feed(DECLARE)
        assert story.armed("ladder") == 11
        story.feed(EndSurge(SUPERVISOR, "aman"))
        assert story.armed("ladder") == 26


def with_skills(config: Centre) -> Centre:
    """A centre whose default category asks for a skill."""
    first, *others = config.categories
    return replace(config, categories=(replace(first, skills=("medis",)), *others))


class TestOperators:
    """What operators meet while surge mode is on."""

    def test_who_is_off_shift_with_a_phone_there_is_called_in_and_goes_at_the_end(self) -> None:
        story = Story(CAREFUL_NO_MENU, phones=("2004",))
        story.arrives()
        story.answers(CALLER)
        assert of(story.all, Originate) == []
        story.feed(DECLARE)
        assert story.rung.address == "2004"
        story.at(9)
        assert story.core.acd.seats["2004"].present
        story.feed(EndSurge(SUPERVISOR, "aman"))
        assert not story.core.acd.seats["2004"].on_duty

    def test_nobody_is_called_in_where_the_settings_say_so(self) -> None:
        story = in_surge(replace(NO_MENU, surge=replace(SURGE, call_in=False)), phones=("2004",))
        story.at(9)
        assert not story.core.acd.seats["2004"].on_duty

    def test_a_wrap_up_is_short_and_one_that_goes_on_becomes_so(self) -> None:
        story = talking(CAREFUL_NO_MENU)
        story.gone(CALLER)
        story.after(2)
        assert story.armed("wrap-up", "2001") == 18
        story.feed(DECLARE)
        assert story.armed("wrap-up", "2001") == 3

    def test_a_wrap_up_that_took_longer_is_over_at_once(self) -> None:
        story = talking(CAREFUL_NO_MENU)
        story.gone(CALLER)
        story.after(10)
        story.feed(DECLARE)
        story.after(0)
        assert story.core.acd.seats["2001"].free

    def test_wrap_ups_are_as_ever_when_it_is_over(self) -> None:
        story = talking(CAREFUL_NO_MENU)
        story.feed(DECLARE)
        story.feed(EndSurge(SUPERVISOR, "aman"))
        story.gone(CALLER)
        assert story.armed("wrap-up", "2001") == CENTRE.policy.wrap_up

    def test_all_are_to_be_rung_while_it_lasts(self) -> None:
        story = in_surge()
        assert story.core.acd.ring_all
        story.feed(EndSurge(SUPERVISOR, "aman"))
        assert not story.core.acd.ring_all


def talking(config: Centre) -> Story:
    """Operator and caller talk."""
    story = Story(config)
    story.arrives()
    story.answers(CALLER)
    story.answers(story.operator)
    return story


class TestByHand:
    """Declared, changed and ended by people."""

    def test_is_on_record_with_who_asked(self) -> None:
        story = in_surge()
        story.feed(EndSurge(SUPERVISOR, "air surut"))
        who = {"by": "admin", "via": "api"}
        declared = {"reason": "Banjir bandang", "prompt": "siaga-banjir", "event": None}
        assert story.facts(FactKind.SURGE_DECLARED) == [{**declared, "until": NINE + 7200, **who}]
        assert story.facts(FactKind.SURGE_ENDED) == [{"reason": "air surut", **who}]
        for record in of(story.all, Record):
            fact = Fact(id="", centre="", call=None, kind=record.kind, at=0, ms=0, data=record.data)
            assert fields_differ(fact) is None

    def test_a_second_declaration_changes_what_is_said_and_lasts_longer(self) -> None:
        story = in_surge()
        clock(story, 600)
        story.feed(DeclareSurge(SUPERVISOR, "Banjir dan longsor"))
        [changed] = story.facts(FactKind.SURGE_CHANGED)
        assert (changed["prompt"], changed["until"]) == ("siaga-banjir", NINE + 600 + 7200)
        assert story.core.surge.state is not None
        assert story.core.surge.state.since == NINE
        assert [alarm.title for alarm in story.core.surge.alarms.values()] == [
            "Siaga bencana: Banjir dan longsor"
        ]

    def test_it_ends_by_itself(self) -> None:
        story = in_surge()
        clock(story, 7199)
        assert story.core.surge.state is not None
        clock(story, 7200)
        assert story.core.surge.state is None
        assert story.facts(FactKind.SURGE_ENDED)[0]["via"] == "system"
        assert story.core.surge.alarms == {}
        story.arrives()
        assert hears(story) == ["selamat-datang"]

    def test_what_cannot_be_done_is_refused_and_changes_nothing(self) -> None:
        story = Story(CAREFUL)
        assert refused(story, EndSurge(SUPERVISOR, "x")) == "not-in-surge"
        assert refused(story, DeclareSurge(SUPERVISOR, "x", "tidak-ada")) == "unknown-prompt"
        assert refused(story, DeclareSurge(SUPERVISOR, " ")) == "reason-missing"
        assert refused(story, AcknowledgeAlarm(SUPERVISOR, "surge")) == "unknown-alarm"
        assert story.effects == of(story.effects, Refused)
        assert story.core.surge.state is None


class TestEarthquakes:
    """Declared by the feed."""

    def test_one_that_concerns_the_region_begins_it_with_a_line_on_the_wall(self) -> None:
        story = Story(CAREFUL)
        story.feed(EarthquakeReported(a_quake()))
        [declared] = story.facts(FactKind.SURGE_DECLARED)
        assert (declared["prompt"], declared["by"], declared["via"]) == (
            "siaga-gempa",
            "bmkg",
            "system",
        )
        [alarm] = story.facts(FactKind.WALLBOARD_ALARM)
        assert (alarm["alarm"], alarm["level"]) == ("earthquake:q1", "line")
        assert "tidak berpotensi tsunami" in alarm["title"]

    def test_is_acted_upon_once_also_after_it_was_ended_by_hand(self) -> None:
        story = Story(CAREFUL)
        for _ in range(3):
            story.feed(EarthquakeReported(a_quake()))
        story.feed(EndSurge(SUPERVISOR, "tidak ada kerusakan"))
        story.feed(EarthquakeReported(a_quake()))
        assert len(story.facts(FactKind.SURGE_DECLARED)) == 1
        assert story.core.surge.state is None

    @pytest.mark.parametrize("feed", [FEED, None])
    def test_one_that_does_not_concern_it_changes_nothing(
        self, feed: EarthquakeFeed | None
    ) -> None:
        story = Story(replace(CAREFUL, surge=replace(SURGE, feed=feed)))
        small = a_quake(magnitude=4.0 if feed else 9.0)
        assert story.feed(EarthquakeReported(small)) == []

    def test_a_tsunami_has_the_whole_screen_until_it_is_acknowledged(self) -> None:
        story = Story(CAREFUL)
        story.feed(EarthquakeReported(a_quake(Tsunami.POSSIBLE)))
        alarm = story.core.surge.alarms["earthquake:q1"]
        assert alarm.sounds
        assert alarm.title.startswith("BERPOTENSI TSUNAMI")
        story.feed(EndSurge(SUPERVISOR, "x"))
        assert story.core.surge.alarms["earthquake:q1"].sounds
        story.feed(AcknowledgeAlarm(SUPERVISOR, "earthquake:q1"))
        assert story.core.surge.alarms == {}
        acknowledged = {"alarm": "earthquake:q1", "by": "admin", "via": "api"}
        assert story.facts(FactKind.ALARM_ACKNOWLEDGED) == [acknowledged]

    def test_an_acknowledged_tsunami_stays_a_line_while_surge_mode_lasts(self) -> None:
        story = Story(CAREFUL)
        story.feed(EarthquakeReported(a_quake(Tsunami.POSSIBLE)))
        story.feed(AcknowledgeAlarm(SUPERVISOR, "earthquake:q1"))
        assert not story.core.surge.alarms["earthquake:q1"].sounds
        story.feed(EndSurge(SUPERVISOR, "x"))
        assert story.core.surge.alarms == {}

    def test_an_update_to_a_tsunami_is_acted_upon_also_when_surge_mode_is_over(self) -> None:
        story = Story(CAREFUL)
        story.feed(EarthquakeReported(a_quake()))
        story.feed(EndSurge(SUPERVISOR, "x"))
        story.feed(EarthquakeReported(a_quake(Tsunami.POSSIBLE)))
        assert story.core.surge.state is not None
        assert story.core.surge.state.prompt == "siaga-tsunami"
        assert story.core.surge.alarms["earthquake:q1"].sounds

    def test_an_all_clear_for_the_tsunami_takes_it_from_screen_and_greeting(self) -> None:
        story = Story(CAREFUL)
        story.feed(EarthquakeReported(a_quake(Tsunami.POSSIBLE)))
        story.feed(EarthquakeReported(a_quake(Tsunami.NONE)))
        assert not story.core.surge.alarms["earthquake:q1"].sounds
        story.arrives()
        assert hears(story) == ["siaga-gempa"]

    def test_an_all_clear_counts_late_and_for_a_quake_far_away(self) -> None:
        far = with_value(a_quake(Tsunami.POSSIBLE), latitude=-4.0)
        story = Story(CAREFUL)
        story.feed(EarthquakeReported(far))
        clock(story, FEED.max_age + 600)
        story.feed(EarthquakeReported(with_value(far, tsunami=Tsunami.NONE)))
        assert not story.core.surge.alarms["earthquake:q1"].sounds
        assert story.core.surge.state is not None
        assert story.core.surge.state.prompt == "siaga-gempa"

    def test_an_all_clear_begins_nothing_anew(self) -> None:
        story = Story(CAREFUL)
        story.feed(EarthquakeReported(a_quake(Tsunami.POSSIBLE)))
        story.feed(EndSurge(SUPERVISOR, "x"))
        story.feed(EarthquakeReported(a_quake(Tsunami.NONE)))
        assert story.core.surge.state is None
        assert story.core.surge.alarms == {}

    def test_a_further_quake_extends_it_and_leaves_what_is_said(self) -> None:
        story = in_surge()
        clock(story, 600)
        later = with_value(a_quake(name="q2"), at=NINE + 500)
        story.feed(EarthquakeReported(later))
        state = story.core.surge.state
        assert state is not None
        assert (state.prompt, state.reason) == ("siaga-banjir", "Banjir bandang")
        assert state.until == NINE + 600 + 7200

    def test_a_feared_tsunami_is_said_whatever_was_said_before(self) -> None:
        story = in_surge()
        story.feed(EarthquakeReported(a_quake(Tsunami.POSSIBLE)))
        story.arrives()
        assert hears(story) == ["siaga-tsunami"]
        story.feed(EarthquakeReported(a_quake(name="q2")))
        assert story.core.surge.state is not None
        assert story.core.surge.state.prompt == "siaga-tsunami"

    def test_a_feed_in_trouble_is_one_alarm_until_it_works(self) -> None:
        story = Story(CAREFUL)
        for trouble in (None, "HTTP 503", "HTTP 503", "not JSON", None, None):
            story.feed(EarthquakeFeedRead(trouble))
        raised = {"alarm": "surge-feed", "detail": "HTTP 503"}
        assert story.facts(FactKind.ALARM_RAISED) == [raised]
        assert len(story.facts(FactKind.ALARM_CLEARED)) == 1


class TestRestart:
    """The engine is started again while surge mode is on."""

    @pytest.mark.parametrize("by_checkpoint", [False, True])
    def test_it_is_on_as_before_with_all_its_effects(self, by_checkpoint: bool) -> None:
        story = Story(CAREFUL_NO_MENU)
        story.feed(EarthquakeReported(a_quake(Tsunami.POSSIBLE)))
        again = after_restart(story, by_checkpoint=by_checkpoint, phones=("2004",))
        clock(again, 60)
        assert again.core.surge.state == story.core.surge.state
        assert again.core.surge.alarms == story.core.surge.alarms
        assert again.core.acd.ring_all
        again.arrives()
        assert hears(again) == ["siaga-tsunami"]
        again.answers(CALLER)
        again.presses("1")
        assert again.rung.address == "2004"
        assert again.feed(EarthquakeReported(a_quake(Tsunami.POSSIBLE))) == []

    def test_it_ends_at_once_when_its_time_came_meanwhile(self) -> None:
        again = after_restart(in_surge())
        clock(again, 7300)
        assert again.core.surge.state is None
        assert not again.core.acd.ring_all

    def test_a_prompt_that_the_settings_no_longer_name_is_not_played(self) -> None:
        story = in_surge()
        story.core.config = replace(CAREFUL, surge=Surge())
        again = after_restart(story)
        clock(again, 60)
        again.arrives()
        assert hears(again) == ["siaga-bencana"]
