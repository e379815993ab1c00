"""Several agencies, holds, colleagues and the phone's own buttons: who hears whom, by tones."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.demo.stage import HOST, operator_tone
from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.config import Agency, Contact
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.incident import Fields
from ess_pbx.domain.incidents import OpenReport
from ess_pbx.domain.introduction import LONGEST
from ess_pbx.installation import Installation
from ess_pbx.phones import audio
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.softphone import Answer

from .story import AGENCY_TONE, CALLER_TONE, NOT_HEARD_DBOV, QUICK, SOON, GivenCentre, until

pytestmark = pytest.mark.asterisk

POLICE_TONE = 2050
OPERATOR_TONE = operator_tone("1001")
LOUD_MUSIC_DBOV = -45.0
BUSY = 2.0
"""Seconds by which a machine that is busy with other tests may be late."""
BY = Asker("1001", Via.API)


async def falls_silent(listener: Listener, *hertz: int) -> None:
    """None of these tones is heard any more."""

    def quiet() -> bool:
        return all(listener.tone_level_dbov(each) < NOT_HEARD_DBOV for each in hertz)

    await until(quiet, f"{listener.name_for_errors()} no longer hears {hertz} Hz")


async def hears_music(line: RtpParty) -> None:
    """Something is heard, which at this moment can be music alone."""

    def loud() -> bool:
        return audio.level_dbov(line.latest()) > LOUD_MUSIC_DBOV

    await until(loud, f"{line.name_for_errors()} hears music")


async def test_two_agencies_in_one_call_and_the_caller_is_never_alone(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    police = RtpParty(tone(POLICE_TONE))
    agencies = await story.given_agency(lines=[story.agency_line, police])
    caller, operator = await story.given_talking()

    await operator.press("*119#")
    first = await agencies.invited(SOON)
    await story.assert_hears(operator, AGENCY_TONE)
    await falls_silent(caller.rtp, OPERATOR_TONE, AGENCY_TONE)
    await operator.press("*3#")
    await story.assert_hears(caller.rtp, OPERATOR_TONE, AGENCY_TONE)

    await operator.press("*110#")
    second = await agencies.invited(SOON)
    await second.answered(SOON)
    await story.assert_hears(operator, POLICE_TONE)
    await story.assert_hears(police, OPERATOR_TONE)
    await falls_silent(operator, CALLER_TONE, AGENCY_TONE)
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    await story.assert_hears(story.agency_line, CALLER_TONE)
    await falls_silent(caller.rtp, OPERATOR_TONE, POLICE_TONE)

    await operator.press("*2#")
    await story.assert_hears(operator, CALLER_TONE, AGENCY_TONE)
    await falls_silent(police, OPERATOR_TONE, CALLER_TONE)
    await until(
        lambda: audio.level_dbov(police.latest()) > LOUD_MUSIC_DBOV, "the police hear music"
    )

    await operator.press("*3#")
    await story.assert_hears(caller.rtp, OPERATOR_TONE, AGENCY_TONE, POLICE_TONE)
    await story.assert_hears(police, CALLER_TONE, OPERATOR_TONE, AGENCY_TONE)

    await operator.press("*4#")
    assert await operator.ended(SOON) == "far"
    await story.assert_hears(caller.rtp, AGENCY_TONE, POLICE_TONE)
    await caller.call.hang_up()
    assert (await first.ended(SOON)).by == "far"
    assert (await second.ended(SOON)).by == "far"
    await story.assert_one_ending(caller)
    assert story.engine.failed_requests == 0


async def test_an_agency_that_hangs_up_at_once_after_the_handover_leaves_the_caller_to_the_queue(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    agencies = await story.given_agency()
    caller, operator = await story.given_talking()
    await operator.press("*8119#")
    called = await agencies.invited(SOON)
    assert await operator.ended(SOON) == "far"
    await story.assert_hears(caller.rtp, AGENCY_TONE)

    await called.hang_up()

    again = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, again)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_a_blind_transfer_goes_to_the_next_contact_when_the_first_is_busy(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(started=False)
    agencies = await story.given_agency()
    port = int((story.centre.agencies[0].ways[0].sip or "").rpartition(":")[2])
    both = (Contact(sip=f"sip:x@{HOST}:1", ring=1), Contact(sip=f"sip:119@{HOST}:{port}"))
    agency = Agency(id="psc-119", name="PSC 119", code="119", contacts=both)
    rest = story.centre.agencies[1:]
    story.settings = replace(
        story.settings, centres=(replace(story.centre, agencies=(agency, *rest)),)
    )
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    caller, operator = await story.given_talking()

    await operator.press("*8119#")

    await agencies.invited(SOON)
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    await story.assert_fact(FactKind.CONSULT_FAILED, agency="psc-119")
    await story.assert_fact(FactKind.CONSULT_STARTED, contact=2)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_the_phones_hold_button_gives_the_caller_music(given_centre: GivenCentre) -> None:
    story = await given_centre()
    caller, operator = await story.given_talking()

    await operator.hold(SOON)

    await story.assert_fact(FactKind.HELD, agent="1001", how="phone")
    await falls_silent(caller.rtp, OPERATOR_TONE)
    await until(
        lambda: audio.level_dbov(caller.rtp.latest()) > LOUD_MUSIC_DBOV, "the caller hears music"
    )
    await operator.unhold(SOON)
    await story.assert_fact(FactKind.UNHELD, agent="1001", how="phone")
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_a_phone_is_asked_to_answer_itself_and_shows_who_calls_and_why(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(started=False)
    operators = tuple(
        replace(each, auto_answer=each.extension == "1001") for each in story.centre.operators
    )
    story.settings = replace(story.settings, centres=(replace(story.centre, operators=operators),))
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    caller, _ = await story.given_talking()

    log = story.folder / "phones" / "pjsua.log"
    await until(lambda: "INVITE sip:1001@" in log.read_text(), "the INVITE is in the log")
    [invite] = [each for each in log.read_text().split("\n\n") if "INVITE sip:1001@" in each][:1]
    assert "Call-Info: <sip:ess-pbx>;answer-after=0" in invite
    assert "info=alert-autoanswer" in invite
    assert f'From: "Kegawatan medis" <sip:{caller.number}@' in invite
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_an_agency_hears_what_it_is_and_where_before_the_operator_speaks_with_it(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(started=False)
    agencies = tuple(replace(each, introduction=True) for each in story.centre.agencies)
    story.settings = replace(story.settings, centres=(replace(story.centre, agencies=agencies),))
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    lines = await story.given_agency()
    caller, operator = await story.given_talking()
    arrived = await story.assert_fact(FactKind.CALL_ARRIVED)
    story.engine.dispatcher.feed(
        OpenReport(BY, Fields(district="Sumur"), arrived.call, centre=story.centre.id)
    )
    await story.assert_fact(FactKind.REPORT_OPENED)

    await operator.press("*119#")
    await (await lines.invited(SOON)).answered(SOON)
    answered = await story.assert_fact(FactKind.AGENCY_ANSWERED)
    noted = await story.assert_fact(FactKind.REPORT_STEP, agency="psc-119", step="diterima")
    assert noted.data["by"] == f"panggilan:{arrived.call}"
    assert noted.at == pytest.approx(answered.at, abs=0.5)

    await story.agency_line.heard_sound(SOON)
    assert story.agency_line.tone_level_dbov(OPERATOR_TONE) < NOT_HEARD_DBOV
    consulted = await story.assert_fact(FactKind.PARTY_CONSULTED)
    assert 2.0 < consulted.at - answered.at <= LONGEST + BUSY
    assert list((story.settings.folders.state / "spoken").glob("*.alaw"))
    await story.assert_hears(story.agency_line, OPERATOR_TONE)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_a_colleague_is_consulted_and_takes_the_call_over(given_centre: GivenCentre) -> None:
    story = await given_centre(policy=replace(QUICK, ring=8))
    caller, operator = await story.given_talking()
    await story.given_operators("1002", behaviour=Answer(0.1))

    await operator.press("*91002#")
    colleague = await story.phones.incoming("1002", SOON)
    await story.assert_hears(colleague, OPERATOR_TONE)
    await falls_silent(caller.rtp, OPERATOR_TONE)
    await operator.press("*4#")

    assert await operator.ended(SOON) == "far"
    await story.assert_they_talk(caller, colleague)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
