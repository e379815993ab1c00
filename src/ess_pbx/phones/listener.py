"""What any phone can say about the sound it heard."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from ess_pbx.phones import PhoneTimeoutError, audio

LISTEN_SECONDS = 0.2
"""How much of the latest sound decides whether a tone is heard."""
_LOOK_SECONDS = 0.02


class Listener(ABC):
    """A phone that keeps what it hears. All times are seconds of time.monotonic."""

    @abstractmethod
    def samples(self, since: float, until: float) -> audio.Samples:
        """What was heard in that time, at 8000 Hz; silence where nothing came."""

    @abstractmethod
    def heard_since(self) -> float:
        """When this phone began to listen."""

    @abstractmethod
    def heard_until(self) -> float:
        """Up to when all that was heard is known by now."""

    @abstractmethod
    def name_for_errors(self) -> str:
        """Which phone this is, with what helps to see why it hears nothing."""

    def latest(self, seconds: float = LISTEN_SECONDS) -> audio.Samples:
        """The latest sound."""
        until = self.heard_until()
        return self.samples(until - seconds, until)

    def level_dbov(self, since: float, until: float) -> float:
        """RMS level of what was heard in that time, dBov."""
        return audio.level_dbov(self.samples(since, until))

    def tone_level_dbov(self, hertz: float, window: tuple[float, float] | None = None) -> float:
        """Level of one frequency in (since, until), or else in the last 200 ms, dBov."""
        heard = self.latest() if window is None else self.samples(*window)
        return audio.tone_level_dbov(heard, hertz)

    def longest_silence(
        self,
        since: float | None = None,
        until: float | None = None,
        below_dbov: float = audio.QUIET_DBOV,
    ) -> float:
        """Seconds of the longest stretch in which nothing came or it was below that level.

        From the beginning until now, unless ``since`` or ``until`` is given.
        """
        first = self.heard_since() if since is None else since
        last = self.heard_until() if until is None else until
        return audio.longest_silence(self.samples(first, last), below_dbov)

    async def heard_tone(self, hertz: float, within: float, at_least_dbov: float = -45.0) -> float:
        """Wait until this tone is most of what is heard; returns when.

        Raises PhoneTimeoutError after ``within`` seconds, saying what was heard instead.
        """
        return await self._heard_when(
            lambda: audio.hears_tone(self.latest(), hertz, at_least_dbov),
            within,
            lambda: f"a tone of {hertz} Hz (it has {self.tone_level_dbov(hertz):.0f} dBov)",
        )

    async def heard_sound(self, within: float, at_least_dbov: float = -45.0) -> float:
        """Wait until anything is heard at that level; returns when.

        Raises PhoneTimeoutError after ``within`` seconds.
        """
        return await self._heard_when(
            lambda: audio.level_dbov(self.latest()) >= at_least_dbov,
            within,
            lambda: f"any sound of {at_least_dbov:.0f} dBov",
        )

    async def _heard_when(
        self, is_true: Callable[[], bool], within: float, wanted: Callable[[], str]
    ) -> float:
        deadline = time.monotonic() + within
        while not is_true():
            if time.monotonic() >= deadline:
                raise PhoneTimeoutError(
                    f"{self.name_for_errors()} did not hear {wanted()} within {within} s; "
                    f"its level now is {audio.level_dbov(self.latest()):.0f} dBov"
                )
            await asyncio.sleep(_LOOK_SECONDS)
        return time.monotonic()
