"""What the dialplan wrote of the ends of calls, and which of them may be on no record."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.domain.ids import CallId
from ess_pbx.engine import ended_calls
from ess_pbx.engine.ended_calls import ENOUGH_KNOWN, EndedCalls, not_seen, parsed


def line(number: int, cause: str = "16", at: float = 100.0) -> str:
    return f"ess1-{number}.0|{cause}|{at}|99.0|+62812|112|PJSIP/telco-a-1|\n"


def channels(ended: list[ended_calls.Ended]) -> list[str]:
    return [each.channel for each in ended]


def test_how_calls_ended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ended-calls"
    path.write_text(
        line(1) + line(2, "") + "ess1-3.0|38\n" + line(4, "38") + line(5) + "ess1-6.0|1"
    )
    wanted = [CallId(f"ess1-{number}.0") for number in (1, 2, 3, 4)]

    assert EndedCalls(path).causes(wanted) == {"ess1-1.0": 16, "ess1-2.0": 0, "ess1-4.0": 38}
    assert EndedCalls(tmp_path / "none").causes(wanted) == {}


def test_each_end_is_new_once_and_not_before_all_of_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ended-calls"
    ended = EndedCalls(path)
    assert ended.new() == []
    path.write_text(line(1) + line(2)[:-5])
    assert channels(ended.new()) == ["ess1-1.0"]
    path.write_text(line(1) + line(2) + line(3))
    assert channels(ended.new()) == ["ess1-2.0", "ess1-3.0"]
    assert ended.new() == []


def test_a_long_file_is_set_aside_and_nothing_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended_calls, "LARGEST", 2 * len(line(1)))
    path = tmp_path / "ended-calls"
    ended = EndedCalls(path)
    seen: list[str] = []
    for number in range(10):
        with path.open("a") as file:
            file.write(line(number))
        seen += channels(ended.new())
    assert seen == [f"ess1-{number}.0" for number in range(10)]
    assert ended.causes([CallId("ess1-8.0")]) == {"ess1-8.0": 16}


def test_what_came_before_many_that_are_on_record_an_engine_has_seen() -> None:
    old, seen, lately = range(1, 100), range(200, 200 + ENOUGH_KNOWN), (300, 301)
    ended = parsed(line(number) for number in (*old, *seen, *lately))
    known = {CallId(f"ess1-{number}.0") for number in seen}

    found = not_seen(ended, known, since=0.0)

    assert channels(found) == [f"ess1-{number}.0" for number in (*seen, *lately)]


def test_where_few_are_on_record_what_ended_before_the_journal_was_begun_is_none_of_it() -> None:
    ended = parsed([line(1, at=50.0), line(2, at=150.0), line(3, at=151.0)])
    known = {CallId("ess1-3.0")}

    assert channels(not_seen(ended, known, since=100.0)) == ["ess1-2.0", "ess1-3.0"]
