"""The centre of a story."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from msgspec.structs import replace

from ess_pbx.domain.config import Centre, Policy, Strategy
from ess_pbx.simulation.sample_centre import OTHER_SUPERVISOR, SUPERVISOR, a_centre
from ess_pbx.simulation.story import Setting


@lru_cache(maxsize=4096)
def _centre(
    menu: bool,
    searches: bool,
    strategy: str,
    ladder: bool,
    wrap_up: float,
    calls_back: bool,
    explicit_log_in: bool,
    record_waiting: bool,
) -> Centre:
    supervisors = SUPERVISOR, OTHER_SUPERVISOR
    centre = a_centre(menu, wrap_up, searches, calls_back, supervisors=supervisors)
    policy = replace(
        centre.policy,
        ladder=centre.policy.ladder if ladder else Policy().ladder,
        log_in="explicit" if explicit_log_in else "phone",
        recording_pause=20.0,
        record_waiting=record_waiting,
    )
    first, *others = centre.queues
    queues = (replace(first, strategy=cast("Strategy", strategy)), *others)
    return replace(centre, policy=policy, queues=queues)


def centre_of(setting: Setting) -> Centre:
    """The sample centre, as a story wants it."""
    return _centre(
        setting.menu,
        setting.searches,
        setting.strategy,
        setting.ladder,
        setting.wrap_up,
        setting.calls_back,
        setting.explicit_log_in,
        setting.record_waiting,
    )
