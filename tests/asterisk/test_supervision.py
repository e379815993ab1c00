"""A supervisor listens, whispers, barges in and takes over; heard by whom, told by tones."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from msgspec.structs import replace

from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.commands import (
    Asker,
    Command,
    Mode,
    PullCall,
    StopSupervising,
    Supervise,
    Via,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.phones import audio
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.softphone import Answer
from ess_pbx.phones.softphone_call import SoftCall

from .story import (
    AGENCY_TONE,
    CALLER_TONE,
    HEARD_DBOV,
    NOT_HEARD_DBOV,
    QUICK,
    SOON,
    UNBROKEN,
    Caller,
    GivenCentre,
    Story,
    until,
)
from .test_desk_codes import dialling, enters, given_pins
from .test_recording import assert_recorded_only, recording_began

pytestmark = pytest.mark.asterisk

OPERATOR, SUPERVISOR = "1001", "1007"
OPERATOR_TONE, SUPERVISOR_TONE = operator_tone(OPERATOR), operator_tone(SUPERVISOR)
VOICES = (OPERATOR_TONE, SUPERVISOR_TONE)
WHILE = 1.0
"""Seconds for which it is looked who hears whom."""
BY = Asker("diskominfo", Via.API)
Stage = tuple[float, float]


def call_id(story: Story) -> CallId:
    (arrived,) = story.told_of(FactKind.CALL_ARRIVED)
    return CallId(str(arrived.call))


def when_commanded(story: Story, command: Command) -> None:
    assert story.engine.dispatcher.command(command) is None


def when_supervised(story: Story, mode: Mode) -> None:
    when_commanded(story, Supervise(BY, call_id(story), SUPERVISOR, mode))


async def supervised(
    story: Story, mode: Mode, behaviour: Answer | None = None
) -> tuple[Caller, SoftCall, SoftCall]:
    """A call with which a supervisor is, whose phone was rung: caller, operator, supervisor."""
    caller, operator = await story.given_talking(OPERATOR)
    await story.given_operators(SUPERVISOR, behaviour=behaviour or Answer(0.1), desk=1)
    when_supervised(story, mode)
    supervisor = await story.desks[1].incoming(SUPERVISOR, SOON)
    await supervisor.answered(SOON)
    await supervisor.heard_sound(SOON)
    return caller, operator, supervisor


async def a_while(*listeners: Listener) -> Stage:
    """Some time, of which all know what they heard."""
    await asyncio.sleep(0.3)  # what was just heard may have begun in the middle of a packet
    since = time.monotonic()
    ends = since + WHILE
    await asyncio.sleep(WHILE)
    await until(lambda: all(each.heard_until() >= ends for each in listeners), "heard till then")
    return since, ends


def assert_hears_only(listener: Listener, stage: Stage, *hertz: int) -> None:
    """Of the three voices these are heard all that time, and no other."""
    for each in (CALLER_TONE, OPERATOR_TONE, SUPERVISOR_TONE):
        levels = [
            listener.tone_level_dbov(each, (at, at + 0.1))
            for at in np.arange(stage[0], stage[1] - 0.1, 0.1)
        ]
        name, level = listener.name_for_errors(), float(np.median(levels))
        if each in hertz:
            assert level >= HEARD_DBOV, f"{name} does not hear {each} Hz: {level}"
        else:
            assert max(levels) < NOT_HEARD_DBOV, f"{name} hears {each} Hz: {levels}"


def _modes_are_more_than(story: Story, count: int) -> bool:
    return len(story.told_of(FactKind.SUPERVISION_MODE)) > count


async def test_from_their_phone_a_supervisor_goes_through_all_modes_without_leaving(
    given_centre: GivenCentre, record_property: Callable[[str, object], None]
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    pins = await given_pins(story, SUPERVISOR)
    caller, operator = await story.given_talking(OPERATOR)
    await story.given_operators(SUPERVISOR)
    stages: dict[str, tuple[Stage, set[int]]] = {}

    async with dialling(story, SUPERVISOR, f"*18{OPERATOR}") as supervisor:
        await enters(story, supervisor, pins[SUPERVISOR])
        asked = time.monotonic()
        await story.assert_fact(
            FactKind.SUPERVISION_MODE, mode="listen", by=SUPERVISOR, via="phone"
        )
        await story.assert_hears(supervisor, CALLER_TONE, OPERATOR_TONE)
        heard_after = time.monotonic() - asked
        everyone = (caller.rtp, operator, supervisor)
        stage = await a_while(*everyone)
        assert_hears_only(caller.rtp, stage, OPERATOR_TONE)
        assert_hears_only(operator, stage, CALLER_TONE)
        assert_hears_only(supervisor, stage, CALLER_TONE, OPERATOR_TONE)
        stages["listen"] = stage, {OPERATOR_TONE}
        assert story.engine.centres.seats[SUPERVISOR].state is AgentState.SUPERVISING

        gaps: dict[str, float] = {}
        for key, mode in (("2", "whisper"), ("3", "barge"), ("2", "whisper"), ("1", "listen")):
            count = len(story.told_of(FactKind.SUPERVISION_MODE))
            since = supervisor.heard_until()
            await supervisor.press(key)
            await until(partial(_modes_are_more_than, story, count), f"mode {mode}")
            stage = await a_while(*everyone)
            gaps[mode] = max(gaps.get(mode, 0), supervisor.longest_silence(since, stage[1]))
            caller_hears = {OPERATOR_TONE} | ({SUPERVISOR_TONE} if mode == "barge" else set())
            operator_hears = {CALLER_TONE} | ({SUPERVISOR_TONE} if mode != "listen" else set())
            assert_hears_only(caller.rtp, stage, *caller_hears)
            assert_hears_only(operator, stage, *operator_hears)
            assert_hears_only(supervisor, stage, CALLER_TONE, OPERATOR_TONE)
            stages[f"{mode}-{count}"] = stage, caller_hears

        since = supervisor.heard_until()
        await supervisor.press("4")
        await story.assert_fact(
            FactKind.TAKEN_OVER, agent=SUPERVISOR, former=OPERATOR, by=SUPERVISOR, via="phone"
        )
        await operator.ended(SOON)
        stage = await a_while(caller.rtp, supervisor)
        gaps["take-over"] = supervisor.longest_silence(since, stage[1])
        assert_hears_only(caller.rtp, stage, SUPERVISOR_TONE)
        assert_hears_only(supervisor, stage, CALLER_TONE)
        stages["take-over"] = stage, {SUPERVISOR_TONE}
        seats = story.engine.centres.seats
        assert seats[SUPERVISOR].state is AgentState.TALKING
        await until(lambda: seats[OPERATOR].call is None, "the operator is free of the call")
        record_property("heard_after_ms", round(heard_after * 1000))
        record_property("gaps_ms", {mode: round(gap * 1000) for mode, gap in gaps.items()})
        assert max(gaps.values()) <= UNBROKEN, gaps

    record = await story.assert_one_ending(caller)
    assert record.call["operator"] == SUPERVISOR
    (recording,) = record.recordings
    sound, rate = soundfile.read(Path(recording["path"]), dtype="int16", always_2d=True)
    assert rate == audio.SAMPLE_RATE
    began = recording_began(sound[:, 1], caller.rtp)
    for stage, heard in stages.values():
        assert_recorded_only(sound[:, 1], began, stage, VOICES, heard)
    assert not next(iter(story.engine.centres)).desks.calls
    assert story.engine.failed_requests == 0


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER, Mode.BARGE])
async def test_a_supervisor_whose_phone_is_rung_comes_and_goes_without_the_call(
    given_centre: GivenCentre, mode: Mode
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    caller, operator, supervisor = await supervised(story, mode)
    assert f"Dengar {OPERATOR}" in supervisor.caller_id

    stage = await a_while(caller.rtp, operator, supervisor)
    assert_hears_only(supervisor, stage, CALLER_TONE, OPERATOR_TONE)
    spoken = {SUPERVISOR_TONE}
    assert_hears_only(caller.rtp, stage, OPERATOR_TONE, *(spoken if mode is Mode.BARGE else ()))
    assert_hears_only(operator, stage, CALLER_TONE, *(() if mode is Mode.LISTEN else spoken))

    when_commanded(story, StopSupervising(BY, call_id(story)))
    assert await supervisor.ended(SOON) == "far"
    await story.assert_fact(
        FactKind.SUPERVISION_ENDED, supervisor=SUPERVISOR, by="diskominfo", via="api"
    )
    stage = await a_while(caller.rtp, operator)
    assert_hears_only(caller.rtp, stage, OPERATOR_TONE)
    assert_hears_only(operator, stage, CALLER_TONE)
    seat = story.engine.centres.seats[SUPERVISOR]
    await until(lambda: seat.state is AgentState.IDLE, "the supervisor is free")
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER, Mode.BARGE])
async def test_a_caller_who_hangs_up_leaves_nothing_of_supervision(
    given_centre: GivenCentre, mode: Mode
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    caller, _, supervisor = await supervised(story, mode)

    await caller.call.hang_up()

    assert await supervisor.ended(SOON) == "far"
    record = await story.assert_one_ending(caller)
    assert record.call["operator"] == OPERATOR
    assert sorted(leg["role"] for leg in record.legs) == ["caller", "operator", "supervisor"]


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER, Mode.BARGE])
async def test_a_supervisors_phone_that_dies_costs_the_caller_nothing(
    given_centre: GivenCentre, mode: Mode
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    caller, operator, _ = await supervised(story, mode)

    story.when_phones_die(desk=1)

    stage = await a_while(caller.rtp, operator)
    assert_hears_only(caller.rtp, stage, OPERATOR_TONE)
    assert_hears_only(operator, stage, CALLER_TONE)
    # Nobody tells Asterisk of a phone that is gone; somebody may see it.
    when_commanded(story, StopSupervising(BY, call_id(story)))
    stage = await a_while(caller.rtp, operator)
    assert_hears_only(caller.rtp, stage, OPERATOR_TONE)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_who_barges_in_has_the_caller_when_the_operator_goes(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    caller, operator, supervisor = await supervised(story, Mode.BARGE)

    await operator.hang_up()

    await story.assert_fact(FactKind.TAKEN_OVER, agent=SUPERVISOR, former=OPERATOR, via="system")
    stage = await a_while(caller.rtp, supervisor)
    assert_hears_only(caller.rtp, stage, SUPERVISOR_TONE)
    assert_hears_only(supervisor, stage, CALLER_TONE)
    await supervisor.hang_up()
    record = await story.assert_one_ending(caller)
    assert (record.call["operator"], record.call["ended_by"]) == (SUPERVISOR, "operator")


async def test_an_operator_may_be_told_of_being_listened_to_and_the_caller_is_not(
    given_centre: GivenCentre,
) -> None:
    policy = replace(QUICK, show_listening=True)
    story = await given_centre(on_duty=(OPERATOR,), policy=policy)
    caller, operator = await story.given_talking(OPERATOR)
    await story.given_operators(SUPERVISOR, behaviour=Answer(0.1), desk=1)
    since = time.monotonic()
    when_supervised(story, Mode.LISTEN)
    await story.assert_fact(FactKind.SUPERVISION_MODE, mode="listen")
    await asyncio.sleep(3.0)
    stage = since, time.monotonic() - 0.5
    await until(lambda: operator.heard_until() >= stage[1], "heard till then")

    # While the prompt plays the operator hears it in place of the caller.
    without_caller = [
        at
        for at in np.arange(stage[0], stage[1] - 0.1, 0.1)
        if operator.tone_level_dbov(CALLER_TONE, (at, at + 0.1)) < NOT_HEARD_DBOV
    ]
    assert 0.5 < len(without_caller) * 0.1 < 2.5
    await story.assert_they_talk(caller, operator)
    (supervisor,) = story.desks[1].calls
    await story.assert_hears(supervisor, CALLER_TONE, OPERATOR_TONE)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def when_another_engine_comes(story: Story) -> None:
    await story.when_the_engine_stops()
    await story.when_the_engine_is_back()
    await story.assert_fact(FactKind.CALL_ADOPTED)


@pytest.mark.parametrize("mode", [Mode.LISTEN, Mode.WHISPER, Mode.BARGE])
async def test_a_supervisor_outlives_the_engine_and_nobody_notices(
    given_centre: GivenCentre, mode: Mode, record_property: Callable[[str, object], None]
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    caller, operator, supervisor = await supervised(story, mode)
    began = time.monotonic()

    await when_another_engine_comes(story)

    everyone = (caller.rtp, operator, supervisor)
    stage = await a_while(*everyone)
    gaps = [each.longest_silence(began, stage[1]) for each in everyone]
    record_property("gaps_ms", [round(1000 * gap) for gap in gaps])
    assert max(gaps) <= UNBROKEN, gaps
    spoken = {SUPERVISOR_TONE}
    assert_hears_only(supervisor, stage, CALLER_TONE, OPERATOR_TONE)
    assert_hears_only(caller.rtp, stage, OPERATOR_TONE, *(spoken if mode is Mode.BARGE else ()))
    assert_hears_only(operator, stage, CALLER_TONE, *(() if mode is Mode.LISTEN else spoken))
    assert story.engine.centres.seats[SUPERVISOR].state is AgentState.SUPERVISING

    await supervisor.press("4")
    await operator.ended(SOON)
    stage = await a_while(caller.rtp, supervisor)
    assert_hears_only(caller.rtp, stage, SUPERVISOR_TONE)
    assert_hears_only(supervisor, stage, CALLER_TONE)
    await caller.call.hang_up()
    record = await story.assert_one_ending(caller)
    assert record.call["operator"] == SUPERVISOR


async def test_a_call_that_was_taken_over_is_the_supervisors_for_the_next_engine_too(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    caller, operator, supervisor = await supervised(story, Mode.TAKE_OVER)
    await story.assert_fact(FactKind.TAKEN_OVER, agent=SUPERVISOR, former=OPERATOR)
    began = time.monotonic()

    await when_another_engine_comes(story)

    await operator.ended(SOON)
    stage = await a_while(caller.rtp, supervisor)
    assert caller.rtp.longest_silence(began, stage[1]) <= UNBROKEN
    assert_hears_only(caller.rtp, stage, SUPERVISOR_TONE)
    assert_hears_only(supervisor, stage, CALLER_TONE)
    seats = story.engine.centres.seats
    assert seats[SUPERVISOR].state is AgentState.TALKING
    await until(lambda: seats[OPERATOR].call is None, "the operator is free of the call")
    await supervisor.hang_up()
    record = await story.assert_one_ending(caller)
    assert (record.call["operator"], record.call["ended_by"]) == (SUPERVISOR, "operator")


async def test_who_listens_by_code_does_so_after_the_engine_too(given_centre: GivenCentre) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    pins = await given_pins(story, SUPERVISOR)
    caller, operator = await story.given_talking(OPERATOR)
    await story.given_operators(SUPERVISOR)
    async with dialling(story, SUPERVISOR, f"*18{OPERATOR}") as supervisor:
        await enters(story, supervisor, pins[SUPERVISOR])
        await story.assert_hears(supervisor, CALLER_TONE, OPERATOR_TONE)

        await when_another_engine_comes(story)

        everyone = (caller.rtp, operator, supervisor)
        stage = await a_while(*everyone)
        assert_hears_only(caller.rtp, stage, OPERATOR_TONE)
        assert_hears_only(supervisor, stage, CALLER_TONE, OPERATOR_TONE)
        await supervisor.press("3")
        await story.assert_fact(FactKind.SUPERVISION_MODE, mode="barge", by=SUPERVISOR, via="phone")
        await caller.rtp.heard_tone(SUPERVISOR_TONE, SOON)
    await story.assert_fact(FactKind.SUPERVISION_ENDED, reason="hung up")
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
    assert not next(iter(story.engine.centres)).desks.calls


async def test_a_waiting_caller_is_pulled_to_a_supervisor_or_stays_in_place(
    given_centre: GivenCentre,
) -> None:
    rings = replace(QUICK, ring=5)  # to be picked up on a busy machine, and missed before that
    story = await given_centre(on_duty=(OPERATOR,), first_menu=None, policy=rings)
    await story.given_operators(SUPERVISOR)
    caller = await story.when_caller_dials()
    await caller.hears_the_centre()
    await story.assert_fact(FactKind.QUEUED)

    when_commanded(story, PullCall(BY, call_id(story), SUPERVISOR))
    ringing = await story.phones.incoming(SUPERVISOR, SOON)
    await story.assert_fact(FactKind.OFFER_MISSED, agent=SUPERVISOR)
    assert await ringing.ended(SOON) == "far"
    assert story.engine.centres.seats[SUPERVISOR].call is None
    seat = story.engine.centres.seats[SUPERVISOR]
    await until(lambda: seat.state is AgentState.IDLE, "the pause is over")

    when_commanded(story, PullCall(BY, call_id(story), SUPERVISOR))
    ringing = await story.phones.incoming(SUPERVISOR, SOON)
    await ringing.answer()
    await story.assert_they_talk(caller, ringing)
    assert len(story.told_of(FactKind.CALL_PULLED, by="diskominfo", via="api")) == 2
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_a_listener_hears_the_consult_too_and_leaves_with_the_operator(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    agency = await story.given_agency()
    caller, operator, supervisor = await supervised(story, Mode.LISTEN)
    await operator.press("*119#")
    await (await agency.invited(SOON)).answered(SOON)
    await story.assert_hears(supervisor, OPERATOR_TONE, AGENCY_TONE)

    await operator.press("*3#")
    await story.assert_fact(FactKind.CONFERENCE)
    await story.assert_hears(supervisor, OPERATOR_TONE, AGENCY_TONE, CALLER_TONE)
    stage = await a_while(caller.rtp, operator, story.agency_line)
    assert_hears_only(caller.rtp, stage, OPERATOR_TONE)
    assert_hears_only(story.agency_line, stage, CALLER_TONE, OPERATOR_TONE)

    await operator.press("*4#")
    assert await supervisor.ended(SOON) == "far"
    await caller.rtp.heard_tone(AGENCY_TONE, SOON)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_on_hold_the_operator_alone_is_heard_and_a_call_handed_over_can_be_joined(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    agency = await story.given_agency()
    caller, operator = await story.given_talking(OPERATOR)
    await story.given_operators(SUPERVISOR, behaviour=Answer(0.1), desk=1)
    await operator.press("*0#")
    await story.assert_fact(FactKind.HELD)

    when_supervised(story, Mode.WHISPER)
    supervisor = await story.desks[1].incoming(SUPERVISOR, SOON)
    await story.assert_hears(supervisor, OPERATOR_TONE)
    await story.assert_hears(operator, SUPERVISOR_TONE)
    when_supervised(story, Mode.BARGE)
    await story.assert_fact(FactKind.SUPERVISION_MODE, mode="barge")
    await story.assert_hears(supervisor, OPERATOR_TONE)
    stage = await a_while(operator, supervisor)
    assert_hears_only(operator, stage, SUPERVISOR_TONE)
    when_supervised(story, Mode.LISTEN)
    await story.assert_fact(FactKind.SUPERVISION_MODE, mode="listen")
    await operator.press("*0#")
    await story.assert_they_talk(caller, operator)
    await story.assert_hears(supervisor, OPERATOR_TONE, CALLER_TONE)
    when_commanded(story, StopSupervising(BY, call_id(story)))
    assert await supervisor.ended(SOON) == "far"
    seat = story.engine.centres.seats[SUPERVISOR]
    await until(lambda: seat.state is AgentState.IDLE, "the supervisor is free")

    await operator.press("*8119#")
    await (await agency.invited(SOON)).answered(SOON)
    await caller.rtp.heard_tone(AGENCY_TONE, SOON)
    await story.assert_fact(FactKind.OPERATOR_LEFT)
    refused = story.engine.dispatcher.command(
        Supervise(BY, call_id(story), SUPERVISOR, Mode.LISTEN)
    )
    assert refused is not None
    assert "has left" in refused.detail
    when_supervised(story, Mode.TAKE_OVER)
    supervisor = await story.desks[1].incoming(SUPERVISOR, SOON)
    await story.assert_hears(supervisor, CALLER_TONE, AGENCY_TONE)
    await story.assert_hears(caller.rtp, SUPERVISOR_TONE, AGENCY_TONE)
    await story.assert_fact(FactKind.TAKEN_OVER, agent=SUPERVISOR, by="diskominfo")
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
    assert story.engine.failed_requests == 0


async def test_the_operators_phone_dies_while_the_supervisor_takes_over(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=(OPERATOR,))
    caller, _, supervisor = await supervised(story, Mode.LISTEN)
    pid = story.phones.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        when_supervised(story, Mode.TAKE_OVER)
        await story.assert_fact(FactKind.TAKEN_OVER, agent=SUPERVISOR)
        await caller.rtp.heard_tone(SUPERVISOR_TONE, SOON)
        await supervisor.heard_tone(CALLER_TONE, SOON)
    finally:
        story.when_phones_die()
    await caller.call.hang_up()
