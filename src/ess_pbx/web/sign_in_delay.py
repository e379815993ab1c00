"""How long a sign-in must wait after wrong ones: guessing is slow, and nobody is locked out.

Three delays grow with wrong tries, and each has its own ceiling: of an account from one address,
of an account from anywhere, and of an address for any account. From an address where an account
signed in before, only the first counts for it: however long a stranger guesses elsewhere, an
operator at their own desk signs in at once. The ceilings keep what a stranger can do to anyone
else short: a first sign-in at a new desk may have to be tried again after ``ACCOUNT.ceiling``.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Growth:
    """After ``free`` wrong tries each further one must wait, twice as long as the one before."""

    free: int
    first: float
    """Seconds."""
    ceiling: float

    def seconds(self, wrong: int) -> float:
        """The delay after so many wrong tries."""
        if wrong < self.free:
            return 0.0
        return min(self.ceiling, self.first * 2.0 ** min(wrong - self.free, 30))


PAIR = Growth(free=3, first=1.0, ceiling=300.0)
ACCOUNT = Growth(free=10, first=1.0, ceiling=30.0)
ADDRESS = Growth(free=20, first=0.5, ceiling=5.0)
"""Low: a whole command centre may share one address behind a proxy."""
FORGET = 3600.0
"""Seconds after the last try that wrong ones count no more."""
LONGEST = 20_000
"""Entries kept: more tries from more addresses push out the oldest."""


@dataclass(slots=True)
class _Tries:
    wrong: int = 0
    last: float = 0.0


class SignInDelay:
    """The wrong tries so far. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._tries: OrderedDict[tuple[str, str], _Tries] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def attempt(self, account: str, address: str, now: float) -> float:
        """Seconds to wait before this try may be made; 0 is now, and it counts as wrong until
        ``succeeded``, so that tries made at once do not pass together.
        """
        gates = [((account, address), PAIR)]
        if (account, address) not in self._known:
            gates += [((account, ""), ACCOUNT), (("", address), ADDRESS)]
        wait = max(self._wait(key, growth, now) for key, growth in gates)
        if wait <= 0:
            for key, _ in gates:
                tries = self._tries.setdefault(key, _Tries())
                tries.wrong, tries.last = tries.wrong + 1, now
                self._tries.move_to_end(key)
            while len(self._tries) > LONGEST:
                self._tries.popitem(last=False)
        return max(0.0, wait)

    def succeeded(self, account: str, address: str) -> None:
        """The PIN was right: the wrong tries before it are forgotten, the address remembered."""
        for key in ((account, address), (account, "")):
            self._tries.pop(key, None)
        tries = self._tries.get(("", address))
        if tries is not None:
            tries.wrong -= 1  # this one; wrong tries at other accounts still count
        self._known[account, address] = None
        self._known.move_to_end((account, address))
        while len(self._known) > LONGEST:
            self._known.popitem(last=False)

    def _wait(self, key: tuple[str, str], growth: Growth, now: float) -> float:
        tries = self._tries.get(key)
        if tries is None:
            return 0.0
        if now - tries.last > FORGET:
            del self._tries[key]
            return 0.0
        return tries.last + growth.seconds(tries.wrong) - now
