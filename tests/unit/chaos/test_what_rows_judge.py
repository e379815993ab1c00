"""What the rows read off facts and samples: a centre that keeps no promise is seen to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.faults.asterisk import all_usable
from ess_pbx.chaos.faults.clock import flagged, stood_over
from ess_pbx.chaos.faults.engine import orphans
from ess_pbx.chaos.faults.soak import Sample, growth
from ess_pbx.domain.facts import Fact, FactKind

Told = tuple[float, FactKind, str | None, dict[str, Any]]


def given_centre(*told: Told, ari: dict[str, list[str]] | None = None) -> CentreProcess:
    facts = [
        (at, Fact(id=str(n), centre="c", call=call, kind=kind, at=0.0, ms=0, data=data))
        for n, (at, kind, call, data) in enumerate(told)
    ]

    async def ask(what: str) -> list[dict[str, str]]:
        return [{"id": each} for each in (ari or {})[what]]

    stub = SimpleNamespace(
        facts=facts, ari=ask, told=lambda kind: [each for each in facts if each[1].kind == kind]
    )
    return cast(CentreProcess, stub)


def agent(at: float, extension: str, status: str, state: str = "idle") -> Told:
    data = {"agent": extension, "status": status, "state": state, "call": None}
    return at, FactKind.AGENT_STATE, None, data


def test_all_operators_are_usable_when_the_last_one_is() -> None:
    away = [agent(10.9, each, "away") for each in ("1", "2", "3")]
    back = [agent(12.0 + n, each, "present") for n, each in enumerate(("1", "2"))]

    assert all_usable(given_centre(*away, *back, agent(17.5, "3", "present")), 10.0) == 7.5
    assert all_usable(given_centre(*away, *back), 10.0) is None


def test_an_operator_who_is_passed_over_is_not_usable() -> None:
    there = [agent(11.0, "1", "away"), agent(12.0, "1", "present")]
    paused = [agent(13.0, "1", "present", "paused"), agent(18.0, "1", "present")]

    assert all_usable(given_centre(*there, *paused), 10.0) == 8.0
    assert all_usable(given_centre(*there, paused[0]), 10.0) is None
    assert all_usable(given_centre(*there, agent(19.0, "1", "break")), 10.0) is None


def test_a_call_that_stood_over_a_jump_is_to_have_it_on_record() -> None:
    arrived, ended = FactKind.CALL_ARRIVED, FactKind.CALL_ENDED
    jumped = FactKind.CLOCK_JUMPED
    centre = given_centre(
        (1.0, arrived, "stood", {}),
        (1.0, arrived, "forgotten", {}),
        (1.0, arrived, "left before it was read", {}),
        (10.05, arrived, "came later", {}),
        (12.0, ended, "left before it was read", {}),
        (14.0, jumped, None, {"seconds": 3600}),
        (14.0, jumped, "stood", {"seconds": 3600}),
        (20.0, ended, "stood", {}),
    )

    assert stood_over(centre, (10.0, 10.1)) == {"stood", "forgotten"}
    assert flagged(centre, (10.0, 10.1)) == {"stood"}
    assert flagged(centre, (30.0, 30.1)) == set()


async def test_what_belongs_to_a_caller_who_is_gone_is_an_orphan() -> None:
    there, gone, back = "n-1.1", "n-2.2", "n-cb3.3.1"
    centre = given_centre(
        ari={
            "channels": [there, f"{there}~op1", f"{gone}~op1", f"{back}~op1"],
            "bridges": [f"{there}~br", f"{gone}~br"],
        }
    )

    assert await orphans(centre) == {f"{gone}~op1", f"{gone}~br"}


def test_what_grows_with_the_calls_is_seen_and_what_comes_and_goes_is_not() -> None:
    def samples(memory: int, bridges: int) -> list[Sample]:
        return [Sample(float(n), memory + n, 29, 88_000, 230, 34, bridges) for n in range(60)]

    checks = {each.name: each for each in growth(samples(180_000, 16), samples(181_000, 18))}
    assert all(each.passed for each in checks.values())
    assert checks["engine, memory grown by"].value == 0.6

    leaks = {each.name: each for each in growth(samples(180_000, 16), samples(200_000, 30))}
    assert not leaks["engine, memory grown by"].passed
    assert not leaks["bridges grown by"].passed
    assert not any(each.passed for each in growth([], []))
