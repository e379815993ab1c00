"""Supervisors of calls that outlive their engine: with the call again, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.commands import Mode
from ess_pbx.domain.effects import (
    CreateBridge,
    DestroyBridge,
    EngineEffect,
    HangUp,
    Join,
    Originate,
    Part,
    PlayPrompt,
    Record,
    Snoop,
    StopPlayback,
)
from ess_pbx.domain.events import CallEvent, KeyPressed, LegAnswered, LegGone, PlaybackEnded
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.found import AsteriskFound, FoundLeg
from ess_pbx.domain.ids import CallId, LegId, side_bridge, snoop, supervisor_leg
from ess_pbx.domain.supervision import TIMER, Supervision

from .centre import CALL, CALLER, OTHER, arrival, of, renumbered
from .story import Story
from .supervised import (
    BOSS,
    BRIDGE,
    DESK,
    PHONE,
    SIDE,
    SUPERVISED,
    asked,
    comes,
    leg,
    listens_by_phone,
    supervised,
    supervision,
    talking,
)
from .takeover import OPERATOR, WALL, Takeover

TALKING = (CALLER, OPERATOR)


def taken_over(
    story: Story,
    *up: LegId,
    bridged: Iterable[LegId] = TALKING,
    beside: Iterable[LegId] = (),
    ringing: Iterable[LegId] = (),
    torn: int = 0,
) -> Takeover:
    """The next engine finds these in Asterisk, some in the call's bridge and some beside it."""
    bridges = {BRIDGE: frozenset(bridged), SIDE: frozenset(beside)}
    return Takeover(story, torn).finds(*up, ringing=ringing, bridges=bridges)


def with_whom(new: Takeover) -> Supervision:
    found = new.core.calls[CALL].supervision
    assert found is not None
    return found


def then(new: Takeover, event: CallEvent) -> list[EngineEffect]:
    return new.core.decide(event, new.now)


def seat(new: Takeover, agent: str) -> AgentState:
    return new.core.acd.seats[agent].state


def assert_asks_for_no(effects: Iterable[EngineEffect], *kinds: type[EngineEffect]) -> None:
    assert not [each for each in effects if isinstance(each, kinds)]


def assert_the_call_is_left_alone(effects: Iterable[EngineEffect]) -> None:
    for each in effects:
        match each:
            case Join(bridge) | Part(bridge):
                assert bridge != BRIDGE
            case HangUp(gone):
                assert gone not in TALKING
            case PlayPrompt(target):
                assert target not in (*TALKING, BRIDGE)
            case _:
                pass


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER])
def test_who_listens_or_whispers_hears_on_until_the_next_snoop_channel_is_there(
    mode: Mode,
) -> None:
    story = supervised(mode)
    boss, old = leg(story), supervision(story).snoop
    assert old is not None

    new = taken_over(story, *TALKING, boss, old, beside=(boss, old))

    assert of(new.effects, HangUp) == []
    (made,) = of(new.effects, Snoop)
    assert (made.target, made.whisper) == (OPERATOR, mode is Mode.WHISPER)
    assert seat(new, BOSS) is AgentState.SUPERVISING
    effects = then(new, LegAnswered(CALL, made.snoop))
    assert of(effects, Join) == [Join(SIDE, (made.snoop,))]
    assert of(effects, HangUp) == [HangUp(old)]
    assert of(effects, CreateBridge) == []
    assert with_whom(new).mode is mode
    assert_the_call_is_left_alone([*new.effects, *effects])


def test_who_has_barged_in_is_heard_on_and_has_the_caller_when_the_operator_goes() -> None:
    story = supervised(Mode.BARGE)
    boss = leg(story)

    new = taken_over(story, *TALKING, boss, bridged=(*TALKING, boss))

    assert_asks_for_no(new.effects, HangUp, Snoop)
    assert_the_call_is_left_alone(new.effects)
    assert with_whom(new).mode is Mode.BARGE
    then(new, LegGone(CALL, OPERATOR, 16))
    call = new.core.calls[CALL]
    assert call.operator is not None
    assert (call.phase, call.operator.agent) == (Phase.TALKING, BOSS)


def test_who_barged_in_has_the_caller_whose_operator_went_while_no_engine_was_there() -> None:
    story = supervised(Mode.BARGE)
    boss = leg(story)

    new = taken_over(story, CALLER, boss, bridged=(CALLER, boss))

    call = new.core.calls[CALL]
    assert call.operator is not None
    assert (call.phase, call.operator.agent, call.supervision) == (Phase.TALKING, BOSS, None)
    assert_the_call_is_left_alone(new.effects)
    assert (seat(new, BOSS), seat(new, "2001")) == (AgentState.TALKING, AgentState.WRAP_UP)


def test_a_call_that_was_taken_over_stays_with_the_supervisor_and_the_former_has_wrap_up() -> None:
    story = supervised(Mode.LISTEN)
    boss, old = leg(story), supervision(story).snoop
    assert old is not None
    story.presses("4", boss)
    story.gone(old)

    new = taken_over(story, *TALKING, boss, bridged=(CALLER, boss))

    call = new.core.calls[CALL]
    assert call.operator is not None
    assert (call.phase, call.operator.agent, call.operator.leg) == (Phase.TALKING, BOSS, boss)
    assert of(new.effects, HangUp) == [HangUp(OPERATOR)]
    assert_asks_for_no(new.effects, Join, Part)
    assert (seat(new, BOSS), seat(new, "2001")) == (AgentState.TALKING, AgentState.WRAP_UP)


def test_of_a_take_over_whose_fact_was_torn_off_both_have_the_caller() -> None:
    story = supervised(Mode.BARGE)
    boss = leg(story)
    facts = len(story.all)
    story.presses("4", boss)

    torn = len([each for each in story.all[facts:] if type(each).__name__ == "Record"])
    new = taken_over(story, *TALKING, boss, bridged=(CALLER, boss), torn=torn)

    assert of(new.effects, Join) == [Join(BRIDGE, (OPERATOR,))]
    assert of(new.effects, HangUp) == []
    assert with_whom(new).mode is Mode.BARGE


def test_a_supervisors_phone_that_rings_rings_on_and_is_picked_up() -> None:
    story = talking()
    asked(story, Mode.WHISPER)
    boss = leg(story)

    new = taken_over(story, *TALKING, ringing=(boss,))

    assert_asks_for_no(new.effects, HangUp, Originate)
    assert new.armed(TIMER) == SUPERVISED.policy.ring
    (made,) = of(then(new, LegAnswered(CALL, boss)), Snoop)
    assert made.whisper
    effects = then(new, LegAnswered(CALL, made.snoop))
    assert of(effects, Join) == [Join(SIDE, (boss, made.snoop))]


def test_a_supervisor_who_hung_up_meanwhile_is_with_nobody_on_record() -> None:
    story = supervised(Mode.LISTEN)
    old = supervision(story).snoop
    assert old is not None

    new = taken_over(story, *TALKING, old, beside=(old,))

    assert new.core.calls[CALL].supervision is None
    assert HangUp(old) in new.effects
    assert len(new.facts(FactKind.SUPERVISION_ENDED)) == 1
    assert seat(new, BOSS) is AgentState.IDLE
    assert_the_call_is_left_alone(new.effects)


def test_who_listened_to_an_operator_who_is_gone_is_hung_up() -> None:
    story = supervised(Mode.LISTEN)
    boss = leg(story)

    new = taken_over(story, CALLER, boss, bridged=(CALLER,), beside=(boss,))

    assert new.phase is Phase.WAITING
    assert HangUp(boss) in new.effects
    assert new.core.calls[CALL].supervision is None
    assert seat(new, BOSS) is AgentState.IDLE


def test_who_left_and_whose_leaving_is_on_record_does_not_leave_once_more() -> None:
    story = supervised(Mode.LISTEN)
    boss = leg(story)
    story.presses("*", boss)
    for each in of(story.effects, HangUp):
        story.gone(each.leg)

    new = taken_over(story, *TALKING)

    assert new.core.calls[CALL].supervision is None
    assert new.facts(FactKind.SUPERVISION_ENDED) == []


def test_who_listened_to_a_caller_who_waits_again_is_hung_up_when_that_was_torn_off() -> None:
    story = supervised(Mode.LISTEN)
    boss = leg(story)
    story.gone(OPERATOR, 0)
    ended = [each.kind for each in of(story.effects, Record)].index(FactKind.SUPERVISION_ENDED)

    new = taken_over(story, CALLER, boss, bridged=(), torn=len(of(story.effects, Record)) - ended)

    assert new.phase is Phase.WAITING
    assert HangUp(boss) in new.effects
    assert len(new.facts(FactKind.SUPERVISION_ENDED)) == 1


def test_a_phone_that_rings_to_listen_to_who_is_gone_is_hung_up_though_that_was_torn_off() -> None:
    story = talking()
    asked(story, Mode.LISTEN)
    boss = leg(story)
    story.gone(OPERATOR, 0)
    ended = [each.kind for each in of(story.effects, Record)].index(FactKind.SUPERVISION_ENDED)
    torn = len(of(story.effects, Record)) - ended
    new = taken_over(story, CALLER, bridged=(), ringing=(boss,), torn=torn)
    assert HangUp(boss) in new.effects
    assert new.core.calls[CALL].supervision is None


def test_a_bridge_for_listening_of_which_nobody_knows_is_deleted() -> None:
    stray = side_bridge(OTHER)
    new = Takeover(talking()).finds(
        *TALKING, bridges={BRIDGE: frozenset(TALKING), stray: frozenset()}
    )
    assert of(new.effects, DestroyBridge) == [DestroyBridge(stray)]


def test_where_the_leg_is_says_whether_it_was_heard() -> None:
    """What was on record last is not what Asterisk has: nobody is heard who was not."""
    story = supervised(Mode.LISTEN)
    boss, old = leg(story), supervision(story).snoop
    assert old is not None
    story.presses("3", boss)

    aside = taken_over(story, *TALKING, boss, old, beside=(boss, old))
    assert with_whom(aside).wanted is Mode.LISTEN
    assert_the_call_is_left_alone(aside.effects)

    story.presses("1", boss)
    comes(story)
    heard = taken_over(story, *TALKING, boss, bridged=(*TALKING, boss))
    assert with_whom(heard).mode is Mode.BARGE


def test_a_snoop_channel_or_supervisor_of_whom_no_fact_is_left_is_hung_up() -> None:
    stray, boss = snoop(CALL, 4), supervisor_leg(CALL, 3)
    new = taken_over(talking(), *TALKING, stray, boss, beside=(stray, boss))
    assert {each.leg for each in of(new.effects, HangUp)} == {stray, boss}
    assert_the_call_is_left_alone(new.effects)


def test_a_desk_call_that_was_lent_is_lent_again_and_its_keys_go_on() -> None:
    story = talking()
    listens_by_phone(story)
    comes(story)
    old = supervision(story).snoop
    assert old is not None
    new = Takeover(story)
    legs = {each: FoundLeg(True, "2001") for each in (OPERATOR, old)}
    legs |= {CALLER: FoundLeg(True, "", arrival(CALL)), PHONE: FoundLeg(True, BOSS, at_desk=True)}
    new.finds(legs=legs, bridges={BRIDGE: frozenset(TALKING), SIDE: frozenset((PHONE, old))})
    assert of(new.effects, HangUp) == []
    assert new.core.desks.lent == {DESK: CALL}

    then(new, KeyPressed(DESK, PHONE, "3"))
    assert with_whom(new).mode is Mode.BARGE
    then(new, LegGone(DESK, PHONE, 16))
    assert new.core.calls[CALL].supervision is None
    assert (new.core.desks.calls, new.core.desks.lent) == ({}, {})


@pytest.mark.parametrize("hung_up", [True, False])
def test_a_lent_desk_call_whose_end_the_cut_line_kept_is_over(hung_up: bool) -> None:
    story = talking()
    listens_by_phone(story)
    comes(story)
    if not hung_up:
        story.presses("*", DESK)
    legs = {CALLER: FoundLeg(True, "", arrival(CALL)), OPERATOR: FoundLeg(True, "2001")}
    if not hung_up:
        legs[PHONE] = FoundLeg(True, BOSS, at_desk=True)
    bridges = {BRIDGE: frozenset(TALKING)}
    found = AsteriskFound(legs, bridges, WALL, asked=story.core.legs(), phones={BOSS: True})

    effects = story.core.decide(found, story.now)

    assert story.call.supervision is None
    assert_the_call_is_left_alone(effects)
    if not hung_up:
        assert HangUp(PHONE) in effects
        story.gone(DESK)
    assert (story.core.desks.calls, story.core.desks.lent) == ({}, {})


def test_of_two_centres_a_lent_desk_call_is_that_ones_which_has_the_call() -> None:
    story = talking()
    listens_by_phone(story)
    comes(story)
    first = CallCentre(renumbered(SUPERVISED, "first", "8"))
    centres = Centres([first, Takeover(story).core])
    legs = {PHONE: FoundLeg(True, BOSS, at_desk=True), CALLER: FoundLeg(True, "", arrival(CALL))}

    others, own = centres.shares(AsteriskFound(legs, {}, WALL))

    assert (others.legs, own.legs) == ({}, legs)
    assert CallId(DESK) in centres.known


def test_of_a_line_that_was_cut_the_listener_who_heard_nothing_any_more_hears_anew() -> None:
    story = supervised(Mode.LISTEN)
    boss, old = leg(story), supervision(story).snoop
    assert old is not None
    found = AsteriskFound(
        legs={
            CALLER: FoundLeg(True, "", arrival(CALL)),
            **{each: FoundLeg(True, "2001") for each in (OPERATOR, boss, old)},
        },
        bridges={BRIDGE: frozenset(TALKING), SIDE: frozenset((boss, old))},
        wall=WALL,
        asked=story.core.legs(),
        phones={"2001": True, BOSS: True},
    )
    effects = story.core.decide(found, story.now)
    assert [each for each in effects if isinstance(each, Snoop | HangUp | Join)] == []

    bridges = {BRIDGE: frozenset((*TALKING, boss)), SIDE: frozenset((old,))}
    story.effects = story.core.decide(replace(found, bridges=bridges), story.now)
    assert of(story.effects, Part) == [Part(BRIDGE, boss)]
    assert of(story.effects, HangUp) == []
    effects = comes(story)
    (joined,) = of(effects, Join)
    assert (joined.bridge, boss in joined.legs) == (SIDE, True)
    assert of(effects, HangUp) == [HangUp(old)]


def test_an_operator_who_is_told_of_the_take_over_when_the_line_is_cut_hears_it_out() -> None:
    story = supervised(Mode.BARGE)
    boss = leg(story)
    story.presses("4", boss)
    (relieved,) = story.call.relieved
    found = AsteriskFound(
        legs={
            CALLER: FoundLeg(True, "", arrival(CALL)),
            **{each: FoundLeg(True, "2001") for each in (OPERATOR, boss)},
        },
        bridges={BRIDGE: frozenset((*TALKING, boss))},
        wall=WALL,
        asked=story.core.legs(),
        playbacks=frozenset({relieved.told}),
        phones={"2001": True, BOSS: True},
    )

    effects = story.core.decide(found, story.now)

    assert of(effects, Part) == [Part(BRIDGE, OPERATOR)]
    assert_asks_for_no(effects, HangUp, StopPlayback)
    assert story.core.acd.seats["2001"].state is AgentState.TALKING
    assert HangUp(OPERATOR) in story.core.decide(PlaybackEnded(CALL, relieved.told), story.now)
