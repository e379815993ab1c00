"""What BMKG's address answers, as its own documentation and mirrors of it show."""

from __future__ import annotations

import json
from typing import Any

AUTOGEMPA: dict[str, Any] = {
    "Tanggal": "21 Nov 2026",
    "Jam": "07:12:34 WIB",
    "DateTime": "2026-11-21T00:12:34+00:00",
    "Coordinates": "-6.52,105.12",
    "Lintang": "6.52 LS",
    "Bujur": "105.12 BT",
    "Magnitude": "5.9",
    "Kedalaman": "10 km",
    "Wilayah": "Pusat gempa berada di laut 85 km baratdaya Sumur",
    "Potensi": "Tidak berpotensi tsunami",
    "Dirasakan": "III Sumur, II-III Pandeglang",
    "Shakemap": "20261121071234.mmi.jpg",
}
AT = 1795219954.0
"""Its time, in seconds since the epoch."""


def body(*lacking: str, **changes: Any) -> bytes:
    """The answer with some fields other or gone."""
    report = {**AUTOGEMPA, **changes}
    for name in lacking:
        del report[name]
    return json.dumps({"Infogempa": {"gempa": report}}).encode()
