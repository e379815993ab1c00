"""A caller whom nobody answered is called back, through the trunk that their own call came by."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import soundfile
from msgspec.structs import replace

from ess_pbx.db.queries import CallRecord
from ess_pbx.demo.stage import HOST, operator_tone
from ess_pbx.domain.config import Policy
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import AgencyScenario, SippAgency
from ess_pbx.phones.softphone import Answer

from .story import (
    CALLER_NUMBER,
    CALLER_TONE,
    QUICK,
    SOON,
    Caller,
    GivenCentre,
    Story,
    assert_recorded,
)

pytestmark = pytest.mark.asterisk

CALLS_BACK = replace(QUICK, call_back=True, call_back_after=0.0, ring=30)


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
    await story.closes_with_the_test(telco)
    return telco, line


async def stored_call(story: Story, call: str | None) -> CallRecord:
    assert call is not None
    await story.engine.stored(SOON)
    record = await story.stored(call)
    assert record is not None
    return record


async def test_an_abandoned_caller_is_called_back_and_speaks_with_an_operator(
    given_centre: GivenCentre,
) -> None:
    story = await given_abandoned(given_centre)
    telco, line = await given_their_phone(story, answer_after=0.3)
    await story.given_operators("1001", behaviour=Answer(0.2))

    called = await telco.invited(SOON)
    operator = await story.phones.incoming("1001", SOON)
    assert called.uri.startswith(f"sip:{CALLER_NUMBER}@{HOST}")
    assert called.priority == "psap-callback"
    assert called.asserted == f"<sip:112@{HOST}>"
    assert called.caller_id.startswith(f"<sip:112@{HOST}>")
    await called.answered(SOON)
    await line.heard_tone(operator_tone("1001"), SOON)
    await operator.heard_tone(CALLER_TONE, SOON)
    await asyncio.sleep(1.0)  # to be found in the recording

    await called.hang_up()
    assert await operator.ended(SOON) == "far"
    (task,) = story.told_of(FactKind.CALL_BACK_CREATED)
    closed = await story.assert_fact(FactKind.CALL_BACK_CLOSED, task=task.call)
    assert closed.data["outcome"] == "reached"
    await story.assert_fact(FactKind.RECORDING_FINISHED, recording=closed.call)
    record = await stored_call(story, closed.call)
    kept = ("direction", "earlier", "trunk", "operator", "result", "ended_by")
    assert [record.call[field] for field in kept] == [
        *("out", task.call, "telco-a", "1001", "success", "caller")
    ]
    (recording,) = record.recordings
    assert (recording["state"], recording["channels"]) == ("finished", 2)
    sound, _ = soundfile.read(recording["path"], dtype="int16", always_2d=True)
    assert_recorded(sound, CALLER_TONE, operator_tone("1001"))
    await story.assert_all_released()


async def test_a_busy_caller_is_tried_again_and_the_operator_is_free_at_once(
    given_centre: GivenCentre,
) -> None:
    policy = replace(CALLS_BACK, call_back_delays=(0.0, 1.0), call_back_attempts=2, wrap_up=60.0)
    story = await given_abandoned(given_centre, policy)
    await given_their_phone(story, "uas-agency-busy")
    await story.given_operators("1001", behaviour=Answer(0.1))

    operator = await story.phones.incoming("1001", SOON)
    await operator.heard_sound(SOON)
    first = await story.assert_fact(FactKind.CALL_BACK_ATTEMPTED, attempt=1)
    assert first.data["outcome"] == "busy"
    assert first.data["due"] == pytest.approx(first.at + 1, abs=0.1)
    assert await operator.ended(SOON) == "far"
    # Wrap-up would last a minute.
    await story.assert_fact(FactKind.CALL_BACK_ATTEMPTED, within=15.0, attempt=2, outcome="busy")
    closed = await story.assert_fact(FactKind.CALL_BACK_CLOSED)
    assert closed.data["outcome"] == "unreachable"
    await story.assert_all_released()


async def test_a_redial_closes_the_task_and_is_linked(given_centre: GivenCentre) -> None:
    story = await given_abandoned(given_centre)
    again = await story.when_caller_dials()
    await again.hears_the_centre()

    closed = await story.assert_fact(FactKind.CALL_BACK_CLOSED, outcome="redialled")
    record = await stored_call(story, closed.call)
    assert (record.call["direction"], record.call["earlier"]) == ("in", closed.data["task"])
    await again.call.hang_up()


async def test_a_caller_takes_the_operator_whose_phone_only_rings_for_a_call_back(
    given_centre: GivenCentre,
) -> None:
    story = await given_abandoned(given_centre)
    await story.given_operators("1001")
    offered = await story.phones.incoming("1001", SOON)

    caller = await story.when_caller_dials(number="+6281111111111")
    await caller.chooses("1")
    assert await offered.ended(SOON) == "far"
    operator = await story.phones.incoming("1001", SOON)
    await operator.answer()
    await story.assert_they_talk(caller, operator)
    assert story.told_of(FactKind.CALL_BACK_ATTEMPTED) == []
    await operator.hang_up()


async def test_a_phone_goes_on_ringing_over_a_crash_and_the_operator_has_who_answers(
    given_centre: GivenCentre,
) -> None:
    story = await given_abandoned(given_centre)
    telco, line = await given_their_phone(story, answer_after=None)
    await story.given_operators("1001", behaviour=Answer(0.1))
    operator = await story.phones.incoming("1001", SOON)
    called = await telco.invited(SOON)

    await story.when_the_engine_stops()
    await story.when_the_engine_is_back()

    adopted = await story.assert_fact(FactKind.CALL_ADOPTED, phase="calling-back")
    called.answer()
    tried = await story.assert_fact(FactKind.CALL_BACK_ATTEMPTED, within=15.0, attempt=1)
    assert tried.data["outcome"] == "reached"
    assert tried.call == adopted.call
    (centre,) = story.engine.centres
    assert centre.call_backs.open == {}
    await called.answered(SOON)
    await line.heard_tone(operator_tone("1001"), SOON)
    await operator.hang_up()


async def test_an_attempt_whose_phones_a_crash_took_counts_as_failed(
    given_centre: GivenCentre,
) -> None:
    story = await given_abandoned(given_centre)
    telco, _ = await given_their_phone(story, answer_after=None)
    await story.given_operators("1001", behaviour=Answer(0.1))
    operator = await story.phones.incoming("1001", SOON)
    called = await telco.invited(SOON)

    await story.when_the_engine_stops()
    await operator.hang_up()
    await story.when_the_engine_is_back()

    tried = await story.assert_fact(FactKind.CALL_BACK_ATTEMPTED, within=15.0, attempt=1)
    assert tried.data["outcome"] == "operator left"
    (centre,) = story.engine.centres
    assert list(centre.call_backs.open) == [tried.data["task"]]
    assert (await called.ended(SOON)).how == "cancelled"
