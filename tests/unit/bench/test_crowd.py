"""Whether callers were served in turn, read off the facts."""

from __future__ import annotations

from ess_pbx.bench.crowd import out_of_turn
from ess_pbx.domain.facts import Fact, FactKind

ARRIVED, OFFERED, ENDED = FactKind.CALL_ARRIVED, FactKind.OFFERED, FactKind.CALL_ENDED
INVITED_AT = {"a": 1.0, "b": 2.0}


def of(*facts: tuple[FactKind, str]) -> int:
    return out_of_turn(
        Fact(
            id=str(n),
            centre="c",
            call=call,
            kind=kind,
            at=float(n),
            ms=0,
            data={"invited_at": INVITED_AT[call]},
        )
        for n, (kind, call) in enumerate(facts)
    )


def test_a_crowd_is_judged_by_who_called_first_of_those_who_wait() -> None:
    assert of((ARRIVED, "b"), (ARRIVED, "a"), (OFFERED, "a"), (OFFERED, "b")) == 0
    assert of((ARRIVED, "b"), (OFFERED, "b"), (ARRIVED, "a")) == 0
    assert of((ARRIVED, "b"), (ARRIVED, "a"), (OFFERED, "b")) == 1
    assert of((ARRIVED, "a"), (ARRIVED, "b"), (ENDED, "a"), (OFFERED, "b")) == 0
