"""A scene with SIPp and pjsua on the real Asterisk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ess_pbx.demo.stage import HOST
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.commands import Command, Mode, PauseRecording, ResumeRecording, Supervise
from ess_pbx.domain.events import CallEvent, CentreEvent
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.engine import recordings
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import SippAgency
from ess_pbx.phones.softphone_call import SoftCall

from .scenes import BY, LOOK_SECONDS, SETTLES_SECONDS, Heard, Scene, part
from .story import CALLER_TONE, SOON, Caller, Story, until


class Real(Scene):
    """One centre; made before it runs, to hear all that its engines hear."""

    def __init__(self, story: Story, patch: pytest.MonkeyPatch) -> None:
        self._story = story
        self._patch = patch
        self._calls: dict[str, SoftCall] = {}
        self.heard = Heard()
        self._caller: Caller | None = None
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []
        self._is_cut = False
        decide, connect = Centres.decide, aiohttp.ClientSession.ws_connect

        def decide_and_keep(centres: Centres, event: CallEvent | CentreEvent, now: float) -> Any:
            self.heard.events.append(event)
            return decide(centres, event, now)

        async def connect_unless_cut(*args: Any, **options: Any) -> Any:
            if self._is_cut:
                raise aiohttp.ClientConnectionError("the line is cut")
            self._sockets.append(await connect(*args, **options))
            return self._sockets[-1]

        patch.setattr(Centres, "decide", decide_and_keep)
        patch.setattr(aiohttp.ClientSession, "ws_connect", connect_unless_cut)

    @property
    def caller(self) -> Caller:
        assert self._caller is not None
        return self._caller

    @property
    def facts(self) -> list[Fact]:
        return self._story.facts

    async def registers(self, agent: str) -> None:
        await self._story.given_operators(agent)

    async def caller_dials(self, then: FactKind) -> None:
        self._caller = await self._story.when_caller_dials()
        await self.caller.hears_the_centre()
        await self._story.assert_fact(then)

    async def caller_dials_in_vain(self, agent: str) -> None:
        self._caller = await self._story.when_caller_dials()
        self._calls[agent] = await self._story.phones.incoming(agent, SOON)

    async def caller_dials_unanswered(self) -> None:
        executor = self._story.engine.dispatcher.executor
        assert executor is not None
        self._patch.setattr(executor, "carry_out", lambda _: None)
        self._caller = await self._story.when_caller_dials()
        await self._story.assert_fact(FactKind.CALL_ARRIVED)
        await self.engine_goes()

    async def caller_presses(self, key: str, then: FactKind) -> None:
        await self.caller.rtp.press(key)
        await self._story.assert_fact(then)

    async def caller_hangs_up(self) -> None:
        await self.caller.call.hang_up()
        await self.is_over()
        # Where the call came from a call back is to reach somebody.
        await self.caller.sipp.close()

    async def gives_up(self) -> None:
        await self.caller.call.hang_up()
        await self.caller.sipp.close()
        trunk, console = self._story.settings.trunks[0].id, self._story.installation.console
        # Without an engine the phones' legs go too; behind a cut line they wait for it.
        gone = f"PJSIP/{trunk}-" if self._is_cut else "PJSIP/"
        async with asyncio.timeout(SOON):
            # Nobody tells while there is no engine.
            while gone in await console.ask("core show channels concise"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def answers(self, agent: str, then: FactKind) -> None:
        await self._story.assert_fact(FactKind.OPERATOR_RUNG, agent=agent)
        ringing = await self._story.phones.incoming(agent, SOON)
        while ringing.ended_by is not None:  # the dialplan had rung it before
            ringing = await self._story.phones.incoming(agent, SOON)
        self._calls[agent] = ringing
        await ringing.answer()
        await self._story.assert_fact(then, agent=agent)
        await self._story.assert_they_talk(self.caller, self._calls[agent])

    async def picks_up(self, agent: str) -> None:
        if agent not in self._calls:
            self._calls[agent] = await self._story.phones.incoming(agent, SOON)
        await self._calls[agent].answer()
        await self._calls[agent].heard_sound(SOON)

    async def operator_hangs_up(self, agent: str) -> None:
        await self._calls[agent].hang_up()
        await self.is_over()

    async def dials(self, agent: str, code: str, then: FactKind) -> None:
        await self._calls[agent].press(code)
        await self._story.assert_fact(then)

    async def calls_out(self, agent: str, number: str, then: FactKind) -> None:
        host, port = self._story.sip_address
        self._calls[agent] = await self._story.phones.dial(agent, f"sip:{number}@{host}:{port}")
        await self._story.assert_fact(then)

    async def phone_outside(self, answers_after: float) -> None:
        line = RtpParty(tone(CALLER_TONE))
        phone = SippAgency(
            self._story.folder / "outside",
            [line],
            local=(HOST, self._story.settings.trunks[0].port),
            scenario="uas-agency-ring-answer",
            answer_after=answers_after,
        )
        await self._story.closes_with_the_test(phone)

    async def agency_hangs_up(self) -> None:
        assert self._story.agency is not None
        await self._story.agency.calls[-1].hang_up()

    async def supervises(self, supervisor: str, mode: Mode) -> None:
        self._command(Supervise(BY, self._call, supervisor, mode))

    async def pauses_recording(self) -> None:
        self._command(PauseRecording(BY, self._call, "nomor rekening"))

    async def resumes_recording(self) -> None:
        self._command(ResumeRecording(BY, self._call))

    async def stops_mixmonitor(self, leg: str) -> None:
        await self._story.installation.console.ask(f"mixmonitor stop {self._leg(leg)}")

    async def starts_mixmonitor(self, leg: str) -> None:
        of = self._leg(leg)
        file = recordings.next_part(self._folder, of)
        await self._story.installation.console.ask(f'mixmonitor start {of} "{file},D"')

    async def engine_goes(self) -> None:
        await self._story.when_the_engine_stops()

    async def engine_comes(self) -> None:
        await self._story.when_the_engine_is_back()

    async def line_breaks(self) -> None:
        ari = self._story.engine.ari
        self._is_cut = True
        await self._sockets[-1].close()
        await until(lambda: not ari.connected, "the line is cut")

    async def line_comes_back(self) -> None:
        self._is_cut = False
        await self._story.engine.ari.wait_connected(SOON)

    async def waits_for(self, then: FactKind, **data: str) -> None:
        await self._story.assert_fact(then, SOON, **data)

    async def is_gone(self, leg: str) -> None:
        await until(lambda: self.heard.is_gone(leg), f"{leg} is gone")

    async def is_over(self) -> None:
        engine = self._story.engine
        await until(lambda: not engine.centres.calls, "nothing is left of the call")
        async with asyncio.timeout(SOON):
            while await engine.ari.call("GET", "channels"):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        # A channel is in no list any more just before its end is told.
        await until(lambda: not self.heard.to_be_gone, "the end of every leg is told")
        await engine.settled()

    async def looks(self, when: str) -> None:
        await asyncio.sleep(SETTLES_SECONDS)
        before = self._sizes()
        await asyncio.sleep(LOOK_SECONDS)
        after = self._sizes()
        assert before.keys() == after.keys(), when
        seen = {name: _becomes(file, size, before[name][1]) for name, (file, size) in after.items()}
        self.heard.files.append((when, seen))

    def _sizes(self) -> dict[str, tuple[Path, int]]:
        return {
            f"{part(recording)} {number}": (file, file.stat().st_size)
            for recording in recordings.left_behind(self._folder)
            for number, file in enumerate(recordings.parts(self._folder, recording), start=1)
        }

    @property
    def _folder(self) -> Path:
        return self._story.settings.folders.recordings

    @property
    def _call(self) -> CallId:
        (call,) = self._story.engine.centres.calls
        return call

    def _leg(self, leg: str) -> LegId:
        return LegId(self._call if leg == "caller" else f"{self._call}~{leg}")

    def _command(self, command: Command) -> None:
        assert self._story.engine.dispatcher.command(command) is None


def _becomes(file: Path, size: int, before: int) -> str:
    if size > before:
        return "grows"
    held = "is held open" if recordings.still_written(file) else "is closed"
    return f"{'is empty' if not size else 'stands still'} and {held}"
