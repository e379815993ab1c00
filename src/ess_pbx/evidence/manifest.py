"""The manifest: what was ever kept, opened, held or destroyed, each line chained to the one before.

A line is ``<SHA-256 of the rest> <entry as JSON>\\n``, and each entry holds the hash of the line
before it: to change one means to change all that follow. The head of each day is signed
(``heads/<date>.json`` and ``.sig``, Ed25519), so that even all of them cannot be made anew without
the key. Everything can be checked with ``sha256sum`` and ``openssl``.
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

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.keys import EvidenceKeys

MANIFEST = "manifest.log"
"""Its name in the recordings folder."""
FIRST = "0" * 64
"""What the first entry has for the hash before it."""
_HASH = 64


class Act(StrEnum):
    """What was done with a recording."""

    STORED = "stored"
    OPENED = "opened"
    HELD = "held"
    RELEASED = "released"
    DESTROYED = "destroyed"


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

    @property
    def day(self) -> date:
        """The day of the entry, in UTC."""
        return datetime.fromisoformat(self.at).date()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The last entry of a day, as it is signed."""

    day: str
    seq: int
    hash: str


class Manifest:
    """The manifest of one recordings folder. Several processes may append to it."""

    def __init__(self, folder: Path, keys: EvidenceKeys) -> None:
        self.path = folder / MANIFEST
        self.heads = folder / "heads"
        self._folder = folder
        self._keys = keys

    def append(self, at: datetime, act: Act, recording: str, **fields: str | float) -> Entry:
        """Add an entry; it is on disk when this returns. Blocks. Raises EvidenceError or OSError.

        With the first entry of a day the head of the last day before it is signed.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last, head = self._last(file.fileno())
            values = {"seq": 1 + (last.seq if last else 0), "prev": head, "at": _iso(at)}
            entry = msgspec.convert({**values, "act": act, "recording": recording, **fields}, Entry)
            if last is not None and last.day < entry.day:
                self._sign(last, head)
            body = msgspec.json.encode(entry)
            file.write(b"%b %b\n" % (_hash(body).encode(), body))
            file.flush()
            os.fsync(file.fileno())
        return entry

    def sign_head(self) -> Head | None:
        """Sign the newest entry as the head of its day; None when there is no entry."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last, head = self._last(file.fileno())
            return None if last is None else self._sign(last, head)

    def entries(self) -> Iterator[tuple[Entry, str]]:
        """Every entry with its hash, oldest first; raises as ``Chain.read_on`` does."""
        return Chain(self.path).read_on()

    def check_heads(self) -> int:
        """Hold every signed head against the chain; returns how many. Raises EvidenceError."""
        hashes = {entry.seq: found for entry, found in self.entries()}
        count = 0
        for path in sorted(self.heads.glob("*.json")):
            signed = path.read_bytes()
            check_signature(self._keys.public, path, signed)
            head = msgspec.json.decode(signed, type=Head)
            if hashes.get(head.seq) != head.hash:
                found = hashes.get(head.seq, "nothing")[:12]
                raise EvidenceError(
                    f"{path}: entry {head.seq} had the hash {head.hash[:12]}… on {head.day} and "
                    f"has {found} now: the manifest was made anew or cut off"
                )
            count += 1
        return count

    def _sign(self, last: Entry, hash_of_last: str) -> Head:
        head = Head(day=last.day.isoformat(), seq=last.seq, hash=hash_of_last)
        self.heads.mkdir(exist_ok=True, mode=0o700)
        text = msgspec.json.encode(head) + b"\n"
        path = self.heads / f"{head.day}.json"
        write_whole(path.with_suffix(".sig"), self._keys.sign(text))
        write_whole(path, text)
        write_whole(self.heads / "public.pem", self._keys.public_pem)
        return head

    def _last(self, descriptor: int) -> tuple[Entry | None, str]:
        """The newest entry and its hash; a line that a crash left unfinished is cut off."""
        with contextlib.closing(os.fdopen(os.dup(descriptor), "rb")) as file:
            size = file.seek(0, os.SEEK_END)
            if size == 0:
                return None, FIRST
            tail, step = b"", 4096
            while size > len(tail) and tail.count(b"\n") < 2:
                start = max(0, size - len(tail) - step)
                file.seek(start)
                tail = file.read(size - start)
        whole, _, torn = tail.rpartition(b"\n")
        if torn:
            os.truncate(self.path, size - len(torn))
        if not whole:
            return None, FIRST
        try:
            return _parse(whole.rpartition(b"\n")[2] + b"\n")
        except ValueError as error:
            raise EvidenceError(f"{self.path}: its last line: {error}") from error


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


def check_signature(public: Ed25519PublicKey, path: Path, signed: bytes) -> None:
    """Raise EvidenceError unless ``path``'s ``.sig`` is this key's signature of its content."""
    try:
        public.verify(path.with_suffix(".sig").read_bytes(), signed)
    except OSError as error:
        raise EvidenceError(f"{path}: its signature cannot be read: {error.strerror}") from error
    except InvalidSignature:
        raise EvidenceError(f"{path}: not what was signed, or signed with another key") from None


def read_public(pem: bytes) -> Ed25519PublicKey:
    """A public key in PEM. Raises EvidenceError for any other kind."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise EvidenceError(f"a public key of {type(key).__name__}; expected Ed25519")
    return key


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, even after a power cut."""
    fresh = path.with_name(path.name + ".part")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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
