"""Whether test calls were recorded, as every call is; what they leave behind is taken away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from ess_pbx.engine.recordings import CLOSED_WITHIN, still_written

POLL = 0.1
OLD = 120.0
"""Seconds after which a file belongs to no test call that goes on."""


async def was_recorded(folder: Path, channel: str, within: float = CLOSED_WITHIN) -> bool:
    """Whether anything was written of a test call's channel, ``within`` seconds from now.

    Asterisk makes the file with the first sound, and closes it after the channel's end. It is
    deleted then, and with it those of calls that were never claimed.
    """
    return await asyncio.to_thread(_was_recorded, folder, channel, within)


def clear(folder: Path, older_than: float = 0.0) -> None:
    """Delete what test calls left that many seconds ago or before; blocks. Never raises."""
    with contextlib.suppress(OSError):
        for path in folder.glob("*.raw"):
            if time.time() - path.stat().st_mtime >= older_than:
                path.unlink(missing_ok=True)


def _was_recorded(folder: Path, channel: str, within: float) -> bool:
    path, deadline = folder / f"{channel}.raw", time.monotonic() + within
    clear(folder, OLD)
    while True:
        with contextlib.suppress(OSError):
            if not still_written(path) and path.stat().st_size > 0:
                path.unlink()
                return True
        if time.monotonic() >= deadline:
            path.unlink(missing_ok=True)
            return False
        time.sleep(POLL)
