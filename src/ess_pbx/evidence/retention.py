"""How long recordings are kept, by centre and category."""

from __future__ import annotations

from collections.abc import Sequence

from ess_pbx.domain.config import Centre
from ess_pbx.evidence.archive import KeepDays


def keep_days(centres: Sequence[Centre]) -> KeepDays:
    """What the centres' settings say.

    A centre or category that they know no more keeps the longest that may have been meant: too long
    can be mended, too short cannot. A call without a category is kept as its centre says.
    """
    of_centre = {centre.id: centre.policy.recording_days for centre in centres}
    of_category = {
        (centre.id, category.id): category.recording_days
        for centre in centres
        for category in centre.categories
        if category.recording_days is not None
    }
    known = {(centre.id, each.id) for centre in centres for each in centre.categories}
    known |= {(centre.id, "") for centre in centres}
    longest_of = {
        centre.id: max(
            [of_centre[centre.id]]
            + [of_category.get((centre.id, each.id), 0) for each in centre.categories]
        )
        for centre in centres
    }
    longest = max(longest_of.values(), default=365)

    def days(centre: str, category: str) -> int:
        if (centre, category) in known:
            return of_category.get((centre, category), of_centre[centre])
        return longest_of.get(centre, longest)

    return days
