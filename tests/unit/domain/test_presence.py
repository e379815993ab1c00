"""Logged in, logged out, on break: who is offered calls then, and that it lasts over a restart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.call import Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import (
    Asker,
    Command,
    EndBreak,
    EndWrapUp,
    LogIn,
    LogOut,
    TakeBreak,
    Via,
)
from ess_pbx.domain.effects import HangUp, Originate, Record, Refused
from ess_pbx.domain.events import ClockRead, OfferWithdrawn, PhoneLost, PhoneReachable
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.presence import Presence

from .centre import CALL, NO_MENU, OTHER, of
from .given import talking, waiting
from .story import Story

BY = Asker("3001", Via.API)
ME = Asker("2001", Via.PHONE)
EXPLICIT = replace(NO_MENU, policy=replace(NO_MENU.policy, log_in="explicit"))
NINE = datetime(2026, 1, 1, 9)
STATUS = {"agent": "2001", "reason": None, "by": "3001", "via": "api"}


def refusal(story: Story, command: Command) -> str:
    (refused,) = story.feed(command)
    assert isinstance(refused, Refused)
    return refused.code


def test_who_logs_out_is_passed_by_until_they_log_in() -> None:
    story = Story(NO_MENU, phones=("2001",))
    story.feed(LogOut(BY, "2001"))
    story.arrives()
    assert of(story.all, Originate) == []

    story.feed(LogIn(BY, "2001"))

    assert story.rung.address == "2001"
    assert story.facts(FactKind.AGENT_STATUS) == [
        {**STATUS, "status": "logged-out"},
        {**STATUS, "status": "available"},
    ]
    states = [fact["status"] for fact in story.facts(FactKind.AGENT_STATE)]
    assert states == ["present", "logged-out", "present", "present"]


@pytest.mark.parametrize("command", [LogOut(BY, "2001"), TakeBreak(BY, "2001", "sholat")])
def test_a_call_that_rings_goes_to_the_next_at_once_with_its_place_kept(command: Command) -> None:
    story = waiting(phones=("2001", "2002"))
    leg, order = story.operator, story.core.acd.waiting[CALL].order
    story.after(5)

    story.feed(command)

    assert HangUp(leg) in story.effects
    assert (story.rung.address, story.armed("ring")) == ("2002", 12)
    assert story.effects.index(HangUp(leg)) < story.effects.index(story.rung)
    assert story.core.acd.waiting[CALL].order == order
    assert story.core.acd.seats["2001"].state is AgentState.IDLE
    assert story.armed("pause", "2001") is None
    (missed,) = story.facts(FactKind.OFFER_MISSED)
    assert missed["reason"] in {"logged-out", "break"}
    assert story.core.acd.seats["2001"].missed == 0


def test_a_call_that_rang_at_the_only_phone_waits_and_the_alarm_is_raised() -> None:
    story = waiting()
    story.feed(TakeBreak(BY, "2001", "toilet"))
    assert story.phase() is Phase.WAITING
    (alarm,) = story.facts(FactKind.ALARM_RAISED)
    assert alarm["alarm"] == "no-operator:umum"
    assert len(story.facts(FactKind.NO_OPERATOR)) == 1

    story.feed(EndBreak(BY, "2001"))

    assert story.rung.address == "2001"
    assert story.core.acd.waiting[CALL].offers == ["2001"]


def test_a_call_that_rang_where_the_alarm_was_on_is_told_that_nobody_is_there() -> None:
    story = waiting()
    story.phone("2001", False)
    story.arrives(OTHER)
    told = len(story.facts(FactKind.NO_OPERATOR))

    story.feed(LogOut(BY, "2001"))

    assert len(story.facts(FactKind.NO_OPERATOR)) == told + 1
    assert story.facts(FactKind.ALARM_CLEARED) == []


@pytest.mark.parametrize("command", [LogOut(BY, "2001"), TakeBreak(BY, "2001", "makan")])
def test_a_call_in_hand_goes_on_and_no_other_follows(command: Command) -> None:
    story = talking()
    operator = story.operator
    story.arrives(OTHER)
    story.feed(command)
    assert of(story.effects, HangUp) == []
    assert story.phase() is Phase.TALKING

    story.gone(operator)
    story.after(60)

    assert len(of(story.all, Originate)) == 1
    assert story.core.acd.seats["2001"].state is AgentState.IDLE


def test_the_end_of_wrap_up_brings_the_next_call_and_its_timer_is_gone() -> None:
    story = talking()
    story.arrives(OTHER)
    story.gone(story.operator)
    assert story.rung.call == CALL

    story.feed(EndWrapUp(ME, "2001"))

    assert story.rung.call == OTHER
    assert story.armed("wrap-up", "2001") is None
    assert story.facts(FactKind.WRAP_UP_ENDED) == [{"agent": "2001", "by": "2001", "via": "phone"}]


def test_nonsense_is_refused_with_a_code() -> None:
    story = Story(NO_MENU, phones=("2001", "2004"))
    assert refusal(story, EndBreak(BY, "2001")) == "not-on-break"
    assert refusal(story, EndWrapUp(BY, "2001")) == "not-in-wrap-up"
    assert refusal(story, TakeBreak(BY, "2001", "tidur")) == "unknown-reason"
    assert refusal(story, TakeBreak(BY, "2004", "makan")) == "not-on-duty"
    assert refusal(story, LogIn(BY, "9999")) == "unknown-operator"
    story.feed(LogOut(BY, "2001"))
    assert refusal(story, TakeBreak(BY, "2001", "makan")) == "logged-out"


def test_what_is_so_already_is_no_error_and_no_fact() -> None:
    story = Story(NO_MENU)
    assert story.feed(LogIn(BY, "2001")) == []
    story.feed(LogOut(BY, "2001"))
    assert story.feed(LogOut(BY, "2001")) == []


def test_a_break_holds_whatever_the_phone_does_and_ends_with_the_duty() -> None:
    story = Story(NO_MENU)
    story.feed(TakeBreak(ME, "2001", "makan"))
    story.phone("2001", False)
    story.phone("2001")
    assert story.core.acd.seats["2001"].on_break == "makan"

    story.at(16)
    story.at(9)

    assert story.core.acd.seats["2001"].free
    assert story.facts(FactKind.AGENT_STATUS)[-1] | {"reason": None} == {
        **STATUS,
        "status": "available",
        "by": "duty",
        "via": "system",
    }


@pytest.mark.parametrize("duty", [True, False])
def test_a_log_out_ends_when_the_phone_registers_anew_or_the_duty_ends(duty: bool) -> None:
    story = Story(NO_MENU)
    story.feed(LogOut(ME, "2001"))

    if duty:
        story.at(16)
        story.at(9)
    else:
        story.phone("2001", False)
        assert not story.core.acd.seats["2001"].logged_in
        story.phone("2001")

    assert story.core.acd.seats["2001"].free
    assert story.facts(FactKind.AGENT_STATUS)[-1]["by"] == ("duty" if duty else "phone")


def test_where_logging_in_is_explicit_a_phone_alone_is_offered_nothing() -> None:
    story = Story(EXPLICIT)
    story.arrives()
    assert of(story.all, Originate) == []
    story.phone("2001", False)
    story.phone("2001")
    assert of(story.all, Originate) == []

    story.feed(LogIn(ME, "2001"))

    assert story.rung.address == "2001"
    story.at(16)
    story.at(9)
    assert story.core.acd.seats["2001"].logged_in


# A restart


def restarted(story: Story, config: Any = NO_MENU, hours: float = 0.1) -> CallCentre:
    """Another core that was told the facts, and whose clock shows some hours later."""
    core = CallCentre(config)
    for number, record in enumerate(of(story.all, Record)):
        core.recall(
            Fact(
                id=f"b-{number}",
                centre="contoh",
                call=record.call,
                kind=record.kind,
                at=story.core.wall(story.now),
                ms=None,
                data=record.data,
            )
        )
    again = CallCentre(config)
    checkpoint = core.checkpoint()
    again.recall(
        Fact(id="c", centre="c", call=None, kind=checkpoint.kind, at=0, ms=0, data=checkpoint.data)
    )
    again.decide(ClockRead(NINE + timedelta(hours=hours)), 0.0)
    return again


def test_status_survives_a_restart_and_the_phones_first_report_is_no_registration() -> None:
    story = Story(NO_MENU, phones=("2001", "2002", "2003"))
    story.feed(LogOut(ME, "2001"))
    story.feed(TakeBreak(BY, "2002", "makan"))

    core = restarted(story)
    for phone in ("2001", "2002", "2003"):
        core.decide(PhoneReachable(phone), 1.0)

    seats = core.acd.seats
    assert not seats["2001"].logged_in
    assert seats["2002"].on_break == "makan"
    assert seats["2003"].free
    assert [seats[each].status for each in ("2001", "2002")] == ["logged-out", "break"]
    core.decide(PhoneLost("2001"), 2.0)
    core.decide(PhoneReachable("2001"), 3.0)
    assert seats["2001"].free


@pytest.mark.parametrize("hours", [7.0, 24.0])
def test_after_a_restart_in_another_duty_the_status_of_the_old_one_is_over(hours: float) -> None:
    story = Story(NO_MENU, phones=("2001", "2002"))
    story.feed(LogOut(ME, "2001"))
    story.feed(TakeBreak(BY, "2002", "makan"))

    core = restarted(story, hours=hours)

    assert core.acd.seats["2001"].standing == core.acd.seats["2002"].standing
    assert core.acd.seats["2001"].logged_in
    assert {each.status for each in core.presence.standing.values()} == {"available"}


def test_an_explicit_log_in_survives_every_restart() -> None:
    story = Story(EXPLICIT)
    story.feed(LogIn(ME, "2001"))

    core = restarted(story, EXPLICIT, hours=72)

    assert core.acd.seats["2001"].logged_in
    assert not core.acd.seats["2002"].logged_in


def test_the_systems_own_break_survives_and_ends_when_the_phone_registers_anew() -> None:
    policy = replace(NO_MENU.policy, rona_limit=1)
    config = replace(NO_MENU, policy=policy)
    story = waiting(config, phones=("2002", "2003"))
    story.after(12)
    assert story.core.acd.seats["2002"].on_break == "tidak menjawab"

    core = restarted(story, config)
    for event in (PhoneReachable("2003"), PhoneReachable("2002")):
        core.decide(event, 1.0)
    assert core.acd.seats["2002"].on_break == "tidak menjawab"
    core.decide(PhoneLost("2002"), 2.0)
    effects = core.decide(PhoneReachable("2002"), 3.0)

    assert core.acd.seats["2002"].free
    cleared = [each for each in of(effects, Record) if each.kind is FactKind.ALARM_CLEARED]
    assert [each.data["alarm"] for each in cleared] == ["operator-not-answering:2002"]


def test_a_withdrawal_of_an_offer_that_is_no_more_means_nothing() -> None:
    story = waiting()
    assert story.feed(OfferWithdrawn(CALL, "2002", "break")) == []


def test_a_status_that_only_another_version_knows_is_passed() -> None:
    presence = Presence()
    presence.load({"2001": ["dreaming", None, 1.0], "2002": ["break", "makan", 2.0], "2003": 3})
    presence.remember(FactKind.AGENT_STATUS, None, {**STATUS, "status": "dreaming"}, 3.0)
    assert presence.dump() == {"2002": ["break", "makan", 2.0]}
    presence.load(None)
    assert presence.dump() == {}
