"""Listening, whispering, barging in and taking over: who is where, and what is left of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Phase
from ess_pbx.domain.commands import Mode, StopSupervising
from ess_pbx.domain.effects import (
    CreateBridge,
    DestroyBridge,
    HangUp,
    Join,
    Originate,
    Part,
    PlayPrompt,
    Role,
    Snoop,
)
from ess_pbx.domain.events import StreamRestarted
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import LegId
from ess_pbx.domain.supervising import LISTENED_PROMPT, MOST_TRIES, RELIEVED_PROMPT
from ess_pbx.domain.supervision import RELIEVED, TIMER

from .centre import CALL, CALLER, of
from .supervised import (
    BOSS,
    BRIDGE,
    BY,
    SIDE,
    SUPERVISED,
    asked,
    comes,
    leg,
    seat,
    supervised,
    supervision,
    talking,
)


def test_the_supervisors_phone_is_rung_and_shows_whom_they_listen_to() -> None:
    story = talking()

    asked(story, Mode.LISTEN)

    (rung,) = of(story.effects, Originate)
    assert (rung.role, rung.address, rung.name) == (Role.SUPERVISOR, BOSS, "Dengar 2001")
    assert story.armed(TIMER) == 12
    assert seat(story, BOSS) is AgentState.SUPERVISING
    (fact,) = story.facts(FactKind.SUPERVISION_ASKED)
    assert (fact["mode"], fact["by"], fact["via"]) == ("listen", "diskominfo", "api")


def test_another_mode_asked_for_while_the_phone_rings_is_on_record_and_is_the_one_that_comes() -> (
    None
):
    story = talking()
    asked(story, Mode.TAKE_OVER)
    asked(story, Mode.LISTEN)
    modes = [fact["mode"] for fact in story.facts(FactKind.SUPERVISION_ASKED)]
    assert modes == ["take-over", "listen"]
    assert len(of(story.answers(leg(story)), Snoop)) == 1


def test_a_listener_hears_by_a_snoop_channel_in_a_bridge_beside_the_calls() -> None:
    story = talking()
    asked(story, Mode.LISTEN)

    (snoop,) = of(story.answers(leg(story)), Snoop)
    effects = story.answers(snoop.snoop)

    assert (snoop.target, snoop.whisper) == (story.operator, False)
    assert of(effects, CreateBridge) == [CreateBridge(SIDE)]
    assert of(effects, Join) == [Join(SIDE, (leg(story), snoop.snoop))]
    assert story.armed(TIMER) is None
    assert story.facts(FactKind.SUPERVISION_MODE)[-1]["mode"] == "listen"


def test_to_whisper_another_snoop_channel_takes_the_place_of_the_first_once_it_is_there() -> None:
    story = supervised(Mode.LISTEN)
    old = supervision(story).snoop

    effects = story.presses("2", leg(story))
    assert [each.whisper for each in of(effects, Snoop)] == [True]
    assert of(effects, HangUp) == []
    new = supervision(story).coming
    assert new is not None

    effects = comes(story)
    assert of(effects, Join) == [Join(SIDE, (new,))]
    assert of(effects, HangUp) == [HangUp(LegId(str(old)))]
    assert of(effects, CreateBridge) == []
    assert story.facts(FactKind.SUPERVISION_MODE)[-1] == {
        "supervisor": BOSS,
        "operator": "2001",
        "mode": "whisper",
        "by": BOSS,
        "via": "phone",
    }


def test_who_barges_in_is_in_the_calls_bridge_and_hears_no_more_beside_it() -> None:
    story = supervised(Mode.WHISPER)
    snoop = supervision(story).snoop

    effects = story.presses("3", leg(story))

    assert of(effects, Join) == [Join(BRIDGE, (leg(story),))]
    assert of(effects, HangUp) == [HangUp(LegId(str(snoop)))]
    assert supervision(story).mode is Mode.BARGE


def test_who_stops_barging_in_is_heard_until_the_snoop_channel_is_there_and_then_is_not() -> None:
    story = supervised(Mode.BARGE)

    effects = story.presses("1", leg(story))
    assert (of(effects, Join), of(effects, Part)) == ([], [])

    snoop = supervision(story).coming
    assert of(comes(story), Join) == [Join(SIDE, (leg(story), LegId(str(snoop))))]


@pytest.mark.parametrize("mode", Mode)
def test_who_takes_over_is_the_operator_and_the_one_before_is_told_and_has_wrap_up(
    mode: Mode,
) -> None:
    story = supervised(mode) if mode is not Mode.TAKE_OVER else talking()
    before = story.operator
    if mode is Mode.TAKE_OVER:
        asked(story, mode)
        effects = story.answers(leg(story))
    else:
        effects = story.presses("4", leg(story))

    assert story.call.operator is not None
    assert story.call.operator.agent == BOSS
    assert story.call.supervision is None
    joined = [Join(BRIDGE, (story.operator,))] if mode is not Mode.BARGE else []
    assert of(effects, Join) == joined
    assert of(effects, Part) == [Part(BRIDGE, before)]
    assert [(each.target, each.prompt) for each in of(effects, PlayPrompt)] == [
        (before, RELIEVED_PROMPT)
    ]
    assert (seat(story, BOSS), seat(story, "2001")) == (AgentState.TALKING, AgentState.TALKING)
    (fact,) = story.facts(FactKind.TAKEN_OVER)
    assert (fact["agent"], fact["former"]) == (BOSS, "2001")

    effects = story.played(of(effects, PlayPrompt)[0].playback)
    assert of(effects, HangUp) == [HangUp(before)]
    assert seat(story, "2001") is AgentState.WRAP_UP
    story.gone(before)
    assert story.phase() is Phase.TALKING

    story.gone(story.operator)
    assert story.phase() is Phase.ENDED
    assert seat(story, BOSS) is AgentState.WRAP_UP


def test_a_caller_who_hangs_up_meanwhile_frees_the_operator_who_is_being_told() -> None:
    story = supervised(Mode.LISTEN)
    story.presses("4", leg(story))

    story.gone(CALLER)

    assert (seat(story, BOSS), seat(story, "2001")) == (AgentState.WRAP_UP, AgentState.WRAP_UP)
    assert story.call.relieved == ()
    assert story.armed(RELIEVED) is None


def test_an_operator_who_was_taken_over_and_is_never_told_is_free_in_the_end() -> None:
    story = supervised(Mode.LISTEN)
    before = story.operator
    story.presses("4", leg(story))
    assert story.armed(RELIEVED) == 10

    effects = story.after(10)

    assert HangUp(before) in effects
    assert seat(story, "2001") is AgentState.WRAP_UP


def test_an_operator_who_dies_in_the_moment_of_the_take_over_leaves_the_caller_to_it() -> None:
    story = supervised(Mode.LISTEN)
    before = story.operator
    story.presses("4", leg(story))

    story.gone(before, 0)

    assert story.phase() is Phase.TALKING
    assert story.call.relieved == ()
    assert seat(story, "2001") is AgentState.WRAP_UP
    assert story.armed(RELIEVED) is None


def test_an_operator_who_dies_before_it_leaves_the_caller_at_the_head_of_the_queue() -> None:
    story = talking()
    asked(story, Mode.TAKE_OVER)
    phone = leg(story)

    effects = story.gone(story.operator, 0)

    assert story.phase() is Phase.WAITING
    assert HangUp(phone) in effects
    assert story.call.supervision is None
    assert story.armed(TIMER) is None
    assert seat(story, BOSS) is AgentState.IDLE
    assert of(story.answers(phone), HangUp) == [HangUp(phone)]


@pytest.mark.parametrize("cause", [16, 0])
def test_who_has_barged_in_has_the_caller_when_the_operator_goes(cause: int) -> None:
    story = supervised(Mode.BARGE)

    story.gone(story.operator, cause)

    assert story.phase() is Phase.TALKING
    assert story.call.operator is not None
    assert story.call.operator.agent == BOSS
    assert (seat(story, BOSS), seat(story, "2001")) == (AgentState.TALKING, AgentState.WRAP_UP)
    assert story.facts(FactKind.TAKEN_OVER)[0]["via"] == "system"


def test_a_supervisor_who_comes_from_a_wrap_up_has_it_anew_when_they_leave() -> None:
    story = talking(replace(SUPERVISED, policy=replace(SUPERVISED.policy, wrap_up=30.0)))
    story.core.acd.seats[BOSS].state = AgentState.WRAP_UP
    asked(story, Mode.BARGE)
    story.answers(leg(story))
    assert seat(story, BOSS) is AgentState.SUPERVISING

    story.feed(StopSupervising(BY, CALL))

    assert seat(story, BOSS) is AgentState.WRAP_UP


@pytest.mark.parametrize("how", ["the operator goes", "takes over"])
def test_a_caller_on_hold_is_taken_back_by_who_has_the_call_instead(how: str) -> None:
    story = supervised(Mode.BARGE)
    story.presses("*0#", story.operator)
    assert story.phase() is Phase.HELD
    boss = leg(story)

    if how == "takes over":
        story.presses("4", boss)
    else:
        story.gone(story.operator, 0)

    assert story.phase() is Phase.TALKING
    assert story.call.rooms[CALLER] == story.call.rooms[boss] == BRIDGE
    assert story.facts(FactKind.UNHELD)[0]["how"] == "take-over"
    assert story.facts(FactKind.UNHELD)[0]["agent"] == BOSS


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER])
def test_a_listener_leaves_with_the_operator_whom_they_listened_to(mode: Mode) -> None:
    story = supervised(mode)
    phone, snoop = leg(story), supervision(story).snoop

    effects = story.gone(story.operator, 0)

    assert story.phase() is Phase.WAITING
    assert {HangUp(phone), HangUp(LegId(str(snoop)))} <= {*of(effects, HangUp)}
    assert story.facts(FactKind.SUPERVISION_ENDED)[0]["reason"] == "the operator left"


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER, Mode.BARGE])
def test_the_end_of_the_call_ends_it_and_destroys_its_bridge_last(mode: Mode) -> None:
    story = supervised(mode)
    legs = [each for each in story.call.legs if each != CALLER]

    effects = story.gone(CALLER)

    assert {HangUp(each) for each in legs} <= {*of(effects, HangUp)}
    assert story.facts(FactKind.SUPERVISION_ENDED)[0]["reason"] == "the call ended"
    assert seat(story, BOSS) is AgentState.IDLE
    for each in legs:
        assert of(story.effects, DestroyBridge) == []
        story.gone(each)
    beside = [] if mode is Mode.BARGE else [DestroyBridge(SIDE)]
    assert of(story.effects, DestroyBridge) == [DestroyBridge(BRIDGE), *beside]
    assert CALL not in story.core.calls


@pytest.mark.parametrize("how", ["hangs up", "presses *", "is stopped"])
@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER, Mode.BARGE])
def test_a_supervisor_who_leaves_touches_nobody_else(mode: Mode, how: str) -> None:
    story = supervised(mode)
    phone, snoop = leg(story), supervision(story).snoop
    wanted = set() if snoop is None else {HangUp(snoop)}
    if how == "hangs up":
        effects = story.gone(phone)
    elif how == "presses *":
        effects = story.presses("*", phone)
    else:
        effects = story.feed(StopSupervising(BY, CALL))
    wanted |= set() if how == "hangs up" else {HangUp(phone)}

    assert {*of(effects, HangUp)} == wanted
    assert (of(effects, Join), of(effects, Part)) == ([], [])
    assert story.phase() is Phase.TALKING
    assert seat(story, BOSS) is AgentState.IDLE
    (fact,) = story.facts(FactKind.SUPERVISION_ENDED)
    assert fact["by"] == ("diskominfo" if how == "is stopped" else BOSS)


@pytest.mark.parametrize(("cause", "reason"), [(17, "busy"), (20, "not registered")])
def test_a_supervisors_phone_that_cannot_be_rung_frees_them(cause: int, reason: str) -> None:
    story = talking()
    asked(story, Mode.LISTEN)

    story.gone(leg(story), cause)

    assert story.facts(FactKind.SUPERVISION_ENDED)[0]["reason"] == reason
    assert seat(story, BOSS) is AgentState.IDLE
    assert story.armed(TIMER) is None


def test_a_supervisors_phone_that_nobody_picks_up_stops_ringing() -> None:
    story = talking()
    asked(story, Mode.LISTEN)
    phone = leg(story)

    effects = story.after(12)

    assert of(effects, HangUp) == [HangUp(phone)]
    assert story.facts(FactKind.SUPERVISION_ENDED)[0]["reason"] == "no answer"


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.BARGE])
def test_a_snoop_channel_that_never_comes_is_tried_again_and_then_the_supervisor_leaves(
    mode: Mode,
) -> None:
    story = supervised(mode)
    story.presses("2", leg(story))
    asked_for = {supervision(story).coming}
    for _ in range(MOST_TRIES - 1):
        story.after(2)
        asked_for.add(supervision(story).coming)
    assert len(asked_for) == MOST_TRIES

    story.after(2)

    assert story.call.supervision is None
    assert story.phase() is Phase.TALKING


def test_a_snoop_channel_that_asterisk_refuses_is_tried_again() -> None:
    story = talking()
    asked(story, Mode.LISTEN)
    story.answers(leg(story))
    first = supervision(story).coming
    assert first is not None

    story.gone(first, 20)

    assert supervision(story).coming not in (None, first)
    comes(story)
    assert supervision(story).mode is Mode.LISTEN


def test_a_listener_to_an_operator_whose_stream_restarts_hears_by_a_new_channel() -> None:
    story = supervised(Mode.WHISPER)
    old = supervision(story).snoop
    assert old is not None

    effects = story.feed(StreamRestarted(CALL, story.operator))
    # The next only when it is gone: while one is there Asterisk keeps what has gone deaf.
    assert (of(effects, HangUp), of(effects, Snoop)) == ([HangUp(old)], [])

    effects = story.gone(old)
    assert [each.whisper for each in of(effects, Snoop)] == [True]
    assert len(of(comes(story), Join)) == 1
    assert len(story.facts(FactKind.SUPERVISION_MODE)) == 1


def test_a_mode_that_is_asked_for_while_the_phone_rings_is_the_one_that_holds() -> None:
    story = talking()
    asked(story, Mode.LISTEN)
    asked(story, Mode.BARGE)

    effects = story.answers(leg(story))

    assert of(effects, Join) == [Join(BRIDGE, (leg(story),))]
    assert of(effects, Snoop) == []


def test_back_to_the_mode_that_still_holds_gives_up_the_channel_on_its_way() -> None:
    story = supervised(Mode.LISTEN)
    story.presses("2", leg(story))
    coming = supervision(story).coming

    effects = story.presses("1", leg(story))

    assert of(effects, HangUp) == [HangUp(LegId(str(coming)))]
    assert supervision(story).coming is None
    assert story.armed(TIMER) is None


def test_listening_goes_on_through_consult_and_conference_and_ends_with_the_hand_over() -> None:
    story = supervised(Mode.LISTEN)
    story.presses("*119#", story.operator)
    assert story.phase() is Phase.CONSULT_RINGING
    story.answers(story.agency)
    story.presses("*3#", story.operator)
    assert supervision(story).mode is Mode.LISTEN

    story.presses("*4#", story.operator)

    assert story.phase() is Phase.HANDED_OVER
    assert story.call.supervision is None


def test_who_has_barged_in_has_the_caller_when_the_agency_is_cut_off_after_a_hand_over() -> None:
    story = supervised(Mode.BARGE)
    story.presses("*119#", story.operator)
    story.answers(story.agency)
    story.presses("*3#", story.operator)
    story.presses("*4#", story.operator)
    assert (story.phase(), supervision(story).mode) == (Phase.HANDED_OVER, Mode.BARGE)

    story.gone(story.agency, 0)

    assert story.phase() is Phase.TALKING
    assert story.call.operator is not None
    assert story.call.operator.agent == BOSS
    assert seat(story, BOSS) is AgentState.TALKING


def test_a_consult_goes_on_with_the_supervisor_who_took_over() -> None:
    story = supervised(Mode.LISTEN)
    story.presses("*119#", story.operator)
    story.answers(story.agency)

    story.presses("4", leg(story))
    assert story.phase() is Phase.CONSULT
    story.presses("*3#", story.operator)

    assert story.phase() is Phase.CONFERENCE


@pytest.mark.parametrize("shown", [True, False])
def test_the_operator_is_told_of_a_listener_only_where_the_centre_wants_it(shown: bool) -> None:
    policy = replace(SUPERVISED.policy, show_listening=shown)
    story = supervised(Mode.LISTEN, replace(SUPERVISED, policy=policy))

    told = [
        (each.target, each.in_bridge)
        for each in of(story.all, PlayPrompt)
        if each.prompt == LISTENED_PROMPT
    ]

    assert told == ([(story.operator, False)] if shown else [])
