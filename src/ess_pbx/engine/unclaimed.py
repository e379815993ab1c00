"""Calls that no engine claimed in time: which the dialplan served, and who just came and went.

What the dialplan wrote is read with each connect, before anything is offered to an operator who may
be talking in such a call, and every few seconds. Whether one that it never told the end of is gone
Asterisk says: clocks do not, which are set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import msgspec
import structlog

from ess_pbx.ari import models
from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.ari.translate import Translator
from ess_pbx.domain.absence import DialplanServed
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.ids import CallId
from ess_pbx.engine import absence
from ess_pbx.engine.dispatcher import Dispatcher
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
    ) -> None:
        """``path`` is what the dialplan writes; ``over`` is told whose recordings are done, and
        whether somebody spoke with the caller.
        """
        self._asterisk = asterisk
        self._translator = translator
        self._centres = centres
        self._dispatcher = dispatcher
        self._path = path
        self._recordings = recordings
        self._over = over
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
            return await asyncio.to_thread(
                absence.read, self._path, self._translator.told, imported, gone, self._recordings
            )
        except Exception:
            # As with the roster: the clock goes on.
            self._log.exception("unclaimed.failed")
            return None

    def told(self, told: DialplanServed) -> None:
        """The core knows of these now."""
        for served in told.over:
            self._log.warning("call.imported", call=served.call, operator=served.agent)
            self._over(served.call, served.answered is not None)

    async def refused(self, channel: models.Channel, error: BaseException) -> None:
        """A claim came to nothing. Who left in the milliseconds before it is a call still.

        Asterisk says the same (404) when a claim is late: then the dialplan has the caller, and has
        written so, whether they are there yet or not.
        """
        self._log.info("call.not_claimed", call=channel.id, error=str(error))
        if not isinstance(error, AriRefusedError) or error.status != NOT_FOUND:
            return
        if not await self._is_gone(channel.id, leaving=True):
            return
        if channel.id in await asyncio.to_thread(absence.written, self._path):
            return
        for arrived in self._translator.came_and_went(channel):
            self._dispatcher.feed(arrived)

    async def _is_gone(self, leg: str, *, leaving: bool = False) -> bool:
        """Whether a channel is not there; ``leaving`` also when its caller is not any more."""
        try:
            found = await self._asterisk.call("GET", f"channels/{quote(leg, safe='')}")
            # At h the dialplan only clears up after who has left.
            return leaving and msgspec.convert(found, models.Channel).dialplan.exten == "h"
        except AriRefusedError as error:
            return error.status == NOT_FOUND
        except AriError:
            pass  # nobody can say
        return False
