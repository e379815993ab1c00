"""BMKG's format: what it says is read, and nothing in it can raise."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess_pbx.domain.earthquake import Earthquake, Tsunami
from ess_pbx.feeds.autogempa import LONGEST_TEXT, Malformed, read

from .autogempa_samples import AT, AUTOGEMPA, body


def quake(*lacking: str, **changes: Any) -> Earthquake:
    """The earthquake of an answer that can be read."""
    found = read(body(*lacking, **changes))
    assert isinstance(found, Earthquake), found
    return found


def refused(*lacking: str, **changes: Any) -> str:
    """Why an answer cannot be read."""
    found = read(body(*lacking, **changes))
    assert isinstance(found, Malformed), found
    return found.reason


def test_bmkgs_answer_is_read_whole() -> None:
    assert quake() == Earthquake(
        id="2026-11-21T00:12:34Z@-6.52,105.12",
        at=AT,
        latitude=-6.52,
        longitude=105.12,
        magnitude=5.9,
        depth=10.0,
        place="Pusat gempa berada di laut 85 km baratdaya Sumur",
        tsunami=Tsunami.NONE,
        potential="Tidak berpotensi tsunami",
        felt="III Sumur, II-III Pandeglang",
    )


def test_an_update_of_the_same_earthquake_has_the_same_id() -> None:
    update = quake(Potensi="Berpotensi tsunami", Magnitude="7.1")
    assert update.id == quake().id
    assert update.tsunami is Tsunami.POSSIBLE


@pytest.mark.parametrize(
    ("field", "value", "read_as"),
    [
        ("Magnitude", "5,9", 5.9),
        ("Magnitude", 5.9, 5.9),
        ("Magnitude", 6, 6.0),
        ("Magnitude", " 5.9 SR", 5.9),
        ("Kedalaman", "10,5 Km", 10.5),
        ("Kedalaman", "sangat dalam", None),
        ("Kedalaman", "99999 km", None),
    ],
)
def test_numbers_come_as_text_with_comma_or_point(
    field: str, value: object, read_as: float | None
) -> None:
    found = quake(**{field: value})
    assert (found.magnitude if field == "Magnitude" else found.depth) == read_as


@pytest.mark.parametrize(
    ("lacking", "changes"),
    [
        (("Coordinates",), {}),
        ((), {"Coordinates": "-6,52,105,12"}),
        ((), {"Coordinates": "-6,52,105,12", "Lintang": "6,52 LS", "Bujur": "105,12 BT"}),
        ((), {"Coordinates": ["-6.52", "105.12"]}),
        ((), {"Coordinates": "-652,105.12"}),
    ],
)
def test_the_epicentre_is_read_from_latitude_and_longitude_in_words(
    lacking: tuple[str, ...], changes: dict[str, Any]
) -> None:
    found = quake(*lacking, **changes)
    assert (found.latitude, found.longitude) == (-6.52, 105.12)


def test_north_and_west_have_their_signs() -> None:
    found = quake("Coordinates", Lintang="5.1 LU", Bujur="95.3 BB")
    assert (found.latitude, found.longitude) == (5.1, -95.3)


@pytest.mark.parametrize(
    ("stamp", "day", "clock"),
    [
        (None, "21 Nov 2026", "07:12:34 WIB"),
        ("kemarin", "21 Nov 2026", "08:12:34 WITA"),
        ("2026-11-21T00:12:34", "21-November-2026", "09:12:34 WIT"),
        ("2026-11-21T00:12:34Z", "", ""),
        ("2026-11-21T07:12:34+07:00", "31 Feb 2026", "x"),
    ],
)
def test_the_time_is_taken_with_its_zone(stamp: str | None, day: str, clock: str) -> None:
    assert quake(DateTime=stamp, Tanggal=day, Jam=clock).at == AT


@pytest.mark.parametrize("name", ["Agu", "Agt", "Aug"])
def test_months_are_known_in_both_languages(name: str) -> None:
    told = quake("DateTime", Tanggal=f"17 {name} 2026", Jam="07:00:00 WIB")
    assert told.id.startswith("2026-08-17T00:00:00Z")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Magnitude": "kuat"}, "Magnitude"),
        ({"Magnitude": "NaN"}, "Magnitude"),
        ({"Magnitude": "1e9"}, "Magnitude"),
        ({"Magnitude": "59"}, "Magnitude"),
        ({"Magnitude": True}, "Magnitude"),
        ({"Magnitude": "٥"}, "Magnitude"),
        ({"Coordinates": "95,200", "Lintang": "", "Bujur": ""}, "Coordinates"),
        ({"DateTime": "2026-11-21T00:12:34", "Jam": "07:12:34"}, "DateTime"),
        ({"DateTime": "0001-01-01T00:00:00+23:00", "Jam": ""}, "DateTime"),
        ({"DateTime": "9999-12-31T23:59:59-23:00", "Jam": ""}, "DateTime"),
    ],
)
def test_what_cannot_be_an_earthquake_is_refused_by_its_field(
    changes: dict[str, Any], expected: str
) -> None:
    assert expected in refused(**changes)


def test_no_word_on_a_tsunami_is_no_all_clear() -> None:
    assert quake("Potensi").tsunami is Tsunami.UNCLEAR
    assert quake(Potensi=None).tsunami is Tsunami.UNCLEAR
    assert quake(Potensi=["Tidak berpotensi tsunami"]).tsunami is Tsunami.UNCLEAR


def test_mark_up_and_length_do_not_come_through() -> None:
    found = quake(Wilayah='<img src=x onerror="a()">laut &lt;b&gt;\x00\n' + "x" * 9999)
    assert found.place.startswith("laut b xxx")
    assert len(found.place) == LONGEST_TEXT
    assert not set(found.place) & set("<>\x00\n")
    assert quake(Potensi="<b>Tidak</b> berpotensi tsunami").tsunami is Tsunami.NONE


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        b"\xff\xfe\x00",
        b"[" * 60_000,
        b'{"Infogempa":' * 4_000,
        b"null",
        b'{"Infogempa": []}',
        b'{"Infogempa": {"gempa": "x"}}',
        json.dumps({"Infogempa": {"gempa": [AUTOGEMPA]}}).encode(),
    ],
)
def test_junk_is_malformed(junk: bytes) -> None:
    assert isinstance(read(junk), Malformed)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
near = st.from_regex(
    r"[-+]?[0-9.,]{0,8} ?(LS|LU|BT|BB|km)?|[0-9T:+. A-Za-z-]{0,26}", fullmatch=True
)


@given(st.binary(max_size=300))
def test_bytes_never_raise(data: bytes) -> None:
    assert isinstance(read(data), Earthquake | Malformed)


@given(st.dictionaries(st.sampled_from(sorted(AUTOGEMPA)), values | near))
def test_any_value_of_any_field_is_read_or_refused_and_stays_in_its_range(
    changes: dict[str, Any],
) -> None:
    found = read(body(**changes))
    if isinstance(found, Malformed):
        return
    assert -90 <= found.latitude <= 90
    assert -180 <= found.longitude <= 180
    assert 0 <= found.magnitude <= 10
    assert math.isfinite(found.at)
    assert found.depth is None or 0 <= found.depth <= 1000
    assert not {"<", ">"} & set(found.place + found.potential + found.felt)
