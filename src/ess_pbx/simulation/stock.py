"""After each connect: what Asterisk holds, told to the core as one event, as the engine does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ess_pbx.domain.ids import is_caller
from ess_pbx.simulation.virtual_asterisk import VirtualAsterisk

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World


def take_stock(
    world: World, asterisk: VirtualAsterisk, reachable: dict[str, bool], started: float
) -> None:
    """As ``engine.taking_stock`` does, in no time."""
    core = world.core
    desks = [leg for leg in asterisk.channels if leg.startswith("d-") and is_caller(leg)]
    found = asterisk.found(world.wall, core.legs(), core.sounds(), desks)
    world.hear(replace(found, phones=reachable, started=started, served=world.unclaimed()))
