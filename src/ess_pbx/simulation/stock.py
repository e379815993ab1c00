"""After each connect the engine looks at what Asterisk holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess_pbx.domain.centres import Centres
from ess_pbx.domain.effects import HangUp
from ess_pbx.domain.events import PhoneLost, PhoneReachable, PlaybackEnded
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.engine.reconcile import reconcile
from ess_pbx.simulation.virtual_asterisk import VirtualAsterisk

if TYPE_CHECKING:
    from ess_pbx.simulation.world import World


def take_stock(
    world: World, asterisk: VirtualAsterisk, reachable: dict[str, bool], _restarted: float
) -> None:
    """As ``engine.service`` does."""
    for agent, there in reachable.items():
        world.hear(PhoneReachable(agent) if there else PhoneLost(agent))
    channels = asterisk.channels
    talking = {
        leg
        for bridge in asterisk.bridges
        if len(them := asterisk.members(bridge)) > 1
        for leg in them
    }
    outcome = reconcile(
        world.core.calls,
        list(channels),
        list(channels),
        talking,
        unanswered=[leg for leg, channel in channels.items() if not channel.up],
        desk_channels={leg for leg in channels if leg.startswith("d-")},
        beside=Centres([world.core]).beside,
    )
    for event in outcome.gone:
        world.hear(event)
    heard = {playback for queue in asterisk.playing.values() for playback in queue}
    for call in list(world.core.calls.values()):
        for playback in (call.playing, call.operator_hears):
            if playback is not None and playback not in heard:
                world.hear(PlaybackEnded(call.id, playback))
    for leg in outcome.back_to_dialplan:
        world.line.tell(world.people.arrival(CallId(leg)))
    for leg in outcome.hang_up:
        world.line.send(HangUp(LegId(leg)))
