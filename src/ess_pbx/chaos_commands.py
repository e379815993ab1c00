"""``ess-pbx chaos``: faults injected for real, and what callers noticed of them."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from ess_pbx import log
from ess_pbx.terminal import Progress, err, out, run, run_folder

chaos = App(name="chaos", help="Faults injected into a real centre under load, and their cost.")


@chaos.default
def chaos_faults(
    *faults: Annotated[str, Parameter(help="Which, by name; all when none is given.")],
    seconds: Annotated[float | None, Parameter(help="For how long calls come, each fault.")] = None,
    full: Annotated[
        bool, Parameter(help="5 calls a second and 50 live ones, 60 s; else 2 and 20, 20 s.")
    ] = False,
    names: Annotated[bool, Parameter(help="Only list the faults.", negative="")] = False,
    json: Annotated[bool, Parameter(help="A JSON list on stdout, nothing else.")] = False,
) -> int:
    """Kill, freeze, flood and cut off, and count who was dropped, lost or left in silence.

    Exit code 1 when a fault cost more than it may.
    """
    from msgspec.structs import replace

    from ess_pbx.chaos.catalogue import FAULTS
    from ess_pbx.chaos.run import run_faults
    from ess_pbx.chaos.stage import FULL, USUAL
    from ess_pbx.chaos.verdict import render

    known = {fault.id: fault for fault in FAULTS}
    if names:
        for fault in FAULTS:
            out.print(f"{fault.id:18}{fault.title}", markup=False)
        return 0
    unknown = [each for each in faults if each not in known]
    if unknown or (seconds is not None and seconds < 1):
        what = f"unknown fault {unknown[0]!r}" if unknown else f"--seconds {seconds:g}"
        err.print(f"{what}: expected one or more of {', '.join(known)}; seconds 1 or more")
        return 2
    load = FULL if full else USUAL
    if seconds is not None:
        load = replace(load, seconds=seconds)
    folder = run_folder("chaos")
    folder.mkdir(parents=True, mode=0o700)
    with (folder / "chaos.log").open("w") as log_file:
        log.configure("info", log_file)
        wanted = [fault for fault in FAULTS if not faults or fault.id in faults]
        verdicts = run(run_faults(wanted, load, folder, Progress()))
    if json:
        sys.stdout.write(msgspec.json.encode(verdicts).decode() + "\n")
    else:
        sys.stdout.write(render(verdicts, {each.id: each.title for each in wanted}))
        err.print(f"Logs of each fault: {folder}")
    return int(any(verdict.passed is False for verdict in verdicts))


@chaos.command
def campaign(
    *,
    kills: Annotated[int, Parameter(help="How many times.")] = 100,
    seed: Annotated[int, Parameter(help="Of when; the same points for the same seed.")] = 1,
    seconds: Annotated[float, Parameter(help="For how long calls come, each round.")] = 60.0,
    full: Annotated[bool, Parameter(help="5 calls a second and 50 live ones; else 2, 20.")] = False,
    json: Annotated[bool, Parameter(help="One JSON object on stdout, nothing else.")] = False,
) -> int:
    """kill -9 the engine at many random points under load: dropped, lost, adoption time.

    Exit code 1 when it cost more than it may.
    """
    from msgspec.structs import replace

    from ess_pbx.chaos.campaign import render, run_campaign
    from ess_pbx.chaos.stage import FULL, USUAL

    if kills < 1 or seconds < 1:
        err.print(f"--kills {kills} --seconds {seconds:g}: expected 1 or more of each")
        return 2
    load = replace(FULL if full else USUAL, seconds=seconds)
    folder = run_folder("chaos")
    folder.mkdir(parents=True, mode=0o700)
    with (folder / "chaos.log").open("w") as log_file:
        log.configure("info", log_file)
        result = run(run_campaign(kills, seed, load, folder, Progress()))
    if json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    else:
        sys.stdout.write(render(result))
        err.print(f"Logs of each round: {folder}")
    return int(result.passed is False)
