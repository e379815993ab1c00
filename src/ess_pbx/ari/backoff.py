"""How long to wait before the next attempt to connect. Pure: draws no time, only chance."""

from __future__ import annotations

import random as random_module
from collections.abc import Callable


class Backoff:
    """Delays in seconds that double from ``first`` to ``limit``, each cut by up to half at random.

    The cut keeps engines that lost the same Asterisk from all coming back at one instant.
    ``random`` gives a float in [0, 1).
    """

    def __init__(
        self,
        *,
        first: float = 0.1,
        limit: float = 5.0,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        if not 0 < first <= limit:
            raise ValueError(f"backoff: expected 0 < first <= limit, got {first} and {limit}")
        self._first = first
        self._limit = limit
        self._random = random
        self._whole = first

    def next_delay(self) -> float:
        """Seconds to wait now: between half and all of the current step; the step then doubles."""
        whole = self._whole
        self._whole = min(self._limit, whole * 2)
        return whole * (1 - self._random() / 2)

    def reset(self) -> None:
        """Begin again at ``first``: the attempt succeeded."""
        self._whole = self._first
