"""The engine is killed at any point of a call, and the next one goes on: nobody notices."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.db import migrate
from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.events import Arrived
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine.recordings import still_written
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.softphone import Answer

from .killable import KillableStory
from .story import AGENCY_TONE, CALLER_TONE, QUICK, SLACK, SOON, UNBROKEN, GivenCentre, until
from .test_several_parties import OPERATOR_TONE, POLICE_TONE, hears_music

pytestmark = pytest.mark.asterisk

ADOPTED_WITHIN = 3.0
LONGEST_SILENCE = 3.0
RINGS_WITHIN, USABLE_WITHIN = 1.0 * SLACK, 10.0 * SLACK
ROUNDED = 0.1
"""Seconds; the dialplan's clock has milliseconds, and a call's clock is another."""
BEFORE_AUDIT = "0004"
"""The tables as they were before the audit log."""


async def given_killable(given_centre: GivenCentre, **options: Any) -> KillableStory:
    """With two trunks, so that two can call."""
    story = await given_centre(kind=KillableStory, started=False, on_duty=("1001",), **options)
    assert isinstance(story, KillableStory)
    (trunk,) = story.settings.trunks
    another = replace(trunk, id="telco-b", port=free_port(socket.SOCK_DGRAM))
    story.settings = replace(story.settings, trunks=(trunk, another))
    story.is_offered_patiently = True
    await story.given_it_runs()
    return story


async def when_the_engine_dies_and_another_comes(story: KillableStory, phase: str) -> None:
    """Kill it, start the next; adopted in that phase, in time, counted from its first fact."""
    await story.when_the_engine_is_killed()
    story.read_facts()
    since = len(story.facts)
    began = time.monotonic()
    await story.when_the_engine_is_back()
    before = sum(fact.kind == FactKind.CALL_ADOPTED for fact in story.facts[:since])
    await until(lambda: len(story.told_of(FactKind.CALL_ADOPTED)) > before, "adopted")
    adopted = story.told_of(FactKind.CALL_ADOPTED)[-1]
    assert adopted.data["phase"] == phase
    first = story.facts[since]
    assert first.kind == FactKind.CHECKPOINT
    print(
        f"{phase}: {1000 * (adopted.at - first.at):.0f} ms from the journal read, "
        f"{time.monotonic() - began:.2f} s from the process's start"
    )
    assert adopted.at - first.at < ADOPTED_WITHIN


async def the_dialplan_has_told_who_left(story: KillableStory) -> None:
    """Wait until it has written of the end of a call, and closed what it recorded of it."""
    folders = story.installation.folders

    def told() -> bool:
        unclaimed, ended = (
            path.read_text() if path.exists() else "" for path in (folders.unclaimed, folders.ended)
        )
        recorded = folders.recordings.glob("*.raw")
        return ("ended|" in unclaimed or bool(ended)) and not any(map(still_written, recorded))

    await until(told, "the dialplan has told of the end")


async def test_who_is_in_the_menu_hears_it_again_and_can_choose(
    given_centre: GivenCentre,
) -> None:
    story = await given_killable(given_centre)
    await story.given_operators("1001", behaviour=Answer(0.1))
    caller = await story.when_caller_dials()
    await caller.hears_the_centre()

    await when_the_engine_dies_and_another_comes(story, "ivr")
    await caller.rtp.press("1")
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, operator)

    await caller.call.hang_up()
    record = await story.assert_whole_record(caller)
    assert record.call["category"] == "medis"
    assert len(story.told_of(FactKind.CALL_ARRIVED)) == 1


async def test_engines_that_die_one_after_the_other_keep_nobody_in_the_menu(
    given_centre: GivenCentre,
) -> None:
    story = await given_killable(given_centre)
    await story.given_operators("1001", behaviour=Answer(0.1))
    caller = await story.when_caller_dials()
    await caller.hears_the_centre()

    await when_the_engine_dies_and_another_comes(story, "ivr")
    await when_the_engine_dies_and_another_comes(story, "ivr")

    # Nothing was pressed, and the menu is not heard for a third time: it takes over 12 s.
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, operator)


async def test_who_was_claimed_but_not_answered_is_answered_at_once(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await given_centre(on_duty=("1001",))
    executor = story.engine.dispatcher.executor
    # As when it is killed between the claim and all that follows.
    monkeypatch.setattr(executor, "carry_out", lambda _: None)
    caller = await story.when_caller_dials()
    await story.assert_fact(FactKind.CALL_ARRIVED)
    await story.when_the_engine_stops()

    await story.when_the_engine_is_back()

    await caller.call.answered(SOON)
    await caller.rtp.heard_sound(SOON)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_who_waits_keeps_the_place_and_is_never_in_silence(
    given_centre: GivenCentre,
) -> None:
    story = await given_killable(given_centre, first_menu=None)
    first = await story.when_caller_dials(number="+6281234567891")
    await first.hears_the_centre()
    await story.assert_fact(FactKind.QUEUED)
    await story.when_the_engine_is_killed()
    await story.when_the_engine_is_back()
    await story.assert_fact(FactKind.CALL_ADOPTED, phase="waiting")
    second = await story.when_caller_dials(
        number="+6281234567892", from_port=story.settings.trunks[1].port
    )
    await second.hears_the_centre()

    await story.given_operators("1001", behaviour=Answer(0.1))
    operator = await story.phones.incoming("1001", SOON)
    await first.rtp.heard_tone(operator_tone("1001"), SOON)
    assert first.rtp.longest_silence(since=first.call.at["answered"]) < LONGEST_SILENCE
    await operator.heard_tone(CALLER_TONE, SOON)
    await first.call.hang_up()
    await story.phones.incoming("1001", SOON)
    await second.call.hang_up()
    await story.assert_whole_record(first)


async def test_a_phone_that_rings_goes_on_ringing_and_its_answer_connects(
    given_centre: GivenCentre,
) -> None:
    story = await given_killable(given_centre, first_menu=None, policy=replace(QUICK, ring=30))
    await story.given_operators("1001")
    caller = await story.when_caller_dials()
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_fact(FactKind.OPERATOR_RUNG)

    await when_the_engine_dies_and_another_comes(story, "waiting")
    await operator.answer()
    await story.assert_they_talk(caller, operator)

    assert len(story.told_of(FactKind.OFFERED)) == 1
    await caller.call.hang_up()
    await story.assert_whole_record(caller)


async def test_who_talks_goes_on_talking(given_centre: GivenCentre) -> None:
    story = await given_killable(given_centre)
    caller, operator = await story.given_talking()
    began = time.monotonic()

    await when_the_engine_dies_and_another_comes(story, "talking")

    assert caller.rtp.longest_silence(since=began) < UNBROKEN
    (state,) = story.told_of(FactKind.AGENT_STATE, state="talking")[-1:]
    assert state.data["agent"] == "1001"
    await story.assert_they_talk(caller, operator)
    await operator.hang_up()
    assert await caller.call.ended(SOON)
    record = await story.assert_whole_record(caller)
    assert (record.call["result"], record.call["ended_by"]) == ("success", "operator")
    await story.assert_fact(FactKind.AGENT_STATE, state="wrap-up", agent="1001")


async def test_one_call_survives_five_crashes(given_centre: GivenCentre) -> None:
    story = await given_killable(given_centre)
    caller, operator = await story.given_talking()
    began = time.monotonic()
    for _ in range(5):
        await when_the_engine_dies_and_another_comes(story, "talking")
        await story.assert_they_talk(caller, operator)
    assert caller.rtp.longest_silence(since=began) < UNBROKEN

    await caller.call.hang_up()
    await story.assert_whole_record(caller)
    assert len(story.told_of(FactKind.OPERATOR_ANSWERED)) == 1


async def test_a_consult_and_a_conference_go_on(given_centre: GivenCentre) -> None:
    story = await given_killable(given_centre)
    agency = await story.given_agency()
    caller, operator = await story.given_talking()
    await operator.press("*119#")
    await (await agency.invited(SOON)).answered(SOON)
    await operator.heard_tone(AGENCY_TONE, SOON)
    await story.assert_fact(FactKind.AGENCY_ANSWERED)

    await when_the_engine_dies_and_another_comes(story, "consult")
    await operator.press("*3#")
    await story.assert_hears(caller.rtp, operator_tone("1001"), AGENCY_TONE)

    await story.when_the_engine_is_killed()
    await story.when_the_engine_is_back()
    await story.assert_fact(FactKind.CALL_ADOPTED, phase="conference")
    await operator.press("*4#")
    await story.assert_fact(FactKind.OPERATOR_LEFT)
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    await caller.call.hang_up()
    record = await story.assert_whole_record(caller)
    assert record.call["agency"] == "psc-119"


async def test_several_agencies_and_a_hold_go_on(given_centre: GivenCentre) -> None:
    story = await given_killable(given_centre)
    police = RtpParty(tone(POLICE_TONE))
    agencies = await story.given_agency(lines=[story.agency_line, police])
    caller, operator = await story.given_talking()
    await operator.press("*119#")
    await (await agencies.invited(SOON)).answered(SOON)
    await story.assert_fact(FactKind.PARTY_CONSULTED, party="psc-119")
    await operator.press("*3#")
    await story.assert_hears(caller.rtp, OPERATOR_TONE, AGENCY_TONE)
    await operator.press("*110#")
    await (await agencies.invited(SOON)).answered(SOON)
    await story.assert_hears(operator, POLICE_TONE)

    await when_the_engine_dies_and_another_comes(story, "consult")
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    await story.assert_hears(operator, POLICE_TONE)
    await operator.press("*2#")
    await story.assert_hears(caller.rtp, OPERATOR_TONE, AGENCY_TONE)

    await when_the_engine_dies_and_another_comes(story, "conference")
    await hears_music(police)
    await operator.press("*0#")
    await story.assert_fact(FactKind.HELD)

    await when_the_engine_dies_and_another_comes(story, "held")
    await hears_music(caller.rtp)
    await operator.press("*0#")
    await story.assert_fact(FactKind.UNHELD)
    await operator.press("*3#")
    await story.assert_hears(caller.rtp, OPERATOR_TONE, AGENCY_TONE, POLICE_TONE)
    await operator.press("*4#")
    await story.assert_fact(FactKind.OPERATOR_LEFT)
    await story.assert_hears(caller.rtp, AGENCY_TONE, POLICE_TONE)
    await story.assert_hears(police, CALLER_TONE)
    await caller.call.hang_up()
    await story.assert_whole_record(caller)


async def test_who_hangs_up_while_no_engine_is_there_is_on_record_and_orphans_are_hung_up(
    given_centre: GivenCentre,
) -> None:
    story = await given_killable(given_centre, policy=replace(QUICK, call_back=True))
    caller, operator = await story.given_talking()
    await story.when_the_engine_is_killed()
    leaves = time.time()
    await caller.call.hang_up()
    await the_dialplan_has_told_who_left(story)
    alone_until = time.time()

    await story.when_the_engine_is_back()
    back = time.monotonic()
    assert await operator.ended(SOON) == "far"
    assert operator.at["ended"] - back < 5.0
    record = await story.assert_whole_record(caller)
    assert (record.call["result"], record.call["reason"]) == ("success", "completed")
    (ended,) = story.told_of(FactKind.CALL_ENDED)
    assert leaves - ROUNDED < ended.at < alone_until
    # The dialplan told that they hung up: nobody is called back who was not cut off.
    assert story.told_of(FactKind.LEG_ENDED, role="caller")[0].data["cause"] == 16
    assert not story.told_of(FactKind.CALL_BACK_CREATED)


@pytest.mark.parametrize("back", ["during the call", "after it"])
async def test_a_call_that_the_dialplan_served_is_brought_on_record(
    given_centre: GivenCentre, back: str
) -> None:
    story = await given_killable(given_centre)
    await story.given_operators("1001", behaviour=Answer(0.1))
    await story.when_the_engine_is_killed()
    caller = await story.when_caller_dials()
    operator = await story.phones.incoming("1001", SOON)
    assert operator.at["incoming"] - caller.call.at["invited"] < RINGS_WITHIN
    await story.assert_they_talk(caller, operator)
    if back == "during the call":
        await story.when_the_engine_is_back()
        await story.assert_fact(FactKind.AGENT_STATE, agent="1001", state="talking")
        await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    if back == "after it":
        assert await operator.ended(SOON)
        await story.when_the_engine_is_back()

    record = await story.assert_whole_record(caller)
    assert (record.call["operator"], record.call["result"]) == ("1001", "success")
    (arrived,) = story.told_of(FactKind.CALL_ARRIVED)
    (answered,) = story.told_of(FactKind.OPERATOR_ANSWERED)
    (ended,) = story.told_of(FactKind.CALL_ENDED)
    assert arrived.data["trunk"] == story.settings.trunks[0].id
    assert 0 < (answered.ms or 0) < (ended.ms or 0)

    await story.when_the_engine_is_killed()
    await story.when_the_engine_is_back()
    await story.assert_reachable("1001")
    assert len(story.told_of(FactKind.CALL_IMPORTED)) == 1


async def test_who_leaves_before_any_engine_could_have_the_call_is_on_record_once(
    given_centre: GivenCentre,
) -> None:
    story = await given_killable(given_centre)
    await story.when_the_engine_is_killed()
    story.engine_answers(True)  # it never will: they leave while they are offered
    leaves = time.time()
    caller = await story.when_caller_dials(scenario="uac-invite-cancel")
    await caller.call.ended(SOON)
    await the_dialplan_has_told_who_left(story)
    alone_until = time.time()

    await story.when_the_engine_is_back()

    ended = await story.assert_fact(FactKind.CALL_ENDED, result="client", reason="abandoned")
    assert leaves - ROUNDED < ended.at < alone_until
    assert not story.told_of(FactKind.CALL_ANSWERED)

    await story.when_the_engine_is_killed()
    story.engine_answers(True)
    other = await story.when_caller_dials(
        number="+6281234567893",
        scenario="uac-invite-cancel",
        from_port=story.settings.trunks[1].port,
    )
    await other.call.ended(SOON)
    await story.when_the_engine_is_back()
    await story.assert_fact(FactKind.CALL_ARRIVED, caller_raw=other.number)
    assert len(story.told_of(FactKind.CALL_ARRIVED, caller_raw=caller.number)) == 1


async def test_who_was_claimed_by_an_engine_that_wrote_nothing_of_it_and_left_is_on_record(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await given_centre(on_duty=("1001",))
    # As when it is killed between the claim and the first fact of the call.
    heard: list[object] = []
    monkeypatch.setattr(story.engine.dispatcher, "feed", heard.append)
    caller = await story.when_caller_dials()
    await until(lambda: any(isinstance(each, Arrived) for each in heard), "the engine has the call")
    await story.when_the_engine_stops()
    await caller.call.hang_up()

    await story.when_the_engine_is_back()

    record = await story.assert_one_ending(caller)
    assert (record.call["result"], record.call["reason"]) == ("client", "abandoned")


async def test_a_planned_restart_is_noticed_by_nobody(given_centre: GivenCentre) -> None:
    story = await given_killable(given_centre)
    caller, operator = await story.given_talking()
    began, asterisk = time.monotonic(), story.asterisk_pid

    await story.when_the_engine_is_restarted()
    await story.assert_fact(FactKind.CALL_ADOPTED, phase="talking")

    assert story.asterisk_pid == asterisk
    assert caller.rtp.longest_silence(since=began) < UNBROKEN
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_whole_record(caller)


async def test_an_upgrade_with_new_tables_is_noticed_by_nobody(given_centre: GivenCentre) -> None:
    story = await given_killable(given_centre)
    url = story.settings.database.url
    caller, operator = await story.given_talking()
    began = time.monotonic()

    # The engine that comes is newer than the tables that it finds.
    await story.when_the_engine_is_restarted(lambda: migrate.downgrade(url, BEFORE_AUDIT))
    await story.assert_fact(FactKind.CALL_ADOPTED, phase="talking")

    assert caller.rtp.longest_silence(since=began) < UNBROKEN
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_whole_record(caller)
    assert await asyncio.to_thread(migrate.current, url) == migrate.head()


async def test_when_asterisk_dies_its_calls_are_closed_and_the_next_is_taken(
    given_centre: GivenCentre,
) -> None:
    story = await given_killable(given_centre)
    caller, _ = await story.given_talking()
    folder = story.settings.folders.recordings
    # Asterisk writes a recording when it has gathered a second of it.
    await until(lambda: any(raw.stat().st_size for raw in folder.glob("*.raw")), "it is recorded")
    killed = time.monotonic()

    story.when_asterisk_is_killed()

    ended = await story.assert_fact(FactKind.CALL_ENDED, within=10.0)
    print(f"closed {time.monotonic() - killed:.2f} s after the kill")
    assert (ended.data["result"], ended.data["reason"]) == ("server", "asterisk-lost")
    await story.assert_fact(FactKind.RECORDING_FINISHED, recording=ended.call)
    await story.assert_fact(FactKind.AGENT_STATE, within=10.0, agent="1001", state="wrap-up")
    await story.assert_reachable("1001")
    print(f"usable {time.monotonic() - killed:.2f} s after the kill")
    assert time.monotonic() - killed < USABLE_WITHIN
    assert caller.number
    again = await story.when_caller_dials(
        number="+6281234567893", from_port=story.settings.trunks[1].port
    )
    await again.chooses("1")
    assert await story.phones.incoming("1001", SOON)
    await again.call.hang_up()


async def test_a_claim_that_is_late_makes_no_second_record_of_whom_the_dialplan_served(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await given_centre(on_duty=("1001",))
    await story.given_operators("1001", behaviour=Answer(0.1))
    send, they_talk = story.engine.ari.send, asyncio.Event()
    claims: list[asyncio.Future[Any]] = []

    async def later(*request: Any, **more: Any) -> Any:
        await they_talk.wait()
        return await send(*request, **more)

    def send_claims_late(method: str, uri: str, **more: Any) -> asyncio.Future[Any]:
        if uri == "events/claim":
            claims.append(asyncio.ensure_future(later(method, uri, **more)))
            return claims[-1]
        return send(method, uri, **more)

    monkeypatch.setattr(story.engine.ari, "send", send_claims_late)
    caller = await story.when_caller_dials()
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, operator)
    they_talk.set()
    await asyncio.wait(claims)
    await story.engine._unclaimed.watch()
    assert not story.told_of(FactKind.CALL_ARRIVED)
    await caller.call.hang_up()

    record = await story.assert_one_ending(caller)
    assert (record.call["operator"], record.call["reason"]) == ("1001", "completed")
    assert len(story.told_of(FactKind.CALL_ENDED)) == 1
