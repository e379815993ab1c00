"""INVITE in → INVITE at the operator's phone: the engine beside plain ``Dial()``.

Both go through one Asterisk in one run, turn by turn, so that what disturbs the machine disturbs
both alike. Calls come one at a time, each after all of the last is over.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from ess_pbx.bench import BenchError, parties_process
from ess_pbx.bench.parties_process import PartiesProcess
from ess_pbx.bench.plain_dial import stage
from ess_pbx.bench.sip_parties import Setup
from ess_pbx.domain.effects import AsteriskEffect, Originate
from ess_pbx.engine.executor import Executor
from ess_pbx.engine.service import Engine
from ess_pbx.installation import Installation, Progress

WARM_UP = 10
"""Calls of each way that are placed first and not counted."""
QUIET_SECONDS = 10.0
CALLER = "+6281234567890"
ENGINE, DIAL = "engine", "dial"
_POLL = 0.005


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds; percentiles by nearest rank."""

    p50: float
    p95: float
    min: float
    max: float

    @classmethod
    def of(cls, nanoseconds: Sequence[int]) -> Spread:
        """The spread of some durations; there must be one at least."""
        ordered = [round(each / 1e6, 3) for each in sorted(nanoseconds)]

        def rank(percent: int) -> float:
            return ordered[math.ceil(percent * len(ordered) / 100) - 1]

        return cls(p50=rank(50), p95=rank(95), min=ordered[0], max=ordered[-1])


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to the phone. CPU is milliseconds a call, from its INVITE until all of it is over."""

    ring_ms: Spread
    asterisk_cpu_ms: float
    engine_cpu_ms: float


class RingBench(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run, with ``calls`` of each way."""

    asterisk_version: str
    event_loop: str
    """The engine's: ``asyncio`` or ``uvloop``."""
    calls: int
    engine: Way
    dial: Way
    difference_p50_ms: float
    ratio_p50: float
    requests_before_ringing: int
    """ARI requests up to the one that rings the phone, that one included; most of any call."""
    requests_per_call: float
    leftover_channels: int
    leftover_bridges: int


class Measured(msgspec.Struct, frozen=True):
    """One call: nanoseconds until the phone rang, CPU seconds, ARI requests."""

    nanoseconds: int
    asterisk_cpu: float
    engine_cpu: float
    requests_before_ringing: int
    requests: int


class _CountingExecutor(Executor):
    """The engine's executor, which notes when the request left that rings the phone."""

    def __init__(self, engine: Engine, prompts: Path) -> None:
        super().__init__(engine.ari, prompts, engine.dispatcher.feed)
        self._ari = engine.ari
        self.offered_at = 0
        """How many requests had been sent then; 0 until it was."""

    def carry_out(self, effect: AsteriskEffect) -> None:
        """Send the effect's request."""
        super().carry_out(effect)
        if isinstance(effect, Originate):
            self.offered_at = self._ari.requests


class _Bench:
    """A running installation and its two parties."""

    def __init__(
        self, engine: Engine, executor: _CountingExecutor, asterisk: int, parties: PartiesProcess
    ) -> None:
        self._engine = engine
        self._executor = executor
        self._asterisk = asterisk
        self._parties = parties

    async def call(self, way: str) -> Measured:
        """Place one call and wait until all of it is over. Raises BenchError."""
        engine = self._engine
        requests = engine.ari.requests
        self._executor.offered_at = 0
        cpu, own_cpu = time.clock_gettime(_cpu_clock(self._asterisk)), time.process_time()
        nanoseconds = await self._parties.ring(way)
        await self.quiet()
        offered_at = self._executor.offered_at
        if bool(offered_at) is not (way == ENGINE):
            raise BenchError(
                f"the phone rang for a call by way of {way!r}, yet the engine "
                f"{'offered' if offered_at else 'did not offer'} it; nothing is measured so"
            )
        return Measured(
            nanoseconds,
            time.clock_gettime(_cpu_clock(self._asterisk)) - cpu,
            time.process_time() - own_cpu,
            max(0, offered_at - requests),
            engine.ari.requests - requests,
        )

    async def quiet(self) -> None:
        """Wait until no call is left and the operator is free. Raises BenchError."""
        engine, deadline = self._engine, time.monotonic() + QUIET_SECONDS
        while (
            engine.centres.calls
            or engine.tasks_left
            or engine.not_stored
            or not all(seat.free for seat in engine.centres.seats.values())
        ):
            if time.monotonic() > deadline:
                raise BenchError(
                    f"not quiet within {QUIET_SECONDS:.0f} s: {len(engine.centres.calls)} calls, "
                    f"{engine.tasks_left} tasks, {engine.not_stored} facts not stored; "
                    f"seats: {[seat.state for seat in engine.centres.seats.values()]}"
                )
            await asyncio.sleep(_POLL)


async def run_ring_bench(calls: int, folder: Path, progress: Progress) -> RingBench:
    """Measure ``calls`` of each way on an installation of its own in ``folder``, new or empty.

    Raises BenchError when a call did not go as it must, and whatever ``Installation.start`` raises.
    """
    if calls < 1:
        raise BenchError(f"{calls} calls: expected at least 1")
    settings, plain_port = stage(folder)
    installation = Installation(settings, progress)
    engine = await installation.start()
    try:
        executor = _CountingExecutor(engine, installation.folders.prompts)
        engine.dispatcher.executor = executor
        setup = _setup(installation, plain_port)
        async with parties_process.started(setup) as parties:
            bench = _Bench(engine, executor, installation.asterisk.pid, parties)
            await bench.quiet()
            measured: dict[str, list[Measured]] = {ENGINE: [], DIAL: []}
            progress(f"{calls} calls each way, after {WARM_UP} that are not counted")
            for number in range(WARM_UP + calls):
                for way, done in measured.items():
                    one = await bench.call(way)
                    if number >= WARM_UP:
                        done.append(one)
        left = [len(await engine.ari.call("GET", what) or ()) for what in ("channels", "bridges")]
        version = ".".join(map(str, installation.runtime.asterisk_version()))
        return _result(version, measured[ENGINE], measured[DIAL], left)
    finally:
        await installation.stop()


def _setup(installation: Installation, plain_port: int) -> Setup:
    settings = installation.settings
    extension = settings.centre_named().operators[0].extension
    assert installation.credentials is not None  # noqa: S101 - it is started
    return Setup(
        server=(settings.asterisk.sip_host, settings.asterisk.sip_port),
        trunks={ENGINE: settings.trunks[0].port, DIAL: plain_port},
        number="112",
        caller=CALLER,
        extension=extension,
        password=installation.credentials.operators[extension],
    )


def _result(
    version: str, engine: list[Measured], dial: list[Measured], left: list[int]
) -> RingBench:
    ways = [_way(engine), _way(dial)]
    ours, plain = (way.ring_ms.p50 for way in ways)
    return RingBench(
        asterisk_version=version,
        event_loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
        calls=len(engine),
        engine=ways[0],
        dial=ways[1],
        difference_p50_ms=round(ours - plain, 3),
        ratio_p50=round(ours / plain, 2),
        requests_before_ringing=max(one.requests_before_ringing for one in engine),
        requests_per_call=round(sum(one.requests for one in engine) / len(engine), 1),
        leftover_channels=left[0],
        leftover_bridges=left[1],
    )


def _way(calls: list[Measured]) -> Way:
    return Way(
        ring_ms=Spread.of([one.nanoseconds for one in calls]),
        asterisk_cpu_ms=round(sum(one.asterisk_cpu for one in calls) * 1000 / len(calls), 2),
        engine_cpu_ms=round(sum(one.engine_cpu for one in calls) * 1000 / len(calls), 2),
    )


def _cpu_clock(pid: int) -> int:
    """The clock of another process's CPU time, as clock_getcpuclockid(3) makes it on Linux."""
    return (~pid << 3) | 2


def render(result: RingBench) -> str:
    """The figures as people read them."""
    table = Table(title="INVITE in → INVITE at the operator's phone, ms")
    table.add_column("way")
    for column in ("p50", "p95", "min", "max", "CPU Asterisk", "CPU engine"):
        table.add_column(column, justify="right")
    for name, way in (("ess-pbx", result.engine), ("plain Dial()", result.dial)):
        ring = way.ring_ms
        figures = (ring.p50, ring.p95, ring.min, ring.max, way.asterisk_cpu_ms, way.engine_cpu_ms)
        table.add_row(name, *(f"{figure:.2f}" for figure in figures))
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(table)
    return (
        f"{captured.get()}"
        f"p50: ess-pbx {result.difference_p50_ms:+.2f} ms, {result.ratio_p50:.2f} times Dial(); "
        f"{result.calls} calls each, Asterisk {result.asterisk_version}, engine on "
        f"{result.event_loop}\n"
        f"ARI requests: {result.requests_before_ringing} before ringing, "
        f"{result.requests_per_call:.1f} a call; left over: {result.leftover_channels} channels, "
        f"{result.leftover_bridges} bridges\n"
        "CPU is ms a call, from the INVITE until all of the call is over (recording and database "
        "included)\n"
    )
