"""The journal's facts into the database, which no call waits for.

SQLAlchemy and Alembic are loaded here, after the calls are there: to load them takes a third of an
engine's start, and after a crash callers would wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import structlog

from ess_pbx.domain.events import TicketsRead
from ess_pbx.engine.journal import Journal
from ess_pbx.settings.entry import trunks_of
from ess_pbx.settings.model import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ess_pbx.db.projector import Projector

MODULES = ("ess_pbx.db.projector", "ess_pbx.db.migrate", "ess_pbx.db.configuration")


class Storing:
    """Follows one journal into the database of some settings, from ``begin`` until ``stop``.

    ``on_tickets`` is told, by centre, which numbers of reports the database has, before any fact
    of this journal goes there.
    """

    def __init__(
        self, settings: Settings, journal: Journal, on_tickets: Callable[[TicketsRead], None]
    ) -> None:
        self._settings, self._journal = settings, journal
        self._on_tickets = on_tickets
        self._database: AsyncEngine | None = None
        self._projector: Projector | None = None
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger(__name__)

    async def begin(self) -> None:
        """Load what it takes and go on where the last engine stopped; the database may be away."""
        for module in MODULES:
            await asyncio.to_thread(import_module, module)
        from ess_pbx.db.connect import create_engine
        from ess_pbx.db.projector import Projector

        self._database = create_engine(self._settings.database.url)
        self._projector = Projector(
            self._journal,
            self._database,
            prepare=self._prepare,
            on_trouble=lambda reason: self._log.error("database.trouble", reason=reason),
            on_recovered=lambda: self._log.info("database.recovered"),
        )
        self._task = asyncio.create_task(self._projector.run(), name="projector")

    @property
    def database(self) -> AsyncEngine:
        """Where facts end up; raises RuntimeError before ``begin``."""
        if self._database is None:
            raise RuntimeError("the engine was not started")
        return self._database

    @property
    def ended(self) -> bool:
        """Whether it does not go on any more, though nobody stopped it."""
        return self._task is not None and self._task.done()

    @property
    def lag(self) -> int:
        """How many durable facts are not in the database yet."""
        return self._journal.durable if self._projector is None else self._projector.lag

    async def reached(self, sequence: int, within: float) -> None:
        """Wait until that fact of the journal is in the database; raises TimeoutError."""
        if self._projector is None:
            raise RuntimeError("the engine was not started")
        await asyncio.wait_for(self._projector.reached(sequence), within)

    async def stop(self, within: float) -> None:
        """Once the journal is closed: let the rest arrive, at most so many seconds."""
        if self._projector is not None and self._task is not None:
            # A closed journal lets the projector finish; a database that is away does not.
            done, _ = await asyncio.wait([self._task], timeout=within)
            if not done:
                self._log.warning("database.behind", facts=self._projector.lag)
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._database is not None:
            await self._database.dispose()

    async def _prepare(self, database: AsyncEngine) -> None:
        from ess_pbx.db import migrate
        from ess_pbx.db.configuration import sync_centre
        from ess_pbx.db.report_queries import last_tickets

        await asyncio.to_thread(migrate.upgrade, self._settings.database.url)
        for centre in self._settings.centres:
            await sync_centre(database, centre, trunks_of(self._settings, centre.id))
            numbers = await last_tickets(database, centre.id)
            self._on_tickets(TicketsRead(numbers, centre=centre.id))
