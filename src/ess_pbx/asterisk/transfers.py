"""Which Asterisk may be asked to hand a phone's transfer (REFER) to the engine.

Older ones end, and every call with them, by a single REFER with ``Refer-Sub: false`` on a leg that
does so (asterisk#2021); phones are refused every transfer there (docs/decisions/0022).
"""

from __future__ import annotations

SINCE = {22: (22, 11, 0), 23: (23, 5, 0)}
"""The first version of each line that has the remedy; all later lines have it."""

NEEDED = "expected Asterisk 22.11, 23.5 or newer; a phone can end older ones (asterisk#2021)"

Version = tuple[int, int, int]


def are_safe(version: Version) -> bool:
    """Whether a phone's REFER may go to the engine."""
    major = version[0]
    return major > max(SINCE) or (major in SINCE and version >= SINCE[major])
