"""The centre that faults are injected into: the sample's, with a crowd's operators and trunks."""

from __future__ import annotations

import socket
from datetime import time as time_of_day
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port, free_rtp_range
from ess_pbx.demo.stage import HOST, loopback, sample
from ess_pbx.domain.config import Operator, Policy, Shift
from ess_pbx.settings.model import Database, Settings, Trunk, Watching

FIRST_EXTENSION = 2000
WRAP_UP_SECONDS = 1.0
COMFORT_SECONDS = 10.0
PORTS_A_LEG, SPARE_PORTS = 2, 100
RUNG_AT_ONCE = 4
"""Legs to a phone: a call, an offer of the engine, and two callers whom no engine claimed."""
PROBE_TRUNKS = 2
DATABASE_BEHIND = 2.0
"""Sooner an alarm than in a centre, which gives it 10 s: short runs have it away for less."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How many call, and for how long. ``per_second`` times ``talk`` calls are live."""

    per_second: float = 2.0
    talk: float = 8.0
    """Seconds each talks to an operator."""
    seconds: float = 20.0
    """For how long new calls come."""

    @property
    def calls(self) -> int:
        """All calls of the run."""
        return max(round(self.per_second * self.seconds), 1)

    @property
    def operators(self) -> int:
        """Enough that somebody is free nearly always: each call keeps one for talk and wrap-up."""
        return round(self.per_second * (self.talk + WRAP_UP_SECONDS + 1.0) * 1.2) + 2


USUAL = Load()
"""About 20 live calls."""
FULL = Load(per_second=5.0, talk=9.0, seconds=60.0)
"""About 50 live calls: the load of the acceptance table."""
SHORT = Load(per_second=1.0, talk=4.0, seconds=8.0)
"""For the tests."""


def settings_for(
    state: Path,
    database: str,
    load: Load,
    *,
    operators: int | None = None,
    calls: int | None = None,
    menu: bool = False,
) -> Settings:
    """The installation; ``calls`` is how many may be there at once, if more than the load's.

    With a ``menu`` the sample's comes first, and nobody is rung for who is still in it.
    """
    count = load.operators if operators is None else operators
    staff = tuple(
        Operator(extension=str(FIRST_EXTENSION + number), name=f"Operator {number}")
        for number in range(count)
    )
    settings = loopback(
        sample(),
        state,
        policy=Policy(wrap_up=WRAP_UP_SECONDS, comfort=COMFORT_SECONDS, search_at_once=not menu),
    )
    midnight = time_of_day(0)
    shift = Shift(
        id="kacau",
        name="Uji gangguan",
        starts=midnight,
        ends=midnight,
        operators=tuple(each.extension for each in staff),
    )
    centre = replace(settings.centre_named(), operators=staff, shifts=(shift,), agencies=())
    if not menu:
        centre = replace(centre, first_menu=None)
    at_once = max(calls or 0, load.calls)
    legs = at_once + RUNG_AT_ONCE * count
    first, last = free_rtp_range(PORTS_A_LEG * legs + SPARE_PORTS)
    probes = [
        Trunk(
            id=f"uji-{number}",
            name=f"Trunk uji {number}",
            address=HOST,
            port=free_port(socket.SOCK_DGRAM),
            entry_numbers=("112",),
        )
        for number in range(PROBE_TRUNKS)
    ]
    return replace(
        settings,
        centres=(centre,),
        asterisk=replace(settings.asterisk, rtp_first=first, rtp_last=last),
        database=Database(url=database),
        trunks=(settings.trunks[0], *probes),
        watching=Watching(database_behind=DATABASE_BEHIND),
    )
