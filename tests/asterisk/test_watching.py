"""What is watched beside calls, on the real Asterisk."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from ess_pbx.demo.stage import HOST
from ess_pbx.domain.facts import FactKind

from .story import GivenCentre, until

pytestmark = pytest.mark.asterisk

QUALIFIED_WITHIN = 20.0
"""Seconds: asked every second, with two to answer, and Asterisk begins when it likes."""
_ECHOED = ("via:", "from:", "to:", "call-id:", "cseq:")


class Telco(asyncio.DatagramProtocol):
    """The telco's side of a trunk, which answers OPTIONS while ``answers`` (RFC 3261 §11.2)."""

    def __init__(self) -> None:
        self.answers = True
        self.asked = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        lines = data.decode().split("\r\n")
        if not lines[0].startswith("OPTIONS "):
            return
        self.asked += 1
        if self.answers:
            echoed = [line for line in lines if line.lower().startswith(_ECHOED)]
            answer = ["SIP/2.0 200 OK", *echoed, "Content-Length: 0", "", ""]
            self._transport.sendto("\r\n".join(answer).encode(), address)


async def test_a_trunk_that_does_not_answer_options_is_an_alarm_until_it_does(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(started=False)
    trunk = replace(story.settings.trunks[0], qualify=1)
    story.settings = replace(story.settings, trunks=(trunk, *story.settings.trunks[1:]))
    story.installation.settings = story.settings
    loop = asyncio.get_running_loop()
    transport, telco = await loop.create_datagram_endpoint(Telco, local_addr=(HOST, trunk.port))
    try:
        await story.given_it_runs()
        await until(lambda: telco.asked > 1, "the telco is asked", QUALIFIED_WITHIN)
        alarm = f"trunk-down:{trunk.id}"
        assert story.told_of(FactKind.ALARM_RAISED, alarm=alarm) == []

        telco.answers = False
        raised = await story.assert_fact(FactKind.ALARM_RAISED, QUALIFIED_WITHIN, alarm=alarm)
        assert f"{HOST}:{trunk.port}" in str(raised.data["detail"])
        assert story.engine.centres["contoh"].alarms.standing[alarm]

        telco.answers = True
        await story.assert_fact(FactKind.ALARM_CLEARED, QUALIFIED_WITHIN, alarm=alarm)
        assert len(story.told_of(FactKind.ALARM_RAISED, alarm=alarm)) == 1
    finally:
        transport.close()


async def test_a_trunk_that_is_not_to_be_asked_gets_no_options(given_centre: GivenCentre) -> None:
    story = await given_centre(started=False)
    trunk = story.settings.trunks[0]
    loop = asyncio.get_running_loop()
    transport, telco = await loop.create_datagram_endpoint(Telco, local_addr=(HOST, trunk.port))
    try:
        await story.given_it_runs()
        rendered = (story.installation.folders.etc / "pjsip.conf").read_text()
        assert "qualify_frequency" not in rendered.split(f"[{trunk.id}](trunk)")[1].split("\n\n")[1]
        found = await story.engine.ari.call("GET", f"endpoints/PJSIP/{trunk.id}")
        assert found is not None
        assert telco.asked == 0
    finally:
        transport.close()


async def test_without_asterisk_it_is_an_alarm_and_with_it_again_it_is_not(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.installation.asterisk.stop()
    await story.assert_fact(FactKind.ALARM_RAISED, alarm="asterisk")
    await story.installation.asterisk.start()
    await story.assert_fact(FactKind.ALARM_CLEARED, alarm="asterisk")
