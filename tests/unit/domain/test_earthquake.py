"""Which earthquakes concern a region, and what BMKG's words say of a tsunami."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as with_setting

from ess_pbx.domain.config import EarthquakeFeed, Region, Threshold
from ess_pbx.domain.earthquake import (
    Concern,
    Earthquake,
    Level,
    Tsunami,
    concern,
    distance,
    tsunami_of,
)

SERANG = Region(latitude=-6.12, longitude=106.15)
FEED = EarthquakeFeed(
    region=SERANG,
    thresholds=(
        Threshold(within_km=50, magnitude=4.5),
        Threshold(within_km=150, magnitude=5.5),
    ),
    tsunami_within_km=300,
    max_age=1800,
)
NOW = 1_780_000_000.0
KM_A_DEGREE = 111.195
"""Of latitude, on a sphere of the mean radius."""


def a_quake(km: float, magnitude: float, tsunami: Tsunami, age: float = 60.0) -> Earthquake:
    """An earthquake so far north of the region's point, reported some seconds after it was."""
    return Earthquake(
        id="q",
        at=NOW - age,
        latitude=SERANG.latitude + km / KM_A_DEGREE,
        longitude=SERANG.longitude,
        magnitude=magnitude,
        depth=10.0,
        place="Laut Jawa",
        tsunami=tsunami,
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Tidak berpotensi tsunami", Tsunami.NONE),
        ("tidak berpotensi TSUNAMI", Tsunami.NONE),
        ("Gempa ini  TIDAK BERPOTENSI\nTSUNAMI.", Tsunami.NONE),
        ("Tdk berpotensi tsunami", Tsunami.NONE),
        ("Tidak ada potensi tsunami", Tsunami.NONE),
        ("Gempa ini tidak berpotensi menimbulkan tsunami", Tsunami.NONE),
        ("Tidak berpotensi tsunami. Hati-hati gempabumi susulan", Tsunami.NONE),
        ("Berpotensi tsunami", Tsunami.POSSIBLE),
        ("BERPOTENSI TSUNAMI untuk diteruskan pada masyarakat", Tsunami.POSSIBLE),
        ("Potensi tsunami utk dtrskn pd msyrkt", Tsunami.POSSIBLE),
        ("Berpotensi tsunami, tidak perlu panik", Tsunami.POSSIBLE),
        ("Tidak berpotensi tsunami di Banten; berpotensi tsunami di Lampung", Tsunami.POSSIBLE),
        ("Peringatan dini tsunami", Tsunami.POSSIBLE),
        ("Gempa ini dirasakan untuk diteruskan pada masyarakat", Tsunami.UNSAID),
        ("", Tsunami.UNCLEAR),
        ("Sedang dianalisis", Tsunami.UNCLEAR),
        ("Bukan tidak berpotensi tsunami", Tsunami.UNCLEAR),
        ("Tsunami?", Tsunami.UNCLEAR),
    ],
)
def test_what_a_text_says_of_a_tsunami(text: str, meant: Tsunami) -> None:
    assert tsunami_of(text) is meant


def test_distance_is_along_the_great_circle() -> None:
    jakarta, palu = (-6.2, 106.816), (-0.9, 119.87)
    assert distance(*jakarta, palu) == pytest.approx(1565, abs=5)
    assert distance(*palu, palu) == 0
    assert distance(0, 179.9, (0, -179.9)) == pytest.approx(22.2, abs=0.1)


@pytest.mark.parametrize(
    ("km", "magnitude", "tsunami", "level"),
    [
        # felt near, or strong further off
        (40, 4.5, Tsunami.NONE, Level.LINE),
        (40, 4.4, Tsunami.NONE, None),
        (40, 5.0, Tsunami.UNSAID, Level.LINE),
        (60, 4.5, Tsunami.NONE, None),
        (140, 5.5, Tsunami.NONE, Level.LINE),
        (160, 8.0, Tsunami.NONE, None),
        # a tsunami may come
        (40, 5.0, Tsunami.POSSIBLE, Level.FULL_SCREEN),
        (290, 5.0, Tsunami.POSSIBLE, Level.FULL_SCREEN),
        (310, 8.5, Tsunami.POSSIBLE, None),
        # nobody says
        (40, 4.5, Tsunami.UNCLEAR, Level.FULL_SCREEN),
        (290, 6.5, Tsunami.UNCLEAR, Level.FULL_SCREEN),
        (290, 6.4, Tsunami.UNCLEAR, None),
    ],
)
def test_an_earthquake_concerns_a_region(
    km: float, magnitude: float, tsunami: Tsunami, level: Level | None
) -> None:
    found = concern(a_quake(km, magnitude, tsunami), FEED, NOW)
    assert (found and found.level) == level
    if found is not None:
        assert found.distance == pytest.approx(km, abs=0.5)


def test_a_region_without_a_coast_fears_no_tsunami() -> None:
    inland = with_setting(FEED, tsunami_within_km=0)
    assert concern(a_quake(100, 5.0, Tsunami.POSSIBLE), inland, NOW) is None
    found = concern(a_quake(40, 5.0, Tsunami.POSSIBLE), inland, NOW)
    assert isinstance(found, Concern)
    assert found.level is Level.LINE


@pytest.mark.parametrize(("age", "acts"), [(0, True), (1800, True), (1801, False), (-1801, False)])
def test_old_news_and_a_wrong_clock_begin_nothing(age: float, acts: bool) -> None:
    quake = a_quake(10, 7.0, Tsunami.POSSIBLE, age)
    assert (concern(quake, FEED, NOW) is not None) is acts


def test_an_earthquake_on_the_point_itself_concerns_it() -> None:
    here = replace(a_quake(0, 4.5, Tsunami.NONE), latitude=SERANG.latitude)
    assert concern(here, FEED, NOW) == Concern(Level.LINE, 0.0)
