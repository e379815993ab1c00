"""How long recordings are kept, by centre and category."""

from __future__ import annotations

from collections.abc import Sequence

from ess_pbx.domain.config import Centre
from ess_pbx.evidence.archive import KeepDays


def keep_days(centres: Sequence[Centre]) -> KeepDays:
    """What the centres' settings say; of a centre that they no longer know, the longest of all."""
    of_centre = {centre.id: centre.policy.recording_days for centre in centres}
    of_category = {
        (centre.id, category.id): category.recording_days
        for centre in centres
        for category in centre.categories
        if category.recording_days is not None
    }
    longest = max([*of_centre.values(), *of_category.values()], default=365)

    def days(centre: str, category: str) -> int:
        return of_category.get((centre, category)) or of_centre.get(centre, longest)

    return days
