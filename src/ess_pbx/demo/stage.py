"""The sample centre moved to loopback ports that are free, with phones for everyone."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from ess_pbx.asterisk.free_ports import free_port, free_rtp_range
from ess_pbx.domain.config import Centre, Policy
from ess_pbx.phones.rtp import Address
from ess_pbx.phones.softphone import MAX_ACCOUNTS, Behaviour, SoftPhone
from ess_pbx.settings.credentials import Credentials
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import CHECKOUT, Database, Recordings, Settings

SAMPLE = CHECKOUT / "deploy" / "sample" / "centre.toml"
HOST = "127.0.0.1"
REGISTERED_WITHIN = 10.0


def loopback(
    settings: Settings,
    state: Path,
    *,
    agencies: Address | None = None,
    policy: Policy | None = None,
) -> Settings:
    """The same centres on free loopback ports, keeping everything in ``state``.

    Recordings are not sealed. ``agencies`` is where all agencies' phones are; a policy replaces the
    centres'.
    """
    rtp_first, rtp_last = free_rtp_range()
    trunks = [
        replace(trunk, address=HOST, port=free_port(socket.SOCK_DGRAM)) for trunk in settings.trunks
    ]
    return replace(
        settings,
        centres=tuple(_moved(centre, agencies, policy) for centre in settings.centres),
        asterisk=replace(
            settings.asterisk,
            sip_host=HOST,
            sip_port=free_port(socket.SOCK_DGRAM),
            synthetic_port=free_port(socket.SOCK_DGRAM),
            ari_host=HOST,
            ari_port=free_port(socket.SOCK_STREAM),
            rtp_first=rtp_first,
            rtp_last=rtp_last,
        ),
        folders=replace(settings.folders, state=state, recordings=state / "recordings"),
        recordings=Recordings(),
        database=Database(url=f"sqlite+aiosqlite:///{state / 'ess-pbx.sqlite3'}"),
        web=replace(settings.web, host=HOST, port=free_port(socket.SOCK_STREAM)),
        trunks=tuple(trunks),
    )


def _moved(centre: Centre, agencies: Address | None, policy: Policy | None) -> Centre:
    if agencies is not None:
        host, port = agencies
        moved = [
            replace(a, contact=f"sip:{a.code}@{host}:{port}", contacts=(), hours=None)
            for a in centre.agencies
        ]
        centre = replace(centre, agencies=tuple(moved))
    return centre if policy is None else replace(centre, policy=policy)


def sample() -> Settings:
    """The sample centre as it lies in the checkout."""
    return load_settings(SAMPLE)


async def register_operators(
    phone: SoftPhone,
    settings: Settings,
    credentials: Credentials,
    extensions: Sequence[str],
    behaviour: Behaviour,
) -> None:
    """Register operators' phones, each playing a tone of its own, in this order of idleness.

    Raises PhoneError when the server refuses one.
    """
    if len(extensions) > MAX_ACCOUNTS:
        raise ValueError(f"one phone process holds {MAX_ACCOUNTS} accounts, not {len(extensions)}")
    server = (settings.asterisk.sip_host, settings.asterisk.sip_port)
    for extension in extensions:
        await phone.add_account(
            extension,
            credentials.operators[extension],
            server,
            behaviour,
            phone.tone(operator_tone(extension)),
        )
        await phone.registered(extension, REGISTERED_WITHIN)


def operator_tone(extension: str) -> int:
    """The tone (Hz) by which an operator is recognised in what others hear."""
    return 500 + 40 * (int(extension) % 10)
