"""What ``ess-pbx reports`` asks of a service, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from ess_pbx.asking import Kind
from ess_pbx.domain.commands import Mark
from ess_pbx.domain.incident import Draft, Fields, Incident, Step, fields_from
from ess_pbx.report_commands import Said, Written

from .command_line import Asked, run

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")

NUMBER, OTHER = "contoh-20261122-0001", "contoh-20261122-0002"
REPORT = Incident(
    number=NUMBER,
    opened_at=1.0,
    opened_by="1001",
    version=4,
    fields=fields_from({"category": "medis", "place": "[Pasar]"}),
    calls=("ess1-1.1",),
    agencies={"psc": {Step.ON_THE_WAY: 2.0}},
    drafts={"1002": Draft(1, Fields(victims=2), 3.0)},
    otherwise={OTHER: Fields(place="Terminal")},
    closed_at=5.0,
    closed_by="1001",
    outcome="ditangani",
)
TOLD = msgspec.to_builtins({"centre": "contoh", "report": REPORT, "likely_same": []})


def test_the_command_line_takes_what_the_api_takes() -> None:
    assert get_args(Kind) == tuple(Mark)
    assert get_args(Said) == tuple(Step)
    others = {"latitude", "longitude", "accuracy", "source", "answer"}
    fields = set(Fields.__struct_fields__) - {"point", "answers"}
    assert set(Written.__dataclass_fields__) - others == fields


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (
            ("open", "{}", "--call", "ess1-1.1", "--category", "medis", "--kind", "informasi"),
            ("", {"fields": {"category": "medis", "kind": "informasi"}, "call": "ess1-1.1"}),
        ),
        (
            ("save", "{}", NUMBER, "--base", "3", "--answer", "sadar=ya", "--answer", "usia=4"),
            (f"/{NUMBER}/save", {"base": 3, "fields": {"answers": {"sadar": "ya", "usia": "4"}}}),
        ),
        (
            ("save", "{}", NUMBER, "--base", "3", "--latitude=-6.1", "--longitude", "105.8"),
            (
                f"/{NUMBER}/save",
                {
                    "base": 3,
                    "fields": {
                        "point": {
                            **{"latitude": -6.1, "longitude": 105.8},
                            **{"accuracy_m": None, "source": "operator"},
                        }
                    },
                },
            ),
        ),
        (("link", "{}", NUMBER, "ess1-1.2"), (f"/{NUMBER}/link", {"call": "ess1-1.2"})),
        (("join", "{}", OTHER, NUMBER), (f"/{OTHER}/join", {"to": NUMBER})),
        (
            ("step", "{}", NUMBER, "psc", "di-lokasi"),
            (f"/{NUMBER}/agencies/psc", {"step": "di-lokasi"}),
        ),
        (("close", "{}", NUMBER, "--outcome", "padam"), (f"/{NUMBER}/close", {"outcome": "padam"})),
        (
            ("reopen", "{}", NUMBER, "--reason", "menyala lagi"),
            (f"/{NUMBER}/reopen", {"reason": "menyala lagi"}),
        ),
    ],
    ids=lambda value: value[0].strip("/"),
)
def test_a_command_asks_for_this_and_shows_the_report(
    settings: Path,
    asked: Asked,
    answers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    wanted: tuple[str, Any],
) -> None:
    path, body = f"/reports{wanted[0]}", wanted[1]
    answers[path] = TOLD
    assert run(monkeypatch, "reports", *(word.format(settings) for word in words)) == 0
    assert asked == [("POST", path, body)]
    assert NUMBER in capsys.readouterr().out


def test_who_does_not_say_which_version_they_saw_saw_that_of_now(
    settings: Path, asked: Asked, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers |= {f"/reports/{NUMBER}": TOLD, f"/reports/{NUMBER}/save": TOLD}
    assert run(monkeypatch, "reports", "save", settings, NUMBER, "--victims", "2") == 0
    assert asked[-1][2] == {"base": 4, "fields": {"victims": 2}}


def test_a_report_is_shown_with_all_that_belongs_to_it(
    settings: Path,
    asked: Asked,
    answers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers[f"/reports/{NUMBER}"] = TOLD
    assert run(monkeypatch, "reports", "show", settings, NUMBER) == 0
    told = capsys.readouterr().out
    wanted = ("[Pasar]", "psc: berangkat", "draft of 1002", "victims=2", "Terminal", "ditangani")
    assert [each for each in wanted if each not in told] == []
    assert run(monkeypatch, "reports", "show", settings, NUMBER, "--json") == 0
    assert msgspec.json.decode(capsys.readouterr().out)["report"]["version"] == 4
    assert len(asked) == 2


def test_the_list_is_of_open_reports_or_of_those_that_are_looked_for(
    settings: Path,
    asked: Asked,
    answers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers["/reports"] = [TOLD]
    columns = ("number", "kind", "category", "place", "district", "outcome", "joined_to")
    answers["/reports/search?centre=serang"] = [
        {**dict.fromkeys(columns), "number": OTHER, "opened_at": 1.0, "closed_at": None}
    ]
    assert run(monkeypatch, "reports", "list", settings) == 0
    assert "medis" in capsys.readouterr().out
    words = ("--day", "2026-11-22", "--centre", "serang")
    assert run(monkeypatch, "reports", "list", settings, *words) == 0
    assert "0002" in capsys.readouterr().out
    body = {"ticket": None, "caller": None, "day": "2026-11-22"}
    assert asked == [("GET", "/reports", None), ("POST", "/reports/search?centre=serang", body)]


def test_in_a_narrow_terminal_a_number_is_still_all_there(
    settings: Path,
    asked: Asked,
    answers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers["/reports"] = [TOLD]
    monkeypatch.setenv("COLUMNS", "50")
    assert run(monkeypatch, "reports", "list", settings) == 0
    assert NUMBER in capsys.readouterr().out
    assert asked


def test_the_form_is_shown(
    settings: Path,
    asked: Asked,
    answers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    question = {"id": "sadar", "text": "Sadar?", "answer": "ya-tidak", "choices": ["ya", "tidak"]}
    category = {"id": "medis", "name": "Medis", "subcategories": [], "questions": [question]}
    answers["/form"] = {
        "categories": [{**category, "agencies": ["psc"]}],
        "districts": [{"name": "Sumur", "villages": ["Sumberjaya"]}],
    }
    assert run(monkeypatch, "reports", "form", settings) == 0
    told = capsys.readouterr().out
    assert all(each in told for each in ("Sadar?", "ya, tidak", "psc", "Sumberjaya"))
    assert asked


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--answer", "sadar"), "expected question=answer"),
        (("--latitude", "6"), "expected both"),
        ((), "expected one field or more"),
        (("--kind", "iseng"), "informasi"),
    ],
)
def test_what_is_wrong_with_a_command_is_said_before_anything_is_asked(
    settings: Path,
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    expected: str,
) -> None:
    try:
        code = run(monkeypatch, "reports", "save", settings, NUMBER, *words)
    except SystemExit as exit_:  # what cyclopts itself finds wrong
        code = 2 if exit_.code else 0
    assert code == 2
    assert asked == []
    assert expected in capsys.readouterr().err
