"""``ess-pbx bench``: what is measured, never asserted, since machines are noisy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from cyclopts import App, Parameter

from ess_pbx import log
from ess_pbx.terminal import Progress, err, out, run, run_folder

bench = App(name="bench", help="Performance, measured on this machine, beside plain Asterisk.")

Json = Annotated[bool, Parameter(help="One JSON object on stdout, nothing else.")]
R = TypeVar("R", bound=msgspec.Struct)


@bench.command
def ring(
    *,
    calls: Annotated[int, Parameter(help="Calls each way.")] = 100,
    json: Json = False,
) -> int:
    """Time from the telco's INVITE to the INVITE at the operator's phone, beside plain Dial()."""
    from ess_pbx.bench.ring import render as show_bench
    from ess_pbx.bench.ring import run_ring_bench

    _measure_and_show(
        lambda folder: run_ring_bench(calls, folder, Progress()), show_bench, json=json
    )
    return 0


@bench.command
def dispatch(
    *,
    dispatches: Annotated[int, Parameter(help="In each round.")] = 2000,
    json: Json = False,
) -> int:
    """Microseconds in which the core chooses: 10 waiting and 5 operators, 1,000 and 500."""
    from ess_pbx.bench.dispatch import render as show_bench
    from ess_pbx.bench.dispatch import run_dispatch_bench

    _show(run_dispatch_bench(dispatches), show_bench, json=json)
    return 0


@bench.command
def answer(
    *,
    calls: Annotated[int, Parameter(help="Calls of each kind.")] = 20,
    json: Json = False,
) -> int:
    """Time from the INVITE to two-way audio with an operator, with and without a menu."""
    from ess_pbx.bench.answer import render as show_bench
    from ess_pbx.bench.answer import run_answer_bench

    _measure_and_show(
        lambda folder: run_answer_bench(calls, folder, Progress()), show_bench, json=json
    )
    return 0


@bench.command
def crowd(
    *,
    callers: Annotated[int, Parameter(help="How many call.")] = 200,
    operators: Annotated[int, Parameter(help="How many answer.")] = 10,
    per_second: Annotated[float, Parameter(help="Calls a second; as many as callers: at once.")] = (
        200.0
    ),
    talk: Annotated[float, Parameter(help="Seconds each talks to an operator.")] = 3.0,
    json: Json = False,
) -> int:
    """Many callers on few operators: who is dropped or overtaken, and the longest silence."""
    from ess_pbx.bench.crowd import render as show_bench
    from ess_pbx.bench.crowd import run_crowd

    _measure_and_show(
        lambda folder: run_crowd(callers, operators, per_second, talk, folder, Progress()),
        show_bench,
        json=json,
    )
    return 0


@bench.command
def journal(
    *,
    facts: Annotated[int, Parameter(help="In each round.")] = 20_000,
    per_second: Annotated[float, Parameter(help="Facts a second, for the latency.")] = 2000.0,
    json: Json = False,
) -> int:
    """Facts a second on this disk, time until one is durable, and what fsync costs a call."""
    from ess_pbx.bench.journal import render as show_bench
    from ess_pbx.bench.journal import run_journal_bench

    if facts < 1 or per_second < 1:
        err.print(f"--facts {facts} --per-second {per_second:g}: expected 1 or more of each")
        return 2
    _measure_and_show(
        lambda folder: run_journal_bench(facts, per_second, folder), show_bench, json=json
    )
    return 0


def _measure_and_show(
    measure: Callable[[Path], Coroutine[Any, Any, R]], show: Callable[[R], str], *, json: bool
) -> None:
    """Run on the real Asterisk, with everything of the run in a folder of its own."""
    folder = run_folder("bench")
    folder.mkdir(parents=True, mode=0o700)
    with (folder / "engine.log").open("w") as log_file:
        log.configure("info", log_file)
        _show(run(measure(folder / "centre")), show, json=json)


def _show(result: R, show: Callable[[R], str], *, json: bool) -> None:
    if json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    else:
        out.print(show(result), markup=False)
