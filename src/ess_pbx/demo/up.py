"""The sample centre kept running for real phones, with agencies that answer by themselves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.demo.stage import HOST, loopback, sample
from ess_pbx.demo.traffic import make_traffic, traffic_trunks
from ess_pbx.installation import Installation
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import SippAgency
from ess_pbx.serving import stop_signals, until_stopped
from ess_pbx.settings.credentials import Credentials
from ess_pbx.settings.model import Recordings, Settings
from ess_pbx.settings.pins import make_pins
from ess_pbx.web.accounts import ADMIN

STANDARD_SIP_PORT = 5060
AGENCY_LINES = 8
AGENCY_ANSWERS_AFTER = 3.0


async def keep_up(
    folder: Path, host: str, traffic: float, say: Callable[[str], None], out: Console
) -> None:
    """Run until SIGINT or SIGTERM; then stop all of it."""
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
    installation = Installation(settings, say)
    await asyncio.to_thread(installation.prepare)
    extensions = [operator.extension for operator in settings.centre_named().operators]
    pins = await asyncio.to_thread(make_pins, folder, extensions)
    lines = [RtpParty(tone(1200)) for _ in range(AGENCY_LINES)]
    async with SippAgency(
        folder / "agency",
        lines,
        local=agencies,
        answer_after=AGENCY_ANSWERS_AFTER,
        time_limit=30 * 86400,
    ):
        background: list[asyncio.Task[None]] = []
        try:
            engine = await installation.start()
            if installation.credentials is not None:
                _show(settings, installation.credentials, pins, engine.duty, out)
            if traffic:
                server = (settings.asterisk.sip_host, settings.asterisk.sip_port)
                background.append(
                    asyncio.create_task(
                        make_traffic(server, callers, traffic, folder / "callers", say)
                    )
                )
                say(f"{traffic:g} synthetic callers a minute")
            await until_stopped(installation, stopped)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await installation.stop()
            say("stopped")


def _sip_port(host: str, settings: Settings) -> int:
    """The port that phones expect, if nobody has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, STANDARD_SIP_PORT))
        except OSError:
            return settings.asterisk.sip_port
    return STANDARD_SIP_PORT


def _show(
    settings: Settings,
    credentials: Credentials,
    pins: Mapping[str, str],
    duty: frozenset[str],
    out: Console,
) -> None:
    host, port = settings.asterisk.sip_host, settings.asterisk.sip_port
    title = f"SIP server {host}:{port}"
    phones = Table("extension", "password", "PIN", "name", "on duty", title=title)
    centre = settings.centre_named()
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
    web, state = settings.web, settings.folders.state
    if web.enabled:
        out.print(f"API: http://{web.host}:{web.port}/api/v1, sign in as {ADMIN} with the password")
        out.print(f"  {credentials.admin_password}", markup=False)
    out.print("Status, with the PIN: *11 log in, *12 log out, *13 break, *14 back, *10 hear it.")
    out.print("A PIN is shown once; 'ess-pbx pin SETTINGS EXTENSION' makes a new one.")
    out.print(f"Recordings: {settings.folders.recordings}")
    out.print(f"Logs: {state}/engine.log, {state}/log. Database: {settings.database.url}")
    out.print("Ctrl-C stops all of it.")
