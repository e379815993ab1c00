"""Real SIPp on both sides, no Asterisk between."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.errors import RuntimeMissingError
from ess_pbx.phones import CallRefusedError, PhoneError, PhoneTimeoutError
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import (
    AgencyScenario,
    CallEnd,
    CallerScenario,
    Invite,
    SippAgency,
    SippCall,
    SippCallers,
)
from ess_pbx.runtime import Runtime

try:
    Runtime.find().command("sipp")
except RuntimeMissingError as missing:
    pytest.skip(str(missing), allow_module_level=True)

NEAR, FAR = CallEnd("ended", "near"), CallEnd("ended", "far")


class Line:
    """A caller and an agency, connected directly."""

    def __init__(
        self,
        folder: Path,
        *,
        agency: AgencyScenario = "uas-agency-ring-answer",
        caller: CallerScenario = "uac-invite-112-wait-bye",
        answer_after: float | None = 0.0,
    ) -> None:
        self.caller_rtp, self.agency_rtp = RtpParty(tone(440)), RtpParty(tone(620))
        self.folder = folder
        self.agency = SippAgency(
            folder / "agency", [self.agency_rtp], scenario=agency, answer_after=answer_after
        )
        self.callers = SippCallers(
            self.agency.local,
            [Invite("112", caller="+6281234567", display="Budi", rtp=self.caller_rtp)],
            folder / "caller",
            scenario=caller,
        )
        self.call = self.callers.calls[0]

    async def __aenter__(self) -> "Line":
        await self.agency.start()
        await self.callers.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.callers.close()
        await self.agency.close()

    def messages(self, side: str) -> str:
        return (self.folder / side / "messages.log").read_text()


@pytest.fixture
async def talking(tmp_path: Path) -> AsyncIterator[tuple[Line, SippCall]]:
    async with Line(tmp_path) as line:
        far = await line.agency.invited(within=5)
        await line.call.answered(within=5)
        await far.answered(within=5)
        yield line, far


async def test_both_sides_of_an_answered_call_hear_each_other(
    talking: tuple[Line, SippCall],
) -> None:
    line, far = talking
    await asyncio.gather(
        line.caller_rtp.heard_tone(620, within=5), line.agency_rtp.heard_tone(440, within=5)
    )
    assert "+6281234567" in far.caller_id
    assert list(line.call.at) == ["invited", "ringing", "answered"]


async def test_a_key_pressed_by_the_caller_reaches_the_agency(
    talking: tuple[Line, SippCall],
) -> None:
    line, _ = talking
    await line.agency_rtp.heard_tone(440, within=5)
    await line.caller_rtp.press("5", held_ms=60, pause_ms=40)
    async with asyncio.timeout(5):
        while not line.agency_rtp.keys_heard:  # noqa: ASYNC110 - it comes from the network
            await asyncio.sleep(0.02)
    assert [k.key for k in line.agency_rtp.keys_heard] == ["5"]


async def test_the_caller_hangs_up_with_a_bye_when_told(talking: tuple[Line, SippCall]) -> None:
    line, far = talking
    assert await line.call.hang_up() == NEAR
    assert await far.ended(within=5) == FAR
    await line.callers.finished(within=5)
    assert "BYE sip:agency@" in line.messages("caller")
    assert "HANGUP" not in line.messages("agency")


async def test_the_agency_hangs_up_with_a_bye_when_told(talking: tuple[Line, SippCall]) -> None:
    line, far = talking
    assert await far.hang_up() == NEAR
    assert await line.call.ended(within=5) == FAR
    await line.callers.finished(within=5)
    assert "BYE sip:telco@" in line.messages("caller")


async def test_both_hanging_up_at_once_leaves_no_call(talking: tuple[Line, SippCall]) -> None:
    line, far = talking
    ends = await asyncio.gather(line.call.hang_up(), far.hang_up())
    assert "near" in {end.by for end in ends}
    await line.callers.finished(within=5)


async def test_the_audio_stops_with_the_call(talking: tuple[Line, SippCall]) -> None:
    line, far = talking
    await line.agency_rtp.heard_tone(440, within=5)
    await line.call.hang_up()
    await far.ended(within=5)
    sent = line.agency_rtp.packets_sent
    async with asyncio.timeout(5):
        heard = -1
        while line.agency_rtp.packets_received != heard:  # some may be on their way
            heard = line.agency_rtp.packets_received
            await asyncio.sleep(0.1)  # five packets' time in which nothing may come
    assert line.agency_rtp.packets_sent == sent


async def test_hanging_up_twice_says_how_it_ended_the_first_time(
    talking: tuple[Line, SippCall],
) -> None:
    line, _ = talking
    assert await line.call.hang_up() == await line.call.hang_up() == NEAR


async def test_the_agency_rings_silently_until_it_is_told_to_answer(tmp_path: Path) -> None:
    async with Line(tmp_path, answer_after=None) as line:
        far = await line.agency.invited(within=5)
        await line.call.ringing(within=5)
        with pytest.raises(PhoneTimeoutError, match=r"answered within 0\.1 s; seen: .*ringing"):
            await line.call.answered(within=0.1)
        assert line.caller_rtp.packets_received == 0
        far.answer()
        await line.call.answered(within=5)
        await line.caller_rtp.heard_tone(620, within=5)


async def test_a_caller_who_hangs_up_while_it_rings_cancels(tmp_path: Path) -> None:
    async with Line(tmp_path, answer_after=None) as line:
        far = await line.agency.invited(within=5)
        await line.call.ringing(within=5)
        assert await line.call.hang_up() == CallEnd("cancelled", "near")
        assert await far.ended(within=5) == CallEnd("cancelled", "far")
        await line.callers.finished(within=5)
        with pytest.raises(PhoneError, match="cancelled by the near side"):
            await line.call.answered(within=5)


async def test_an_agency_told_to_hang_up_while_it_rings_declines(tmp_path: Path) -> None:
    async with Line(tmp_path, answer_after=None) as line:
        far = await line.agency.invited(within=5)
        assert await far.hang_up() == NEAR
        assert await line.call.ended(within=5) == CallEnd("refused", "far", 603)


async def test_a_busy_agency_refuses_with_486(tmp_path: Path) -> None:
    async with Line(tmp_path, agency="uas-agency-busy") as line:
        with pytest.raises(CallRefusedError) as refused:
            await line.call.answered(within=5)
        assert refused.value.status == 486


async def test_an_agency_that_does_not_answer_accepts_the_cancel(tmp_path: Path) -> None:
    async with Line(tmp_path, agency="uas-agency-no-answer") as line:
        far = await line.agency.invited(within=5)
        await line.call.ringing(within=5)
        await line.call.hang_up()
        assert await far.ended(within=5) == CallEnd("cancelled", "far")


async def test_a_caller_who_gives_up_at_once_is_cancelled(tmp_path: Path) -> None:
    async with Line(tmp_path, caller="uac-invite-cancel", answer_after=None) as line:
        assert await line.call.ended(within=5) == CallEnd("cancelled", "near")
        await line.callers.finished(within=5)


async def test_a_call_that_must_be_refused_succeeds_when_it_is(tmp_path: Path) -> None:
    async with Line(tmp_path, agency="uas-agency-busy", caller="uac-invite-expect-refused") as line:
        assert (await line.call.ended(within=5)).status == 486
        await line.callers.finished(within=5)


async def test_a_call_that_must_be_refused_fails_with_sipps_words_when_it_rings(
    tmp_path: Path,
) -> None:
    async with Line(tmp_path, caller="uac-invite-expect-refused") as line:
        with pytest.raises(PhoneError, match=r"unexpected message.*180 Ringing"):
            await line.callers.finished(within=5)
        with pytest.raises(PhoneError, match="uac-invite-expect-refused ended with 1"):
            await line.call.ended(within=5)


async def test_the_identity_header_is_as_asked_for(tmp_path: Path) -> None:
    invites = {
        "same": Invite("112", caller="+62811"),
        "other": Invite("112", caller="0811", identity="+62812"),
        "absent": Invite("112", caller="+62811", identity=""),
        "anonymous": Invite("112"),
    }
    async with SippAgency(tmp_path / "agency", [RtpParty()], scenario="uas-agency-busy") as agency:
        for name, invite in invites.items():
            async with SippCallers(agency.local, [invite], tmp_path / name) as callers:
                await callers.calls[0].ended(within=5)
    sent = {name: (tmp_path / name / "messages.log").read_text() for name in invites}
    assert "P-Asserted-Identity: <sip:+62811@127.0.0.1>" in sent["same"]
    assert "P-Asserted-Identity: <sip:+62812@127.0.0.1>" in sent["other"]
    assert "P-Asserted-Identity" not in sent["absent"] + sent["anonymous"]
    assert "From: <sip:anonymous@anonymous.invalid>" in sent["anonymous"]


async def test_many_calls_of_one_process_each_have_their_own_audio_and_end(tmp_path: Path) -> None:
    callers_rtp = [RtpParty(tone(400 + 50 * n)) for n in range(4)]
    lines = [RtpParty() for _ in range(4)]
    async with SippAgency(tmp_path / "agency", lines) as agency:
        invites = [Invite("112", caller=f"+6281{n}", rtp=p) for n, p in enumerate(callers_rtp)]
        async with SippCallers(
            agency.local, invites, tmp_path / "callers", per_second=50
        ) as callers:
            for call in callers.calls:
                await call.answered(within=5)
            for n, line in enumerate(lines):
                await line.heard_tone(400 + 50 * n, within=5)
            assert await callers.calls[2].hang_up() == NEAR
            assert callers.calls[1].end is None
            await callers.hang_up_all()
            await callers.finished(within=5)


async def test_a_taken_port_is_reported_in_sipps_words(tmp_path: Path) -> None:
    async with RtpParty() as holder:
        callers = SippCallers(
            ("127.0.0.1", free_port(socket.SOCK_DGRAM)),
            [Invite("112")],
            tmp_path,
            local=holder.local,
        )
        with pytest.raises(PhoneError, match=r"(?i)bind|address already in use"):
            await callers.start()


async def test_a_value_that_would_break_sipps_fields_is_refused(tmp_path: Path) -> None:
    callers = SippCallers(("127.0.0.1", 5060), [Invite("112", caller="1;tag=x")], tmp_path)
    with pytest.raises(PhoneError, match="no semicolon"):
        await callers.start()


async def test_closing_ends_the_process_and_whoever_waits_learns_it(tmp_path: Path) -> None:
    async with Line(tmp_path, answer_after=None) as line:
        await line.call.ringing(within=5)
        waiting = asyncio.create_task(line.call.answered(within=30))
        await asyncio.sleep(0)
        await line.callers.close()
        with pytest.raises(PhoneError, match="ended with -9"):
            await waiting
