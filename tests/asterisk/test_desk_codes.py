"""Operators tell the centre their status on their own phone: codes, PIN, and what comes of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from msgspec.structs import replace

from ess_pbx.ari.models import ChannelDtmfReceived, Event
from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.demo.stage import sample
from ess_pbx.domain.agent import AgentState
from ess_pbx.domain.desk_call import Step
from ess_pbx.domain.facts import FactKind
from ess_pbx.installation import Installation
from ess_pbx.phones.softphone import Answer
from ess_pbx.phones.softphone_call import SoftCall
from ess_pbx.settings.pins import make_pins

from .story import QUICK, SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk


async def given_pins(story: Story, *extensions: str) -> dict[str, str]:
    return await asyncio.to_thread(make_pins, story.settings.folders.state, extensions)


@asynccontextmanager
async def dialling(story: Story, extension: str, code: str) -> AsyncIterator[SoftCall]:
    """A call to a code from an operator's phone, its first prompt heard; hung up at the end."""
    host, port = story.sip_address
    call = await story.phones.dial(extension, f"sip:{code}@{host}:{port}")
    try:
        await call.answered(SOON)
        await call.heard_sound(SOON)
        yield call
    finally:
        await call.hang_up()


async def enters(story: Story, call: SoftCall, keys: str) -> None:
    """Press keys one by one; as people do, clear them with ``*`` when one was not taken well.

    On a machine as busy as tests make it, a key of pjsua can be lost or come twice.
    """
    for last in (False, False, True):
        for at, key in enumerate(keys[:-1]):
            await call.press(key)
            await assert_taken(story, at + 1)
        if taken(story) == keys[:-1]:
            break
        assert not last, "keys were taken wrong three times"
        await call.press("*")
        await until(lambda: taken(story) == "", "the keys are cleared")
    await call.press(keys[-1])


async def enters_pin(story: Story, call: SoftCall, pin: str) -> None:
    """Enter one's PIN; again, as people do, if other keys came of it and it is refused."""
    for _ in range(3):
        refused = len(story.told_of(FactKind.PIN_REFUSED))

        def is_refused(before: int = refused) -> bool:
            return len(story.told_of(FactKind.PIN_REFUSED)) > before

        def is_judged() -> bool:
            return step_of(story) not in {Step.PIN, Step.CHECKING} or is_refused()

        with keys_told(story) as told:
            await enters(story, call, pin)
            await until(is_judged, "the PIN is judged")
        # What a PIN that came as it was pressed leads to is for the test to say.
        if not is_refused() or "".join(told).endswith(pin):
            return


@contextmanager
def keys_told(story: Story) -> Iterator[list[str]]:
    """All keys that Asterisk tells meanwhile."""
    told: list[str] = []
    line = story.engine.ari
    hear = line._on_event

    def listen(event: Event) -> None:
        if isinstance(event, ChannelDtmfReceived):
            told.append(event.digit)
        hear(event)

    line._on_event = listen
    try:
        yield told
    finally:
        line._on_event = hear


async def assert_taken(story: Story, count: int) -> None:
    await until(lambda: len(taken(story)) >= count, f"{count} keys")


def taken(story: Story) -> str:
    return next((each.keys for each in next(iter(story.engine.centres)).desks.calls.values()), "")


async def when_dialled(story: Story, extension: str, code: str, *keys: str) -> None:
    """Dial, press keys (each after the other was taken), and listen until it is hung up."""
    async with dialling(story, extension, code) as call:
        for each in keys:
            asked = enters_pin if step_of(story) is Step.PIN else enters
            await asked(story, call, each)
            if each is not keys[-1]:
                await until(lambda: step_of(story) is Step.REASON, "the next question")
        assert await call.ended(SOON) == "far"
    await until(lambda: not story.engine.centres.beside, "the call is over for the engine")


async def assert_wrong_pins(story: Story, count: int) -> None:
    await until(lambda: len(story.told_of(FactKind.PIN_REFUSED)) == count, f"{count} wrong PINs")


def step_of(story: Story) -> Step | None:
    return next((each.step for each in next(iter(story.engine.centres)).desks.calls.values()), None)


async def test_who_logs_out_by_phone_is_offered_nothing_until_they_log_in_again(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(first_menu=None)
    pins = await given_pins(story, "1001")
    await story.given_operators("1001", "1002")

    await when_dialled(story, "1001", "*12", pins["1001"])

    await story.assert_fact(
        FactKind.AGENT_STATUS, agent="1001", status="logged-out", by="1001", via="phone"
    )
    caller = await story.when_caller_dials()
    await story.phones.incoming("1002", SOON)
    assert story.told_of(FactKind.OFFERED, agent="1001") == []
    await story.engine.stored(SOON)

    await when_dialled(story, "1001", "*11", pins["1001"])
    await story.phones.incoming("1001", QUICK.ring + SOON)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
    assert pins["1001"] not in (story.folder / "engine.log").read_text()
    assert not [fact for fact in story.facts if pins["1001"] in str(fact.data)]
    assert story.told_of(FactKind.KEY_PRESSED) == []


async def test_three_wrong_pins_end_the_call_change_nothing_and_many_raise_an_alarm(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(policy=replace(QUICK, pin_alarm=4))
    pins = await given_pins(story, "1001", "1002")
    await story.given_operators("1001")

    for calls in (1, 2):
        async with dialling(story, "1001", "*12") as call:
            for count in range(1, 4):
                # Another's PIN is as wrong as any.
                await enters(story, call, pins["1002"])
                wanted = (calls - 1) * 3 + count
                await assert_wrong_pins(story, wanted)
            assert await call.ended(SOON) == "far"
        raised = story.told_of(FactKind.ALARM_RAISED, alarm="wrong-pin:1001")
        assert len(raised) == calls - 1

    assert story.engine.centres.seats["1001"].present
    assert story.told_of(FactKind.AGENT_STATUS) == []
    await story.assert_all_released()


async def test_a_break_taken_by_phone_while_it_rings_gives_the_caller_to_the_next(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(first_menu=None, policy=replace(QUICK, ring=30))
    pins = await given_pins(story, "1001")
    await story.given_operators("1001", "1002")
    caller = await story.when_caller_dials()
    ringing = await story.phones.incoming("1001", SOON)

    await when_dialled(story, "1001", "*13", pins["1001"], "2")

    assert await ringing.ended(SOON) == "far"
    other = await story.phones.incoming("1002", SOON)
    await other.answer()
    await story.assert_they_talk(caller, other)
    await story.assert_fact(FactKind.AGENT_STATUS, agent="1001", status="break", reason="sholat")
    await when_dialled(story, "1001", "*14", pins["1001"])
    assert story.engine.centres.seats["1001"].free
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_the_end_of_wrap_up_by_phone_brings_the_next_caller_at_once(
    given_centre: GivenCentre,
) -> None:
    policy = replace(QUICK, wrap_up=300, ring=30)
    story = await given_centre(started=False, first_menu=None, on_duty=("1001",), policy=policy)
    trunk = story.settings.trunks[0]
    second_trunk = replace(trunk, id="telco-b", port=free_port(socket.SOCK_DGRAM))
    story.settings = replace(story.settings, trunks=(trunk, second_trunk))
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    pins = await given_pins(story, "1001")
    await story.given_operators("1001", behaviour=Answer(0.1))
    first = await story.when_caller_dials()
    operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(first, operator)
    await first.call.hang_up()
    seat = story.engine.centres.seats["1001"]
    await until(lambda: seat.state is AgentState.WRAP_UP, "wrap-up")
    second = await story.when_caller_dials(number="+6281234567891", from_port=second_trunk.port)
    await second.hears_the_centre()
    assert len(story.told_of(FactKind.OFFERED)) == 1

    async with dialling(story, "1001", "*15") as call:
        await enters_pin(story, call, pins["1001"])
        await story.assert_fact(FactKind.WRAP_UP_ENDED, agent="1001", by="1001", via="phone")
        operator = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(second, operator)
    await second.call.hang_up()


async def test_status_and_breaks_survive_a_restart_of_the_engine(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(first_menu=None, on_duty=("1001", "1002", "1003"))
    pins = await given_pins(story, "1001", "1002")
    await story.given_operators("1001", "1002", "1003")
    await when_dialled(story, "1001", "*12", pins["1001"])
    await when_dialled(story, "1002", "*13", pins["1002"], "4")

    await story.when_the_engine_stops()
    await story.when_the_engine_is_back()
    for each in ("1001", "1002", "1003"):
        await story.assert_reachable(each)

    seats = story.engine.centres.seats
    assert not seats["1001"].logged_in
    assert seats["1002"].on_break == "toilet"
    caller = await story.when_caller_dials()
    await story.phones.incoming("1003", SOON)
    await story.assert_fact(FactKind.OFFER_MISSED, agent="1003")
    assert {fact.data["agent"] for fact in story.told_of(FactKind.OFFERED)} == {"1003"}
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_a_phone_that_registers_anew_is_logged_in_again(given_centre: GivenCentre) -> None:
    story = await given_centre(first_menu=None, on_duty=("1001",))
    pins = await given_pins(story, "1001")
    await story.given_operators("1001")
    await when_dialled(story, "1001", "*12", pins["1001"])

    await story.phones.unregister("1001")
    await story.assert_reachable("1001", False)
    assert not story.engine.centres.seats["1001"].logged_in
    await story.phones.register("1001")
    await story.assert_reachable("1001")

    await until(lambda: story.engine.centres.seats["1001"].free, "1001 is free")


async def test_a_desk_call_left_by_a_crashed_engine_is_hung_up_and_is_no_112_call(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.given_operators("1001", "1002")
    async with dialling(story, "1001", "*12") as call:
        await story.when_the_engine_stops()
        assert call.ended_by is None

        await story.when_the_engine_is_back()

        assert await call.ended(SOON) == "far"
    assert story.told_of(FactKind.CALL_ARRIVED) == []
    assert story.engine.centres.seats["1001"].logged_in
    await story.assert_all_released()


async def test_without_an_engine_the_operator_hears_an_apology_and_nobody_is_rung(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.given_operators("1001", "1002")
    await story.when_the_engine_stops()

    async with dialling(story, "1001", "*12") as call:
        assert await call.ended(SOON) == "far"

    assert [each for each in story.phones.calls if "incoming" in each.at] == []


async def test_a_code_nobody_knows_and_a_hang_up_at_each_step_leave_nothing_behind(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    pins = await given_pins(story, "1001")
    await story.given_operators("1001")
    await when_dialled(story, "1001", "*19")
    async with dialling(story, "1001", "*13"):
        pass
    async with dialling(story, "1001", "*13") as call:
        await call.press(pins["1001"][:3])
    async with dialling(story, "1001", "*13") as call:
        await enters_pin(story, call, pins["1001"])
        await until(lambda: step_of(story) is Step.REASON, "the reason is asked for")

    await until(lambda: not story.engine.centres.beside, "no call is left")
    await story.assert_all_released()
    assert story.engine.centres.seats["1001"].present


async def test_a_supervisor_logs_another_out_by_phone_and_an_operator_cannot(
    given_centre: GivenCentre,
) -> None:
    operators = tuple(
        replace(each, role="supervisor" if each.extension == "1001" else "operator")
        for each in sample().centre_named().operators
    )
    story = await given_centre(operators=operators)
    pins = await given_pins(story, "1001", "1002")
    await story.given_operators("1001", "1002")

    await when_dialled(story, "1002", "*161001", pins["1002"])
    assert story.engine.centres.seats["1001"].logged_in
    await when_dialled(story, "1001", "*161002", pins["1001"])

    assert not story.engine.centres.seats["1002"].logged_in
    await story.assert_fact(
        FactKind.AGENT_STATUS, agent="1002", status="logged-out", by="1001", via="phone"
    )
