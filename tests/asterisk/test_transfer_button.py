"""The transfer button of real phones: it does what is right or is refused, and says why.

This Asterisk refuses by itself (``asterisk.transfers``); tests of the engine's own answer open it,
and send no ``Refer-Sub: false``, which would end it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from functools import partial
from typing import Self

import pytest
from msgspec.structs import replace

from ess_pbx.asterisk import transfers
from ess_pbx.demo.stage import HOST, operator_tone
from ess_pbx.domain.facts import FactKind
from ess_pbx.phones import audio
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.softphone import Answer
from ess_pbx.phones.softphone_call import SoftCall

from .story import (
    AGENCY_TONE,
    CALLER_TONE,
    NOT_HEARD_DBOV,
    QUICK,
    SOON,
    GivenCentre,
    Story,
    until,
)

pytestmark = pytest.mark.asterisk

SPEECH_DBOV = -45.0
OPERATOR_TONE = operator_tone("1001")


@pytest.fixture
def engine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """REFER goes to the engine, as where the centre wants it and Asterisk is new enough."""
    monkeypatch.setattr(transfers, "are_safe", lambda _: True)


class Trunk:
    """A telco whose every request is written here, from the trunk's own address."""

    def __init__(self, story: Story, line: RtpParty) -> None:
        self._asterisk = story.sip_address
        self._line = line
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((HOST, story.settings.trunks[0].port))
        self._address = (HOST, 0)
        self.call_id, self._to, self._sequence = f"{time.time_ns()}@trunk", "", 0

    async def __aenter__(self) -> Self:
        self._address = await self._line.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._line.stop()
        self._socket.close()

    async def calls(self, number: str) -> None:
        """Dial, and acknowledge the answer."""
        assert await self.asks("INVITE", to=number, body=self._offer()) == 200
        self._send("ACK", "")

    def _offer(self) -> str:
        address, port = self._address
        return (
            f"v=0\r\no=t 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\n"
        )

    async def replaces(self) -> int:
        """Dial again, to take the place of the call that goes on (RFC 3891)."""
        replaced = f"{self.call_id};to-tag={self._to};from-tag=telco"
        self.call_id, self._to = f"{time.time_ns()}@trunk", ""
        return await self.asks("INVITE", f"Replaces: {replaced}", to="112", body=self._offer())

    async def asks(self, method: str, *headers: str, to: str = "", body: str = "") -> int:
        """A request, in the dialog once there is one; returns the final status."""
        self._sequence += 1
        self._send(method, "\r\n".join(headers), to, body)
        async with asyncio.timeout(SOON):
            while True:
                said = (await asyncio.get_running_loop().sock_recv(self._socket, 65536)).decode()
                status = re.match(r"SIP/2.0 (\d+)", said)
                mine = f"CSeq: {self._sequence} {method}" in said
                if status is None or not mine or int(status[1]) < 200:
                    continue
                tag = re.search(r"^To: .*;tag=(\S+)", said, re.MULTILINE)
                self._to = self._to or ("" if tag is None else tag[1])
                audio_at = re.search(r"^m=audio (\d+)", said, re.MULTILINE)
                if audio_at is not None:
                    self._line.send_to(HOST, int(audio_at[1]))
                return int(status[1])

    def _send(self, method: str, headers: str, to: str = "", body: str = "") -> None:
        host, port = self._socket.getsockname()
        target = f"sip:{to or '112'}@{self._asterisk[0]}:{self._asterisk[1]}"
        tag = f";tag={self._to}" if self._to else ""
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{time.time_ns()}",
            "Max-Forwards: 70",
            f"From: <sip:+6281234567890@{host}:{port}>;tag=telco",
            f"To: <{target}>{tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self._sequence} {method}",
            f"Contact: <sip:telco@{host}:{port}>",
            *([headers] if headers else []),
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        text = "\r\n".join([*lines, "", body])
        self._socket.sendto(text.encode(), self._asterisk)


async def until_in_bridge(story: Story, bridge: str, leg: str) -> None:
    """A leg is in a bridge, as Asterisk has it."""
    async with asyncio.timeout(SOON):
        ask = partial(story.engine.ari.call, "GET", f"bridges/{bridge}")
        while f"'{leg}'" not in str(await ask()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


def uri(story: Story, to: str) -> str:
    host, port = story.sip_address
    return f"sip:{to}@{host}:{port}"


async def hears_words(operator: SoftCall) -> None:
    """Something is said to the operator, who for that moment is out of the conversation."""

    def words() -> bool:
        alone = operator.tone_level_dbov(CALLER_TONE) < NOT_HEARD_DBOV
        return alone and audio.level_dbov(operator.latest()) > SPEECH_DBOV

    await until(words, f"{operator.name_for_errors()} hears words")


async def hears_nothing_said(listener: Listener) -> None:
    """Neither words nor anybody, at this moment."""
    await until(
        lambda: audio.level_dbov(listener.latest()) < SPEECH_DBOV,
        f"{listener.name_for_errors()} hears no words",
    )


async def assert_phones_are_told(story: Story, *statuses: int) -> None:
    """What NOTIFY says of a transfer; it may come after BYE, and then pjsua keeps it to itself."""
    log = story.folder / "phones" / "pjsua.log"
    await until(
        lambda: (
            re.findall(r"^SIP/2\.0 (\d+) .*\s+--end msg--", log.read_text(), re.MULTILINE)
            == [str(status) for status in statuses]
        ),
        f"phones are told {statuses}",
    )


@pytest.mark.usefixtures("engine_answers")
async def test_a_blind_transfer_to_an_agency_keeps_the_operator_until_it_answers(
    given_centre: GivenCentre,
) -> None:
    policy = replace(QUICK, agency_ring=20)
    story = await given_centre(phone_transfers=True, policy=policy)
    agencies = await story.given_agency(answer_after=None)
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, "119"), stays=True)

    called = await agencies.invited(SOON)
    await story.assert_fact(FactKind.TRANSFER_BUTTON, to="119", refusal=None, attended=False)
    await story.assert_fact(FactKind.AGENCY_RUNG)
    await asyncio.sleep(1.0)  # it rings
    assert operator.ended_by is None
    called.answer()
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    await story.assert_hears(story.agency_line, CALLER_TONE)
    assert await operator.ended(SOON) == "far"
    await assert_phones_are_told(story, 100, 200)
    await story.assert_fact(FactKind.OPERATOR_LEFT, agent="1001")
    await caller.call.hang_up()
    await story.assert_one_ending(caller)
    assert story.engine.failed_requests == 0


@pytest.mark.usefixtures("engine_answers")
async def test_a_blind_transfer_to_a_colleague_gives_them_the_call(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(phone_transfers=True)
    caller, operator = await story.given_talking()
    await story.given_operators("1002", behaviour=Answer(0.3))

    await operator.transfer(uri(story, "1002"))

    colleague = await story.phones.incoming("1002", SOON)
    await story.assert_they_talk(caller, colleague)
    await operator.ended(SOON)
    await assert_phones_are_told(story, 100, 200)
    await story.assert_fact(FactKind.TAKEN_OVER, agent="1002", former="1001")
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
@pytest.mark.parametrize("to", ["081234567890", "112", "outbound", "*11"])
async def test_a_blind_transfer_anywhere_else_is_refused_and_the_operator_alone_hears_why(
    to: str, given_centre: GivenCentre
) -> None:
    story = await given_centre(phone_transfers=True)
    agencies = await story.given_agency()
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, to))

    await hears_words(operator)
    await hears_nothing_said(caller.rtp)
    await until(lambda: operator.transfer_told[-1:] == [603], "the phone is told")
    await story.assert_they_talk(caller, operator)
    await story.assert_fact(FactKind.TRANSFER_BUTTON, refusal="transfer-tujuan-ditolak")
    assert agencies.calls == []
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
async def test_when_the_agency_does_not_answer_the_operator_has_the_caller_again(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(phone_transfers=True)
    agencies = await story.given_agency("uas-agency-no-answer")
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, "119"))

    await agencies.invited(SOON)
    await story.assert_fact(FactKind.CONSULT_FAILED, agency="psc-119")
    await until(lambda: operator.transfer_status == 503, "the phone is told")
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
async def test_a_phone_that_hangs_up_at_once_leaves_the_caller_to_the_transfer(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(phone_transfers=True)
    agencies = await story.given_agency(answer_after=1.0)
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, "119"))
    await operator.hang_up()

    await agencies.invited(SOON)
    await story.assert_hears(caller.rtp, AGENCY_TONE)
    await story.assert_hears(story.agency_line, CALLER_TONE)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
async def test_a_phone_that_hangs_up_before_nobody_answers_leaves_the_caller_to_the_queue(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(phone_transfers=True)
    await story.given_agency("uas-agency-no-answer")
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, "119"))
    await operator.hang_up()

    await story.assert_fact(FactKind.CONSULT_FAILED, agency="psc-119")
    again = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, again)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
async def test_an_attended_transfer_is_refused_and_both_calls_go_on(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre(phone_transfers=True)
    caller, operator = await story.given_talking()
    second = await story.phones.dial("1001", uri(story, "*13"))  # it waits long for a PIN
    await second.answered(SOON)

    await operator.transfer_to(second)

    await story.assert_fact(FactKind.TRANSFER_BUTTON, attended=True, refusal="transfer-pakai-kode")
    await until(lambda: operator.transfer_status == 603, "the phone is told")
    assert second.ended_by is None
    await second.transfer_to(operator)
    await until(lambda: second.transfer_status == 603, "of its own call too")
    await second.hang_up()
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.parametrize("headers", [{}, {"Refer-Sub": "false"}], ids=["plain", "no-subscription"])
async def test_where_asterisk_refuses_a_transfer_the_operator_hears_what_to_do_instead(
    headers: dict[str, str], given_centre: GivenCentre
) -> None:
    story = await given_centre()
    agencies = await story.given_agency()
    caller, operator = await story.given_talking()

    await operator.transfer(uri(story, "119"), headers)

    await hears_words(operator)
    await hears_nothing_said(caller.rtp)
    await until(lambda: operator.transfer_told == [603], "the phone is told, once")
    await story.assert_fact(FactKind.TRANSFER_BUTTON, agent="1001", refusal="transfer-pakai-kode")
    await story.assert_they_talk(caller, operator)
    assert agencies.calls == []
    await operator.press("*119#")
    await agencies.invited(SOON)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_a_phone_that_holds_before_it_asks_is_told_when_it_takes_the_caller_back(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    caller, operator = await story.given_talking()
    await operator.hold(SOON)
    await story.assert_fact(FactKind.HELD, how="phone")

    await operator.transfer(uri(story, "119"))

    await story.assert_fact(FactKind.TRANSFER_BUTTON, refusal="transfer-pakai-kode")
    assert story.told_of(FactKind.ANNOUNCED, prompt="transfer-pakai-kode") == []
    await operator.unhold(SOON)
    await hears_words(operator)
    await story.assert_they_talk(caller, operator)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


async def test_who_hangs_up_believing_that_it_was_done_leaves_the_caller_to_the_queue(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    caller, operator = await story.given_talking()
    await operator.transfer(uri(story, "119"))
    await story.assert_fact(FactKind.TRANSFER_BUTTON, agent="1001")

    await operator.hang_up()

    again = await story.phones.incoming("1001", SOON)
    await story.assert_they_talk(caller, again)
    await caller.call.hang_up()
    await story.assert_one_ending(caller)


@pytest.mark.usefixtures("engine_answers")
@pytest.mark.parametrize("phone_transfers", [False, True])
async def test_a_trunk_can_transfer_nothing(
    phone_transfers: bool, given_centre: GivenCentre
) -> None:
    story = await given_centre(phone_transfers=phone_transfers)
    agencies = await story.given_agency()
    await story.given_operators("1001", behaviour=Answer(0.1))
    line = RtpParty(tone(CALLER_TONE))
    async with Trunk(story, line) as trunk:
        await trunk.calls("112")
        await line.press("1")
        operator = await story.phones.incoming("1001", SOON)
        await story.assert_hears(operator, CALLER_TONE)

        for to in ("119", "1002", "outbound"):
            assert await trunk.asks("REFER", f"Refer-To: <{uri(story, to)}>") == 603
            quiet = f"Refer-To: <{uri(story, to)}>\r\nRefer-Sub: false"
            assert await trunk.asks("REFER", quiet) == 603

        await story.assert_hears(operator, CALLER_TONE)
        await story.assert_hears(line, OPERATOR_TONE)
        assert agencies.calls == []
        assert [call.account for call in story.phones.calls] == ["1001"]
        assert await trunk.asks("BYE") == 200
    await story.assert_fact(FactKind.CALL_ENDED, ended_by="caller")
    await story.assert_all_released()


async def test_a_telco_that_would_replace_its_own_leg_is_another_caller_and_recorded(
    given_centre: GivenCentre,
) -> None:
    story = await given_centre()
    await story.given_operators("1001", "1002", behaviour=Answer(0.1))
    line = RtpParty(tone(CALLER_TONE))
    async with Trunk(story, line) as trunk:
        await trunk.calls("112")
        await line.press("1")
        operator = await story.phones.incoming("1001", SOON)
        await story.assert_hears(operator, CALLER_TONE)
        first = await story.assert_fact(FactKind.CALL_ARRIVED)

        assert await trunk.replaces() == 200

        await until(lambda: len(story.told_of(FactKind.CALL_ARRIVED)) == 2, "another arrives")
        second = story.told_of(FactKind.CALL_ARRIVED)[1]
        assert second.data["called"] == "112"
        await until_in_bridge(story, f"{first.call}~br", str(first.call))
        assert operator.ended_by is None
        assert await trunk.asks("BYE") == 200
        await story.assert_fact(FactKind.RECORDING_FINISHED, recording=second.call)
    await story.engine.ari.call("DELETE", f"channels/{first.call}")
    await story.assert_all_released()
