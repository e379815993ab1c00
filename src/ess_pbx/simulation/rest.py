"""While nothing is on its way between engine and Asterisk, each knows what the other has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ess_pbx.domain.call import Phase
from ess_pbx.domain.effects import Role
from ess_pbx.domain.ids import call_of, is_bridge, side_bridge
from ess_pbx.domain.supervision import ASIDE

if TYPE_CHECKING:
    from ess_pbx.domain.call import Call
    from ess_pbx.simulation.virtual_asterisk import VirtualAsterisk
    from ess_pbx.simulation.world import World


def otherwise(world: World) -> Iterator[str]:
    """What the core believes and Asterisk does not have, and the other way round."""
    core, asterisk = world.core, world.line.asterisk
    wanted = set(core.beside())
    for call in core.calls.values():
        wanted.update(call.legs)
        if call.phase is not Phase.ENDED:
            yield from _of_call(call, asterisk)
    for leg, channel in asterisk.channels.items():
        if leg not in wanted and not channel.served:
            yield f"{leg} ({channel.role}, {channel.address}) is nobody's"
    for agent, seat in core.acd.seats.items():
        if seat.reachable is (agent in asterisk.unreachable):
            yield f"the phone of {agent} is believed to be there: {seat.reachable}"
    known = {*core.calls, *core.outbound.calls}
    for bridge in asterisk.bridges:
        if is_bridge(bridge) and call_of(bridge) not in known:
            yield f"{bridge} is nobody's"


def _of_call(call: Call, asterisk: VirtualAsterisk) -> Iterator[str]:
    heard, playing = asterisk.playing.get(call.caller, []), [call.playing] if call.playing else []
    if heard != playing:
        yield f"{call.caller} hears {heard}, and was to hear {playing} ({call.phase})"
    supervision = call.supervision
    if supervision is not None and supervision.mode in ASIDE and supervision.coming is None:
        beside = asterisk.members(side_bridge(call.id))
        if beside != {supervision.leg, supervision.snoop}:
            yield f"{supervision.supervisor} was to {supervision.mode}: {sorted(beside)} are beside"
    for leg, there in call.legs.items():
        channel = asterisk.channels.get(leg)
        if channel is None:
            # Of a leg that was asked for in vain nothing is told: its timer ends it. Who is called
            # back has a name before they have a phone that rings.
            if there.role is not Role.CALLER and leg in asterisk.made:
                yield f"{call.id} is {call.phase} and has {leg} ({there.role}), which is gone"
            continue
        music = call.music if leg == call.caller else leg in call.on_music
        if channel.music is not music:
            yield f"{leg} hears music: {channel.music}, and was to: {music} ({call.phase})"
        bridge = call.rooms.get(leg)
        if channel.bridge not in (bridge, side_bridge(call.id)):
            yield f"{leg} is in {channel.bridge}, and was to be in {bridge} ({call.phase})"
