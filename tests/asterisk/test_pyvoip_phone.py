"""A phone of another make: pyVoIP 1.6.8, as a process of its own.

What it cannot do is worked around on its side, not ours: it is held to PCMU, for on PCMA it sends
what it encoded as μ-law, and it is taught to answer OPTIONS, without which any phone is taken for
dead. Run as a program this file is that phone:
``test_pyvoip_phone.py SERVER PORT EXTENSION SIP_PORT RTP_PORT HEARD``, the password on stdin;
what it hears (unsigned 8 bit, 8000 Hz) goes to the file HEARD.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.phones import audio

HERTZ = 710
"""The tone that it sends."""
PIECE = 160
AMPLITUDE = 40
STARTS_WITHIN = 30.0


def run_phone(server: str, port: int, extension: str, sip_port: int, rtp_port: int) -> None:
    """Register, answer whatever comes, send a tone, keep what is heard; until the end of stdin."""
    # First, for pyVoIP's modules import each other.
    importlib.import_module("pyVoIP.VoIP")
    import pyVoIP
    from pyVoIP import SIP
    from pyVoIP.RTP import PayloadType
    from pyVoIP.VoIP import CallState, InvalidStateError, VoIPPhone

    pyVoIP.RTPCompatibleCodecs = [PayloadType.PCMU, PayloadType.EVENT]
    pyVoIP.SIPCompatibleMethods.append("OPTIONS")

    def answer(call: Any) -> None:
        call.answer()
        print("answered", flush=True)
        turn = 2 * math.pi * HERTZ / audio.SAMPLE_RATE
        tone = (128 + AMPLITUDE * np.sin(turn * np.arange(60 * audio.SAMPLE_RATE))).astype(np.uint8)
        call.write_audio(tone.tobytes())
        with Path(sys.argv[6]).open("wb", buffering=0) as heard:
            while call.state == CallState.ANSWERED:
                try:
                    heard.write(call.read_audio(PIECE, blocking=True))
                except (InvalidStateError, OSError):
                    break
        print("ended", flush=True)

    parse_message = SIP.SIPClient.parse_message

    def answer_options_too(client: Any, message: Any) -> None:
        if message.type == SIP.SIPMessageType.MESSAGE and message.method == "OPTIONS":
            client.out.sendto(client.gen_ok(message).encode(), (client.server, client.port))
        else:
            parse_message(client, message)

    setattr(SIP.SIPClient, "parse_message", answer_options_too)  # noqa: B010 - mypy knows it
    password = sys.stdin.readline().strip()
    phone = VoIPPhone(
        server,
        port,
        extension,
        password,
        myIP="127.0.0.1",
        callCallback=answer,
        sipPort=sip_port,
        rtpPortLow=rtp_port,
        rtpPortHigh=rtp_port + 1,
    )
    phone.start()
    print("started", flush=True)
    sys.stdin.read()
    phone.stop()


if __name__ == "__main__":
    run_phone(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    sys.exit()

from .story import CALLER_TONE, HEARD_DBOV, SOON, GivenCentre, Story, until  # noqa: E402

pytestmark = pytest.mark.asterisk
pytest.importorskip("pyVoIP")


async def test_a_pyvoip_phone_takes_a_call_and_both_sides_hear_each_other(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(on_duty=("1001",), first_menu=None)
    heard = story.folder / "pyvoip.u8"
    phone = await given_pyvoip_phone(story, "1001", heard)
    try:
        await story.assert_reachable("1001")

        caller = await story.when_caller_dials()
        await said(phone, "answered")
        await story.assert_hears(caller.rtp, HERTZ)
        await until(lambda: heard_tone(heard) >= HEARD_DBOV, "the phone hears the caller")
        await caller.call.hang_up()
        await said(phone, "ended")

        record = await story.assert_one_ending(caller)
        assert (record.call["result"], record.call["operator"]) == ("success", "1001")
    finally:
        phone.kill()
        await phone.wait()


async def given_pyvoip_phone(
    story: Story, extension: str, heard: Path
) -> asyncio.subprocess.Process:
    host, port = story.sip_address
    credentials = story.installation.credentials
    assert credentials is not None
    with (story.folder / "pyvoip.log").open("wb") as errors:
        phone = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, host, str(port), extension),
            *(str(free_port(socket.SOCK_DGRAM)), str(free_port(socket.SOCK_DGRAM)), str(heard)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
        )
    assert phone.stdin is not None
    phone.stdin.write(f"{credentials.operators[extension]}\n".encode())
    await said(phone, "started", STARTS_WITHIN)
    return phone


async def said(phone: asyncio.subprocess.Process, word: str, within: float = SOON) -> None:
    assert phone.stdout is not None
    async with asyncio.timeout(within):
        while (line := (await phone.stdout.readline()).decode().strip()) != word:
            assert line, f"the phone ended before it said {word}"


def heard_tone(file: Path) -> float:
    """The level of the caller's tone in the last half second (dBov)."""
    octets = file.read_bytes()[-4000:] if file.exists() else b""
    samples = (np.frombuffer(octets, np.uint8).astype(np.int16) - 128) * 256
    return audio.tone_level_dbov(samples.astype(np.int16), CALLER_TONE)
