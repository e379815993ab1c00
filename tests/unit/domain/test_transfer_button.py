"""The transfer button of an operator's phone, in virtual time: the caller is never lost by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from ess_pbx.domain.call import Phase
from ess_pbx.domain.commands import Mode
from ess_pbx.domain.config import Contact
from ess_pbx.domain.effects import AnswerTransfer, HangUp, PlayPrompt, TransferOutcome
from ess_pbx.domain.events import (
    DeskCallArrived,
    LegHeld,
    LegUnheld,
    TransferAsked,
    TransferBlocked,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.domain.transfer import BELIEVED_DONE, TOLD_AFTER

from .centre import CALL, CALLER, NO_MENU, of
from .given import PHASES, conference, consult, consult_ringing, held, talking, waiting
from .story import Story
from .supervised import supervised

TWO = ("2001", "2002")
USE_CODES, NOT_THERE = "transfer-pakai-kode", "transfer-tujuan-ditolak"


def asks(story: Story, to: str = "119", *, attended: bool = False, leg: str = "") -> None:
    """The phone at a leg, the operator's if none is named, sends REFER."""
    story.feed(TransferAsked(CALL, LegId(leg or story.operator), to, attended))


def told_phone(story: Story) -> list[TransferOutcome]:
    return [each.outcome for each in of(story.all, AnswerTransfer)]


def told_operator(story: Story) -> list[str]:
    return [each.prompt for each in of(story.effects, PlayPrompt) if each.target == story.operator]


def transferring(phones: tuple[str, ...] = ("2001",)) -> Story:
    """The agency rings by the button; Asterisk may be told of it."""
    story = talking(phones)
    asks(story)
    story.now += TOLD_AFTER
    return story


def agency_on_hold() -> Story:
    """The operator is back with the caller; the agency waits with music."""
    story = consult()
    story.presses("*2#", story.operator)
    return story


def barged() -> Story:
    """A supervisor speaks with both."""
    return supervised(Mode.BARGE)


@pytest.mark.parametrize("state", [talking, held])
def test_the_agency_rings_while_the_operator_keeps_the_call(state: Callable[[], Story]) -> None:
    story = state()

    asks(story)

    assert story.phase() is Phase.CONSULT_RINGING
    assert story.rung.address == "sip:119@127.0.0.1"
    assert story.hears[CALL][-1] in ("hubungkan-instansi", "music")
    assert told_phone(story) == []
    assert HangUp(story.operator) not in story.effects
    assert story.facts(FactKind.TRANSFER_BUTTON) == [
        {"agent": "2001", "to": "119", "attended": False, "refusal": None}
    ]


def test_an_agency_is_found_by_a_contacts_number_too() -> None:
    ways = (Contact(trunk="telco-a", number="0254398123"),)
    agency = replace(NO_MENU.agencies[0], contact=None, contacts=ways)
    story = waiting(replace(NO_MENU, agencies=(agency,)))
    story.answers(story.operator)

    asks(story, "0254398123")

    assert (story.rung.address, story.rung.trunk) == ("0254398123", "telco-a")


def test_the_phone_is_told_done_and_leaves_when_the_agency_answers() -> None:
    story = transferring()
    operator = story.operator

    story.answers(story.agency)

    assert story.phase() is Phase.HANDED_OVER
    done = story.effects.index(AnswerTransfer(operator, TransferOutcome.DONE))
    assert done < story.effects.index(HangUp(operator))
    assert story.facts(FactKind.OPERATOR_LEFT) == [{"agent": "2001"}]
    story.gone(operator)
    assert story.phase() is Phase.HANDED_OVER


def test_asterisk_is_not_told_before_it_can_bear_it() -> None:
    story = talking()
    asks(story)
    operator = story.operator

    story.answers(story.agency)

    assert told_phone(story) == []
    assert HangUp(operator) in story.effects


@pytest.mark.parametrize("cause", [17, 19, 21, 3])
def test_when_nobody_answers_the_phone_is_told_and_the_operator_has_the_caller(cause: int) -> None:
    story = transferring()

    story.gone(story.agency, cause)

    assert told_phone(story) == [TransferOutcome.FAILED]
    assert story.phase() is Phase.RETURNING
    [reason] = of(story.effects, PlayPrompt)
    story.played(reason.playback)
    assert story.phase() is Phase.TALKING
    assert told_phone(story) == [TransferOutcome.FAILED]


def test_a_phone_that_leaves_at_once_leaves_the_caller_to_the_transfer() -> None:
    story = transferring()
    agency = story.agency

    story.gone(story.operator)

    assert story.phase() is Phase.BLIND_RINGING
    assert HangUp(agency) not in story.effects
    assert story.facts(FactKind.BLIND_TRANSFER) == [{"agency": "psc", "agent": "2001"}]
    story.answers(agency)
    assert story.phase() is Phase.HANDED_OVER


def test_and_to_the_head_of_the_queue_when_nobody_answers_that() -> None:
    story = transferring(TWO)
    story.gone(story.operator)

    story.after(45.1)

    assert story.phase() is Phase.WAITING
    assert story.rung.address == "2002"


def test_a_colleague_who_answers_has_the_call() -> None:
    story = talking(TWO)
    asks(story, "2002")
    story.now += TOLD_AFTER
    former = story.operator

    story.answers(story.rung.leg)

    assert story.phase() is Phase.TALKING
    assert story.call.operator is not None
    assert story.call.operator.agent == "2002"
    assert told_phone(story) == [TransferOutcome.DONE]
    assert HangUp(former) in story.effects


def test_a_phone_that_leaves_before_a_colleague_answers_leaves_the_caller_to_the_queue() -> None:
    story = talking(TWO)
    asks(story, "2002")

    story.gone(story.operator)

    assert story.phase() is Phase.WAITING
    assert story.hears[CALL]


@pytest.mark.parametrize("to", ["081234567890", "112", "8119", "*11", "", "2099"])
def test_anybody_else_is_refused_and_the_operator_alone_hears_why(to: str) -> None:
    story = talking()

    asks(story, to)

    assert told_phone(story) == [TransferOutcome.REFUSED]
    assert told_operator(story) == [NOT_THERE]
    assert (story.phase(), story.hears[CALL]) == (Phase.TALKING, [])
    [fact] = story.facts(FactKind.TRANSFER_BUTTON)
    assert fact["refusal"] == NOT_THERE


def test_an_attended_transfer_is_refused_whatever_it_names() -> None:
    story = talking()

    asks(story, "119", attended=True)

    assert (told_phone(story), told_operator(story)) == ([TransferOutcome.REFUSED], [USE_CODES])
    assert story.phase() is Phase.TALKING


@pytest.mark.parametrize(
    "state", [conference, consult_ringing, transferring, agency_on_hold, barged]
)
def test_who_has_others_in_the_call_cannot_leave_it_by_the_button(
    state: Callable[[], Story],
) -> None:
    story = state()
    before = story.phase()

    asks(story, "110")

    assert told_phone(story) == [TransferOutcome.REFUSED]
    assert told_operator(story) == ["tidak-bisa-sekarang"]
    assert story.phase() is before


def test_asterisks_repeating_of_it_when_the_phone_hangs_up_is_no_second_press() -> None:
    story = transferring()

    asks(story)
    assert story.effects == []
    story.gone(story.operator)

    assert story.phase() is Phase.BLIND_RINGING


def test_a_second_press_while_the_first_goes_on_ends_the_phones_part_in_it() -> None:
    story = transferring()
    asks(story, "110")

    story.answers(story.agency)

    assert story.phase() is Phase.CONSULT, "as by code: Asterisk told the phone that both failed"
    assert told_phone(story) == [TransferOutcome.REFUSED]


@pytest.mark.parametrize("phase", PHASES)
def test_no_other_leg_transfers_anything(phase: Phase) -> None:
    story = PHASES[phase]()
    before = story.call

    for leg in before.legs:
        if before.operator is None or leg != before.operator.leg:
            asks(story, leg=leg)

    assert story.call == before
    assert set(told_phone(story)) <= {TransferOutcome.REFUSED}


def test_an_operators_own_call_is_not_passed_on() -> None:
    story = Story()
    own = CallId("ess1-1700000000.7")
    story.feed(DeskCallArrived(own, "2001", "*10"))

    story.feed(TransferAsked(own, LegId(own), "119"))

    assert story.effects == [AnswerTransfer(LegId(own), TransferOutcome.REFUSED)]


def test_what_asterisk_refused_is_told_to_whoever_it_was() -> None:
    story = talking(TWO)

    story.feed(TransferBlocked("2001"))

    assert told_operator(story) == [USE_CODES]
    assert told_phone(story) == []
    story.feed(TransferBlocked("2002"))
    assert story.effects == []


def test_a_phone_on_hold_is_told_when_it_can_hear() -> None:
    story = talking()
    story.feed(LegHeld(CALL, story.operator))
    story.feed(TransferBlocked("2001"))
    assert told_operator(story) == []

    story.feed(LegUnheld(CALL, story.operator))

    assert told_operator(story) == [USE_CODES]
    assert story.phase() is Phase.TALKING
    story.feed(LegUnheld(CALL, story.operator))
    assert told_operator(story) == []


def test_a_phone_on_hold_has_the_caller_on_hold_again_when_the_transfer_fails() -> None:
    story = talking()
    story.feed(LegHeld(CALL, story.operator))
    asks(story)
    story.now += TOLD_AFTER

    story.gone(story.agency, 17)

    assert story.phase() is Phase.HELD
    assert story.hears[CALL], "never silence"
    story.feed(LegUnheld(CALL, story.operator))
    assert (story.phase(), told_operator(story)) == (Phase.TALKING, ["instansi-sibuk"])


@pytest.mark.parametrize(("later", "lost"), [(1.0, False), (BELIEVED_DONE + 0.1, True)])
def test_who_hangs_up_right_after_a_refusal_leaves_the_caller_to_the_queue(
    later: float, lost: bool
) -> None:
    story = talking(TWO)
    story.feed(TransferBlocked("2001"))
    story.after(later)

    story.gone(story.operator)

    assert (HangUp(CALLER) in story.effects) is lost
    assert story.phase() is (Phase.ENDED if lost else Phase.WAITING)


@pytest.mark.parametrize("key", ["*2#", "*5#"])
def test_a_code_that_cancels_tells_the_phone_too(key: str) -> None:
    story = transferring()

    story.presses(key, story.operator)

    assert told_phone(story) == [TransferOutcome.FAILED]
    assert story.phase() is Phase.TALKING
