"""What the next engine makes of a call, by what is remembered and what Asterisk holds."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.agent import NOT_ANSWERING, AgentState, Status
from ess_pbx.domain.call import Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.call_memory import MOST_RECENT
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import (
    Answer,
    CreateBridge,
    HangUp,
    Join,
    Originate,
    Part,
    PlayPrompt,
    Record,
    StartMusic,
    StopMusic,
    StopPlayback,
    ToDialplan,
)
from ess_pbx.domain.events import KeyPressed, PhoneLost, PlaybackEnded
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.found import AsteriskFound, FoundLeg
from ess_pbx.domain.ids import LegId, bridge_of, call_back, operator_leg
from ess_pbx.domain.restoring import first_never_made

from . import given
from .centre import CALL, CALLER, CENTRE, NO_MENU, OTHER, arrival, of
from .story import Story
from .takeover import AGENCY, LATER, OPERATOR, WALL, Takeover

ALL = [CALLER, OPERATOR, AGENCY]
BOTH = [CALLER, OPERATOR]
SITUATIONS = [
    # left in, up in Asterisk, ringing there, in the bridge, in the one aside → phase now
    (Phase.IVR, [CALLER], [], [], [], Phase.IVR),
    (Phase.WAITING, [CALLER], [OPERATOR], [], [], Phase.WAITING),
    (Phase.WAITING, BOTH, [], [], [], Phase.TALKING),
    (Phase.WAITING, BOTH, [], BOTH, [], Phase.TALKING),
    (Phase.TALKING, BOTH, [], BOTH, [], Phase.TALKING),
    (Phase.TALKING, [CALLER], [], [CALLER], [], Phase.WAITING),
    (Phase.CONSULT_RINGING, BOTH, [AGENCY], [], [OPERATOR], Phase.CONSULT_RINGING),
    (Phase.CONSULT_RINGING, ALL, [], [], [OPERATOR], Phase.CONSULT),
    (Phase.CONSULT_RINGING, BOTH, [], [], [OPERATOR], Phase.RETURNING),
    (Phase.CONSULT_RINGING, [CALLER], [AGENCY], [], [], Phase.WAITING),
    (Phase.CONSULT, ALL, [], [], [OPERATOR, AGENCY], Phase.CONSULT),
    (Phase.CONSULT, ALL, [], ALL, [], Phase.CONFERENCE),
    (Phase.CONSULT, ALL, [], BOTH, [], Phase.TALKING),
    (Phase.CONSULT, ALL, [], BOTH, [AGENCY], Phase.TALKING),
    (Phase.CONSULT, BOTH, [], BOTH, [], Phase.TALKING),
    (Phase.CONSULT, [CALLER, AGENCY], [], [CALLER, AGENCY], [], Phase.HANDED_OVER),
    (Phase.CONSULT, [CALLER, AGENCY], [], [], [AGENCY], Phase.HANDED_OVER),
    (Phase.RETURNING, BOTH, [], [], [OPERATOR], Phase.TALKING),
    (Phase.CONFERENCE, ALL, [], ALL, [], Phase.CONFERENCE),
    (Phase.CONFERENCE, BOTH, [], BOTH, [], Phase.TALKING),
    (Phase.HELD, BOTH, [], [OPERATOR], [], Phase.HELD),
    (Phase.HELD, BOTH, [], BOTH, [], Phase.TALKING),
    (Phase.HELD, [CALLER], [], [], [], Phase.WAITING),
    (Phase.BLIND_RINGING, [CALLER], [AGENCY], [], [], Phase.BLIND_RINGING),
    (Phase.BLIND_RINGING, [CALLER, AGENCY], [], [], [], Phase.HANDED_OVER),
    (Phase.BLIND_RINGING, [CALLER], [], [], [], Phase.WAITING),
    (Phase.HANDED_OVER, [CALLER, AGENCY], [], [CALLER, AGENCY], [], Phase.HANDED_OVER),
    (Phase.HANDED_OVER, [CALLER], [], [CALLER], [], Phase.WAITING),
    (Phase.ENDED, [OPERATOR], [], [OPERATOR], [], Phase.ENDED),
]


@pytest.mark.parametrize(("left", "up", "ringing", "bridged", "aside", "now"), SITUATIONS)
def test_a_call_is_what_the_bridge_and_the_memory_say(
    left: Phase,
    up: list[LegId],
    ringing: list[LegId],
    bridged: list[LegId],
    aside: list[LegId],
    now: Phase,
) -> None:
    new = Takeover(given.PHASES[left]()).finds(*up, ringing=ringing, bridged=bridged, aside=aside)
    assert new.phase is now
    assert (len(new.facts(FactKind.CALL_ADOPTED))) == 1
    assert not [each for each in of(new.effects, HangUp) if each.leg == CALLER]


def test_who_waits_keeps_age_and_priority_and_hears_music_at_once() -> None:
    new = Takeover(given.waiting()).finds(CALLER, ringing=[OPERATOR])
    call = new.core.calls[CALL]
    assert call.arrived == new.now - LATER
    assert of(new.effects, StartMusic) == [StartMusic(CALLER)]
    assert CALL in new.core.acd.waiting


def test_who_waits_keeps_their_age_when_the_clock_was_set_back() -> None:
    new = Takeover(given.waiting())
    kept = new.core.kept.calls[CALL]
    kept.arrived, kept.last = WALL + 3593.0, WALL + 3600.0
    new.finds(CALLER, ringing=[OPERATOR])
    assert new.core.calls[CALL].arrived == new.now - 7.0


def test_a_prompt_that_goes_on_is_heard_to_its_end_and_then_music() -> None:
    story = given.waiting()
    playing = story.call.playing
    assert playing is not None
    new = Takeover(story).finds(CALLER, ringing=[OPERATOR], playbacks=frozenset({playing}))
    assert new.core.calls[CALL].playing == playing
    heard = [each for each in new.effects if isinstance(each, StopPlayback | StartMusic)]
    assert heard == [StartMusic(CALLER)]


def test_a_phone_that_rings_keeps_its_offer_with_a_new_ring_time() -> None:
    new = Takeover(given.waiting()).finds(CALLER, ringing=[OPERATOR])
    assert of(new.effects, Originate) == []
    assert new.armed("ring") == CENTRE.policy.ring
    assert new.core.acd.seats["2001"].state is AgentState.OFFERED


def test_a_phone_that_rings_for_nobody_is_hung_up() -> None:
    stray = operator_leg(CALL, 9)
    new = Takeover(given.talking()).finds(
        CALLER, OPERATOR, ringing=[stray], bridged=[CALLER, OPERATOR]
    )
    assert of(new.effects, HangUp) == [HangUp(stray)]


def test_who_talks_is_not_disturbed_and_the_operator_is_busy() -> None:
    new = Takeover(given.talking()).finds(CALLER, OPERATOR, bridged=[CALLER, OPERATOR])
    assert not [each for each in new.effects if isinstance(each, Join | Part | Answer)]
    assert new.core.acd.seats["2001"].state is AgentState.TALKING
    assert new.core.acd.seats["2001"].call == CALL


def test_who_hung_up_meanwhile_is_on_record_at_the_time_of_the_last_sound() -> None:
    new = Takeover(given.talking()).finds(OPERATOR, bridged=[OPERATOR], last_heard={CALL: WALL + 3})
    (ended,) = new.facts(FactKind.CALL_ENDED)
    assert (ended.data["result"], ended.data["reason"]) == ("success", "completed")
    assert ended.at == WALL + 3
    assert HangUp(OPERATOR) in new.effects
    assert new.core.acd.seats["2001"].state is AgentState.WRAP_UP


def test_who_waited_and_left_meanwhile_abandoned() -> None:
    new = Takeover(given.waiting()).finds()
    (ended,) = new.facts(FactKind.CALL_ENDED)
    assert (ended.data["result"], ended.data["reason"]) == ("client", "abandoned")
    assert new.phase is None


def test_calls_that_went_with_asterisk_are_put_down_to_it() -> None:
    new = Takeover(given.conference()).finds(started=WALL + 2)
    (ended,) = new.facts(FactKind.CALL_ENDED)
    assert (ended.data["result"], ended.data["reason"]) == ("server", "asterisk-lost")
    assert new.core.calls == {}


def test_a_caller_of_whom_nothing_is_known_is_offered_again() -> None:
    new = Takeover(Story()).finds(CALLER)
    assert of(new.effects, ToDialplan) == [ToDialplan(CALLER)]
    assert new.core.calls == {}


def test_a_caller_of_whom_nothing_is_known_goes_on_talking() -> None:
    new = Takeover(Story()).finds(CALLER, OPERATOR, bridged=[CALLER, OPERATOR])
    assert new.phase is Phase.TALKING
    assert new.core.acd.seats["2001"].state is AgentState.TALKING
    kinds = [each.kind for each in of(new.effects, Record) if each.call == CALL]
    told = [FactKind.CALL_ARRIVED, FactKind.OPERATOR_ANSWERED, FactKind.CALL_ADOPTED]
    assert kinds == told


def test_wrap_up_goes_on_for_what_is_left_of_it() -> None:
    story = given.talking()
    story.gone(CALL)
    story.gone(OPERATOR)
    new = Takeover(story).finds()
    assert new.armed("wrap-up", "2001") == CENTRE.policy.wrap_up - LATER
    assert new.core.acd.seats["2001"].state is AgentState.WRAP_UP


def test_no_id_is_used_again() -> None:
    story = Story(NO_MENU, phones=())
    story.arrives()
    new = Takeover(story).finds(CALLER)
    (ring,) = of(new.effects, Originate)
    assert ring.leg == operator_leg(CALL, round((WALL + LATER) * 1000) + 1)


def test_no_id_is_used_again_when_the_clock_was_set_back() -> None:
    """The facts of what was made last were torn off, and by the clock the call is yet to come."""
    story = given.talking()
    made = story.call.made_legs
    torn = Takeover(story, torn=len(of(story.all, Record)) - 4)
    kept = torn.core.kept.calls[CALL]
    assert kept.made_legs < made
    assert first_never_made(kept, kept.arrived - 3600.0) > made


def test_a_phone_that_is_found_gone_is_not_rung_though_another_went_first() -> None:
    """The last who is left comes off the break of those who did not answer, unless gone too."""
    story = given.waiting(phones=("2001", "2002"))
    story.core.acd.set_status("2002", Status.BREAK, NOT_ANSWERING, None, story.now)
    (offered,) = story.call.offers
    story.gone(offered.leg, cause=20)
    assert story.core.acd.seats["2001"].state is AgentState.PAUSED
    effects = story.core.decide(
        AsteriskFound(
            legs={CALLER: FoundLeg(True, "", arrival(CALL))},
            bridges={},
            wall=WALL,
            asked=story.core.legs(),
            phones={"2001": False, "2002": False},
        ),
        story.now,
    )
    assert of(effects, Originate) == []
    assert story.core.calls[CALL].offers == ()


def test_who_lost_their_human_while_the_line_was_cut_goes_before_who_waits() -> None:
    """Though the phone that rings for one of them is told of before the loss."""
    story = given.talking()
    story.arrives(OTHER)
    assert story.core.calls[OTHER].phase is Phase.WAITING
    effects = story.core.decide(
        AsteriskFound(
            legs={
                CALLER: FoundLeg(True, "", arrival(CALL)),
                LegId(OTHER): FoundLeg(True, "", arrival(OTHER)),
            },
            bridges={bridge_of(CALL): frozenset({CALLER})},
            wall=WALL,
            asked=story.core.legs(),
            phones={"2001": False, "2003": True},
        ),
        story.now,
    )
    assert [(each.call, each.address) for each in of(effects, Originate)] == [(CALL, "2003")]


def test_the_more_urgent_of_two_who_waited_is_offered_first() -> None:
    story = Story(NO_MENU, phones=())
    story.arrives(OTHER)
    story.arrives(CALL)
    story.core.calls[CALL] = replace(story.core.calls[CALL], priority=9)
    new = Takeover(story)
    new.core.kept.calls[CALL].priority = 9
    both = {
        CALLER: FoundLeg(True, "", arrival(CALL)),
        LegId(OTHER): FoundLeg(True, "", arrival(OTHER)),
    }
    new.finds(legs=both)
    assert [each.call for each in of(new.effects, Originate)] == [CALL]


def test_who_lost_their_operator_unheard_goes_before_those_who_came_later() -> None:
    story = given.talking(phones=("2001", "2002"))
    story.feed(PhoneLost("2002"))
    story.arrives(OTHER)
    story.answers(OTHER)
    new = Takeover(story)
    both = {
        CALLER: FoundLeg(True, "", arrival(CALL)),
        LegId(OTHER): FoundLeg(True, "", arrival(OTHER)),
    }
    new.finds(legs=both, bridges={bridge_of(CALL): frozenset({CALLER})}, phones={"2002": True})
    assert [each.call for each in of(new.effects, Originate)] == [CALL]


def test_calls_of_a_line_that_was_cut_are_repaired_by_the_same_means() -> None:
    """The engine lived: the operator answered, and the request to join them never arrived."""
    story = given.talking()
    story.effects = story.core.decide(
        AsteriskFound(
            legs={
                CALLER: FoundLeg(True, "", arrival(CALL)),
                OPERATOR: FoundLeg(True, "2001"),
            },
            bridges={},
            wall=WALL,
            asked=story.core.legs(),
            phones={"2001": True},
        ),
        story.now,
    )
    bridge = bridge_of(CALL)
    assert of(story.effects, Join) == [Join(bridge, (CALLER,)), Join(bridge, (OPERATOR,))]
    assert not of(story.effects, Record)


def test_however_much_was_to_be_stopped_when_the_line_was_cut_none_of_it_goes_on() -> None:
    """A key chose the same menu again and again: the line did nothing of that any more."""
    story = Story(phones=())
    story.arrives()
    story.answers(CALLER)
    first = story.call.playing
    assert first is not None
    for _ in range(2 * MOST_RECENT):
        story.core.decide(KeyPressed(CALL, CALLER, "9"), story.now)
    assert story.call.made_playbacks > 2 * MOST_RECENT

    sounds = story.core.sounds()
    found = AsteriskFound(
        legs={CALLER: FoundLeg(True, "", arrival(CALL))},
        bridges={},
        wall=WALL,
        asked=story.core.legs(),
        playbacks=sounds & {first},
    )
    assert StopPlayback(first) in story.core.decide(found, story.now)

    story.core.decide(PlaybackEnded(CALL, first), story.now)
    assert first not in story.call.unended


def test_a_call_back_whose_start_was_torn_off_leaves_its_number_to_nobody() -> None:
    """Its operator's phone rings yet, under an id that the next call back must not have."""
    core = CallCentre(CENTRE)
    leg = operator_leg(call_back(CALL, 41), 1)

    core.decide(AsteriskFound(legs={leg: FoundLeg(False, "2001")}, bridges={}, wall=0.0), 0.0)

    assert core.call_backs.started >= 41


def test_no_number_of_a_call_back_is_used_again_after_crashes_that_forgot_it() -> None:
    numbers = []
    for crash in range(3):
        core = CallCentre(CENTRE)
        core.decide(AsteriskFound(legs={}, bridges={}, wall=WALL + crash), 0.0)
        numbers.append(core.call_backs.started)

    assert sorted(set(numbers)) == numbers


def test_a_bridge_that_a_forgotten_answer_made_is_not_made_again() -> None:
    story = given.calling_operator()
    leg = story.operator

    new = Takeover(story).finds(leg, bridged=[leg])

    assert new.phase is Phase.CALLING_BACK
    assert of(new.effects, CreateBridge) == []


def test_a_prompt_of_the_engine_before_is_looked_for_until_its_end() -> None:
    """However many come after it: that it was to be stopped may be lost with the line."""
    story = given.waiting()
    playing = story.call.playing
    assert playing is not None

    new = Takeover(story).finds(CALLER, ringing=[OPERATOR], playbacks=frozenset({playing}))

    assert playing in new.core.calls[CALL].unended


def test_who_waits_because_their_menu_is_gone_waits_on_record() -> None:
    """Or else the engine after this one would ask them what a menu of its own asks."""
    new = Takeover(given.waiting())
    new.core.kept.calls[CALL].phase = Phase.IVR

    new.finds(CALLER, ringing=[OPERATOR])

    assert new.phase is Phase.WAITING
    assert new.core.kept.calls[CALL].phase is Phase.WAITING


def test_what_was_said_into_the_bridge_is_no_prompt_to_who_is_taken_out_of_it() -> None:
    asks = replace(NO_MENU, policy=replace(NO_MENU.policy, silent_after=10))
    story = given.waiting(asks)
    story.answers(story.operator)
    story.after(13)
    asking = story.call.asking
    assert asking is not None
    story.gone(OPERATOR, cause=0)
    records = of(story.all, Record)
    last = max(at for at, each in enumerate(records) if each.kind is FactKind.ANNOUNCED)

    new = Takeover(story, torn=len(records) - last)
    new.finds(CALLER, bridged=[CALLER], playbacks=frozenset({asking}))

    assert new.phase is Phase.WAITING
    assert StopPlayback(asking) in new.effects
    assert StartMusic(CALLER) in new.effects


def test_what_the_caller_hears_is_looked_for_whatever_was_announced_after_it() -> None:
    new = Takeover(given.waiting())
    kept = new.core.kept.calls[CALL]
    assert kept.playing is not None
    kept.recent = []

    assert kept.playing in new.core.sounds()


@pytest.mark.parametrize("config", [CENTRE, NO_MENU])
def test_who_was_claimed_but_not_answered_is_answered_before_anything_is_played(
    config: Centre,
) -> None:
    story = Story(config, phones=())
    story.arrives()

    new = Takeover(story).finds(ringing=[CALLER], phones={})

    to_caller = [
        each
        for each in new.effects
        if isinstance(each, Answer | PlayPrompt | StartMusic | StopMusic)
    ]
    # Music at once: this engine may end before it comes to their call.
    assert to_caller[:2] == [Answer(CALLER), StartMusic(CALLER)]
    assert of(new.effects, Answer) == [Answer(CALLER)]
    assert of(new.effects, PlayPrompt)


def test_engines_that_end_one_after_the_other_keep_nobody_in_a_menu() -> None:
    """Each begins it anew, for the caller's sake; it must not be all that they ever hear."""
    story = given.in_menu()
    second = Takeover(story)
    second.finds(CALLER)
    assert second.phase is Phase.IVR

    story.all += second.effects
    third = Takeover(story)
    third.finds(CALLER)

    assert third.phase is Phase.WAITING
    assert of(third.effects, Originate)
    classified = third.facts(FactKind.CLASSIFIED)[-1]
    assert classified.data["category"] == CENTRE.menus["utama"].otherwise.category
