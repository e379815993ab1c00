"""BMKG's latest earthquake, ``autogempa.json``: bytes in, an ``Earthquake`` out, or why not.

The format is described at https://data.bmkg.go.id/gempabumi: one object ``Infogempa.gempa`` whose
values are all text. Nothing of it is trusted: a field may be missing, of another type, with a comma
for a point, or full of HTML, and none of that may raise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from ess_pbx.domain.earthquake import Earthquake, tsunami_of

LONGEST_TEXT = 200
"""Characters of a text that are kept."""
YEARS = range(2000, 2200)

_NUMBER = r"[+-]?[0-9]{1,4}(?:[.,][0-9]{1,6})?"
_ZONES = {"WIB": 7, "WITA": 8, "WIT": 9, "UTC": 0, "GMT": 0}
"""Hours ahead of UTC."""
_MONTHS = {
    name: month
    for month, names in enumerate(
        (
            ("jan",),
            ("feb", "peb"),
            ("mar",),
            ("apr",),
            ("mei", "may"),
            ("jun",),
            ("jul",),
            ("agu", "agt", "ags", "aug"),
            ("sep",),
            ("okt", "oct"),
            ("nov", "nop"),
            ("des", "dec"),
        ),
        start=1,
    )
    for name in names
}


@dataclass(frozen=True, slots=True)
class Malformed:
    """The body is not an earthquake; ``reason`` says what was found and what was expected."""

    reason: str


def read(body: bytes) -> Earthquake | Malformed:
    """Read a body; never raises."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Malformed("not JSON; expected autogempa.json")
    report = document
    for name in ("Infogempa", "gempa"):
        report = report.get(name) if isinstance(report, Mapping) else None
    if not isinstance(report, Mapping):
        return Malformed("no Infogempa.gempa; expected an object with one earthquake")
    at = _time(report)
    where = _epicentre(report)
    magnitude = _number(report, "Magnitude", 0.0, 10.0)
    if at is None:
        return Malformed("no time; expected DateTime with its offset, or Tanggal and Jam")
    if where is None:
        return Malformed("no epicentre; expected Coordinates, or Lintang and Bujur, in degrees")
    if magnitude is None:
        return Malformed("no Magnitude; expected a number from 0 to 10")
    potential = _text(report, "Potensi")
    return Earthquake(
        id=f"{at:%Y-%m-%dT%H:%M:%SZ}@{where[0]:.2f},{where[1]:.2f}",
        at=at.timestamp(),
        latitude=where[0],
        longitude=where[1],
        magnitude=magnitude,
        depth=_number(report, "Kedalaman", 0.0, 1000.0),
        place=_text(report, "Wilayah"),
        tsunami=tsunami_of(potential),
        potential=potential,
        felt=_text(report, "Dirasakan"),
    )


def _text(report: Mapping[str, Any], name: str) -> str:
    """Plain words on one line: no mark-up, nothing that could become some."""
    value = report.get(name)
    if not isinstance(value, str):
        return ""
    plain = re.sub(r"<[^<>]*>|&#?\w{1,10};|[<>]", " ", value)
    printable = "".join(each if each.isprintable() else " " for each in plain)
    return " ".join(printable.split())[:LONGEST_TEXT].rstrip()


def _number(
    report: Mapping[str, Any], name: str, least: float, most: float, *, ends: str = ""
) -> float | None:
    """The number that a field begins with, in its range; ``ends`` is what must follow it."""
    value = report.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    found = re.match(rf"\s*({_NUMBER})(?![0-9.,e])\s*{ends}", value, re.ASCII | re.IGNORECASE)
    if found is None:
        return None
    number = float(found[1].replace(",", "."))
    return number if least <= number <= most else None


def _epicentre(report: Mapping[str, Any]) -> tuple[float, float] | None:
    pair = report.get("Coordinates")
    if isinstance(pair, str):
        # With commas for points as well it is read from Lintang and Bujur.
        found = re.fullmatch(r"\s*([+-]?[0-9.]{1,9})\s*[,; ]\s*([+-]?[0-9.]{1,9})\s*", pair)
        if found is not None:
            parts = {"latitude": found[1], "longitude": found[2]}
            latitude = _number(parts, "latitude", -90.0, 90.0)
            longitude = _number(parts, "longitude", -180.0, 180.0)
            if latitude is not None and longitude is not None:
                return latitude, longitude
    south = _number(report, "Lintang", 0.0, 90.0, ends=r"LS\b")
    north = _number(report, "Lintang", 0.0, 90.0, ends=r"LU\b")
    east = _number(report, "Bujur", 0.0, 180.0, ends=r"BT\b")
    west = _number(report, "Bujur", 0.0, 180.0, ends=r"BB\b")
    latitude = north if south is None else -south
    longitude = east if west is None else -west
    if latitude is None or longitude is None:
        return None
    return latitude, longitude


def _time(report: Mapping[str, Any]) -> datetime | None:
    """When it was, in UTC. A time without an offset says nothing by itself."""
    stamp = report.get("DateTime")
    if isinstance(stamp, str):
        try:
            at = datetime.fromisoformat(stamp.strip())
            if at.tzinfo is not None and at.year in YEARS:
                return at.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    return _local_time(report)


def _local_time(report: Mapping[str, Any]) -> datetime | None:
    day, clock = _text(report, "Tanggal"), _text(report, "Jam")
    date = re.fullmatch(r"([0-9]{1,2})[ -]([A-Za-z]{3,9})[ -]([0-9]{4})", day)
    time = re.fullmatch(r"([0-9]{2}):([0-9]{2}):([0-9]{2}) ?([A-Za-z]{3,4})", clock)
    if date is None or time is None:
        return None
    month, ahead = _MONTHS.get(date[2][:3].lower()), _ZONES.get(time[4].upper())
    if month is None or ahead is None or int(date[3]) not in YEARS:
        return None
    zone = timezone(timedelta(hours=ahead))
    hour, minute, second = (int(each) for each in time.groups()[:3])
    try:
        return datetime(
            int(date[3]), month, int(date[1]), hour, minute, second, tzinfo=zone
        ).astimezone(UTC)
    except ValueError:
        return None
