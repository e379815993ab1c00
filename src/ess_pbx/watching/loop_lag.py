"""How late the event loop comes to what is due: whatever blocks it, every call waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LOOK_SECONDS = 0.1


async def watch_loop(tell: Callable[[float], object]) -> None:
    """Tell, ten times a second, by how many seconds the loop was late; until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        tell(max(0.0, loop.time() - due))
