"""What the dialplan wrote of calls without an engine is read once, whole or torn."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tests.unit.domain.centre import CENTRE, of

from ess_pbx.domain.absence import DialplanServed, records
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.effects import Record
from ess_pbx.domain.events import Arrived
from ess_pbx.domain.facts import Fact, FactKind, fields_differ
from ess_pbx.domain.ids import CallId
from ess_pbx.engine import absence

ARRIVED = "arrived|ess1-1.0|1000.250|+62812|112|PJSIP/telco-a-00000001\n"
ANSWERED = "answered|ess1-1.0|1003.500|ess1-2.1|PJSIP/2001-00000002\n"
ENDED = "ended|ess1-1.0|1010.000|16|\n"


def arrival(call: str, at: float, caller: str, called: str, _: str, __: str) -> Arrived:
    return Arrived(CallId(call), caller, caller, caller, called, "telco-a", invited_at=at)


def read(folder: Path, text: str, *known: str, gone: Collection[str] = ()) -> DialplanServed:
    path = folder / "unclaimed-calls"
    path.write_text(text)
    return absence.read(path, arrival, {CallId(each) for each in known}, gone, folder)


def test_a_call_that_was_answered_and_is_over(tmp_path: Path) -> None:
    (served,) = read(tmp_path, ARRIVED + ANSWERED + ENDED).over
    assert (served.agent, served.answered, served.ended) == ("2001", 1003.5, 1010.0)
    facts = list(records(served))
    kinds = [fact.kind for fact in facts]
    assert kinds[0] is FactKind.CALL_ARRIVED
    assert kinds[-2:] == [FactKind.LEG_ENDED, FactKind.CALL_ENDED]
    for each in facts:
        fact = Fact(id="", centre="", call=None, kind=each.kind, at=0, ms=0, data=each.data)
        assert fields_differ(fact) is None
    assert [fact.id for fact in facts] == [fact.id for fact in records(served)]
    assert len({fact.id for fact in facts}) == len(facts)


def test_one_that_goes_on_keeps_its_operator_busy_and_is_not_yet_on_record(tmp_path: Path) -> None:
    told = read(tmp_path, ARRIVED + ANSWERED)
    assert (told.over, [each.agent for each in told.talking]) == ([], ["2001"])


def test_one_that_an_engine_claimed_in_the_end_is_not_brought_in(tmp_path: Path) -> None:
    assert read(tmp_path, ARRIVED + ENDED.replace("16|", "16|SUCCESS")).over == []


def test_one_that_nobody_answered_was_abandoned(tmp_path: Path) -> None:
    (served,) = read(tmp_path, ARRIVED + ENDED).over
    ended = next(fact for fact in records(served) if fact.kind is FactKind.CALL_ENDED)
    assert (ended.data["result"], ended.data["reason"]) == ("client", "abandoned")


def test_one_that_went_with_asterisk_is_closed_with_that_cause(tmp_path: Path) -> None:
    (served,) = read(tmp_path, ARRIVED + ANSWERED, gone=["ess1-1.0"]).over
    ended = next(fact for fact in records(served) if fact.kind is FactKind.CALL_ENDED)
    assert (ended.data["reason"], ended.at) == ("asterisk-lost", 1003.5)


def test_whose_end_is_not_written_is_asked_of_asterisk(tmp_path: Path) -> None:
    read(tmp_path, ARRIVED + ANSWERED + ARRIVED.replace("1.0", "3.0") + ENDED)
    path = tmp_path / "unclaimed-calls"

    assert list(absence.written(path)) == ["ess1-1.0", "ess1-3.0"]
    assert absence.not_ended(path) == ["ess1-3.0"]
    assert absence.not_ended(tmp_path / "none") == []


def test_torn_lines_are_passed_over(tmp_path: Path) -> None:
    told = read(tmp_path, "arrived|x\nanswered|y|z|\n" + ARRIVED + ENDED + "ended|ess1-1.0|10")
    assert [each.call for each in told.over] == ["ess1-1.0"]


def test_what_is_on_record_is_not_brought_in_again(tmp_path: Path) -> None:
    assert read(tmp_path, ARRIVED + ENDED, "ess1-1.0").over == []
    core, told = CallCentre(CENTRE), read(tmp_path, ARRIVED + ENDED)
    assert of(core.decide(told, 1.0), Record) != []
    assert of(core.decide(told, 1.0), Record) == []


def test_a_large_file_of_what_is_over_is_set_aside_and_still_read(tmp_path: Path) -> None:
    read(tmp_path, ARRIVED + ENDED + "#" * absence.LARGEST)
    assert not (tmp_path / "unclaimed-calls").exists()
    path = tmp_path / "unclaimed-calls"
    again = absence.read(path, arrival, set(), (), tmp_path)
    assert [each.call for each in again.over] == ["ess1-1.0"]
