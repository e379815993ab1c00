"""The figures of a period over the API: what ``ess-pbx report`` prints, as JSON.

They are made in a thread, with a line to the database of its own: a month of a large city is a
million rows, and the engine's loop has calls to serve meanwhile. One at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from ess_pbx.db.connect import DatabaseError, create_engine
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.errors import EssPbxError
from ess_pbx.report.asked import Asked, By
from ess_pbx.report.build import read_report
from ess_pbx.report.period import PeriodError
from ess_pbx.report.tables import Report
from ess_pbx.settings.model import Settings
from ess_pbx.web.answers import ApiError

QUERY = {
    "day": "A day, 2026-11-21; today when nothing is given.",
    "week": "An ISO week, 2026-W47.",
    "month": "A month, 2026-11.",
    "shift": "A shift's id: of the day, or the one that began last.",
    "by": "What the lines are of: " + ", ".join(By) + ".",
}


class FiguresPage:
    """Reads them, for one who asks at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()

    async def report(self, core: CallCentre, query: Mapping[str, str], wall: float) -> Report:
        """The report of a centre as it is at ``wall`` (epoch seconds). Raises ApiError."""
        by = query.get("by", By.CENTRE)
        if by not in [*By]:
            raise ApiError(422, "invalid-query", "wrong by", "one of " + ", ".join(By))
        now = datetime.fromtimestamp(wall, UTC)

        def make() -> Report:
            asked = Asked.of(
                self._settings,
                now,
                centre=core.config.id,
                by=By(by),
                day=query.get("day"),
                week=query.get("week"),
                month=query.get("month"),
                shift=query.get("shift"),
            )
            return asyncio.run(_read(asked))

        async def _read(asked: Asked) -> Report:
            database = create_engine(self._settings.database.url)
            try:
                return await read_report(database, asked)
            finally:
                await database.dispose()

        async with self._turn:
            try:
                return await asyncio.to_thread(make)
            except PeriodError as error:
                raise ApiError(422, error.code, str(error).replace("--", "")) from None
            except DatabaseError as error:
                raise ApiError(503, "database", str(error)) from None
            except EssPbxError as error:
                raise ApiError(error.http_status, error.code, str(error)) from None
