"""What callers and operators do to a queue, in the words of its tests."""

from __future__ import annotations

from ess_pbx.domain.acd import Acd
from ess_pbx.domain.config import Centre
from ess_pbx.domain.effects import JoinQueue, OfferTaken, Record
from ess_pbx.domain.events import OfferMade
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.offers import Decision

from .centre import CENTRE, of


def call(number: int) -> CallId:
    return CallId(f"c-{number}")


def an_acd(*agents: str, config: Centre = CENTRE) -> Acd:
    """Operators who are there, the first idle longest."""
    acd = Acd(config)
    acd.set_on_duty([operator.extension for operator in config.operators], 0)
    for at, agent in enumerate(agents):
        acd.set_reachable(agent, True, at)
    return acd


def joins(
    acd: Acd, number: int, queue: str = "umum", priority: int = 5, since: float | None = None
) -> list[Decision]:
    age = float(number) if since is None else since
    return acd.apply(JoinQueue(call(number), queue, priority, age), 100)


def takes(acd: Acd, number: int, agent: str) -> None:
    acd.apply(OfferTaken(call(number), agent), 100)


def offers(decisions: list[Decision]) -> list[tuple[str, str]]:
    return [(offer.call, offer.agent) for offer in of(decisions, OfferMade)]


def kinds(decisions: list[Decision]) -> list[FactKind]:
    return [record.kind for record in of(decisions, Record)]
