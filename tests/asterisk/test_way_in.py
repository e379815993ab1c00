"""What trunks deliver, however odd, is taken; what is no trunk is not."""

from __future__ import annotations

import contextlib

import pytest

from ess_pbx.domain.facts import FactKind
from ess_pbx.phones import CallRefusedError
from ess_pbx.phones.rtp import NO_PACKETS, RtpParty
from ess_pbx.phones.softphone import Answer
from ess_pbx.sip.numbers import NOT_CALLABLE

from .story import CALLER_TONE, NOT_HEARD_DBOV, SOON, GivenCentre, until

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("dialled", ["112", "+62112", "0254112"])
async def test_every_form_of_the_entry_number_is_taken_without_an_alarm(
    dialled: str, given_centre: GivenCentre
) -> None:
    story = await given_centre(first_menu=None)
    await story.given_operators("1001")

    await story.when_caller_dials(dialled)

    await story.phones.incoming("1001", SOON)
    await story.assert_fact(FactKind.CALL_ARRIVED, called=dialled)
    assert story.told_of(FactKind.ALARM_RAISED, alarm="unknown-number") == []


async def test_a_call_for_an_unknown_number_is_taken_with_an_alarm(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.given_operators("1001")

    caller = await story.when_caller_dials("999")
    await caller.chooses("1")

    await story.phones.incoming("1001", SOON)
    alarm = await story.assert_fact(FactKind.ALARM_RAISED, alarm="unknown-number")
    assert alarm.data["detail"] == "telco-a: 999"


async def test_a_stranger_is_refused_and_the_security_log_names_them(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.given_operators("1001")

    caller = await story.when_caller_dials(scenario="uac-invite-expect-refused", from_port=0)
    with pytest.raises(CallRefusedError) as refused:
        await caller.call.answered(SOON)

    assert refused.value.status in {401, 403}
    host, port = caller.sipp.local
    security_log = story.installation.asterisk.security_log
    await until(lambda: f"{host}/{port}" in security_log.read_text(), "a line of the security log")
    assert [fact for fact in story.facts if fact.call is not None] == []
    assert story.phones.calls == []
    assert await story.engine.ari.call("GET", "channels") == []


@pytest.mark.parametrize(
    ("number", "identity"),
    [
        ("anonymous", None),
        ("anonymous", "anonymous"),
        ("Unknown", ""),
        ("anonymous", "bukan-nomor"),
        ("anonymous", "%00%ff'`$(id)"),
        ("0", "0"),
    ],
)
async def test_a_caller_without_a_number_is_taken_and_shown_as_such(
    number: str, identity: str | None, given_centre: GivenCentre
) -> None:
    story = await given_centre(first_menu=None)
    await story.given_operators("1001", behaviour=Answer(0.1))

    caller = await story.when_caller_dials(number=number, identity=identity)
    operator = await story.phones.incoming("1001", SOON)

    await story.assert_they_talk(caller, operator)
    arrived = await story.assert_fact(FactKind.CALL_ARRIVED)
    assert (arrived.data["caller_e164"], arrived.data["caller_display"]) == (None, NOT_CALLABLE)
    assert NOT_CALLABLE in operator.caller_id
    assert "sip:anonymous@" in operator.caller_id


async def test_a_caller_whose_audio_never_comes_is_answered_and_recorded(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(first_menu=None)
    await story.given_operators("1001", behaviour=Answer(0.1))

    caller = await story.when_caller_dials(rtp=RtpParty(NO_PACKETS))
    operator = await story.phones.incoming("1001", SOON)
    await caller.rtp.heard_tone(540, SOON)
    with contextlib.suppress(AssertionError):
        await until(lambda: operator.tone_level_dbov(CALLER_TONE) > NOT_HEARD_DBOV, "a tone", 1.0)
        pytest.fail("the operator hears a caller who sends nothing")
    await operator.hang_up()

    record = await story.assert_one_ending(caller)
    assert (record.call["result"], record.call["ended_by"]) == ("success", "operator")
    (recording,) = record.recordings
    left, right = recording["rms_dbov"]
    assert left < -60 < -30 < right


@pytest.mark.parametrize("dialled", ["a", "-112", "_112", "sos"])
async def test_whatever_a_trunk_dials_is_answered(dialled: str, given_centre: GivenCentre) -> None:
    story = await given_centre()

    caller = await story.when_caller_dials(dialled)

    await caller.hears_the_centre()
    await story.assert_fact(FactKind.CALL_ARRIVED)


@pytest.mark.parametrize("dialled", ["081234567890", "+6281234567890", "1002", "119", "*119#"])
async def test_a_phone_can_dial_nobody_but_its_centre(
    dialled: str, given_centre: GivenCentre
) -> None:
    story = await given_centre()
    await story.given_operators("1001", "1002")
    host, port = story.sip_address

    call = await story.phones.dial("1001", f"sip:{dialled}@{host}:{port}")

    assert await call.ended(SOON) == "far"
    assert call.end_status == 404
    assert [each.account for each in story.phones.calls] == ["1001"]
    assert story.told_of(FactKind.CALL_ARRIVED) == []


async def test_a_trunk_that_dials_an_extension_reaches_the_queue_and_not_that_phone(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), off_duty=("1002",))
    await story.given_operators("1001", "1002")

    caller = await story.when_caller_dials("1002")
    await caller.chooses("1")

    await story.phones.incoming("1001", SOON)
    assert [each.account for each in story.phones.calls] == ["1001"]
    await caller.call.hang_up()
    await story.assert_fact(FactKind.CALL_ENDED)
