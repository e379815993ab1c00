"""What operators ask for by codes in a call, and contacts of every kind, heard by tones."""

from __future__ import annotations

import re
import socket
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace
from tests.web.story import Person

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.demo.stage import HOST, operator_tone
from ess_pbx.domain.call import Phase
from ess_pbx.domain.config import Agency, Contact
from ess_pbx.domain.facts import FactKind
from ess_pbx.installation import Installation
from ess_pbx.phones.sipp import SippAgency
from ess_pbx.phones.softphone import Answer, SoftPhone

from .story import AGENCY_TONE, CALLER_TONE, QUICK, SOON, GivenCentre, Story, until
from .test_desk_codes import given_pins
from .test_several_parties import OPERATOR_TONE, falls_silent, hears_music

pytestmark = pytest.mark.asterisk


async def given_two_trunks(given_centre: GivenCentre, **options: Any) -> tuple[Story, int]:
    """A centre, and the port of a second trunk: one process of SIPp has the first's."""
    story = await given_centre(started=False, **options)
    trunk = story.settings.trunks[0]
    second = replace(trunk, id="telco-b", port=free_port(socket.SOCK_DGRAM))
    story.settings = replace(story.settings, trunks=(trunk, second))
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    return story, second.port


SUPERVISOR, COLLEAGUE = "1007", "1002"
WRAP_UP = 6
"""Seconds; longer than it takes on any machine to reach nobody in two ways."""
SUPERVISOR_TONE, COLLEAGUE_TONE = operator_tone(SUPERVISOR), operator_tone(COLLEAGUE)


async def test_an_operator_marks_the_call_and_calls_in_and_drops_supervisor_and_agency(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), policy=replace(QUICK, agency_ring=8))
    agency = await story.given_agency()
    caller, operator = await story.given_talking()
    await story.given_operators(SUPERVISOR, behaviour=Answer(0.1), desk=1)

    await operator.press("*72#")
    await story.assert_fact(FactKind.CALL_MARKED, mark="ghost", by="1001", via="phone")
    await operator.press("*74#")
    await story.assert_fact(FactKind.CALL_MARKED, mark="informasi", by="1001", via="phone")

    await operator.press("*6#")
    supervisor = await story.desks[1].incoming(SUPERVISOR, SOON)
    await story.assert_hears(supervisor, CALLER_TONE, OPERATOR_TONE)
    await story.assert_hears(caller.rtp, OPERATOR_TONE, SUPERVISOR_TONE)

    await operator.press("*119#")
    called = await agency.invited(SOON)
    await story.assert_hears(operator, AGENCY_TONE)
    await story.assert_hears(caller.rtp, SUPERVISOR_TONE)
    await operator.press("*5#")
    assert (await called.ended(SOON)).by == "far"
    await story.assert_fact(FactKind.PARTY_LEFT, reason="dropped by the operator")
    await story.assert_hears(caller.rtp, OPERATOR_TONE, SUPERVISOR_TONE)

    await operator.press("*5#")
    assert await supervisor.ended(SOON) == "far"
    await story.assert_they_talk(caller, operator)
    await falls_silent(caller.rtp, SUPERVISOR_TONE)
    await operator.press("*5#")
    await story.assert_fact(FactKind.CODE_REFUSED, reason="tidak-bisa-sekarang")
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)
    assert record.call["mark"] == "informasi"
    assert story.engine.failed_requests == 0


async def test_agencies_are_reached_on_a_trunks_number_and_on_an_extension(
    given_centre: GivenCentre,
) -> None:
    trunk = Agency(
        id="psc-119",
        name="PSC 119",
        code="119",
        contacts=(Contact(trunk="telco-a", number="0254119"),),
    )
    inside = Agency(
        id="polres", name="Polres", code="110", contacts=(Contact(extension=COLLEAGUE),)
    )
    story, port = await given_two_trunks(
        given_centre, on_duty=("1001", COLLEAGUE), agencies=(trunk, inside)
    )
    outside = SippAgency(
        story.folder / "outside",
        [story.agency_line],
        local=(HOST, story.settings.trunks[0].port),
        scenario="uas-agency-ring-answer",
        answer_after=0.2,
    )
    await story.closes_with_the_test(outside)
    story.agency = outside
    await story.given_operators("1001", behaviour=Answer(0.1))
    caller = await story.when_caller_dials(from_port=port)
    await caller.chooses("1")
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, operator)
    await story.given_operators(COLLEAGUE, behaviour=Answer(0.1), desk=1)

    await operator.press("*119#")
    called = await outside.invited(SOON)
    assert "0254119" in called.uri
    await story.assert_hears(operator, AGENCY_TONE)
    await hears_music(caller.rtp)
    await operator.press("*3#")
    await story.assert_hears(caller.rtp, AGENCY_TONE, OPERATOR_TONE)

    await operator.press("*110#")
    colleague = await story.desks[1].incoming(COLLEAGUE, SOON)
    await story.assert_hears(colleague, OPERATOR_TONE)
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    await operator.press("*4#")
    assert await operator.ended(SOON) == "far"
    await story.assert_hears(caller.rtp, AGENCY_TONE, COLLEAGUE_TONE)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
    assert story.engine.failed_requests == 0


async def test_a_blind_transfer_that_reaches_nobody_puts_the_caller_before_those_who_wait(
    given_centre: GivenCentre,
) -> None:
    nobody = (Contact(sip=f"sip:x@{HOST}:1", ring=1), Contact(sip=f"sip:y@{HOST}:1", ring=1))
    agency = Agency(id="psc-119", name="PSC 119", code="119", contacts=nobody)
    policy = replace(QUICK, wrap_up=WRAP_UP)
    story, port = await given_two_trunks(
        given_centre, on_duty=("1001",), agencies=(agency,), policy=policy
    )
    caller, operator = await story.given_talking()
    waiting = await story.when_caller_dials(number="+6281299990000", from_port=port)
    await waiting.chooses("1")
    (arrived,) = story.told_of(FactKind.CALL_ARRIVED, caller_raw=caller.number)
    await until(lambda: len(story.told_of(FactKind.QUEUED)) == 2, "both were in the queue")

    await operator.press("*8119#")
    assert await operator.ended(SOON) == "far"
    await hears_music(caller.rtp)

    await story.assert_fact(FactKind.CONSULT_FAILED, agency="psc-119")
    again = await story.phones.incoming("1001", SOON + WRAP_UP)
    assert len(story.told_of(FactKind.CONSULT_FAILED, agency="psc-119")) == 2
    await story.assert_they_talk(caller, again)
    offers = [each.call for each in story.told_of(FactKind.OFFERED)]
    assert offers == [arrived.call, arrived.call]
    await waiting.call.hang_up()
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_a_supervisor_moves_and_pauses_operators_by_the_api(
    given_centre: GivenCentre,
) -> None:
    policy = replace(QUICK, ring=30)
    story = await given_centre(on_duty=("1001", "1002"), first_menu=None, policy=policy)
    pins = await given_pins(story, SUPERVISOR)
    await story.given_operators("1001", "1002")
    web = story.settings.web
    async with aiohttp.ClientSession() as session:
        anyone = Person(session, f"http://{web.host}:{web.port}")
        boss = await anyone.signs_in(SUPERVISOR, pins[SUPERVISOR])

        status, _ = await boss.ask("POST", "/operators/1001/move", {"queues": ["medis"]})
        assert status == 200
        moved = await story.assert_fact(FactKind.AGENT_MOVED, agent="1001", by=SUPERVISOR)
        assert moved.data["via"] == "api"
        assert story.engine.centres.seats["1001"].queues == ("medis",)
        caller = await story.when_caller_dials()
        await story.phones.incoming("1002", SOON)
        assert story.told_of(FactKind.OFFERED, agent="1001") == []

        status, _ = await boss.ask("POST", "/operators/1002/break", {"reason": "istirahat"})
        assert status == 200
        paused = await story.assert_fact(FactKind.AGENT_STATUS, agent="1002", by=SUPERVISOR)
        assert (paused.data["status"], paused.data["reason"]) == ("break", "istirahat")
        await story.assert_fact(FactKind.OFFER_MISSED, agent="1002")
        status, _ = await boss.ask("POST", "/operators/1001/move", {"queues": []})
        assert status == 200
        ringing = await story.phones.incoming("1001", SOON)
        await ringing.answer()
        await story.assert_they_talk(caller, ringing)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_codes_are_understood_from_a_phone_that_sends_its_keys_by_info(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",))
    story.desks[0] = SoftPhone(story.folder / "phones", keys_by_info=True)
    agency = await story.given_agency()
    caller, operator = await story.given_talking()

    await operator.press("*0#")
    await story.assert_fact(FactKind.HELD)
    await hears_music(caller.rtp)
    await operator.press("*0#")
    await story.assert_they_talk(caller, operator)
    await operator.press("*119#")
    await agency.invited(SOON)
    await story.assert_hears(operator, AGENCY_TONE)
    await operator.press("*3#")
    await story.assert_hears(caller.rtp, AGENCY_TONE, OPERATOR_TONE)
    (call,) = story.engine.centres.calls.values()
    assert call.phase is Phase.CONFERENCE
    log = (story.folder / "phones" / "pjsua.log").read_text(errors="replace")
    sent = [each for each in log.split("--end msg--") if re.search(r"TX \d+ bytes", each)]
    assert any("INFO sip:" in each for each in sent)
    assert not any("telephone-event" in each for each in sent)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
