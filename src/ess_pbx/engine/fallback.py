"""The phones that ring when no engine answers: a file that the dialplan reads by itself.

Each centre has its own: ``FILE()`` in ``[unclaimed-<centre>]`` reads it, and a few free phones of
it are rung for each caller. It outlives both the engine and Asterisk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

LONGEST = 4096
"""Bytes of the list that the dialplan's ``FILE()`` reads (``dialplan/extensions.conf.j2``)."""
END = "!"
"""After the list: Asterisk's ``FILE()`` reads on past the end of a file into what lay in memory."""


def dial_string(on_duty: Iterable[str], everyone: Iterable[str]) -> str:
    """Whom the dialplan may ring: the phones on duty, or every phone when nobody is.

    As many as the dialplan can read, which are some 370 with extensions of four digits.
    """
    phones = "&".join(f"PJSIP/{extension}" for extension in sorted(on_duty) or sorted(everyone))
    room = LONGEST - len(END)
    return phones if len(phones) <= room else phones[: phones.rindex("&", 0, room + 1)]


def write(path: Path, on_duty: Iterable[str], everyone: Iterable[str]) -> None:
    """Replace the list; a reader sees the old one or the new one, never half of one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(dial_string(on_duty, everyone) + END)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
