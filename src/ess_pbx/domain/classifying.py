"""What is known of a caller's need: category, queue, priority and language, set by keys."""

from __future__ import annotations

from ess_pbx.domain import priority
from ess_pbx.domain.call import Turn
from ess_pbx.domain.config import Classification
from ess_pbx.domain.facts import FactKind


def classify(turn: Turn, chosen: Classification) -> None:
    """Set what the caller chose; a category brings its queue along unless one is named."""
    queue_of = {category.id: category.queue for category in turn.centre.categories}
    category = chosen.category or turn.call.category
    queue = chosen.queue or (queue_of[category] if chosen.category else turn.call.queue)
    turn.set(
        category=category,
        queue=queue,
        language=chosen.language or turn.call.language,
    )
    priority.choose(turn, chosen.priority)
    record_classification(turn)


def record_classification(turn: Turn) -> None:
    """What the caller chose, or was given."""
    call = turn.call
    turn.record(
        FactKind.CLASSIFIED,
        category=call.category,
        queue=call.queue,
        priority=call.priority,
        language=call.language,
    )
