"""Several centres behind one decide: each event is one centre's, and only that one's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ess_pbx.domain import callers
from ess_pbx.domain import centres as module
from ess_pbx.domain.acd import WRAP_UP
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres, Decided
from ess_pbx.domain.commands import (
    Asker,
    CallBackNow,
    DeclareSurge,
    EndBreak,
    Mark,
    MarkCall,
    Via,
)
from ess_pbx.domain.effects import EngineEffect, Forget, Illegal, Originate, Refused
from ess_pbx.domain.events import (
    AgentTimerFired,
    ClockRead,
    LegAnswered,
    LegGone,
    PhoneReachable,
    RosterRead,
    Stopping,
    TimerId,
)
from ess_pbx.domain.ids import CallId, caller_leg
from ess_pbx.domain.roster import Entry, Kind

from .centre import CALL, NO_MENU, OTHER, arrival, of, renumbered

OFFERED = AgentState.OFFERED
NOON = datetime(2026, 1, 5, 12)
NOBODY = CallId("ess1-9.9")
ADMIN = Asker("admin", Via.CLI)


SERANG, CILEGON = renumbered(NO_MENU, "serang", "2"), renumbered(NO_MENU, "cilegon", "3")


def given_two(*, on_duty: bool = True) -> Centres:
    """Serang's operators are 2001 and on, Cilegon's 3001 and on; one phone of each is there."""
    centres = Centres([CallCentre(SERANG), CallCentre(CILEGON)])
    if on_duty:
        for centre in (SERANG, CILEGON):
            centres.decide(ClockRead(NOON, centre=centre.id), 0.0)
        for extension in ("2001", "3001"):
            centres.decide(PhoneReachable(extension), 0.0)
    return centres


def come_and_go(centres: Centres, call: CallId) -> list[EngineEffect]:
    """A caller of the second centre who hangs up at once."""
    rung = of(centres.decide(arrival(call, centre="cilegon"), 1.0).effects, Originate)
    effects = centres.decide(LegGone(call, caller_leg(call), 16), 1.5).effects
    for each in rung:
        effects += centres.decide(LegGone(call, each.leg, 16), 1.5).effects
    return effects


def rung(decided: Decided) -> list[str]:
    return [each.address for each in of(decided.effects, Originate)]


@pytest.mark.parametrize(("centre", "extension"), [("serang", "2001"), ("cilegon", "3001")])
def test_a_call_rings_the_operator_of_the_centre_it_names(centre: str, extension: str) -> None:
    decided = given_two().decide(arrival(centre=centre), 1.0)

    assert decided.centre == centre
    assert rung(decided) == [extension]


@pytest.mark.parametrize("centre", ["", "gone"])
def test_a_call_that_names_no_known_centre_is_the_first_ones_never_refused(centre: str) -> None:
    decided = given_two().decide(arrival(centre=centre), 1.0)

    assert (decided.centre, rung(decided)) == ("serang", ["2001"])


def test_a_centre_without_an_operator_does_not_ring_another_ones() -> None:
    centres = given_two()
    centres.decide(arrival(centre="cilegon"), 1.0)

    decided = centres.decide(arrival(OTHER, centre="cilegon"), 2.0)

    assert rung(decided) == []
    assert set(centres["cilegon"].calls) == {CALL, OTHER}
    assert centres["serang"].calls == {}
    assert set(centres.calls) == {CALL, OTHER}


def test_what_follows_a_call_is_its_centres_until_it_is_forgotten_and_after() -> None:
    centres = given_two()
    centres.decide(arrival(centre="cilegon"), 1.0)
    leg = caller_leg(CALL)

    answered = centres.decide(LegAnswered(CALL, leg), 1.1)
    stopped = centres.decide(Stopping(CALL), 2.0)
    for leg in list(centres["cilegon"].calls[CALL].legs):
        over = centres.decide(LegGone(CALL, leg, 16), 2.1)

    assert {answered.centre, stopped.centre, over.centre} == {"cilegon"}
    assert of(over.effects, Forget) == [Forget(CALL)]
    assert not centres.calls
    assert centres.home(CALL).config.id == "cilegon"
    late = centres.decide(LegGone(CALL, leg, 16), 3.0)
    assert late.centre == "cilegon"
    assert of(late.effects, Illegal)


def test_a_call_that_goes_on_is_never_forgotten_for_those_that_are_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REMEMBERED_CALLS", 2)
    monkeypatch.setattr(callers, "MOST_CALLS", 2)
    centres = given_two()
    centres.decide(arrival(centre="cilegon"), 1.0)
    ids = [CallId(f"ess1-{number}.0") for number in range(10, 20)]
    for call in ids:
        assert of(come_and_go(centres, call), Forget)

    assert centres.home(CALL).config.id == "cilegon"
    assert [centres.home(call).config.id for call in ids] == ["serang"] * 8 + ["cilegon"] * 2


def test_a_call_that_arrives_again_after_its_end_may_be_another_centres() -> None:
    centres = given_two()
    come_and_go(centres, CALL)

    assert centres.decide(arrival(centre="serang"), 2.0).centre == "serang"
    assert centres.home(CALL).config.id == "serang"


def test_a_call_that_arrives_again_while_it_goes_on_stays_where_it_is() -> None:
    centres = given_two()
    centres.decide(arrival(centre="cilegon"), 1.0)

    assert centres.decide(arrival(centre="serang"), 2.0).centre == "cilegon"


def test_a_call_that_a_centre_came_to_have_otherwise_is_its_own() -> None:
    centres = given_two()
    alone = CallCentre(CILEGON)
    alone.decide(arrival(), 1.0)
    centres["cilegon"].calls |= alone.calls

    assert centres.decide(LegAnswered(CALL, caller_leg(CALL)), 2.0).centre == "cilegon"


def test_phones_and_timers_are_those_of_the_centre_that_has_the_operator() -> None:
    centres = given_two(on_duty=False)

    assert centres.decide(PhoneReachable("3001"), 0.0).centre == "cilegon"
    assert centres.seats["3001"].reachable
    assert not centres.seats["2001"].reachable
    assert centres.decide(AgentTimerFired(TimerId("3001", WRAP_UP)), 1.0).centre == "cilegon"


def test_each_centre_goes_by_its_own_local_time() -> None:
    centres = given_two(on_duty=False)
    wib, wit = timezone(timedelta(hours=7)), timezone(timedelta(hours=9))
    evening = datetime(2026, 1, 5, 14, tzinfo=wib)

    centres.decide(ClockRead(evening, centre="serang"), 0.0)
    centres.decide(ClockRead(evening.astimezone(wit), centre="cilegon"), 0.0)

    on_duty = sorted(seat.extension for seat in centres.seats.values() if seat.on_duty)
    # The morning shift ends at 15:00, which it is in the east already.
    assert on_duty == ["2001", "2002", "2003", "3004"]


def test_a_roster_is_of_the_centre_that_it_names() -> None:
    centres = given_two()
    shift = SERANG.shifts[0].id
    entry = Entry(NOON.date(), shift, SERANG.operators[-1].extension, Kind.DUTY)

    centres.decide(RosterRead((entry,), centre="serang"), 1.0)

    assert centres["serang"].roster.entries == (entry,)
    assert centres["cilegon"].roster.entries == ()


@pytest.mark.parametrize("event", [ClockRead(NOON), RosterRead(()), ClockRead(NOON, centre="x")])
def test_what_says_of_no_centre_is_no_ones(event: ClockRead | RosterRead) -> None:
    with pytest.raises(LookupError, match=r"expected the id of a centre \(serang, cilegon\)"):
        given_two().decide(event, 0.0)


def test_the_only_centre_needs_no_name_but_a_wrong_one_is_wrong() -> None:
    centres = Centres([CallCentre(SERANG)])

    assert centres.decide(ClockRead(NOON), 0.0).centre == "serang"
    assert centres.calls is centres["serang"].calls
    with pytest.raises(LookupError, match="'x'"):
        centres.decide(ClockRead(NOON, centre="x"), 0.0)


def test_a_command_is_its_operators_its_calls_or_the_centres_it_names() -> None:
    centres = given_two()
    centres.decide(arrival(centre="cilegon"), 1.0)

    assert centres.decide(EndBreak(ADMIN, "3001"), 2.0).centre == "cilegon"
    assert centres.decide(MarkCall(ADMIN, CALL, Mark.PRANK), 2.0).centre == "cilegon"
    declared = DeclareSurge(ADMIN, "gempa", centre="cilegon")
    assert centres.decide(declared, 2.0).centre == "cilegon"


def test_what_an_operator_asks_for_is_of_their_own_centre_unless_it_says_another() -> None:
    centres, asker = given_two(), Asker("3001", Via.API)

    assert centres.decide(DeclareSurge(asker, "gempa"), 1.0).centre == "cilegon"
    assert centres.decide(MarkCall(asker, NOBODY, Mark.PRANK), 1.0).centre == "cilegon"
    assert centres.decide(DeclareSurge(asker, "gempa", centre="serang"), 1.0).centre == "serang"
    assert centres.decide(EndBreak(asker, "2001"), 1.0).centre == "serang"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (EndBreak(ADMIN, "9999"), "unknown-operator"),
        (MarkCall(ADMIN, NOBODY, Mark.PRANK), "unknown-centre"),
        (DeclareSurge(ADMIN, "gempa"), "unknown-centre"),
        (DeclareSurge(ADMIN, "gempa", centre="x"), "unknown-centre"),
        (CallBackNow(ADMIN, "t-1"), "unknown-centre"),
    ],
)
def test_a_command_of_no_centre_is_refused_and_changes_nothing(
    command: EndBreak | MarkCall | DeclareSurge, code: str
) -> None:
    (refused,) = given_two().decide(command, 1.0).effects

    assert isinstance(refused, Refused)
    assert refused.code == code


def test_two_centres_decide_as_two_engines_would() -> None:
    """The same events, mixed, have the same effects as in a centre that is alone."""
    together = given_two()
    alone = {centre.id: Centres([CallCentre(centre)]) for centre in (SERANG, CILEGON)}
    for centre, extension in (("serang", "2001"), ("cilegon", "3001")):
        alone[centre].decide(ClockRead(NOON), 0.0)
        alone[centre].decide(PhoneReachable(extension), 0.0)
    story = []
    for at, centre in enumerate(("serang", "cilegon", "cilegon", "serang")):
        call = CallId(f"ess1-{at}.0")
        story += [arrival(call, centre=centre), LegAnswered(call, caller_leg(call))]
    story.sort(key=lambda event: (isinstance(event, LegAnswered), event.call))

    homes = [("serang", "cilegon")[number in (1, 2)] for number in range(4)] * 2
    for now, (event, home) in enumerate(zip(story, homes, strict=True)):
        assert together.decide(event, float(now)) == alone[home].decide(event, float(now))
    offered = {seat.extension for seat in together.seats.values() if seat.state is OFFERED}
    assert offered == {"2001", "3001"}
