"""Hears when a party's RTP stream starts anew in mid-call, and makes Asterisk hear the party again.

Debian's Asterisk drops, as late, the frames of a stream that restarts with a lower sequence number
(docs/decisions/0006): the party would not be heard for up to eleven minutes. Whoever is taken out
of the bridge and put back gets a new translator, which knows no old number. A restart shows as
another SSRC (RFC 3550 §8); Asterisk sends no event for it, so it is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
import structlog

from ess_pbx.ari import models
from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.domain.call import Call, Phase
from ess_pbx.domain.events import StreamRestarted
from ess_pbx.domain.ids import BridgeId, LegId, call_of
from ess_pbx.domain.supervision import heard_in
from ess_pbx.errors import AriError, AriRefusedError

WATCH_SECONDS = 2.0
"""How often the parties of a conversation are looked at: at most so long is a party not heard."""


class Asterisk(Protocol):
    """The part of ``AriConnection`` that the watch needs."""

    async def call(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        """Ask Asterisk."""


def talking(calls: Iterable[Call]) -> dict[LegId, BridgeId]:
    """The legs that speak with somebody now, and the bridge that they are in."""
    heard: dict[LegId, BridgeId] = {}
    for call in calls:
        if call.phase is not Phase.ENDED:
            rooms = list(call.rooms.values())
            heard |= {leg: room for leg, room in call.rooms.items() if rooms.count(room) > 1}
            heard |= heard_in(call)
    return heard


class StreamWatch:
    """Looks after the streams of all conversations until it is cancelled."""

    def __init__(
        self,
        asterisk: Asterisk,
        calls: Callable[[], Iterable[Call]],
        feed: Callable[[StreamRestarted], None] = lambda _: None,
        doubt: Callable[[], None] = lambda: None,
    ) -> None:
        """``feed`` is told of each restart: a supervisor may listen to that party.

        ``doubt`` is told when Asterisk does not know who is to be looked at.
        """
        self._doubt = doubt
        self._asterisk = asterisk
        self._calls = calls
        self._feed = feed
        self._ssrc: dict[LegId, int] = {}
        self._log = structlog.get_logger(__name__)

    @property
    def watched(self) -> int:
        """How many streams are known, so that their restart would be seen."""
        return sum(1 for ssrc in self._ssrc.values() if ssrc)

    async def run(self) -> None:
        """Look at every conversation, again and again."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look once. A request that fails is one that the next look makes again."""
        legs = talking(self._calls())
        self._ssrc = {leg: ssrc for leg, ssrc in self._ssrc.items() if leg in legs}
        for leg, bridge in legs.items():
            try:
                await self._look_at(leg, bridge)
            except AriError as error:
                self._log.info("stream.not_seen", leg=leg, error=str(error))
                if isinstance(error, AriRefusedError):
                    self._doubt()

    async def _look_at(self, leg: LegId, bridge: BridgeId) -> None:
        answer = await self._asterisk.call("GET", f"channels/{leg}/rtp_statistics")
        ssrc = msgspec.convert(answer, models.RTPstat).remote_ssrc
        before = self._ssrc.get(leg, 0)
        self._ssrc[leg] = ssrc
        # A caller who sends nothing has no SSRC (0), which is no restart.
        if before in (0, ssrc) or talking(self._calls()).get(leg) != bridge:
            return
        self._log.warning("stream.restarted", leg=leg)
        self._feed(StreamRestarted(call_of(bridge), leg))
        query = {"channel": leg}
        await self._asterisk.call("POST", f"bridges/{bridge}/removeChannel", query=query)
        if talking(self._calls()).get(leg) == bridge:
            await self._asterisk.call("POST", f"bridges/{bridge}/addChannel", query=query)
