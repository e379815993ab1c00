"""Whoever meets an identifier in Asterisk knows the call it belongs to."""

from __future__ import annotations

import pytest

from ess_pbx.domain import ids

from .centre import CALL

OWN = (
    ids.operator_leg(CALL, 2),
    ids.agency_leg(CALL, 2),
    ids.bridge_of(CALL),
    ids.playback(CALL, 2),
)


@pytest.mark.parametrize("identifier", [ids.caller_leg(CALL), *OWN])
def test_an_identifier_tells_its_call(identifier: str) -> None:
    assert ids.call_of(identifier) == CALL


def test_only_the_callers_leg_is_the_callers() -> None:
    assert ids.is_caller(ids.caller_leg(CALL))
    assert not any(ids.is_caller(identifier) for identifier in OWN)


def test_a_call_back_is_named_after_the_call_it_came_of() -> None:
    made = ids.call_back(CALL, 3)
    again = ids.call_back(made, 4)
    for call in (made, again):
        assert ids.node_of(call) == ids.node_of(CALL)
        for leg in (ids.caller_leg(call), ids.operator_leg(call, 1)):
            assert ids.call_of(leg) == call
            assert ids.is_call_back(leg)
            assert not ids.is_caller(leg)
        assert ids.is_called_back(ids.caller_leg(call))
        assert not ids.is_called_back(ids.operator_leg(call, 1))
    assert made != again
    assert not ids.is_call_back(CALL)


def test_no_channel_of_a_call_back_has_an_id_with_which_another_begins() -> None:
    """Asterisk refuses such a channel (``does_id_conflict``)."""
    made = [ids.call_back(CALL, number) for number in (1, 10, 11)]
    channels = [leg for c in made for leg in (ids.caller_leg(c), ids.operator_leg(c, 1))]
    assert not any(a != b and b.startswith(a) for a in channels for b in channels)


def test_no_two_things_of_a_call_share_an_identifier() -> None:
    assert len({ids.caller_leg(CALL), *OWN, ids.operator_leg(CALL, 3)}) == len(OWN) + 2
