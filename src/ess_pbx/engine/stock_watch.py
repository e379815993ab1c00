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
from ess_pbx.domain.differences import (
    AGAIN_SECONDS,
    Differences,
    differences,
    owed,
    phones_that_differ,
)
from ess_pbx.domain.events import PhoneLost, PhoneReachable
from ess_pbx.domain.found import AsteriskFound
from ess_pbx.domain.ids import CallId
from ess_pbx.engine.clock import Clock
from ess_pbx.engine.taking_stock import Stock
from ess_pbx.errors import AriError

LOOK_SECONDS = 2.0
"""How often the two are compared."""


class StockWatch:
    """Compares core and Asterisk until it is cancelled.

    ``is_ready`` says whether stock was taken of everything since the line was up; ``take_over``
    gives to the core what was found, ``on_phone`` what was not told of a phone.
    """

    def __init__(
        self,
        stock: Stock,
        centres: Centres,
        clock: Clock,
        is_ready: Callable[[], bool],
        take_over: Callable[[AsteriskFound], None],
        on_phone: Callable[[PhoneReachable | PhoneLost], None],
    ) -> None:
        self._stock, self._centres, self._clock = stock, centres, clock
        self._is_ready, self._take_over, self._on_phone = is_ready, take_over, on_phone
        self._calls, self._phones = Differences(), Differences()
        self._doubted = asyncio.Event()
        self._log = structlog.get_logger(__name__)
        self.looks = 0
        self.mended = 0
        """How often stock was taken of calls that differed."""

    def doubt(self) -> None:
        """Something tells that the core believes what is not so: look at once."""
        self._doubted.set()

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            differs = self._calls or self._phones
            wait = 0.0 if differs else LOOK_SECONDS - AGAIN_SECONDS
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
            return
        found = await self._stock.glance(owed(self._centres.calls.values()))
        if not self._is_ready():
            return
        self.looks += 1
        now = self._clock.monotonic()
        shares = [(self._centres[each.centre], each) for each in self._centres.shares(found)]
        phones = [each for centre, its in shares for each in phones_that_differ(centre, its)]
        for each in self._phones.stale(phones, now):
            self._log.warning("phone.differs", agent=each.of, what=each.what)
            there = found.phones[each.of]
            self._on_phone(PhoneReachable(each.of) if there else PhoneLost(each.of))
        calls = [each for centre, its in shares for each in differences(centre, its)]
        stale = self._calls.stale(calls, now)
        for each in stale:
            self._log.warning("call.differs", call=each.of, what=each.what)
        if stale:
            self.mended += 1
            of_these = await self._stock.take_of(frozenset(CallId(each.of) for each in stale))
            if self._is_ready():
                self._take_over(of_these)
