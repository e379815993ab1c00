"""Standing by: a process that waits, all loaded, for the engine that leads to die or to freeze.

docs/decisions/0018 has the reasons; ``engine.leader`` is the other side.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog

from ess_pbx.engine.heartbeat import TAKING, Heartbeat
from ess_pbx.engine.leader import leader_socket, lock_state
from ess_pbx.errors import InUseError
from ess_pbx.unix_socket import within_reach

LOOK_SECONDS = 0.05
"""How often it is tried to have the lock."""
_CREDENTIALS = struct.Struct("3i")
"""``struct ucred`` (unix(7)): process, user, group."""


class Standby:
    """One that stands by in a state folder, for as long as another engine leads there."""

    def __init__(self, state: Path, frozen_after: float, say: Callable[[str], None]) -> None:
        """A leader that gives no sign for ``frozen_after`` seconds is ended."""
        self._state = state
        self._frozen_after = frozen_after
        self._say = say
        self._line: Heartbeat | None = None
        self._leader: int | None = None
        """A pidfd: unlike a number, it is never another process."""
        self._leader_pid = 0
        self._log = structlog.get_logger(__name__)

    async def lock(self) -> IO[str]:
        """Wait until this process may lead; the state folder is its own then, as ``lock_state``."""
        waited = False
        try:
            while True:
                try:
                    lock = lock_state(self._state)
                except InUseError:
                    pass
                else:
                    if waited:
                        self._log.warning("engine.takes_over", pid=os.getpid())
                        self._say("takes over")
                    return lock
                if not waited:
                    waited = True
                    self._log.info("engine.stands_by", pid=os.getpid())
                    self._say("stands by")
                if self._line is None:
                    await self._listen()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if self._line is not None:
                self._line.close()
            self._forget()

    async def _listen(self) -> None:
        """Begin to hear of the leader. One that is just starting, or ending, cannot be heard."""
        leader = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        leader.setblocking(False)
        try:
            with within_reach(leader_socket(self._state)) as reachable:
                leader.connect(reachable)
            told = leader.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            self._leader_pid, _, _ = _CREDENTIALS.unpack(told)
            # Should it have ended by now, and another have its number, the line is closed too.
            self._leader = os.pidfd_open(self._leader_pid)
        except OSError:
            leader.close()
            return
        loop = asyncio.get_running_loop()
        _, self._line = await loop.create_unix_connection(self._new_line, sock=leader)

    def _new_line(self) -> Heartbeat:
        def take() -> None:
            self._say(f"the leading engine (process {self._leader_pid}) hands over")
            line.say(TAKING)

        line = Heartbeat(
            self._frozen_after,
            on_silent=self._end_leader,
            on_closed=lambda _: self._forget(),
            on_hand_over=take,
        )
        return line

    def _end_leader(self) -> None:
        """It may not thaw later: what it would do then, on calls that are ours, is not to be had.

        One that cannot be ended is tried again after as long a silence.
        """
        pid, silent = self._leader_pid, self._frozen_after
        self._log.error("leader.frozen", pid=pid, silent_seconds=silent)
        self._say(f"the leading engine (process {pid}) gave no sign for {silent:g} s; it is ended")
        if self._leader is not None:
            try:
                signal.pidfd_send_signal(self._leader, signal.SIGKILL)
            except OSError as error:
                self._log.error("leader.not_ended", pid=pid, error=str(error))
        if self._line is not None:
            self._line.close()

    def _forget(self) -> None:
        self._line = None
        if self._leader is not None:
            with contextlib.suppress(OSError):
                os.close(self._leader)
            self._leader = None
