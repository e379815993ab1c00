"""What a caller hears whose engine died in the worst moment, and whom no other comes to help."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from ess_pbx.ari import models
from ess_pbx.ari.connection import AriConnection
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine.executor import APP
from ess_pbx.phones import audio

from .story import QUICK, SOON, Caller, GivenCentre, Story, until
from .test_waiting_sound import LONGEST_SILENCE, SILENT_DBOV

pytestmark = pytest.mark.asterisk

AWAY = 7.0
"""Seconds without an engine: two that die one after another take as long."""


@asynccontextmanager
async def an_engine_that_claims_and_dies(
    story: Story,
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """While no other is there; what is given waits until it has claimed a call, and is gone."""
    claimed = asyncio.Event()

    def on_event(event: models.Event) -> None:
        if isinstance(event, models.CallBroadcast):
            claim = {"channelId": event.channel.id, "application": APP}
            dying.send("POST", "events/claim", query=claim)
        elif isinstance(event, models.StasisStart):
            claimed.set()

    asterisk, credentials = story.settings.asterisk, story.installation.credentials
    assert credentials is not None
    dying = AriConnection(
        *(asterisk.ari_host, asterisk.ari_port, APP, APP, credentials.ari_password),
        on_event=on_event,
    )

    async def dies() -> None:
        await asyncio.wait_for(claimed.wait(), SOON)
        story.engine_answers(False)
        await dying.close()

    async with dying:
        await dying.wait_connected(SOON)
        story.engine_answers(True)
        yield dies


def said_for(story: Story) -> float:
    """Seconds of the greeting."""
    prompts = story.installation.folders.prompts / story.centre.language
    return (prompts / f"{story.centre.greeting}.alaw").stat().st_size / audio.SAMPLE_RATE


async def longest_silence(caller: Caller) -> float:
    """Wait until all that was sent so far is heard; the seconds of its longest silence."""
    now = time.monotonic()
    await until(lambda: caller.rtp.heard_until() > now, "heard until now")
    silence = caller.rtp.longest_silence(caller.call.at["answered"], now, SILENT_DBOV)
    print(f"\nlongest silence {silence:.2f} s")
    return silence


async def test_who_was_claimed_by_an_engine_that_died_hears_it_ring_and_the_next_one_has_them(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.when_the_engine_stops()
    async with an_engine_that_claims_and_dies(story) as dies:
        caller = await story.when_caller_dials()
        await dies()
    await asyncio.sleep(AWAY)
    assert "ringing" in caller.call.at, caller.call.at
    assert "answered" not in caller.call.at

    await story.when_the_engine_is_back()
    await caller.hears_the_centre()
    await story.assert_fact(FactKind.GREETING_STARTED)
    assert await longest_silence(caller) < LONGEST_SILENCE
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_who_waited_without_an_engine_and_was_claimed_by_one_that_died_hears_music(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(first_menu=None, policy=replace(QUICK, ring=30))
    await story.when_the_engine_stops()
    caller = await story.when_caller_dials()
    await caller.call.answered(SOON)
    async with an_engine_that_claims_and_dies(story) as dies:
        await dies()
    await asyncio.sleep(AWAY)
    assert await longest_silence(caller) < LONGEST_SILENCE

    await story.when_the_engine_is_back()
    await story.given_operators("1001")
    operator = await story.phones.incoming("1001", SOON)
    await operator.answer()
    await story.assert_they_talk(caller, operator)
    assert await longest_silence(caller) < LONGEST_SILENCE
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.parametrize("first_menu", [None, "utama"], ids=["queue", "menu"])
async def test_music_follows_what_is_said_though_the_engine_is_gone_when_that_ends(
    given_centre: GivenCentre, first_menu: str | None
) -> None:
    story = await given_centre(first_menu=first_menu)
    caller = await story.when_caller_dials()
    await caller.hears_the_centre()
    await story.assert_fact(FactKind.GREETING_STARTED)
    await story.when_the_engine_stops()

    await asyncio.sleep(said_for(story) + AWAY)
    assert await longest_silence(caller) < LONGEST_SILENCE
    await story.when_the_engine_is_back()
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
