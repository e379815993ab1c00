"""What people ask of a centre is done, or refused with what was wrong."""

from __future__ import annotations

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.commands import Asker, EndBreak, Via
from ess_pbx.domain.effects import Refused

from .centre import CENTRE

SUPERVISOR = Asker("3001", Via.CLI)


def test_an_operator_nobody_knows_is_refused() -> None:
    core = CallCentre(CENTRE)
    (refused,) = core.decide(EndBreak(SUPERVISOR, "9999"), 0.0)
    assert isinstance(refused, Refused)
    assert refused.code == "unknown-operator"
    assert "'9999'" in refused.detail


def test_an_operator_on_break_takes_calls_again() -> None:
    core = CallCentre(CENTRE)
    seat = core.acd.seats["2001"]
    seat.on_duty = seat.reachable = True
    seat.on_break = "tidak menjawab"
    effects = core.decide(EndBreak(SUPERVISOR, "2001"), 0.0)
    assert not any(isinstance(each, Refused) for each in effects)
    assert seat.free
