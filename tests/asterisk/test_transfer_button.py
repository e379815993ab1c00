"""The transfer button of real phones: it does what is right or is refused, and says why.

This Asterisk refuses by itself (``asterisk.transfers``); tests of the engine's own answer open it,
and send no ``Refer-Sub: false``, which would end it.
"""

from __future__ import annotations

import pytest

from ess_pbx.asterisk import transfers
from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones import audio
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.softphone import Answer
from ess_pbx.phones.softphone_call import SoftCall

from .story import AGENCY_TONE, CALLER_TONE, NOT_HEARD_DBOV, SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

SPEECH_DBOV = -45.0
OPERATOR_TONE = operator_tone("1001")


@pytest.fixture
def engine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """REFER goes to the engine, as with an Asterisk where that is safe."""
    monkeypatch.setattr(transfers, "are_safe", lambda _: True)


def uri(story: Story, to: str) -> str:
    host, port = story.sip_address
    return f"sip:{to}@{host}:{port}"


async def hears_words(operator: SoftCall) -> None:
    """Something is said to the operator, who for that moment is out of the conversation."""

    def words() -> bool:
        alone = operator.tone_level_dbov(CALLER_TONE) < NOT_HEARD_DBOV
        return alone and audio.level_dbov(operator.latest()) > SPEECH_DBOV

    await until(words, f"{operator.name_for_errors()} hears words")


async def hears_nothing_said(listener: Listener) -> None:
    """Neither words nor anybody, at this moment."""
    await until(
        lambda: audio.level_dbov(listener.latest()) < SPEECH_DBOV,
        f"{listener.name_for_errors()} hears no words",
    )


@pytest.mark.usefixtures("engine_answers")
async def test_a_blind_transfer_to_an_agency_keeps_the_operator_until_it_answers(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    agencies = await story.given_agency(answer_after=1.5)
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, "119"), stays=True)

    await agencies.invited(SOON)
    await story.assert_fact(FactKind.TRANSFER_BUTTON, to="119", refusal=None, attended=False)
    assert operator.ended_by is None
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    await story.assert_hears(story.agency_line, CALLER_TONE)
    assert await operator.ended(SOON) == "far"
    assert operator.transfer_told[0] == 100
    assert operator.transfer_told[-1] == 200
    await story.assert_fact(FactKind.OPERATOR_LEFT, agent="1001")
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
    assert story.engine.failed_requests == 0


@pytest.mark.usefixtures("engine_answers")
async def test_a_blind_transfer_to_a_colleague_gives_them_the_call(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    caller, operator = await story.given_talking()
    await story.given_operators("1002", behaviour=Answer(0.3))

    await operator.transfer(uri(story, "1002"))

    colleague = await story.phones.incoming("1002", SOON)
    await story.assert_they_talk(caller, colleague)
    await operator.ended(SOON)
    assert operator.transfer_told[-1] == 200
    await story.assert_fact(FactKind.TAKEN_OVER, agent="1002", former="1001")
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
@pytest.mark.parametrize("to", ["081234567890", "112", "outbound", "*11"])
async def test_a_blind_transfer_anywhere_else_is_refused_and_the_operator_alone_hears_why(
    to: str, given_centre: GivenCentre
) -> None:
    story = await given_centre()
    agencies = await story.given_agency()
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, to))

    await hears_words(operator)
    await hears_nothing_said(caller.rtp)
    assert operator.transfer_told[-1] == 603
    await story.assert_they_talk(caller, operator)
    await story.assert_fact(FactKind.TRANSFER_BUTTON, refusal="transfer-tujuan-ditolak")
    assert agencies.calls == []
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
async def test_when_the_agency_does_not_answer_the_operator_has_the_caller_again(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    agencies = await story.given_agency("uas-agency-no-answer")
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, "119"))

    await agencies.invited(SOON)
    await story.assert_fact(FactKind.CONSULT_FAILED, agency="psc-119")
    await until(lambda: operator.transfer_status == 503, "the phone is told")
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
async def test_a_phone_that_hangs_up_at_once_leaves_the_caller_to_the_transfer(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    agencies = await story.given_agency(answer_after=1.0)
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, "119"))
    await operator.hang_up()

    await agencies.invited(SOON)
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    await story.assert_hears(story.agency_line, CALLER_TONE)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
async def test_a_phone_that_hangs_up_before_nobody_answers_leaves_the_caller_to_the_queue(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.given_agency("uas-agency-no-answer")
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, "119"))
    await operator.hang_up()

    await story.assert_fact(FactKind.CONSULT_FAILED, agency="psc-119")
    again = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, again)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
async def test_an_attended_transfer_is_refused_and_both_calls_go_on(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    caller, operator = await story.given_talking()
    second = await story.phones.dial("1001", uri(story, "*10"))
    await second.answered(SOON)

    await operator.transfer_to(second)

    await story.assert_fact(FactKind.TRANSFER_BUTTON, attended=True, refusal="transfer-pakai-kode")
    await until(lambda: operator.transfer_status == 603, "the phone is told")
    assert second.ended_by is None
    await second.transfer_to(operator)
    await until(lambda: second.transfer_status == 603, "of its own call too")
    await second.hang_up()
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
