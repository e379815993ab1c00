"""Many stories, on some processes; what fails is shortened there."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import msgspec

from ess_pbx.errors import EssPbxError
from ess_pbx.simulation.authors import story_of
from ess_pbx.simulation.shortening import shorten
from ess_pbx.simulation.story import Story
from ess_pbx.simulation.world import Outcome, World

CHUNK = 20
"""Seeds that a process does at a time."""


class Failure(msgspec.Struct, frozen=True):
    """A story in which something did not hold."""

    seed: int
    broken: str
    story: Story
    """The shortest that fails in the same way."""
    told: list[str]
    """What happens in it."""


class Tally(msgspec.Struct):
    """What came of some seeds."""

    seeds: int = 0
    calls: int = 0
    steps: int = 0
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0
    failures: list[Failure] = []

    def add(self, other: Tally) -> None:
        """Count the other's too."""
        self.seeds += other.seeds
        self.calls += other.calls
        self.steps += other.steps
        self.virtual_seconds += other.virtual_seconds
        self.cpu_seconds += other.cpu_seconds
        self.failures = [*self.failures, *other.failures]


def simulate(seeds: Iterable[int]) -> Tally:
    """Run these seeds here."""
    tally, began = Tally(), time.process_time()
    for seed in seeds:
        outcome = World(story_of(seed)).run()
        tally.seeds += 1
        tally.calls += outcome.calls
        tally.steps += outcome.steps
        tally.virtual_seconds += outcome.at
        if outcome.broken is not None:
            tally.failures.append(explain(outcome))
    tally.cpu_seconds = time.process_time() - began
    return tally


def simulate_all(seeds: range, jobs: int, on_done: Callable[[int], None]) -> Tally:
    """Run them on ``jobs`` processes; ``on_done`` hears how many more are done.

    Raises EssPbxError when one of the processes is killed: its seeds would be missing.
    """
    tally = Tally()
    for part in _parts(seeds, jobs):
        tally.add(part)
        on_done(part.seeds)
    tally.failures.sort(key=lambda each: each.seed)
    return tally


def explain(outcome: Outcome) -> Failure:
    """The shortest story that fails in the same way, and what happens in it."""
    story = shorten(outcome)
    told = World(story, tells=True).run()
    return Failure(outcome.story.seed, str(told.broken), story, told.told)


def _parts(seeds: range, jobs: int) -> Iterator[Tally]:
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    if jobs == 1 or len(chunks) == 1:
        yield from map(simulate, chunks)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, _leave_ctrl_c_to_the_parent) as pool:
        parts = [pool.submit(simulate, chunk) for chunk in chunks]
        try:
            yield from (part.result() for part in as_completed(parts))
        except BrokenProcessPool as broken:
            raise EssPbxError(
                "a process of the simulation was killed, and its seeds with it; expected each to "
                "end by itself. Look for memory that ran out (dmesg), and try fewer --jobs."
            ) from broken
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
