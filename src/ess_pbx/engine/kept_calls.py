"""What retention goes by: the centre and the categories of a call whose recordings are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.domain.incident import Incident
from ess_pbx.engine.segments import facts_of_kinds

LONGEST = 10_000
"""Calls of which this is known; a call is over and sealed long before as many came after it."""
BEGINNINGS = frozenset(
    {FactKind.CALL_ARRIVED, FactKind.CALL_BACK_STARTED, FactKind.OUTBOUND_STARTED}
)


@dataclass(slots=True)
class Filed:
    """Under what a call's recordings are kept."""

    centre: str = ""
    category: str = ""
    whole: bool = False
    """Whether all that was said of it was heard, by this engine or out of the journal."""


class KeptCalls:
    """Follows the facts of calls, and finds in the journal what was told before it began."""

    def __init__(self, centres: Iterable[CallCentre] = (), journal: Path | None = None) -> None:
        self._centres = centres
        self._journal = journal
        self._calls: OrderedDict[str, Filed] = OrderedDict()

    def told(self, fact: Fact) -> None:
        """Every fact of a call names its centre; one of them its category."""
        if fact.call is None:
            return
        filed = self._calls.get(fact.call)
        if filed is None:
            filed = self._calls[fact.call] = self._recalled(fact.call)
            if len(self._calls) > LONGEST:
                self._calls.popitem(last=False)
        _take(filed, fact)

    def forget(self, call: CallId) -> None:
        """All recordings of a call are kept."""
        self._calls.pop(call, None)

    def of(self, call: CallId, since: float) -> Filed:
        """A call's centre and category as far as anybody knows.

        ``since``, in epoch seconds, is how far the journal is read back. Blocks on the disk where
        an engine before this one began the call.
        """
        filed = self._calls.get(call) or self._recalled(call)
        if not filed.whole and self._journal is not None:
            kinds = (*BEGINNINGS, FactKind.CALL_IMPORTED, FactKind.CLASSIFIED, FactKind.CALL_ENDED)
            found = Filed()
            for fact in facts_of_kinds(self._journal, kinds, since):
                if fact.call == call:
                    _take(found, fact)
            filed = Filed(found.centre or filed.centre, found.category or filed.category, True)
        return filed

    def categories(self, call: CallId) -> dict[str, str]:
        """Those that reports of a call give it, with the number of such a report."""
        return {
            str(each.fields.given()["category"]): each.number
            for each in self._reports()
            if call in each.calls and each.fields.given().get("category")
        }

    def linked(self, report: str | None = None) -> set[CallId]:
        """The calls of one report that is at hand, or of all of them."""
        found = (each for each in self._reports() if report in (None, each.number))
        return {CallId(call) for each in found for call in each.calls}

    def _reports(self) -> Iterable[Incident]:
        return [each for core in self._centres for each in core.incidents.open.values()]

    def _recalled(self, call: str) -> Filed:
        """As the centre knows a call that it goes on with."""
        name = CallId(call)
        for core in self._centres:
            kept = core.kept.calls.get(name)
            if kept is not None:
                return Filed(core.config.id, kept.category)
            if name in core.calls:
                return Filed(core.config.id, core.calls[name].category)
        return Filed()


def _take(filed: Filed, fact: Fact) -> None:
    filed.centre = fact.centre or filed.centre
    if fact.kind == FactKind.CLASSIFIED:
        filed.category = str(fact.data.get("category") or "")
    elif fact.kind in BEGINNINGS:
        filed.whole = True
