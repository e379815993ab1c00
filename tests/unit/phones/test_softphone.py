"""A real pjsua process and a real SIPp agency, no server between."""

import asyncio
import importlib.util
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.errors import RuntimeMissingError
from ess_pbx.phones import PhoneError, PhoneTimeoutError
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import SippAgency, SippCall
from ess_pbx.phones.softphone import SoftPhone
from ess_pbx.phones.softphone_call import SoftCall
from ess_pbx.runtime import Runtime

if importlib.util.find_spec("pjsua2") is None:
    pytest.skip("pjsua2 is not installed (pip install '.[phones]')", allow_module_level=True)
try:
    Runtime.find().command("sipp")
except RuntimeMissingError as missing:
    pytest.skip(str(missing), allow_module_level=True)


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[SoftPhone]:
    async with SoftPhone(tmp_path / "phone") as started:
        nobody = ("127.0.0.1", free_port(socket.SOCK_DGRAM))
        await started.add_account("1001", "rahasia", nobody, sound=started.tone(620))
        yield started


@pytest.fixture
async def talking(phone: SoftPhone, tmp_path: Path) -> AsyncIterator[tuple[SoftCall, SippCall]]:
    async with SippAgency(tmp_path / "agency", [RtpParty(tone(440))]) as agency:
        host, port = agency.local
        near = await phone.dial("1001", f"sip:119@{host}:{port}")
        far = await agency.invited(within=5)
        await asyncio.gather(near.answered(within=5), far.answered(within=5))
        yield near, far


async def test_the_softphone_and_the_other_side_hear_each_other(
    talking: tuple[SoftCall, SippCall],
) -> None:
    near, far = talking
    assert far.rtp is not None
    await asyncio.gather(near.heard_tone(440, within=5), far.rtp.heard_tone(620, within=5))
    async with asyncio.timeout(10):
        # A busy machine sends in bursts, and what is late to the jitter buffer is not heard.
        while near.tone_level_dbov(440) != pytest.approx(-13, abs=1):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def test_a_key_pressed_on_the_softphone_reaches_the_other_side(
    talking: tuple[SoftCall, SippCall],
) -> None:
    near, far = talking
    assert far.rtp is not None
    await near.press("9")
    async with asyncio.timeout(5):
        while not far.rtp.keys_heard:  # noqa: ASYNC110 - it comes from the network
            await asyncio.sleep(0.02)
    assert [k.key for k in far.rtp.keys_heard] == ["9"]


async def test_the_softphone_hangs_up_when_told(talking: tuple[SoftCall, SippCall]) -> None:
    near, far = talking
    await near.hang_up()
    assert near.ended_by == "near"
    assert (await far.ended(within=5)).by == "far"


async def test_the_softphone_learns_that_the_other_side_hung_up(
    talking: tuple[SoftCall, SippCall],
) -> None:
    near, far = talking
    await far.hang_up()
    assert await near.ended(within=5) == "far"
    assert near.end_status == 200
    with pytest.raises(PhoneError, match="no such account or call"):
        await near.press("1")


class Registrar(asyncio.DatagramProtocol):
    """Answers each REGISTER with one status."""

    def __init__(self, status: str) -> None:
        self.status = status

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        lines = data.decode().split("\r\n")
        kept = ("Via:", "From:", "To:", "Call-ID:", "CSeq:", "Contact:", "Expires:")
        answer = [f"SIP/2.0 {self.status}", *(x for x in lines if x.startswith(kept))]
        self.transport.sendto("\r\n".join([*answer, "Content-Length: 0", "", ""]).encode(), addr)


@pytest.mark.parametrize(
    ("status", "accepted"), [("200 OK", True), ("403 Forbidden", False)], ids=["200", "403"]
)
async def test_a_registration_is_what_the_server_says_it_is(
    phone: SoftPhone, status: str, accepted: bool
) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Registrar(status), local_addr=("127.0.0.1", 0)
    )
    await phone.add_account("1002", "rahasia", transport.get_extra_info("sockname"))
    if accepted:
        await phone.registered("1002", within=5)
        await phone.unregister("1002")
    else:
        with pytest.raises(PhoneError, match="1002 was refused by its server with 403"):
            await phone.registered("1002", within=5)
    transport.close()


async def test_waiting_for_a_call_that_does_not_come_says_so(phone: SoftPhone) -> None:
    with pytest.raises(PhoneTimeoutError, match=r"1001 was not called within 0\.1 s"):
        await phone.incoming("1001", within=0.1)


def test_the_password_is_in_no_command_line_and_no_log(phone: SoftPhone, tmp_path: Path) -> None:
    assert phone.pid is not None
    assert b"rahasia" not in Path(f"/proc/{phone.pid}/cmdline").read_bytes()
    assert "rahasia" not in (tmp_path / "phone" / "pjsua.log").read_text()


async def test_whoever_waits_learns_that_the_phone_process_died(phone: SoftPhone) -> None:
    assert phone.pid is not None
    waiting = asyncio.create_task(phone.incoming("1001", within=30))
    await asyncio.sleep(0)
    os.kill(phone.pid, signal.SIGKILL)
    with pytest.raises(PhoneError, match="process ended with -9"):
        await waiting
