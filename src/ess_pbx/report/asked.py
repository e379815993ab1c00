"""What a report is asked to be of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from ess_pbx.domain.config import Centre
from ess_pbx.domain.roster import Roster
from ess_pbx.domain.service_level import Thresholds
from ess_pbx.report.period import Period, choose
from ess_pbx.settings.model import Settings
from ess_pbx.settings.roster import read_roster

DEFAULTS = Thresholds()


class By(StrEnum):
    """What a centre's calls are grouped by."""

    CENTRE = "centre"
    CATEGORY = "category"
    TRUNK = "trunk"
    OPERATOR = "operator"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a report is to be of."""

    centre: Centre
    roster: Roster
    trunks: Mapping[str, str]
    """The names of trunks, by id."""
    period: Period
    by: By = By.CENTRE
    thresholds: Thresholds = DEFAULTS
    now: datetime
    """Aware; what still goes on is counted until now."""

    @classmethod
    def of(
        cls,
        settings: Settings,
        now: datetime,
        *,
        centre: str | None = None,
        day: str | None = None,
        week: str | None = None,
        month: str | None = None,
        shift: str | None = None,
        by: By = By.CENTRE,
        thresholds: Thresholds = DEFAULTS,
    ) -> Asked:
        """What a person asked for, of an installation; raises PeriodError and SettingsError.

        ``centre`` is an id; the only centre there is needs no name.
        """
        chosen = settings.centre_named(centre)
        path = settings.rosters.get(chosen.id)
        entries = read_roster(path, chosen) if path else ()
        roster, zone = Roster.of(chosen, entries), ZoneInfo(chosen.time_zone)
        return cls(
            centre=chosen,
            roster=roster,
            trunks={trunk.id: trunk.name for trunk in settings.trunks},
            period=choose(zone, now, roster, day=day, week=week, month=month, shift=shift),
            by=by,
            thresholds=thresholds,
            now=now,
        )

    @property
    def zone(self) -> ZoneInfo:
        """The centre's time zone."""
        return ZoneInfo(self.centre.time_zone)

    @property
    def whole(self) -> str:
        """What the line of the whole centre is called."""
        return f"Seluruh {self.centre.name}"

    def names(self, by: By) -> Mapping[str, str]:
        """How people call the groups, by id; those of the past may be missing."""
        centre = self.centre
        match by:
            case By.CENTRE:
                return {centre.id: centre.name}
            case By.CATEGORY:
                return {each.id: each.name for each in centre.categories}
            case By.TRUNK:
                return self.trunks
            case By.OPERATOR:
                return {each.extension: each.name for each in centre.operators}
            case By.SHIFT:
                return {each.id: each.name for each in centre.shifts}
