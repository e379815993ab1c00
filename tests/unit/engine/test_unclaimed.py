"""Calls that no engine has on record: nobody had them, or the dialplan."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from tests.unit.domain.centre import CENTRE
from tests.unit.engine.test_absence import ANSWERED, ARRIVED

from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.ari.translate import Translator
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.events import Arrived
from ess_pbx.domain.ids import CallId
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.ended_calls import EndedCalls
from ess_pbx.engine.unclaimed import Unclaimed
from ess_pbx.errors import AriError, AriRefusedError

LEG = "ess1-1.0"
CLAIMED_THEN = f"ended|{LEG}|1002.0|16|SUCCESS\n"


class FakeAsterisk:
    """Holds some channels, or does not answer."""

    def __init__(self, *channels: str, answers: bool = True) -> None:
        self.channels, self.answers = channels, answers

    async def call(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        assert (method, query) == ("GET", None)
        if not self.answers:
            raise AriError("no line")
        if uri != "asterisk/ping" and uri.removeprefix("channels/") not in self.channels:
            raise AriRefusedError("GET", LEG, 404, "Channel not found")
        return {}


class Fed:
    """Stands for translator and dispatcher: what the core would be told."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def feed(self, event: object) -> None:
        self.events.append(event)

    def told(self, call: str, at: float, *_: str) -> Arrived:
        return Arrived(CallId(call), "", None, "", "112", "telco-a", invited_at=at)


def unclaimed(folder: Path, asterisk: FakeAsterisk, text: str = "") -> tuple[Unclaimed, Fed]:
    path, fed = folder / "unclaimed-calls", Fed()
    path.write_text(text)
    centres = Centres([CallCentre(CENTRE)])
    translator, dispatcher = cast("Translator", fed), cast("Dispatcher", fed)
    ended = EndedCalls(folder / "ended-calls")

    def over(*_: object) -> None:
        """Recordings are of no concern here."""

    ours = Unclaimed(
        asterisk, translator, centres, dispatcher, path, folder, over, ended, since=0.0
    )
    return ours, fed


def end_of(leg: str, at: float = 1002.0) -> str:
    """What the dialplan writes when a caller's channel ends."""
    return f"{leg}|16|{at}|1000.0||112|PJSIP/telco-a-1|\n"


@pytest.mark.parametrize(
    ("written", "is_told"),
    [("", True), (ARRIVED, False), (ARRIVED + CLAIMED_THEN, True)],
    ids=["nobody had it", "the dialplan has it", "whoever claimed it then died"],
)
async def test_a_call_that_ended_and_that_nobody_knows_is_brought_on_record(
    written: str, is_told: bool, tmp_path: Path
) -> None:
    ours, _ = unclaimed(tmp_path, FakeAsterisk(LEG), written)
    (tmp_path / "ended-calls").write_text(end_of(LEG))

    told = await ours.read()

    assert told is not None
    assert [(each.call, each.unheard) for each in told.over] == [(LEG, True)] * is_told
    # Whoever asked may have lost the line, so that the core was not told.
    again = await ours.read()
    assert again is not None
    assert again.over == told.over
    (centre,) = ours._centres
    centre.kept.imported[CallId(LEG)] = None
    again = await ours.read()
    assert again is not None
    assert again.over == []


async def test_what_asterisk_may_have_told_of_it_is_heard_before_it_is_judged(
    tmp_path: Path,
) -> None:
    asterisk = FakeAsterisk(LEG, answers=False)
    ours, _ = unclaimed(tmp_path, asterisk)
    (tmp_path / "ended-calls").write_text(end_of(LEG))
    told = await ours.read()
    assert told is not None
    assert told.over == []

    asterisk.answers = True
    told = await ours.read()

    assert told is not None
    assert [each.call for each in told.over] == [LEG]


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
