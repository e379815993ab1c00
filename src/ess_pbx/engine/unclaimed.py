"""Calls that no engine has on record: the dialplan served them, or their callers came and went.

What the dialplan wrote is read with each connect, before anything is offered to an operator who may
be talking in such a call, and every few seconds. Whether one that it never told the end of is gone
Asterisk says: clocks do not, which are set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import structlog

from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.ari.translate import Translator
from ess_pbx.domain.absence import DialplanServed, ServedCall
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.ids import CallId, call_of
from ess_pbx.engine import absence
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.ended_calls import Ended, EndedCalls, not_seen, unheard, without
from ess_pbx.engine.executor import NOT_FOUND
from ess_pbx.errors import AriError, AriRefusedError


class Asterisk(Protocol):
    """The part of ``AriConnection`` that is needed to ask."""

    async def call(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        """Ask Asterisk."""


class Unclaimed:
    """Brings the calls of one Asterisk on record that the dialplan served."""

    def __init__(
        self,
        asterisk: Asterisk,
        translator: Translator,
        centres: Centres,
        dispatcher: Dispatcher,
        path: Path,
        recordings: Path,
        over: Callable[[CallId, bool], None],
        ended: EndedCalls,
        *,
        since: float,
    ) -> None:
        """``path`` is what the dialplan writes; ``over`` is told whose recordings are done, and
        whether somebody spoke with the caller. ``since`` is when the journal was begun.
        """
        self._asterisk = asterisk
        self._translator = translator
        self._centres = centres
        self._dispatcher = dispatcher
        self._path = path
        self._recordings = recordings
        self._over = over
        self._ended, self._since = ended, since
        self._ends: list[Ended] = []
        """Of calls that are not known, or that Asterisk told of on a line that was not read yet."""
        self._begins = True
        """Most of them are of calls that engines before this one had."""
        self._log = structlog.get_logger(__name__)

    async def watch(self) -> None:
        """Tell the core what is new."""
        if (told := await self.read()) is None:
            return
        for share in self._centres.served(told.over, told.talking):
            self._dispatcher.feed(share)
        self.told(told)

    async def read(self) -> DialplanServed | None:
        """What is new, for the core; None when it cannot be read."""
        imported = {call for each in self._centres for call in each.kept.imported}
        try:
            going_on = await asyncio.to_thread(absence.not_ended, self._path)
            # The end is written before the channel goes: what is written now is told after this.
            gone = {leg for leg in going_on if await self._is_gone(leg)}
            told = await asyncio.to_thread(
                absence.read, self._path, self._translator.told, imported, gone, self._recordings
            )
            return replace(told, over=[*told.over, *await self._unheard()])
        except Exception:
            # As with the roster: the clock goes on.
            self._log.exception("unclaimed.failed")
            return None

    def told(self, told: DialplanServed) -> None:
        """The core knows of these now."""
        for served in told.over:
            self._log.warning("call.imported", call=served.call, operator=served.agent)
            self._over(served.call, served.answered is not None)

    async def _unheard(self) -> list[ServedCall]:
        """Calls that came and went, and nobody had them."""
        self._ends += await asyncio.to_thread(self._ended.new)
        if not self._ends:
            self._begins = False
            return []
        try:
            # What Asterisk has told of them is heard when it answers this, on the same line.
            await self._asterisk.call("GET", "asterisk/ping")
        except AriError:
            return []  # next time
        served = await asyncio.to_thread(absence.served_to_the_end, self._path)
        known = {call_of(channel) for channel in served}
        for centre in self._centres:
            kept = centre.kept
            known |= {*centre.calls, *kept.calls, *kept.imported, *kept.over}
        if self._begins:
            self._begins, self._ends = False, not_seen(self._ends, known, self._since)
        # Kept until they are known: whoever asks may lose the line before the core is told.
        self._ends = without(self._ends, known)
        return unheard(self._ends, self._translator.told)

    async def _is_gone(self, leg: str) -> bool:
        """Whether a channel is not there."""
        try:
            await self._asterisk.call("GET", f"channels/{quote(leg, safe='')}")
        except AriRefusedError as error:
            return error.status == NOT_FOUND
        except AriError:
            pass  # nobody can say
        return False
