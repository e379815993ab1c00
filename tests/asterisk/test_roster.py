"""The roster of today decides whose phone rings, also when it changes while people talk."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.domain.facts import FactKind
from ess_pbx.installation import Installation
from ess_pbx.phones.softphone import Answer

from .story import QUICK, SOON, GivenCentre, Story, until

pytestmark = pytest.mark.asterisk


@pytest.fixture(autouse=True)
def _clock_read_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ess_pbx.engine.service.CLOCK_SECONDS", 0.2)


def write_roster(path: Path, operator: str, zone: str) -> None:
    """Put an operator on the whole-day shift, whichever date it is during the test."""
    today = datetime.now(ZoneInfo(zone)).date()
    days = [today + timedelta(days=each) for each in (-1, 0, 1)]
    put_there(path, "".join(f"{day},kini,{operator},tugas\n" for day in days))


def put_there(path: Path, rows: str) -> None:
    """All at once: it is read at any time."""
    fresh = path.with_suffix(".new")
    fresh.write_text("tanggal,regu,operator,keterangan\n" + rows)
    fresh.replace(path)


async def given_roster(
    given_centre: GivenCentre, template: str, rostered: str
) -> tuple[Story, Path]:
    """A centre whose shift template names one operator, and its roster another."""
    patient = replace(QUICK, ring=10)  # nobody misses an offer because the machine is busy
    story = await given_centre(started=False, on_duty=(template,), policy=patient)
    path = story.folder / "roster.csv"
    write_roster(path, rostered, story.centre.time_zone)
    first = story.settings.trunks[0]
    second = replace(first, id="telco-b", port=free_port(socket.SOCK_DGRAM))
    story.settings = replace(
        story.settings, rosters={story.centre.id: path}, trunks=(first, second)
    )
    story.installation = Installation(story.settings)
    await story.given_it_runs()
    return story, path


async def test_the_operator_on_the_roster_of_today_is_offered_and_the_templates_is_not(
    given_centre: GivenCentre,
) -> None:
    story, _ = await given_roster(given_centre, template="1001", rostered="1002")
    await story.given_operators("1001", "1002", behaviour=Answer(0.1))

    caller = await story.when_caller_dials()
    await caller.chooses("1")
    operator = await story.phones.incoming("1002", SOON)
    await story.assert_they_talk(caller, operator)

    await caller.call.hang_up()
    await story.assert_one_ending(caller)
    assert [fact.data["agent"] for fact in story.told_of(FactKind.OFFERED)] == ["1002"]


async def test_who_goes_off_duty_stays_in_the_call_and_the_next_is_anothers(
    given_centre: GivenCentre,
) -> None:
    story, path = await given_roster(given_centre, template="1003", rostered="1001")
    caller, operator = await story.given_talking("1001")
    await story.given_operators("1002", behaviour=Answer(0.1))

    write_roster(path, "1002", story.centre.time_zone)
    await until(lambda: story.engine.duty == {"1002"}, "the new roster holds")

    await story.assert_they_talk(caller, operator)
    other = await story.when_caller_dials(
        number="+6281234567891", from_port=story.settings.trunks[1].port
    )
    await other.chooses("1")
    await story.assert_they_talk(other, await story.phones.incoming("1002", SOON))
    await story.assert_they_talk(caller, operator)


async def test_a_wrong_roster_is_an_alarm_and_the_last_good_one_holds(
    given_centre: GivenCentre,
) -> None:
    story, path = await given_roster(given_centre, template="1001", rostered="1002")
    await story.assert_fact(FactKind.ALARM_RAISED, alarm="shift-unmanned:kini")

    put_there(path, "besok,kini,1001,tugas\n")
    raised = await story.assert_fact(FactKind.ALARM_RAISED, alarm="roster")
    assert "roster.csv:2: tanggal" in str(raised.data["detail"])
    assert story.engine.duty == {"1002"}

    await story.given_operators("1001", "1002")
    await story.assert_fact(FactKind.ALARM_CLEARED, alarm="shift-unmanned:kini")
    write_roster(path, "1001", story.centre.time_zone)
    await story.assert_fact(FactKind.ALARM_CLEARED, alarm="roster")
    await until(lambda: story.engine.duty == {"1001"}, "the new roster holds")
    assert len(story.told_of(FactKind.ALARM_RAISED, alarm="roster")) == 1
    assert len(story.told_of(FactKind.ALARM_RAISED, alarm="shift-unmanned:kini")) == 1
