"""Runs faults, one after another, each on a centre of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from ess_pbx.chaos.catalogue import Fault
from ess_pbx.chaos.postgres import PostgresServer
from ess_pbx.chaos.scene import Scene
from ess_pbx.chaos.stage import Load
from ess_pbx.chaos.verdict import Check, Verdict, failed, judge, left_out
from ess_pbx.errors import EssPbxError
from ess_pbx.installation import Progress

LONGEST_RUN = 300.0
"""Seconds that a fault may take beyond its load, before it is given up."""


async def run_faults(
    faults: Sequence[Fault], load: Load, folder: Path, progress: Progress, slack: float = 1.0
) -> list[Verdict]:
    """A verdict for each, in their order. What a run raises is its verdict, not the end of all.

    ``slack`` widens what is allowed of time, as ``judge`` does.
    """
    verdicts: list[Verdict] = []
    postgres = PostgresServer()
    try:
        for number, fault in enumerate(faults, start=1):
            why = fault.why_not()
            if fault.inject is None or why is not None:
                verdicts.append(left_out(fault.id, why or "nothing injects it"))
                continue
            # Even after a row that stopped it and was broken off.
            await asyncio.to_thread(postgres.start, folder / "postgres")
            progress(f"{number}/{len(faults)} {fault.title}")
            scene = Scene(folder / fault.id, load, postgres, progress)
            verdicts.append(await _one(fault, scene, slack))
            progress(f"  {verdicts[-1].measured}")
    finally:
        await asyncio.to_thread(postgres.stop)
    return verdicts


async def _one(fault: Fault, scene: Scene, slack: float) -> Verdict:
    assert fault.inject is not None  # noqa: S101 - the caller looked
    try:
        async with (
            contextlib.AsyncExitStack() as stack,
            asyncio.timeout(fault.times * scene.load.seconds + LONGEST_RUN),
        ):
            await stack.enter_async_context(scene.closing)
            checks: list[Check] = await fault.inject(scene)
    except (EssPbxError, OSError, TimeoutError, RuntimeError) as error:
        return failed(fault.id, f"{type(error).__name__}: {error}")
    return judge(fault.id, checks, slack)
