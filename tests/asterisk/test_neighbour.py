"""Two installations, each with its engine and Asterisk: a call and its report go from one to the
other, over SIP and HTTP, whatever fails between.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.bench.sip_message import offer, request
from ess_pbx.db.connect import create_engine
from ess_pbx.db.queries import audit_log
from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.config import Neighbour
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.incident import Incident
from ess_pbx.installation import Installation
from ess_pbx.metrics import Metrics
from ess_pbx.neighbours.secret_file import make_secret
from ess_pbx.phones.softphone import Answer
from ess_pbx.settings.model import Trunk
from ess_pbx.sip.call_info import call_info
from ess_pbx.web.control import Control, control_socket
from ess_pbx.web.server import WebServer

from .killable import KillableStory
from .story import CALLER_NUMBER, CALLER_TONE, SOON, Caller, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk

NORTH, SOUTH = "contoh", "selatan"
OPERATOR, THEIRS = "1001", "1002"
"""One at each centre; their tones differ."""
CODE, TO_SOUTH = "*251#", "pusat-tetangga"
FIELDS = {
    "category": "kebakaran",
    "place": "Pasar lama, belakang masjid",
    "caller_name": "Ibu Sari",
    "narrative": "Api dari kios kain.",
    "victims": 2,
}


async def given_neighbours(
    given_centre: GivenCentre, tmp_path: Path, *, north_kind: type[Story] = Story, web: bool = True
) -> tuple[Story, Story]:
    """A centre in the north that hands over to one in the south; ``web``: the south serves HTTP."""
    options: dict[str, Any] = {"first_menu": None, "started": False}
    north = await given_centre(on_duty=(OPERATOR,), kind=north_kind, **options)
    south = await given_centre(on_duty=(THEIRS,), id=SOUTH, name="Pusat 112 Selatan", **options)
    secret = tmp_path / "secret"
    make_secret(secret)
    _knows(north, south, secret, trunk=None)
    _knows(south, north, secret, trunk="pusat-utara")
    host, port = north.sip_address
    from_north = Trunk(
        id="pusat-utara", name="Pusat Utara", address=host, port=port, entry_numbers=("112",)
    )
    south.settings = replace(
        south.settings,
        trunks=(*south.settings.trunks, from_north),
        web=replace(south.settings.web, enabled=web),
    )
    for story in (north, south):
        story.installation = Installation(story.settings)
        await story.given_it_runs()
    await north.given_operators(OPERATOR, behaviour=Answer(0.1))
    await south.given_operators(THEIRS, behaviour=Answer(0.3))
    return north, south


def _knows(story: Story, other: Story, secret: Path, trunk: str | None) -> None:
    """The last agency of the sample centre is the other centre."""
    web, (host, port) = other.settings.web, other.sip_address
    neighbour = Neighbour(
        centre=other.centre.id,
        url=f"http://{web.host}:{web.port}",
        secret=str(secret),
        trunk=trunk,
    )
    *agencies, last = story.centre.agencies
    assert last.id == TO_SOUTH
    last = replace(last, contact=f"sip:112@{host}:{port}", neighbour=neighbour)
    centre = replace(story.centre, agencies=(*agencies, last))
    story.settings = replace(story.settings, centres=(centre,))


async def given_a_call_with_a_report(north: Story) -> tuple[Caller, Any, str]:
    """Caller and operator talk, and what the operator has written has a number."""
    caller = await north.when_caller_dials()
    operator = await north.phones.incoming(OPERATOR, SOON)
    await north.assert_they_talk(caller, operator)
    arrived = await north.assert_fact(FactKind.CALL_ARRIVED)
    body = {"call": arrived.call, "fields": FIELDS}
    opened = await control(north).ask("POST", "/reports", body)
    return caller, operator, opened["report"]["number"]


def control(story: Story) -> Control:
    return Control(control_socket(story.settings))


async def report_in(south: Story, is_so: Callable[[Incident], bool], wanted: str) -> Incident:
    """The only report of the south, once it is so."""
    reports = south.engine.centres[SOUTH].incidents.open

    def holds() -> bool:
        assert len(reports) <= 1
        return any(map(is_so, reports.values()))

    await until(holds, wanted, 20)
    return next(iter(reports.values()))


async def assert_they_hear(caller: Caller, theirs: Any) -> None:
    await caller.rtp.heard_tone(operator_tone(THEIRS), SOON)
    await theirs.heard_tone(CALLER_TONE, SOON)


async def test_a_call_goes_to_the_neighbour_with_its_report(
    given_centre: GivenCentre, tmp_path: Path
) -> None:
    north, south = await given_neighbours(given_centre, tmp_path)
    caller, operator, ticket = await given_a_call_with_a_report(north)

    await operator.press(CODE)
    theirs = await south.phones.incoming(THEIRS, SOON)
    await operator.heard_tone(operator_tone(THEIRS), SOON)
    await theirs.heard_tone(operator_tone(OPERATOR), SOON)
    arrived = await south.assert_fact(FactKind.CALL_ARRIVED)
    passed_on = await south.assert_fact(FactKind.CALL_HANDED_OVER, origin=NORTH, ticket=ticket)
    report = await report_in(south, lambda each: arrived.call in each.calls, "linked")

    origin = report.origin
    assert origin is not None
    assert (origin.centre, origin.ticket) == (NORTH, ticket)
    assert [(each.id, each.number) for each in origin.calls] == [
        (passed_on.data["origin_call"], CALLER_NUMBER)
    ]
    assert report.fields.given() == FIELDS
    await operator.press("*3#")
    await north.assert_fact(FactKind.CONFERENCE)
    await operator.press("*4#")
    assert await operator.ended(SOON) == "far"
    await assert_they_hear(caller, theirs)
    seen = await control(south).ask("GET", f"/reports/{report.number}")
    assert seen["report"]["origin"]["ticket"] == ticket

    await caller.call.hang_up()
    assert await theirs.ended(SOON) == "far"
    (call,) = north.told_of(FactKind.CALL_ARRIVED)
    # What was said to the neighbour is a recording of its own, and may be finished first.
    recorded = await north.assert_fact(FactKind.RECORDING_FINISHED, recording=call.call)
    whole = await report_in(
        south, lambda each: each.origin is not None and bool(each.origin.recordings), "recording"
    )
    assert whole.origin is not None
    (reference,) = whole.origin.recordings
    assert (reference.call, reference.sha256) == (recorded.call, recorded.data["sha256"])
    await north.assert_fact(FactKind.REPORT_DELIVERED)
    sent, received = await audited(north), await audited(south)
    assert {"report_opened", "report_handed_over", "report_delivered"} <= sent.keys()
    assert sent["report_handed_over"] == "panggilan-dialihkan"
    assert received["report_received"] == f"pusat:{NORTH}"
    log = (north.folder / "engine.log").read_text()  # of both
    assert CALLER_NUMBER not in log
    assert "Api dari kios" not in log


async def audited(story: Story) -> dict[str, str]:
    """Who did what last, out of the database."""
    await story.engine.stored(SOON)
    database = create_engine(story.settings.database.url)
    try:
        rows = await audit_log(database, story.centre.id, by=None, limit=100)
        return {row["action"]: row["by"] for row in rows}
    finally:
        await database.dispose()


async def test_a_report_that_could_not_be_told_arrives_later_and_once_after_a_crash_too(
    given_centre: GivenCentre, tmp_path: Path
) -> None:
    north, south = await given_neighbours(
        given_centre, tmp_path, north_kind=KillableStory, web=False
    )
    assert isinstance(north, KillableStory)
    caller, operator, ticket = await given_a_call_with_a_report(north)
    await operator.press(CODE)
    theirs = await south.phones.incoming(THEIRS, SOON)
    await operator.heard_tone(operator_tone(THEIRS), SOON)
    await north.assert_fact(FactKind.REPORT_HANDED_OVER, report=ticket, agency=TO_SOUTH)
    await north.assert_fact(FactKind.ALARM_RAISED, 20, alarm=f"neighbour:{TO_SOUTH}")
    (waits,) = await control(north).ask("GET", "/hand-overs")
    assert (waits["report"], waits["acknowledged"]) == (ticket, 0)

    await north.when_the_engine_is_killed()
    await serve(south)
    await north.when_the_engine_is_back()

    arrived = await south.assert_fact(FactKind.CALL_HANDED_OVER)
    report = await report_in(south, lambda each: arrived.call in each.calls, "linked")
    assert report.origin is not None
    assert report.origin.ticket == ticket
    await north.assert_fact(FactKind.REPORT_DELIVERED, report=ticket, theirs=report.number)
    await asyncio.sleep(1.5)  # longer than the first delay: would it be told again?
    assert len(south.told_of(FactKind.REPORT_OPENED)) == 1
    versions = [int(str(fact.data["version"])) for fact in south.told_of(FactKind.REPORT_RECEIVED)]
    assert versions == sorted(set(versions))
    await operator.press("*4#")
    await assert_they_hear(caller, theirs)
    await caller.call.hang_up()
    await north.assert_fact(FactKind.CALL_ENDED)
    await north.assert_fact(FactKind.ALARM_CLEARED, 40, alarm=f"neighbour:{TO_SOUTH}")


async def serve(story: Story) -> None:
    """Its HTTP is there from now on."""
    assert story.installation.web is not None
    await story.installation.web.stop()
    story.settings = replace(story.settings, web=replace(story.settings.web, enabled=True))
    story.installation.web = WebServer(story.settings, story.engine, Metrics(story.engine))
    await story.installation.web.start()
    assert story.installation.web.trouble is None


GOOD = call_info(NORTH, "ess1-1763786000.7", f"{NORTH}-20261122-0003")
HOSTILE = (
    "",
    "<urn:emergency:uid:callid",
    '"${SHELL(touch x)}",),(\'`$(id)`;|&\\,,<urn:emergency:uid:callid:a:b>',
    GOOD.replace(NORTH, SOUTH),
    f"{GOOD[:60]}\u00e9\u202e{GOOD[60:]}",
    GOOD.replace("CallId", "IncidentId"),
)


async def when_invited(story: Story, trunk: Trunk, number: str, info: str) -> None:
    """An INVITE of one datagram, such as no phone of ours would send."""
    host, port = story.sip_address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((trunk.address, trunk.port))
        headers = {
            "From": f"<sip:{number}@{trunk.address}>;tag={number[1:]}",
            "To": f"<sip:112@{host}>",
            "Call-ID": f"{number[1:]}-test",
            "CSeq": "1 INVITE",
            "Contact": f"<sip:{trunk.address}:{trunk.port}>",
            **({"Call-Info": info} if info else {}),
        }
        body = offer(trunk.address, 40000)
        uri = f"sip:112@{host}:{port}"
        local = trunk.address, trunk.port
        line.sendto(
            request("INVITE", uri, local, headers, branch=number[1:], body=body), (host, port)
        )
        await story.assert_fact(FactKind.CALL_ARRIVED, caller_raw=number)


async def test_only_a_neighbour_says_what_call_of_theirs_it_is_and_only_its_own(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(first_menu=None, started=False)
    telco = story.settings.trunks[0]
    north = replace(telco, id="pusat-utara", name="Pusat Utara", port=free_port(socket.SOCK_DGRAM))
    *agencies, last = story.centre.agencies
    last = replace(last, neighbour=Neighbour(centre=NORTH, trunk="pusat-utara"))
    centre = replace(story.centre, id=SOUTH, agencies=(*agencies, last))
    story.settings = replace(story.settings, centres=(centre,), trunks=(telco, north))
    story.installation = Installation(story.settings)
    await story.given_it_runs()

    await when_invited(story, telco, "+628120000001", GOOD)
    for at, header in enumerate(HOSTILE):
        await when_invited(story, north, f"+62813000000{at}", header)
    await when_invited(story, north, "+628120000002", GOOD)

    last_call = await story.assert_fact(FactKind.CALL_ARRIVED, caller_raw="+628120000002")
    (passed_on,) = story.told_of(FactKind.CALL_HANDED_OVER)
    assert passed_on.call == last_call.call
    assert passed_on.data == {
        "origin": NORTH,
        "origin_call": "ess1-1763786000.7",
        "ticket": f"{NORTH}-20261122-0003",
    }
    assert len(story.told_of(FactKind.CALL_ARRIVED)) == 2 + len(HOSTILE)
