"""After a crash an operator's own call is hung up, where a caller goes back to the dialplan."""

from __future__ import annotations

from ess_pbx.domain.events import LegGone
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.engine.reconcile import UNKNOWN_CAUSE, reconcile

CALLER, DESK, KNOWN = "ess1-1.1", "ess1-1.2", LegId("ess1-1.3")
CHANNELS = (CALLER, DESK, KNOWN)


def test_a_desk_call_nobody_knows_is_hung_up_and_a_caller_is_not() -> None:
    outcome = reconcile({}, CHANNELS, CHANNELS, (), {DESK, KNOWN}, (KNOWN,))
    assert outcome.back_to_dialplan == (CALLER,)
    assert outcome.hang_up == (LegId(DESK),)
    assert outcome.gone == ()


def test_a_desk_call_that_is_gone_is_told_gone() -> None:
    outcome = reconcile({}, (), (), (), set(), (KNOWN,))
    assert outcome.gone == (LegGone(CallId(KNOWN), KNOWN, UNKNOWN_CAUSE),)
