"""Callers whom nobody is there for: they are told, and so is whoever looks after the centre."""

from __future__ import annotations

from ess_pbx.domain.acd_facts import no_operator_fact
from ess_pbx.domain.events import OperatorsMissing
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.line import Waiting
from ess_pbx.domain.lines import Lines
from ess_pbx.domain.offers import Decision, Offers


class Alone:
    """The queues in which calls wait and nobody is, and their alarms."""

    def __init__(self, lines: Lines, offers: Offers) -> None:
        self.alarmed: set[str] = set()
        """Queues whose alarm stands."""
        self._lines = lines
        self._offers = offers

    def is_left(self, entry: Waiting) -> list[Decision]:
        """A call could be offered to nobody; it is told when nobody is there."""
        entry.told = False
        if self._offers.held or self._lines.present(entry.queue) > 0 or entry.line.present > 0:
            return []
        entry.told = True
        raised = [] if entry.queue in self.alarmed else [entry.queue]
        self.alarmed.update(raised)
        alarms = [no_operator_fact(FactKind.ALARM_RAISED, queue) for queue in raised]
        return [*alarms, OperatorsMissing(entry.call)]

    def look(self) -> list[Decision]:
        """Somebody came or went: callers may wait where nobody is, or somebody is there again."""
        if self._offers.held:
            return []
        decisions: list[Decision] = []
        for queue in sorted(self.alarmed):
            if self._lines.present(queue) > 0:
                self.alarmed.discard(queue)
                decisions.append(no_operator_fact(FactKind.ALARM_CLEARED, queue))
                for entry in self._lines.waiting_in(queue):
                    entry.told = False
        for queue in self._lines.queues:
            if self._lines.present(queue) > 0:
                continue
            left: list[Waiting] = []
            for entry in self._lines.waiting_in(queue):
                if entry.line.present > 0:
                    entry.told = False
                elif not entry.told and not entry.offers:
                    # One that still rings somewhere may yet be answered; if not, it is told then.
                    left.append(entry)
            for entry in sorted(left, key=lambda each: each.order):
                decisions += self.is_left(entry)
        return decisions
