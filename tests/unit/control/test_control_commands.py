"""What the command line asks of a service, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ess_pbx.errors import ControlError

from .command_line import Asked, run

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")

WHY = {"reason": "rapat pagi"}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("agents", "log-in", "{}", "1001"), ("/operators/1001/log-in", None)),
        (("agents", "log-out", "{}", "1001"), ("/operators/1001/log-out", None)),
        (
            ("agents", "break", "{}", "1001", "--reason", "rapat pagi"),
            ("/operators/1001/break", WHY),
        ),
        (("agents", "end-break", "{}", "1001"), ("/operators/1001/end-break", None)),
        (("agents", "end-wrap-up", "{}", "1001"), ("/operators/1001/end-wrap-up", None)),
        (
            ("calls", "mark", "{}", "ess1-1.1", "prank", "--note", "tertawa"),
            ("/calls/ess1-1.1/mark", {"mark": "prank", "note": "tertawa"}),
        ),
        (
            ("pranks", "confirm", "{}", "+62811", "--reason", "tiga kali"),
            ("/pranks/confirm", {"number": "+62811", "reason": "tiga kali"}),
        ),
        (
            ("pranks", "lift", "{}", "+62811", "--reason", "keliru"),
            ("/pranks/lift", {"number": "+62811", "reason": "keliru"}),
        ),
        (
            ("call-backs", "now", "{}", "t/1", "--agent", "1001"),
            ("/call-backs/t%2F1/now", {"agent": "1001"}),
        ),
        (
            ("call-backs", "close", "{}", "t1", "--reason", "tersambung"),
            ("/call-backs/t1/close", {"reason": "tersambung"}),
        ),
        (
            ("surge", "on", "{}", "--reason", "gempa"),
            ("/surge/declare", {"reason": "gempa", "prompt": None}),
        ),
        (("surge", "off", "{}", "--reason", "aman"), ("/surge/end", {"reason": "aman"})),
        (("alarms", "ack", "{}", "web"), ("/alarms/web/acknowledge", None)),
        (
            ("alarms", "ack", "{}", "web", "--centre", "serang"),
            ("/alarms/web/acknowledge?centre=serang", None),
        ),
    ],
    ids=lambda value: value[0].strip("/"),
)
def test_a_command_asks_for_this(
    settings: Path,
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    wanted: tuple[str, Any],
) -> None:
    assert run(monkeypatch, *(word.format(settings) for word in words)) == 0
    assert asked == [("POST", *wanted)]


def test_several_operators_at_once(
    settings: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "agents", "log-out", settings, "1001", "1002") == 0
    assert [path for _, path, _ in asked] == ["/operators/1001/log-out", "/operators/1002/log-out"]


def test_nobody_named_is_a_mistake(
    settings: Path,
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "agents", "log-out", settings) == 2
    assert asked == []
    assert "expected one extension or more" in capsys.readouterr().err


def test_lists_are_tables_for_people_and_json_for_programs(
    settings: Path,
    asked: Asked,
    answers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers["/alarms"] = [{"alarm": "web", "detail": "[x]", "since": 0.0, "acknowledged_by": None}]
    assert run(monkeypatch, "alarms", "list", settings) == 0
    told = capsys.readouterr().out
    assert "web" in told
    assert "[x]" in told
    assert "19" in told  # 1970 or 1969, as this machine's zone has it
    assert run(monkeypatch, "alarms", "list", settings, "--json") == 0
    assert capsys.readouterr().out.startswith('[{"alarm":"web"')
    assert len(asked) == 2


def test_surge_mode_that_is_off_is_told_in_a_word(
    settings: Path,
    asked: Asked,
    answers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers["/surge"] = {"state": None, "alarms": []}
    assert run(monkeypatch, "surge", "status", settings) == 0
    assert capsys.readouterr().out == "off\n"
    assert asked


def test_a_service_that_does_not_run_is_exit_code_1_and_says_what_to_do(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "agents", "list", settings) == 1
    told = capsys.readouterr().err
    assert ControlError.code in told
    assert "control.sock: the service does not run" in told


def test_the_audit_log_of_an_empty_database_says_so(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "migrate", settings) == 0
    assert run(monkeypatch, "audit", settings, "--since", "2026-11-21", "--by", "1001") == 0
    assert "Nothing was asked for" in capsys.readouterr().err
    assert run(monkeypatch, "audit", settings, "--since", "kemarin") == 2
    assert "expected 2026-11-21" in capsys.readouterr().err


def test_a_report_is_handed_over(
    monkeypatch: pytest.MonkeyPatch, settings: Path, asked: Asked
) -> None:
    words = ("neighbours", "hand-over", settings, "contoh-20261122-0001", "pusat-tetangga")
    assert run(monkeypatch, *words) == 0
    path = "/reports/contoh-20261122-0001/hand-over/pusat-tetangga"
    assert asked == [("POST", path, None)]


def test_a_secret_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "rahasia"
    assert run(monkeypatch, "neighbours", "secret", path) == 0
    made = path.read_text()
    assert run(monkeypatch, "neighbours", "secret", path) == 2
    assert path.read_text() == made
