"""A period is what the centre's calendar and roster say it is."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ess_pbx.domain.config import Shift
from ess_pbx.domain.roster import Entry, Kind, Roster
from ess_pbx.report.period import PeriodError, choose, duties_in, duty_at

from .small_centre import CENTRE, DAY, MIDNIGHT, NOW, ROSTER, ZONE


def ends(**asked: str) -> tuple[str, str]:
    period = choose(ZONE, NOW, ROSTER, **asked)
    return period.start.isoformat(), period.end.isoformat()


def test_without_a_wish_it_is_today_in_the_centres_zone() -> None:
    # 23.30 UTC of the 21st is the 22nd in Jakarta, and the 21st still runs in New York.
    now = datetime(2026, 11, 21, 23, 30, tzinfo=ZoneInfo("UTC"))
    assert choose(ZONE, now, ROSTER).start == datetime(2026, 11, 22, tzinfo=ZONE)
    new_york = ZoneInfo("America/New_York")
    assert choose(new_york, now, ROSTER).start == datetime(2026, 11, 21, tzinfo=new_york)


def test_days_weeks_and_months_begin_and_end_at_midnight() -> None:
    assert ends(day=DAY) == ("2026-11-21T00:00:00+07:00", "2026-11-22T00:00:00+07:00")
    assert ends(week="2026-W47") == ("2026-11-16T00:00:00+07:00", "2026-11-23T00:00:00+07:00")
    assert ends(month="2026-12") == ("2026-12-01T00:00:00+07:00", "2027-01-01T00:00:00+07:00")


def test_iso_week_53_may_end_in_the_next_year() -> None:
    assert ends(week="2026-W53") == ("2026-12-28T00:00:00+07:00", "2027-01-04T00:00:00+07:00")


def test_labels_are_indonesian() -> None:
    asked = [{"day": DAY}, {"week": "2026-W47"}, {"month": "2026-08"}, {"shift": "malam"}]
    labels = [choose(ZONE, NOW, ROSTER, **each).label for each in asked]
    assert labels == [
        "Sabtu, 21 November 2026",
        "Minggu 47 tahun 2026",
        "Agustus 2026",
        "Regu Malam, Sabtu, 21 November 2026",
    ]


def test_a_night_shift_belongs_to_the_day_on_which_it_starts() -> None:
    assert ends(day=DAY, shift="malam") == (
        "2026-11-21T22:00:00+07:00",
        "2026-11-22T06:00:00+07:00",
    )


def test_a_shift_without_a_day_is_the_one_that_began_last() -> None:
    assert ends(shift="pagi")[0] == "2026-11-22T06:00:00+07:00"
    assert ends(shift="siang")[0] == "2026-11-21T13:30:00+07:00"


def test_a_day_of_a_clock_change_has_its_own_length() -> None:
    period = choose(ZoneInfo("Europe/Berlin"), NOW, ROSTER, day="2026-10-25")
    assert period.end.timestamp() - period.start.timestamp() == 25 * 3600


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"day": "21-11-2026"}, "2026-11-21"),
        ({"day": "2026-02-30"}, "2026-11-21"),
        ({"day": "9999-12-31"}, "2199"),
        ({"week": "2026-W54"}, "2026-W47"),
        ({"month": "2026-13"}, "2026-11"),
        ({"day": DAY, "week": "2026-W47"}, "one of --day, --week and --month"),
        ({"month": "2026-11", "shift": "pagi"}, "--by shift"),
        ({"shift": "sore"}, "pagi, siang, malam"),
    ],
)
def test_what_is_no_period_is_refused_with_what_was_expected(
    asked: dict[str, str], says: str
) -> None:
    with pytest.raises(PeriodError, match=says):
        choose(ZONE, NOW, ROSTER, **asked)


@pytest.mark.parametrize(
    ("hours", "shift"),
    [(5.9, "malam"), (6, "pagi"), (13.4, "pagi"), (13.5, "siang"), (21.9, "siang"), (22, "malam")],
)
def test_a_call_counts_for_the_shift_that_began_last(hours: float, shift: str) -> None:
    duties = duties_in(ROSTER, choose(ZONE, NOW, ROSTER, day=DAY), ZONE)
    duty = duty_at(duties, MIDNIGHT + timedelta(hours=hours))
    assert duty is not None
    assert duty.shift.id == shift


def test_a_shift_that_the_roster_does_not_have_on_a_day_is_refused() -> None:
    holidays = Shift(
        id="libur",
        name="Libur",
        starts=CENTRE.shifts[0].starts,
        ends=CENTRE.shifts[0].ends,
        operators=(),
        holiday=True,
    )
    entries = [Entry(date(2026, 11, 21), None, None, Kind.OFF)]
    roster = Roster((*CENTRE.shifts, holidays), entries)
    assert choose(ZONE, NOW, roster, day=DAY, shift="libur").label.startswith("Regu Libur")
    with pytest.raises(PeriodError, match="none of 2026-11-20"):
        choose(ZONE, NOW, roster, day="2026-11-20", shift="libur")
    with pytest.raises(PeriodError, match="none of 2026-11-21"):
        choose(ZONE, NOW, roster, day=DAY, shift="pagi")
