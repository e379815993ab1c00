"""Two engine processes: one leads, the other stands by, and takes over whatever becomes of it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.ari.connection import AriConnection
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine.executor import APP
from ess_pbx.engine.leader import MISSING_AFTER
from ess_pbx.errors import EssPbxError
from ess_pbx.phones.softphone import Answer
from ess_pbx.phones.softphone_call import SoftCall
from ess_pbx.serving import until_stopped
from ess_pbx.settings.model import Standby

from .killable import KillableStory
from .story import QUICK, SOON, UNBROKEN, Caller, GivenCentre, until

pytestmark = pytest.mark.asterisk

ADOPTED_WITHIN, ADOPTED_WITHIN_FROZEN = 3.0, 5.0
RINGS_WITHIN = 2.0
"""On a machine that is busy with other tests; `ess chaos` holds the bounds themselves."""
LONGEST_SILENCE = 3.0


async def given_pair(given_centre: GivenCentre, **options: Any) -> KillableStory:
    """A leader and a standby, with three trunks so that three can call."""
    story = await given_centre(kind=KillableStory, started=False, **options)
    assert isinstance(story, KillableStory)
    story.settings = replace(story.settings, standby=Standby(wanted=True))
    story.given_trunks(3)
    await story.given_it_runs()
    await story.when_a_standby_joins()
    return story


async def given_calls(story: KillableStory) -> tuple[Caller, SoftCall, Caller, SoftCall, Caller]:
    """One who talks to 1001, one for whom 1002 rings, and one who waits behind."""
    await story.given_operators("1001", behaviour=Answer(0.1))
    talking = await story.when_caller_dials(number="+6281234567891")
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(talking, operator)
    await story.given_operators("1002", desk=1)
    ports = [trunk.port for trunk in story.settings.trunks]
    ringing = await story.when_caller_dials(number="+6281234567892", from_port=ports[1])
    phone = await story.desks[1].incoming("1002", SOON)
    waiting = await story.when_caller_dials(number="+6281234567893", from_port=ports[2])
    await waiting.hears_the_centre()
    await story.assert_fact(FactKind.QUEUED, call=None)
    await until(lambda: len(story.told_of(FactKind.QUEUED)) >= 2, "both wait")
    return talking, operator, ringing, phone, waiting


async def assert_taken_over(story: KillableStory, since: float, calls: int, within: float) -> float:
    """That many calls are adopted by then; returns the seconds since, by the wall clock."""

    def adopted() -> list[float]:
        found = [fact.at for fact in story.told_of(FactKind.CALL_ADOPTED) if fact.at > since]
        return sorted(found)

    await until(lambda: len(adopted()) >= calls, f"{calls} calls adopted")
    took = adopted()[-1] - since
    assert len(adopted()) == calls
    assert took < within, took
    return took


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_every_call_goes_on_with_the_standby(
    given_centre: GivenCentre, fault: signal.Signals
) -> None:
    patient = replace(QUICK, ring=30)
    story = await given_pair(given_centre, first_menu=None, policy=patient)
    talking, operator, ringing, phone, waiting = await given_calls(story)
    leader, began = story.engine_pid, time.monotonic()

    since = time.time()
    os.kill(leader, fault)
    frozen = fault is signal.SIGSTOP
    took = await assert_taken_over(
        story, since, 3, ADOPTED_WITHIN_FROZEN if frozen else ADOPTED_WITHIN
    )
    print(f"{fault.name}: three calls adopted {1000 * took:.0f} ms later")

    await story.assert_led_by_the_standby()
    assert talking.rtp.longest_silence(since=began) < UNBROKEN
    await story.assert_they_talk(talking, operator)
    await phone.answer()
    await story.assert_they_talk(ringing, phone)
    assert len(story.told_of(FactKind.OFFERED, agent="1002")) == 1
    await talking.call.hang_up()
    await story.phones.incoming("1001", SOON)
    assert waiting.rtp.longest_silence(since=waiting.call.at["answered"]) < LONGEST_SILENCE
    await ringing.call.hang_up()
    await waiting.call.hang_up()
    await until(lambda: len(story.told_of(FactKind.CALL_ENDED)) == 3, "three calls ended")
    for caller in (talking, ringing, waiting):
        await story.assert_whole_record(caller)
    assert not story.told_of(FactKind.CALL_BACK_CREATED)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_who_calls_at_that_moment_rings_an_operator_and_is_on_record(
    given_centre: GivenCentre, fault: signal.Signals
) -> None:
    story = await given_pair(given_centre)
    await story.given_operators("1001", behaviour=Answer(0.1))
    since = time.time()
    os.kill(story.engine_pid, fault)

    caller = await story.when_caller_dials()
    operator = await story.phones.incoming("1001", SOON)
    took = operator.at["incoming"] - caller.call.at["invited"]
    print(f"{fault.name}: rings {1000 * took:.0f} ms after the INVITE")
    assert took < RINGS_WITHIN
    await story.assert_they_talk(caller, operator)

    await story.assert_led_by_the_standby()

    def standby_writes() -> bool:
        story.read_facts()
        return any(fact.at > since for fact in story.facts)

    await until(standby_writes, "the standby writes")
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    record = await story.assert_whole_record(caller)
    assert (record.call["operator"], record.call["result"]) == ("1001", "success")


async def test_a_leader_that_froze_writes_and_does_nothing_more(given_centre: GivenCentre) -> None:
    story = await given_pair(given_centre)
    caller, operator = await story.given_talking()
    os.kill(story.engine_pid, signal.SIGSTOP)
    # What it would hear of when it thaws: its call has ended.
    await caller.call.hang_up()
    assert await operator.ended(SOON) == "far"

    await story.assert_led_by_the_standby()
    await story.assert_whole_record(caller)

    engines = [fact.id.rpartition("-")[0] for fact in story.facts]
    assert len(set(engines)) == 2
    assert engines == sorted(engines, key=engines.index)  # the first writes nothing after the other


async def test_it_happens_twice_in_a_row(given_centre: GivenCentre) -> None:
    story = await given_pair(given_centre)
    caller, operator = await story.given_talking()
    began = time.monotonic()

    for fault in (signal.SIGKILL, signal.SIGSTOP):
        since = time.time()
        os.kill(story.engine_pid, fault)
        await assert_taken_over(story, since, 1, ADOPTED_WITHIN_FROZEN)
        await story.assert_led_by_the_standby()
        await story.when_a_standby_joins()

    assert caller.rtp.longest_silence(since=began) < UNBROKEN
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_whole_record(caller)


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP])
async def test_a_leader_that_is_asked_to_stop_hands_over(
    given_centre: GivenCentre, asked: signal.Signals
) -> None:
    story = await given_pair(given_centre)
    caller, operator = await story.given_talking()
    began, asterisk = time.monotonic(), story.asterisk_pid

    since = time.time()
    os.kill(story.engine_pid, asked)
    took = await assert_taken_over(story, since, 1, ADOPTED_WITHIN)
    print(f"{asked.name}: adopted {1000 * took:.0f} ms later")
    await story.assert_led_by_the_standby()

    assert story.asterisk_pid == asterisk
    assert caller.rtp.longest_silence(since=began) < UNBROKEN
    await story.assert_they_talk(caller, operator)
    async with asyncio.timeout(SOON):
        while not (await story.web("readyz"))["ok"]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    await caller.call.hang_up()
    await story.assert_whole_record(caller)


async def test_when_the_standby_goes_first_all_ends(given_centre: GivenCentre) -> None:
    story = await given_pair(given_centre)
    await story.when_the_engines_are_stopped()
    assert story.asterisk_pid is None


async def test_a_leader_without_a_standby_is_an_alarm_until_one_joins(
    given_centre: GivenCentre,
) -> None:
    story = await given_pair(given_centre)
    assert not story.told_of(FactKind.ALARM_RAISED, alarm="standby-missing")

    os.kill(story.engine_pid, signal.SIGKILL)
    await story.assert_led_by_the_standby()
    await story.assert_fact(FactKind.ALARM_RAISED, MISSING_AFTER + SOON, alarm="standby-missing")
    await story.when_a_standby_joins()
    await story.assert_fact(FactKind.ALARM_CLEARED, alarm="standby-missing")


async def test_an_engine_that_cannot_start_leaves_the_calls_that_it_found(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(kind=KillableStory)
    assert isinstance(story, KillableStory)
    caller, operator = await story.given_talking()
    await story.when_the_engine_is_killed()
    with (story.settings.folders.state / "journal" / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody has it any more
        with pytest.raises(AssertionError, match="in use by another engine"):
            await story.when_the_engine_is_back()
    await story.assert_they_talk(caller, operator)

    await story.when_the_engine_is_back()
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_whole_record(caller)


async def test_an_engine_that_another_displaced_stops_and_leaves_asterisk_to_it(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    installation, asterisk = story.installation, story.settings.asterisk
    assert installation.credentials is not None
    served = asyncio.create_task(until_stopped(installation, asyncio.Event()))
    other = AriConnection(
        *(asterisk.ari_host, asterisk.ari_port, APP, APP, installation.credentials.ari_password),
        on_event=lambda _: None,
    )
    async with other:
        await other.wait_connected(SOON)
        with pytest.raises(EssPbxError, match="another engine has taken over"):
            await asyncio.wait_for(served, SOON)
        await installation.stop()
        assert await other.call("GET", "channels") == []
    await installation.asterisk.stop()
