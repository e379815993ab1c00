"""The journal: facts on local disk before anything else, without the loop ever waiting for it.

``append`` only puts a line in a queue; a thread writes what has gathered there and fsyncs it once
(group commit). The database follows from here (``ess_pbx.db.projector``). When the disk refuses,
facts wait in memory and the thread tries again: a call never notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from ess_pbx.domain.facts import Fact
from ess_pbx.engine.segments import (
    Cursor,
    Damage,
    JournalError,
    Record,
    SegmentWriter,
    encode,
    list_segments,
    scan,
    segment_path,
    sync_folder,
)

if TYPE_CHECKING:
    from typing import IO

SEGMENT_BYTES = 16 * 1024 * 1024
"""The next engine reads the newest segment whole before it goes on with the calls."""
RESERVE_BYTES = 16 * 1024 * 1024
"""Kept for when the disk is full: some 60,000 facts, the end of many hundred calls."""
RESERVE_SECONDS = 30.0
"""How often it is tried to have the reserve again."""
_STOP = b""


def _ignore(*_: object) -> None:
    pass


class Journal:
    """An append-only record of facts in a folder that one process owns.

    Opened within a running loop, it calls back on that loop, otherwise from its own thread:
    ``on_trouble(reason)`` when facts cannot be written or damage is found, ``on_recovered()`` when
    writing goes on. ``append`` belongs to one thread, the loop's. ``on_commit(seconds, facts)`` is
    told on the journal's own thread of each group of facts that is on disk, and may not block.

    Raises JournalError when the folder cannot be used or another process has it open.
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        retry_seconds: float = 0.5,
        reserve_bytes: int = RESERVE_BYTES,
        on_trouble: Callable[[str], None] = _ignore,
        on_recovered: Callable[[], None] = _ignore,
        on_commit: Callable[[float, int], None] = _ignore,
        open_segment: Callable[[Path], SegmentWriter] = SegmentWriter,
    ) -> None:
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._retry_seconds = retry_seconds
        self._reserve = Reserve(folder / "reserve", reserve_bytes)
        self._on_trouble = on_trouble
        self._on_recovered = on_recovered
        self.on_commit = on_commit
        self._open_segment = open_segment
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._writer: SegmentWriter | None = None
        self._waiting: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._waiting_lock = threading.Lock()
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._closed = False
        self.refused = False
        """Whether the disk refused the last facts; they are tried again."""
        self._writing_since: float | None = None
        self._stopping = threading.Event()
        self._give_up = threading.Event()
        self._lock_file = self._take_folder()
        try:
            self.id = self._read_id()
            self._durable = self._recover()
        except OSError as error:
            self._lock_file.close()
            raise JournalError(
                f"journal folder {folder}: {error.strerror}; expected one that ess-pbx may read "
                "and write: set the journal's folder, or its owner"
            ) from error
        self._reserve.renew()
        self._next = self._durable + 1
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._thread.start()

    @property
    def durable(self) -> int:
        """The sequence of the last fact that is surely on disk; 0 when there is none."""
        return self._durable

    @property
    def waiting(self) -> int:
        """How many facts are in memory only."""
        return self._next - 1 - self._durable

    @property
    def has_reserve(self) -> bool:
        """Whether there is room left for facts when others have filled the disk."""
        return self._reserve.is_held

    @property
    def stuck(self) -> float:
        """For how many seconds the disk has not said whether it has the facts it was given."""
        since = self._writing_since
        return 0.0 if since is None else time.monotonic() - since

    def append(self, fact: Fact) -> int:
        """Take a fact, without I/O and without ever raising; return its sequence."""
        sequence = self._next
        if self._stopping.is_set():
            self._call(
                self._on_trouble, f"fact {fact.id} ({fact.kind}) came after the journal was closed"
            )
            return sequence
        self._next = sequence + 1
        self._queue.put(encode(sequence, fact))
        return sequence

    async def flushed(self, sequence: int) -> None:
        """Wait until the fact with ``sequence`` is on disk, for as long as the disk refuses it.

        Raises JournalError when the journal is closed before.
        """
        if sequence <= self._durable:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._waiting_lock:
            if sequence <= self._durable:
                return
            if self._closed:
                raise self._closed_error()
            self._waiting.append((sequence, loop, done))
        try:
            await done
        finally:
            with self._waiting_lock:
                self._waiting = [entry for entry in self._waiting if entry[2] is not done]

    def cursor(self, from_sequence: int = 1) -> Cursor:
        """A reader that goes on where it stopped, for following the journal."""
        return Cursor(self.folder, from_sequence, self._durable_end, self._report_damage)

    def read(self, from_sequence: int = 1) -> Iterator[Record]:
        """Every durable fact from ``from_sequence`` on; blocks on disk."""
        cursor = self.cursor(from_sequence)
        while records := cursor.take(1000):
            yield from records

    def since_last(
        self, is_wanted: Callable[[Fact], bool], centres: Iterable[str]
    ) -> dict[str, list[Fact]]:
        """For each centre its last durable fact that is wanted and all of its after it, else every
        fact of it; blocks on disk.

        Segments are read from the newest backwards, no further than needed.
        """
        after: dict[str, list[Fact]] = {centre: [] for centre in centres}
        lacking = set(after)
        end = self._durable
        for first, _ in reversed(list_segments(self.folder)):
            found: dict[str, list[Fact]] = {centre: [] for centre in lacking}
            for sequence, fact in self.read(first):
                if sequence > end:
                    break
                if fact.centre in found:
                    if is_wanted(fact):
                        found[fact.centre] = []
                    found[fact.centre].append(fact)
            for centre, facts in found.items():
                after[centre] = facts + after[centre]
                if facts and is_wanted(facts[0]):
                    lacking.discard(centre)
            if not lacking:
                break
            end = first - 1
        return after

    async def close(self, patience: float = 5.0) -> None:
        """Write all facts and stop; may be called again.

        Raises JournalError when the disk still refuses them after ``patience`` seconds.
        """
        await asyncio.to_thread(self.close_now, patience)

    def close_now(self, patience: float = 5.0) -> None:
        """``close`` for callers without a loop; blocks."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._queue.put(_STOP)
        self._thread.join(patience)
        if self._thread.is_alive():
            self._give_up.set()
            self._thread.join()
        with self._waiting_lock:
            if self._closed:
                return
            self._closed = True
            left = self._waiting
        for _, loop, done in left:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_fail, done, self._closed_error())
        if self._writer is not None:
            self._writer.close()
        self._lock_file.close()
        if self.waiting:
            raise JournalError(
                f"journal {self.folder}: {self.waiting} facts could not be written within "
                f"{patience} s and are lost; free space on its disk before stopping the engine"
            )

    def _closed_error(self) -> JournalError:
        return JournalError(f"journal {self.folder} was closed; open it again to go on")

    def _take_folder(self) -> IO[bytes]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock_file = (self.folder / "lock").open("ab")
        except OSError as error:
            raise JournalError(
                f"journal folder {self.folder}: {error.strerror}; expected a folder that ess-pbx "
                "may create and write"
            ) from error
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock_file.close()
            raise JournalError(
                f"journal folder {self.folder} is in use by another engine; give each engine "
                "its own, or stop the other"
            ) from error
        return lock_file

    @property
    def begun(self) -> float:
        """When it was, in epoch seconds. Blocks on disk."""
        return (self.folder / "id").stat().st_mtime

    def _read_id(self) -> str:
        path = self.folder / "id"
        if not path.exists():
            fresh = path.with_suffix(".new")
            with fresh.open("w") as file:
                file.write(f"{uuid.uuid4()}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            sync_folder(self.folder)
        return path.read_text().strip()

    def _recover(self) -> int:
        """Cut a torn last record off and return the last sequence that is on disk."""
        segments = list_segments(self.folder)
        if not segments:
            self._tail = (1, 0)
            return 0
        first, path = segments[-1]
        last, size = first - 1, path.stat().st_size
        with path.open("rb+") as file:
            for item in scan(file, path):
                if isinstance(item, Damage):
                    self._report_damage(item)
                else:
                    last = max(last, item[0])
            # Only a line without its end is torn. Whole lines stay, damaged or not: they are
            # evidence, and a reader skips them.
            file.seek(0)
            whole = 0
            for line in file:
                whole += len(line) if line.endswith(b"\n") else 0
            if whole != size:
                file.truncate(whole)
                os.fsync(file.fileno())
        self._tail = (first, whole)
        return last

    def _durable_end(self) -> tuple[int, int]:
        return self._tail

    def _write_all(self) -> None:
        stopped = False
        while not stopped:
            lines = [self._queue.get()]
            with contextlib.suppress(Empty):
                while True:
                    lines.append(self._queue.get_nowait())
            if _STOP in lines:
                stopped = True
                lines.remove(_STOP)
            if lines and not self._write_until_done(lines):
                return

    def _write_until_done(self, lines: list[bytes]) -> bool:
        data = b"".join(lines)
        refused = False
        while True:
            began = self._writing_since = time.monotonic()
            try:
                self._commit(data)
                break
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                released = full and self._reserve.release()
                if not refused:
                    now = (
                        f"its reserve of {self._reserve.size} bytes is in use"
                        if released
                        else "facts are kept in memory and tried again"
                    )
                    self._call(
                        self._on_trouble,
                        f"journal {self.folder}: {error.strerror or error}; {now}: free space on "
                        "its disk",
                    )
                refused = self.refused = True
                if released:
                    continue
                if self._give_up.wait(self._retry_seconds):
                    return False
            finally:
                self._writing_since = None
        self._durable += len(lines)
        self.refused = False
        with contextlib.suppress(Exception):  # whoever only counts must not end the journal
            self.on_commit(time.monotonic() - began, len(lines))
        self._wake()
        self._reserve.renew()
        if refused:
            self._call(self._on_recovered)
        return True

    def _commit(self, data: bytes) -> None:
        if self._writer is not None and self._writer.size >= self._segment_bytes:
            full, self._writer = self._writer, None
            full.close()
        if self._writer is None:
            first, size = self._tail
            if size >= self._segment_bytes:
                first = self._durable + 1
            self._writer = self._open_segment(segment_path(self.folder, first))
            self._first = first
        try:
            self._writer.commit(data)
        except OSError:
            with contextlib.suppress(OSError):
                self._writer.forget_uncommitted()
            raise
        self._tail = (self._first, self._writer.size)

    def _wake(self) -> None:
        with self._waiting_lock:
            ready = [entry for entry in self._waiting if entry[0] <= self._durable]
        for _, loop, done in ready:
            with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits
                loop.call_soon_threadsafe(_finish, done)

    def _report_damage(self, damage: Damage) -> None:
        self._call(self._on_trouble, str(damage))

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        if self._loop is None:
            callback(*arguments)
            return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)


class Reserve:
    """Room on the journal's disk that nobody else can take, given up when the disk is full."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self.is_held = size == 0
        """Whether the room is taken; of no room, always."""
        self._path = path
        self._tried = -RESERVE_SECONDS

    def renew(self) -> None:
        """Take the room again if it was given up, when there is as much beside it. Never raises."""
        if self.is_held:
            return
        if self._path.exists():
            self.is_held = True
            return
        now = time.monotonic()
        if now - self._tried < RESERVE_SECONDS:
            return
        self._tried = now
        with contextlib.suppress(OSError):
            room = os.statvfs(self._path.parent)
            if room.f_bavail * room.f_frsize < 2 * self.size:
                return
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, self.size)
                self.is_held = True
            except OSError:
                self._path.unlink()
            finally:
                os.close(file)

    def release(self) -> bool:
        """Give the room up; returns whether there was any."""
        self._tried = time.monotonic()
        self.is_held = self.size == 0
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _fail(done: asyncio.Future[None], error: JournalError) -> None:
    if not done.done():
        done.set_exception(error)
