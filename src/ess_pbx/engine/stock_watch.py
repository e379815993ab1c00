"""Notices when core and Asterisk differ though the line is up: an event was lost, or a request.

Every few seconds Asterisk's lists are compared with what the core knows, and at once when something
tells that they differ: a request that was refused. What differs still a second later is no event on
its way; stock is then taken of that call alone. docs/decisions/0023 has what it costs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import structlog

from ess_pbx.domain.centres import Centres
from ess_pbx.domain.differences import STALE_SECONDS, Differences, differences, owed
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import PlaybackId
from ess_pbx.engine.clock import Clock
from ess_pbx.engine.taking_stock import Stock
from ess_pbx.errors import AriError

LOOK_SECONDS = 2.0
"""How often the two are compared."""
LEAST_SECONDS = 0.5
"""However many requests are refused, not more often than this."""


class StockWatch:
    """Compares core and Asterisk until it is cancelled.

    ``is_ready`` says whether stock was taken of everything since the line was up; ``take_over``
    gives to the core what was found.
    """

    def __init__(
        self,
        stock: Stock,
        centres: Centres,
        clock: Clock,
        is_ready: Callable[[], bool],
        take_over: Callable[[AsteriskFound], None],
    ) -> None:
        self._stock, self._centres, self._clock = stock, centres, clock
        self._is_ready, self._take_over = is_ready, take_over
        self._differences = Differences()
        self._owed: frozenset[PlaybackId] = frozenset()
        self._doubted = asyncio.Event()
        self._log = structlog.get_logger(__name__)
        self.looks = 0
        self.mended = 0
        """Calls of which stock was taken because they differed."""

    def doubt(self) -> None:
        """Something tells that the core believes what is not so: look at once."""
        self._doubted.set()

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(LEAST_SECONDS)
            wait = (STALE_SECONDS if self._differences else LOOK_SECONDS) - LEAST_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._doubted.wait(), wait)
            self._doubted.clear()
            try:
                await self.look()
            except (AriError, msgspec.ValidationError) as error:
                self._log.info("stock.not_seen", error=str(error))
            except Exception:
                # A defect here must not end the watch.
                self._log.exception("stock.not_watched")

    async def look(self) -> None:
        """Compare once."""
        if not self._is_ready():
            self._owed = frozenset()
            return
        # A prompt that was waited for at the last look already: most end before they are asked for.
        owes = owed(self._centres.calls.values())
        sounds, self._owed = owes & self._owed, owes
        found = await self._stock.glance(sounds)
        if not self._is_ready():
            return
        self.looks += 1
        differing = [
            each
            for share in self._centres.shares(found)
            for each in differences(self._centres[share.centre], share)
        ]
        stale = self._differences.stale(differing, self._clock.monotonic())
        if stale:
            for call, what in stale.items():
                self._log.warning("stock.differs", call=call, what=what)
            self.mended += len(stale)
            found = await self._stock.take_of(frozenset(stale))
            if self._is_ready():
                self._take_over(found)
