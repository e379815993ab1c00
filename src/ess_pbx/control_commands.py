"""What the command line asks of a running service: operators, calls, pranks, alarms and more.

Every command goes through the control socket in the state folder of the settings file, and is on
record like anyone's: the audit log names the system's user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.console import Console

from ess_pbx.domain.commands import Mark
from ess_pbx.settings.load import load_settings
from ess_pbx.tables import print_json, print_rows
from ess_pbx.web.control import Control
from ess_pbx.web.server import control_socket

agents = App(name="agents", help="Operators of the running service.")
pranks = App(name="pranks", help="Numbers whose calls wait behind others.")
call_backs = App(name="call-backs", help="Callers who are to be called back.")
surge = App(name="surge", help="Surge mode (siaga bencana).")
alarms = App(name="alarms", help="Alarms that stand.")
GROUPS = (agents, pranks, call_backs, surge, alarms)

err = Console(stderr=True, highlight=False, soft_wrap=True)

SettingsFile = Annotated[Path, Parameter(help="The centre's TOML file.")]
AsJson = Annotated[
    bool, Parameter(name="--json", help="JSON on stdout, nothing else.", negative="")
]
Extensions = Annotated[str, Parameter(help="Extensions of operators.")]
Why = Annotated[str, Parameter(name="--reason", help="Why; it is on record.")]


@agents.command(name="list")
def list_agents(settings: SettingsFile, *, as_json: AsJson = False) -> int:
    """Show all operators and what they do."""
    columns = ("extension", "name", "status", "state", "on_break", "call", "missed")
    return _show(settings, "/operators", columns, as_json=as_json)


@agents.command(name="log-in")
def log_in(settings: SettingsFile, *extensions: Extensions) -> int:
    """Operators are at their places."""
    return _each(settings, extensions, "log-in")


@agents.command(name="log-out")
def log_out(settings: SettingsFile, *extensions: Extensions) -> int:
    """Operators leave their places; calls in hand go on."""
    return _each(settings, extensions, "log-out")


@agents.command(name="break")
def take_break(settings: SettingsFile, *extensions: Extensions, reason: Why) -> int:
    """Calls pass operators by."""
    return _each(settings, extensions, "break", {"reason": reason})


@agents.command(name="end-break")
def end_break(settings: SettingsFile, *extensions: Extensions) -> int:
    """Operators take calls again."""
    return _each(settings, extensions, "end-break")


@agents.command(name="end-wrap-up")
def end_wrap_up(settings: SettingsFile, *extensions: Extensions) -> int:
    """Operators have written their reports: the next call may come."""
    return _each(settings, extensions, "end-wrap-up")


def live(settings: SettingsFile, *, as_json: AsJson = False) -> int:
    """Show the calls that go on now."""
    columns = ("id", "phase", "number", "category", "queue", "seconds", "operator", "agency")
    return _show(settings, "/calls", columns, as_json=as_json)


def mark(settings: SettingsFile, call: str, what: Mark, *, note: str = "") -> int:
    """Say what a call was."""
    body = {"mark": what.value, "note": note}
    return _do(settings, f"/calls/{_part(call)}/mark", body, f"{call}: {what.value}")


@pranks.command(name="list")
def list_pranks(settings: SettingsFile, *, as_json: AsJson = False) -> int:
    """Show the numbers with pranks."""
    return _show(settings, "/pranks", (), as_json=as_json)


@pranks.command
def confirm(settings: SettingsFile, number: str, *, reason: Why) -> int:
    """A number's calls (E.164) wait behind others for a while."""
    body = {"number": number, "reason": reason}
    return _do(settings, "/pranks/confirm", body, "confirmed")


@pranks.command
def lift(settings: SettingsFile, number: str, *, reason: Why) -> int:
    """A number (E.164) waits like any other again."""
    body = {"number": number, "reason": reason}
    return _do(settings, "/pranks/lift", body, "lifted")


@call_backs.command(name="list")
def list_call_backs(settings: SettingsFile, *, as_json: AsJson = False) -> int:
    """Show who is to be called back."""
    return _show(settings, "/call-backs", (), as_json=as_json)


@call_backs.command
def now(settings: SettingsFile, task: str, *, agent: str | None = None) -> int:
    """Call back at once, by an operator or whoever is free."""
    path = f"/call-backs/{_part(task)}/now"
    return _do(settings, path, {"agent": agent}, f"{task}: now")


@call_backs.command
def close(settings: SettingsFile, task: str, *, reason: Why) -> int:
    """No call back is needed any more."""
    path = f"/call-backs/{_part(task)}/close"
    return _do(settings, path, {"reason": reason}, f"{task}: closed")


@surge.command
def status(settings: SettingsFile, *, as_json: AsJson = False) -> int:
    """Show whether surge mode is on, and why."""
    return _show(settings, "/surge", (), as_json=as_json)


@surge.command
def on(settings: SettingsFile, *, reason: Why, prompt: str | None = None) -> int:
    """Surge mode begins; callers hear the prompt, or the setting's own."""
    body = {"reason": reason, "prompt": prompt}
    return _do(settings, "/surge/declare", body, "surge mode is on")


@surge.command
def off(settings: SettingsFile, *, reason: Why) -> int:
    """Surge mode ends."""
    return _do(settings, "/surge/end", {"reason": reason}, "surge mode is off")


@alarms.command(name="list")
def list_alarms(settings: SettingsFile, *, as_json: AsJson = False) -> int:
    """Show the alarms that stand."""
    columns = ("alarm", "detail", "since", "acknowledged_by")
    return _show(settings, "/alarms", columns, as_json=as_json)


@alarms.command
def ack(settings: SettingsFile, alarm: str) -> int:
    """An alarm was seen; it stands on, silently."""
    return _do(settings, f"/alarms/{_part(alarm)}/acknowledge", None, f"{alarm}: acknowledged")


def _control(settings: Path) -> Control:
    return Control(control_socket(load_settings(settings)))


def _show(settings: Path, path: str, columns: Sequence[str], *, as_json: bool) -> int:
    found = asyncio.run(_control(settings).ask("GET", path))
    if as_json:
        print_json(found)
    elif columns:
        print_rows(found, columns)
    else:
        _print_kept(found["kept"])
    return 0


def _print_kept(kept: Any) -> None:
    """What a memory holds: rows where it is a list of things, names and values otherwise."""
    if isinstance(kept, list) and kept and all(isinstance(each, dict) for each in kept):
        print_rows(kept, list(dict.fromkeys(name for each in kept for name in each)))
    elif isinstance(kept, dict) and kept:
        print_rows(({"": name, "value": value} for name, value in kept.items()), ("", "value"))
    else:
        err.print("Nothing.")


def _do(settings: Path, path: str, body: dict[str, Any] | None, done: str) -> int:
    asyncio.run(_control(settings).ask("POST", path, body))
    err.print(done, markup=False)
    return 0


def _each(
    settings: Path, extensions: Sequence[str], what: str, body: dict[str, Any] | None = None
) -> int:
    if not extensions:
        err.print(f"{what}: no operator was named; expected one extension or more")
        return 2
    for extension in extensions:
        _do(settings, f"/operators/{_part(extension)}/{what}", body, f"{extension}: {what}")
    return 0


def _part(value: str) -> str:
    return quote(value, safe="")
