"""Undoes an INVITE with Replaces (RFC 3891), which Asterisk lets take the place of a leg by itself.

The module that refuses a phone's REFER brings that with it, for every endpoint, and cannot be told
not to. Whoever sent it is let into the dialplan, as if they had dialled without it: there they are
recorded, and a 112 call or a phone's own. The leg that they took the place of is put back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from ess_pbx.ari import models
from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.domain.call import Call
from ess_pbx.domain.ids import CallId, LegId


class Asterisk(Protocol):
    """The part of ``AriConnection`` that this needs."""

    def send(self, method: str, uri: str, *, query: Query | None = None) -> asyncio.Future[Answer]:
        """Send a request in order, without waiting for the answer."""


class ReplacedLegs:
    """Sees to it that no leg of a call is taken over but by the engine's own decision."""

    def __init__(self, asterisk: Asterisk, calls: Callable[[], Mapping[CallId, Call]]) -> None:
        self._asterisk = asterisk
        self._calls = calls
        self._log = structlog.get_logger(__name__)

    def undone(self, event: models.Event) -> bool:
        """Whether the event was such a one; it is no arrival then."""
        if not isinstance(event, models.StasisStart) or event.replace_channel is None:
            return False
        came, replaced = event.channel, LegId(event.replace_channel.id)
        self._log.warning("leg.replaced", leg=replaced, by=came.name)
        rooms = [call.rooms[replaced] for call in self._calls().values() if replaced in call.rooms]
        there = came.dialplan
        begun: Query = {"context": there.context, "extension": there.exten, "priority": 1}
        self._ask("POST", f"channels/{came.id}/continue", begun)
        for room in rooms:
            self._ask("POST", f"bridges/{room}/addChannel", {"channel": replaced})
        return True

    def _ask(self, method: str, uri: str, query: Query) -> None:
        self._asterisk.send(method, uri, query=query).add_done_callback(self._asked)

    def _asked(self, asked: asyncio.Future[Answer]) -> None:
        if not asked.cancelled() and asked.exception() is not None:
            self._log.warning("leg.not_put_back", error=str(asked.exception()))
