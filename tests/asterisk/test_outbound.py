"""Outbound on the real Asterisk: what is allowed goes out and is recorded, all else is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ess_pbx.demo.stage import HOST, operator_tone
from ess_pbx.domain.config import Outbound, OutboundRole
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.sipp import SippAgency
from ess_pbx.phones.softphone_call import SoftCall
from ess_pbx.web.control import Control, control_socket

from .story import AGENCY_TONE, SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

ALLOWED, NUMBER = "0254398123", "+62254398123"


async def given_open(given_centre: GivenCentre, per_day: int = 20) -> Story:
    """Operators may call one number over the telco's trunk, where somebody answers."""
    role = OutboundRole(allow=(NUMBER,), per_day=per_day)
    story = await given_centre(first_menu=None, outbound=Outbound(trunk="telco-a", operator=role))
    (trunk,) = story.settings.trunks
    called = SippAgency(
        story.folder / "outside",
        [story.agency_line],
        local=(HOST, trunk.port),
        scenario="uas-agency-ring-answer",
        answer_after=0.3,
    )
    await story.closes_with_the_test(called)
    story.agency = called
    await story.given_operators("1001", "1002")
    return story


async def dials(story: Story, number: str, operator: str = "1001") -> SoftCall:
    host, port = story.sip_address
    return await story.phones.dial(operator, f"sip:{number}@{host}:{port}")


async def assert_refused(story: Story, call: SoftCall, reason: str) -> Any:
    assert await call.ended(SOON) == "far"
    assert call.end_status == 404
    return await story.assert_fact(FactKind.OUTBOUND_REFUSED, reason=reason)


async def test_an_allowed_number_is_called_through_the_trunk_and_recorded(
    given_centre: GivenCentre,
) -> None:
    story = await given_open(given_centre)
    call = await dials(story, ALLOWED)
    assert story.agency is not None
    called = await story.agency.invited(SOON)
    assert NUMBER in called.uri
    await call.heard_tone(AGENCY_TONE, SOON)
    await story.agency_line.heard_tone(operator_tone("1001"), SOON)
    (going_on,) = await outbound(story)
    assert (going_on["going_on"], going_on["operator"]) == (1, 1)
    await call.hang_up()
    assert (await called.ended(SOON)).by == "far"
    ended = await story.assert_fact(FactKind.OUTBOUND_ENDED, answered=True, outcome="completed")
    recorded = await story.assert_fact(FactKind.RECORDING_FINISHED)
    assert recorded.call == ended.call
    levels = recorded.data["rms_dbov"]
    assert isinstance(levels, list)
    assert min(float(str(each)) for each in levels) > -40, "both are heard"
    await story.assert_all_released()
    await story.engine.stored(SOON)
    assert ended.call is not None
    record = await story.stored(ended.call)
    assert record is not None
    assert (record.call["direction"], record.call["operator"]) == ("out", "1001")
    assert [each["state"] for each in record.recordings] == ["finished"]


@pytest.mark.parametrize(
    "dialled", ["081234567890", "+6281234567890", "1002", "119", "*119#", "0254398124", "h", "s"]
)
async def test_any_other_number_is_refused_logged_and_counted(
    dialled: str, given_centre: GivenCentre
) -> None:
    story = await given_open(given_centre)
    await assert_refused(story, await dials(story, dialled), "not-allowed")
    (seen,) = await outbound(story)
    assert (seen["refused"], seen["operator"]) == ({"not-allowed": 1}, 0)
    assert story.agency is not None
    assert story.agency.calls == []
    assert [each.account for each in story.phones.calls] == ["1001"]
    assert story.told_of(FactKind.CALL_ARRIVED) == []
    await story.assert_all_released()
    log = story.folder / "engine.log"
    await until(lambda: "outbound_refused" in log.read_text(), "the log tells of it")
    assert "81234567890" not in log.read_text()


async def test_more_than_a_days_calls_are_refused_also_by_the_next_engine(
    given_centre: GivenCentre,
) -> None:
    story = await given_open(given_centre, per_day=1)
    call = await dials(story, ALLOWED)
    await call.heard_tone(AGENCY_TONE, SOON)
    await story.when_the_engine_stops()
    await story.when_the_engine_is_back()
    await until(lambda: len(story.engine.centres.beside) == 2, "the call is taken over")
    await call.heard_tone(AGENCY_TONE, SOON)
    await call.hang_up()
    await story.assert_fact(FactKind.OUTBOUND_ENDED, outcome="completed")
    await assert_refused(story, await dials(story, ALLOWED, "1002"), "daily-cap")


@pytest.mark.parametrize("dialled", [ALLOWED, NUMBER, "1002", "*11", "outbound", "s"])
async def test_a_trunk_reaches_the_112_entry_whatever_it_dials(
    dialled: str, given_centre: GivenCentre
) -> None:
    role = OutboundRole(allow=(NUMBER, "1002"))
    story = await given_centre(
        first_menu=None,
        on_duty=("1001",),
        off_duty=("1002",),
        outbound=Outbound(trunk="telco-a", operator=role),
    )
    await story.given_operators("1001", "1002")
    caller = await story.when_caller_dials(dialled)
    await story.phones.incoming("1001", SOON)
    await story.assert_fact(FactKind.CALL_ARRIVED, caller_raw=caller.number)
    assert [each.account for each in story.phones.calls] == ["1001"]
    assert story.told_of(FactKind.OUTBOUND_STARTED) == []
    assert story.told_of(FactKind.OUTBOUND_REFUSED) == []


async def outbound(story: Story) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await Control(control_socket(story.settings)).ask(
        "GET", "/outbound"
    )
    return found
