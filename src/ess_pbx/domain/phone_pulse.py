"""Whether an operator's phone in a call is still there: by its RTP, and by what it says when asked.

RTP that stops proves nothing (hold, silence suppression, a jammed link), so a phone is asked
(SIP OPTIONS) before its call is taken away. docs/decisions/0020 has the reasons and the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ess_pbx.domain.ids import LegId

LOOKS = 2
"""So many looks in a row must have found no new packet: one late answer of an Asterisk that stood
still is none."""
ASK_EVERY = 1.0
"""Seconds between two questions to a phone that sends nothing and is there."""
FEW = 2
"""So many phones may fall silent together; more, and most of all, are a network that is away."""
NETWORK_AWAY = 5.0
"""Seconds of silence after which even those are given up."""


class Reply(StrEnum):
    """What became of a question to a phone."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Its machine says that nothing listens there any more (ICMP port unreachable)."""
    NOTHING = "nothing"


@dataclass(slots=True)
class Pulse:
    """What is known of one operator's leg. Times are monotonic seconds."""

    after: float
    """How long no packet may come before the phone is asked."""
    packets: int = -1
    since: float = 0.0
    """When a new packet was last seen to have come."""
    looks: int = 0
    """In a row that found no new one."""
    answers: bool = False
    """Whether this phone answers questions at all: not all do, or can be reached by them."""
    sends_nothing: bool = False
    """It was there although it sent nothing: on hold, or it suppresses silence."""
    missed: int = 0
    """Questions in a row that were not answered."""
    ask_at: float = 0.0
    refused: bool = False
    unregistered: bool = False
    """Asterisk's own qualify found it away."""

    def saw(self, packets: int, now: float) -> None:
        """So many packets have come from it in all."""
        if packets == self.packets:
            self.looks += 1
            return
        self.packets, self.since, self.looks = packets, now, 0
        self.missed, self.refused, self.unregistered, self.ask_at = 0, False, False, 0.0

    def silent(self, now: float) -> bool:
        """Whether nothing comes from it, for long enough to be odd."""
        return self.looks >= LOOKS and now - self.since >= self.after

    def to_be_asked(self, now: float) -> bool:
        """Whether it is time to ask it."""
        return not self.dead and self.silent(now) and now >= self.ask_at

    def said(self, reply: Reply, now: float) -> None:
        """It was asked; ``now`` is when that was over."""
        match reply:
            case Reply.ANSWERED:
                self.answers = True
                self.sends_nothing |= self.silent(now)
                self.missed, self.ask_at = 0, now + ASK_EVERY
            case Reply.REFUSED:
                self.refused = True
            case Reply.NOTHING:
                self.missed += 1
                self.ask_at = now if self.answers else now + ASK_EVERY

    @property
    def dead(self) -> bool:
        """Whether all that can be known says so."""
        if self.refused or self.unregistered:
            return True
        return self.answers and self.missed > int(self.sends_nothing)


def to_give_up(pulses: Mapping[LegId, Pulse], now: float) -> list[LegId]:
    """The dead ones, but for those that fell silent with most others: they may all come back."""
    silent = {leg for leg, each in pulses.items() if each.silent(now) and not each.sends_nothing}
    network = len(silent) > FEW and 2 * len(silent) > len(pulses)
    return [
        leg
        for leg, each in pulses.items()
        if each.dead and (each.refused or not network or now - each.since >= NETWORK_AWAY)
    ]
