"""The manifest: what was ever kept, opened, held or destroyed, each line chained to the one before.

A line is ``<SHA-256 of the rest> <entry as JSON>\\n``, and each entry holds the hash of the line
before it: to change one means to change all that follow. The newest entry of each day is signed as
it is written (``evidence.heads``), so that even all of them cannot be made anew without the key.
Everything can be checked with ``sha256sum`` and ``openssl``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import msgspec

from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.heads import Head, Heads
from ess_pbx.evidence.keys import EvidenceKeys

MANIFEST = "manifest.log"
"""Its name in the recordings folder."""
FIRST = "0" * 64
"""What the first entry has for the hash before it."""
_HASH = 64
LINES_READ = 4
"""From the end: two whole ones, one that was torn, and what the first begins within."""


class Act(StrEnum):
    """What was done with a recording."""

    STORED = "stored"
    OPENED = "opened"
    HELD = "held"
    RELEASED = "released"
    DESTROYED = "destroyed"
    SIGNED = "signed"
    """Somebody vouched for days whose heads were lost; of no recording."""
    CLASSIFIED = "classified"
    """A report says that it is of a further category."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. ``bytes`` and ``sha256`` are the file's as it lies there, ``audio_sha256`` the
    FLAC's within it."""

    seq: int
    prev: str
    at: str
    """ISO 8601 in UTC."""
    act: Act
    recording: str
    call: str = ""
    centre: str = ""
    category: str = ""
    recorded_at: str = ""
    file: str = ""
    """Relative to the recordings folder."""
    bytes: int = 0
    sha256: str = ""
    audio_sha256: str = ""
    seconds: float = 0.0
    by: str = ""
    reason: str = ""
    via: str = ""
    """``api`` or ``cli``; ``system`` where a rule of the centre acts."""
    user: str = ""
    """The system's user, on the command line."""
    how: str = ""
    """What it was opened for: ``play``, ``export`` or ``evidence``."""

    @property
    def day(self) -> date:
        """The day of the entry, in UTC."""
        return datetime.fromisoformat(self.at).date()


_Found: TypeAlias = tuple[Entry | None, str]


class Manifest:
    """The manifest of one recordings folder. Several processes may append to it."""

    def __init__(self, folder: Path, keys: EvidenceKeys) -> None:
        self.path = folder / MANIFEST
        self.heads = Heads(folder / "heads", keys)
        self._folder = folder

    def append(self, at: datetime, act: Act, recording: str, **fields: str | float) -> Entry:
        """Add an entry; it is on disk, and signed, when this returns. Blocks.

        Raises OSError, or EvidenceError when what is there was tampered with: then nothing is
        added to it.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last, head = self._covered(file.fileno())
            values = {"seq": 1 + (last.seq if last else 0), "prev": head, "at": _iso(at)}
            entry = msgspec.convert({**values, "act": act, "recording": recording, **fields}, Entry)
            body = msgspec.json.encode(entry)
            found = _hash(body)
            file.write(b"%b %b\n" % (found.encode(), body))
            file.flush()
            os.fsync(file.fileno())
            self.heads.sign(_head(entry, found))
        return entry

    def sign_head(self) -> Head | None:
        """See that the newest entry is signed, which a crash may have prevented; None without one.

        Raises as ``append`` does.
        """
        if not self.path.exists():
            return None
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last, head = self._covered(file.fileno())
            return None if last is None else _head(last, head)

    def entries(self) -> Iterator[tuple[Entry, str]]:
        """Every entry with its hash, oldest first; raises as ``Chain.read_on`` does."""
        return Chain(self.path).read_on()

    def check_heads(self) -> int:
        """Hold the signed heads against the chain; returns how many.

        Every day that has entries must have one, which signs the last of them. Raises
        EvidenceError.
        """
        with contextlib.ExitStack() as stack:
            if self.path.exists():
                # Who appends meanwhile would sign what was not read yet.
                fcntl.flock(stack.enter_context(self.path.open("rb")), fcntl.LOCK_SH)
            return self.heads.check(*self._read_heads())

    def sign_missing(self) -> list[str]:
        """Sign the days that have no fitting head, when heads were lost; returns these days.

        Who does so vouches for the chain. Raises EvidenceError when a head that is there says that
        it is another one.
        """
        with self.path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            return self.heads.sign_missing(*self._read_heads())

    def _read_heads(self) -> tuple[dict[str, Head], dict[int, str]]:
        """What the head of each day must be, and the hash of each entry."""
        last: dict[str, Head] = {}
        hashes: dict[int, str] = {}
        for entry, found in self.entries():
            hashes[entry.seq] = found
            last[entry.day.isoformat()] = _head(entry, found)
        return last, hashes

    def _covered(self, descriptor: int) -> tuple[Entry | None, str]:
        """The newest entry and its hash, once it is known to be below a signature."""
        (before, _), (last, head) = self._last_two(descriptor)
        if last is None:
            self.heads.require_none()
        else:
            former = None if before is None else _head(before, last.prev)
            self.heads.cover(_head(last, head), former)
        return last, head

    def _last_two(self, descriptor: int) -> tuple[_Found, _Found]:
        """The newest two entries; a line that a crash left unfinished is cut off."""
        nothing: _Found = (None, FIRST)
        with contextlib.closing(os.fdopen(os.dup(descriptor), "rb")) as file:
            size = file.seek(0, os.SEEK_END)
            tail, step = b"", 4096
            while size > len(tail) and tail.count(b"\n") < LINES_READ:
                start = max(0, size - len(tail) - step)
                file.seek(start)
                tail = file.read(size - start)
        whole, _, torn = tail.rpartition(b"\n")
        if torn:
            os.truncate(self.path, size - len(torn))
        lines = whole.split(b"\n")[-2:] if whole else []
        try:
            found: list[_Found] = [_parse(line + b"\n") for line in lines]
        except ValueError as error:
            raise EvidenceError(f"{self.path}: its last lines: {error}") from error
        before, last = [nothing, nothing, *found][-2:]
        return before, last


class Chain:
    """Reads a manifest and goes on where it stopped, holding each line against the one before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._before = FIRST
        self._number = 0

    def read_on(self) -> Iterator[tuple[Entry, str]]:
        """The entries since the last time, with their hashes.

        Raises EvidenceError at the first that is wrong: which line, what is there and what should.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                where = f"{self._path}:{self._number + 1}"
                try:
                    entry, found = _parse(line)
                except ValueError as error:
                    raise EvidenceError(f"{where}: {error}") from error
                if entry.prev != self._before or entry.seq != self._number + 1:
                    raise EvidenceError(
                        f"{where}: follows entry {entry.seq - 1} with hash {entry.prev[:12]}…; "
                        f"expected entry {self._number} with {self._before[:12]}…: a line before "
                        "it was changed, added or taken away"
                    )
                self._offset += len(line)
                self._before, self._number = found, entry.seq
                yield entry, found


def _head(entry: Entry, found: str) -> Head:
    return Head(day=entry.day.isoformat(), seq=entry.seq, hash=found)


def _parse(line: bytes) -> tuple[Entry, str]:
    found, _, body = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or len(found) != _HASH or _hash(body).encode() != found:
        raise ValueError("its hash is not that of its content: the line was changed")
    try:
        return msgspec.json.decode(body, type=Entry), found.decode()
    except msgspec.MsgspecError as error:
        raise ValueError(f"not an entry: {error}") from error


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
