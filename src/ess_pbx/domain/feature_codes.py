"""Feature codes: what an operator asks for on the keys of any phone, during a call.

``*<code>#`` where the code is an agency's (three or four digits: a consult with it), ``8`` and an
agency's (leave the caller to it at once), ``9`` and an extension (consult a colleague), or one of:
``*0#`` hold the caller or take them back, ``*2#`` back to the caller and to and fro, ``*3#``
conference, ``*4#`` leave the call to those who are in it, ``*5#`` drop who came last, ``*6#`` call
a supervisor in; ``*71#`` to ``*74#`` say what the call is: normal, ghost, prank, informasi.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ess_pbx.domain.commands import Mark

MARKS = MappingProxyType(
    {"71": Mark.NORMAL, "72": Mark.GHOST, "73": Mark.PRANK, "74": Mark.INFORMATION}
)
BLIND, COLLEAGUE = "8", "9"
"""The first digit of codes that are neither an agency's nor a command."""
LONGEST = 10
"""Keys after which a code that was never closed is forgotten."""


class Command(StrEnum):
    """What a code of one digit asks for."""

    HOLD = "0"
    BACK_TO_CALLER = "2"
    CONFERENCE = "3"
    LEAVE = "4"
    DROP = "5"
    SUPERVISOR = "6"


@dataclass(frozen=True, slots=True)
class Consult:
    """Bring in whom this code stands for; ``transfer_codes`` says who that is."""

    code: str


def dial(keys: str, key: str) -> tuple[str, Command | Consult | Mark | None]:
    """Add a key to those pressed so far; returns what is kept, and a code once it is complete."""
    if key == "*":
        return "*", None
    if not keys:
        return "", None
    if key != "#":
        kept = keys + key
        return (kept, None) if len(kept) <= LONGEST else ("", None)
    code = keys[1:]
    if code in {command.value for command in Command}:
        return "", Command(code)
    if code in MARKS:
        return "", MARKS[code]
    return "", Consult(code) if len(code) >= 3 else None
