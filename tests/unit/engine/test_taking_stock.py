"""What Asterisk's channels and bridges are in the core's words."""

from __future__ import annotations

from typing import Any

import pytest

from ess_pbx.ari import models
from ess_pbx.ari.translate import Translator
from ess_pbx.demo.stage import sample
from ess_pbx.domain.found import FoundLeg
from ess_pbx.domain.ids import LegId
from ess_pbx.engine.taking_stock import found_leg, talking_in

CALLED = LegId("ess1-cb1.1~cb")
NOW = "2026-01-01T09:00:00.000+0700"


def look(
    channel: str,
    context: str,
    *,
    state: str = "Up",
    ours: bool = True,
    data: str = "",
    endpoint: str = "telco-a",
) -> FoundLeg:
    nobody = models.CallerID(name="", number="08123456789")
    found = models.Channel(
        id=channel,
        protocol_id="",
        name=f"PJSIP/{endpoint}-00000003",
        state=state,
        caller=nobody,
        connected=nobody,
        accountcode="",
        dialplan=models.DialplanCEP(
            context=context, exten="112", priority=1, app_name="Stasis", app_data=data
        ),
        creationtime=NOW,
        language="id",
        channelvars={"ESS_CENTRE": sample().centres[0].id},
    )
    return found_leg(found, frozenset([channel] if ours else []), Translator(sample()))


@pytest.mark.parametrize(("ours", "arrives"), [(True, True), (False, False)])
def test_a_caller_is_ours_when_the_dialplan_has_given_them_to_us(ours: bool, arrives: bool) -> None:
    assert (look("ess1-1.1", "emergency", ours=ours).arrival is not None) is arrives


def test_an_operator_who_dialled_a_code_is_no_caller() -> None:
    leg = look("ess1-1.1", "desk", data="ess-pbx,desk,*11")
    assert (leg.at_desk, leg.arrival) == (True, None)


def test_a_test_call_that_an_engine_before_had_is_no_caller() -> None:
    leg = look("ess1-1.1", "emergency", endpoint="uji")
    assert (leg.at_desk, leg.arrival) == (True, None)


def test_an_operators_leg_tells_whose_it_is() -> None:
    assert look("ess1-1.1~op1", "x", data="ess-pbx,operator,ess1-1.1,1004").party == "1004"


CALLED_BACK: list[tuple[dict[str, Any], tuple[bool, bool, bool]]] = [
    # → answered as far as we are concerned, a caller, to be recorded first
    ({"context": "x", "state": "Ringing", "ours": False}, (False, False, False)),
    ({"context": "x", "data": "ess-pbx,caller,ess1-cb1.1"}, (True, True, True)),
    ({"context": "call-back", "ours": False}, (False, False, False)),
    ({"context": "call-back", "data": "ess-pbx,recorded"}, (True, True, False)),
    ({"context": "unclaimed-c", "ours": False}, (True, False, False)),
]


@pytest.mark.parametrize(("channel", "told"), CALLED_BACK)
def test_who_is_called_back_is_a_caller_once_they_answered(
    channel: dict[str, Any], told: tuple[bool, bool, bool]
) -> None:
    leg = look(CALLED, **channel)
    assert (leg.up, leg.arrival is not None, leg.to_be_recorded) == told
    if leg.arrival is not None:
        assert leg.arrival.centre == sample().centres[0].id


def test_a_tone_that_plays_in_a_bridge_is_nobody_to_talk_with() -> None:
    operator = LegId("ess1-cb1.1~op1")
    bridge = models.Bridge(
        id="b",
        bridge_class="stasis",
        bridge_type="mixing",
        channels=[operator, "announcer"],
        creationtime=NOW,
        creator="Stasis",
        name="",
        technology="softmix",
    )
    assert talking_in(bridge, {operator}) == {operator}
