"""What the command line asks of a running service: operators, calls, pranks, alarms and more.

Every command goes through the control socket in the state folder of the settings file, and is on
record like anyone's: the audit log names the system's user.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from ess_pbx.asking import AsJson, Kind, SettingsFile, ask, do, local, of_centre, part, show
from ess_pbx.domain.commands import Mode
from ess_pbx.neighbours.secret_file import make_secret
from ess_pbx.terminal import Named, err, out, print_json, print_rows

agents = App(name="agents", help="Operators of the running service.")
pranks = App(name="pranks", help="Numbers whose calls wait behind others.")
call_backs = App(name="call-backs", help="Callers who are to be called back.")
surge = App(name="surge", help="Surge mode (siaga bencana).")
alarms = App(name="alarms", help="Alarms that stand.")
neighbours = App(name="neighbours", help="Neighbouring centres, and the reports they get.")
GROUPS = (agents, pranks, call_backs, surge, alarms, neighbours)

Extensions = Annotated[str, Parameter(help="Extensions of operators.")]
Why = Annotated[str, Parameter(name="--reason", help="Why; it is on record.")]


@agents.command(name="list")
def list_agents(settings: SettingsFile, *, as_json: AsJson = False, centre: Named = None) -> int:
    """Show all operators and what they do."""
    columns = ("extension", "name", "status", "state", "on_break", "call", "missed")
    return show(settings, of_centre("/operators", centre), columns, as_json=as_json)


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


@agents.command(name="move")
def move(settings: SettingsFile, *extensions: Extensions, queue: Sequence[str] = ()) -> int:
    """Offer operators the calls of these queues until their duty ends; of none: of their own."""
    return _each(settings, extensions, "move", {"queues": [*queue]})


@agents.command(name="end-wrap-up")
def end_wrap_up(settings: SettingsFile, *extensions: Extensions) -> int:
    """Operators have written their reports: the next call may come."""
    return _each(settings, extensions, "end-wrap-up")


def live(settings: SettingsFile, *, as_json: AsJson = False, centre: Named = None) -> int:
    """Show the calls that go on now."""
    columns = ("id", "phase", "number", "category", "queue", "seconds", "operator", "agency")
    return show(settings, of_centre("/calls", centre), columns, as_json=as_json)


def mark(settings: SettingsFile, call: str, what: Kind, *, note: str = "") -> int:
    """Say what a call was."""
    body = {"mark": what, "note": note}
    return do(settings, f"/calls/{part(call)}/mark", body, f"{call}: {what}")


def supervise(settings: SettingsFile, call: str, supervisor: str, mode: Mode) -> int:
    """Ring a supervisor, who listens to a call, whispers, barges in or takes it over."""
    body = {"supervisor": supervisor, "mode": mode.value}
    return do(settings, f"/calls/{part(call)}/supervise", body, f"{call}: {mode.value}")


def stop_supervising(settings: SettingsFile, call: str) -> int:
    """The supervisor leaves a call, which goes on."""
    return do(settings, f"/calls/{part(call)}/stop-supervising", None, f"{call}: left alone")


def pull(settings: SettingsFile, call: str, agent: str) -> int:
    """Offer a waiting call to an operator or supervisor at once."""
    return do(settings, f"/calls/{part(call)}/pull", {"agent": agent}, f"{call}: {agent} is rung")


def pause_recording(settings: SettingsFile, call: str, *, reason: str) -> int:
    """Stop recording a call for a while, where the centre allows it."""
    body = {"reason": reason}
    return do(settings, f"/calls/{part(call)}/pause-recording", body, f"{call}: not recorded")


def resume_recording(settings: SettingsFile, call: str) -> int:
    """Record a call again."""
    path = f"/calls/{part(call)}/resume-recording"
    return do(settings, path, None, f"{call}: recorded")


@pranks.command(name="list")
def list_pranks(settings: SettingsFile, *, as_json: AsJson = False, centre: Named = None) -> int:
    """Show the numbers with pranks."""
    found = ask(settings, "GET", of_centre("/pranks", centre))
    if as_json:
        print_json(found)
        return 0
    rows = [
        {
            "number": each["number"],
            "marked": len(each["marked"]),
            "until": local(each["confirmed"] and each["confirmed"]["until"]),
            "by": each["confirmed"] and each["confirmed"]["by"],
            "reason": each["confirmed"] and each["confirmed"]["reason"],
        }
        for each in found
    ]
    print_rows(rows, ("number", "marked", "until", "by", "reason"))
    return 0


@pranks.command
def confirm(settings: SettingsFile, number: str, *, reason: Why, centre: Named = None) -> int:
    """A number's calls (E.164) wait behind others for a while."""
    body = {"number": number, "reason": reason}
    return do(settings, of_centre("/pranks/confirm", centre), body, "confirmed")


@pranks.command
def lift(settings: SettingsFile, number: str, *, reason: Why, centre: Named = None) -> int:
    """A number (E.164) waits like any other again."""
    body = {"number": number, "reason": reason}
    return do(settings, of_centre("/pranks/lift", centre), body, "lifted")


@call_backs.command(name="list")
def list_call_backs(
    settings: SettingsFile, *, as_json: AsJson = False, centre: Named = None
) -> int:
    """Show who is to be called back."""
    columns = ("id", "caller_display", "category", "why", "due", "created", "agent")
    return show(settings, of_centre("/call-backs", centre), columns, as_json=as_json)


@call_backs.command
def now(settings: SettingsFile, task: str, *, agent: str | None = None) -> int:
    """Call back at once, by an operator or whoever is free."""
    path = f"/call-backs/{part(task)}/now"
    return do(settings, path, {"agent": agent}, f"{task}: now")


@call_backs.command
def close(settings: SettingsFile, task: str, *, reason: Why) -> int:
    """No call back is needed any more."""
    path = f"/call-backs/{part(task)}/close"
    return do(settings, path, {"reason": reason}, f"{task}: closed")


@surge.command
def status(settings: SettingsFile, *, as_json: AsJson = False, centre: Named = None) -> int:
    """Show whether surge mode is on, and why."""
    found = ask(settings, "GET", of_centre("/surge", centre))
    if as_json:
        print_json(found)
    elif found["state"] is None:
        out.print("off")
    else:
        state = {name: local(value, name) for name, value in found["state"].items()}
        print_rows(({"": name, "surge": value} for name, value in state.items()), ("", "surge"))
    return 0


@surge.command
def on(
    settings: SettingsFile, *, reason: Why, prompt: str | None = None, centre: Named = None
) -> int:
    """Surge mode begins; callers hear the prompt, or the setting's own."""
    body = {"reason": reason, "prompt": prompt}
    return do(settings, of_centre("/surge/declare", centre), body, "surge mode is on")


@surge.command
def off(settings: SettingsFile, *, reason: Why, centre: Named = None) -> int:
    """Surge mode ends."""
    return do(settings, of_centre("/surge/end", centre), {"reason": reason}, "surge mode is off")


@alarms.command(name="list")
def list_alarms(settings: SettingsFile, *, as_json: AsJson = False, centre: Named = None) -> int:
    """Show the alarms that stand."""
    columns = ("alarm", "detail", "since", "acknowledged_by")
    return show(settings, of_centre("/alarms", centre), columns, as_json=as_json)


@alarms.command
def ack(settings: SettingsFile, alarm: str, *, centre: Named = None) -> int:
    """An alarm was seen; it stands on, silently."""
    path = of_centre(f"/alarms/{part(alarm)}/acknowledge", centre)
    return do(settings, path, None, f"{alarm}: acknowledged")


def outbound(settings: SettingsFile, *, as_json: AsJson = False, centre: Named = None) -> int:
    """Show today's calls that operators placed by themselves, and attempts that were refused."""
    columns = ("centre", "day", "operator", "supervisor", "going_on", "refused")
    return show(settings, of_centre("/outbound", centre), columns, as_json=as_json)


@neighbours.command(name="list")
def list_hand_overs(
    settings: SettingsFile, *, as_json: AsJson = False, centre: Named = None
) -> int:
    """Show the reports that neighbours get, and which version of each they have."""
    columns = ("report", "neighbour", "since", "version", "acknowledged", "theirs", "failed")
    return show(settings, of_centre("/hand-overs", centre), columns, as_json=as_json)


@neighbours.command(name="hand-over")
def hand_over(settings: SettingsFile, report: str, neighbour: str) -> int:
    """Let a neighbour (by its id as an agency) have a report, and what changes in it."""
    path = f"/reports/{part(report)}/hand-over/{part(neighbour)}"
    return do(settings, path, None, f"{report}: handed over to {neighbour}")


@neighbours.command
def secret(file: Annotated[Path, Parameter(help="Where it goes; must not be there yet.")]) -> int:
    """Make the secret that two installations share: the other needs the same file."""
    make_secret(file)
    err.print(f"{file}: made; carry it to the other, not over the network between", markup=False)
    return 0


def _each(
    settings: Path, extensions: Sequence[str], what: str, body: dict[str, Any] | None = None
) -> int:
    if not extensions:
        err.print(f"{what}: no operator was named; expected one extension or more")
        return 2
    for extension in extensions:
        do(settings, f"/operators/{part(extension)}/{what}", body, f"{extension}: {what}")
    return 0
