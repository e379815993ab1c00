"""One real call through the sample centre, every step of it checked by what the phones hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from ess_pbx.db.connect import create_engine
from ess_pbx.db.queries import call_with_everything, table_counts
from ess_pbx.demo.stage import loopback, operator_tone, register_operators, sample
from ess_pbx.demo.timeline import STEPS, timeline
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.engine.service import Engine
from ess_pbx.errors import EssPbxError
from ess_pbx.installation import Installation
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import Invite, SippAgency, SippCallers
from ess_pbx.phones.softphone import Answer, SoftPhone
from ess_pbx.phones.softphone_call import SoftCall
from ess_pbx.settings.model import Settings

CALLER = "+6281234567890"
CALLER_TONE, AGENCY_TONE = 400, 1200
AGENCY_CODE = "119"
KEY, CATEGORY = "1", "medis"
AUDIBLE_DBOV = -35.0
TALK_SECONDS = 1.5
"""How long the parties stay in each step, so that there is something to hear in the recording."""
WITHIN = 10.0
"""Seconds that each step may take; a step that takes longer fails the demo."""

T = TypeVar("T")


class DemoError(EssPbxError):
    """The call did not go as it must."""

    code = "demo"


@dataclass(slots=True)
class DemoResult:
    """What the demo call proved. ``timeline_ms`` counts from the INVITE."""

    ok: bool = False
    call_id: str = ""
    caller: str = CALLER
    category: str = ""
    timeline_ms: dict[str, int] = field(default_factory=dict)
    operator: str = ""
    missed_by: list[str] = field(default_factory=list)
    agency: str = ""
    termination: dict[str, str | None] = field(default_factory=dict)
    recordings: list[dict[str, JSON]] = field(default_factory=list)
    database: dict[str, int] = field(default_factory=dict)
    leftovers: dict[str, int] = field(default_factory=dict)
    failed_requests: int = 0
    asterisk_version: str = ""
    folder: str = ""
    error: str | None = None


class Demo:
    """The demo's centre, phones and call. ``say`` gets a line for every step."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        self.facts: list[Fact] = []
        self.extensions: list[str] = []
        self.result = DemoResult(folder=str(folder))

    async def run(self) -> DemoResult:
        """Bring the centre up, make the call, take everything down.

        Raises PhoneError, DemoError or what Installation.start raises; all is stopped then too.
        """
        agency_line = RtpParty(tone(AGENCY_TONE))
        async with SippAgency(self.folder / "agency", [agency_line], answer_after=1.0) as agency:
            settings = loopback(sample(), self.folder, agencies=agency.local)
            # A short ring time, so that an operator who does not answer costs the demo 3 s.
            # The menu is shown to its end, where a centre would cut it short with an operator.
            centre = settings.centre_named()
            policy = replace(centre.policy, ring=3.0, wrap_up=1.0, search_at_once=False)
            settings = replace(settings, centres=(replace(centre, policy=policy),))
            installation = Installation(settings, self.say)
            try:
                engine = await installation.start(self.facts.append)
                async with SoftPhone(self.folder / "operators") as phone:
                    await self._call(installation, phone, agency, agency_line)
                await self._leftovers(engine)
                await engine.stored(WITHIN)
                await self._evidence(settings)
            finally:
                await installation.stop()
        self.result.asterisk_version = ".".join(map(str, installation.runtime.require_asterisk()))
        self.result.ok = True
        return self.result

    async def _call(
        self,
        installation: Installation,
        phone: SoftPhone,
        agency: SippAgency,
        agency_line: RtpParty,
    ) -> None:
        settings = installation.settings
        credentials = installation.credentials
        if credentials is None:
            raise DemoError("the installation has no credentials")
        self.extensions = [operator.extension for operator in settings.centre_named().operators]
        await register_operators(phone, settings, credentials, self.extensions, "ring")
        self.say(f"{len(self.extensions)} operators' softphones registered (digest auth)")
        caller = RtpParty(tone(CALLER_TONE))
        trunk = settings.trunks[0]
        server = (settings.asterisk.sip_host, settings.asterisk.sip_port)
        async with SippCallers(
            server,
            [Invite("112", CALLER, rtp=caller)],
            self.folder / "caller",
            local=(trunk.address, trunk.port),
        ) as callers:
            call = callers.calls[0]
            await call.answered(WITHIN)
            await caller.heard_sound(WITHIN)
            self.say("the caller hears the greeting")
            await self._fact(FactKind.GREETING_STARTED)
            await asyncio.sleep(TALK_SECONDS)
            await caller.press(KEY)
            self.say(f"the caller presses {KEY}")
            operator = await self._operator_answers(phone)
            await caller.heard_tone(operator_tone(operator.account), WITHIN)
            await operator.heard_tone(CALLER_TONE, WITHIN)
            self.say("caller and operator hear each other")
            await asyncio.sleep(TALK_SECONDS)

            await operator.press(f"*{AGENCY_CODE}#")
            agency_call = await agency.invited(WITHIN)
            self.say(f"{AGENCY_CODE} rings; the caller waits with music")
            await agency_call.answered(WITHIN)
            await operator.heard_tone(AGENCY_TONE, WITHIN)
            await agency_line.heard_tone(operator_tone(operator.account), WITHIN)
            self.say("operator and agency speak alone")
            await asyncio.sleep(TALK_SECONDS)
            await operator.press("*3#")
            await self._fact(FactKind.CONFERENCE)
            await self._three_hear_each_other(caller, operator, agency_line)
            self.say("all three speak")
            await asyncio.sleep(TALK_SECONDS)
            await operator.hang_up(WITHIN)
            await caller.heard_tone(AGENCY_TONE, WITHIN)
            await agency_line.heard_tone(CALLER_TONE, WITHIN)
            self.say("the operator left; caller and agency go on")
            await asyncio.sleep(TALK_SECONDS)
            await call.hang_up(WITHIN)
            await agency_call.ended(WITHIN)
            await callers.finished(WITHIN)
        self.say("the caller hung up")
        await self._fact(FactKind.RECORDING_FINISHED)
        await self._wrapped_up(operator.account)

    async def _operator_answers(self, phone: SoftPhone) -> SoftCall:
        """The first who is offered the call lets it ring (RONA); the next one answers."""
        first = str((await self._fact(FactKind.OFFERED)).data["agent"])
        self.say(f"operator {first}, longest idle of this shift, is rung and does not answer")
        for extension in self.extensions:
            if extension != first:
                await phone.behave(extension, Answer(0.5))
        answered = await self._fact(FactKind.OPERATOR_ANSWERED)
        extension = str(answered.data["agent"])
        operator = await phone.incoming(extension, WITHIN)
        await operator.answered(WITHIN)
        self.say(f"operator {extension} answers")
        return operator

    async def _three_hear_each_other(
        self, caller: RtpParty, operator: SoftCall, agency: RtpParty
    ) -> None:
        hears = (
            (caller, (operator_tone(operator.account), AGENCY_TONE)),
            (operator, (CALLER_TONE, AGENCY_TONE)),
            (agency, (CALLER_TONE, operator_tone(operator.account))),
        )
        for party, tones in hears:
            for hertz in tones:
                await self._audible(party, hertz)

    async def _audible(self, party: Listener, hertz: int) -> None:
        wanted = f"{hertz} Hz heard by {party.name_for_errors()}"
        await self._until(lambda: party.tone_level_dbov(hertz) > AUDIBLE_DBOV or None, wanted)

    async def _fact(self, kind: FactKind) -> Fact:
        """Wait for the first fact of a kind."""
        return await self._until(
            lambda: next((fact for fact in self.facts if fact.kind == kind), None), kind.value
        )

    async def _wrapped_up(self, agent: str) -> None:
        def idle_again() -> Fact | None:
            states = [
                fact
                for fact in self.facts
                if fact.kind == FactKind.AGENT_STATE and fact.data["agent"] == agent
            ]
            return states[-1] if states and states[-1].data["state"] == "idle" else None

        await self._until(idle_again, f"operator {agent} ready after wrap-up")

    async def _until(self, look: Callable[[], T | None], wanted: str) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WITHIN
        while (found := look()) is None:
            if loop.time() > deadline:
                raise DemoError(f"no '{wanted}' within {WITHIN:.0f} s")
            await asyncio.sleep(0.02)
        return found

    async def _leftovers(self, engine: Engine) -> None:
        channels = await engine.ari.call("GET", "channels")
        bridges = await engine.ari.call("GET", "bridges")
        self.result.leftovers = {
            "channels": len(channels or ()),
            "bridges": len(bridges or ()),
            "tasks": engine.tasks_left,
        }
        self.result.failed_requests = engine.failed_requests

    async def _evidence(self, settings: Settings) -> None:
        """Fill the result from the facts and the database, and hold it against what must be."""
        result = self.result
        ended = await self._fact(FactKind.CALL_ENDED)
        result.call_id = ended.call or ""
        result.timeline_ms = timeline(self.facts)
        result.termination = {
            "result": str(ended.data["result"]),
            "reason": str(ended.data["reason"]),
        }
        result.missed_by = [
            str(fact.data["agent"]) for fact in self.facts if fact.kind == FactKind.OFFER_MISSED
        ]
        database = create_engine(settings.database.url)
        try:
            record = await call_with_everything(database, result.call_id)
            result.database = await table_counts(database)
        finally:
            await database.dispose()
        if record is None:
            raise DemoError(f"the database does not hold call {result.call_id}")
        result.category = str(record.call["category"])
        result.operator = str(record.call["operator"])
        result.agency = str(record.call["agency"])
        result.recordings = [
            {
                name: row[name]
                for name in ("path", "seconds", "sample_rate", "channels", "sha256", "rms_dbov")
            }
            for row in record.recordings
        ]
        self._judge()

    def _judge(self) -> None:
        result = self.result
        lacking = [step for step in STEPS.values() if step not in result.timeline_ms]
        wrong = [
            f"the timeline lacks {', '.join(lacking)}" if lacking else "",
            f"category {result.category}, not {CATEGORY}" if result.category != CATEGORY else "",
            "no operator was passed over (RONA)" if not result.missed_by else "",
            f"{len(result.recordings)} recordings, not one of the call and one of the consult"
            if len(result.recordings) != 2
            else "",
            f"left over: {result.leftovers}" if any(result.leftovers.values()) else "",
            f"{result.failed_requests} requests failed (see engine.log)"
            if result.failed_requests
            else "",
        ]
        if any(wrong):
            raise DemoError("; ".join(part for part in wrong if part))
