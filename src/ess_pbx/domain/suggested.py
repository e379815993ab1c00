"""Which agencies a category is for: what an operator is shown first, and chooses or not."""

from __future__ import annotations

from ess_pbx.domain.config import Agency, Centre


def agencies_for(centre: Centre, category: str) -> tuple[Agency, ...]:
    """The agencies that the settings give this category to, in their order."""
    return tuple(each for each in centre.agencies if category and category in each.categories)
