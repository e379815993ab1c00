"""A service process: it leads, or stands by until it does, and ends as it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

from ess_pbx.domain.facts import Fact
from ess_pbx.engine.watchdog import Watchdog
from ess_pbx.errors import RuntimeMissingError
from ess_pbx.installation import Installation

STANDS_BY_AFTER = 1.0
"""Seconds after which who waits for the lock is one that stands by."""


async def serve(
    installation: Installation,
    *,
    stand_by: bool = False,
    on_fact: Callable[[Fact], None] | None = None,
    on_lead: Callable[[], object] | None = None,
) -> None:
    """Run an installation until SIGINT or SIGTERM; SIGHUP leaves Asterisk to the next engine.

    ``stand_by``: wait first, as long as another engine leads. ``on_lead`` is called when calls are
    taken. Raises as ``Installation.start`` and ``until_stopped``. A service manager that watches it
    (``engine.watchdog``) is told that it lives from then on, or once it stands by.
    """
    stopped, restart = stop_signals(), asyncio.Event()

    def leave() -> None:
        restart.set()
        stopped.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, leave)
    watchdog = Watchdog.of(os.environ)
    if stand_by and not await _leads(installation, stopped, watchdog):
        return
    try:
        await installation.start(on_fact)
        if watchdog is not None:
            watchdog.ready()
        if on_lead is not None:
            on_lead()
        await until_stopped(installation, stopped)
    finally:
        await installation.stop(keep_asterisk=restart.is_set())
        if watchdog is not None:
            await watchdog.stop()


async def _leads(
    installation: Installation, stopped: asyncio.Event, watchdog: Watchdog | None
) -> bool:
    """Stand by; False when it was told to stop before it came to lead."""
    leads, told = asyncio.create_task(installation.stand_by()), asyncio.create_task(stopped.wait())
    first = asyncio.FIRST_COMPLETED
    _, pending = await asyncio.wait([leads, told], timeout=STANDS_BY_AFTER, return_when=first)
    if len(pending) == 2 and watchdog is not None:
        # Not before: who leads at once may have to make all prompts first, which takes minutes.
        watchdog.ready()
    await asyncio.wait([leads, told], return_when=first)
    told.cancel()
    if not leads.done():
        leads.cancel()
        await asyncio.gather(leads, return_exceptions=True)
        return False
    leads.result()
    return True


def stop_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set, from now on, instead of ending the program."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    return stopped


async def until_stopped(installation: Installation, stopped: asyncio.Event) -> None:
    """Wait until ``stopped`` is set.

    Raises RuntimeMissingError when another engine takes over.
    """
    told = asyncio.create_task(stopped.wait())
    replaced = asyncio.Event() if installation.engine is None else installation.engine.replaced
    displaced = asyncio.create_task(replaced.wait())
    waits: list[asyncio.Task[Any]] = [told, displaced]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    ended = {task for task in waits if task.done()}
    for task in waits:
        task.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    if displaced in ended and told not in ended:
        raise RuntimeMissingError(
            "another engine has taken over this Asterisk; stop that one, or leave it to it"
        )
