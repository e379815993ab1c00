"""The roster held against the plainest reading of its rules, minute by minute."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ess_pbx.demo.stage import sample
from ess_pbx.domain.config import Shift
from ess_pbx.domain.roster import Entry, Kind, Roster
from ess_pbx.errors import SettingsError
from ess_pbx.settings.roster import parse_roster, render_roster

FIRST = date(2026, 2, 27)
DAYS = [FIRST + timedelta(days=each) for each in range(3)]
PEOPLE = ["1001", "1002", "1003", "1004"]
IDS = ["pagi", "malam", "raya"]
CENTRE = sample().centre_named()
people = st.sampled_from(PEOPLE)
clock = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))


@st.composite
def shifts(draw: st.DrawFn) -> tuple[Shift, ...]:
    return tuple(
        Shift(
            id=name,
            name=name,
            starts=draw(clock),
            ends=draw(clock),
            operators=tuple(draw(st.lists(people, unique=True, max_size=2))),
            holiday=name == "raya",
        )
        for name in IDS
    )


notes = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=30).map(str.strip)
entries = st.lists(
    st.one_of(
        st.builds(Entry, st.sampled_from(DAYS), st.sampled_from(IDS), people, st.just(Kind.DUTY)),
        st.builds(
            Entry,
            st.sampled_from(DAYS),
            st.sampled_from(IDS),
            people,
            st.just(Kind.REPLACES),
            people,
        ),
        st.builds(
            lambda day, shift, who, note: Entry(day, shift, who, Kind.OFF, None, note),
            st.sampled_from(DAYS),
            st.sampled_from([None, *IDS]),
            people,
            notes,
        ),
        st.builds(
            lambda day, note: Entry(day, None, None, Kind.OFF, None, note),
            st.sampled_from(DAYS),
            notes,
        ),
    ),
    max_size=12,
    unique_by=lambda each: (each.date, each.shift, each.replaces or each.operator, each.kind),
)


def staffed(shift: Shift, day: date, rows: list[Entry]) -> set[str]:
    """Who works a shift, following each duty by hand."""
    here = [row for row in rows if row.date == day and row.shift in (None, shift.id)]
    named = {row.operator for row in here if row.kind is Kind.DUTY} or set(shift.operators)
    working = set()
    for operator in named:
        way = [operator]
        while True:
            after = [row.operator for row in here if row.replaces == way[-1]]
            if not after:
                break
            if after[0] in way:
                way = [operator]
                break
            way.append(after[0])
        working.add(way[-1])
    return {who for who in working if who} - {r.operator for r in here if r.kind is Kind.OFF}


@settings(max_examples=20, deadline=None)
@given(shifts(), entries, st.integers(0, 60), st.integers(0, 60))
def test_on_duty_are_exactly_those_whose_duty_covers_the_minute(
    templates: tuple[Shift, ...], rows: list[Entry], before: int, after: int
) -> None:
    roster = Roster(templates, rows, before=before * 60, after=after * 60)
    expected: dict[datetime, set[str]] = {}
    for offset in range(-3, len(DAYS) + 2):
        day = FIRST + timedelta(days=offset)
        holiday = any(row.date == day and row.is_holiday for row in rows)
        for shift in templates:
            if shift.holiday is not holiday:
                continue
            length = (shift.ends.hour - shift.starts.hour) * 60
            length += shift.ends.minute - shift.starts.minute
            length = length if length > 0 else length + 24 * 60
            begins = datetime.combine(day, shift.starts)
            working = staffed(shift, day, rows)
            for minute in range(-before, length + after):
                expected.setdefault(begins + timedelta(minutes=minute), set()).update(working)
    start = datetime.combine(FIRST, time(0))
    for minute in range(len(DAYS) * 24 * 60):
        at = start + timedelta(minutes=minute)
        assert roster.on_duty(at) == expected.get(at, set()), at


@settings(deadline=None)
@given(entries)
def test_a_roster_that_is_written_and_read_is_the_same(rows: list[Entry]) -> None:
    shift = Shift(id="x", name="X", starts=time(0), ends=time(0), operators=())
    every = tuple(
        replace(shift, id=name, holiday=name == "raya", operators=tuple(PEOPLE[:1])) for name in IDS
    )
    centre = replace(CENTRE, shifts=every)
    try:
        good = parse_roster(render_roster(rows), centre, "roster.csv")
    except SettingsError:
        # Rows that contradict each other: take-overs are left out, and shifts not held that day.
        held = Roster(every, rows)
        kept = [
            row
            for row in rows
            if row.kind is not Kind.REPLACES
            and (row.shift is None or row.shift in [s.id for s in held.templates(row.date)])
        ]
        good, rows = parse_roster(render_roster(kept), centre, "roster.csv"), kept
    assert set(good) == set(rows)
    assert len(good) == len(rows)
    for separator in ",;":
        assert parse_roster(render_roster(good, separator), centre, "again.csv") == good


@settings(deadline=None)
@given(shifts(), entries)
def test_naming_those_of_the_templates_changes_nothing(
    templates: tuple[Shift, ...], rows: list[Entry]
) -> None:
    roster = Roster(templates, rows)
    filled = Roster(templates, roster.filled(DAYS[0], DAYS[-1]))
    for day in DAYS:
        for shift in roster.templates(day):
            assert filled.operators(shift, day) == roster.operators(shift, day)
