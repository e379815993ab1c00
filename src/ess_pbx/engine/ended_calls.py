"""Reads what the dialplan wrote of the end of each call that came in, whoever had the call.

One line a call, ``|`` between its fields (``h`` in ``dialplan/``), in the order of their ends. By
them the next engine knows how calls ended that went on without one; and that there was a call of
which no engine ever wrote: its caller left before any could claim it, or it was claimed by one that
died in that moment.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ess_pbx.domain.absence import ServedCall
from ess_pbx.domain.ids import CallId, call_of, is_called_back
from ess_pbx.engine.absence import LARGEST, Arrival

ENOUGH_KNOWN = 50
"""Ends in a row that are on record: what ended before them an engine has seen."""


class Ended(NamedTuple):
    """A caller's channel that is gone. Times are epoch seconds."""

    channel: str
    cause: int
    """Q.850."""
    at: float
    invited_at: float
    caller: str
    called: str
    name: str
    centre: str


def parsed(lines: Iterable[str]) -> list[Ended]:
    """What these lines say; one that a crash has torn says nothing."""
    found: list[Ended] = []
    for line in lines:
        channel, *rest = line.strip().split("|")
        if len(rest) != len(Ended._fields) - 1:
            continue
        cause, at, invited_at, *names = rest
        with contextlib.suppress(ValueError):
            found.append(Ended(channel, int(cause or 0), float(at), float(invited_at), *names))
    return found


def not_seen(ended: Sequence[Ended], known: Container[CallId], since: float) -> list[Ended]:
    """The latest of them, of which some may not be on record: what came after many that are.

    An engine that starts knows the latest calls alone. No clock tells which: it may have been set.
    Where few are known, the journal was begun lately, ``since`` epoch seconds.
    """
    in_a_row = 0
    for place in range(len(ended) - 1, -1, -1):
        in_a_row = in_a_row + 1 if call_of(ended[place].channel) in known else 0
        if in_a_row == ENOUGH_KNOWN:
            return list(ended[place:])
    return [each for each in ended if each.at >= since]


def without(ended: Iterable[Ended], known: Container[CallId]) -> list[Ended]:
    """Those of calls that are not ``known``; that the centre called somebody is on record."""
    return [
        each
        for each in ended
        if not is_called_back(each.channel) and call_of(each.channel) not in known
    ]


def unheard(ended: Iterable[Ended], arrival: Arrival) -> list[ServedCall]:
    """Their calls, of which nothing is known: they came, and went, and nobody had them."""
    calls: dict[CallId, ServedCall] = {}
    for each in ended:
        arrived = arrival(
            *(each.channel, each.invited_at, each.caller, each.called, each.name, each.centre)
        )
        served = ServedCall(arrived, ended=each.at, cause=each.cause, unheard=True)
        calls[arrived.call] = served
    return list(calls.values())


class EndedCalls:
    """The ends of the calls of one Asterisk."""

    def __init__(self, path: Path) -> None:
        self._files = (path.with_suffix(".before"), path)
        self._read: dict[int, int] = {}
        """How far each file, by its inode, has been read."""

    def new(self) -> list[Ended]:
        """What was written since this was asked last; at first, all. Blocks on disk."""
        read, lines = dict[int, int](), list[str]()
        for path in self._files:
            with contextlib.suppress(OSError), path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                at = file.seek(self._read.get(inode, 0))
                content = file.read()
                # The rest is being written.
                whole = content[: content.rfind(b"\n") + 1]
                read[inode] = at + len(whole)
                lines += whole.decode(errors="replace").splitlines()
        self._read = read
        before, path = self._files
        with contextlib.suppress(OSError):
            if (there := path.stat()).st_size > LARGEST:
                path.replace(before)
                # A new file may come to have the inode of the one that is gone now.
                self._read = {there.st_ino: read.get(there.st_ino, 0)}
        return parsed(lines)

    def causes(self, calls: Iterable[CallId]) -> dict[CallId, int]:
        """How the callers' legs of these calls ended (Q.850), of each that was written of.

        Blocks on disk.
        """
        wanted = set(calls)
        ended = chain.from_iterable(map(_all, self._files)) if wanted else ()
        return {CallId(each.channel): each.cause for each in ended if each.channel in wanted}


def _all(path: Path) -> list[Ended]:
    with contextlib.suppress(OSError):
        return parsed(path.read_text(errors="replace").splitlines())
    return []
