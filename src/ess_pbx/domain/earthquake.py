"""An earthquake as BMKG reports it, and whether it concerns a centre.

BMKG's text says in words whether a tsunami is possible; it is read with care for its negation, and
what cannot be understood counts as possible: an alarm too many costs a look at the wall.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from math import asin, cos, radians, sin, sqrt

from ess_pbx.domain.config import EarthquakeFeed

EARTH_RADIUS = 6371.0
"""Kilometres, the mean."""
TSUNAMI_MAGNITUDE = 6.5
"""Below it a quake whose text cannot be understood is no reason by itself to fear a tsunami."""


class Tsunami(StrEnum):
    """What the report says of a tsunami."""

    POSSIBLE = "possible"
    NONE = "none"
    UNSAID = "unsaid"
    """The known text for quakes that were felt, which speaks of no tsunami at all."""
    UNCLEAR = "unclear"
    """No text, or one that is not understood: taken for possible."""


class Level(StrEnum):
    """How loudly the wallboard says it (mission: the television's early-warning pattern)."""

    LINE = "line"
    FULL_SCREEN = "full-screen"


@dataclass(frozen=True, slots=True)
class Earthquake:
    """One report. A later report of the same quake has the same ``id``."""

    id: str
    at: float
    """Seconds since the epoch."""
    latitude: float
    longitude: float
    """Degrees, north and east positive."""
    magnitude: float
    depth: float | None
    """Kilometres."""
    place: str
    tsunami: Tsunami
    potential: str = ""
    """BMKG's own words on the tsunami."""
    felt: str = ""
    """Where it was felt and how strongly (MMI), in BMKG's words."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Why an earthquake is the centre's matter."""

    level: Level
    distance: float
    """Kilometres from the region's centre point."""


_NEGATED = re.compile(
    r"\b(?:tidak|tdk|tak) (?:ada |memiliki |mempunyai )?(?:ber)?potensi(?: \w+){0,2}? tsunami\b"
)
_STATED = re.compile(r"\b(?:ber)?potensi(?: \w+){0,2}? tsunami\b|\bperingatan dini tsunami\b")
_DOUBT = frozenset({"bukan", "belum", "kecuali", "jika", "bila", "tetapi", "tapi", "namun"})


def tsunami_of(text: str) -> Tsunami:
    """What BMKG's ``Potensi`` says; "Tidak berpotensi tsunami" is the word of all clear."""
    words = " ".join(re.findall(r"[a-z]+", text.casefold()))
    rest = _NEGATED.sub("", words)
    if "tsunami" in rest:
        return Tsunami.POSSIBLE if _STATED.search(rest) else Tsunami.UNCLEAR
    if rest != words:
        return Tsunami.UNCLEAR if _DOUBT.intersection(rest.split()) else Tsunami.NONE
    return Tsunami.UNSAID if "dirasakan" in words.split() else Tsunami.UNCLEAR


def distance(latitude: float, longitude: float, other: tuple[float, float]) -> float:
    """Kilometres along the great circle (haversine)."""
    here, there = radians(latitude), radians(other[0])
    apart = radians(other[1] - longitude)
    chord = sin((there - here) / 2) ** 2 + cos(here) * cos(there) * sin(apart / 2) ** 2
    return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(chord)))


def assess(quake: Earthquake, feed: EarthquakeFeed) -> Concern:
    """How loudly a quake is told of, and how far away it is, whether it concerns the region or not.

    A tsunami that can reach the region is feared unless BMKG says, or means, that there is none.
    """
    region = feed.region
    away = distance(quake.latitude, quake.longitude, (region.latitude, region.longitude))
    feared = away <= feed.tsunami_within_km and quake.tsunami in (Tsunami.POSSIBLE, Tsunami.UNCLEAR)
    return Concern(Level.FULL_SCREEN if feared else Level.LINE, away)


def concern(quake: Earthquake, feed: EarthquakeFeed, wall: float) -> Concern | None:
    """Whether the region must expect calls because of a quake, at ``wall`` (epoch seconds).

    Old news is none, or a start of the engine would begin a surge for yesterday's quake. A time as
    far ahead is none either: that clock, or ours, is wrong.
    """
    if abs(wall - quake.at) > feed.max_age:
        return None
    found = assess(quake, feed)
    shaken = any(
        found.distance <= each.within_km and quake.magnitude >= each.magnitude
        for each in feed.thresholds
    )
    certain = quake.tsunami is Tsunami.POSSIBLE or quake.magnitude >= TSUNAMI_MAGNITUDE
    by_sea = found.level is Level.FULL_SCREEN and certain
    return found if shaken or by_sea else None
