"""When an operator's phone in a call counts as dead, and when its silence means nothing."""

from __future__ import annotations

import pytest

from ess_pbx.domain.ids import LegId
from ess_pbx.domain.phone_pulse import (
    ASK_EVERY,
    NETWORK_AWAY,
    Pulse,
    Reply,
    to_give_up,
)

AFTER, LOOK = 0.3, 0.15


def heard(*, answers: bool = True) -> Pulse:
    """A phone that sent until time 0."""
    pulse = Pulse(AFTER, answers=answers)
    pulse.saw(500, 0.0)
    return pulse


def silent(*, answers: bool = True, until: float = 2 * LOOK) -> Pulse:
    """The same, with as many looks as there are until then, which find nothing new."""
    pulse = heard(answers=answers)
    for look in range(1, round(until / LOOK) + 1):
        pulse.saw(500, look * LOOK)
    return pulse


def lone(pulse: Pulse, now: float) -> bool:
    """Whether it is given up where other phones go on."""
    others = {LegId(f"other-{n}"): heard() for n in range(5)}
    return LegId("it") in to_give_up({LegId("it"): pulse, **others}, now)


def test_a_phone_that_sends_is_not_asked() -> None:
    pulse = heard()
    for look in range(1, 100):
        pulse.saw(500 + look, look * LOOK)
        assert not pulse.to_be_asked(look * LOOK)


def test_a_silent_phone_is_asked_after_its_time_and_not_given_up_for_silence() -> None:
    pulse = silent(until=LOOK)
    assert not pulse.to_be_asked(LOOK)

    pulse = silent()

    assert pulse.to_be_asked(2 * LOOK)
    assert not lone(pulse, 2 * LOOK)


def test_many_looks_in_less_than_its_time_are_no_silence() -> None:
    pulse = heard()
    for look in range(1, 10):
        pulse.saw(500, look * AFTER / 10)

    assert not pulse.to_be_asked(0.9 * AFTER)
    assert pulse.to_be_asked(AFTER)


def test_one_late_answer_of_an_asterisk_that_stood_still_is_no_silence() -> None:
    pulse = heard()

    pulse.saw(500, 5.0)

    assert not pulse.to_be_asked(5.0)


def test_a_phone_that_answered_before_and_does_not_now_is_dead() -> None:
    pulse = silent()

    pulse.said(Reply.NOTHING, 0.75)

    assert lone(pulse, 0.75)


def test_a_phone_whose_machine_refuses_is_dead_even_if_it_never_answered() -> None:
    pulse = silent(answers=False)

    pulse.said(Reply.REFUSED, 0.31)

    assert lone(pulse, 0.31)


def test_a_phone_that_cannot_be_asked_is_dead_only_when_asterisk_says_so() -> None:
    pulse = silent(answers=False)
    for second in range(1, 60):
        assert pulse.to_be_asked(float(second))
        pulse.said(Reply.NOTHING, float(second))
        assert not pulse.to_be_asked(second + ASK_EVERY / 2)
        assert not lone(pulse, float(second))

    pulse.unregistered = True

    assert lone(pulse, 60.0)


def test_a_phone_that_sends_nothing_but_answers_is_asked_each_second_and_lives() -> None:
    pulse = silent()

    pulse.said(Reply.ANSWERED, 1.0)

    assert not pulse.to_be_asked(1.0 + ASK_EVERY - 0.01)
    assert pulse.to_be_asked(1.0 + ASK_EVERY)
    assert not lone(pulse, 3600.0)


def test_a_phone_that_is_silent_by_habit_is_dead_after_a_second_question_without_answer() -> None:
    pulse = silent()
    pulse.said(Reply.ANSWERED, 1.0)

    pulse.said(Reply.NOTHING, 2.5)
    assert not lone(pulse, 2.5)
    assert pulse.to_be_asked(2.5)
    pulse.said(Reply.NOTHING, 3.0)

    assert lone(pulse, 3.0)


def test_the_first_packet_takes_all_suspicion_away() -> None:
    pulse = silent()
    pulse.said(Reply.REFUSED, 0.4)
    pulse.said(Reply.NOTHING, 0.4)
    pulse.unregistered = True

    pulse.saw(501, 0.45)

    assert not lone(pulse, 0.45)


@pytest.mark.parametrize(("count", "given_up"), [(1, True), (2, True), (3, False), (20, False)])
def test_most_phones_silent_at_once_are_a_network_that_may_come_back(
    count: int, given_up: bool
) -> None:
    pulses = {LegId(f"leg-{n}"): silent() for n in range(count)}
    for pulse in pulses.values():
        pulse.said(Reply.NOTHING, 0.75)

    assert to_give_up(pulses, 0.75) == (list(pulses) if given_up else [])
    assert to_give_up(pulses, NETWORK_AWAY) == list(pulses)


def test_four_of_ten_phones_are_no_network() -> None:
    pulses = {LegId(f"leg-{n}"): silent() for n in range(4)}
    for pulse in pulses.values():
        pulse.said(Reply.NOTHING, 0.75)
    going_on = {LegId(f"other-{n}"): heard() for n in range(6)}

    assert to_give_up(pulses | going_on, 0.75) == list(pulses)


def test_those_whose_machines_refuse_are_given_up_however_many_they_are() -> None:
    pulses = {LegId(f"leg-{n}"): silent() for n in range(4)}
    for pulse in pulses.values():
        pulse.said(Reply.REFUSED, 0.31)

    assert to_give_up(pulses, 0.31) == list(pulses)
