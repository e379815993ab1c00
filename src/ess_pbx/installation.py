"""An installation brought up on this machine: all it needs made, Asterisk and engine started."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING

import structlog

from ess_pbx.ari.backoff import Backoff
from ess_pbx.asterisk import transfers
from ess_pbx.asterisk.console import Console
from ess_pbx.asterisk.render import AsteriskFolders, prompts_folder, render
from ess_pbx.asterisk.server import AsteriskServer, require_free_ports
from ess_pbx.domain import (
    calling_back,
    comfort,
    desks,
    introduction,
    ivr,
    pranks,
    silence,
    supervising,
    surge_centre,
    synthetic,
    transfer_button,
    transfer_codes,
    waiting,
)
from ess_pbx.domain.config import Centre, Choice, Classification
from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.facts import Fact
from ess_pbx.engine import fallback
from ess_pbx.engine.leader import MISSING_AFTER, Leader, lock_state
from ess_pbx.engine.service import Engine
from ess_pbx.engine.standby import Standby
from ess_pbx.errors import EssPbxError, PromptError
from ess_pbx.log import get_logger
from ess_pbx.prompts.build import build_prompts, missing_prompts
from ess_pbx.prompts.synthesis import EspeakSynthesiser
from ess_pbx.runtime import Runtime
from ess_pbx.settings.credentials import Credentials, load_credentials
from ess_pbx.settings.model import Settings

if TYPE_CHECKING:
    from ess_pbx.watching.watch import Watch
    from ess_pbx.web.server import WebServer

FALLBACK_PROMPT = "gangguan"
"""What the dialplan plays when no engine claims a call."""

STEADY_SECONDS = 60.0
"""After so long an end of Asterisk is no more one of a row."""
STOPPED_POLL = 0.1
STANDBY_MISSING = "standby-missing"

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


class Installation:
    """One or more centres: ``prepare`` makes what it needs, ``start`` and ``stop`` run it.

    Nothing is started before everything is known to be right.
    """

    def __init__(self, settings: Settings, progress: Progress = _silent) -> None:
        self.settings = settings
        self.progress = progress
        self.runtime = Runtime.find()
        self.folders = AsteriskFolders.of(settings, self.runtime)
        self.asterisk = AsteriskServer(self.runtime, self.folders)
        self.console = Console(self.folders.config_file, self.runtime)
        self.credentials: Credentials | None = None
        self.engine: Engine | None = None
        self.watch: Watch | None = None
        self.web: WebServer | None = None
        self.leader = Leader(settings.folders.state)
        self._lock: IO[str] | None = None
        self._leave_asterisk = False
        self._watches: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger(__name__)

    async def stand_by(self) -> None:
        """Wait while another engine leads in this state folder; when it ends, or freezes, return.

        This process leads then, and ``start`` goes on with its calls.
        """
        state, frozen_after = self.settings.folders.state, self.settings.standby.frozen_after
        self._lock = await Standby(state, frozen_after, self.progress).lock()

    def prepare(self) -> Credentials:
        """Check Asterisk's version, make passwords, prompts and Asterisk's configuration.

        Raises InUseError, RuntimeMissingError, SettingsError or PromptError; nothing runs yet.
        """
        settings = self.settings
        if self._lock is None:
            self._lock = lock_state(settings.folders.state)
        version = self.runtime.require_asterisk()
        self.progress(f"Asterisk {'.'.join(map(str, version))}")
        of_centre = {
            centre.id: [operator.extension for operator in centre.operators]
            for centre in settings.centres
        }
        extensions = [each for found in of_centre.values() for each in found]
        self.credentials = load_credentials(settings.folders.state, extensions)
        target = prompts_folder(settings)
        built = build_prompts(settings.folders.prompts, target, EspeakSynthesiser.find())
        self.progress(f"prompts: {len(built.prompts)} ready, {len(built.built)} new")
        for centre in settings.centres:
            require_prompts(centre, target)
            for language, names in borrowed_prompts(centre, target):
                lacks = f"prompts: {language} lacks {', '.join(names)}"
                self.progress(f"{lacks}; spoken in {centre.language}")
        opened = settings.asterisk.phone_transfers and transfers.are_safe(version)
        if settings.asterisk.phone_transfers and not opened:
            self.progress(f"phone_transfers stays off: {transfers.NEEDED}")
        render(settings, self.credentials, self.folders, transfers=opened)
        for name, phones in of_centre.items():
            # The one of an engine before this knows who is on duty.
            if not (self.folders.fallback / name).exists():
                fallback.write(self.folders.fallback / name, (), phones)
        return self.credentials

    async def start(self, on_fact: Callable[[Fact], None] | None = None) -> Engine:
        """Prepare, unless that was done, then start Asterisk and the engine.

        Raises what ``prepare`` raises, PortTakenError, or AriError; nothing is left running then
        but an Asterisk that was found with its calls.
        """
        credentials = self.credentials
        if credentials is None:
            credentials = await asyncio.to_thread(self.prepare)
        await self._asterisk_runs()
        self._watches = [asyncio.create_task(self._keep_asterisk(), name="asterisk")]
        self.engine = self.make_engine(credentials, on_fact)
        early: list[Fact] = []
        self.engine.listeners.append(early.append)
        try:
            await self.engine.start()
            # Not before: who only begins may be slow, and is not to be taken for frozen.
            await self.leader.start()
            if self.settings.standby.wanted:
                watch = self.leader.watch(self._tell_of_standby)
                self._watches.append(asyncio.create_task(watch, name="standby"))
            self.watch = await self._start_watch(self.engine, early)
            await self._start_web(self.engine, self.watch)
            self._leave_asterisk = False
        except BaseException:
            await self.stop()
            raise
        self.progress("engine connected")
        return self.engine

    def make_engine(
        self, credentials: Credentials, on_fact: Callable[[Fact], None] | None
    ) -> Engine:
        """The engine that ``start`` starts."""
        return Engine(self.settings, credentials, self.folders, on_fact=on_fact)

    def _tell_of_standby(self, missing: bool) -> None:
        engine, detail = self.engine, "stands by"
        if missing:
            detail = f"no second engine for {MISSING_AFTER:.0f} s; start one (serve --standby)"
        if engine is not None:
            for core in engine.centres:
                changed = AlarmChanged(STANDBY_MISSING, missing, detail, centre=core.config.id)
                engine.dispatcher.feed(changed)

    async def _start_watch(self, engine: Engine, early: list[Fact]) -> Watch:
        """Watch from now on; what was told so far is counted too."""
        # In a thread, and after the engine, as the API.
        await asyncio.to_thread(import_module, "ess_pbx.watching.watch")
        from ess_pbx.watching.watch import Watch

        watch = Watch(self.settings, engine)
        engine.listeners.remove(early.append)
        try:
            await watch.start(early)
        except Exception as error:
            # The watch is an extra, as the API: calls are taken without it.
            get_logger(__name__).exception("watch.not_started")
            self.progress(f"alarms and figures are not watched in full: {error}")
        return watch

    async def _start_web(self, engine: Engine, watch: Watch) -> None:
        # In a thread, and after the engine: callers are there by now, and wait for nothing of it.
        await asyncio.to_thread(import_module, "ess_pbx.web.server")
        from ess_pbx.web.server import WebServer

        self.web = WebServer(self.settings, engine, watch.metrics)
        try:
            await self.web.start()
        except Exception as error:
            # The API is an extra: calls are taken without it.
            get_logger(__name__).exception("web.not_started")
            self.progress(f"the API was not started: {error}")
        if self.web.trouble is not None:
            self.progress(f"the API is not served in full: {self.web.trouble}")

    async def stop(self, *, keep_asterisk: bool = False) -> None:
        """End API, watch, calls, engine and Asterisk, in this order; a second call does nothing.

        ``keep_asterisk``: a planned restart. Calls go on, and the next start goes on with them. So
        they do when a standby takes over, and when another engine has displaced this one.
        """
        engine = self.engine
        keep_asterisk |= self._leave_asterisk
        keep_asterisk |= engine is not None and engine.replaced.is_set()
        keep_asterisk |= await self.leader.hand_over()
        self._leave_asterisk = keep_asterisk
        if self.web is not None:
            await self.web.stop()
        if self.watch is not None:
            await self.watch.stop()
        if keep_asterisk:
            self.asterisk.leave()
        for watch in self._watches:
            watch.cancel()
        if engine is not None:
            if engine.ari.connected and not keep_asterisk:
                await engine.end_calls()
            await engine.stop(hand_over=keep_asterisk)
        if not keep_asterisk:
            await self.asterisk.stop()
        await self.leader.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _asterisk_runs(self) -> None:
        """Go on with the Asterisk that an engine before this one left, or start one."""
        server = self.asterisk
        if server.find():
            if server.same_configuration or await server.calls():
                # An engine that cannot start must not end the calls that another began.
                self._leave_asterisk = True
                await server.attach()
                self.progress(f"Asterisk still runs (pid {server.pid})")
                if not server.same_configuration:
                    self.progress("it keeps its older configuration: calls are in progress")
                return
            await server.stop()
        tested = any(each.synthetic_call for each in self.settings.centres)
        require_free_ports(self.settings.asterisk, synthetic=tested)
        await server.start()
        self.progress(f"Asterisk is up (pid {server.pid})")

    async def _keep_asterisk(self) -> None:
        """Start Asterisk again whenever it ends by itself; the engine connects anew."""
        delays = Backoff()
        while True:
            began = time.monotonic()
            await self.asterisk.wait()
            if not self.asterisk.wanted:
                await asyncio.sleep(STOPPED_POLL)
                continue
            if time.monotonic() - began > STEADY_SECONDS:
                delays = Backoff()
            self._log.error("asterisk.ended", pid=self.asterisk.pid)
            self.progress("Asterisk ended by itself; it is started again")
            try:
                await self.asterisk.start()
            except (OSError, EssPbxError) as error:
                self._log.error("asterisk.not_started", error=str(error))
            await asyncio.sleep(delays.next_delay())


def spoken_prompts(centre: Centre) -> Iterator[str]:
    """Every prompt that a caller or operator of the centre can come to hear."""
    yield from (waiting.WAIT_PROMPT, waiting.NO_OPERATOR_PROMPT)
    yield from comfort.spoken(centre)
    yield from (rung.prompt for rung in centre.policy.ladder if rung.prompt is not None)
    yield from (*transfer_codes.PROMPTS, *transfer_button.PROMPTS, FALLBACK_PROMPT)
    yield from introduction.spoken(centre)
    yield from (*desks.PROMPTS, desks.APOLOGY_PROMPT)
    yield from supervising.PROMPTS
    yield from (each.prompt for each in centre.policy.break_reasons if each.prompt)
    yield pranks.MARKED_PROMPT
    if centre.policy.silent_after > 0:
        yield from (silence.ASK_PROMPT, silence.ACCEPTED_PROMPT, silence.OPERATOR_PROMPT)
    if centre.policy.prank_warning is not None:
        yield centre.policy.prank_warning
    if centre.policy.call_back:
        yield from calling_back.PROMPTS.values()
    if centre.synthetic_call is not None:
        yield synthetic.PROMPT
    yield from surge_centre.spoken(centre.surge)
    if centre.greeting is not None:
        yield centre.greeting
    for menu in centre.menus.values():
        yield from menu.prompts
    for chosen in _chosen(centre):
        yield from chosen.play
        if isinstance(chosen, Choice):
            yield from chosen.information
            if chosen.then == "end":
                yield ivr.FAREWELL_PROMPT


def _chosen(centre: Centre) -> Iterator[Classification]:
    yield from centre.queue_keys.values()
    for menu in centre.menus.values():
        yield from (choice for _, choice in menu.choices())


def languages(centre: Centre) -> Iterable[str]:
    """The centre's language and those a key can set."""
    return sorted({centre.language, *(each.language for each in _chosen(centre) if each.language)})


def require_prompts(centre: Centre, target: Path) -> None:
    """Raise PromptError, naming each, when a prompt cannot be played in the centre's language."""
    lacking = [f"{centre.language}/{name}" for name in _lacking(centre, target, centre.language)]
    if lacking:
        raise PromptError(
            f"{target}: prompts are missing: {', '.join(lacking)}; expected each in the catalogue "
            "(ivr_prompts/<language>.yaml) or as a studio WAV beside it, then "
            "'ess-pbx prompts build'"
        )


def borrowed_prompts(centre: Centre, target: Path) -> Iterator[tuple[str, list[str]]]:
    """The prompts that other languages lack, which are played in the centre's own."""
    for language in languages(centre):
        if language != centre.language and (names := _lacking(centre, target, language)):
            yield language, names


def _lacking(centre: Centre, target: Path, language: str) -> list[str]:
    return missing_prompts(target, dict.fromkeys(spoken_prompts(centre)), language)
