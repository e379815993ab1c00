"""A caller whom nobody answered is called back, through the trunk that their own call came by."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.demo.stage import HOST
from ess_pbx.domain.config import Policy
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import AgencyScenario, SippAgency
from ess_pbx.phones.softphone import Answer

from .story import CALLER_TONE, QUICK, SOON, Caller, GivenCentre, Story

pytestmark = pytest.mark.asterisk

CALLS_BACK = replace(QUICK, call_back=True, call_back_after=0.0)


async def given_abandoned(given_centre: GivenCentre, policy: Policy = CALLS_BACK) -> Story:
    """A caller waited while no operator was there, and hung up; their phone can be called."""
    story = await given_centre(policy=policy)
    caller = await story.when_caller_dials()
    await caller.chooses("1")
    await story.assert_fact(FactKind.NO_OPERATOR)
    await when_gives_up(story, caller)
    return story


async def when_gives_up(story: Story, caller: Caller) -> Fact:
    await caller.call.hang_up()
    created = await story.assert_fact(FactKind.CALL_BACK_CREATED)
    # The telco's own address is free for the call that is to come there.
    await caller.sipp.close()
    return created


async def given_their_phone(
    story: Story, scenario: AgencyScenario = "uas-agency-ring-answer", **options: Any
) -> tuple[SippAgency, RtpParty]:
    line = RtpParty(tone(CALLER_TONE))
    telco = SippAgency(
        story.folder / "telco",
        [line],
        local=(HOST, story.settings.trunks[0].port),
        scenario=scenario,
        **options,
    )
    await story._closing.enter_async_context(telco)
    return telco, line


async def test_an_abandoned_caller_is_called_back_and_speaks_with_an_operator(
    given_centre: GivenCentre,
) -> None:
    story = await given_abandoned(given_centre)
    telco, line = await given_their_phone(story, answer_after=0.5)
    await story.given_operators("1001", behaviour=Answer(0.2))

    called = await telco.invited(SOON)
    print(called.uri, called.caller_id, called.asserted, called.priority)
    operator = await story.phones.incoming("1001", SOON)
    await called.answered(SOON)
    await line.heard_tone(540, SOON)
    await operator.heard_tone(CALLER_TONE, SOON)
    await asyncio.sleep(1)
    await called.hang_up()
    await asyncio.sleep(1)
    print(story.told())
    assert 0
