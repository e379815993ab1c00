"""``ess-pbx simulate``: virtual centres by the thousand, each a history that its seed repeats."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ess_pbx.settings.model import CHECKOUT
from ess_pbx.simulation.authors import story_of
from ess_pbx.simulation.run import Failure, Tally, explain, simulate_all
from ess_pbx.simulation.story import load, save
from ess_pbx.simulation.world import World
from ess_pbx.terminal import err, out

KEPT = CHECKOUT / "tests" / "simulation" / "stories"
"""Stories that failed once, told again by ``./ess test``."""


class Report(msgspec.Struct, kw_only=True):
    """What ``--json`` prints."""

    ok: bool
    first: int
    seeds: int
    calls: int
    steps: int
    virtual_seconds: float
    seconds: float
    seeds_per_second: float
    """On each processor."""
    failures: list[Failure]


def simulate(
    *,
    seeds: Annotated[int, Parameter(help="How many.")] = 1000,
    first: Annotated[int, Parameter(help="The first of them.")] = 0,
    jobs: Annotated[int, Parameter(help="Processes side by side.")] = os.cpu_count() or 1,
    seed: Annotated[int | None, Parameter(help="This one alone, told event by event.")] = None,
    story: Annotated[Path | None, Parameter(help="Tell a story that was kept.")] = None,
    keep: Annotated[Path, Parameter(help="Where stories that fail are kept.")] = KEPT,
    json: Annotated[bool, Parameter(help="One JSON object on stdout, nothing else.")] = False,
) -> int:
    """Let virtual people call a virtual centre while faults befall it, and check what must hold."""
    if seeds < 1 or jobs < 1:
        err.print(f"--seeds {seeds} --jobs {jobs}: expected 1 or more of each")
        return 2
    if story is not None or seed is not None:
        return _tell(seed, story)
    began = time.monotonic()
    columns = (
        *(TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()),
        TextColumn("{task.fields[failed]}"),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("seeds", total=seeds, failed="")
        tally = simulate_all(
            range(first, first + seeds), jobs, lambda done: progress.advance(task, done)
        )
    report = _report(tally, first, time.monotonic() - began)
    if json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        _show(report)
    for failure in tally.failures:
        keep.mkdir(parents=True, exist_ok=True)
        save(failure.story, keep / f"{failure.seed}.json")
    return 0 if report.ok else 1


def _report(tally: Tally, first: int, seconds: float) -> Report:
    return Report(
        ok=not tally.failures,
        first=first,
        seeds=tally.seeds,
        calls=tally.calls,
        steps=tally.steps,
        virtual_seconds=round(tally.virtual_seconds, 1),
        seconds=round(seconds, 2),
        seeds_per_second=round(tally.seeds / tally.cpu_seconds, 1),
        failures=tally.failures,
    )


def _show(report: Report) -> None:
    for failure in report.failures:
        _show_failure(failure)
    hours = report.virtual_seconds / 3600
    out.print(
        f"{report.seeds} seeds from {report.first}: {report.calls} calls in {hours:.1f} virtual "
        f"hours, {report.seconds:.1f} s, {report.seeds_per_second:.0f} seeds a second on each "
        f"processor. {len(report.failures) or 'None'} failed."
    )


def _show_failure(failure: Failure) -> None:
    lines = [
        f"Seed {failure.seed}: {failure.broken}",
        "The shortest story that fails so:",
        f"  {failure.story.setting}",
        *(f"  {step}" for step in failure.story.steps),
        *(f"  {who}: {does}" for who, does in (failure.story.reactions or {}).items()),
        "What happens in it:",
        *failure.told,
    ]
    out.print("\n".join(lines), markup=False)


def _tell(seed: int | None, path: Path | None) -> int:
    wanted = load(path) if path is not None else story_of(seed or 0)
    outcome = World(wanted, tells=True).run()
    if outcome.broken is None:
        out.print("\n".join(outcome.told), markup=False)
        out.print(f"{outcome.calls} calls, {outcome.at:.0f} virtual seconds: all held.")
        return 0
    _show_failure(explain(outcome))
    return 1
