"""An operator's phone dies in a call without a word; or only sends nothing, and lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from ess_pbx.ari import models
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.softphone import Answer, SoftPhone
from ess_pbx.phones.softphone_call import SoftCall

from .story import CALLER_TONE, QUICK, SOON, Caller, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

STALLS = 3.0
"""Seconds that a busy machine may take of its own. Asterisk's qualify would see it after 7."""
BOUND = 1.0 + STALLS
"""Seconds from the death of the phone until another one rings (the fault list)."""
BOUND_WHILE_SILENT = 2.5 + STALLS
LONG_SILENCE = 3.0
"""Many times what a phone may be silent before it is asked."""


async def given_talking_at_a_desk_of_its_own(
    given_centre: GivenCentre, *, suppresses_silence: bool = False
) -> tuple[Story, Caller, SoftCall]:
    """1001 talks, from a desk of its own; 1002 is idle."""
    story = await given_centre(first_menu=None, policy=replace(QUICK, ring=30))
    if suppresses_silence:
        story.desks[1] = SoftPhone(story.folder / "quiet-phones", suppresses_silence=True)
    await story.given_operators("1001", behaviour=Answer(0.1), desk=1)
    await story.given_operators("1002")
    caller = await story.when_caller_dials()
    operator = await story.desks[1].incoming("1001", SOON)
    await story.assert_they_talk(caller, operator)
    await until(lambda: story.engine.phones.watched == 1, "the phone is known to answer")
    return story, caller, operator


async def assert_another_rings(story: Story, caller: Caller, died: float, bound: float) -> None:
    ringing = await story.phones.incoming("1002", SOON)
    after = ringing.at["incoming"] - died
    assert after <= bound, f"another phone rang {after:.2f} s after the death"
    await ringing.answer()
    await story.assert_they_talk(caller, ringing)
    assert not story.engine.centres.seats["1001"].reachable
    assert len(story.told_of(FactKind.OFFERED, agent="1001")) == 1


async def packets_from(story: Story, operator: str) -> int:
    """How many RTP packets Asterisk had from this operator's phone."""
    (call,) = story.engine.centres.calls.values()
    assert call.operator is not None
    assert call.operator.agent == operator
    statistics = f"channels/{call.operator.leg}/rtp_statistics"
    answer = await story.engine.ari.call("GET", statistics)
    return msgspec.convert(answer, models.RTPstat).rxcount


async def packets_when_it_sends_no_more(story: Story, operator: str) -> int:
    """The same, once there were no more for half a second: the detector follows slowly."""
    before, now = -1, await packets_from(story, operator)
    async with asyncio.timeout(SOON):
        while now > before:
            await asyncio.sleep(0.5)
            before, now = now, await packets_from(story, operator)
    return now


@pytest.mark.parametrize("death", [Story.when_phones_die, Story.when_phones_are_cut_off])
async def test_another_operator_rings_within_a_second_of_a_phones_death(
    death: Callable[[Story, int], None], given_centre: GivenCentre
) -> None:
    story, caller, _ = await given_talking_at_a_desk_of_its_own(given_centre)

    died = time.monotonic()
    death(story, 1)

    await assert_another_rings(story, caller, died, BOUND)
    (gone,) = story.told_of(FactKind.LEG_ENDED, party="1001")
    assert gone.data["cause"] == 27


async def test_a_phone_on_hold_keeps_its_call(given_centre: GivenCentre) -> None:
    story, caller, operator = await given_talking_at_a_desk_of_its_own(given_centre)

    await operator.hold()
    await asyncio.sleep(LONG_SILENCE)
    await operator.unhold()

    await story.assert_they_talk(caller, operator)
    assert not story.told_of(FactKind.OFFERED, agent="1002")


async def test_a_muted_phone_that_still_sends_keeps_its_call(given_centre: GivenCentre) -> None:
    story, caller, operator = await given_talking_at_a_desk_of_its_own(given_centre)

    await operator.play(None)
    before = await packets_from(story, "1001")
    await asyncio.sleep(LONG_SILENCE)

    async with asyncio.timeout(SOON):
        while await packets_from(story, "1001") < before + 100:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)
    await operator.play(story.desks[1].tone(440))
    await caller.rtp.heard_tone(440, SOON)
    assert not story.told_of(FactKind.OFFERED, agent="1002")


async def test_a_phone_that_sends_nothing_while_its_operator_is_silent_keeps_its_call_until_it_dies(
    given_centre: GivenCentre,
) -> None:
    story, caller, operator = await given_talking_at_a_desk_of_its_own(
        given_centre, suppresses_silence=True
    )
    await operator.play(None)
    before = await packets_when_it_sends_no_more(story, "1001")

    await asyncio.sleep(LONG_SILENCE)

    assert await packets_from(story, "1001") < before + 5
    assert not story.told_of(FactKind.OFFERED, agent="1002")
    await operator.heard_tone(CALLER_TONE, SOON)
    died = time.monotonic()
    story.when_phones_are_cut_off(1)
    await assert_another_rings(story, caller, died, BOUND_WHILE_SILENT)
