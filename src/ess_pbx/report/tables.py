"""What a report is made of: sections of lines, one line for each group, one column a figure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from ess_pbx.report.period import Period

Value: TypeAlias = int | float | None

NO_CALLS = "tidak ada panggilan"
NO_DATA = "tidak ada data"


class Unit(StrEnum):
    """What a number counts; a SHARE is 0..1 and written as a percentage."""

    CALLS = "panggilan"
    TIMES = "kali"
    SHARE = "%"
    SECONDS = "detik"
    HOURS = "jam"


@dataclass(frozen=True, slots=True)
class Column:
    """A figure: its heading and unit."""

    heading: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one group; ``none`` says why a figure that is None cannot be given."""

    code: str
    name: str
    values: tuple[Value, ...]
    none: str = NO_DATA


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the report."""

    title: str
    group: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is written of a period."""

    centre: str
    period: Period
    made: datetime
    offered: int
    sections: tuple[Section, ...]
