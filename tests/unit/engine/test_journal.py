"""The journal keeps what it was given through crashes, damage and full disks."""

from __future__ import annotations

import asyncio
import errno
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ess_pbx.domain.facts import Fact
from ess_pbx.engine.journal import Journal, Reserve
from ess_pbx.engine.segments import JournalError, SegmentWriter, encode, list_segments


def a_fact(number: int, **data: object) -> Fact:
    return Fact(
        id=f"boot-{number}",
        centre="cilegon",
        call="call-1",
        kind="key_pressed",
        at=1_700_000_000.5 + number,
        ms=number,
        data={"key": "1", "menu": "utama", **data},  # type: ignore[dict-item]
    )


def given_journal(folder: Path, count: int, segment_bytes: int = 1 << 20) -> list[Fact]:
    facts = [a_fact(number) for number in range(1, count + 1)]
    journal = Journal(folder, segment_bytes=segment_bytes)
    for fact in facts:
        journal.append(fact)
    journal.close_now()
    return facts


def what_is_in(folder: Path, troubles: list[str] | None = None) -> list[tuple[int, Fact]]:
    journal = Journal(folder, on_trouble=(troubles if troubles is not None else []).append)
    try:
        return list(journal.read())
    finally:
        journal.close_now()


def newest(folder: Path) -> Path:
    return list_segments(folder)[-1][1]


async def test_facts_are_read_back_in_order_with_their_sequences(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    facts = [a_fact(number) for number in range(1, 6)]
    sequences = [journal.append(fact) for fact in facts]
    await journal.flushed(5)
    assert sequences == [1, 2, 3, 4, 5]
    assert list(journal.read()) == list(zip(sequences, facts, strict=True))
    assert [sequence for sequence, _ in journal.read(4)] == [4, 5]
    await journal.close()


async def test_a_fact_that_is_not_on_disk_is_not_read(tmp_path: Path) -> None:
    disk = GatedDisk()
    journal = Journal(tmp_path, open_segment=disk.open)
    journal.append(a_fact(1))
    await asyncio.to_thread(disk.reached.wait, 5)
    assert (journal.durable, journal.waiting, list(journal.read())) == (0, 1, [])
    disk.gate.set()
    await journal.flushed(1)
    assert (journal.durable, journal.waiting, len(list(journal.read()))) == (1, 0, 1)
    await journal.close()


async def test_facts_that_gather_during_a_sync_share_the_next_one(tmp_path: Path) -> None:
    disk = GatedDisk()
    journal = Journal(tmp_path, open_segment=disk.open)
    journal.append(a_fact(0))
    await asyncio.to_thread(disk.reached.wait, 5)
    for number in range(1, 501):
        journal.append(a_fact(number))
    disk.gate.set()
    await journal.flushed(501)
    assert disk.syncs == 2
    await journal.close()


async def test_each_commit_is_timed_and_one_under_way_says_how_long_it_takes(
    tmp_path: Path,
) -> None:
    disk, commits = GatedDisk(), list[tuple[float, int]]()

    def count(seconds: float, facts: int) -> None:
        commits.append((seconds, facts))
        raise RuntimeError("whoever counts is broken")

    journal = Journal(tmp_path, open_segment=disk.open, on_commit=count)
    assert journal.stuck == 0.0
    journal.append(a_fact(1))
    await asyncio.to_thread(disk.reached.wait, 5)
    journal.append(a_fact(2))
    journal.append(a_fact(3))
    async with asyncio.timeout(5):
        while journal.stuck < 0.05:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    disk.gate.set()
    await journal.flushed(3)
    await journal.close()
    assert journal.stuck == 0.0
    assert [facts for _, facts in commits] == [1, 2]
    assert commits[0][0] >= 0.05


def test_sequences_go_on_after_a_restart(tmp_path: Path) -> None:
    given_journal(tmp_path, 3)
    journal = Journal(tmp_path)
    first_id = journal.id
    assert journal.append(a_fact(4)) == 4
    journal.close_now()
    again = Journal(tmp_path)
    assert (again.durable, again.id) == (4, first_id)
    again.close_now()


def test_a_torn_last_record_is_cut_off_and_its_sequence_given_anew(tmp_path: Path) -> None:
    facts = given_journal(tmp_path, 3)
    with newest(tmp_path).open("rb+") as file:
        file.truncate(newest(tmp_path).stat().st_size - 7)
    troubles: list[str] = []
    journal = Journal(tmp_path, on_trouble=troubles.append)
    assert journal.durable == 2
    assert journal.append(a_fact(9)) == 3
    journal.close_now()
    assert what_is_in(tmp_path) == [(1, facts[0]), (2, facts[1]), (3, a_fact(9))]
    assert str(newest(tmp_path)) in troubles[0]


def test_a_corrupt_byte_is_reported_with_file_and_offset_and_the_rest_is_read(
    tmp_path: Path,
) -> None:
    facts = given_journal(tmp_path, 3)
    offset = len(encode(1, facts[0]))
    with newest(tmp_path).open("rb+") as file:
        file.seek(offset + 20)
        byte = file.read(1)[0]
        file.seek(offset + 20)
        file.write(bytes([byte ^ 0x01]))
    troubles: list[str] = []
    assert what_is_in(tmp_path, troubles) == [(1, facts[0]), (3, facts[2])]
    assert f"{newest(tmp_path)}: {len(encode(2, facts[1]))} bytes at offset {offset}" in troubles[0]


def test_a_tail_of_zeros_as_a_power_cut_leaves_it_is_cut_off(tmp_path: Path) -> None:
    given_journal(tmp_path, 2)
    with newest(tmp_path).open("ab") as file:
        file.write(bytes(4096))
    journal = Journal(tmp_path)
    assert journal.append(a_fact(3)) == 3
    journal.close_now()
    assert [sequence for sequence, _ in what_is_in(tmp_path)] == [1, 2, 3]


def test_full_segments_are_followed_by_new_ones_named_by_their_first_sequence(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path, segment_bytes=400)
    for number in range(1, 21):
        journal.append(a_fact(number))
        wait_until_durable(journal, number)
    names = [path.name for _, path in list_segments(tmp_path)]
    assert len(names) > 3
    assert names[0] == "facts-00000000000000000001.log"
    assert [sequence for sequence, _ in journal.read()] == list(range(1, 21))
    assert [sequence for sequence, _ in journal.read(13)] == list(range(13, 21))
    journal.close_now()
    assert [sequence for sequence, _ in what_is_in(tmp_path)] == list(range(1, 21))


def test_an_empty_newest_segment_still_says_where_sequences_go_on(tmp_path: Path) -> None:
    given_journal(tmp_path, 2)
    (tmp_path / "facts-00000000000000000003.log").touch()
    journal = Journal(tmp_path)
    assert journal.append(a_fact(3)) == 3
    journal.close_now()
    assert [sequence for sequence, _ in what_is_in(tmp_path)] == [1, 2, 3]


async def test_a_cursor_goes_on_where_it_stopped_across_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=400)
    cursor = journal.cursor()
    seen: list[int] = []
    for number in range(1, 31):
        await journal.flushed(journal.append(a_fact(number)))
        if number % 4 == 0:
            seen += [sequence for sequence, _ in cursor.take(3)]
    while records := cursor.take(3):
        seen += [sequence for sequence, _ in records]
    assert seen == list(range(1, 31))
    assert cursor.take(3) == []
    await journal.close()


async def test_a_full_disk_loses_nothing_is_told_once_and_when_it_is_over(
    tmp_path: Path,
) -> None:
    disk = FullDisk()
    troubles: list[str] = []
    recovered = asyncio.Event()
    journal = Journal(
        tmp_path,
        retry_seconds=0.01,
        on_trouble=troubles.append,
        on_recovered=recovered.set,
        open_segment=disk.open,
    )
    await journal.flushed(journal.append(a_fact(1)))
    disk.full = True
    for number in range(2, 101):
        journal.append(a_fact(number))
    await asyncio.to_thread(disk.refused_often.wait, 5)
    assert journal.durable == 1
    assert [sequence for sequence, _ in journal.read()] == [1]
    disk.full = False
    await asyncio.wait_for(journal.flushed(100), 5)
    await asyncio.wait_for(recovered.wait(), 5)
    await journal.close()
    assert len(troubles) == 1
    assert "No space left" in troubles[0]
    assert [fact.ms for _, fact in what_is_in(tmp_path)] == list(range(1, 101))


async def test_a_failed_fsync_is_not_believed_and_the_facts_are_written_again(
    tmp_path: Path,
) -> None:
    disk = FullDisk(fails_at="sync")
    journal = Journal(tmp_path, retry_seconds=0.01, open_segment=disk.open)
    disk.full = True
    journal.append(a_fact(1))
    await asyncio.to_thread(disk.refused_often.wait, 5)
    assert journal.durable == 0
    disk.full = False
    await asyncio.wait_for(journal.flushed(1), 5)
    await journal.close()
    assert what_is_in(tmp_path) == [(1, a_fact(1))]


async def test_closing_on_a_full_disk_says_how_many_facts_are_lost(tmp_path: Path) -> None:
    disk = FullDisk()
    disk.full = True
    journal = Journal(tmp_path, retry_seconds=0.01, open_segment=disk.open)
    for number in range(3):
        journal.append(a_fact(number))
    waiter = asyncio.create_task(journal.flushed(3))
    await asyncio.sleep(0)
    with pytest.raises(JournalError, match="3 facts could not be written"):
        await journal.close(patience=0.05)
    with pytest.raises(JournalError, match="was closed"):
        await asyncio.wait_for(waiter, 5)
    await journal.close()


async def test_closing_writes_everything_and_may_be_repeated(tmp_path: Path) -> None:
    troubles: list[str] = []
    journal = Journal(tmp_path, on_trouble=troubles.append)
    for number in range(1000):
        journal.append(a_fact(number))
    await journal.close()
    await journal.close()
    assert journal.durable == 1000
    journal.append(a_fact(1001))
    await asyncio.sleep(0)
    assert "boot-1001" in troubles[0]
    assert len(what_is_in(tmp_path)) == 1000


async def test_what_json_cannot_hold_is_kept_legibly_and_never_raises(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for value in (object(), "\ud800", 2**80, {1, object}, float("nan")):
        journal.append(a_fact(1, odd=value))
    journal.append(Fact(id="\ud800", centre="c", call=None, kind="queued", at=1.0, ms=2**70))
    await journal.close()
    facts = [fact for _, fact in journal.read()]
    assert len(facts) == 6
    assert "object object" in str(facts[0].data["unencodable"])


async def test_a_cancelled_waiter_harms_nobody(tmp_path: Path) -> None:
    disk = GatedDisk()
    journal = Journal(tmp_path, open_segment=disk.open)
    journal.append(a_fact(1))
    cancelled, kept = (asyncio.create_task(journal.flushed(1)) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    disk.gate.set()
    await asyncio.wait_for(kept, 5)
    assert cancelled.cancelled()
    await journal.close()


def test_a_second_engine_cannot_open_the_same_folder(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(JournalError, match="in use by another engine"):
        Journal(tmp_path)
    journal.close_now()
    Journal(tmp_path).close_now()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match=r"file/journal: .*expected a folder"):
        Journal(tmp_path / "file" / "journal")


def test_what_was_durable_when_the_engine_was_killed_is_there_afterwards(tmp_path: Path) -> None:
    writer = """
import sys
from pathlib import Path
from ess_pbx.domain.facts import Fact
from ess_pbx.engine.journal import Journal, Reserve
journal = Journal(Path(sys.argv[1]), segment_bytes=20_000)
n = 0
while True:
    n += 1
    journal.append(Fact(id=f"b-{n}", centre="c", call=None, kind="announced", at=1.0, ms=n))
    if n % 50 == 0:
        print(journal.durable, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", writer, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        durable = 0
        while durable < 2000:
            durable = int(engine.stdout.readline())
        engine.send_signal(signal.SIGKILL)
    facts = what_is_in(tmp_path)
    assert len(facts) >= durable
    assert [(sequence, f"b-{sequence}") for sequence, _ in facts] == [
        (sequence, fact.id) for sequence, fact in facts
    ]
    assert [sequence for sequence, _ in facts] == list(range(1, len(facts) + 1))


def wait_until_durable(journal: Journal, sequence: int) -> None:
    asyncio.run(asyncio.wait_for(journal.flushed(sequence), 5))


class FullDisk:
    """A disk that has no space while ``full``, after having taken a part of what was written."""

    def __init__(self, fails_at: str = "write") -> None:
        self.full = False
        self.refused_often = threading.Event()
        self._refusals = 0
        self._fails_at = fails_at

    def open(self, path: Path) -> SegmentWriter:
        disk = self

        class Writer(SegmentWriter):
            def _write(self, data: bytes, offset: int) -> int:
                if disk.full and disk._fails_at == "write":
                    if len(data) > 10:
                        return super()._write(data[:10], offset)
                    disk.refuse()
                return super()._write(data, offset)

            def _sync(self) -> None:
                if disk.full:
                    disk.refuse()
                super()._sync()

        return Writer(path)

    def refuse(self) -> None:
        self._refusals += 1
        if self._refusals >= 3:
            self.refused_often.set()
        raise OSError(errno.ENOSPC, "No space left on device")


class GatedDisk:
    """A disk that syncs only once ``gate`` is set."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.syncs = 0

    def open(self, path: Path) -> SegmentWriter:
        disk = self

        class Writer(SegmentWriter):
            def _sync(self) -> None:
                disk.reached.set()
                assert disk.gate.wait(5)
                disk.syncs += 1
                super()._sync()

        return Writer(path)


class DiskWithReserve:
    """A disk that is full for as long as the reserve lies on it."""

    def __init__(self, folder: Path) -> None:
        self._reserve = folder / "reserve"
        self.full = False

    def open(self, path: Path) -> SegmentWriter:
        disk = self

        class Writer(SegmentWriter):
            def _write(self, data: bytes, offset: int) -> int:
                if disk.full and disk._reserve.exists():
                    raise OSError(errno.ENOSPC, "No space left on device")
                return super()._write(data, offset)

        return Writer(path)


async def test_on_a_full_disk_the_reserve_makes_room_at_once(tmp_path: Path) -> None:
    disk = DiskWithReserve(tmp_path)
    troubles: list[str] = []
    journal = Journal(
        tmp_path,
        reserve_bytes=65536,
        retry_seconds=60,
        open_segment=disk.open,
        on_trouble=troubles.append,
    )
    journal.append(a_fact(1))
    await asyncio.wait_for(journal.flushed(1), 5)
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 65536
    assert journal.has_reserve

    disk.full = True
    journal.append(a_fact(2))
    await asyncio.wait_for(journal.flushed(2), 5)

    assert not (tmp_path / "reserve").exists()
    assert not journal.has_reserve
    assert not journal.refused
    assert any("its reserve of 65536 bytes is in use" in trouble for trouble in troubles)
    await journal.close()
    assert [sequence for sequence, _ in what_is_in(tmp_path)] == [1, 2]


def test_a_reserve_given_up_is_not_taken_again_at_once(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 4096)
    reserve.renew()
    assert reserve.release()
    reserve.renew()
    assert not (tmp_path / "reserve").exists()
    assert not reserve.release()
