"""Synthetic callers, as many a minute as wanted, through trunks of their own."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections.abc import Callable
from pathlib import Path

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.phones import PhoneError
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import Invite, SippCallers
from ess_pbx.phones.sipp_call import SippCall
from ess_pbx.settings.model import Trunk

TRUNKS = 3
"""A batch of callers is made each minute and is over within two, so three take turns."""
BATCH_SECONDS = 60.0
LONGEST_CALL = 100.0
SHORTEST_CALL = 20.0


def traffic_trunks() -> tuple[Trunk, ...]:
    """Trunks for the synthetic callers, on free loopback ports."""
    return tuple(
        Trunk(
            id=f"lalu-lintas-{number}",
            name=f"Penelepon buatan {number}",
            address="127.0.0.1",
            port=free_port(socket.SOCK_DGRAM),
            entry_numbers=("112",),
        )
        for number in range(1, TRUNKS + 1)
    )


async def make_traffic(
    server: tuple[str, int],
    trunks: tuple[Trunk, ...],
    per_minute: float,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Call 112 until cancelled. A batch that fails is reported and the next one goes on."""
    async with asyncio.TaskGroup() as batches:
        for number, trunk in enumerate(itertools.cycle(trunks)):
            batches.create_task(_batch(server, trunk, per_minute, folder / f"{number}", say))
            await asyncio.sleep(BATCH_SECONDS)


async def _batch(
    server: tuple[str, int],
    trunk: Trunk,
    per_minute: float,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    count = int(per_minute) + (random.random() < per_minute % 1)  # noqa: S311 - no secret
    if count == 0:
        return
    invites = [Invite("112", _number(), rtp=RtpParty(tone(400))) for _ in range(count)]
    try:
        async with SippCallers(
            server,
            invites,
            folder,
            local=(trunk.address, trunk.port),
            per_second=per_minute / 60,
        ) as callers:
            await asyncio.gather(*(_behave(call) for call in callers.calls))
    except PhoneError as error:
        say(f"synthetic callers: {error}")


async def _behave(call: SippCall) -> None:
    """Press a key or not, stay for a while, hang up unless the other side did."""
    try:
        await call.answered(BATCH_SECONDS + 10)
        key = random.choice(["", "", "1", "2", "3", "4"])  # noqa: S311 - no secret
        if key and call.rtp is not None:
            await call.rtp.heard_sound(5)
            await call.rtp.press(key)
        await call.ended(random.uniform(SHORTEST_CALL, LONGEST_CALL / 2))  # noqa: S311
    except PhoneError:
        if call.end is None and call.failure is None and "answered" in call.at:
            await call.hang_up()


def _number() -> str:
    return f"+62812{random.randrange(10_000_000, 99_999_999)}"  # noqa: S311 - no secret
