"""A claim that comes to nothing: who came and went is a call, whom the dialplan has is not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.unit.domain.centre import CENTRE
from tests.unit.engine.test_absence import ANSWERED, ARRIVED, ENDED

from ess_pbx.ari import models
from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.ari.translate import Translator
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.events import Arrived, CallEvent
from ess_pbx.domain.ids import CallId
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.unclaimed import Unclaimed
from ess_pbx.errors import AriError, AriRefusedError

LEG = "ess1-1.0"
LATE = AriRefusedError("GET", LEG, 404, "Channel not found or not in broadcast state")


class FakeAsterisk:
    """Holds some channels, or does not answer."""

    def __init__(self, *channels: str, answers: bool = True, at: str = "112") -> None:
        self.channels, self.answers, self.at = channels, answers, at

    async def call(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        assert (method, query) == ("GET", None)
        if not self.answers:
            raise AriError("no line")
        if uri.removeprefix("channels/") not in self.channels:
            raise AriRefusedError("GET", LEG, 404, "Channel not found")
        return a_channel(self.at)


class Fed:
    """Stands for translator and dispatcher: what the core would be told."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def feed(self, event: object) -> None:
        self.events.append(event)

    def came_and_went(self, _: models.Channel) -> list[CallEvent]:
        return [self.told(LEG, 1000.0, "", "", "", "")]

    def told(self, call: str, at: float, *_: str) -> Arrived:
        return Arrived(CallId(call), "", None, "", "112", "telco-a", invited_at=at)


def unclaimed(folder: Path, asterisk: FakeAsterisk, text: str = "") -> tuple[Unclaimed, Fed]:
    path, fed = folder / "unclaimed-calls", Fed()
    path.write_text(text)
    centres = Centres([CallCentre(CENTRE)])
    translator, dispatcher = cast("Translator", fed), cast("Dispatcher", fed)

    def over(*_: object) -> None:
        """Recordings are of no concern here."""

    return Unclaimed(asterisk, translator, centres, dispatcher, path, folder, over), fed


def a_channel(exten: str = "112") -> dict[str, Any]:
    number: dict[str, Any] = {"name": "", "number": ""}
    where = {"context": "emergency", "exten": exten, "priority": 1, "app_name": "", "app_data": ""}
    told = {
        "id": LEG,
        "name": "PJSIP/telco-a-1",
        "state": "Up",
        "caller": number,
        "accountcode": "",
    }
    told |= {"connected": number, "dialplan": where, "creationtime": "2026-01-01T00:00:00.000+0000"}
    return told | {"language": "en", "protocol_id": ""}


def the_channel() -> models.Channel:
    return msgspec.convert(a_channel(), models.Channel)


@pytest.mark.parametrize(
    ("there", "written", "is_told"),
    [
        ((), "", True),
        ((LEG,), "", False),
        ((LEG,), ARRIVED, False),
        ((), ARRIVED + ENDED, False),
    ],
    ids=["left before the claim", "is rung for", "is served", "was served, and has left"],
)
async def test_of_whom_a_claim_was_refused_only_who_left_before_it_is_a_call_of_ours(
    there: tuple[str, ...], written: str, is_told: bool, tmp_path: Path
) -> None:
    ours, fed = unclaimed(tmp_path, FakeAsterisk(*there), written)

    await ours.refused(the_channel(), LATE)

    assert bool(fed.events) is is_told


async def test_who_left_and_after_whom_the_dialplan_clears_up_came_and_went(tmp_path: Path) -> None:
    ours, fed = unclaimed(tmp_path, FakeAsterisk(LEG, at="h"))
    await ours.refused(the_channel(), LATE)
    assert len(fed.events) == 1

    ours, _ = unclaimed(tmp_path, FakeAsterisk(LEG, at="h"), ARRIVED + ANSWERED)
    told = await ours.read()
    assert told is not None
    assert told.over == []  # its end is about to be written


async def test_one_that_another_engine_claimed_is_no_call_of_ours(tmp_path: Path) -> None:
    ours, fed = unclaimed(tmp_path, FakeAsterisk())

    await ours.refused(the_channel(), AriRefusedError("POST", LEG, 409, "already claimed"))

    assert fed.events == []


@pytest.mark.parametrize(
    ("asterisk", "over", "talking"),
    [
        (FakeAsterisk(), [LEG], []),
        (FakeAsterisk(LEG), [], [LEG]),
        (FakeAsterisk(answers=False), [], [LEG]),
    ],
    ids=["gone", "there", "nobody can say"],
)
async def test_a_call_without_an_end_is_over_when_asterisk_has_it_no_more_whatever_the_clock_says(
    asterisk: FakeAsterisk, over: list[str], talking: list[str], tmp_path: Path
) -> None:
    ours, _ = unclaimed(tmp_path, asterisk, ARRIVED + ANSWERED)

    told = await ours.read()

    assert told is not None
    assert [each.call for each in told.over] == over
    assert [each.call for each in told.talking] == talking
