"""The engine killed at many random points under load, and what all of that together cost."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from ess_pbx.chaos import ChaosError
from ess_pbx.chaos.engine_process import STARTED
from ess_pbx.chaos.faults.engine import ADOPTED_WITHIN, DOWN_SECONDS, RING_WITHIN
from ess_pbx.chaos.postgres import PostgresServer
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.stage import Load
from ess_pbx.chaos.verdict import WIDTH, Check, judge
from ess_pbx.domain.facts import FactKind
from ess_pbx.installation import Progress

KILLS_A_ROUND = 10
RUNS_FOR = (0.0, 4.0)
"""Seconds that an engine which has adopted its calls runs before it is killed."""
STRUCK_WHILE_STARTING = 0.2
"""The share of engines that are killed while they start or adopt."""
STARTS_FOR = (0.1, 1.5)
SETTLED = 0.2
"""Adoptions come together: the last is the one after which none comes for so long."""
SUMMED = ("calls", "dropped", "failed", "never served", "lost", "duplicated", "left in Asterisk")


class Round(msgspec.Struct, kw_only=True):
    """Some kills on one centre. Times are seconds."""

    kills: int = 0
    while_starting: int = 0
    """Kills of an engine that had not adopted its calls yet."""
    not_adopted: int = 0
    """Starts after which no call was adopted although some stood."""
    adopted: list[float] = []
    """From the start of a new process to its last adoption."""
    rings: list[float | None] = []
    """From INVITE to the first phone, of who called while no engine was there; None: never."""
    longest_wait: float | None = None
    """From INVITE to the first phone, of all: who called just before a kill is among them."""
    longest_silence: float = 0.0
    counts: dict[str, int] = {}


class Campaign(msgspec.Struct, kw_only=True):
    """All rounds, and their sum."""

    seed: int
    kills: int
    while_starting: int
    counts: dict[str, int]
    not_adopted: int
    adopted_median: float | None
    adopted_worst: float | None
    ring_median: float | None
    ring_worst: float | None
    longest_wait: float | None
    longest_silence: float
    rounds: list[Round]
    bound: str = ""
    measured: str = ""
    passed: bool | None = None


async def run_campaign(
    kills: int, seed: int, load: Load, folder: Path, progress: Progress
) -> Campaign:
    """Kill the engine so many times, in rounds of ``KILLS_A_ROUND``, each on a centre of its own.

    Raises ChaosError when a centre does not come up.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    postgres, rounds = PostgresServer(), list[Round]()
    try:
        await asyncio.to_thread(postgres.start, folder / "postgres")
        while (left := kills - sum(each.kills for each in rounds)) > 0:
            scene = Scene(folder / f"round-{len(rounds) + 1}", load, postgres, progress)
            async with scene.closing:
                rounds.append(await _round(scene, min(left, KILLS_A_ROUND), chance))
            progress(f"round {len(rounds)}: {_in_words(rounds[-1])}")
    finally:
        await asyncio.to_thread(postgres.stop)
    return summed_up(seed, rounds)


def summed_up(seed: int, rounds: Sequence[Round]) -> Campaign:
    """What the rounds come to."""
    adopted = [each for one in rounds for each in one.adopted]
    rings = [float("inf") if each is None else each for one in rounds for each in one.rings]
    campaign = Campaign(
        seed=seed,
        kills=sum(one.kills for one in rounds),
        while_starting=sum(one.while_starting for one in rounds),
        counts={name: sum(one.counts.get(name, 0) for one in rounds) for name in SUMMED},
        not_adopted=sum(one.not_adopted for one in rounds),
        adopted_median=_median(adopted),
        adopted_worst=max(adopted, default=None),
        ring_median=_median(rings),
        ring_worst=_finite(max(rings, default=None)),
        longest_wait=max((one.longest_wait or 0.0 for one in rounds), default=None),
        longest_silence=max((one.longest_silence for one in rounds), default=0.0),
        rounds=list(rounds),
    )
    verdict = judge("engine crash", list(_checks(campaign, bool(rings))))
    campaign.bound, campaign.measured = verdict.bound, verdict.measured
    campaign.passed = verdict.passed
    return campaign


def render(campaign: Campaign) -> str:
    """The rounds as a table, and the sum below it."""
    table = Table(title=f"{campaign.kills} kills of the engine, seed {campaign.seed}")
    names = ("round", "kills", *SUMMED, "adopted, median", "worst", "longest silence")
    for name in names:
        table.add_column(name, justify="right")
    for number, one in enumerate(campaign.rounds, start=1):
        table.add_row(
            str(number),
            str(one.kills),
            *(str(one.counts.get(name, 0)) for name in SUMMED),
            *(_seconds(each) for each in (_median(one.adopted), max(one.adopted, default=None))),
            _seconds(one.longest_silence),
        )
    console = Console(width=WIDTH, no_color=True)
    with console.capture() as captured:
        console.print(table, markup=False)
    word = "pass" if campaign.passed else "FAIL"
    lines = "".join(f"  {line}\n" for line in campaign.measured.split("; "))
    return f"{captured.get()}{word}\n{lines}"


class _Killer:
    """Kills engine after engine of one centre, and writes down what that cost."""

    def __init__(self, running: Running, done: Round, chance: random.Random) -> None:
        self._running, self._done, self._chance = running, done, chance
        self.downs: list[tuple[float, float]] = []
        """From a kill until the next engine's process: who calls then has the dialplan alone. A
        call that an engine claimed just before it was killed waits for the next one."""

    async def strike(self) -> None:
        """Kill the engine that runs, start the next, and wait until it is time for that one."""
        centre, chance, done = self._running.centre, self._chance, self._done
        killed = await centre.kill_engine()
        done.kills += 1
        await asyncio.sleep(chance.uniform(*DOWN_SECONDS))
        self.downs.append((killed, time.monotonic()))
        if chance.random() < STRUCK_WHILE_STARTING:
            await centre.launch_engine()
            await asyncio.sleep(chance.uniform(*STARTS_FOR))
            done.while_starting += 1
            return
        await self.raise_again()
        await asyncio.sleep(chance.uniform(*RUNS_FOR))

    async def raise_again(self) -> None:
        """Start an engine and see what it adopts."""
        centre, live = self._running.centre, self._running.callers.live
        before = len(centre.told(FactKind.CALL_ADOPTED))
        began = await centre.start_engine()
        if live > 0:
            try:
                self._done.adopted.append(await _adopted(self._running, before, began))
            except ChaosError:
                self._done.not_adopted += 1


async def _round(scene: Scene, kills: int, chance: random.Random) -> Round:
    done = Round(adopted=[], rings=[], counts={})
    async with scene.running() as running:
        killer, until = _Killer(running, done, chance), time.monotonic() + scene.load.seconds
        await running.warm()
        while done.kills < kills and time.monotonic() < until:
            await killer.strike()
        if not (running.centre.folder / STARTED).exists():  # it is one that was to be struck
            await running.centre.kill_engine()
            await killer.raise_again()
        checks = {check.name: check.value for check in await running.checks()}
        rings = [each for down in killer.downs for each in running.callers.ring_seconds(*down)]
        done.rings = [_finite(each) for each in rings]
        done.longest_wait = _finite(max(running.callers.ring_seconds()))
    done.counts = {name: round(checks[name] or 0) for name in SUMMED}
    done.longest_silence = checks["longest silence"] or 0.0
    return done


async def _adopted(running: Running, before: int, began: float) -> float:
    centre, kind = running.centre, FactKind.CALL_ADOPTED
    await centre.until(
        lambda: len(centre.told(kind)) > before, "calls are adopted", 4 * ADOPTED_WITHIN
    )
    seen = before
    while (now := len(centre.told(kind))) > seen:
        seen = now
        await asyncio.sleep(SETTLED)
    return round(centre.told(kind)[seen - 1][0] - began, 3)


def _checks(campaign: Campaign, rang: bool) -> Iterator[Check]:
    yield Check("kills", campaign.kills, at_least=1)
    yield Check("of them while starting", campaign.while_starting)
    for name in SUMMED:
        yield Check(name, campaign.counts[name], at_most=None if name == "calls" else 0)
    yield Check("starts without adoption", campaign.not_adopted, at_most=0)
    yield Check("adopted, median", campaign.adopted_median, unit="s")
    yield Check("adopted, worst", campaign.adopted_worst, at_most=ADOPTED_WITHIN, unit="s")
    if rang:
        yield Check("new call rings, median", campaign.ring_median, unit="s")
        yield Check("new call rings, worst", campaign.ring_worst, at_most=RING_WITHIN, unit="s")
    yield Check("longest wait for a ring, of all", campaign.longest_wait, unit="s")
    yield Check("longest silence", campaign.longest_silence, at_most=3.0, unit="s")


def _in_words(one: Round) -> str:
    counts = ", ".join(f"{name} {one.counts.get(name, 0)}" for name in SUMMED)
    worst = _seconds(max(one.adopted, default=None))
    return f"{one.kills} kills, {counts}, adopted within {worst}"


def _median(values: Sequence[float]) -> float | None:
    return _finite(statistics.median(values)) if values else None


def _finite(value: float | None) -> float | None:
    return None if value is None or value == float("inf") else value


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
