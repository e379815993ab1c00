"""What the journal does a second, how long until a fact is on disk, and what fsync costs a call.

A call pays for ``append`` alone: the loop's time in it is measured with fsync, without, and with
one that takes as long as on a worn disk. If the three are alike, fsync costs a call nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import msgspec

from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.segments import SegmentWriter

ROUNDS = 5
SLOW_FSYNC_SECONDS = 0.05
TICK_SECONDS = 0.001
FACTS_A_CALL = 20
"""About as many as a call without a transfer has."""
MODES = ("fsync", "no fsync", "fsync of 50 ms")


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """One way to write: medians of some rounds."""

    mode: str
    facts_per_second: float
    """All at once: from the first append until the last is durable."""
    facts_per_commit: float
    """Of those: how many one fsync covers."""
    durable_p50_ms: float
    """From append to durable, at ``JournalBench.paced`` facts a second."""
    durable_p99_ms: float
    append_p50_us: float
    """What the loop spends in ``append``, at that rate."""
    append_p99_us: float
    append_us_a_call: float
    """On average, times ``FACTS_A_CALL``."""
    late_p99_ms: float
    """How late the loop's timers come meanwhile."""


class JournalBench(msgspec.Struct, frozen=True, kw_only=True):
    """The same facts in each mode, in turns."""

    facts: int
    bytes_a_fact: float
    paced: float
    modes: list[Mode]


class _Clocked(SegmentWriter):
    """Notes when each of the lines it was given was on disk, and syncs as it is told to."""

    mode = MODES[0]
    durable_at: list[float]
    commits: int

    def commit(self, data: bytes) -> None:
        super().commit(data)
        self.durable_at += [time.perf_counter()] * data.count(b"\n")
        type(self).commits += 1

    def _sync(self) -> None:
        if self.mode == MODES[1]:
            return
        super()._sync()
        if self.mode == MODES[2]:
            time.sleep(SLOW_FSYNC_SECONDS)


async def run_journal_bench(facts: int, paced: float, folder: Path) -> JournalBench:
    """Measure in ``folder``; ``paced`` facts a second where it is not as many as possible."""
    rounds: dict[str, list[Mode]] = {mode: [] for mode in MODES}
    written = 0
    for number in range(ROUNDS):
        for mode in MODES:
            at = folder / f"{number}-{MODES.index(mode)}"
            rounds[mode].append(await _round(mode, facts, paced, at))
            written = sum(path.stat().st_size for path in (at / "burst").glob("facts-*"))
    return JournalBench(
        facts=facts,
        bytes_a_fact=round(written / facts, 1),
        paced=paced,
        modes=[_median(mode, some) for mode, some in rounds.items()],
    )


def render(bench: JournalBench) -> str:
    """A table of plain text."""
    rows = {
        "facts a second, all at once": [f"{e.facts_per_second:,.0f}" for e in bench.modes],
        "facts a commit": [f"{e.facts_per_commit:,.0f}" for e in bench.modes],
        "append to durable, p50": [f"{e.durable_p50_ms:.2f} ms" for e in bench.modes],
        "append to durable, p99": [f"{e.durable_p99_ms:.2f} ms" for e in bench.modes],
        "the loop in append, p50": [f"{e.append_p50_us:.1f} µs" for e in bench.modes],
        "the loop in append, p99": [f"{e.append_p99_us:.1f} µs" for e in bench.modes],
        f"… a call of {FACTS_A_CALL}": [f"{e.append_us_a_call:.0f} µs" for e in bench.modes],
        "timers late, p99": [f"{e.late_p99_ms:.2f} ms" for e in bench.modes],
    }
    lines = [
        f"{bench.facts} facts of {bench.bytes_a_fact:.0f} bytes at once; "
        f"below that {bench.paced:g} a second",
        f"{'':<28}" + "".join(f"{each.mode:>16}" for each in bench.modes),
    ]
    lines += [
        f"{name:<28}" + "".join(f"{figure:>16}" for figure in row) for name, row in rows.items()
    ]
    return "\n".join(lines)


async def _round(mode: str, facts: int, paced: float, folder: Path) -> Mode:
    journal, clock = _open(mode, folder / "burst")
    began = time.perf_counter()
    for fact in islice(_call(), facts):
        last = journal.append(fact)
    await journal.flushed(last)
    burst, commits = time.perf_counter() - began, clock.commits
    await journal.close()

    journal, clock = _open(mode, folder / "paced")
    appended, spent, late = await _paced(journal, facts, paced)
    await journal.close()
    waited = [then - at for then, at in zip(clock.durable_at, appended, strict=True)]
    return Mode(
        mode=mode,
        facts_per_second=facts / burst,
        facts_per_commit=facts / commits,
        durable_p50_ms=1e3 * statistics.median(waited),
        durable_p99_ms=1e3 * _p99(waited),
        append_p50_us=1e6 * statistics.median(spent),
        append_p99_us=1e6 * _p99(spent),
        append_us_a_call=1e6 * statistics.mean(spent) * FACTS_A_CALL,
        late_p99_ms=1e3 * _p99(late),
    )


async def _paced(
    journal: Journal, facts: int, per_second: float
) -> tuple[list[float], list[float], list[float]]:
    """When each was appended, how long that took, and how late each turn of the loop was."""
    appended, spent, late = list[float](), list[float](), list[float]()
    source, clock = _call(), time.perf_counter
    began = clock()
    while len(appended) < facts:
        due = clock() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        late.append(clock() - due)
        wanted = min(round((clock() - began) * per_second), facts)
        while len(appended) < wanted:
            fact = next(source)
            before = clock()
            journal.append(fact)
            after = clock()
            appended.append(before)
            spent.append(after - before)
    await journal.flushed(facts)
    return appended, spent, late


def _open(mode: str, folder: Path) -> tuple[Journal, type[_Clocked]]:
    kind = type("Clocked", (_Clocked,), {"mode": mode, "durable_at": [], "commits": 0})
    return Journal(folder, reserve_bytes=0, open_segment=kind), kind


def _call() -> cycle[Fact]:
    """The facts of a call again and again, as long as real ones are."""
    call, centre = "ess1-1795323182.123", "contoh"
    leg: dict[str, str | int | None] = {"leg": f"{call}~op2", "agent": "1001"}
    data: list[tuple[FactKind, dict[str, str | int | None]]] = [
        (
            FactKind.CALL_ARRIVED,
            {
                "caller_raw": "+6281234567890",
                "caller_e164": "+6281234567890",
                "caller_display": "0812-3456-7890",
                "called": "112",
                "trunk": "telco-a",
                "channel": call,
                "node": "ess1",
            },
        ),
        (FactKind.CLASSIFIED, {"category": "lainnya", "queue": "umum", "priority": 5}),
        (FactKind.QUEUED, {"queue": "umum", "priority": 5, "menu": None}),
        (FactKind.OFFERED, leg),
        (FactKind.AGENT_STATE, {"agent": "1001", "status": "present", "state": "offered"}),
        (FactKind.ANNOUNCED, {"prompt": "selamat-datang", "playback": f"{call}~pb1"}),
        (FactKind.OPERATOR_RUNG, leg),
        (FactKind.OPERATOR_ANSWERED, leg),
        (FactKind.LEG_ENDED, {**leg, "role": "operator", "party": "1001", "cause": 16}),
        (FactKind.CALL_ENDED, {"result": "success", "reason": "completed", "ended_by": "caller"}),
    ]
    return cycle(
        Fact(
            id=f"5f1c0b9be7144f0c8d4a-{number}",
            centre=centre,
            call=call,
            kind=kind,
            at=1795323182.793,
            ms=1674,
            data=fields,
        )
        for number, (kind, fields) in enumerate(data)
    )


def _median(mode: str, rounds: Sequence[Mode]) -> Mode:
    names = [name for name in Mode.__struct_fields__ if name != "mode"]
    middle = {name: statistics.median(getattr(each, name) for each in rounds) for name in names}
    return Mode(mode=mode, **{name: round(value, 3) for name, value in middle.items()})


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]
