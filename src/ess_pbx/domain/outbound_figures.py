"""How calls that operators dialled themselves went. One is of the period it was dialled in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ess_pbx.domain.outbound import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundFacts:
    """What the figures need to know of one number that was dialled."""

    agent: str
    answered: bool = False
    refused: str | None = None
    """The ``Refusal``; None when it was let out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundFigures:
    """What was let out and what was ``refused`` add up to ``dialled``."""

    dialled: int
    let_out: int
    answered: int
    refused: Mapping[Refusal, int]


def outbound_figures(attempts: Iterable[OutboundFacts]) -> OutboundFigures:
    """The figures of these attempts."""
    attempts = tuple(attempts)
    refused = Counter(each.refused for each in attempts if each.refused is not None)
    return OutboundFigures(
        dialled=len(attempts),
        let_out=len(attempts) - refused.total(),
        answered=sum(each.answered for each in attempts),
        refused={reason: refused[reason] for reason in Refusal},
    )
