"""Delivers reports to neighbouring centres until they are acknowledged, whatever happens between.

What waits is remembered by the core (``domain.hand_overs``): after a crash the next engine goes on
with it. Each neighbour has a task of its own, so that one that is away holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import aiohttp
import structlog

from ess_pbx.ari.backoff import Backoff
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.commands import Asker, Via
from ess_pbx.domain.config import Agency
from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.hand_overs import CHANGES, HandOverReport, Outgoing
from ess_pbx.engine.dispatcher import Dispatcher
from ess_pbx.engine.journal import Journal
from ess_pbx.errors import EssPbxError
from ess_pbx.neighbours.client import NotDeliveredError, deliver

ALARM = "neighbour"
FAILURES = 3
"""Attempts in a row that must fail before it is an alarm."""
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds between attempts."""
GIVEN_UP_AFTER = 7 * 86400.0
"""Seconds: what nobody took for so long helps nobody any more."""
ON_DISK_WITHIN = 2.0
"""Seconds that the journal has before a report is sent all the same: a full disk keeps no report
from who is to help."""
WAKES = CHANGES | {FactKind.RECORDING_FINISHED, FactKind.RECORDING_SEALED}
DELIVERY = Asker("antar-laporan", Via.SYSTEM)
"""The rule that a report which waits is delivered."""


class Outbox:
    """The outbox of an engine; ``told`` is a listener of it."""

    def __init__(
        self,
        centres: Centres,
        dispatcher: Dispatcher,
        journal: Journal,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._centres = centres
        self._dispatcher = dispatcher
        self._journal = journal
        self._wall = wall
        self._wakes: list[asyncio.Event] = []
        self._log = structlog.get_logger(__name__)

    def told(self, fact: Fact) -> None:
        """A fact by which there may be something to deliver."""
        if fact.kind in WAKES:
            for wake in self._wakes:
                wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "ess-pbx"}
        async with (
            aiohttp.ClientSession(
                headers=headers, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for core, agency in self._neighbours():
                wake = asyncio.Event()
                wake.set()  # what an engine before this one left
                self._wakes.append(wake)
                tasks.create_task(self._serve(session, core, agency, wake), name=agency.id)

    def _neighbours(self) -> Iterator[tuple[CallCentre, Agency]]:
        for core in self._centres:
            for each in core.config.agencies:
                if core.hand_overs.agency(each.id) is not None:
                    yield core, each

    async def _serve(
        self,
        session: aiohttp.ClientSession,
        core: CallCentre,
        agency: Agency,
        wake: asyncio.Event,
    ) -> None:
        """One neighbour: whatever waits for it, the longest first, then what comes next."""
        delays, failed = Backoff(first=FIRST_DELAY, limit=LONGEST_DELAY), 0
        while True:
            await wake.wait()
            wake.clear()
            trouble = await self._deliver_all(session, core, agency)
            if trouble is None:
                delays.reset()
                failed = 0
                self._alarm(core, agency, None)
                continue
            failed += 1
            self._log.warning(
                "neighbour.not_delivered", neighbour=agency.id, reason=trouble, attempts=failed
            )
            if failed >= FAILURES:
                self._alarm(core, agency, trouble)
            with contextlib.suppress(TimeoutError):
                # A new report does not hurry a neighbour that is away.
                await asyncio.sleep(delays.next_delay())
            wake.set()

    async def _deliver_all(
        self, session: aiohttp.ClientSession, core: CallCentre, agency: Agency
    ) -> str | None:
        """Deliver what waits; returns what went wrong, if anything. Never raises."""
        trouble = None
        for outgoing in core.hand_overs.waiting(agency.id):
            try:
                await self._deliver(session, core, agency, outgoing)
            except NotDeliveredError as error:
                trouble = str(error)
                if not error.answered:
                    break
            except EssPbxError as error:
                return str(error)  # the secret
            except Exception as error:
                # A defect must not end the outbox of every later report.
                self._log.exception("neighbour.failed", neighbour=agency.id)
                trouble = type(error).__name__
        return trouble

    async def _deliver(
        self,
        session: aiohttp.ClientSession,
        core: CallCentre,
        agency: Agency,
        outgoing: Outgoing,
    ) -> None:
        if agency.neighbour is None:
            return
        report, version = core.hand_overs.document(outgoing), outgoing.version
        if report is None or self._wall() - outgoing.since > GIVEN_UP_AFTER:
            reason = "not at hand any more" if report is None else "nobody took it for too long"
            self._record(core, outgoing, FactKind.REPORT_NOT_DELIVERED, version, reason=reason)
            return
        # A version that a crash undoes would be told again with other content.
        with contextlib.suppress(TimeoutError):
            written = self._journal.durable + self._journal.waiting
            await asyncio.wait_for(self._journal.flushed(written), ON_DISK_WITHIN)
        try:
            known = await deliver(session, agency.neighbour, report)
        except NotDeliveredError as error:
            if error.conflict:
                centre = core.config.id
                again = HandOverReport(DELIVERY, outgoing.report, agency.id, centre=centre)
                self._dispatcher.command(again)
            raise
        self._record(
            core,
            outgoing,
            FactKind.REPORT_DELIVERED,
            version,
            held=known.version,
            theirs=known.report,
            **DELIVERY.fields,
        )
        if known.version > version:
            raise NotDeliveredError(f"{agency.id} has version {known.version} of {report.ticket}")

    def _record(
        self, core: CallCentre, of: Outgoing, kind: FactKind, version: int, **data: JSON
    ) -> None:
        known: dict[str, JSON] = {"report": of.report, "agency": of.agency, "version": version}
        self._dispatcher.record(None, kind, known | data, core.config.id)

    def _alarm(self, core: CallCentre, agency: Agency, trouble: str | None) -> None:
        name, centre = f"{ALARM}:{agency.id}", core.config.id
        changed = AlarmChanged(name, trouble is not None, trouble or "", centre=centre)
        self._dispatcher.feed(changed)
