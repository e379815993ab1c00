"""The engine that leads in a state folder: it has the lock, and tells those who stand by it lives.

docs/decisions/0018 has the reasons; ``engine.standby`` is the other side.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog

from ess_pbx.engine.heartbeat import Heartbeat
from ess_pbx.errors import InUseError
from ess_pbx.unix_socket import bound

STANDBY_SILENT_AFTER = 3.0
"""Seconds without a sign after which a standby counts as none."""
MISSING_AFTER = 10.0
"""Seconds without a standby until that is an alarm: a supervisor starts the next one meanwhile."""
TAKES_WITHIN = 1.0
_LOOK = 0.5


def lock_state(state: Path) -> IO[str]:
    """Take a state folder for this process, until the file that is returned is closed.

    Raises InUseError, naming the process that has it.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (state / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise InUseError(
            f"{state}: in use by process {owner}; stop that one, or use another folder "
            "([folders] state in the settings, --folder for demo and up), or let this one stand "
            "by for it (serve --standby)"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def leader_socket(state: Path) -> Path:
    """Where those who stand by hear of the engine that leads."""
    return state / "leader.sock"


class Leader:
    """The leader's ends of the lines to those who stand by. Has the lock already."""

    def __init__(self, state: Path) -> None:
        self._path = leader_socket(state)
        self._lines: set[Heartbeat] = set()
        self._server: asyncio.Server | None = None
        self._log = structlog.get_logger(__name__)

    async def start(self) -> None:
        """Let others stand by. One who cannot still leads; the next one waits for its end."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_unix_server(self._line, sock=bound(self._path))
        except OSError as error:
            self._log.error("leader.socket_failed", path=str(self._path), error=str(error))
        self._log.info("engine.leads", pid=os.getpid())

    @property
    def standbys(self) -> int:
        """How many stand by now, and live."""
        return sum(line.alive for line in self._lines)

    async def hand_over(self) -> bool:
        """Ask those who stand by to take over when this engine ends; False when nobody will."""
        asked = [line.hand_over() for line in self._lines]
        if not asked:
            return False
        answered, _ = await asyncio.wait(asked, timeout=TAKES_WITHIN)
        taken = any(each.result() for each in answered)
        self._log.info("leader.hands_over", taken=taken)
        return taken

    async def watch(self, tell: Callable[[bool], None]) -> None:
        """Tell whether a standby is missing, whenever that changes; until cancelled."""
        loop = asyncio.get_running_loop()
        seen, missing = loop.time(), None
        while True:
            now = loop.time()
            if self.standbys:
                seen = now
            is_missing = now - seen >= MISSING_AFTER
            if is_missing is not missing and (is_missing or self.standbys):
                missing = is_missing
                tell(missing)
            await asyncio.sleep(_LOOK)

    async def stop(self) -> None:
        """End the lines; before the lock is given up, for then the socket is another's."""
        if self._server is None:
            return
        self._path.unlink(missing_ok=True)
        self._server.close()
        for line in tuple(self._lines):
            line.close()
        self._server = None

    def _line(self) -> Heartbeat:
        line = Heartbeat(
            STANDBY_SILENT_AFTER,
            on_heard=lambda: self._log.info("leader.standby_joined"),
            on_closed=self._closed,
        )
        self._lines.add(line)
        return line

    def _closed(self, line: Heartbeat) -> None:
        self._lines.discard(line)
        self._log.info("leader.standby_left", standbys=self.standbys)
