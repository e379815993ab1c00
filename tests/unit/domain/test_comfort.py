"""What is said to who waits: their true place, and keys as they are."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.comfort import KEY_PROMPTS, position_prompt
from ess_pbx.domain.config import Centre, QueueKey
from ess_pbx.domain.effects import Record
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.installation import spoken_prompts

from .centre import CALL, NO_MENU, POLICY, of
from .given import waiting
from .story import Story

ALONE = replace(NO_MENU, policy=replace(POLICY, ladder=()))


def said(story: Story, call: CallId = CALL) -> list[str]:
    """What the caller hears in the next announcement."""
    while story.core.calls[call].playing:
        story.prompt_over(call)
    story.after(POLICY.comfort)
    prompts = []
    while story.core.calls[call].playing:
        prompts.append(story.core.calls[call].prompt)
        story.prompt_over(call)
    return prompts


def queue_of(count: int, config: Centre = ALONE) -> Story:
    """So many callers and nobody to answer; the last is ``CALL``."""
    story = Story(config, phones=())
    for number in range(count - 1):
        story.arrives(CallId(f"earlier-{number}"))
    story.arrives()
    return story


@pytest.mark.parametrize("place", [1, 3, 20])
def test_a_caller_hears_their_place_then_comfort_and_it_is_on_record(place: int) -> None:
    story = queue_of(place)

    assert said(story) == [f"antrean-nomor-{place}", "antrean-lanjut"]

    announced = [
        fact.data
        for fact in of(story.all, Record)
        if fact.kind is FactKind.ANNOUNCED and fact.call == CALL
    ]
    told = [(each["prompt"], each["position"]) for each in announced]
    assert told[-2:] == [(f"antrean-nomor-{place}", place), ("antrean-lanjut", place)]


def test_beyond_twenty_places_are_not_counted_aloud() -> None:
    assert said(queue_of(21)) == ["antrean-nomor-lebih", "antrean-lanjut"]
    assert position_prompt(1000) == "antrean-nomor-lebih"


def test_the_place_is_that_of_now_when_others_left_or_came_before() -> None:
    story = queue_of(3, replace(ALONE, queue_keys={"3": QueueKey(priority=9)}))
    story.gone("earlier-0")
    assert said(story)[0] == "antrean-nomor-2"

    urgent = CallId("urgent")
    story.arrives(urgent)
    story.presses("3", urgent)

    assert said(story)[0] == "antrean-nomor-3"
    assert said(story, urgent)[0] == "antrean-nomor-1"


def test_the_place_can_be_left_unsaid() -> None:
    config = replace(ALONE, policy=replace(ALONE.policy, announce_position=False))

    assert said(queue_of(2, config)) == ["antrean-lanjut"]
    assert "antrean-nomor-1" not in set(spoken_prompts(config))


def test_hints_say_what_each_key_is_for_and_which_key_it_is() -> None:
    keys = {
        "7": QueueKey(category="medis", hint="butuh-ambulans"),
        "*": QueueKey(category="banjir", hint="butuh-bantuan"),
        "3": QueueKey(priority=8),
    }
    config = replace(ALONE, queue_keys=keys)
    story = waiting(config, phones=())

    assert said(story) == [
        *("antrean-nomor-1", "antrean-lanjut"),
        *("butuh-ambulans", "tekan-7", "butuh-bantuan", "tekan-bintang"),
    ]
    assert {"butuh-ambulans", "tekan-7", "tekan-bintang"} <= set(spoken_prompts(config))
    assert "tekan-3" not in set(spoken_prompts(config))


def test_who_is_where_a_key_leads_is_not_told_of_it() -> None:
    config = replace(ALONE, queue_keys={"1": QueueKey(category="medis", hint="butuh-ambulans")})
    story = waiting(config, phones=())
    story.presses("1")

    assert said(story) == ["antrean-nomor-1", "antrean-lanjut"]


def test_there_is_a_prompt_for_every_key() -> None:
    assert KEY_PROMPTS.keys() == set("0123456789*#")
