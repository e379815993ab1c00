"""Who is on duty: shift templates, changed day by day by the roster, in the centre's local time.

A shift belongs to the date on which it starts, also when it runs past midnight. For one date and
shift, in this order: ``tugas`` entries replace the template's operators; ``ganti`` entries pass a
duty on, also in a chain; ``libur`` takes whoever is left of those away. All times are compared as
instants, so that the hour a zone skips or repeats belongs to the shift that is running.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum

from ess_pbx.domain.config import Centre, Shift
from ess_pbx.domain.effects import Record
from ess_pbx.domain.facts import FactKind


class Kind(StrEnum):
    """What an entry does; the words are those of the roster file."""

    DUTY = "tugas"
    """The operator is on this shift. The first such entry sets the template's operators aside."""
    REPLACES = "ganti"
    """The operator takes another's duty on this shift."""
    OFF = "libur"
    """The operator is away from this shift, or the whole date; without operator, a holiday."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a roster. ``shift`` None means every shift of the date."""

    date: date
    shift: str | None
    operator: str | None
    kind: Kind
    replaces: str | None = None
    """Whose duty is taken; only with ``Kind.REPLACES``."""
    note: str = ""
    """Why; only with ``Kind.OFF``."""

    @property
    def is_holiday(self) -> bool:
        """Whether this makes the date a holiday of the centre."""
        return self.kind is Kind.OFF and self.operator is None


@dataclass(frozen=True, slots=True)
class Duty:
    """One shift on one date, from ``begins`` up to ``ends`` (UTC; naive when asked naively)."""

    date: date
    shift: Shift
    operators: frozenset[str]
    begins: datetime
    ends: datetime

    def __str__(self) -> str:
        return f"{self.shift.name} {self.date} {self.shift.starts:%H:%M}"


class Roster:
    """The shift templates and what the roster says of single dates. Never changed once made.

    ``before`` and ``after`` are the hand-over: seconds that operators are on duty before their
    shift starts and after it ends.
    """

    def __init__(
        self,
        shifts: Iterable[Shift],
        entries: Iterable[Entry] = (),
        *,
        before: float = 0.0,
        after: float = 0.0,
    ) -> None:
        self.shifts = tuple(shifts)
        self.entries = tuple(entries)
        self._before = timedelta(seconds=before)
        self._after = timedelta(seconds=after)
        self._near: tuple[date, tzinfo | None, tuple[Duty, ...]] | None = None
        """Asked for every few seconds, and the same all day."""
        self._special = tuple(shift for shift in self.shifts if shift.holiday)
        self._ordinary = tuple(shift for shift in self.shifts if not shift.holiday)
        self._of_date: dict[date, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            self._of_date[entry.date].append(entry)

    @classmethod
    def of(cls, centre: Centre, entries: Iterable[Entry] = ()) -> Roster:
        """A centre's templates with these entries, and its hand-over."""
        policy = centre.policy
        return cls(
            centre.shifts, entries, before=policy.handover_before, after=policy.handover_after
        )

    def templates(self, day: date) -> tuple[Shift, ...]:
        """The shifts of a date: on a holiday those made for holidays, if the centre has any."""
        return self._special if self._special and self.is_holiday(day) else self._ordinary

    def is_holiday(self, day: date) -> bool:
        """Whether a date is a holiday of the centre."""
        return any(entry.is_holiday for entry in self._of_date.get(day, ()))

    def assigned(self, shift: Shift, day: date) -> frozenset[str]:
        """Whose duty a shift is on a date, before anyone takes it over or is away."""
        rostered = {
            entry.operator
            for entry in self._of_date.get(day, ())
            if entry.kind is Kind.DUTY and entry.shift == shift.id and entry.operator
        }
        return frozenset(rostered or shift.operators)

    def operators(self, shift: Shift, day: date) -> frozenset[str]:
        """Who works a shift on a date."""
        taken: dict[str, str] = {}
        away: set[str | None] = set()
        for entry in self._of_date.get(day, ()):
            if entry.shift not in (None, shift.id) or entry.operator is None:
                continue
            if entry.kind is Kind.REPLACES and entry.replaces is not None:
                taken[entry.replaces] = entry.operator
            elif entry.kind is Kind.OFF:
                away.add(entry.operator)
        return frozenset(passed_on(each, taken) for each in self.assigned(shift, day)) - away

    def duties(self, first: date, last: date, zone: tzinfo | None) -> Iterator[Duty]:
        """The duties that start on these dates, both included, in a time zone."""
        for days in range((last - first).days + 1):
            day = first + timedelta(days=days)
            for shift in self.templates(day):
                ends_on = day if shift.starts < shift.ends else day + timedelta(days=1)
                begins = instant(datetime.combine(day, shift.starts, tzinfo=zone))
                ends = instant(datetime.combine(ends_on, shift.ends, tzinfo=zone))
                if begins < ends:  # not so for one inside the hour that a zone skips
                    yield Duty(day, shift, self.operators(shift, day), begins, ends)

    def near(self, local: datetime) -> tuple[Duty, ...]:
        """The duties that can have to do with a moment: hand-over, and a day ahead."""
        day, zone = local.date(), local.tzinfo
        if self._near is None or self._near[:2] != (day, zone):
            # Whole-day shifts of the day before yesterday ended yesterday; their hand-over may not.
            duties = self.duties(day - timedelta(days=2), day + timedelta(days=1), zone)
            self._near = day, zone, tuple(duties)
        return self._near[2]

    def on_duty(self, local: datetime) -> frozenset[str]:
        """Extensions of the operators on duty at a local time, hand-over included."""
        now = instant(local)
        return frozenset(
            operator
            for duty in self.near(local)
            if duty.begins - self._before <= now < duty.ends + self._after
            for operator in duty.operators
        )

    def filled(self, first: date, last: date) -> tuple[Entry, ...]:
        """The entries of these dates with a ``tugas`` for everyone a template would name."""
        written = [entry for entry in self.entries if first <= entry.date <= last]
        named = {(e.date, e.shift) for e in written if e.kind is Kind.DUTY}
        for duty in self.duties(first, last, None):
            if (duty.date, duty.shift.id) not in named:
                written += [
                    Entry(duty.date, duty.shift.id, operator, Kind.DUTY)
                    for operator in dict.fromkeys(duty.shift.operators)
                ]
        return tuple(written)


def passed_on(operator: str, taken: dict[str, str]) -> str:
    """Who has an operator's duty after every take-over; one that goes round stays where it was."""
    holder, seen = operator, {operator}
    while holder in taken:
        holder = taken[holder]
        if holder in seen:
            return operator
        seen.add(holder)
    return holder


def instant(moment: datetime) -> datetime:
    """A moment as what can be compared and counted with: Python ignores DST within one zone."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC)


def ahead(
    roster: Roster,
    reachable: Collection[str],
    local: datetime,
    previous: frozenset[str],
    within: float,
) -> tuple[frozenset[str], list[Record]]:
    """Which shifts lack people, from ``within`` seconds before their start until their end.

    ``shift-unmanned:<shift>``: none of its operators' phones is reachable; ``shift-short:<shift>``:
    some are, but fewer than the shift's minimum. A minimum of 0 asks for nobody. Returns the alarms
    that stand, which are ``previous`` the next time, and a record of each that is new or over.
    """
    now = instant(local)
    standing: dict[str, str] = {}
    details: dict[str, str] = {}
    for duty in roster.near(local):
        if not duty.begins - timedelta(seconds=within) <= now < duty.ends:
            continue
        shift = duty.shift
        present = sum(operator in reachable for operator in duty.operators)
        named = ", ".join(sorted(duty.operators)) or "nobody"
        detail = f"{duty}: {present} of {shift.minimum} reachable, on the roster: {named}"
        details[shift.id] = detail
        if present < shift.minimum:
            kind = "short" if present else "unmanned"
            standing.setdefault(f"shift-{kind}:{shift.id}", detail)
    records = [
        Record(None, FactKind.ALARM_RAISED, {"alarm": name, "detail": detail})
        for name, detail in standing.items()
        if name not in previous
    ]
    for name in sorted(previous - standing.keys()):
        detail = details.get(name.partition(":")[2], "the shift is over")
        records.append(Record(None, FactKind.ALARM_CLEARED, {"alarm": name, "detail": detail}))
    return frozenset(standing), records
