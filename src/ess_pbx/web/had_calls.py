"""Which operators had which calls, since this engine started: theirs to mark, also afterwards."""

from __future__ import annotations

from collections import OrderedDict

from ess_pbx.domain.facts import Fact, FactKind

LONGEST = 10_000
"""Calls kept; the busiest centre has some thousand a day."""


class HadCalls:
    """Follows the facts; ``__call__`` is a listener of the engine."""

    def __init__(self) -> None:
        self._had: OrderedDict[str, set[str]] = OrderedDict()

    def __call__(self, fact: Fact) -> None:
        """An operator answered a call."""
        if fact.kind != FactKind.OPERATOR_ANSWERED or fact.call is None:
            return
        self._had.setdefault(fact.call, set()).add(str(fact.data["agent"]))
        if len(self._had) > LONGEST:
            self._had.popitem(last=False)

    def by(self, operator: str, call: str) -> bool:
        """Whether the operator had the call."""
        return operator in self._had.get(call, ())
