"""Calls that are not recorded are one alarm, however many come to be."""

from __future__ import annotations

from pathlib import Path

from ess_pbx.demo.stage import sample
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.events import Arrived, LegAnswered, LegGone
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.domain.recording_watch import ALARM, STALLED_SECONDS
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.recorder import Recorder


class Clock:
    time = 0.0

    def monotonic(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time


class Console:
    async def ask(self, command: str) -> str:  # noqa: ARG002 - as the protocol has it
        return ""


async def test_the_alarm_of_a_full_disk_is_raised_once_and_cleared_when_all_grow(
    tmp_path: Path,
) -> None:
    facts: list[Fact] = []
    clock, centres = Clock(), Centres([CallCentre(sample().centres[0])])
    journal = Journal(tmp_path / "journal")
    dispatcher = Dispatcher(centres, journal, clock, lambda _: None, facts.append)
    recorder = Recorder(tmp_path, Console(), centres, dispatcher, journal, clock)

    def kinds(kind: FactKind) -> list[Fact]:
        of_it = (None, ALARM)  # an alarm, or no alarm at all
        return [each for each in facts if each.kind == kind and each.data.get("alarm") in of_it]

    calls = [CallId(f"ess1-1.{number}") for number in range(4)]
    for call in calls:
        dispatcher.feed(Arrived(call, "", None, "", "112", "telco-a", callable=False))
        dispatcher.feed(LegAnswered(call, LegId(call)))
        await recorder.look()
        clock.time += STALLED_SECONDS
        await recorder.look()
    assert len(kinds(FactKind.RECORDING_FAILED)) == len(calls)
    (raised,) = kinds(FactKind.ALARM_RAISED)
    assert raised.data["detail"] == f"not recorded: {calls[0]}"

    for size in (1, 2):
        # A moment's room is no room: one that grows once may stop again.
        assert not kinds(FactKind.ALARM_CLEARED)
        for call in calls:
            (tmp_path / f"{call}.raw").write_bytes(bytes(size))
        clock.time += 1
        await recorder.look()
    assert len(kinds(FactKind.ALARM_CLEARED)) == 1
    for call in calls:
        dispatcher.feed(LegGone(call, LegId(call), 16))
    dispatcher.timers.cancel_all()
    await journal.close()
