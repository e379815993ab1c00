"""All that is watched of one engine, started and stopped together."""

from __future__ import annotations

import asyncio

from ess_pbx.engine.service import Engine
from ess_pbx.metrics import Metrics
from ess_pbx.watching.loop_lag import watch_loop


class Watch:
    """The watch over one engine; made before the engine is started, so that it hears all."""

    def __init__(self, engine: Engine) -> None:
        self.metrics = Metrics(engine)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin, once the engine was started."""
        self.metrics.follow_journal()
        self._tasks = [
            asyncio.create_task(watch_loop(self.metrics.loop_lag.observe), name="loop-lag")
        ]

    async def stop(self) -> None:
        """End; a second call does nothing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
