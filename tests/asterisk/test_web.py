"""The API of a centre on the real Asterisk: who takes calls, and what the live feed tells."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from tests.web.story import Person

from ess_pbx.domain.facts import FactKind
from ess_pbx.phones.softphone import Answer
from ess_pbx.web.control import Control, control_socket

from .story import CALLER_NUMBER, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

WHOLE_CALL = ["call_arrived", "call_answered", "queued", "offered", "operator_answered"]


async def signed_in(session: aiohttp.ClientSession, story: Story) -> Person:
    web, credentials = story.settings.web, story.installation.credentials
    assert credentials is not None
    assert credentials.admin_password is not None
    anyone = Person(session, f"http://{web.host}:{web.port}")
    return await anyone.signs_in("admin", credentials.admin_password)


async def test_the_live_feed_tells_a_call_from_arrival_to_end(given_centre: GivenCentre) -> None:
    story = await given_centre()
    await story.given_operators("1001", behaviour=Answer(0.1))
    async with aiohttp.ClientSession() as session:
        admin = await signed_in(session, story)
        async with admin.feed() as feed:
            snapshot = await feed.next()
            present = [each for each in snapshot["operators"] if each["status"] == "present"]
            assert [each["extension"] for each in present] == ["1001"]

            caller = await story.when_caller_dials()
            await caller.chooses("1")
            call = await story.phones.incoming("1001", 8)
            await story.assert_they_talk(caller, call)
            _, (seen,) = await admin.ask("GET", "/calls")
            assert (seen["operator"], seen["number"]) == ("1001", CALLER_NUMBER)
            await call.hang_up()

            facts = await feed.until_fact("call_ended")
        kinds = [fact["kind"] for fact in facts if fact["kind"] in WHOLE_CALL]
        assert kinds == WHOLE_CALL
        await story.assert_one_ending(caller)


async def test_an_operator_on_break_takes_calls_again_by_the_command_line(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001", "1002"))
    await story.given_operators("1001", "1002", behaviour=Answer(0.1))
    story.engine.centres.seats["1001"].on_break = "rapat"
    control = Control(control_socket(story.settings))
    await control.ask("POST", "/operators/1001/end-break")

    seats = {each["extension"]: each["status"] for each in await control.ask("GET", "/operators")}
    assert seats["1001"] == "present"
    state = await story.assert_fact(FactKind.AGENT_STATE, agent="1001", status="present")
    assert state.data["state"] == "idle"


async def test_a_service_is_ready_when_asterisk_and_its_phones_are_known(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    web = story.settings.web
    async with aiohttp.ClientSession() as session:
        await until(lambda: story.engine.phones_known, "the phones are known")
        async with session.get(f"http://{web.host}:{web.port}/readyz") as answer:
            assert (answer.status, (await answer.json())["ok"]) == (200, True)


async def test_a_port_that_another_program_has_is_an_alarm_and_calls_are_taken(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(started=False)
    web = story.settings.web
    with socket.socket() as other:
        other.bind((web.host, web.port))
        other.listen()
        await story.given_it_runs()
        raised = await story.assert_fact(FactKind.ALARM_RAISED, alarm="web")
        assert f"[web] port: {web.host}:{web.port} cannot be used" in str(raised.data["detail"])
        caller, call = await story.given_talking()
        await call.hang_up()
        await story.assert_one_ending(caller)
    await story.assert_fact(FactKind.ALARM_CLEARED, alarm="web")
