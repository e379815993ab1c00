"""Whether the database follows the journal: facts that wait too long mean that it is away."""

from __future__ import annotations

LOOK_SECONDS = 1.0
CAUGHT_UP = 256
"""Facts: what one transaction of the projector takes."""
TOO_MANY = 20_000
"""Facts that wait though some are taken: a database that is too slow, some minutes behind."""


class BehindWatch:
    """Compares readings of the projector; ``within`` seconds without any progress is too long."""

    def __init__(self, within: float) -> None:
        self._within = within
        self._position = -1
        self._moved = 0.0
        self._behind = False

    def look(self, lag: int, position: int, now: float) -> str | None:
        """What is wrong at ``now`` (monotonic seconds); None when nothing is.

        ``lag`` facts wait; ``position`` is the last that was taken.
        """
        if lag == 0 or position != self._position:
            self._position, self._moved = position, now
        if now - self._moved >= self._within or lag >= TOO_MANY:
            self._behind = True
        elif lag <= CAUGHT_UP and now == self._moved:
            self._behind = False
        if not self._behind:
            return None
        return (
            "the database takes no facts, or too few; they wait in the journal: start it, or see "
            "its log"
        )
