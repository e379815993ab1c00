"""Surge mode on the real Asterisk: from BMKG's word to what callers hear and whose phone rings."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace as replaced
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.demo.stage import HOST, sample
from ess_pbx.domain.commands import Asker, DeclareSurge, EndSurge, Via
from ess_pbx.domain.config import EarthquakeFeed, Region, Surge
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.surge_centre import MENU
from ess_pbx.installation import Installation
from ess_pbx.phones.rtp import RtpParty
from ess_pbx.phones.sipp import SippAgency
from ess_pbx.phones.softphone import Answer

from .story import SOON, Caller, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

SUPERVISOR = Asker("admin", Via.CLI)
REGION = Region(latitude=-6.12, longitude=106.15)


@contextlib.asynccontextmanager
async def bmkg(report: dict[str, Any]) -> AsyncIterator[str]:
    """A server with this report, which a test may change; its address."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"Infogempa": {"gempa": report}})

    application = web.Application()
    application.router.add_get("/autogempa.json", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("/autogempa.json"))


def a_report(potential: str) -> dict[str, Any]:
    """An earthquake of just now, under the region."""
    return {
        "DateTime": datetime.now(UTC).isoformat(timespec="seconds"),
        "Coordinates": "-6.12,106.15",
        "Magnitude": "5,9",
        "Kedalaman": "10 km",
        "Wilayah": "Pusat gempa berada di darat",
        "Potensi": potential,
    }


async def assert_greeted_with(story: Story, caller: Caller, prompt: str) -> None:
    """Asterisk plays this prompt to the caller, and sound of it arrives."""
    await caller.hears_the_centre()
    arrived = await story.assert_fact(FactKind.CALL_ARRIVED, caller_raw=caller.number)
    await until(
        lambda: any(fact.call == arrived.call for fact in story.told_of(FactKind.GREETING_STARTED)),
        "the greeting began",
    )
    call = next(call for call in story.engine.centres.calls.values() if call.id == arrived.call)
    playing = await story.engine.ari.call("GET", f"playbacks/{call.playing}")
    assert isinstance(playing, dict)
    assert playing["media_uri"].endswith(f"/{prompt}"), playing


async def test_an_earthquake_is_told_to_callers_and_calls_in_who_is_off_shift_until_it_is_over(
    given_centre: GivenCentre,
) -> None:
    async with bmkg(a_report("Tidak berpotensi tsunami")) as url:
        feed = EarthquakeFeed(url=url, every=0.1, region=REGION)
        story = await given_centre(started=False, on_duty=("1002",), surge=Surge(feed=feed))
        first = story.settings.trunks[0]
        second = replace(first, id="telco-b", port=free_port(socket.SOCK_DGRAM))
        story.settings = replace(story.settings, trunks=(first, second))
        story.installation = Installation(story.settings)
        await story.given_it_runs()
        declared = await story.assert_fact(FactKind.SURGE_DECLARED, by="bmkg", via="system")
        assert declared.data["prompt"] == "siaga-gempa"
        await story.assert_fact(FactKind.WALLBOARD_ALARM, level="line")
        await story.given_operators("1001", behaviour=Answer(0.1))

        caller = await story.when_caller_dials()
        await assert_greeted_with(story, caller, "siaga-gempa")
        await caller.rtp.press("1")
        operator = await story.phones.incoming("1001", SOON)
        await story.assert_they_talk(caller, operator)
        await caller.call.hang_up()
        await story.assert_one_ending(caller)
        await story.assert_fact(FactKind.MENU_ENTERED, menu=MENU)
        await story.assert_fact(FactKind.CLASSIFIED, priority=8)

        story.engine.dispatcher.command(EndSurge(SUPERVISOR, "aman"))
        await story.assert_fact(FactKind.SURGE_ENDED, by="admin", via="cli")
        await until(lambda: not story.engine.centres.seats["1001"].present, "1001 is off duty")
        await story.given_operators("1002", behaviour=Answer(0.1))
        other = await story.when_caller_dials(number="+6281234567891", from_port=second.port)
        await assert_greeted_with(story, other, "selamat-datang")
        await other.rtp.press("1")
        await story.assert_they_talk(other, await story.phones.incoming("1002", SOON))
        # The feed still shows the same earthquake.
        assert len(story.told_of(FactKind.SURGE_DECLARED)) == 1


async def test_a_tsunami_and_the_feeds_end_are_told_and_outlive_a_restart(
    given_centre: GivenCentre,
) -> None:
    report = a_report("Tidak berpotensi tsunami")
    async with bmkg(report) as url:
        feed = EarthquakeFeed(url=url, every=0.1, timeout=0.5, region=REGION)
        story = await given_centre(surge=Surge(feed=feed))
        await story.assert_fact(FactKind.WALLBOARD_ALARM, level="line")
        report["Potensi"] = "BERPOTENSI TSUNAMI untuk diteruskan pada masyarakat"
        await story.assert_fact(FactKind.WALLBOARD_ALARM, level="full-screen")
        await story.assert_fact(FactKind.SURGE_CHANGED, prompt="siaga-tsunami")
    await story.assert_fact(FactKind.ALARM_RAISED, alarm="surge-feed")
    before = story.engine.centres[story.centre.id].surge
    await story.when_the_engine_stops()

    await story.when_the_engine_is_back()
    after = story.engine.centres[story.centre.id].surge
    assert after is not before
    assert before.state is not None
    assert after.state is not None
    # It is written down a moment after it was decided.
    assert replaced(after.state, since=before.state.since) == before.state
    assert [alarm.sounds for alarm in after.alarms.values()] == [True]
    caller = await story.when_caller_dials()
    await assert_greeted_with(story, caller, "siaga-tsunami")


async def test_surge_mode_by_hand_is_heard_by_the_next_caller(given_centre: GivenCentre) -> None:
    story = await given_centre()
    assert story.engine.dispatcher.command(DeclareSurge(SUPERVISOR, "Banjir bandang")) is None
    caller = await story.when_caller_dials()
    await assert_greeted_with(story, caller, "siaga-bencana")


async def test_an_operator_who_is_not_there_is_rung_on_their_own_phone_and_told(
    given_centre: GivenCentre,
) -> None:
    operators = tuple(
        replace(each, phone="+6281234500001" if each.extension == "1003" else None)
        for each in sample().centre_named().operators
    )
    surge = Surge(call_in_trunk="telco-a")
    story = await given_centre(operators=operators, surge=surge)
    line = RtpParty()
    telco = SippAgency(
        story.folder / "telco",
        [line],
        local=(HOST, story.settings.trunks[0].port),
        answer_after=0.2,
    )
    await story.closes_with_the_test(telco)

    story.engine.dispatcher.command(DeclareSurge(SUPERVISOR, "banjir"))

    called = await telco.invited(SOON)
    assert called.uri.startswith(f"sip:+6281234500001@{HOST}")
    assert called.priority == ""
    assert called.caller_id.startswith(f"<sip:112@{HOST}>")
    await called.answered(SOON)
    await line.heard_sound(SOON)
    assert (await called.ended(30)).by == "far"
    await story.assert_fact(FactKind.CALL_IN_ENDED, agent="1003", attempt=1, outcome="told")
    await story.assert_all_released()
