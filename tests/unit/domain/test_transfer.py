"""Warm transfer: whoever leaves whenever, the caller is left with a human or in the queue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ess_pbx.domain.call import Phase
from ess_pbx.domain.effects import (
    HangUp,
    Join,
    Originate,
    Part,
    PlayPrompt,
    Role,
    Sound,
    StartSound,
    StopSound,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import aside_of, bridge_of
from ess_pbx.domain.transfer import LONGEST_EXPLANATION

from .centre import CALL, CALLER, of, requests
from .given import PHASES, conference, consult, consult_ringing, returning, talking
from .story import Story

BRIDGE, ASIDE = bridge_of(CALL), aside_of(CALL)
CALLER_IN = Join(BRIDGE, (CALLER,))
TWO = ("2001", "2002")


def test_the_agency_rings_first_and_the_caller_waits_with_an_announcement() -> None:
    story = talking()

    story.presses("*119#", story.operator)

    assert story.effects[0] == Originate(
        call=CALL,
        leg=story.agency,
        role=Role.AGENCY,
        address="sip:119@127.0.0.1",
        number="+628123456789",
        name="Lainnya",
        timeout=50,
    )
    both = [Part(BRIDGE, story.call.caller), Part(BRIDGE, story.operator)]
    assert of(story.effects, Part) == both
    assert story.hears[CALL] == ["hubungkan-instansi"]
    assert of(story.effects, StartSound) == [StartSound(story.operator, Sound.RING)]
    assert story.armed("agency") == 45
    story.prompt_over()
    assert story.hears[CALL] == ["music"]
    assert story.facts(FactKind.CONSULT_STARTED) == [
        {"agency": "psc", "agent": "2001", "leg": story.agency, "contact": 1}
    ]


def test_the_agencys_ringing_is_on_record() -> None:
    story = consult_ringing()

    story.rings(story.agency)
    story.rings(f"{CALL}~ag9")

    assert story.facts(FactKind.AGENCY_RUNG) == [{"agency": "psc", "leg": story.agency}]


def test_an_agency_that_answers_speaks_with_the_operator_alone() -> None:
    story = consult_ringing()

    story.answers(story.agency)

    assert story.phase() is Phase.CONSULT
    assert of(story.effects, StopSound) == [StopSound(story.operator, Sound.RING)]
    joined = [Join(ASIDE, (story.operator,)), Join(ASIDE, (story.agency,))]
    assert of(story.effects, Join) == joined
    assert story.hears[CALL] == ["hubungkan-instansi"]
    assert story.armed("agency") is None
    assert story.facts(FactKind.AGENCY_ANSWERED) == [{"agency": "psc", "leg": story.agency}]


@pytest.mark.parametrize(
    ("cause", "prompt"),
    [
        (17, "instansi-sibuk"),
        (19, "instansi-tidak-menjawab"),
        (21, "instansi-menolak"),
        (3, "instansi-tidak-terhubung"),
        (20, "instansi-tidak-terhubung"),
    ],
)
def test_when_the_agency_cannot_be_had_the_operator_is_told_why_then_has_the_caller(
    cause: int, prompt: str
) -> None:
    story = consult_ringing()

    story.gone(story.agency, cause)

    [told] = of(story.effects, PlayPrompt)
    assert (told.target, told.in_bridge) == (story.operator, False)
    assert told.prompt == prompt
    assert StopSound(story.operator, Sound.RING) in story.effects
    assert (story.phase(), story.call.agency) == (Phase.RETURNING, None)
    assert len(story.hears[CALL]) == 1
    assert of(story.effects, Join) == []
    story.played(told.playback)
    assert of(story.effects, Join) == [CALLER_IN, Join(BRIDGE, (story.operator,))]
    assert story.phase() is Phase.TALKING
    assert story.hears[CALL] == []
    assert len(story.facts(FactKind.CONSULT_FAILED)) == 1
    assert len(story.facts(FactKind.BACK_TO_CALLER)) == 1


def test_an_agency_that_does_not_answer_in_time_is_hung_up() -> None:
    story = consult_ringing()
    agency = story.agency

    story.after(45.1)

    assert HangUp(agency) in story.effects
    assert story.phase() is Phase.RETURNING
    assert story.facts(FactKind.CONSULT_FAILED) == [
        {"agency": "psc", "leg": agency, "reason": "no answer"}
    ]


def test_an_agency_that_answers_too_late_is_hung_up() -> None:
    story = consult_ringing()
    agency = story.agency
    story.after(45.1)

    story.answers(agency)

    assert story.effects == [HangUp(agency)]


def test_the_caller_comes_back_although_the_explanations_end_is_never_heard_of() -> None:
    story = returning()

    story.after(LONGEST_EXPLANATION - 0.1)
    assert story.phase() is Phase.RETURNING
    story.after(0.2)

    assert story.phase() is Phase.TALKING
    assert CALLER_IN in story.effects
    assert story.armed("agency") is None


def test_the_operator_can_give_up_ringing_and_go_on_with_the_caller_alone() -> None:
    story = consult_ringing()
    agency = story.agency

    story.presses("*2#", story.operator)

    assert (story.phase(), story.call.agency) == (Phase.TALKING, None)
    assert of(story.effects, HangUp) == [HangUp(agency)]
    assert CALLER_IN in story.effects
    assert story.hears[CALL] == []
    assert story.call.operator_hears is None
    story.after(60)
    assert story.phase() is Phase.TALKING
    story.gone(agency)
    assert story.phase() is Phase.TALKING


def test_three_talk_in_a_conference() -> None:
    story = consult()

    story.presses("*3#", story.operator)

    assert story.phase() is Phase.CONFERENCE
    assert story.together() == {CALLER, story.operator, story.agency}
    assert story.hears[CALL] == []
    assert story.facts(FactKind.CONFERENCE) == [{}]


@pytest.mark.parametrize("phase", [Phase.CONSULT, Phase.CONFERENCE])
def test_an_operator_who_leaves_leaves_caller_and_agency_together(phase: Phase) -> None:
    story = PHASES[phase]()
    operator = story.operator

    story.presses("*4#", operator)

    assert story.phase() is Phase.HANDED_OVER
    assert of(story.effects, HangUp) == [HangUp(operator)]
    assert (CALLER_IN in story.effects) is (phase is Phase.CONSULT)
    assert story.armed("wrap-up", "2001") == 20
    assert story.facts(FactKind.OPERATOR_LEFT) == [{"agent": "2001"}]
    story.gone(operator)
    assert story.phase() is Phase.HANDED_OVER


@pytest.mark.parametrize("phase", [Phase.CONSULT, Phase.CONFERENCE])
@pytest.mark.parametrize("cause", [16, 127])
def test_an_operator_who_hangs_up_or_is_cut_off_leaves_them_together_too(
    phase: Phase, cause: int
) -> None:
    story = PHASES[phase]()

    story.gone(story.operator, cause)

    assert story.phase() is Phase.HANDED_OVER
    assert of(story.effects, HangUp) == []
    assert (CALLER_IN in story.effects) is (phase is Phase.CONSULT)
    assert story.armed("wrap-up", "2001") == 20


@pytest.mark.parametrize("make", [consult_ringing, returning])
@pytest.mark.parametrize("cause", [16, 127])
def test_an_operator_who_goes_before_the_agency_is_there_leaves_the_caller_to_the_next(
    make: Callable[[tuple[str, ...]], Story], cause: int
) -> None:
    story = make(TWO)
    agency = story.call.agency

    story.gone(story.operator, cause)

    assert story.phase() is Phase.WAITING
    assert (story.call.priority, story.call.arrived) == (9, 1000.0)
    assert of(story.effects, HangUp) == ([HangUp(agency.leg)] if agency else [])
    assert story.rung.address == "2002"
    assert story.armed("wrap-up", "2001") == 20
    assert story.armed("agency") is None
    assert story.call.operator_hears is None
    assert len(story.hears[CALL]) == 1
    story.answers(story.operator)
    assert story.phase() is Phase.TALKING


def test_an_agency_that_leaves_the_consult_gives_the_caller_back() -> None:
    story = consult()

    story.gone(story.agency)

    assert story.phase() is Phase.RETURNING
    assert story.facts(FactKind.PARTY_LEFT)[0]["reason"] == "hung up"


def test_an_agency_that_leaves_the_conference_leaves_operator_and_caller() -> None:
    story = conference()

    story.gone(story.agency)

    assert (story.phase(), story.call.agency) == (Phase.TALKING, None)
    story.presses("*110#", story.operator)
    assert story.phase() is Phase.CONSULT_RINGING


@pytest.mark.parametrize(
    "phase", [Phase.CONSULT_RINGING, Phase.CONSULT, Phase.RETURNING, Phase.CONFERENCE]
)
def test_a_caller_who_leaves_ends_the_call_for_all(phase: Phase) -> None:
    story = PHASES[phase]()
    others = [leg for leg in story.call.legs if leg != CALLER]

    story.gone(CALL)

    assert of(story.effects, HangUp) == [HangUp(leg) for leg in others]
    assert len(story.facts(FactKind.CALL_ENDED)) == 1
    assert story.phase() is Phase.ENDED
    assert story.armed("agency") is None
    assert story.armed("wrap-up", "2001") == 20


@pytest.mark.parametrize(
    ("phase", "keys", "told"),
    [
        (Phase.CONSULT_RINGING, "*3#", "instansi-belum-menjawab"),
        (Phase.CONSULT_RINGING, "*4#", "instansi-belum-menjawab"),
        (Phase.CONSULT_RINGING, "*110#", "tidak-bisa-sekarang"),
        (Phase.CONSULT_RINGING, "*0#", "tidak-bisa-sekarang"),
        (Phase.CONSULT, "*110#", "tidak-bisa-sekarang"),
        (Phase.CONFERENCE, "*3#", "tidak-bisa-sekarang"),
        (Phase.CONFERENCE, "*119#", "tidak-bisa-sekarang"),
        (Phase.CONFERENCE, "*8110#", "tidak-bisa-sekarang"),
        (Phase.HELD, "*3#", "tidak-bisa-sekarang"),
        (Phase.HELD, "*110#", "tidak-bisa-sekarang"),
    ],
)
def test_a_code_that_cannot_be_done_now_is_refused_to_the_operator_alone(
    phase: Phase, keys: str, told: str
) -> None:
    story = PHASES[phase]()

    story.presses(keys, story.operator)

    [prompt] = of(story.effects, PlayPrompt)
    assert (prompt.target, prompt.prompt) == (story.operator, told)
    assert requests(story.effects) == [prompt]
    assert story.phase() is phase


@pytest.mark.parametrize("phase", [Phase.CONSULT_RINGING, Phase.CONSULT, Phase.CONFERENCE])
def test_only_the_operator_commands(phase: Phase) -> None:
    story = PHASES[phase]()

    story.presses("*2#")
    story.presses("*2#", story.agency)

    assert story.phase() is phase


@pytest.mark.parametrize("phase", [Phase.CONSULT_RINGING, Phase.CONSULT, Phase.RETURNING])
def test_a_caller_out_of_the_bridge_is_never_in_silence(phase: Phase) -> None:
    story = PHASES[phase]()

    story.prompt_over()

    assert story.hears[CALL] == ["music"]
    assert story.phase() is phase


@pytest.mark.parametrize("phase", [Phase.CONSULT_RINGING, Phase.RETURNING])
def test_a_leg_already_on_its_way_out_changes_nothing(phase: Phase) -> None:
    story = PHASES[phase]()

    story.gone(f"{CALL}~ag9", 16)

    assert story.effects == []
    assert story.phase() is phase


def test_a_second_consult_after_a_failed_one_has_a_leg_of_its_own() -> None:
    story = consult_ringing()
    first = story.agency
    story.after(45.1)
    story.after(LONGEST_EXPLANATION)

    story.presses("*110#", story.operator)
    story.gone(first, 19)

    assert story.agency != first
    assert story.phase() is Phase.CONSULT_RINGING
    assert story.rung.address == "sip:110@127.0.0.1"
