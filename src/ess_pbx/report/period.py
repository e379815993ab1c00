"""Days, weeks, months and shifts in the centre's time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from ess_pbx.domain.roster import Duty, Roster
from ess_pbx.errors import EssPbxError

DAYS = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")
MONTHS = (
    *("Januari", "Februari", "Maret", "April", "Mei", "Juni"),
    *("Juli", "Agustus", "September", "Oktober", "November", "Desember"),
)

LONGEST_PAUSE = 31
"""Days to look back for a shift's last duty: those for holidays are rare."""


class PeriodError(EssPbxError):
    """What was asked for is no period."""

    code: ClassVar[str] = "period"
    http_status: ClassVar[int] = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From ``start``, inclusive, to ``end``, exclusive, in the centre's zone."""

    label: str
    start: datetime
    end: datetime


def choose(
    zone: ZoneInfo,
    now: datetime,
    roster: Roster,
    *,
    day: str | None = None,
    week: str | None = None,
    month: str | None = None,
    shift: str | None = None,
) -> Period:
    """The period that was asked for; today when nothing was.

    A shift without a day is the one that began last. ``now`` is aware. Raises PeriodError.
    """
    if sum(each is not None for each in (day, week, month)) > 1:
        raise PeriodError(
            "a day, a week and a month were asked for; expected one of --day, "
            "--week and --month: leave out the others"
        )
    if shift is not None:
        if week is not None or month is not None:
            raise PeriodError(
                "a shift was asked for with a week or a month; expected --shift "
                "with --day, or --by shift for the shifts of a week or month"
            )
        return _one_shift(zone, now, roster, shift, None if day is None else _day(day))
    if week is not None:
        first = _parsed(week, "%G-W%V-%u", "-1", "--week", "2026-W47")
        return _days(f"Minggu {first:%V} tahun {first:%G}", first, timedelta(days=7), zone)
    if month is not None:
        first = _parsed(month, "%Y-%m-%d", "-01", "--month", "2026-11")
        label = f"{MONTHS[first.month - 1]} {first.year}"
        return _days(label, first, (first + timedelta(days=32)).replace(day=1) - first, zone)
    chosen = now.astimezone(zone).date() if day is None else _day(day)
    return _days(in_words(chosen), chosen, timedelta(days=1), zone)


def in_words(day: date) -> str:
    """A date as it is written in Indonesian."""
    return f"{DAYS[day.weekday()]}, {day.day} {MONTHS[day.month - 1]} {day.year}"


def duties_in(roster: Roster, period: Period, zone: ZoneInfo) -> list[Duty]:
    """The duties that have to do with a period, whole, in the order in which they began."""
    day = timedelta(days=1)
    duties = roster.duties(period.start.date() - day, period.end.date(), zone)
    touching = (duty for duty in duties if duty.begins < period.end and duty.ends > period.start)
    return sorted(touching, key=lambda duty: duty.begins)


def duty_at(duties: Sequence[Duty], moment: datetime) -> Duty | None:
    """The duty that a call counts for, None between shifts.

    Where shifts overlap it is the one that began last; so no call counts twice.
    """
    return next((d for d in reversed(duties) if d.begins <= moment < d.ends), None)


def _one_shift(
    zone: ZoneInfo, now: datetime, roster: Roster, wanted: str, day: date | None
) -> Period:
    known = [shift.id for shift in roster.shifts]
    if wanted not in known:
        expected = ", ".join(known) or "none, for the centre has no shifts"
        raise PeriodError(
            f"--shift {wanted!r} is no shift of the centre; expected one of its ids: {expected}"
        )
    today = now.astimezone(zone).date()
    days = (today - timedelta(days=LONGEST_PAUSE), today) if day is None else (day, day)
    found = [
        duty
        for duty in roster.duties(*days, zone)
        if duty.shift.id == wanted and (day is not None or duty.begins <= now)
    ]
    if not found:
        when = f"of {day}" if day is not None else f"in the {LONGEST_PAUSE} days until now"
        raise PeriodError(
            f"--shift {wanted!r}: there is none {when}; expected a day on which the roster has it: "
            "ess-pbx roster show prints them"
        )
    duty = max(found, key=lambda each: each.begins)
    return Period(
        label=f"Regu {duty.shift.name}, {in_words(duty.date)}",
        start=duty.begins.astimezone(zone),
        end=duty.ends.astimezone(zone),
    )


def _days(label: str, first: date, length: timedelta, zone: ZoneInfo) -> Period:
    start, end = (datetime.combine(d, time(), tzinfo=zone) for d in (first, first + length))
    return Period(label=label, start=start, end=end)


def _day(text: str) -> date:
    return _parsed(text, "%Y-%m-%d", "", "--day", "2026-11-21")


def _parsed(text: str, form: str, rest: str, option: str, example: str) -> date:
    try:
        found = datetime.strptime(text + rest, form).date()
        # The ends of the calendar leave no room for the day after.
        if not date(2000, 1, 1) <= found < date(2200, 1, 1):
            raise ValueError(text)
    except ValueError:
        raise PeriodError(
            f"{option} {text!r} cannot be read; expected the form {example}, "
            "in the years 2000 to 2199"
        ) from None
    return found
