"""What counts as a double bridge while events go missing."""

from __future__ import annotations

from ess_pbx.chaos.faults.ari_events import Listed, doubles


def channel(leg: str, phone: str) -> Listed:
    return {"id": leg, "name": f"PJSIP/{phone}-00000001"}


def bridge(*legs: str) -> Listed:
    return {"channels": list(legs)}


def test_one_operator_for_each_call_is_none() -> None:
    channels = [channel("n-1~op2", "1001"), channel("n-2~op2", "1002"), channel("n-1", "telco")]
    bridges = [bridge("n-1", "n-1~op2"), bridge("n-2", "n-2~op2", "announcer")]
    assert doubles(channels, bridges) == set()


def test_two_operators_of_one_call_are_one_also_in_two_bridges() -> None:
    channels = [channel("n-1~op2", "1001"), channel("n-1~op3", "1002")]
    assert doubles(channels, [bridge("n-1", "n-1~op2", "n-1~op3")]) == {"n-1"}
    assert doubles(channels, [bridge("n-1", "n-1~op2"), bridge("n-1~op3")]) == {"n-1"}


def test_an_operator_in_bridges_of_two_calls_is_one() -> None:
    channels = [channel("n-1~op2", "1001"), channel("n-2~op2", "1001")]
    assert doubles(channels, [bridge("n-1~op2"), bridge("n-2~op2")]) == {"PJSIP/1001"}
