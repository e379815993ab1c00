"""The simulation's MixMonitors beside the real ones: the same scenes, and the same files.

Compared is which files there are, in the order in which they were begun, and of each whether it
grows, stands still or is empty, and whether Asterisk holds it open; and what is put on record.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.domain.facts import FactKind
from ess_pbx.simulation.virtual_asterisk import ImpossibleRequest

from .scenes import ALLOWED, FORBIDDEN, Scene, of_recordings
from .story import GivenCentre
from .test_virtual_asterisk import (
    CALLS_BACK,
    ONE,
    POLICY,
    Play,
    given_both,
    is_with_an_operator,
)

pytestmark = pytest.mark.asterisk

TALK_ONLY = replace(POLICY, record_waiting=False, ring=10)
OUTSIDE_RINGS = 9.0
"""Seconds: longer than it is looked at files, also on a busy machine."""
PAUSES = replace(POLICY, recording_pause=60.0)


async def is_stopped_begun_again_and_paused(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.stops_mixmonitor("op1")
    await scene.looks("somebody who has none is not recorded any more")
    await scene.stops_mixmonitor("caller")
    await scene.looks("the caller is not recorded any more")
    await scene.starts_mixmonitor("caller")
    await scene.looks("the caller is recorded again")
    await scene.pauses_recording()
    await scene.looks("it is paused")
    await scene.resumes_recording()
    await scene.looks("it goes on")
    await scene.caller_hangs_up()
    await scene.looks("it is over")


async def has_a_leg_recorded_on_its_own(scene: Scene) -> None:
    await is_with_an_operator(scene)
    await scene.dials("1001", "*119#", FactKind.PARTY_CONSULTED)
    await scene.looks("the agency is consulted")
    await scene.agency_hangs_up()
    await scene.waits_for(FactKind.BACK_TO_CALLER)
    await scene.looks("the agency has hung up")
    await scene.caller_hangs_up()
    await scene.looks("it is over")


async def leaves_before_the_answer(scene: Scene) -> None:
    await scene.caller_dials_unanswered()
    await scene.looks("nobody answers")
    await scene.gives_up()
    await scene.looks("the caller has left")
    await scene.engine_comes()
    await scene.is_over()
    await scene.looks("it is over")


async def calls_out_and_is_recorded(scene: Scene) -> None:
    await scene.phone_outside(answers_after=OUTSIDE_RINGS)
    await scene.calls_out("1001", ALLOWED, FactKind.OUTBOUND_STARTED)
    await scene.looks("it rings")
    await scene.waits_for(FactKind.OUTBOUND_ANSWERED)
    await scene.looks("it is answered")
    await scene.operator_hangs_up("1001")
    await scene.looks("it is over")


async def is_refused_before_it_is_answered(scene: Scene) -> None:
    await scene.calls_out("1001", FORBIDDEN, FactKind.OUTBOUND_REFUSED)
    await scene.is_over()
    await scene.looks("it is over")


async def waits_unrecorded(scene: Scene) -> None:
    await scene.caller_dials(FactKind.OPERATOR_RUNG)
    await scene.looks("the caller waits")
    await scene.answers("1001", FactKind.OPERATOR_ANSWERED)
    await scene.looks("they talk")
    await scene.caller_hangs_up()
    await scene.looks("it is over")


async def is_recorded_in_a_bridge_only(scene: Scene) -> None:
    await scene.engine_goes()
    await scene.caller_dials_in_vain("1001")
    await scene.looks("a phone rings")
    await scene.picks_up("1001")
    await scene.looks("they talk")
    await scene.gives_up()
    await scene.looks("the caller has left")
    await scene.engine_comes()
    await scene.waits_for(FactKind.RECORDING_FINISHED)


async def is_called_back(scene: Scene) -> None:
    await scene.caller_dials(FactKind.NO_OPERATOR)
    await scene.caller_hangs_up()
    await scene.phone_outside(answers_after=OUTSIDE_RINGS)
    await scene.registers("1001")
    await scene.picks_up("1001")
    await scene.looks("it rings")
    await scene.waits_for(FactKind.CALL_BACK_ATTEMPTED, outcome="reached")
    await scene.looks("they talk")
    await scene.operator_hangs_up("1001")
    await scene.looks("it is over")


PLAYS = [
    Play(is_stopped_begun_again_and_paused, ONE, policy=PAUSES),
    Play(has_a_leg_recorded_on_its_own, ONE),
    Play(leaves_before_the_answer),
    Play(calls_out_and_is_recorded, ONE),
    Play(is_refused_before_it_is_answered, ONE),
    Play(waits_unrecorded, ONE, policy=TALK_ONLY),
    Play(is_recorded_in_a_bridge_only, ONE, policy=TALK_ONLY),
    Play(is_called_back, policy=CALLS_BACK),
]


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.scene.__name__)
async def test_the_virtual_asterisk_records_what_the_real_one_records(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch, play: Play
) -> None:
    real, virtual = await given_both(given_centre, monkeypatch, play)

    await play.scene(real)
    await play.scene(virtual)

    assert virtual.heard.files == real.heard.files
    assert of_recordings(virtual.facts) == of_recordings(real.facts)


async def test_a_second_one_on_a_leg_is_no_error_to_asterisk_and_one_stop_ends_one_of_them(
    given_centre: GivenCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hence whoever begins one ends what there was, and the simulation takes two for wrong."""
    play = Play(is_with_an_operator, ONE)
    real, virtual = await given_both(given_centre, monkeypatch, play)
    await play.scene(real)
    await play.scene(virtual)

    await real.starts_mixmonitor("caller")
    await real.looks("two")
    await real.stops_mixmonitor("caller")
    await real.looks("one")

    assert [files for _, files in real.heard.files] == [
        {"caller 1": "grows", "caller 2": "grows"},
        {"caller 1": "grows", "caller 2": "stands still and is closed"},
    ]
    with pytest.raises(ImpossibleRequest, match="twice"):
        await virtual.starts_mixmonitor("caller")
