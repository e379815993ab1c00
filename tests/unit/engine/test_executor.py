"""Each effect is one request, and a request's failure is told to the core."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ess_pbx.ari.protocol import Answer as AriAnswer
from ess_pbx.domain.effects import (
    Answer,
    AnswerTransfer,
    AsteriskEffect,
    CreateBridge,
    DestroyBridge,
    HangUp,
    Join,
    Originate,
    PlayPrompt,
    PlaySpeech,
    PlayTone,
    Role,
    Snoop,
    StopMusic,
    StopPlayback,
    TransferOutcome,
)
from ess_pbx.domain.events import CallEvent, LegGone, PlaybackEnded, Reference
from ess_pbx.domain.ids import BridgeId, CallId, LegId, PlaybackId, caller_leg
from ess_pbx.domain.transfer import TOLD_AFTER
from ess_pbx.engine.executor import Executor
from ess_pbx.errors import AriError, AriRefusedError, AriTimeoutError, PromptError

CALL = CallId("ess1-1.0")
LEG = LegId(f"{CALL}~op2")
BRIDGE = BridgeId(f"{CALL}~br")
SNOOP = LegId(f"{CALL}~sn3")
PLAYBACK = PlaybackId(f"{CALL}~pb1")
PROMPT = PlayPrompt(LegId(CALL), False, PLAYBACK, "mohon-tunggu", "id")


def originate(role: Role = Role.OPERATOR, address: str = "1001", number: str = "+628") -> Originate:
    return Originate(CALL, LEG, role, address, number, "Kebakaran", 17.0)


async def test_a_test_call_leaves_by_its_own_endpoint_for_our_own_address_and_listens() -> None:
    asterisk = Asterisk()
    executor = Executor(asterisk, Path("/p"), lambda _: None, own_address="192.0.2.1:5060")
    call = CallId("uji:contoh-17")
    executor.carry_out(Originate(call, LegId(f"{call}~te"), Role.TEST, "0254112999", "17", "", 6.0))
    ((method, uri, query),) = asterisk.asked
    assert (method, uri) == ("POST", "channels/uji:contoh-17~te")
    assert query["endpoint"] == "PJSIP/uji-keluar/sip:0254112999@192.0.2.1:5060"
    assert query["callerId"] == '"" <17>'
    assert "originator" not in query
    assert asterisk.bodies == [{"variables": {"TALK_DETECT(set)": "2000,256"}}]


class Asterisk:
    """Answers every request in the way a test wants."""

    def __init__(self, error: AriError | None = None) -> None:
        self.error = error
        self.asked: list[tuple[str, str, dict[str, str | int]]] = []
        self.bodies: list[object] = []

    def send(
        self,
        method: str,
        uri: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
    ) -> asyncio.Future[AriAnswer]:
        self.asked.append((method, uri, dict(query or {})))
        self.bodies.append(body)
        future: asyncio.Future[AriAnswer] = asyncio.get_running_loop().create_future()
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(None)
        return future


async def carry_out(
    effect: AsteriskEffect, error: AriError | None = None
) -> tuple[Asterisk, list[CallEvent], Executor]:
    asterisk, told = Asterisk(error), list[CallEvent]()
    executor = Executor(asterisk, Path("/prompts"), told.append)
    executor.carry_out(effect)
    await asyncio.sleep(0)
    return asterisk, told, executor


def refused(status: int) -> AriRefusedError:
    return AriRefusedError("POST", "x", status, "no")


async def test_an_operators_phone_is_rung_by_one_request_that_carries_the_call() -> None:
    asterisk, told, executor = await carry_out(originate())

    [(method, uri, query)] = asterisk.asked
    assert (method, uri) == ("POST", f"channels/{LEG}")
    assert query["endpoint"] == "PJSIP/1001"
    assert query["appArgs"] == f"operator,{CALL},1001"
    assert query["originator"] == CALL
    assert query["callerId"] == '"Kebakaran" <+628>'
    assert told == []
    assert executor.failures == 0


async def test_an_agency_is_called_through_the_endpoint_that_nobody_can_call_in_by() -> None:
    asterisk, _, _ = await carry_out(originate(Role.AGENCY, "sip:119@192.0.2.1"))

    assert asterisk.asked[0][2]["endpoint"] == "PJSIP/agencies/sip:119@192.0.2.1"


async def test_an_agencys_number_is_called_through_its_trunk_and_shows_the_trunks_identity() -> (
    None
):
    asterisk = Asterisk()
    executor = Executor(asterisk, Path("/prompts"), lambda _: None, identities={"telco-a": "112"})
    executor.carry_out(replace(originate(Role.AGENCY, "0254119"), trunk="telco-a"))

    query = asterisk.asked[0][2]
    assert (query["endpoint"], query["callerId"]) == ("PJSIP/0254119@telco-a", "112")


async def test_an_agencys_contact_can_be_a_phone_of_the_centre() -> None:
    asterisk, _, _ = await carry_out(originate(Role.AGENCY, "1007"))

    assert asterisk.asked[0][2]["endpoint"] == "PJSIP/1007"


async def test_only_a_phone_that_answers_itself_is_asked_to() -> None:
    plain, _, _ = await carry_out(originate())
    itself, _, _ = await carry_out(replace(originate(), answers_itself=True))

    assert plain.bodies == [None]
    [body] = itself.bodies
    assert isinstance(body, dict)
    assert body["variables"]["PJSIP_HEADER(add,Call-Info)"].endswith("answer-after=0")


SPEECH = PlaySpeech(LEG, PLAYBACK, "Kecamatan Sumur.", "id")


async def spoken(sound: Path | None) -> tuple[Asterisk, list[CallEvent]]:
    """What follows from asking for speech; None: it cannot be made."""

    def speak(_text: str, _language: str) -> Path:
        if sound is None:
            raise PromptError("no voice")
        return sound

    asterisk, told = Asterisk(), list[CallEvent]()
    executor = Executor(asterisk, Path("/prompts"), told.append, spoken=speak)
    executor.carry_out(SPEECH)
    async with asyncio.timeout(5):
        while not asterisk.asked and not told:  # noqa: ASYNC110 - a thread, which tells nobody
            await asyncio.sleep(0.01)
    return asterisk, told


async def test_a_text_is_spoken_in_a_thread_and_then_played() -> None:
    asterisk, told = await spoken(Path("/spoken/abc"))

    wanted = ("POST", f"channels/{LEG}/play/{PLAYBACK}", {"media": "sound:/spoken/abc"})
    assert (asterisk.asked, told) == ([wanted], [])


async def test_a_text_that_cannot_be_spoken_has_ended() -> None:
    asterisk, told = await spoken(None)

    assert (asterisk.asked, told) == ([], [PlaybackEnded(CALL, PLAYBACK)])


async def test_a_text_that_is_stopped_before_it_is_made_is_never_played() -> None:
    asterisk = Asterisk()
    executor = Executor(
        asterisk, Path("/prompts"), lambda _: None, spoken=lambda *_: Path("/spoken/abc")
    )
    executor.carry_out(SPEECH)
    executor.carry_out(StopPlayback(PLAYBACK))
    await asyncio.sleep(0.2)

    assert [method for method, _, _ in asterisk.asked] == ["DELETE"]


async def test_a_caller_without_a_number_is_shown_as_anonymous() -> None:
    asterisk, _, _ = await carry_out(originate(number=""))

    assert asterisk.asked[0][2]["callerId"] == '"Kebakaran" <anonymous>'


async def test_a_prompt_is_a_file_of_its_language() -> None:
    asterisk, _, _ = await carry_out(PROMPT)

    assert asterisk.asked == [
        ("POST", f"channels/{CALL}/play/{PLAYBACK}", {"media": "sound:/prompts/id/mohon-tunggu"})
    ]


@pytest.mark.parametrize(("has", "played"), [("jv", "jv"), ("id", "id"), ("", "jv")])
def test_a_prompt_that_a_language_lacks_is_played_in_the_centres_own(
    tmp_path: Path, has: str, played: str
) -> None:
    if has:
        (tmp_path / has).mkdir()
        (tmp_path / has / "mohon-tunggu.alaw").touch()
    executor = Executor(Asterisk(), tmp_path, lambda _: None, lambda _: "id")

    _, _, query = executor.request(replace(PROMPT, language="jv"))

    assert query["media"] == f"sound:{tmp_path / played / 'mohon-tunggu'}"


@pytest.mark.parametrize("error", [refused(500), refused(400), AriError("not connected")])
async def test_a_phone_that_cannot_be_rung_is_gone(error: AriError) -> None:
    _, told, executor = await carry_out(originate(), error)

    assert told == [LegGone(CALL, LEG, 20)]
    assert executor.failures == 1


async def test_a_phone_that_may_have_been_rung_is_waited_for() -> None:
    _, told, _ = await carry_out(originate(), AriTimeoutError("no answer"))

    assert told == []


async def test_a_leg_that_asterisk_does_not_know_is_gone_when_it_is_hung_up() -> None:
    _, told, _ = await carry_out(HangUp(LEG), refused(404))

    assert told == [LegGone(CALL, LEG, 20)]


@pytest.mark.parametrize("effect", [PROMPT, PlayTone(BRIDGE, PLAYBACK, "ring")])
async def test_what_cannot_be_played_has_ended(effect: AsteriskEffect) -> None:
    _, told, _ = await carry_out(effect, refused(500))

    assert told == [PlaybackEnded(CALL, PLAYBACK)]


@pytest.mark.parametrize("effect", [StopPlayback(PLAYBACK), StopMusic(LegId(CALL))])
async def test_stopping_what_has_stopped_is_no_failure(effect: AsteriskEffect) -> None:
    _, told, executor = await carry_out(effect, refused(404))

    assert told == []
    assert executor.failures == 0


@pytest.mark.parametrize("effect", [Answer(LegId(CALL)), Join(BRIDGE, (LegId(CALL), LEG))])
async def test_any_other_failure_is_counted(effect: AsteriskEffect) -> None:
    _, told, executor = await carry_out(effect, refused(409))

    assert told == []
    assert executor.failures == 1


def called_back(asterisk: Asterisk, trunk: str) -> Executor:
    executor = Executor(
        asterisk,
        Path("/p"),
        lambda _: None,
        lambda _: "id",
        {"telco-a": "112", "telco-b": "0254112"},
    )
    call = CallId("ess1-cb1.1")
    leg = caller_leg(call)
    executor.carry_out(Originate(call, leg, Role.CALLER, "+62812", "", "", 45.0, trunk, centre="c"))
    return executor


@pytest.mark.parametrize(
    ("trunk", "out", "shown"),
    [
        ("telco-b", "telco-b", "0254112"),
        ("telco-gone", "telco-a", "112"),
    ],
)
async def test_a_caller_is_called_back_through_the_trunk_of_their_call_with_its_identity(
    trunk: str, out: str, shown: str
) -> None:
    asterisk = Asterisk()
    called_back(asterisk, trunk)
    ((_, uri, query),) = asterisk.asked
    assert uri == "channels/ess1-cb1.1~cb"
    assert (query["endpoint"], query["callerId"]) == (f"PJSIP/+62812@{out}", shown)
    assert "originator" not in query
    header = {"PJSIP_HEADER(add,Priority)": "psap-callback"}
    named = {"ESS_CALL": "ess1-cb1.1", "ESS_CENTRE": "c"}
    assert asterisk.bodies == [{"variables": {**header, **named}}]


async def test_a_neighbour_is_told_which_call_and_report_it_is() -> None:
    reference = Reference("contoh", CALL, "contoh-20261122-0001")
    wanted = replace(originate(Role.AGENCY, "sip:112@127.0.0.1"), reference=reference)
    asterisk, _, _ = await carry_out(wanted)
    (body,) = asterisk.bodies
    assert body == {
        "variables": {
            "PJSIP_HEADER(add,Call-Info)": (
                "<urn:emergency:uid:callid:ess1H1D0:contoh>;purpose=emergency-CallId, "
                "<urn:emergency:uid:incidentid:202611220001:contoh>;purpose=emergency-IncidentId"
            )
        }
    }


@pytest.mark.parametrize(("whisper", "direction"), [(False, "none"), (True, "out")])
async def test_who_listens_is_heard_by_nobody_and_who_whispers_by_the_operators_phone(
    whisper: bool, direction: str
) -> None:
    asterisk, told, _ = await carry_out(Snoop(LEG, SNOOP, whisper))

    wanted = {"spy": "both", "whisper": direction, "app": "ess-pbx"}
    assert asterisk.asked == [("POST", f"channels/{LEG}/snoop/{SNOOP}", wanted)]
    assert told == []


async def test_a_snoop_channel_that_is_refused_is_gone_and_a_late_one_may_come() -> None:
    _, told, _ = await carry_out(Snoop(LEG, SNOOP, False), refused(404))
    assert told == [LegGone(CALL, SNOOP, 20)]
    _, told, _ = await carry_out(Snoop(LEG, SNOOP, False), AriTimeoutError("late"))
    assert told == []


async def test_a_supervisors_phone_shows_whom_they_are_to_listen_to() -> None:
    rung = Originate(CALL, LEG, Role.SUPERVISOR, "1007", "1001", "Dengar 1001", 17.0)

    asterisk, _, _ = await carry_out(rung)

    query = asterisk.asked[0][2]
    assert (query["endpoint"], query["appArgs"]) == ("PJSIP/1007", f"supervisor,{CALL},1007")
    assert query["callerId"] == '"Dengar 1001" <1001>'


class SlowAsterisk(Asterisk):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.unanswered: list[asyncio.Future[AriAnswer]] = []

    def send(
        self,
        method: str,
        uri: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
    ) -> asyncio.Future[AriAnswer]:
        self.asked.append((method, uri, dict(query or {})))
        self.bodies.append(body)
        self.unanswered.append(asyncio.get_running_loop().create_future())
        return self.unanswered[-1]

    async def answers(self, number: int, error: AriError | None = None) -> None:
        future = self.unanswered[number]
        future.set_result(None) if error is None else future.set_exception(error)
        await asyncio.sleep(0)

    @property
    def uris(self) -> list[str]:
        return [uri for _, uri, _ in self.asked]


OTHER, THIRD = BridgeId("ess1-2.0~br"), BridgeId("ess1-3.0~br")


async def test_a_bridge_is_deleted_when_the_one_before_was_and_nothing_else_waits_for_it() -> None:
    asterisk = SlowAsterisk()
    executor = Executor(asterisk, Path("/p"), lambda _: None)

    for bridge in (BRIDGE, OTHER, THIRD):
        executor.carry_out(DestroyBridge(bridge))
    executor.carry_out(Answer(LegId(CALL)))
    assert asterisk.uris == [f"bridges/{BRIDGE}", f"channels/{CALL}/answer"]
    assert executor.deleting == 3

    await asterisk.answers(0)
    assert asterisk.uris[2:] == [f"bridges/{OTHER}"]
    await asterisk.answers(2, AriTimeoutError("DELETE", "x", 2.0))
    assert asterisk.uris[3:] == [f"bridges/{THIRD}"], "one that fails keeps no other"
    await asterisk.answers(3)
    assert (executor.deleting, executor.failures) == (0, 1)


async def test_a_bridge_that_is_wanted_again_is_not_deleted() -> None:
    asterisk = SlowAsterisk()
    executor = Executor(asterisk, Path("/p"), lambda _: None)

    for effect in (DestroyBridge(BRIDGE), DestroyBridge(OTHER), CreateBridge(OTHER)):
        executor.carry_out(effect)
    await asterisk.answers(0)

    assert [(method, uri) for method, uri, _ in asterisk.asked] == [
        ("DELETE", f"bridges/{BRIDGE}"),
        ("POST", f"bridges/{OTHER}"),
    ]


async def test_a_request_that_was_refused_is_a_reason_to_look() -> None:
    doubts: list[None] = []
    for error, times in ((refused(404), 1), (None, 1)):
        asterisk = Asterisk(error)
        executor = Executor(asterisk, Path("/p"), lambda _: None, doubt=lambda: doubts.append(None))
        executor.carry_out(Join(BRIDGE, (LEG,)))
        await asyncio.sleep(0)
        assert len(doubts) == times


async def test_a_phone_is_told_at_once_that_its_transfer_is_done() -> None:
    asterisk, _, _ = await carry_out(AnswerTransfer(LEG, TransferOutcome.DONE))

    states = {"states": "channel_answered"}
    assert asterisk.asked == [("POST", f"channels/{LEG}/transfer_progress", states)]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (TransferOutcome.FAILED, "channel_unavailable"),
        (TransferOutcome.REFUSED, "channel_declined"),
    ],
)
async def test_a_phone_is_told_of_a_failure_when_asterisk_can_bear_it(
    outcome: TransferOutcome, state: str
) -> None:
    began = asyncio.get_running_loop().time()
    asterisk, told, executor = await carry_out(AnswerTransfer(LEG, outcome), refused(404))
    assert asterisk.asked == []

    async with asyncio.timeout(5):
        while not asterisk.asked:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert asyncio.get_running_loop().time() - began >= TOLD_AFTER - 0.01
    assert asterisk.asked == [("POST", f"channels/{LEG}/transfer_progress", {"states": state})]
    await asyncio.sleep(0)
    assert (told, executor.failures) == ([], 0), "the leg may be gone by then"
