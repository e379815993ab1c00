"""No engine is there: the dialplan rings a few free phones for each caller, never all for each."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.asterisk.render import AT_ONCE
from ess_pbx.domain.config import Operator
from ess_pbx.installation import Installation
from ess_pbx.phones.softphone import Answer, Behaviour
from ess_pbx.phones.softphone_call import SoftCall

from .story import QUICK, SOON, Caller, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

STAFF: tuple[str, ...] = tuple(str(number) for number in range(1001, 1001 + 2 * AT_ONCE))
ALL_RING: tuple[Behaviour, ...] = tuple("ring" for _ in STAFF)
MOST_CALLERS = 4
MUSIC = 2.0
"""Seconds of it that a caller hears for whom nobody is free, before anybody else is rung."""
OFFERED_AGAIN = 2.2
"""Seconds after which the next who may be free is looked for: music, and an offer."""


async def given_nobody_leads(given: GivenCentre, *behaviours: Behaviour, ring: float = 30) -> Story:
    """A phone each, as they behave; then the engine is stopped."""
    staff = STAFF[: len(behaviours)]
    story = await given(
        started=False,
        first_menu=None,
        policy=replace(QUICK, ring=ring),
        operators=tuple(Operator(extension=each, name=each) for each in staff),
        on_duty=staff,
    )
    (trunk,) = story.settings.trunks
    # SIPp has a port for each caller, and a trunk is its port.
    trunks = (
        replace(trunk, id=f"telco-{at}", port=free_port(socket.SOCK_DGRAM))
        for at in range(MOST_CALLERS)
    )
    story.settings = replace(story.settings, trunks=tuple(trunks))
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    for number, (extension, behaviour) in enumerate(zip(staff, behaviours, strict=True)):
        # No process has more than four calls: two desks.
        await story.given_operators(extension, behaviour=behaviour, desk=number % 2)
    listed = story.installation.folders.fallback / story.centre.id
    await until(lambda: listed.read_text().count("PJSIP/") == len(staff), "all are on the list")
    await story.when_the_engine_stops()
    return story


def rings(story: Story, caller: Caller) -> list[SoftCall]:
    """The calls of this caller at any phone that there ever were, in the order of their coming."""
    calls = (call for desk in story.desks for call in desk.calls)
    end = caller.number.removeprefix("+62")
    coming = [call for call in calls if end in call.caller_id]
    return sorted(coming, key=lambda call: call.at["incoming"])


async def until_channels(story: Story, count: int) -> None:
    """So many are left: of a phone that has just stopped to ring it is not known yet."""
    console = story.installation.console

    async def channels() -> int:
        told = await console.ask("core show channels concise")
        return sum(line.startswith("PJSIP/") for line in told.splitlines())

    async with asyncio.timeout(SOON):
        while await channels() != count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def when_somebody_dials(story: Story, at: int = 0) -> Caller:
    port = story.settings.trunks[at].port
    return await story.when_caller_dials("112", f"+62812345678{at:02}", from_port=port)


async def when_somebody_calls(story: Story, at: int = 0) -> Caller:
    caller = await when_somebody_dials(story, at)
    await until(lambda: bool(rings(story, caller)), "a phone rings")
    return caller


async def who_picks_up(story: Story, caller: Caller) -> SoftCall:
    def picked_up() -> list[SoftCall]:
        return [call for call in rings(story, caller) if "answered" in call.at]

    await until(lambda: bool(picked_up()), "somebody picks up")
    (call,) = picked_up()
    return call


async def test_a_few_phones_ring_for_a_caller_and_others_for_the_next(
    given_centre: GivenCentre,
) -> None:
    story = await given_nobody_leads(given_centre, *ALL_RING)

    callers = [await when_somebody_calls(story, at) for at in range(2)]

    def rung() -> list[list[str]]:
        return [[call.account for call in rings(story, caller)] for caller in callers]

    await until(lambda: min(map(len, rung())) >= AT_ONCE, f"{AT_ONCE} phones ring for each")
    first, second = rung()
    assert (len(first), len(second)) == (AT_ONCE, AT_ONCE)
    assert {*first, *second} == {*STAFF}


async def test_who_talks_is_not_rung_and_who_is_free_is(given_centre: GivenCentre) -> None:
    desks = [Answer(0.1), Answer(0.6), Answer(1.1)]  # whoever is first has the caller
    story = await given_nobody_leads(given_centre, *desks)
    talking: list[tuple[Caller, SoftCall]] = []
    for at in range(3):
        caller = await when_somebody_calls(story, at)
        talking.append((caller, await who_picks_up(story, caller)))
        await until_channels(story, 2 * len(talking))

    # Each talks with somebody else, and nobody who talked was rung.
    assert len({call.account for _, call in talking}) == 3
    assert [len(rings(story, caller)) for caller, _ in talking] == [3, 2, 1]

    fourth = await when_somebody_dials(story, 3)
    await fourth.hears_the_centre()
    await asyncio.sleep(OFFERED_AGAIN)
    assert rings(story, fourth) == []

    left, operator = talking[1]
    await left.call.hang_up()
    await until(lambda: bool(rings(story, fourth)), "who is free again is rung")
    assert [call.account for call in rings(story, fourth)] == [operator.account]


async def test_who_is_refused_by_some_rings_the_next_at_once(given_centre: GivenCentre) -> None:
    refusing: list[Behaviour] = ["busy"] * 5
    story = await given_nobody_leads(given_centre, *refusing, Answer(0.1))

    for at in range(3):  # wherever the round begins
        caller = await when_somebody_dials(story, at)
        call = await who_picks_up(story, caller)
        assert call.account == STAFF[5]
        assert call.at["incoming"] - caller.call.at["invited"] < MUSIC
        await caller.call.hang_up()
        await call.ended(SOON)
        await until_channels(story, 0)


async def test_whom_nobody_answers_rings_the_next_phones(given_centre: GivenCentre) -> None:
    story = await given_nobody_leads(given_centre, *ALL_RING, ring=1)

    caller = await when_somebody_calls(story)
    await until(lambda: len({c.account for c in rings(story, caller)}) == len(STAFF), "all rang")

    *first, next_one = rings(story, caller)[: AT_ONCE + 1]
    await until(lambda: "ended" in first[0].at, "the first stops to ring")
    assert next_one.at["incoming"] - first[0].at["ended"] < MUSIC


async def test_the_only_phone_rings_for_the_next_caller_too(given_centre: GivenCentre) -> None:
    """Nobody is free, and yet nobody talks: who rings may be picked up for either."""
    story = await given_nobody_leads(given_centre, "ring")

    first = await when_somebody_calls(story, 0)
    began = time.monotonic()
    second = await when_somebody_calls(story, 1)

    assert time.monotonic() - began < SOON
    assert [len(rings(story, each)) for each in (first, second)] == [1, 1]
