"""INVITE in → INVITE at the operator's phone: the engine beside plain ``Dial()``.

Both go through one Asterisk in one run, turn by turn, so that what disturbs the machine disturbs
both alike. Calls come one at a time, each after the last is wholly over.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from datetime import time as time_of_day
from pathlib import Path
from typing import AsyncIterator, ClassVar

import msgspec
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.bench.sip_parties import Outcome, Setup
from ess_pbx.demo.stage import loopback, sample
from ess_pbx.domain.config import Policy, Shift
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine.service import Engine
from ess_pbx.errors import EssPbxError
from ess_pbx.installation import Installation
from ess_pbx.settings.model import Settings

WARM_UP = 10
"""Calls of each way that are placed first and not counted."""
QUIET_SECONDS = 10.0
PLAIN = "bench-plain"
"""The trunk, and dialplan context, of the calls that no engine sees."""
CALLER = "+6281234567890"

Progress = Callable[[str], None]


class BenchError(EssPbxError):
    """A benchmark could not be carried out; no figure is better than a wrong one."""

    code: ClassVar[str] = "bench"


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds; percentiles by nearest rank."""

    p50: float
    p95: float
    min: float
    max: float

    @classmethod
    def of(cls, nanoseconds: Sequence[int]) -> Spread:
        """The spread of some durations; there must be one at least."""
        ordered = sorted(nanoseconds)

        def rank(share: float) -> float:
            return round(ordered[math.ceil(share * len(ordered)) - 1] / 1e6, 3)

        return cls(p50=rank(0.5), p95=rank(0.95), min=rank(1e-9), max=rank(1))


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to the phone. CPU is milliseconds a call, from its INVITE until all is quiet."""

    ring_ms: Spread
    asterisk_cpu_ms: float
    engine_cpu_ms: float


class RingBench(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run; ``calls`` of each way."""

    asterisk_version: str
    event_loop: str
    calls: int
    engine: Way
    dial: Way
    difference_p50_ms: float
    ratio_p50: float
    requests_before_ringing: int
    """ARI requests up to the one that rings the phone, that one included (most of any call)."""
    requests_per_call: float
    leftovers: dict[str, int]


class _Turn(msgspec.Struct, frozen=True):
    nanoseconds: int
    asterisk_cpu: float
    engine_cpu: float
    requests: int


async def run_ring_bench(calls: int, folder: Path, progress: Progress) -> RingBench:
    """Measure ``calls`` of each way in an installation of its own, kept in ``folder``.

    Raises BenchError when a call did not go as it must, and whatever ``Installation.start`` raises.
    """
    if calls < 1:
        raise BenchError(f"{calls} calls: expected 1 at least")
    settings, plain_port = stage(folder)
    installation = Installation(settings, progress)
    before_ringing: list[int] = []

    def on_fact(fact: Fact) -> None:
        if fact.kind is FactKind.OFFERED and installation.engine is not None:
            before_ringing.append(installation.engine.ari.requests)

    engine = await installation.start(on_fact)
    try:
        extension = settings.centre.operators[0].extension
        assert installation.credentials is not None  # noqa: S101 - started
        setup = Setup(
            server=(settings.asterisk.sip_host, settings.asterisk.sip_port),
            trunks={"engine": settings.trunks[0].port, "dial": plain_port},
            number="112",
            caller=CALLER,
            extension=extension,
            password=installation.credentials.operators[extension],
        )
        async with Parties.started(setup) as parties:
            await _until(lambda: engine.core.acd.seats[extension].free, "the operator to be free")
            turns: dict[str, list[_Turn]] = {"engine": [], "dial": []}
            earlier: list[int] = []
            for number in range(WARM_UP + calls):
                if number % 50 == WARM_UP:
                    progress(f"call {number - WARM_UP} of {calls}")
                for way, measured in turns.items():
                    if way == "engine":
                        earlier.append(engine.ari.requests)
                    turn = await _turn(parties, way, engine, installation.asterisk.pid)
                    if number >= WARM_UP:
                        measured.append(turn)
        if len(before_ringing) != len(earlier):
            raise BenchError(
                f"the engine offered {len(before_ringing)} of {len(earlier)} calls: the others "
                f"rang without it (see {settings.folders.state}); nothing was measured"
            )
        ringing = [after - before for before, after in zip(earlier, before_ringing, strict=True)]
        channels, bridges = [await engine.ari.call("GET", what) for what in ("channels", "bridges")]
        return RingBench(
            asterisk_version=".".join(map(str, installation.runtime.asterisk_version())),
            event_loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
            calls=calls,
            engine=_way(turns["engine"]),
            dial=_way(turns["dial"]),
            difference_p50_ms=round(_p50(turns["engine"]) - _p50(turns["dial"]), 3),
            ratio_p50=round(_p50(turns["engine"]) / _p50(turns["dial"]), 2),
            requests_before_ringing=max(ringing[WARM_UP:]),
            requests_per_call=round(sum(turn.requests for turn in turns["engine"]) / calls, 1),
            leftovers={"channels": len(channels or ()), "bridges": len(bridges or ())},
        )
    finally:
        await installation.stop()
