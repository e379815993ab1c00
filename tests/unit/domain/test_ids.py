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


def test_no_two_things_of_a_call_share_an_identifier() -> None:
    assert len({ids.caller_leg(CALL), *OWN, ids.operator_leg(CALL, 3)}) == len(OWN) + 2
