"""Whether the telcos' sides of trunks answer OPTIONS, of the trunks that are to be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import structlog

from ess_pbx.ari import models
from ess_pbx.ari.protocol import Answer, Query
from ess_pbx.errors import AriError
from ess_pbx.settings.model import Trunk

LOOK_SECONDS = 2.0
OFFLINE = "offline"
ANSWERS_WITHIN = 3.0
"""Seconds, one more than Asterisk gives an OPTIONS."""


class Asterisk(Protocol):
    """The part of ``AriConnection`` that the watch needs."""

    async def call(self, method: str, uri: str, *, query: Query | None = None) -> Answer:
        """Ask Asterisk."""


class TrunkWatch:
    """Asks Asterisk what its own OPTIONS found.

    Not by subscribing: Asterisk tells whoever does of every call over the trunk as well.
    """

    def __init__(
        self,
        trunks: Sequence[Trunk],
        asterisk: Asterisk,
        tell: Callable[[Trunk, str | None], object],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``tell`` is told after each look what is wrong with a trunk, None when nothing is."""
        self.trunks = [trunk for trunk in trunks if trunk.qualify]
        self._asterisk = asterisk
        self._tell = tell
        self._monotonic = monotonic
        self._offline: dict[str, float] = {}
        self._log = structlog.get_logger(__name__)

    async def look(self) -> None:
        """Look once. What Asterisk cannot say now is asked again by the next look."""
        for trunk in self.trunks:
            try:
                found = await self._asterisk.call("GET", f"endpoints/PJSIP/{trunk.id}")
                state = msgspec.convert(found, models.Endpoint).state
            except (AriError, msgspec.ValidationError) as error:
                self._log.info("trunk.not_seen", trunk=trunk.id, error=str(error))
                continue
            self._tell(trunk, self._trouble(trunk, state))

    def _trouble(self, trunk: Trunk, state: str | None) -> str | None:
        if state != OFFLINE:
            self._offline.pop(trunk.id, None)
            return None
        now = self._monotonic()
        # One that Asterisk has not asked yet, since it started, looks the same.
        if now - self._offline.setdefault(trunk.id, now) < trunk.qualify + ANSWERS_WITHIN:
            return None
        where = f"{trunk.address}:{trunk.port}"
        return f"{trunk.name}: {where} does not answer OPTIONS; ask the telco"
