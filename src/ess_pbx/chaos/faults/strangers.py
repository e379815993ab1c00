"""What arrives at the SIP port from people who are no telco of ours, or no telco at all."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable

from ess_pbx.chaos.callers import longest
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.torture import invite, mutations, torture
from ess_pbx.chaos.verdict import Check
from ess_pbx.settings.model import Settings, Trunk

STRANGER = "127.0.0.2"
FLOOD_PER_SECOND = 200
MUTATIONS_PER_SECOND = 40
_BURST = 0.02


async def flood(scene: Scene) -> list[Check]:
    """INVITEs from an address that is no trunk's, while telcos' calls come as ever."""
    async with scene.running() as running:
        count = round(FLOOD_PER_SECOND * scene.load.seconds)
        sent = await _send(running.centre.settings, _invites(count), FLOOD_PER_SECOND)
        scene.progress(f"{sent} INVITEs from a stranger")
        found = await running.checks()
        return [
            Check("strangers' INVITEs", sent, at_least=1),
            _success(running),
            Check("ring, longest", longest(running.callers.ring_seconds()), unit="s"),
            Check("strangers' calls", _strangers_calls(running), at_most=0),
            *found,
        ]


async def malformed(scene: Scene) -> list[Check]:
    """RFC 4475 and mutations of it, from a stranger and from a trunk's own address."""
    async with scene.running() as running:
        settings = running.centre.settings
        asterisk, engine = running.centre.asterisk_pid, running.centre.engine_pid
        await running.warm()
        count = round(MUTATIONS_PER_SECOND * scene.load.seconds)
        messages = [*torture().values(), *mutations(count, seed=4475)]
        sent = await _send(settings, messages, MUTATIONS_PER_SECOND)
        # A telco's own INVITE is a call, however odd it looks: those are left to the stranger.
        ours = [each for each in messages if b"INVITE" not in each.upper()]
        sent += await _send(settings, ours, 4 * MUTATIONS_PER_SECOND, settings.trunks[1])
        scene.progress(f"{sent} malformed messages")
        await running.callers.over()
        crashed = (running.centre.asterisk_pid != asterisk) + (
            not running.centre.engine_runs or running.centre.engine_pid != engine
        )
        found = await running.checks(released=False)
        return [
            Check("messages", sent, at_least=len(torture())),
            Check("crashes", int(crashed), at_most=0),
            *found,
        ]


def _success(running: Running) -> Check:
    callers = running.callers.all
    served = sum(each.served and not each.dropped for each in callers)
    return Check("legitimate success", 100 * served / len(callers), at_least=100, unit="%")


def _strangers_calls(running: Running) -> int:
    """Calls of the engine that are none of the load's."""
    ours = {caller.number for caller in running.callers.all}
    found = [fact for _, fact in running.centre.facts if fact.kind == "call_arrived"]
    return sum(fact.data["caller_e164"] not in ours for fact in found)


def _invites(count: int) -> Iterable[bytes]:
    for number in range(count):
        yield invite(
            Call_ID=f"stranger-{number}",
            Via=f"SIP/2.0/UDP {STRANGER}:5060;branch=z9hG4bK-stranger-{number};rport",
        )


async def _send(
    settings: Settings, messages: Iterable[bytes], per_second: float, trunk: Trunk | None = None
) -> int:
    """Send datagrams at that rate, from the stranger's address or a trunk's; returns how many."""
    target = (settings.asterisk.sip_host, settings.asterisk.sip_port)
    local = (STRANGER, 0) if trunk is None else (trunk.address, trunk.port)
    began, sent = time.monotonic(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.bind(local)
        for sent, datagram in enumerate(messages, start=1):
            sender.sendto(datagram, target)
            ahead = sent / per_second - (time.monotonic() - began)
            if ahead > _BURST:
                await asyncio.sleep(ahead)
    return sent
