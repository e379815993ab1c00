"""After a start: the centre is told again what it remembered, out of the journal."""

from __future__ import annotations

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine.journal import Journal


def recall(journal: Journal, core: CallCentre) -> int:
    """Tell ``core`` the facts since its last checkpoint; returns how many. Blocks on disk.

    The journal is read from its newest segment backwards until one holds a checkpoint of the
    centre, so that a start reads little however long the centre has run.
    """
    told = 0
    for fact in journal.since_last(
        lambda fact: fact.kind == FactKind.CHECKPOINT and fact.centre == core.config.id
    ):
        if fact.centre == core.config.id:
            core.recall(fact)
            told += 1
    return told
