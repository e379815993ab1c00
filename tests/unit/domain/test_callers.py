"""What is remembered of callers: who calls again, whose pranks are confirmed, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ess_pbx.domain import callers as module
from ess_pbx.domain.call import Phase
from ess_pbx.domain.callers import DAY, Callers
from ess_pbx.domain.commands import Asker, Command, ConfirmPrank, LiftPrank, Mark, MarkCall, Via
from ess_pbx.domain.config import Centre, Choice, Menu, Policy, QueueKey
from ess_pbx.domain.effects import PlayPrompt, Refused
from ess_pbx.domain.events import ClockRead
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId

from .centre import CALL, CENTRE, OTHER, POLICY, of
from .story import Story

NUMBER, ANOTHER = "+628123456789", "+628111111111"
THIRD = CallId("ess1-1700000000.3")
RULES = replace(POLICY, redial_within=600, age_lift=300)
QUEUE = replace(CENTRE, first_menu=None, policy=RULES)
SARI = Asker("sari", Via.API)


def given(config: Centre = QUEUE, phones: tuple[str, ...] = ()) -> Story:
    return Story(config, phones)


def hangs_up(story: Story, call: CallId = CALL) -> None:
    story.gone(call)


def asks(story: Story, command: Command) -> list[str]:
    """Have a command decided; returns the codes of what was refused."""
    return [refused.code for refused in of(story.feed(command), Refused)]


def confirmed(**policy: Any) -> Story:
    """A centre that has confirmed the number."""
    config = replace(QUEUE, policy=replace(RULES, redial_within=0, **policy))
    story = given(config)
    assert asks(story, ConfirmPrank(SARI, NUMBER, "iseng tiap malam")) == []
    return story


# redial


def test_who_calls_again_after_an_attempt_in_vain_comes_first() -> None:
    story = given()
    story.arrives()
    hangs_up(story)
    story.now += 30
    story.arrives(OTHER, caller_e164=ANOTHER)
    story.now += 30

    story.arrives(THIRD)
    story.phone("2001")

    assert story.rung.call == THIRD
    assert story.facts(FactKind.REDIAL) == [{"earlier": CALL}]
    assert story.core.calls[THIRD].priority == 7


@pytest.mark.parametrize("keeps", [True, False])
def test_the_first_attempts_age_is_kept_if_the_region_wants_it(keeps: bool) -> None:
    story = given(replace(QUEUE, policy=replace(RULES, redial_priority=5, redial_keeps_age=keeps)))
    story.arrives()
    hangs_up(story)
    story.now += 10
    story.arrives(OTHER, caller_e164=ANOTHER)
    story.now += 10

    story.arrives(THIRD)
    story.phone("2001")

    assert story.rung.call == (THIRD if keeps else OTHER)


def test_the_age_is_of_the_first_attempt_in_a_row_and_never_older_than_the_window() -> None:
    story = given()
    for number in range(10):
        call = CallId(f"ess1-1700000000.{number}")
        story.arrives(call)
        hangs_up(story, call)
        story.now += 100

    story.arrives(CallId("ess1-1700000000.99"))

    assert story.core.calls[CallId("ess1-1700000000.99")].head_start == 600


def test_a_call_that_reached_a_human_is_no_attempt_in_vain() -> None:
    story = given(phones=("2001",))
    story.arrives()
    story.answers(CALL)
    story.answers(story.operator)
    hangs_up(story)

    story.arrives(OTHER)

    assert story.facts(FactKind.REDIAL) == []
    assert story.core.calls[OTHER].priority == 5


def test_who_heard_the_information_they_asked_for_did_not_call_in_vain() -> None:
    line = Menu(keys={"1": Choice(information=("info",), then="end")}, otherwise=Choice())
    story = given(replace(QUEUE, greeting=None, first_menu="utama", menus={"utama": line}))
    story.arrives()
    story.answers(CALL)
    story.presses("1")
    for _ in range(2):
        story.begins()
        story.prompt_over()
    assert story.phase() is Phase.ENDED
    story.gone(CALL)

    story.arrives(OTHER)

    assert story.facts(FactKind.REDIAL) == []


@pytest.mark.parametrize(
    ("pause", "first", "then"), [(601, NUMBER, NUMBER), (30, NUMBER, ANOTHER), (30, None, None)]
)
def test_too_late_another_number_or_none_is_no_redial(
    pause: float, first: str | None, then: str | None
) -> None:
    story = given()
    story.arrives(caller_e164=first)
    hangs_up(story)
    story.now += pause

    story.arrives(OTHER, caller_e164=then)

    assert story.facts(FactKind.REDIAL) == []


def test_two_calls_at_once_from_behind_one_number_are_no_redial() -> None:
    story = given()
    story.arrives()

    story.arrives(OTHER)

    assert story.facts(FactKind.REDIAL) == []


def test_a_redial_that_chooses_what_can_wait_waits() -> None:
    office = Menu(keys={"1": Choice(priority=3)}, otherwise=Choice())
    story = given(replace(QUEUE, first_menu="utama", menus={"utama": office}))
    story.arrives()
    hangs_up(story)
    story.arrives(OTHER)
    assert story.core.calls[OTHER].priority == 7

    story.presses("1", OTHER)

    assert story.core.calls[OTHER].priority == 3


# trunk


def test_a_trunks_calls_have_its_priority_until_a_menu_says_otherwise() -> None:
    menu = Menu(keys={"1": Choice(priority=6)}, otherwise=Choice())
    story = given(replace(QUEUE, first_menu="utama", menus={"utama": menu}))

    story.arrives(priority=8)
    assert story.call.priority == 8
    story.presses("1")

    assert story.call.priority == 6


# pranks


def test_a_confirmed_prankster_waits_behind_later_callers_and_is_answered() -> None:
    story = confirmed()
    story.arrives()
    story.now += 60
    story.arrives(OTHER, caller_e164=ANOTHER)

    story.phone("2001")
    assert story.rung.call == OTHER
    story.phone("2002")
    assert story.rung.call == CALL
    story.answers(story.operator)

    assert story.phase() is Phase.TALKING
    assert story.facts(FactKind.PRANK_HELD) == [{"priority": 1}]


def test_who_confirmed_a_number_and_why_is_on_record() -> None:
    story = confirmed(prank_days=7)

    [fact] = story.facts(FactKind.PRANK_CONFIRMED)

    until = fact.pop("until")
    assert until == story.core.wall(story.now) + 7 * DAY
    assert fact == {"number": NUMBER, "reason": "iseng tiap malam", "by": "sari", "via": "api"}


def test_a_warning_is_heard_once_on_arrival() -> None:
    story = given(replace(CENTRE, policy=replace(RULES, prank_warning="peringatan")))
    asks(story, ConfirmPrank(SARI, NUMBER, "iseng"))

    story.arrives()

    for prompt in ("selamat-datang", "peringatan", "menu-utama", "menu-lanjutan"):
        assert story.hears[CALL] == [prompt]
        story.prompt_over()


@pytest.mark.parametrize(
    ("key", "why", "priority"), [("1", "key", 5), ("2", "key", 8), ("5", "key-5", 9)]
)
def test_a_key_with_a_meaning_speaks_for_a_prankster(key: str, why: str, priority: int) -> None:
    menu = Menu(keys={"1": Choice(category="banjir"), "2": Choice(priority=8)}, otherwise=Choice())
    policy = replace(RULES, silent_after=10)
    story = given(replace(QUEUE, first_menu="utama", menus={"utama": menu}, policy=policy))
    asks(story, ConfirmPrank(SARI, NUMBER, "iseng"))
    story.arrives()
    story.presses("7")
    assert story.call.priority == 1

    story.presses(key)

    assert story.call.priority == priority
    [released] = story.facts(FactKind.PRANK_RELEASED)
    assert released["why"] == why


def test_a_key_in_the_queue_speaks_for_a_prankster_and_moves_them() -> None:
    config = replace(QUEUE, queue_keys={"1": QueueKey(category="banjir")})
    story = given(config)
    asks(story, ConfirmPrank(SARI, NUMBER, "iseng"))
    story.arrives()
    story.now += 60
    story.arrives(OTHER, caller_e164=ANOTHER)

    story.presses("1")
    story.phone("2001")

    assert story.rung.call == CALL


def test_a_choice_of_a_further_menu_moves_a_prankster_whom_operators_are_sought_for() -> None:
    policy = replace(RULES, search_at_once=True)
    story = given(replace(CENTRE, policy=policy))
    asks(story, ConfirmPrank(SARI, NUMBER, "iseng"))
    story.arrives()
    story.now += 60
    story.arrives(OTHER, caller_e164=ANOTHER)

    story.presses("2")
    assert story.phase() is Phase.IVR
    story.phone("2001")

    assert story.rung.call == CALL


def test_pressing_nothing_does_not_speak_for_a_prankster() -> None:
    menu = Menu(otherwise=Choice(category="banjir", priority=8), timeout=3)
    story = given(replace(QUEUE, greeting=None, first_menu="utama", menus={"utama": menu}))
    asks(story, ConfirmPrank(SARI, NUMBER, "iseng"))
    story.arrives()

    story.after(4)

    assert story.phase() is Phase.WAITING
    assert story.call.priority == 1


def test_a_redial_speaks_for_a_prankster_and_gains_them_no_more_than_that() -> None:
    story = given()
    asks(story, ConfirmPrank(SARI, NUMBER, "iseng"))
    story.arrives()
    hangs_up(story)
    story.now += 30

    story.arrives(OTHER)

    call = story.core.calls[OTHER]
    assert (call.priority, call.head_start) == (5, 0)
    assert story.facts(FactKind.PRANK_RELEASED) == [{"why": "redial", "priority": 5}]


def test_a_prankster_whose_operator_is_lost_goes_to_the_head() -> None:
    story = confirmed()
    story.phone("2001")
    story.arrives()
    story.answers(CALL)
    story.answers(story.operator)

    story.gone(story.operator, 38)

    assert story.call.priority == 9


def test_a_lifted_number_waits_like_any_other() -> None:
    story = confirmed()

    assert asks(story, LiftPrank(SARI, NUMBER, "salah nomor")) == []
    story.arrives()

    assert story.call.priority == 5
    assert story.facts(FactKind.PRANK_LIFTED) == [
        {"number": NUMBER, "reason": "salah nomor", "by": "sari", "via": "api"}
    ]
    assert asks(story, LiftPrank(SARI, NUMBER, "lagi")) == ["not-confirmed"]


def test_a_confirmation_expires_on_record() -> None:
    story = confirmed(prank_days=1)
    wall = story.core.wall(story.now)

    story.now += DAY
    story.feed(ClockRead(_local(wall + DAY), wall=wall + DAY))

    assert story.facts(FactKind.PRANK_EXPIRED) == [
        {"number": NUMBER, "reason": "its time is over", "by": "prank-days", "via": "system"}
    ]
    story.feed(ClockRead(_local(wall + DAY), wall=wall + DAY))
    assert len(story.facts(FactKind.PRANK_EXPIRED)) == 1
    story.arrives()
    assert story.call.priority == 5


def test_what_is_no_number_cannot_be_confirmed() -> None:
    story = given()
    assert asks(story, ConfirmPrank(SARI, "08123", "iseng")) == ["invalid-number"]
    assert story.facts(FactKind.PRANK_CONFIRMED) == []


# marks


def answered(story: Story, call: CallId, number: str = NUMBER) -> None:
    """A call that an operator has."""
    story.arrives(call, caller_e164=number)
    story.answers(call)
    story.answers(story.core.calls[call].offers[0].leg)


@pytest.mark.parametrize(
    ("code", "mark"),
    [("*71#", "normal"), ("*72#", "ghost"), ("*73#", "prank"), ("*74#", "informasi")],
)
def test_an_operator_marks_the_call_on_the_keys_of_the_phone(code: str, mark: str) -> None:
    story = given(phones=("2001",))
    answered(story, CALL)

    story.presses(code, story.operator)

    assert story.facts(FactKind.CALL_MARKED) == [
        {"mark": mark, "note": "", "number": NUMBER, "by": "2001", "via": "phone"}
    ]
    [told] = of(story.effects, PlayPrompt)
    assert (told.target, told.in_bridge, told.prompt) == (story.operator, False, "dicatat")
    assert story.phase() is Phase.TALKING


def test_a_call_is_marked_in_a_consult_and_a_conference_too() -> None:
    story = given(phones=("2001",))
    answered(story, CALL)
    story.presses("*119#", story.operator)
    story.presses("*72#", story.operator)
    story.answers(story.agency)
    story.presses("*71#", story.operator)
    story.presses("*3#", story.operator)

    story.presses("*73#", story.operator)

    marks = [fact["mark"] for fact in story.facts(FactKind.CALL_MARKED)]
    assert marks == ["ghost", "normal", "prank"]
    assert story.phase() is Phase.CONFERENCE


def test_a_call_is_marked_after_its_end_and_a_call_unknown_is_not() -> None:
    story = given()
    story.arrives(caller_e164=None)
    hangs_up(story)
    assert story.core.calls == {}

    assert asks(story, MarkCall(SARI, CALL, Mark.GHOST, "hening")) == []
    assert asks(story, MarkCall(SARI, THIRD, Mark.GHOST)) == ["unknown-call"]

    assert story.facts(FactKind.CALL_MARKED) == [
        {"mark": "ghost", "note": "hening", "number": None, "by": "sari", "via": "api"}
    ]


def marked(story: Story, *marks: tuple[CallId, Mark]) -> None:
    for call, mark in marks:
        assert asks(story, MarkCall(SARI, call, mark)) == []


def three_calls(**policy: Any) -> Story:
    story = given(replace(QUEUE, policy=replace(RULES, redial_within=0, **policy)))
    for call in (CALL, OTHER, THIRD):
        story.arrives(call)
        hangs_up(story, call)
    return story


def test_marks_alone_confirm_nobody_unless_the_region_wants_it() -> None:
    story = three_calls(prank_marks=0)
    marked(story, (CALL, Mark.PRANK), (OTHER, Mark.PRANK), (THIRD, Mark.PRANK))
    assert story.facts(FactKind.PRANK_CONFIRMED) == []


def test_enough_calls_marked_as_prank_confirm_their_number() -> None:
    story = three_calls(prank_marks=2)

    marked(story, (CALL, Mark.PRANK), (CALL, Mark.PRANK), (OTHER, Mark.GHOST))
    assert story.facts(FactKind.PRANK_CONFIRMED) == []
    marked(story, (THIRD, Mark.PRANK))

    [fact] = story.facts(FactKind.PRANK_CONFIRMED)
    assert (fact["number"], fact["by"], fact["via"]) == (NUMBER, "prank-marks", "system")
    assert fact["reason"] == "2 calls marked as prank"


def test_a_mark_taken_back_takes_back_what_followed_from_it() -> None:
    story = three_calls(prank_marks=2)
    marked(story, (CALL, Mark.PRANK), (OTHER, Mark.PRANK))

    marked(story, (OTHER, Mark.NORMAL))

    assert len(story.facts(FactKind.PRANK_LIFTED)) == 1
    assert not story.core.callers.is_prank(NUMBER, story.core.wall(story.now))


def test_a_supervisors_confirmation_stands_whatever_the_marks_say() -> None:
    story = three_calls(prank_marks=2)
    asks(story, ConfirmPrank(SARI, NUMBER, "iseng"))

    marked(story, (OTHER, Mark.NORMAL))

    assert story.facts(FactKind.PRANK_LIFTED) == []


def test_old_marks_count_no_more() -> None:
    story = three_calls(prank_marks=2, prank_within=0.5)
    marked(story, (CALL, Mark.PRANK))
    story.now += DAY / 2 + 1

    marked(story, (OTHER, Mark.PRANK))

    assert story.facts(FactKind.PRANK_CONFIRMED) == []


def test_marks_that_a_supervisor_judged_do_not_confirm_the_number_again() -> None:
    story = three_calls(prank_marks=2)
    marked(story, (CALL, Mark.PRANK), (OTHER, Mark.PRANK))
    asks(story, LiftPrank(SARI, NUMBER, "anak kecil, orang tua sudah dihubungi"))

    marked(story, (THIRD, Mark.PRANK))

    assert len(story.facts(FactKind.PRANK_CONFIRMED)) == 1


def test_neither_silence_nor_hanging_up_marks_anybody() -> None:
    story = three_calls(prank_marks=1, silent_after=5)
    story.arrives(CALL)
    story.presses("5")
    hangs_up(story)
    assert story.facts(FactKind.CALL_MARKED) == []
    assert story.facts(FactKind.PRANK_CONFIRMED) == []


# kept


def test_all_is_known_again_from_a_checkpoint_and_the_facts_after_it() -> None:
    story = three_calls(prank_marks=2)
    marked(story, (CALL, Mark.PRANK))
    kept = story.core.checkpoint()
    wall = story.core.wall(story.now)
    marked(story, (OTHER, Mark.PRANK))
    later = [(FactKind.CALL_MARKED, OTHER), (FactKind.PRANK_CONFIRMED, None)]
    data = {kind: story.facts(kind)[-1] for kind, _ in later}

    again = Story(story.core.config, ())
    again.core.recall(_fact(kept.kind, None, wall, _as_json(kept.data)))
    for kind, call in later:
        again.core.recall(_fact(kind, call, wall, data[kind]))

    assert again.core.callers.dump() == story.core.callers.dump()
    again.arrives(CallId("ess1-1700000000.4"))
    assert again.core.calls[CallId("ess1-1700000000.4")].priority == 1
    assert asks(again, MarkCall(SARI, THIRD, Mark.NORMAL)) == []


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CALLS", 50)
    monkeypatch.setattr(module, "MOST_NUMBERS", 20)
    callers = Callers(Policy())
    for n in range(200):
        number = f"+62812000{n:04}"
        callers.remember(FactKind.CALL_ARRIVED, f"c{n}", {"caller_e164": number}, n)
        mark = {"number": number, "mark": "prank", "by": "x", "note": ""}
        callers.remember(FactKind.CALL_MARKED, f"c{n}", mark, n)
        until: dict[str, Any] = {"number": number, "until": n + DAY, "reason": ""}
        until |= {"by": "x", "via": "api"}
        callers.remember(FactKind.PRANK_CONFIRMED, None, until, n)

    kept: Any = callers.dump()
    assert [len(kept[name]) for name in ("calls", "marks", "confirmed")] == [50, 20, 20]
    assert callers.number_of("c149") is None
    assert callers.number_of("c150") == "+628120000150"
    assert callers.is_prank("+628120000199", 200)


def test_calls_and_marks_are_forgotten_when_too_old() -> None:
    callers = Callers(Policy(prank_within=1))
    for call, number, at in (("a", NUMBER, 0), ("b", ANOTHER, DAY + 1)):
        mark = {"number": number, "mark": "prank", "by": "", "note": ""}
        callers.remember(FactKind.CALL_ARRIVED, call, {"caller_e164": number}, at)
        callers.remember(FactKind.CALL_MARKED, call, mark, at)

    kept: Any = callers.dump()
    assert list(kept["calls"]) == ["b"]
    assert list(kept["marks"]) == [ANOTHER]


def _local(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC).replace(tzinfo=None)


def _fact(kind: str, call: str | None, at: float, data: Any) -> Fact:
    return Fact(id="x", centre="contoh", call=call, kind=kind, at=at, ms=None, data=data)


def _as_json(data: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(data))
