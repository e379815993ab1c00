"""The caller hangs up, at every step that a call has: nothing is left over, one ending is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.config import Choice, Menu
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine.service import CLOCK_SECONDS
from ess_pbx.phones import PhoneError
from ess_pbx.phones.sipp import CallEnd

from .story import AGENCY_TONE, QUICK, SOON, Caller, GivenCentre, Story

pytestmark = pytest.mark.asterisk

SHORT_MENU = Menu(prompts=("gangguan",), otherwise=Choice(queue="umum"), timeout=5)
PATIENT = replace(QUICK, ring=30, agency_ring=20)
"""Who rings goes on ringing until the caller hangs up, on a slow machine too."""


async def during_the_greeting(story: Story) -> Caller:
    caller = await story.when_caller_dials()
    await caller.hears_the_centre()
    await story.assert_fact(FactKind.GREETING_STARTED)
    return caller


async def in_the_menu(story: Story) -> Caller:
    """With no greeting before it, the menu is what is heard first."""
    return await during_the_greeting(story)


async def queued_with_nobody_free(story: Story) -> Caller:
    await story.given_operators("1001", behaviour="busy")
    caller = await story.when_caller_dials()
    await caller.chooses("1")
    await story.assert_fact(FactKind.OFFER_MISSED, agent="1001")
    return caller


async def while_the_operator_rings(story: Story) -> Caller:
    await story.given_operators("1001")
    caller = await story.when_caller_dials()
    await caller.chooses("1")
    await story.phones.incoming("1001", SOON)
    await story.assert_fact(FactKind.OPERATOR_RUNG, agent="1001")
    return caller


async def while_talking(story: Story) -> Caller:
    caller, _ = await story.given_talking()
    return caller


async def while_the_agency_rings(story: Story) -> Caller:
    agency = await story.given_agency(answer_after=None)
    caller, operator = await story.given_talking()
    await operator.press("*119#")
    await agency.invited(SOON)
    await story.assert_fact(FactKind.AGENCY_RUNG)
    return caller


async def in_the_consult(story: Story) -> Caller:
    agency = await story.given_agency(answer_after=0.0)
    caller, operator = await story.given_talking()
    await operator.press("*119#")
    await (await agency.invited(SOON)).answered(SOON)
    await operator.heard_tone(AGENCY_TONE, SOON)
    return caller


async def in_the_conference(story: Story) -> Caller:
    caller = await in_the_consult(story)
    (operator,) = story.phones.calls
    await operator.press("*3#")
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    return caller


async def after_the_operator_left(story: Story) -> Caller:
    caller = await in_the_conference(story)
    (operator,) = story.phones.calls
    await operator.hang_up()
    await caller.rtp.heard_tone(AGENCY_TONE, SOON)
    return caller


@dataclass(frozen=True)
class Step:
    """How far a call is brought, and what its end is told to be."""

    reach: Callable[[Story], Awaitable[Caller]]
    result: str = "client"
    reason: str = "abandoned"

    @property
    def operator_had_it(self) -> bool:
        return self.result == "success"


STEPS = [
    Step(during_the_greeting),
    Step(in_the_menu),
    Step(queued_with_nobody_free),
    Step(while_the_operator_rings),
    Step(while_talking, "success", "completed"),
    Step(while_the_agency_rings, "success", "caller left during a consult"),
    Step(in_the_consult, "success", "caller left during a consult"),
    Step(in_the_conference, "success", "completed"),
    Step(after_the_operator_left, "success", "completed"),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.reach.__name__)
async def test_nothing_is_left_when_the_caller_hangs_up(
    step: Step, given_centre: GivenCentre
) -> None:
    if step.reach is in_the_menu:
        story = await given_centre(menu=SHORT_MENU, greeting=None)
    else:
        story = await given_centre(policy=PATIENT)
    caller = await step.reach(story)

    assert await caller.call.hang_up() == CallEnd("ended", "near")

    record = await story.assert_one_ending(caller)
    ending = (record.call["result"], record.call["reason"], record.call["ended_by"])
    assert ending == (step.result, step.reason, "caller")
    _assert_wrap_up(story, expected=step.operator_had_it)
    assert {each["state"] for each in record.recordings} == {"finished"}


async def test_nothing_is_left_when_the_caller_hangs_up_as_the_operator_answers(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(policy=PATIENT)
    caller = await while_the_operator_rings(story)
    (ringing,) = story.phones.calls

    # Who is faster differs; a phone whose call is gone already says so.
    answering, _ = await asyncio.gather(
        ringing.answer(), caller.call.hang_up(), return_exceptions=True
    )
    assert answering is None or isinstance(answering, PhoneError)
    assert caller.call.end == CallEnd("ended", "near")

    record = await story.assert_one_ending(caller)
    result, reason = record.call["result"], record.call["reason"]
    assert (result, reason) in {("client", "abandoned"), ("success", "completed")}
    _assert_wrap_up(story, expected=result == "success")


async def test_nothing_is_left_when_the_caller_cancels_before_the_answer(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.given_operators("1001")

    caller = await story.when_caller_dials(scenario="uac-invite-cancel")
    end = await caller.call.ended(SOON)

    # The answer may cross the CANCEL; then the caller hangs up at once (RFC 3261 section 9.1).
    assert end in {CallEnd("cancelled", "near"), CallEnd("ended", "near")}
    await story.assert_all_released()
    assert story.phones.calls == []
    # Who cancels within some 5 ms is gone before the dialplan could offer the call to an engine,
    # which reads every few seconds who came and went.
    await story.assert_fact(FactKind.CALL_ARRIVED, CLOCK_SECONDS + SOON)
    record = await story.assert_one_ending(caller)
    assert (record.call["result"], record.call["reason"]) == ("client", "abandoned")


async def test_who_leaves_while_the_dialplan_begins_is_no_call_to_h(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    caller = await story.when_caller_dials()
    arrived = await story.assert_fact(FactKind.CALL_ARRIVED)

    # Nothing stands at this priority: the dialplan is over in the context that it begins in, as it
    # is for who cancels within a millisecond of the INVITE.
    end_of_it: dict[str, str | int] = {"context": "from-trunk", "extension": "112", "priority": 99}
    await story.engine.ari.call("POST", f"channels/{arrived.call}/continue", query=end_of_it)

    assert await caller.call.ended(SOON) == CallEnd("ended", "far")
    await story.assert_all_released()
    assert [each.data["called"] for each in story.told_of(FactKind.CALL_ARRIVED)] == ["112"]
    assert story.told_of(FactKind.ALARM_RAISED, alarm="unknown-number") == []


async def test_a_call_to_a_number_of_that_name_is_a_call(given_centre: GivenCentre) -> None:
    story = await given_centre()
    caller = await story.when_caller_dials("h")
    await story.assert_fact(FactKind.CALL_ARRIVED, called="h")
    await caller.hears_the_centre()


def _assert_wrap_up(story: Story, *, expected: bool) -> None:
    """An operator writes a report when they had the call, and is idle in the end in any case."""
    states = [fact.data["state"] for fact in story.told_of(FactKind.AGENT_STATE, agent="1001")]
    assert (AgentState.WRAP_UP in states) == expected
    assert not states or states[-1] == AgentState.IDLE
