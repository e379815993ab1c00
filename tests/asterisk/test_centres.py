"""Two centres on one Asterisk: each call is its own centre's, with the engine and without it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.db.connect import create_engine
from ess_pbx.db.queries import recent_calls
from ess_pbx.domain.config import Operator
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine import fallback
from ess_pbx.installation import Installation
from ess_pbx.phones.softphone import Answer, Behaviour

from .story import QUICK, SOON, Caller, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

NORTH, SOUTH = "contoh", "selatan"
PHONE = {NORTH: "1001", SOUTH: "2002"}
"""Who is on duty; each sends a tone of its own."""
PATIENT = replace(QUICK, ring=30)
"""Nobody's phone rings twice for a call."""
OFF_DUTY = {NORTH: "1003", SOUTH: "2003"}


@dataclass(frozen=True)
class Way:
    """A way in: the trunk, the number that it delivers, and the centre that must answer."""

    trunk: str
    dialled: str
    centre: str


WAYS = (
    Way("trunk-north", "112", NORTH),
    Way("trunk-south", "112", SOUTH),
    Way("trunk-shared", "0254112", NORTH),
    Way("trunk-shared", "+62252112", SOUTH),
    Way("trunk-shared", "0252112", SOUTH),
    Way("trunk-shared", "999", NORTH),
    Way("trunk-south", "sos", SOUTH),
)


async def given_two_centres(
    given_centre: GivenCentre, *, policy: Any = PATIENT, behaviour: Behaviour = "ring"
) -> Story:
    """A trunk for each centre and one that they share; one operator of each has a phone."""
    story = await given_centre(
        started=False,
        first_menu=None,
        policy=policy,
        on_duty=(PHONE[NORTH],),
        off_duty=(OFF_DUTY[NORTH],),
    )
    south, other = PHONE[SOUTH], OFF_DUTY[SOUTH]
    now, later = story.centre.shifts
    second = replace(
        story.centre,
        id=SOUTH,
        name="Pusat 112 Contoh Selatan",
        area_code="0252",
        operators=tuple(
            Operator(extension=each, name=f"Selatan {each}") for each in (south, other)
        ),
        shifts=(replace(now, operators=(south,)), replace(later, operators=(other,))),
    )
    (trunk,) = story.settings.trunks
    shared = {"0252112": SOUTH, "+62252112": SOUTH}
    ways: tuple[tuple[str, str, tuple[str, ...], dict[str, str]], ...] = (
        ("trunk-north", NORTH, ("112",), {}),
        ("trunk-south", SOUTH, ("112", "0252112"), {}),
        ("trunk-shared", NORTH, ("0254112",), shared),
    )
    trunks = tuple(
        replace(
            trunk,
            id=name,
            centre=home,
            entry_numbers=own,
            centres=others,
            port=free_port(socket.SOCK_DGRAM),
        )
        for name, home, own, others in ways
    )
    story.settings = replace(story.settings, centres=(story.centre, second), trunks=trunks)
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    await story.given_operators(*PHONE.values(), behaviour=behaviour)
    return story


async def when_somebody_calls(story: Story, way: Way, at: int) -> Caller:
    """Each from a number of their own, by which they are found again."""
    (port,) = (each.port for each in story.settings.trunks if each.id == way.trunk)
    return await story.when_caller_dials(way.dialled, f"+62812345678{at:02}", from_port=port)


async def test_each_way_in_leads_to_the_operator_of_the_right_centre_and_its_records(
    given_centre: GivenCentre,
) -> None:
    story = await given_two_centres(given_centre, behaviour=Answer(0.1))
    calls = {}
    for at, way in enumerate(WAYS):
        caller = await when_somebody_calls(story, way, at)
        operator = await story.phones.incoming(PHONE[way.centre], SOON)
        await story.assert_they_talk(caller, operator)
        await caller.call.hang_up()
        record = await story.assert_one_ending(caller)
        assert (record.call["centre"], record.call["operator"]) == (way.centre, operator.account)
        assert {each["state"] for each in record.recordings} == {"finished"}
        calls[record.call["id"]] = way.centre

    # Nobody else's phone ever rang, and no fact is in another centre's books.
    assert [call.account for call in story.phones.calls] == [PHONE[way.centre] for way in WAYS]
    facts = [fact for fact in story.facts if fact.call is not None]
    assert {(fact.call, fact.centre) for fact in facts} == set(calls.items())
    agents = {(f.centre, f.data["agent"]) for f in story.told_of(FactKind.AGENT_STATE)}
    assert agents == set(PHONE.items())
    unknown = story.told_of(FactKind.ALARM_RAISED, alarm="unknown-number")
    assert [(fact.centre, fact.data["detail"]) for fact in unknown] == [
        (NORTH, "trunk-shared: 999"),
        (SOUTH, "trunk-south: sos"),
    ]
    database = create_engine(story.settings.database.url)
    try:
        for centre in PHONE:
            found = {row["id"] for row in await recent_calls(database, centre=centre)}
            assert found == {call for call, home in calls.items() if home == centre}
    finally:
        await database.dispose()


async def test_without_an_engine_each_way_in_rings_the_phones_of_the_right_centre(
    given_centre: GivenCentre,
) -> None:
    story = await given_two_centres(given_centre)
    await story.given_operators(*OFF_DUTY.values())
    await story.when_the_engine_stops()

    for at, way in enumerate(WAYS):
        caller = await when_somebody_calls(story, way, at)
        operator = await story.phones.incoming(PHONE[way.centre], SOON)
        await caller.hears_the_centre()
        await operator.answer()
        await story.assert_they_talk(caller, operator)
        await caller.call.hang_up()
        assert await operator.ended(SOON) == "far"

    assert [call.account for call in story.phones.calls] == [PHONE[way.centre] for way in WAYS]


async def test_a_centre_whose_operators_are_away_keeps_its_callers_and_others_phones_quiet(
    given_centre: GivenCentre,
) -> None:
    story = await given_two_centres(given_centre, behaviour=Answer(0.1))
    await story.phones.unregister(PHONE[SOUTH])
    await story.assert_reachable(PHONE[SOUTH], False)

    waiting = await when_somebody_calls(story, WAYS[1], 0)
    alarm = await story.assert_fact(FactKind.ALARM_RAISED, alarm="no-operator:umum")
    talking = await when_somebody_calls(story, WAYS[0], 1)
    operator = await story.phones.incoming(PHONE[NORTH], SOON)
    await story.assert_they_talk(talking, operator)
    await talking.call.hang_up()

    assert alarm.centre == SOUTH
    assert waiting.call.end is None
    assert [call.account for call in story.phones.calls] == [PHONE[NORTH]]


async def test_a_phone_calls_its_own_centre_and_no_other(given_centre: GivenCentre) -> None:
    story = await given_two_centres(given_centre)
    caller = OFF_DUTY[SOUTH]
    await story.given_operators(caller)
    host, port = story.sip_address

    elsewhere = await story.phones.dial(caller, f"sip:0254112@{host}:{port}")
    await elsewhere.ended(SOON)
    await story.phones.dial(caller, f"sip:112@{host}:{port}")
    await story.phones.incoming(PHONE[SOUTH], SOON)

    arrived = story.told_of(FactKind.CALL_ARRIVED)
    assert [(fact.centre, fact.data["called"]) for fact in arrived] == [(SOUTH, "112")]


async def test_a_new_engine_keeps_the_centres_apart(given_centre: GivenCentre) -> None:
    story = await given_two_centres(given_centre, behaviour=Answer(0.1))
    await story.when_the_engine_stops()
    await story.when_the_engine_is_back()
    for phone in PHONE.values():
        await story.assert_reachable(phone)

    for at, way in enumerate(WAYS[2:4]):
        caller = await when_somebody_calls(story, way, at)
        operator = await story.phones.incoming(PHONE[way.centre], SOON)
        await story.assert_they_talk(caller, operator)
        await caller.call.hang_up()
        assert (await story.assert_one_ending(caller)).call["centre"] == way.centre


async def test_the_phones_of_each_centre_are_in_a_list_of_their_own(
    given_centre: GivenCentre,
) -> None:
    story = await given_two_centres(given_centre)
    folder = story.installation.folders.fallback

    def lists() -> dict[str, str]:
        return {path.name: path.read_text() for path in folder.iterdir()}

    wanted = {
        centre: fallback.dial_string([phone], ()) + fallback.END for centre, phone in PHONE.items()
    }
    await until(lambda: lists() == wanted, f"{wanted} in {folder}")
