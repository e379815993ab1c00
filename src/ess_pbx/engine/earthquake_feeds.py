"""The earthquake feeds of the centres that have one, told to their cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ess_pbx.domain.config import Centre
from ess_pbx.domain.earthquake import Earthquake
from ess_pbx.domain.events import CentreEvent, EarthquakeFeedRead, EarthquakeReported
from ess_pbx.feeds.bmkg import BmkgFeed


def earthquake_feeds(
    centres: Iterable[Centre], tell: Callable[[CentreEvent], None]
) -> Iterator[BmkgFeed]:
    """A feed for each centre that has the address of one; ``tell`` takes what they read."""

    def reported(centre: str, quake: Earthquake) -> None:
        tell(EarthquakeReported(quake, centre=centre))

    def read(centre: str, trouble: str | None) -> None:
        tell(EarthquakeFeedRead(trouble, centre=centre))

    for centre in centres:
        feed, name = centre.surge.feed, centre.id
        if feed is None or not feed.url:
            # What was wrong with an address that is asked no more is no alarm.
            read(name, None)
            continue
        yield BmkgFeed(feed, on_quake=partial(reported, name), on_trouble=partial(read, name))
