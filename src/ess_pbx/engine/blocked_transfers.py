"""Learns from Asterisk's log of the transfers (REFER) that Asterisk refuses by itself.

Where the phones' endpoints allow none (``asterisk.transfers``), Asterisk answers 603 before it
tells ARI, and its log alone says whose phone it was.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import structlog

from ess_pbx.domain.events import TransferBlocked

LOOK_SECONDS = 0.2
LONGEST_READ = 1_000_000
"""Bytes of the log that are read at once; of more than this only the end matters."""
REFUSED = re.compile(
    rb"^\[[^]]+\] WARNING\[\d+\](?:\[C-[0-9a-f]+\])? res_pjsip_refer\.c: "
    rb"Endpoint (\S+) transfer attempt blocked due to configuration$",
    re.MULTILINE,
)
"""The whole line, lest words of strangers that are logged pass for it."""


class BlockedTransfers:
    """Follows the log from its end on, until it is cancelled."""

    def __init__(self, log: Path, feed: Callable[[TransferBlocked], None]) -> None:
        self._log_file = log
        self._feed = feed
        self._inode, self._read_to = self._stand()
        self._log = structlog.get_logger(__name__)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                agents = await asyncio.to_thread(self.look)
            except OSError as error:
                self._log.info("transfers.not_seen", error=str(error))
                continue
            for agent in agents:
                self._feed(TransferBlocked(agent))

    def look(self) -> list[str]:
        """The endpoints that were refused since the last look. Raises OSError."""
        inode, size = self._stand()
        if inode != self._inode or size < self._read_to:
            self._inode, self._read_to = inode, 0  # the log was begun anew
        if size == self._read_to:
            return []
        with self._log_file.open("rb") as log:
            log.seek(max(self._read_to, size - LONGEST_READ))
            # A line that is still being written is read whole the next time.
            text, end, unfinished = log.read(LONGEST_READ).rpartition(b"\n")
            if end:
                self._read_to = log.tell() - len(unfinished)
        return [found.decode(errors="replace") for found in REFUSED.findall(text)]

    def _stand(self) -> tuple[int, int]:
        try:
            there = self._log_file.stat()
        except FileNotFoundError:
            return 0, 0
        return there.st_ino, there.st_size
