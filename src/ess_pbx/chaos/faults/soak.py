"""Nothing is struck: calls come and go, and nothing may grow with them."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from ess_pbx.chaos.callers import Callers
from ess_pbx.chaos.centre import CentreProcess
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check

ROUNDS = 9
"""Times the load of a fault: three minutes of the usual one, nine of the full one."""
NUMBERS_A_ROUND = 10_000
MEMORY_GROWTH, DESCRIPTOR_GROWTH, CHANNEL_GROWTH = 10.0, 10.0, 25.0
"""Per cent, from the second third of the load to the last. Channels and Asterisk's descriptors are
those of the calls that happen to stand: by chance these are more or fewer."""
SAMPLE_SECONDS = 1.0


@dataclass(frozen=True)
class Sample:
    """What engine and Asterisk have at a moment (monotonic seconds)."""

    at: float
    engine_memory: int
    """Resident, in kB; Asterisk's as well."""
    engine_descriptors: int
    asterisk_memory: int
    asterisk_descriptors: int
    channels: int
    bridges: int


async def soak(scene: Scene) -> list[Check]:
    """The load nine times over, each round beginning as the one before has no more new calls."""
    load = scene.load
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(scene.running(more_calls=load.calls))
        samples = list[Sample]()
        watch = asyncio.create_task(_watch(running.centre, samples))
        stack.push_async_callback(_end, watch)
        began = time.monotonic()
        rounds = list[tuple[Callers, contextlib.AsyncExitStack]]()
        for number in range(1, ROUNDS):
            await asyncio.sleep(max(began + number * load.seconds - time.monotonic(), 0))
            if len(rounds) > 1:  # its ports are to be had again
                over, closing = rounds.pop(0)
                await over.over()
                await closing.aclose()
            closing = await stack.enter_async_context(contextlib.AsyncExitStack())
            callers = _round(scene, running, number)
            running.callers.join(await closing.enter_async_context(callers))
            rounds.append((callers, closing))
            scene.progress(f"{number} of {ROUNDS} rounds: {samples[-1]}")
        await asyncio.sleep(max(began + ROUNDS * load.seconds - time.monotonic(), 0))
        ended = time.monotonic()
        found = await running.checks()
        third = (ended - began) / 3
        first = [each for each in samples if began + third <= each.at < ended - third]
        last = [each for each in samples if ended - third <= each.at < ended]
        memory = _median(last, lambda one: one.engine_memory)
        return [
            Check("seconds", round(ended - began)),
            Check("engine, memory", round(memory / 1024, 1), unit="MiB"),
            *growth(first, last),
            *found,
        ]


def _round(scene: Scene, running: Running, number: int) -> Callers:
    """The callers of a round, who come by another trunk than those before them."""
    settings = running.centre.settings
    return Callers(
        settings,
        running.operators,
        scene.folder / f"callers-{number}",
        scene.load,
        trunk=settings.trunks[number % len(settings.trunks)],
        first=number * NUMBERS_A_ROUND,
    )


def growth(first: Sequence[Sample], last: Sequence[Sample]) -> list[Check]:
    figures: list[tuple[str, Callable[[Sample], float], float]] = [
        ("engine, memory grown by", lambda one: one.engine_memory, MEMORY_GROWTH),
        ("engine, descriptors grown by", lambda one: one.engine_descriptors, DESCRIPTOR_GROWTH),
        ("Asterisk, memory grown by", lambda one: one.asterisk_memory, MEMORY_GROWTH),
        ("Asterisk, descriptors grown by", lambda one: one.asterisk_descriptors, CHANNEL_GROWTH),
        ("channels grown by", lambda one: one.channels, CHANNEL_GROWTH),
        ("bridges grown by", lambda one: one.bridges, CHANNEL_GROWTH),
    ]
    return [
        Check(name, _percent(_median(first, of), _median(last, of)), at_most=margin, unit="%")
        for name, of, margin in figures
    ]


def _percent(before: float, after: float) -> float | None:
    return round(100 * (after - before) / before, 1) if before else None


def _median(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    return statistics.median(of(each) for each in samples) if samples else 0.0


async def _watch(centre: CentreProcess, samples: list[Sample]) -> None:
    """Look until cancelled."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            asterisk = centre.asterisk_pid or 0
            samples.append(
                Sample(
                    time.monotonic(),
                    *_of(centre.engine_pid),
                    *_of(asterisk),
                    len(await centre.ari("channels")),
                    len(await centre.ari("bridges")),
                )
            )
        await asyncio.sleep(SAMPLE_SECONDS)


def _of(process: int) -> tuple[int, int]:
    """A process's resident memory (kB) and its open descriptors."""
    folder = Path(f"/proc/{process}")
    lines = (folder / "status").read_text().splitlines()
    resident = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(resident), sum(1 for _ in (folder / "fd").iterdir())


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
