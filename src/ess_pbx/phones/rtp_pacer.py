"""One clock for all RTP that this process sends."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar, Protocol
from weakref import WeakKeyDictionary

FRAME_SECONDS = 0.02
_MISSED_SECONDS = 0.2
"""A process stopped for longer than this skips what it missed instead of sending it in a burst."""


class Paced(Protocol):
    """Something that sends a frame each 20 ms."""

    def send_frame(self) -> None: ...

    def skip_frames(self, count: int) -> None: ...


class RtpPacer:
    """Sends one frame of every party each 20 ms, on a schedule that does not drift."""

    _of_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, RtpPacer]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._parties: set[Paced] = set()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> RtpPacer:
        return cls._of_loop.setdefault(loop, cls())

    def add(self, party: Paced) -> None:
        self._parties.add(party)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="rtp-pacer")

    def remove(self, party: Paced) -> None:
        self._parties.discard(party)
        if not self._parties and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        due = time.monotonic()
        while True:
            due += FRAME_SECONDS
            late = time.monotonic() - due
            if late > _MISSED_SECONDS:
                missed = int(late / FRAME_SECONDS)
                due += missed * FRAME_SECONDS
                for party in self._parties:
                    party.skip_frames(missed)
            await asyncio.sleep(max(due - time.monotonic(), 0))
            for party in tuple(self._parties):
                party.send_frame()
