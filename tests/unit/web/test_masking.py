"""An operator sees a whole number only of the call that is theirs."""

from __future__ import annotations

from msgspec.structs import replace
from tests.unit.domain.centre import CALL, CENTRE, arrival

from ess_pbx.domain.call import OperatorSide
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.facts import Fact
from ess_pbx.domain.ids import operator_leg
from ess_pbx.web.accounts import Account, Role
from ess_pbx.web.masking import masked_data
from ess_pbx.web.views import call_views

NUMBER = "+628123456789"


def a_fact(kind: str, **data: str | None) -> Fact:
    return Fact(id="1", centre="contoh", call="c", kind=kind, at=0.0, ms=None, data=data)


def given_a_call() -> CallCentre:
    core = CallCentre(CENTRE)
    core.decide(arrival(), 0.0)
    return core


def number_seen(core: CallCentre, name: str, role: Role) -> str:
    (view,) = call_views(core, Account(name, role, "contoh"), 1.0)
    return view.number


def test_numbers_of_others_calls_are_masked_for_operators_only() -> None:
    core = given_a_call()
    assert number_seen(core, "2002", Role.OPERATOR) == "+62812****89"
    assert number_seen(core, "3001", Role.SUPERVISOR) == NUMBER
    assert number_seen(core, "admin", Role.ADMIN) == NUMBER


def test_a_call_that_is_offered_to_an_operator_shows_them_its_number() -> None:
    core = given_a_call()
    call = core.calls[CALL]
    core.calls[CALL] = replace(call, offers=(OperatorSide("2001", operator_leg(CALL, 1)),))
    assert number_seen(core, "2001", Role.OPERATOR) == NUMBER
    assert number_seen(core, "2002", Role.OPERATOR) != NUMBER


def test_every_number_of_a_fact_is_masked_also_one_that_looks_like_none() -> None:
    data = masked_data(
        a_fact(
            "call_arrived",
            caller_raw="5551234",
            caller_e164=NUMBER,
            caller_display="0812-3456-789",
            called="112",
            trunk="telco-a",
        )
    )
    assert data["called"] == "112"
    assert data["trunk"] == "telco-a"
    assert not any("5551234" in str(each) or "3456" in str(each) for each in data.values())


def test_a_callers_leg_is_masked_and_an_operators_is_not() -> None:
    caller = masked_data(a_fact("leg_ended", leg="c", role="caller", party="5551234", cause=None))
    operator = masked_data(a_fact("leg_ended", leg="x", role="operator", party="2001", cause=None))
    assert caller["party"] != "5551234"
    assert operator["party"] == "2001"


def test_numbers_deep_in_a_fact_are_masked() -> None:
    fact = a_fact("call_back_created", number=NUMBER, note=f"telepon {NUMBER}")
    assert NUMBER not in str(masked_data(fact))
