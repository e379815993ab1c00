"""Reads what the dialplan wrote of calls that no engine claimed.

One line a step, ``|`` between its fields, appended by ``FILE()``: it needs neither a shell nor a
module of its own, and outlives engine and Asterisk. docs/decisions/0011 says why not CDR or CEL.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ess_pbx.ari.translate import endpoint_of
from ess_pbx.domain.absence import DialplanServed, ServedCall
from ess_pbx.domain.events import Arrived
from ess_pbx.domain.ids import CallId

LARGEST = 1_000_000
"""Bytes after which the file is set aside; the one before it is dropped then."""
CLAIMED = "SUCCESS"
"""What ``STASISSTATUS`` is for a call that an engine had in the end."""

Arrival = Callable[[str, float, str, str, str, str], Arrived]
"""Of a channel's id, the time of its INVITE, the caller's number, the number called, the channel's
name and the centre that the dialplan rang."""


def read(
    path: Path, arrival: Arrival, known: Container[CallId], gone: Container[str], recordings: Path
) -> DialplanServed:
    """What is new; ``known`` calls are on record. Blocks on disk.

    Calls of which no end is told and whose channels are ``gone`` went with Asterisk, when their
    recordings were last written.
    """

    def last_written(call: str) -> float | None:
        with contextlib.suppress(OSError):
            return (recordings / f"{call}.raw").stat().st_mtime
        return None

    told, all_over = told_of(_lines(path), arrival, known, gone, last_written)
    if all_over:
        _set_aside(path)
    return told


def told_of(
    lines: Iterable[list[str]],
    arrival: Arrival,
    known: Container[CallId],
    gone: Container[str],
    last_written: Callable[[str], float | None],
) -> tuple[DialplanServed, bool]:
    """What these lines say that is new, and whether none of their calls goes on.

    ``last_written`` is of a call's recording, in epoch seconds.
    """
    calls: dict[str, ServedCall] = {}
    claimed: set[str] = set()
    for fields in lines:
        with contextlib.suppress(ValueError):  # a line torn by a crash
            match fields:
                case ["arrived", call, at, caller, called, channel, *centre]:
                    named = centre[0] if centre else ""
                    served = ServedCall(arrival(call, float(at), caller, called, channel, named))
                    calls.setdefault(call, served)
                case ["answered", call, at, leg, channel] if call in calls:
                    agent = endpoint_of(channel)
                    calls[call] = replace(calls[call], agent=agent, leg=leg, answered=float(at))
                case ["ended", call, at, cause, status] if call in calls:
                    calls[call] = replace(calls[call], ended=float(at), cause=int(cause or 0))
                    if status == CLAIMED:
                        claimed.add(call)
                case _:
                    pass
    new = {
        name: served
        for name, served in calls.items()
        if name not in claimed and served.call not in known
    }
    over = [
        each if each.ended is not None else _lost(each, last_written)
        for name, each in new.items()
        if each.ended is not None or name in gone
    ]
    talking = [
        each
        for name, each in new.items()
        if each.ended is None and each.agent is not None and name not in gone
    ]
    return DialplanServed(over, talking), not talking and len(over) == len(new)


def served_to_the_end(path: Path) -> set[str]:
    """The channels of the callers whom no engine had after the dialplan. Blocks on disk."""
    return to_the_end(_lines(path))


def to_the_end(lines: Iterable[list[str]]) -> set[str]:
    """The same, of what is written."""
    channels: set[str] = set()
    for fields in lines:
        match fields:
            case ["arrived", channel, *_]:
                channels.add(channel)
            case ["ended", channel, _, _, status] if status == CLAIMED:
                channels.discard(channel)
            case _:
                pass
    return channels


def not_ended(path: Path) -> list[str]:
    """The channels of those callers whose end is not written. Blocks on disk."""
    ended = written(path, "ended")
    return [each for each in written(path) if each not in ended]


def written(path: Path, step: str = "arrived") -> dict[str, None]:
    """The channels of the callers of whom a step is written. Blocks on disk."""
    return dict.fromkeys(line[1] for line in _lines(path) if line[0] == step and len(line) > 1)


def _lines(path: Path) -> Iterator[list[str]]:
    for each in (_before(path), path):
        with contextlib.suppress(OSError):
            for line in each.read_text(errors="replace").splitlines():
                yield line.split("|")


def _lost(served: ServedCall, last_written: Callable[[str], float | None]) -> ServedCall:
    answered = served.answered or served.arrival.invited_at
    ended = max(answered, last_written(served.call) or answered)
    return replace(served, ended=ended, lost=True)


def _set_aside(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_size > LARGEST:
            path.replace(_before(path))


def _before(path: Path) -> Path:
    return path.with_suffix(".before")
