"""An operator's own call: code, PIN, what is said and done; and nothing of it stays."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.desk_call import PIN_LENGTH, Step
from ess_pbx.domain.effects import Answer, CheckPin, HangUp, PlayPrompt, Record
from ess_pbx.domain.events import DeskCallArrived, PinChecked
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, caller_leg

from .centre import NO_MENU, of
from .given import talking
from .story import Story

DESK = CallId("ess1-1700000000.7")
LEG = caller_leg(DESK)
PIN = "246810"
WITH_SUPERVISOR = replace(
    NO_MENU,
    operators=tuple(
        replace(each, role="supervisor" if each.extension == "2003" else "operator")
        for each in NO_MENU.operators
    ),
)


def dialled(code: str, agent: str = "2001", story: Story | None = None) -> Story:
    """A desk call whose first prompt plays."""
    story = story or Story(NO_MENU, phones=("2001", "2002"))
    story.feed(DeskCallArrived(DESK, agent, code))
    story.answers(LEG)
    return story


def with_pin(code: str, agent: str = "2001", story: Story | None = None) -> Story:
    """A desk call whose PIN was right."""
    story = dialled(code, agent, story)
    story.presses(PIN, LEG)
    story.feed(PinChecked(DESK, True))
    return story


def said(story: Story) -> list[str]:
    return [effect.prompt for effect in of(story.all, PlayPrompt) if effect.target == LEG]


def step(story: Story) -> Step:
    return story.core.desks.calls[DESK].step


def heard_out(story: Story) -> None:
    """Listen until it is hung up."""
    while (playing := story.core.desks.calls[DESK].playing) is not None:
        story.played(playing)
    assert HangUp(LEG) in story.effects
    story.gone(LEG)
    assert_nothing_left(story)


def assert_nothing_left(story: Story) -> None:
    assert story.core.desks.calls == {}
    assert [timer for timer in story.timers if timer.owner == DESK] == []


def test_the_call_is_answered_and_asked_for_the_pin() -> None:
    story = dialled("*11")
    assert Answer(LEG) in story.all
    assert said(story) == ["masukkan-pin"]


def test_a_key_stops_the_prompt_and_six_are_compared() -> None:
    story = dialled("*11")
    story.presses("9*" + PIN[:5], LEG)
    assert story.hears[LEG] == []
    assert of(story.all, CheckPin) == []

    story.presses(PIN[5], LEG)

    assert of(story.all, CheckPin) == [CheckPin(DESK, "2001", PIN)]
    assert len(PIN) == PIN_LENGTH


@pytest.mark.parametrize(
    ("code", "says", "status"),
    [
        ("*10", ["status-siap"], "present"),
        ("*11", ["status-siap"], "present"),
        ("*12", ["status-keluar"], "logged-out"),
        ("*14", ["tidak-dapat-dilakukan", "status-siap"], "present"),
        ("*15", ["tidak-dapat-dilakukan", "status-siap"], "present"),
    ],
)
def test_what_is_done_is_said_and_the_call_is_hung_up(
    code: str, says: list[str], status: str
) -> None:
    story = with_pin(code)
    heard_out(story)
    assert said(story) == ["masukkan-pin", *says]
    assert story.core.acd.seats["2001"].status == status


def test_a_break_is_taken_for_the_reason_of_a_key() -> None:
    story = with_pin("*13")
    assert step(story) is Step.REASON
    story.presses("9", LEG)
    assert said(story)[-1] == "pilih-alasan"

    story.presses("4", LEG)

    assert story.core.acd.seats["2001"].on_break == "toilet"
    assert story.facts(FactKind.AGENT_STATUS)[-1] == {
        "agent": "2001",
        "status": "break",
        "reason": "toilet",
        "by": "2001",
        "via": "phone",
    }
    heard_out(story)
    assert said(story)[-1] == "status-istirahat"


def test_all_reasons_that_have_a_key_are_said() -> None:
    story = with_pin("*13")
    for _ in range(6):
        playing = story.core.desks.calls[DESK].playing
        assert playing is not None
        story.played(playing)
    assert said(story)[-6:] == [
        "pilih-alasan",
        *(str(each.prompt) for each in NO_MENU.policy.break_reasons),
    ]
    assert step(story) is Step.REASON


def test_who_is_writing_a_report_hears_so_and_ends_it() -> None:
    story = talking()
    story.gone(story.operator)
    with_pin("*10", story=story)
    assert said(story)[-1] == "status-laporan"
    heard_out(story)

    with_pin("*15", story=story)

    assert said(story)[-1] == "status-siap"
    heard_out(story)


def test_who_is_off_duty_hears_so() -> None:
    story = with_pin("*11", "2004")
    assert said(story)[-1] == "status-luar-tugas"


def test_three_wrong_pins_end_it() -> None:
    story = dialled("*12")
    for _ in range(3):
        story.presses("111111", LEG)
        story.feed(PinChecked(DESK, False))
    heard_out(story)
    assert said(story) == ["masukkan-pin", "pin-salah", "pin-salah", "pin-salah-tiga-kali"]
    assert story.core.acd.seats["2001"].logged_in
    refused = {"agent": "2001", "by": "2001", "via": "phone"}
    assert story.facts(FactKind.PIN_REFUSED) == [refused] * 3


def test_many_wrong_pins_within_an_hour_raise_one_alarm_and_a_quiet_hour_ends_it() -> None:
    story = Story(NO_MENU)
    for _ in range(3):
        dialled("*12", story=story)
        for _ in range(3):
            story.presses("111111", LEG)
            story.feed(PinChecked(DESK, False))
        heard_out(story)
        alarms = [fact["alarm"] for fact in story.facts(FactKind.ALARM_RAISED)]
    assert alarms == ["wrong-pin:2001"]
    assert len(story.facts(FactKind.PIN_REFUSED)) == 9
    kept = story.core.desks.wrong_pins.dump()

    story.at(11)

    assert [fact["alarm"] for fact in story.facts(FactKind.ALARM_CLEARED)] == ["wrong-pin:2001"]
    assert story.core.desks.wrong_pins.dump() == {"times": {}, "alarmed": []}
    story.core.desks.wrong_pins.load(kept)
    assert story.core.desks.wrong_pins.dump() == kept


@pytest.mark.parametrize("code", ["*162002", "*172002", "*182002"])
def test_what_only_supervisors_may_is_refused_to_others_and_on_record(code: str) -> None:
    story = with_pin(code)
    heard_out(story)
    assert said(story)[-1] == "tidak-dapat-dilakukan"
    refused = {"agent": "2001", "code": code, "reason": "not-a-supervisor"}
    assert story.facts(FactKind.DESK_CODE_REFUSED) == [refused | {"by": "2001", "via": "phone"}]


def test_what_cannot_be_done_now_is_on_record_with_the_reason() -> None:
    story = with_pin("*182002", "2003", Story(WITH_SUPERVISOR, phones=("2001", "2003")))
    heard_out(story)
    assert [each["reason"] for each in story.facts(FactKind.DESK_CODE_REFUSED)] == ["no-call"]


def test_a_pin_that_could_not_be_compared_is_not_counted() -> None:
    story = dialled("*12")
    story.presses(PIN, LEG)
    story.feed(PinChecked(DESK, None))
    heard_out(story)
    assert said(story)[-1] == "tidak-dapat-dilakukan"
    assert story.facts(FactKind.PIN_REFUSED) == []


@pytest.mark.parametrize("keys", ["", "24", PIN, PIN + "!"])
def test_a_call_in_which_nothing_happens_any_more_ends_by_itself(keys: str) -> None:
    story = dialled("*13")
    for key in keys:
        if key == "!":
            story.feed(PinChecked(DESK, True))
        else:
            story.presses(key, LEG)
    story.after(60)
    assert HangUp(LEG) in story.all
    # And again, for as long as Asterisk has it.
    hung_up = len(of(story.all, HangUp))
    story.after(5)
    assert len(of(story.all, HangUp)) == hung_up + 1
    story.gone(LEG)
    assert_nothing_left(story)


@pytest.mark.parametrize("keys", ["", "24", PIN, PIN + "!", PIN + "!1"])
def test_a_hang_up_leaves_nothing_at_any_step(keys: str) -> None:
    story = dialled("*13")
    for key in keys:
        if key == "!":
            story.feed(PinChecked(DESK, True))
        else:
            story.presses(key, LEG)
    story.gone(LEG)
    assert_nothing_left(story)
    assert story.feed(PinChecked(DESK, True)) == []


def test_a_code_nobody_knows_is_said_to_be_so() -> None:
    for code in ("*19", "*16", "*17"):
        story = dialled(code)
        assert said(story) == ["kode-tidak-dikenal"]
        heard_out(story)


def test_a_call_from_nobodys_phone_is_hung_up() -> None:
    story = Story(NO_MENU)
    story.feed(DeskCallArrived(DESK, "telco-a", "*11"))
    assert of(story.effects, HangUp) == [HangUp(LEG)]
    story.gone(LEG)
    assert_nothing_left(story)


def test_a_call_that_is_told_of_twice_is_begun_once() -> None:
    story = dialled("*11")
    assert story.feed(DeskCallArrived(DESK, "2001", "*11")) == []


@pytest.mark.parametrize("supervisor", [True, False])
def test_only_a_supervisor_logs_others_out(supervisor: bool) -> None:
    story = Story(WITH_SUPERVISOR, phones=("2001", "2002", "2003"))
    with_pin("*162001", "2003" if supervisor else "2002", story)
    assert story.core.acd.seats["2001"].logged_in is not supervisor
    assert said(story)[-1] == ("sudah-dilakukan" if supervisor else "tidak-dapat-dilakukan")
    with_pin("*172001", "2003", Story(WITH_SUPERVISOR, phones=("2001", "2003")))


def test_the_pin_is_in_no_fact_and_no_repr() -> None:
    story = dialled("*12")
    story.presses(PIN[:5], LEG)
    assert PIN[:5] not in repr(story.core.desks.calls)
    story.presses(PIN[5], LEG)
    story.feed(PinChecked(DESK, True))
    assert PIN not in repr(of(story.all, CheckPin))
    assert PIN not in repr([each.data for each in of(story.all, Record)])
    assert story.facts(FactKind.KEY_PRESSED) == []
