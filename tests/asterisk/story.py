"""The words in which tests tell what happens to a 112 call on the real Asterisk.

A ``Story`` is one centre with its phones: ``given_…`` sets the scene, ``when_…`` is what people do,
``assert_…`` waits, with a deadline, for what must follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from ess_pbx.db.connect import create_engine
from ess_pbx.db.queries import CallRecord, call_with_everything
from ess_pbx.demo.stage import HOST, loopback, operator_tone, register_operators, sample
from ess_pbx.domain.config import Centre, Menu, Policy, Shift
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine.service import Engine
from ess_pbx.installation import Installation
from ess_pbx.phones import PhoneError, audio
from ess_pbx.phones.listener import Listener
from ess_pbx.phones.rtp import RtpParty, tone
from ess_pbx.phones.sipp import (
    AgencyScenario,
    CallerScenario,
    Invite,
    SippAgency,
    SippCall,
    SippCallers,
)
from ess_pbx.phones.softphone import Answer, Behaviour, SoftPhone
from ess_pbx.phones.softphone_call import SoftCall
from ess_pbx.settings.model import Recordings, Settings

SOON = 8.0
"""Seconds for anything that should come at once: a deadline, not a delay."""
RELEASED_MS = 3000
"""After the end of a call every leg is gone by then, without the engine having to look again."""
CALLER_TONE, AGENCY_TONE = 1250, 1650
"""Hz; neither these nor the operators' tones are notes of the waiting music."""
CALLER_NUMBER = "+6281234567890"
HEARD_DBOV, NOT_HEARD_DBOV = -25.0, -33.0
"""A tone that a phone sends has -13 dBov; what speech or music has at one frequency is far less."""
SLACK = 4.0
"""Times are allowed so much more: other tests run beside. ``ess-pbx chaos`` gives none."""
PATIENCE_MS = 3000
"""For so long a caller is offered to an engine that is there, before the dialplan has them."""
UNBROKEN = 0.5
"""Seconds of silence that a busy machine makes by itself in a conversation that goes on."""
QUICK = Policy(
    search_at_once=False,
    call_back=False,
    ring=2,
    rona_pause=1,
    wrap_up=0.5,
    agency_ring=3,
    comfort=3,
)


class GivenCentre(Protocol):
    """The fixture of this name."""

    def __call__(self, *, started: bool = True, **options: Any) -> Awaitable[Story]: ...


def centre_settings(
    state: Path,
    ports: Iterator[int],
    *,
    on_duty: Sequence[str] = ("1001", "1002"),
    off_duty: Sequence[str] = (),
    policy: Policy = QUICK,
    menu: Menu | None = None,
    sealed: bool = False,
    phone_transfers: bool = False,
    **centre: Any,
) -> Settings:
    """The sample centre for a test at any time of the day; ``centre`` replaces fields of it.

    ``sealed``: its recordings are sealed, with a key file beside the state folder.
    """
    settings = loopback(sample(), state, agencies=(HOST, next(ports)), policy=policy)
    own = settings.centre_named()
    in_12_hours = datetime.now(ZoneInfo(own.time_zone)) + timedelta(hours=12)
    whole_day, off = time_of_day(0), in_12_hours.time()
    off_ends = (in_12_hours + timedelta(hours=1)).time()
    shifts = (
        Shift(id="kini", name="Kini", starts=whole_day, ends=whole_day, operators=tuple(on_duty)),
        Shift(id="nanti", name="Nanti", starts=off, ends=off_ends, operators=tuple(off_duty)),
    )
    if menu is not None:
        centre["menus"] = {**own.menus, "utama": menu}
    return replace(
        settings,
        centres=(replace(own, shifts=shifts, **centre),),
        asterisk=replace(
            settings.asterisk,
            sip_port=next(ports),
            ari_port=next(ports),
            synthetic_port=next(ports),
            phone_transfers=phone_transfers,
        ),
        web=replace(settings.web, port=next(ports)),
        recordings=Recordings(keys=state.with_name("keys.json") if sealed else None),
        trunks=tuple(replace(trunk, port=next(ports)) for trunk in settings.trunks),
    )


async def until(is_true: Callable[[], bool], wanted: str, within: float = SOON) -> None:
    """Wait for a condition; fails with what was wanted."""
    deadline = time.monotonic() + within
    while not is_true():
        assert time.monotonic() < deadline, f"not within {within} s: {wanted}"
        await asyncio.sleep(0.01)


def assert_recorded(sound: audio.Samples, left: int, right: int) -> None:
    """Somewhere in the recording these tones are heard at once, for half a second."""
    half = audio.SAMPLE_RATE // 2
    assert any(
        audio.hears_tone(sound[at : at + half, 0], left)
        and audio.hears_tone(sound[at : at + half, 1], right)
        for at in range(0, len(sound) - half + 1, half // 4)
    ), f"{left} Hz on the left while {right} Hz are on the right"


@dataclass
class Caller:
    """Someone who calls 112."""

    sipp: SippCallers
    call: SippCall
    rtp: RtpParty
    number: str

    async def hears_the_centre(self) -> None:
        await self.call.answered(SOON)
        await self.rtp.heard_sound(SOON)

    async def chooses(self, key: str) -> None:
        """Press a key of the menu as soon as there is anything to hear."""
        await self.hears_the_centre()
        await self.rtp.press(key)


class Story:
    """One centre on the real Asterisk, its phones, and every fact it told."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.installation = Installation(settings)
        self.facts: list[Fact] = []
        self.desks = [SoftPhone(folder / "phones"), SoftPhone(folder / "other-phones")]
        self._dead: list[SoftPhone] = []
        self.callers: list[Caller] = []
        self.agency_line = RtpParty(tone(AGENCY_TONE))
        self.agency: SippAgency | None = None
        self._closing = contextlib.AsyncExitStack()

    @property
    def phones(self) -> SoftPhone:
        """Where operators' phones are, unless a test puts some elsewhere."""
        return self.desks[0]

    @property
    def centre(self) -> Centre:
        """The only centre, or the first of several."""
        return self.settings.centres[0]

    @property
    def engine(self) -> Engine:
        assert self.installation.engine is not None
        return self.installation.engine

    @property
    def sip_address(self) -> tuple[str, int]:
        return self.settings.asterisk.sip_host, self.settings.asterisk.sip_port

    # The scene

    def given_its_dialplan_is_patient(self) -> None:
        """Callers are offered for longer while there is an engine (``engine_answers``).

        On a machine as busy as tests make it, an engine can be later than those 0.2 s, and then the
        dialplan has the call: as it should be, but another story.
        """
        folder = self.folder / "dialplan"
        shutil.copytree(self.settings.folders.dialplan, folder)
        dialplan = folder / "extensions.conf.j2"
        text = dialplan.read_text()
        offer = "StasisBroadcast({{ claim_ms }},"
        assert text.count(offer) == 1
        answers = f"$[${{STAT(e,{self._answering})}} = 1]"
        patient = f"StasisBroadcast(${{IF({answers}?{PATIENCE_MS}:{{{{ claim_ms }}}})}},"
        dialplan.write_text(text.replace(offer, patient))
        folders = replace(self.settings.folders, dialplan=folder)
        self.settings = replace(self.settings, folders=folders)
        self.installation = Installation(self.settings)

    @property
    def _answering(self) -> Path:
        return self.folder / "engine-answers"

    def engine_answers(self, does: bool) -> None:
        """Whether somebody will take the next caller, however late on a busy machine."""
        if does:
            self._answering.touch()
        else:
            self._answering.unlink(missing_ok=True)

    async def given_it_runs(self) -> None:
        self._closing.push_async_callback(self.installation.stop)
        await self.installation.start(self.facts.append)
        self.engine_answers(True)

    async def given_operators(
        self, *extensions: str, behaviour: Behaviour = "ring", desk: int = 0
    ) -> None:
        """Phones that register in this order, so that the first is idle the longest.

        Each of the two desks is a process of its own.
        """
        phones = self.desks[desk]
        if phones.pid is None:
            self._closing.push_async_callback(phones.close)
            await phones.start()
        credentials = self.installation.credentials
        assert credentials is not None
        for extension in extensions:
            await register_operators(phones, self.settings, credentials, [extension], behaviour)
            await self.assert_reachable(extension)

    async def assert_reachable(self, extension: str, reachable: bool = True) -> None:
        seat = self.engine.centres.seats[extension]
        await until(lambda: seat.reachable is reachable, f"{extension} reachable: {reachable}")

    async def given_agency(
        self,
        scenario: AgencyScenario = "uas-agency-ring-answer",
        answer_after: float | None = 0.2,
        lines: Sequence[RtpParty] = (),
    ) -> SippAgency:
        """All agencies' phones; ``lines`` are what the first calls to them are spoken on."""
        contact = self.centre.agencies[0].ways[0].sip or ""
        self.agency = SippAgency(
            self.folder / "agency",
            lines or [self.agency_line],
            local=(HOST, int(contact.rpartition(":")[2])),
            scenario=scenario,
            answer_after=answer_after,
        )
        await self._closing.enter_async_context(self.agency)
        return self.agency

    async def closes_with_the_test(self, phone: SippAgency) -> None:
        """A phone of the test's own, started now."""
        await self._closing.enter_async_context(phone)

    async def given_talking(self, operator: str = "1001") -> tuple[Caller, SoftCall]:
        """A caller who chose 1 and the operator who answered; each hears the other."""
        await self.given_operators(operator, behaviour=Answer(0.1))
        caller = await self.when_caller_dials()
        await caller.chooses("1")
        call = await self.phones.incoming(operator, SOON)
        await self.assert_they_talk(caller, call)
        return caller, call

    # What people do

    async def when_caller_dials(
        self,
        dialled: str = "112",
        number: str = CALLER_NUMBER,
        *,
        rtp: RtpParty | None = None,
        identity: str | None = None,
        scenario: CallerScenario = "uac-invite-112-wait-bye",
        from_port: int | None = None,
    ) -> Caller:
        party = rtp or RtpParty(tone(CALLER_TONE))
        port = self.settings.trunks[0].port if from_port is None else from_port
        for earlier in self.callers:
            if earlier.sipp.local[1] == port and earlier.call.end is not None:
                # Its SIPp has the port for a moment more.
                with contextlib.suppress(PhoneError):
                    await earlier.sipp.finished(SOON)
        sipp = SippCallers(
            self.sip_address,
            [Invite(dialled, number, identity=identity, rtp=party)],
            self.folder / f"caller{len(self.callers) + 1}",
            local=(HOST, port),
            scenario=scenario,
        )
        caller = Caller(sipp, sipp.calls[0], party, number)
        self.callers.append(caller)
        await self._closing.enter_async_context(sipp)
        return caller

    def when_phones_die(self, desk: int = 0) -> None:
        """The power of a desk's phones is cut."""
        phones = self.desks[desk]
        assert phones.pid is not None
        self._dead.append(phones)
        os.killpg(phones.pid, signal.SIGKILL)

    def when_phones_are_cut_off(self, desk: int = 0) -> None:
        """Nothing comes from a desk's phones any more, and nobody says that they are gone."""
        phones = self.desks[desk]
        assert phones.pid is not None
        self._dead.append(phones)
        os.killpg(phones.pid, signal.SIGSTOP)

    async def when_the_engine_stops(self) -> None:
        self.engine_answers(False)
        await self.engine.stop()

    async def when_the_engine_is_back(self) -> None:
        """A new one, as after a crash: it knows only what lies on the disk and in Asterisk."""
        installation = self.installation
        assert installation.credentials is not None
        installation.engine = Engine(
            self.settings,
            installation.credentials,
            installation.folders,
            on_fact=self.facts.append,
        )
        await installation.engine.start()
        self.engine_answers(True)

    # What must follow

    def told_of(self, kind: FactKind, **data: object) -> list[Fact]:
        """The facts of a kind so far, with these data."""
        return [
            fact
            for fact in self.facts
            if fact.kind == kind and all(fact.data.get(key) == data[key] for key in data)
        ]

    async def assert_fact(self, kind: FactKind, within: float = SOON, **data: object) -> Fact:
        """The first fact of this kind with these data, waited for."""
        await until(lambda: bool(self.told_of(kind, **data)), f"fact {kind} {data}", within)
        return self.told_of(kind, **data)[0]

    async def assert_they_talk(self, caller: Caller, operator: SoftCall) -> None:
        await caller.rtp.heard_tone(operator_tone(operator.account), SOON)
        await operator.heard_tone(CALLER_TONE, SOON)
        # The last that was heard in a call that is over stays the last.
        assert operator.ended_by is None, f"{operator.account}: the call ended"
        assert caller.call.end is None, f"{caller.number}: the call ended"

    async def assert_hears(self, listener: Listener, *hertz: int) -> None:
        """Each of these tones is heard now, at the level at which it was sent."""

        def heard() -> bool:
            return all(listener.tone_level_dbov(each) >= HEARD_DBOV for each in hertz)

        await until(heard, f"{listener.name_for_errors()} hears {hertz} Hz")

    def assert_not_heard(self, listener: Listener, since: float, until: float, *hertz: int) -> None:
        """None of these tones was heard in that time."""
        for each in hertz:
            level = listener.tone_level_dbov(each, (since, until))
            assert level < NOT_HEARD_DBOV, f"{listener.name_for_errors()} heard {each} Hz: {level}"

    async def assert_one_ending(self, caller: Caller) -> CallRecord:
        """One terminal fact and one terminal row for this caller; returns all that is stored."""
        arrived = await self.assert_fact(FactKind.CALL_ARRIVED, caller_raw=caller.number)
        assert arrived.call is not None
        ended = await self._ended(arrived.call)
        await self.engine.stored(SOON)
        record = await self.stored(arrived.call)
        assert record is not None
        for field in ("result", "reason", "ended_by"):
            assert record.call[field] == ended.data[field]
        assert record.call["ended_ms"] == ended.ms
        assert all(leg["ended_at"] is not None for leg in record.legs)
        return record

    async def _ended(self, call: str) -> Fact:
        def endings() -> list[Fact]:
            return [fact for fact in self.told_of(FactKind.CALL_ENDED) if fact.call == call]

        await until(lambda: bool(endings()), f"the end of call {call}")
        await self.assert_all_released()
        (ended,) = endings()
        legs = [fact.ms or 0 for fact in self.told_of(FactKind.LEG_ENDED) if fact.call == call]
        # A caller who left before the engine had the call never had a leg of ours.
        assert max(legs, default=0) - (ended.ms or 0) < RELEASED_MS
        return ended

    async def stored(self, call: str) -> CallRecord | None:
        database = create_engine(self.settings.database.url)
        try:
            return await call_with_everything(database, call)
        finally:
            await database.dispose()

    async def assert_streams_are_watched(self, count: int) -> None:
        """The engine knows the streams of this many parties, so that it would see a restart."""
        await until(lambda: self.engine.streams.watched == count, f"{count} streams watched")

    async def assert_all_released(self) -> None:
        """No channel, bridge, timer, task or phone still has anything of a call."""
        engine = self.engine
        async with asyncio.timeout(SOON):
            while await engine.ari.call("GET", "channels"):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        await until(lambda: engine.tasks_left == 0, "no timer or task is left")
        await until(lambda: not engine.centres.calls, "the engine knows of no call")
        assert await engine.ari.call("GET", "bridges") == []
        await until(lambda: not self._calling(), "every phone's call is over")
        await self.assert_no_rtp(*self._lines())

    async def assert_no_rtp(self, *lines: RtpParty) -> None:
        deadline, received = time.monotonic() + SOON, [-1]
        while received != (now := [line.packets_received for line in lines]):
            # What was sent before the end may have been read after it.
            assert time.monotonic() < deadline, "packets are still coming"
            received = now
            await asyncio.sleep(0.1)  # five packets' time

    def _lines(self) -> list[RtpParty]:
        return [caller.rtp for caller in self.callers] + [self.agency_line]

    def _calling(self) -> list[object]:
        agency = self.agency.calls if self.agency is not None else []
        trunk = [*agency, *(caller.call for caller in self.callers)]
        soft = [call for desk in self.desks if desk not in self._dead for call in desk.calls]
        return [
            *(call for call in trunk if call.end is None and call.failure is None),
            *(call for call in soft if call.ended_by is None),
        ]

    # The end

    def told(self) -> str:
        """The timeline and where the logs are, for a test that failed."""
        lines = []
        for fact in self.facts:
            data = msgspec.json.encode(fact.data, enc_hook=str).decode()
            lines.append(f"{'-' if fact.ms is None else fact.ms:>7} {fact.kind:<20} {data}")
        logs = [path for path in self.folder.rglob("*") if path.suffix in {".log", ".out"}]
        return "\n".join([*lines, *(f"see {path}" for path in sorted(logs))])

    async def close(self) -> None:
        await self._closing.aclose()
