"""The journal's files: one record per line, each with its checksum, in segments.

A line is ``<CRC-32 of the rest, 8 hex digits> <sequence> <fact as JSON>\\n``: a person can read it,
and after damage the next newline is a place to start again. A segment is named by the sequence of
its first record.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar
from zlib import crc32

import msgspec

from ess_pbx.domain.facts import Fact
from ess_pbx.errors import EssPbxError

Record = tuple[int, Fact]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Fact)


class JournalError(EssPbxError):
    """The journal cannot be opened, or could not be written before it was closed."""

    code: ClassVar[str] = "journal"
    http_status: ClassVar[int] = 503


class Damage(msgspec.Struct, frozen=True):
    """Bytes of a segment that are not a record; they were skipped."""

    path: Path
    offset: int
    length: int
    what: str
    unfinished: bool = False
    """Whether the file ends within it, as where an engine is writing or died."""

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.length} bytes at offset {self.offset} are not a record "
            f"({self.what}); skipped"
        )


class SegmentWriter:
    """Appends to one segment, and knows how much of it is surely on disk (``size``, bytes)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self.size = os.fstat(self._fd).st_size
        try:
            sync_folder(path.parent)
        except OSError:
            os.close(self._fd)
            raise

    def commit(self, data: bytes) -> None:
        """Write ``data`` after what is on disk and fsync it; on OSError nothing was added.

        After an error the same bytes are written again at the same offset: a failed fsync may
        have dropped the dirty pages, so syncing once more would prove nothing.
        """
        written = 0
        while written < len(data):
            written += self._write(data[written:], self.size + written)
        self._sync()
        self.size += len(data)

    def forget_uncommitted(self) -> None:
        """Cut off what a failed ``commit`` left behind."""
        os.ftruncate(self._fd, self.size)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _write(self, data: bytes, offset: int) -> int:
        return os.pwrite(self._fd, data, offset)

    def _sync(self) -> None:
        os.fsync(self._fd)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable: fsync of a new file does not cover its name."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def encode(sequence: int, fact: Fact) -> bytes:
    """The line of a fact. Never raises: what JSON cannot hold is kept as its repr."""
    try:
        text = _encoder.encode(fact)
    except Exception:
        # Whatever it is, an odd value from the network must not end a call.
        text = _encoder.encode(_legible(fact))
    body = b"%d %b" % (sequence, text)
    return b"%08x %b\n" % (crc32(body), body)


def decode(line: bytes) -> Record:
    """The sequence and fact of a line without its newline; ValueError says what is wrong."""
    if line[8:9] != b" " or line[:8] != b"%08x" % crc32(line[9:]):
        raise ValueError("checksum wrong")
    sequence, _, text = line[9:].partition(b" ")
    return int(sequence), _decoder.decode(text)


def segment_path(folder: Path, first: int) -> Path:
    """The file of the segment whose first record has sequence ``first``."""
    return folder / f"facts-{first:020d}.log"


def list_segments(folder: Path) -> list[tuple[int, Path]]:
    """The first sequence and path of every segment, oldest first."""
    return sorted(
        (int(path.name[6:26]), path)
        for path in folder.glob("facts-*.log")
        if re.fullmatch(r"facts-[0-9]{20}\.log", path.name)
    )


def facts_of_kinds(folder: Path, kinds: Iterable[str], since: float = 0.0) -> Iterator[Fact]:
    """The facts of some kinds in a journal that may be written meanwhile, oldest first.

    Lines of other kinds are not decoded, so that a long journal is read as fast as its disk is;
    segments that were not written ``since`` (epoch seconds) are left out. Blocks. What is damaged
    is passed over, as is a line that is not finished yet.
    """
    wanted = frozenset(kinds)
    marks = [f'"kind":"{kind}"'.encode() for kind in wanted]
    for _, path in list_segments(folder):
        if path.stat().st_mtime < since:
            continue
        with path.open("rb") as file:
            for line in file:
                if not any(mark in line for mark in marks):
                    continue
                try:
                    _, fact = decode(line.removesuffix(b"\n"))
                except ValueError:
                    continue
                if fact.kind in wanted:
                    yield fact


def scan(file: BinaryIO, path: Path, limit: int | None = None) -> Iterator[Record | Damage]:
    """Records and damage from where ``file`` stands to ``limit`` (bytes) or its end.

    After each item ``file.tell()`` is the offset behind it.
    """
    offset = file.tell()
    while limit is None or offset < limit:
        line = file.readline()
        if not line:
            return
        item: Record | Damage
        if not line.endswith(b"\n"):
            item = Damage(path, offset, len(line), "the file ends within it", unfinished=True)
        else:
            try:
                item = decode(line[:-1])
            except ValueError as error:
                item = Damage(path, offset, len(line), str(error))
        offset += len(line)
        yield item


class Cursor:
    """Reads durable records in order, some at a time; blocks on disk, so use it in a thread.

    ``end`` gives the first sequence of the newest segment and how many of its bytes are durable.
    """

    def __init__(
        self,
        folder: Path,
        start: int,
        end: Callable[[], tuple[int, int]],
        on_damage: Callable[[Damage], None],
    ) -> None:
        self._folder = folder
        self._start = start
        self._end = end
        self._on_damage = on_damage
        self._segment = 0
        self._offset = 0

    def take(self, count: int) -> list[Record]:
        """Up to ``count`` further records; an empty list when all that is durable was taken."""
        records: list[Record] = []
        newest, size = self._end()
        for first, path in self._remaining():
            limit = size if first == newest else None
            if first > newest:
                break
            if first != self._segment:
                self._segment, self._offset = first, 0
            with path.open("rb") as file:
                file.seek(self._offset)
                for item in scan(file, path, limit):
                    self._offset = file.tell()
                    if isinstance(item, Damage):
                        self._on_damage(item)
                    elif item[0] >= self._start:
                        records.append(item)
                        if len(records) == count:
                            return records
        return records

    def _remaining(self) -> list[tuple[int, Path]]:
        known = list_segments(self._folder)
        if not self._segment:
            before = [first for first, _ in known if first <= self._start]
            return [entry for entry in known if not before or entry[0] >= before[-1]]
        return [entry for entry in known if entry[0] >= self._segment]


def _legible(fact: Fact) -> Fact:
    def plain(value: object) -> str:
        return str(value).encode("utf-8", "backslashreplace").decode()

    return Fact(
        id=plain(fact.id),
        centre=plain(fact.centre),
        call=None if fact.call is None else plain(fact.call),
        kind=plain(fact.kind),
        at=fact.at if isinstance(fact.at, int | float) else 0.0,
        ms=fact.ms if isinstance(fact.ms, int) and abs(fact.ms) < 2**63 else None,
        data={"unencodable": plain(repr(fact.data))},
    )
