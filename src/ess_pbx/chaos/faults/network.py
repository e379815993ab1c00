"""The network loses and delays what phones, telcos and Asterisk say to each other."""

from __future__ import annotations

import asyncio
import socket
import time

from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.chaos.lossy_line import LossyLine
from ess_pbx.chaos.operators import Operators
from ess_pbx.chaos.scene import Running, Scene
from ess_pbx.chaos.verdict import Check
from ess_pbx.settings.model import Settings

LOST, DELAY = 0.05, 0.08
"""Of each datagram; seconds. Each way."""
SET_UP = 99.9
QUIET_WITHIN = 35.0
"""Seconds: SIP sends a lost request again for 32 s at most (RFC 3261, 64 times T1)."""


async def packet_loss(scene: Scene) -> list[Check]:
    """5 % of all SIP lost and 80 ms of delay, each way, on the trunk and on every phone's line."""
    made: list[LossyLine] = []

    async def lines(settings: Settings) -> tuple[Settings, Settings]:
        asterisk, trunk = settings.asterisk, settings.trunks[0]
        target = (asterisk.sip_host, asterisk.sip_port)
        for source in (None, (trunk.address, trunk.port)):
            line = LossyLine(target, source)
            scene.closing.push_async_callback(line.close)
            await line.start()
            made.append(line)
        ports = [replace(asterisk, sip_port=line.address[1]) for line in made]
        telco = replace(trunk, port=free_port(socket.SOCK_DGRAM))
        return replace(settings, asterisk=ports[0]), replace(
            settings, asterisk=ports[1], trunks=(telco, *settings.trunks[1:])
        )

    def begin() -> None:
        for line in made:
            line.loss.lost, line.loss.delay = LOST, DELAY

    async with scene.running(lines=lines, before_calls=begin) as running:
        await running.callers.over()
        ring_on = await _still_ringing(running.operators)
        found = await running.checks()
        passed, lost = (sum(getattr(line, each) for line in made) for each in ("passed", "lost"))
        return [
            Check("SIP datagrams", passed, at_least=1),
            Check("of them lost", round(100 * lost / passed, 1), at_least=1, unit="%"),
            Check("set up", _set_up(running), at_least=SET_UP, unit="%"),
            Check("phones left ringing", ring_on, at_most=0),
            *found,
        ]


def _set_up(running: Running) -> float:
    callers = running.callers.all
    return round(100 * sum(each.established for each in callers) / len(callers), 2)


async def _still_ringing(operators: Operators) -> int:
    """Phones that ring for nobody, once everything had time to be said again."""
    deadline = time.monotonic() + QUIET_WITHIN
    while True:
        ring = sum(
            "incoming" in call.at and "answered" not in call.at and call.ended_by is None
            for phone in operators.phones
            for call in phone.calls
        )
        if not ring or time.monotonic() > deadline:
            return ring
        await asyncio.sleep(0.2)
