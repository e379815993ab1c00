"""The sample centre kept running for real phones, with agencies that answer by themselves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.demo.pair import Pair
from ess_pbx.demo.stage import HOST, loopback, sample
from ess_pbx.demo.traffic import make_traffic, traffic_trunks
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.installation import Installation
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import SippAgency
from ess_pbx.serving import stop_signals, until_stopped
from ess_pbx.settings.credentials import load_credentials
from ess_pbx.settings.model import Recordings, Settings
from ess_pbx.settings.pins import make_pins
from ess_pbx.web.accounts import ADMIN

STANDARD_SIP_PORT = 5060
AGENCY_LINES = 8
AGENCY_ANSWERS_AFTER = 3.0


UntilStopped: TypeAlias = Callable[[asyncio.Event], Awaitable[None]]


async def keep_up(
    folder: Path,
    host: str,
    traffic: float,
    say: Callable[[str], None],
    out: Console,
    *,
    standby: bool = False,
) -> None:
    """Run until SIGINT or SIGTERM; then stop all of it. ``standby``: with a second engine."""
    stopped = stop_signals()
    agencies = (HOST, free_port(socket.SOCK_DGRAM))
    settings = loopback(sample(), folder, agencies=agencies)
    callers = traffic_trunks() if traffic else ()
    settings = replace(
        settings,
        recordings=Recordings(keys=folder.with_name(f"{folder.name}-keys.json")),
        asterisk=replace(settings.asterisk, sip_host=host, sip_port=_sip_port(host, settings)),
        trunks=settings.trunks + callers,
    )
    lines = [RtpParty(tone(1200)) for _ in range(AGENCY_LINES)]
    engines = _two(settings, folder, say) if standby else _one(settings, say)
    background: list[asyncio.Task[None]] = []
    async with (
        SippAgency(
            folder / "agency",
            lines,
            local=agencies,
            answer_after=AGENCY_ANSWERS_AFTER,
            time_limit=30 * 86400,
        ),
        engines as until_stopped,
    ):
        try:
            await _show(settings, out)
            if traffic:
                server = (settings.asterisk.sip_host, settings.asterisk.sip_port)
                background.append(
                    asyncio.create_task(
                        make_traffic(server, callers, traffic, folder / "callers", say)
                    )
                )
                say(f"{traffic:g} synthetic callers a minute")
            await until_stopped(stopped)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
    say("stopped")


@asynccontextmanager
async def _one(settings: Settings, say: Callable[[str], None]) -> AsyncIterator[UntilStopped]:
    """The centre in this process."""
    installation = Installation(settings, say)
    try:
        await installation.start()
        yield partial(until_stopped, installation)
    finally:
        await installation.stop()


@asynccontextmanager
async def _two(
    settings: Settings, folder: Path, say: Callable[[str], None]
) -> AsyncIterator[UntilStopped]:
    """The centre in two processes of its own, of which one stands by."""
    async with Pair(settings, folder, say) as pair:
        await pair.started()

        async def until(stopped: asyncio.Event) -> None:
            await stopped.wait()

        yield until


def _sip_port(host: str, settings: Settings) -> int:
    """The port that phones expect, if nobody has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, STANDARD_SIP_PORT))
        except OSError:
            return settings.asterisk.sip_port
    return STANDARD_SIP_PORT


async def _show(settings: Settings, out: Console) -> None:
    """What to set on phones, and where all of it is."""
    centre, state = settings.centre_named(), settings.folders.state
    extensions = [operator.extension for operator in centre.operators]
    credentials = await asyncio.to_thread(load_credentials, state, extensions)
    pins = await asyncio.to_thread(make_pins, state, extensions)
    duty = CallCentre(centre).on_duty(datetime.now(ZoneInfo(centre.time_zone)))
    host, port = settings.asterisk.sip_host, settings.asterisk.sip_port
    title = f"SIP server {host}:{port}"
    phones = Table("extension", "password", "PIN", "name", "on duty", title=title)
    for operator in centre.operators:
        phones.add_row(
            operator.extension,
            credentials.operators[operator.extension],
            pins.get(operator.extension, "as before"),
            operator.name,
            "now" if operator.extension in duty else "",
        )
    out.print(phones)
    trunks = Table("trunk", "must send from", "to", title="Trunks (UDP)")
    for trunk in settings.trunks:
        trunks.add_row(trunk.name, f"{trunk.address}:{trunk.port}", f"112@{host}:{port}")
    out.print(trunks)
    codes = ", ".join(f"*{agency.code}# {agency.name}" for agency in centre.agencies)
    out.print(f"Any registered phone may also call 112. In a call, operators press: {codes};")
    out.print("then *3# conference, *4# leave, *2# back to the caller.")
    web = settings.web
    if web.enabled:
        out.print(f"API: http://{web.host}:{web.port}/api/v1, sign in as {ADMIN} with the password")
        out.print(f"  {credentials.admin_password}", markup=False)
    out.print("Status, with the PIN: *11 log in, *12 log out, *13 break, *14 back, *10 hear it.")
    out.print("A PIN is shown once; 'ess-pbx pin SETTINGS EXTENSION' makes a new one.")
    out.print(f"Recordings: {settings.folders.recordings}")
    out.print(f"Logs: {state}/engine.log, {state}/log. Database: {settings.database.url}")
    out.print("Ctrl-C stops all of it.")
