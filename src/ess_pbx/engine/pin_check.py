"""PINs are compared outside the loop, one at a time: argon2 takes tens of ms of a core, 19 MiB."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from ess_pbx.domain.effects import CheckPin
from ess_pbx.domain.events import PinChecked
from ess_pbx.settings.pins import pin_is_right


class PinCheck:
    """Answers each ``CheckPin`` with a ``PinChecked`` to ``feed``."""

    def __init__(self, state: Path, feed: Callable[[PinChecked], None]) -> None:
        """``state`` is the folder with the credentials."""
        self._state = state
        self._feed = feed
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger(__name__)

    def begin(self, wanted: CheckPin) -> None:
        """Start a check; returns at once."""
        task = asyncio.create_task(self._check(wanted), name="pin")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check(self, wanted: CheckPin) -> None:
        right: bool | None = None
        try:
            async with self._one:
                right = await asyncio.to_thread(pin_is_right, self._state, wanted.agent, wanted.pin)
        except Exception as error:  # the operator is told, whatever it was
            # Not the traceback's values: one of them is the PIN.
            self._log.error("pin.not_checked", agent=wanted.agent, error=str(error))
        self._feed(PinChecked(wanted.call, right))
