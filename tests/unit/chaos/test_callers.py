"""What counts as dropped, failed and silent, as the caller's own phone saw it."""

from __future__ import annotations

import pytest

from ess_pbx.chaos.callers import Caller, longest
from ess_pbx.phones.rtp import RtpParty
from ess_pbx.phones.sipp_call import CallEnd, SippCall


def given_caller(
    *, at: dict[str, float], end: CallEnd | None = None, left_at: float | None = None
) -> Caller:
    call = SippCall("1", None, incoming=False, tell=lambda *_: None)
    call.at, call.end = at, end
    return Caller("+628127000000", call, RtpParty(), left_at)


BYE_FROM_US = CallEnd("ended", "near")
BYE_FROM_THEM = CallEnd("ended", "far")
TALKED = {"invited": 1.0, "trying": 1.1, "answered": 2.0, "ended": 9.0}


def test_who_hung_up_was_not_dropped() -> None:
    caller = given_caller(at=TALKED, end=BYE_FROM_US, left_at=8.9)

    assert (caller.dropped, caller.failed, caller.known) == (False, False, True)


def test_a_call_that_stood_and_that_others_ended_was_dropped() -> None:
    caller = given_caller(at=TALKED, end=BYE_FROM_THEM)

    assert (caller.dropped, caller.failed) == (True, False)


def test_a_call_whose_phone_lost_it_was_dropped() -> None:
    caller = given_caller(at={"invited": 1.0, "answered": 2.0})
    caller.call.failed("no answer to anything")

    assert caller.dropped


def test_a_call_that_was_refused_failed() -> None:
    at = {"invited": 1.0, "trying": 1.1, "refused": 1.2}
    caller = given_caller(at=at, end=CallEnd("refused", "far", 503))

    assert (caller.dropped, caller.failed) == (False, True)


def test_an_invite_that_nobody_answered_at_all_is_in_no_record() -> None:
    caller = given_caller(at={"invited": 1.0})

    assert (caller.known, caller.failed) == (False, True)


@pytest.mark.parametrize(("at", "stood"), [(1.9, False), (2.0, True), (8.8, True), (8.9, False)])
def test_a_call_stands_from_its_answer_until_the_caller_leaves(at: float, stood: bool) -> None:
    caller = given_caller(at=TALKED, end=BYE_FROM_US, left_at=8.9)

    assert caller.standing(at) is stood


def test_a_caller_to_whom_no_packet_came_heard_silence_from_answer_to_leaving() -> None:
    caller = given_caller(at=TALKED, end=BYE_FROM_US, left_at=8.0)

    assert caller.longest_silence() == pytest.approx(6.0, abs=0.05)
    assert caller.longest_silence(since=5.0) == pytest.approx(3.0, abs=0.05)
    assert caller.longest_silence(since=9.0) == 0.0


def test_one_who_was_never_rung_for_makes_the_longest_unknown() -> None:
    assert longest([0.1, 0.4]) == 0.4
    assert longest([0.1, float("inf")]) is None
    assert longest([]) is None
