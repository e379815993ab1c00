"""After a restart: who is sent back to the dialplan, who is hung up, and who is left to talk."""

from __future__ import annotations

from ess_pbx.ari import models
from ess_pbx.engine.reconcile import reconcile, talking_in

CALLED = "ess1-cb1.1~cb"


def a_bridge(*channels: str) -> models.Bridge:
    return models.Bridge(
        id="b",
        bridge_class="stasis",
        bridge_type="mixing",
        channels=list(channels),
        creationtime="2026-01-01T00:00:00.000+0000",
        creator="Stasis",
        name="",
        technology="softmix",
    )


def test_somebody_whose_phone_still_rings_to_be_called_back_is_hung_up() -> None:
    outcome = reconcile({}, [CALLED], [CALLED], (), unanswered={CALLED})
    assert (outcome.hang_up, outcome.back_to_dialplan) == ((CALLED,), ())


def test_somebody_who_was_called_back_and_answered_is_a_caller() -> None:
    outcome = reconcile({}, [CALLED], [CALLED], ())
    assert (outcome.hang_up, outcome.back_to_dialplan) == ((), (CALLED,))


def test_a_tone_that_plays_to_an_operator_is_nobody_to_talk_with() -> None:
    operator = "ess1-cb1.1~op1"
    assert talking_in([a_bridge(operator, "announcer")], {operator}) == set()
    assert talking_in([a_bridge(operator, CALLED)], {operator, CALLED}) == {operator, CALLED}


def test_a_supervisor_who_listens_for_an_engine_before_is_hung_up_and_no_one_else() -> None:
    caller, operator = "ess1-1.1", "ess1-1.1~op1"
    supervisor, snoop = "ess1-1.1~sv2", "ess1-1.1~sn3"
    channels = [caller, operator, supervisor, snoop]
    talking = talking_in([a_bridge(caller, operator), a_bridge(supervisor, snoop)], channels)

    outcome = reconcile({}, channels, channels, talking)

    assert (outcome.hang_up, outcome.back_to_dialplan) == ((supervisor, snoop), ())


def test_a_supervisor_who_has_barged_in_on_a_call_of_an_engine_before_talks_on() -> None:
    channels = ["ess1-1.1", "ess1-1.1~op1", "ess1-1.1~sv2"]
    talking = talking_in([a_bridge(*channels)], channels)
    assert reconcile({}, channels, channels, talking).hang_up == ()
