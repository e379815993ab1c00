"""After a start: the centres are told again what they remembered, out of the journal."""

from __future__ import annotations

from collections.abc import Iterable

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine.journal import Journal


def recall(journal: Journal, centres: Iterable[CallCentre]) -> int:
    """Tell each centre its facts since its last checkpoint; returns how many. Blocks on disk.

    The journal is read from its newest segment backwards until each centre's checkpoint is found,
    so that a start reads little however long they have run.
    """
    by_id = {centre.config.id: centre for centre in centres}
    told = journal.since_last(lambda fact: fact.kind == FactKind.CHECKPOINT, by_id)
    for name, facts in told.items():
        for fact in facts:
            by_id[name].recall(fact)
    return sum(map(len, told.values()))
