"""Several agencies, colleagues and supervisors in one call: who hears whom, and who is next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import time

import pytest
from msgspec.structs import replace

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Phase, Standing
from ess_pbx.domain.config import Agency, Category, Contact, Opening, OpenPeriod, Operator
from ess_pbx.domain.effects import HangUp, Originate, PlayPrompt, Role
from ess_pbx.domain.events import LegHeld, LegUnheld
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import LegId
from ess_pbx.domain.transfer import LONGEST_EXPLANATION

from .centre import CALL, CALLER, NO_MENU, of
from .given import conference, consult, held, talking
from .story import Story

OFFICE_HOURS = Opening(open=(OpenPeriod(since=time(10), to=time(15)),))
DAMKAR = Agency(
    id="damkar",
    name="Damkar",
    code="113",
    ring=20,
    contacts=(
        Contact(sip="sip:113@127.0.0.1"),
        Contact(sip="sip:kantor@127.0.0.1", hours=OFFICE_HOURS),
        Contact(trunk="telco-a", number="0254113", ring=30),
        Contact(extension="2002"),
    ),
)
CENTRE = replace(
    NO_MENU,
    agencies=(*NO_MENU.agencies, DAMKAR),
    operators=(*NO_MENU.operators, Operator(extension="2009", name="Penyelia", role="supervisor")),
)


def with_operator(phones: Iterable[str] = ("2001",), config: object = CENTRE) -> Story:
    """Operator and caller talk, in a centre with a fire brigade and a supervisor."""
    story = Story(CENTRE if config is CENTRE else config, phones)  # type: ignore[arg-type]
    story.arrives()
    story.answers(CALLER)
    story.answers(story.operator)
    return story


def with_police_and_ambulance() -> Story:
    """The ambulance is in the conference; operator and police speak aside."""
    story = conference()
    story.presses("*110#", story.operator)
    story.answers(story.agency)
    return story


def leg_of(story: Story, name: str) -> LegId:
    """The leg to a party."""
    return next(party.leg for party in story.call.parties if party.name == name)


# several agencies


def test_the_first_agency_stays_with_the_caller_while_the_second_rings_and_is_consulted() -> None:
    story = conference()
    ambulance, operator = story.agency, story.operator

    story.presses("*110#", operator)

    assert story.together() == {CALLER, ambulance}
    assert operator not in story.call.rooms
    assert story.hears[CALL] == []
    story.answers(story.agency)
    assert story.together() == {CALLER, ambulance}
    assert story.together(operator) == {operator, leg_of(story, "polres")}


def test_all_hear_each_other_in_a_conference_of_four() -> None:
    story = with_police_and_ambulance()

    story.presses("*3#", story.operator)

    assert story.together() == set(story.call.legs)
    assert len(story.call.legs) == 4


def test_a_caller_whose_agency_leaves_during_another_consult_hears_music_until_one_is_back() -> (
    None
):
    story = with_police_and_ambulance()

    story.gone(leg_of(story, "psc"))

    assert story.phase() is Phase.CONSULT
    assert story.hears[CALL] == ["music"]
    story.presses("*3#", story.operator)
    assert story.hears[CALL] == []
    assert story.together() == {CALLER, story.operator, leg_of(story, "polres")}


def test_to_and_fro_between_caller_and_agency_who_hears_music_meanwhile() -> None:
    story = consult()
    operator, agency = story.operator, story.agency

    story.presses("*2#", operator)
    assert story.together() == {CALLER, operator}
    assert (story.hears[CALL], story.hears[agency]) == ([], ["music"])
    story.presses("*2#", operator)
    assert story.together(agency) == {operator, agency}
    assert (story.hears[CALL], story.hears[agency]) == (["music"], [])
    story.presses("*2#", operator)
    story.presses("*3#", operator)

    assert story.together() == {CALLER, operator, agency}
    assert (story.hears[CALL], story.hears[agency]) == ([], [])
    assert [fact["party"] for fact in story.facts(FactKind.PARTY_HELD)] == ["psc", "psc"]


def test_from_a_conference_the_operator_speaks_with_the_caller_alone_and_back() -> None:
    story = conference()
    agency = story.agency

    story.presses("*2#", story.operator)

    assert (story.phase(), story.together()) == (Phase.TALKING, {CALLER, story.operator})
    assert story.hears[agency] == ["music"]


def test_the_last_party_is_dropped_and_the_others_stay() -> None:
    story = with_police_and_ambulance()
    police = leg_of(story, "polres")

    story.presses("*5#", story.operator)

    assert of(story.effects, HangUp) == [HangUp(police)]
    assert story.phase() is Phase.CONFERENCE
    story.presses("*5#", story.operator)
    assert (story.phase(), story.call.parties) == (Phase.TALKING, ())


def test_an_operator_who_leaves_leaves_the_caller_with_all_who_answered() -> None:
    story = with_police_and_ambulance()
    both = {leg_of(story, "polres"), leg_of(story, "psc")}

    story.gone(story.operator)

    assert (story.phase(), story.together()) == (Phase.HANDED_OVER, {CALLER, *both})
    story.after(60)
    story.gone(leg_of(story, "psc"))
    assert story.phase() is Phase.HANDED_OVER
    story.gone(leg_of(story, "polres"))
    assert story.phase() is Phase.ENDED


@pytest.mark.parametrize(("seconds", "phase"), [(9, Phase.WAITING), (11, Phase.ENDED)])
def test_an_agency_that_hangs_up_right_after_the_handover_gives_the_caller_back_to_the_queue(
    seconds: float, phase: Phase
) -> None:
    story = conference()
    story.presses("*4#", story.operator)
    story.after(seconds)

    story.gone(story.agency)

    assert story.phase() is phase


def test_the_operator_is_told_of_an_agency_that_hangs_up_early() -> None:
    story = conference()

    story.gone(story.agency)

    assert of(story.effects, PlayPrompt)[-1].prompt == "instansi-terputus"
    assert story.together() == {CALLER, story.operator}


# contacts


def test_contacts_are_tried_in_order_and_closed_ones_passed_over() -> None:
    story = with_operator(("2001", "2002"))
    story.presses("*113#", story.operator)
    first = story.agency
    assert (story.rung.address, story.armed("agency")) == ("sip:113@127.0.0.1", 20)

    story.gone(first, 17)

    rung = story.rung
    assert (rung.role, rung.address, rung.trunk) == (Role.AGENCY, "0254113", "telco-a")
    assert story.armed("agency") == 30
    assert story.phase() is Phase.CONSULT_RINGING
    assert of(story.effects, PlayPrompt)[-1].prompt == "instansi-kontak-berikut"
    assert story.facts(FactKind.CONTACT_PASSED_OVER) == [
        {"agency": "damkar", "contact": 2, "reason": "closed"}
    ]
    story.after(30.1)
    assert story.rung.address == "2002"
    assert story.core.acd.seats["2002"].state is AgentState.TALKING
    assert [fact["contact"] for fact in story.facts(FactKind.CONSULT_STARTED)] == [1, 3, 4]
    story.gone(story.agency, 21)
    assert story.core.acd.seats["2002"].free
    assert story.phase() is Phase.RETURNING
    assert of(story.effects, PlayPrompt)[-1].prompt == "instansi-menolak"
    reasons = [fact["reason"] for fact in story.facts(FactKind.CONSULT_FAILED)]
    assert reasons == ["busy", "no answer", "refused"]


def test_an_agency_that_is_closed_is_refused_and_the_caller_stays() -> None:
    closed = replace(DAMKAR, contacts=(), contact="sip:113@127.0.0.1", hours=OFFICE_HOURS)
    story = with_operator(config=replace(CENTRE, agencies=(closed,)))

    story.presses("*113#", story.operator)

    assert of(story.effects, Originate) == []
    assert of(story.effects, PlayPrompt)[-1].prompt == "instansi-tutup"
    assert story.phase() is Phase.TALKING
    story.at(12)
    story.presses("*113#", story.operator)
    assert story.phase() is Phase.CONSULT_RINGING


# blind transfer


def test_a_blind_transfer_releases_the_operator_and_the_caller_waits_with_music() -> None:
    story = talking()
    operator = story.operator

    story.presses("*8119#", operator)

    assert of(story.effects, HangUp) == [HangUp(operator)]
    assert story.armed("wrap-up", "2001") == 20
    assert story.hears[CALL] == ["hubungkan-instansi"]
    story.answers(story.agency)
    assert (story.phase(), story.together()) == (Phase.HANDED_OVER, {CALLER, story.agency})
    assert story.hears[CALL] == []


def test_a_blind_transfer_in_vain_tries_all_contacts_then_the_head_of_the_queue() -> None:
    story = with_operator(("2001", "2003"))
    story.presses("*8113#", story.operator)
    story.gone(story.agency, 17)
    assert story.rung.address == "0254113"

    story.after(30.1)

    assert (story.phase(), story.call.priority) == (Phase.WAITING, 9)
    assert story.rung.address == "2003"


# hold


def test_a_caller_on_hold_hears_music_and_is_counted() -> None:
    story = talking()

    story.presses("*0#", story.operator)

    assert (story.phase(), story.hears[CALL]) == (Phase.HELD, ["music"])
    story.presses("*0#", story.operator)
    assert (story.phase(), story.hears[CALL]) == (Phase.TALKING, [])
    assert story.together() == {CALLER, story.operator}
    assert story.facts(FactKind.HELD) == [{"agent": "2001", "how": "code"}]
    assert story.facts(FactKind.UNHELD) == [{"agent": "2001", "how": "code"}]


def test_the_phones_own_hold_button_does_the_same() -> None:
    story = talking()
    story.feed(LegHeld(CALL, CALLER))
    assert story.phase() is Phase.TALKING

    story.feed(LegHeld(CALL, story.operator))

    assert (story.phase(), story.hears[CALL]) == (Phase.HELD, ["music"])
    story.feed(LegUnheld(CALL, story.operator))
    assert (story.phase(), story.hears[CALL]) == (Phase.TALKING, [])
    assert story.facts(FactKind.HELD) == [{"agent": "2001", "how": "phone"}]


@pytest.mark.parametrize("cause", [16, 127])
def test_an_operator_who_hangs_up_on_a_held_caller_leaves_them_to_the_next(cause: int) -> None:
    story = held(("2001", "2002"))

    story.gone(story.operator, cause)

    assert story.phase() is Phase.WAITING
    assert story.rung.address == "2002"


# colleagues and supervisors


def test_a_colleague_is_consulted_beside_the_queue_and_takes_the_call_over() -> None:
    story = with_operator(("2001", "2002"))
    first = story.operator
    story.presses("*92002#", first)
    assert (story.rung.role, story.rung.address) == (Role.COLLEAGUE, "2002")
    assert story.core.acd.seats["2002"].call == CALL
    story.answers(story.agency)
    assert story.phase() is Phase.CONSULT

    story.presses("*4#", first)

    assert story.phase() is Phase.TALKING
    assert story.call.operator is not None
    assert story.call.operator.agent == "2002"
    assert story.together() == {CALLER, story.operator}
    assert story.armed("wrap-up", "2001") == 20
    story.presses("*119#", story.operator)
    assert story.phase() is Phase.CONSULT_RINGING


def test_a_colleague_who_does_not_answer_is_free_again_and_missed_nothing() -> None:
    story = with_operator(("2001", "2002"))
    story.presses("*92002#", story.operator)

    story.after(12.1)
    story.after(LONGEST_EXPLANATION)

    assert story.phase() is Phase.TALKING
    assert story.core.acd.seats["2002"].free
    assert story.core.acd.seats["2002"].missed == 0


def test_the_supervisor_who_answers_joins_operator_and_caller() -> None:
    story = with_operator(("2001", "2009"))

    story.presses("*6#", story.operator)

    assert story.phase() is Phase.TALKING
    assert story.together() == {CALLER, story.operator}
    story.answers(leg_of(story, "2009"))
    assert story.phase() is Phase.CONFERENCE
    assert story.together() == {CALLER, story.operator, leg_of(story, "2009")}
    story.gone(CALL)
    assert story.core.acd.seats["2009"].call is None


def test_a_supervisor_who_does_not_answer_changes_nothing_and_the_operator_is_told() -> None:
    story = with_operator(("2001", "2009"))
    story.presses("*6#", story.operator)

    story.after(45.1)

    assert (story.phase(), story.call.parties) == (Phase.TALKING, ())
    assert of(story.effects, PlayPrompt)[-1].prompt == "penyelia-tidak-ada"
    assert story.core.acd.seats["2009"].free


# introduction


def introduced() -> Story:
    """An agency that is told what it is has just answered."""
    story = with_operator(
        config=replace(
            CENTRE,
            agencies=(replace(DAMKAR, introduction=True),),
            categories=(
                *(c for c in CENTRE.categories if c.id != "lainnya"),
                Category(id="lainnya", name="Lainnya", queue="umum", prompt="kategori-lainnya"),
            ),
        )
    )
    story.presses("*113#", story.operator)
    story.answers(story.agency)
    return story


def test_an_agency_hears_what_it_is_alone_before_the_operator_speaks_with_it() -> None:
    story = introduced()

    said = [prompt for prompt in of(story.effects, PlayPrompt) if prompt.target == story.agency]

    assert [prompt.prompt for prompt in said] == ["pembuka-112", "kategori-lainnya"]
    assert story.together(story.agency) == set()
    assert story.phase() is Phase.CONSULT_RINGING
    story.played(said[0].playback)
    assert story.phase() is Phase.CONSULT_RINGING
    story.played(said[1].playback)
    assert story.phase() is Phase.CONSULT
    assert story.together(story.agency) == {story.operator, story.agency}
    assert story.armed("agency") is None


def test_an_introduction_never_takes_longer_than_six_seconds() -> None:
    story = introduced()

    story.after(6.1)

    assert story.phase() is Phase.CONSULT
    assert story.hears[story.agency] == []


def test_an_agency_that_hangs_up_at_its_introduction_brings_the_caller_back() -> None:
    story = introduced()

    story.gone(story.agency)

    assert story.phase() is Phase.RETURNING
    assert [party for party in story.call.parties if party.standing is Standing.INTRODUCED] == []
