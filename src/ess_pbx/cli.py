"""The command line: ``ess-pbx`` when installed, ``./ess`` in a checkout.

Exit codes: 0 done, 1 it failed and says why, 2 the settings or the command line are wrong.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter
from rich.table import Table

from ess_pbx import log
from ess_pbx.audit_commands import audit
from ess_pbx.bench_commands import bench
from ess_pbx.chaos_commands import chaos
from ess_pbx.control_commands import (
    GROUPS,
    live,
    mark,
    outbound,
    pause_recording,
    pull,
    resume_recording,
    stop_supervising,
    supervise,
)
from ess_pbx.errors import EssPbxError, SettingsError
from ess_pbx.ivr_commands import ivr
from ess_pbx.journal_commands import journal
from ess_pbx.recordings_commands import evidence, recordings
from ess_pbx.report_commands import reports
from ess_pbx.roster_commands import roster
from ess_pbx.settings.entry import trunks_of
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import CHECKOUT
from ess_pbx.simulation_commands import simulate
from ess_pbx.terminal import Named, Progress, err, out, run, run_folder

app = App(
    name="ess-pbx",
    help="The engine of a 112 emergency call centre, on Asterisk.",
    version_flags=["--version"],
)
config = App(name="config", help="Settings of a centre.")
render = App(name="render", help="Files made from settings.")
prompts = App(name="prompts", help="What callers hear.")
calls = App(name="calls", help="The latest calls, and those that go on.")
calls.command(live)
for command in (
    *(mark, outbound, supervise, stop_supervising, pull),
    *(pause_recording, resume_recording),
):
    calls.command(command)
app.command(audit)
for group in (config, render, prompts, roster, ivr, recordings, journal, calls, reports, *GROUPS):
    app.command(group)
for group in (bench, chaos):
    app.command(group)
app.command(evidence)
app.command(simulate)

STOPS = (KeyboardInterrupt, asyncio.CancelledError)
"""How Ctrl-C and SIGTERM arrive."""

SettingsFile = Annotated[Path, Parameter(help="The TOML file of the installation.")]


@app.command
def demo(
    *,
    json: Annotated[bool, Parameter(help="One JSON object on stdout, nothing else.")] = False,
    folder: Annotated[Path | None, Parameter(help="Where everything of the run goes.")] = None,
) -> int:
    """Run one real 112 call on this machine and show its timeline, recording and records."""
    from ess_pbx.demo.call import Demo
    from ess_pbx.demo.show import show

    folder = (folder or run_folder("demo")).resolve()
    demo_run = Demo(folder, Progress())
    result = demo_run.result
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / "engine.log").open("w") as log_file:
            log.configure("info", log_file)
            try:
                run(demo_run.run())
            except Exception as error:
                if not isinstance(error, EssPbxError):
                    log.get_logger(__name__).exception("demo.failed")
                raise
    except (Exception, KeyboardInterrupt, asyncio.CancelledError) as error:
        what = "stopped" if isinstance(error, STOPS) else f"{type(error).__name__}: {error}"
        result.ok, result.error = False, what
    if json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    elif result.ok:
        show(result, out)
    if not result.ok:
        err.print(f"[bold red]The demo failed:[/] {result.error}", markup=True)
        err.print(f"Logs: {folder}/engine.log, {folder}/log/asterisk.log, SIPp's under {folder}")
        return 1
    return 0


@app.command
def up(
    *,
    traffic: Annotated[float, Parameter(help="Synthetic callers a minute.")] = 0.0,
    host: Annotated[str, Parameter(help="Address for SIP phones.")] = "127.0.0.1",
    folder: Annotated[Path | None, Parameter(help="Where the centre keeps everything.")] = None,
    standby: Annotated[
        bool, Parameter(help="A second engine stands by; shows which leads.", negative="")
    ] = False,
) -> int:
    """Keep the sample centre running for real phones until Ctrl-C."""
    from ess_pbx.demo.up import keep_up

    if traffic < 0:
        err.print(f"--traffic {traffic:g}: expected callers a minute, 0 or more")
        return 2
    folder = (folder or CHECKOUT / "var" / "up").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "engine.log").open("a") as log_file:
        log.configure("info", log_file)
        run(keep_up(folder, host, traffic, Progress(), out, standby=standby))
    return 0


@app.command
def serve(
    settings: SettingsFile,
    *,
    standby: Annotated[
        bool, Parameter(help="Stand by while another engine leads.", negative="")
    ] = False,
) -> int:
    """Run an installation, Asterisk and engine, until it is told to stop (SIGTERM or Ctrl-C).

    SIGHUP ends the engine alone: calls go on, and the next ``serve`` goes on with them. An engine
    that stands by takes over when the one that leads ends, in whatever way, or freezes.
    """
    from ess_pbx.installation import Installation
    from ess_pbx.serving import serve as serve_until_stopped

    loaded = load_settings(settings)
    log.configure(loaded.asterisk.log_level)
    installation = Installation(loaded, Progress())
    run(serve_until_stopped(installation, stand_by=standby or loaded.standby.wanted))
    return 0


@app.command
def pin(
    settings: SettingsFile,
    extension: Annotated[str | None, Parameter(help="Whose; all without one if not given.")] = None,
) -> int:
    """Make PINs for the codes on operators' phones, and show them this once."""
    from ess_pbx.settings.pins import make_pins

    loaded = load_settings(settings)
    known = [operator.extension for centre in loaded.centres for operator in centre.operators]
    if extension is not None and extension not in known:
        err.print(f"{extension}: expected an operator's extension ({', '.join(known)})")
        return 2
    wanted = known if extension is None else [extension]
    made = make_pins(loaded.folders.state, wanted, anew=extension is not None)
    table = Table("extension", "PIN")
    for each, digits in made.items():
        table.add_row(each, digits)
    if made:
        out.print(table)
    else:
        err.print("Everyone has a PIN. Name an extension to have a new one made.")
    return 0


@app.command
def migrate(settings: SettingsFile, *, revision: str = "head") -> int:
    """Bring the centre's database to the newest form."""
    from ess_pbx.db import migrate as migrations

    migrations.upgrade(load_settings(settings).database.url, revision)
    err.print(f"The database is at revision {revision}.")
    return 0


@calls.default
def latest(settings: SettingsFile, *, limit: int = 20, centre: Named = None) -> int:
    """Show the latest calls, of one centre or of all."""
    from ess_pbx.db.connect import create_engine
    from ess_pbx.db.queries import recent_calls
    from ess_pbx.sip.numbers import mask_number

    loaded = load_settings(settings)
    only = None if centre is None else loaded.centre_named(centre).id

    async def rows() -> list[dict[str, Any]]:
        database = create_engine(loaded.database.url)
        try:
            return await recent_calls(database, limit, only)
        finally:
            await database.dispose()

    found = run(rows())
    if not found:
        err.print("No calls yet.")
        return 0
    shown = ["category", "operator", "agency", "result", "reason"]
    if len(loaded.centres) > 1:
        shown.insert(0, "centre")
    table = Table("invited", "call", "caller", *shown)
    for row in found:
        number = mask_number(str(row["caller_e164"] or row["caller_raw"] or ""))
        named = (row[name] for name in shown)
        table.add_row(
            f"{row['invited_at']:%Y-%m-%d %H:%M:%S}" if row["invited_at"] else "",
            str(row["id"]),
            number,
            *("" if value is None else str(value) for value in named),
        )
    out.print(table)
    return 0


@app.command
def report(
    settings: SettingsFile,
    *,
    day: Annotated[str | None, Parameter(help="2026-11-21; today when nothing is given.")] = None,
    week: Annotated[str | None, Parameter(help="An ISO week, 2026-W47.")] = None,
    month: Annotated[str | None, Parameter(help="2026-11.")] = None,
    shift: Annotated[str | None, Parameter(help="A shift's id, of --day or the latest.")] = None,
    by: Annotated[
        Literal["category", "trunk", "operator", "shift"] | None, Parameter(help="Groups.")
    ] = None,
    within: Annotated[
        tuple[float, ...], Parameter(help="T in seconds; may be given again.", negative="")
    ] = (10.0, 20.0),
    short: Annotated[float, Parameter(help="S: shorter abandons are left out, seconds.")] = 5.0,
    csv: Annotated[Path | None, Parameter(help="Write RFC 4180 here.")] = None,
    xlsx: Annotated[Path | None, Parameter(help="Write a workbook here.")] = None,
    centre: Named = None,
) -> int:
    """Print a period's figures: the loss funnel, service level, waits, operators, agencies."""
    from ess_pbx.db.connect import create_engine
    from ess_pbx.domain.service_level import Thresholds
    from ess_pbx.report.asked import Asked, By
    from ess_pbx.report.build import read_report
    from ess_pbx.report.period import PeriodError
    from ess_pbx.report.tables import Report
    from ess_pbx.report.write import show, write_csv, write_xlsx

    loaded = load_settings(settings)
    now, limits = datetime.now().astimezone(), Thresholds(within=within, short=short)
    chosen = {"day": day, "week": week, "month": month, "shift": shift}
    try:
        grouped = By(by or "centre")
        asked = Asked.of(loaded, now, centre=centre, by=grouped, thresholds=limits, **chosen)
    except PeriodError as error:
        err.print(str(error), markup=False)
        return 2

    async def read() -> Report:
        database = create_engine(loaded.database.url)
        try:
            return await read_report(database, asked)
        finally:
            await database.dispose()

    made = run(read())
    for path, writing in ((csv, write_csv), (xlsx, write_xlsx)):
        if path is not None:
            writing(made, path)
            err.print(f"{path}: {made.offered} calls", markup=False)
    if csv is None and xlsx is None:
        show(made, out)
    return 0


@config.command
def check(settings: SettingsFile) -> int:
    """Read a settings file and say what is wrong with it, each with file and line."""
    loaded = load_settings(settings)
    for warning in loaded.warnings:
        err.print(warning, markup=False)
    err.print(f"{settings}: good.")
    for centre in loaded.centres:
        err.print(
            f"{centre.name}: {len(trunks_of(loaded, centre.id))} trunks, "
            f"{len(centre.operators)} operators, {len(centre.shifts)} shifts, "
            f"{len(centre.agencies)} agencies, {len(centre.menus)} menus."
        )
    return 0


@render.command
def asterisk(settings: SettingsFile) -> int:
    """Write Asterisk's configuration and say where."""
    from ess_pbx.installation import Installation

    installation = Installation(load_settings(settings), Progress())
    installation.prepare()
    out.print(str(installation.folders.etc))
    return 0


@prompts.command
def build(
    *,
    source: Annotated[Path, Parameter(help="The catalogue.")] = CHECKOUT / "ivr_prompts",
    target: Annotated[Path, Parameter(help="Where the sound files go.")] = (
        CHECKOUT / "var" / "prompts"
    ),
) -> int:
    """Speak the catalogue's texts, or take the studio recordings beside them."""
    from ess_pbx.prompts.build import build_prompts
    from ess_pbx.prompts.synthesis import EspeakSynthesiser

    result = build_prompts(source, target, EspeakSynthesiser.find())
    table = Table("prompt", "seconds", "dBov", "from", "new")
    for key, prompt in result.prompts.items():
        new = "yes" if key in result.built else ""
        table.add_row(key, f"{prompt.seconds:.1f}", f"{prompt.level_dbov:.1f}", prompt.origin, new)
    out.print(table)
    err.print(f"{len(result.built)} new, {len(result.removed)} removed, in {target}")
    return 0


def main() -> int:
    """Run a command; returns the exit code."""
    os.umask(0o077)  # recordings, logs and passwords are nobody else's
    log.configure("warning")
    try:
        code = app(result_action="return_value", exit_on_error=True)
    except SettingsError as error:
        err.print(str(error), markup=False)
        return 2
    except EssPbxError as error:
        err.print(f"{error.code}: {error}", markup=False)
        return 1
    except STOPS:
        return 130
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
