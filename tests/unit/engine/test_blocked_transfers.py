"""Whose REFER Asterisk refused, as its log says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.domain.events import TransferBlocked
from ess_pbx.engine.blocked_transfers import BlockedTransfers

LINE = (
    "[2026-11-22T07:33:20.432+0000] WARNING[2583] res_pjsip_refer.c: "
    "Endpoint {} transfer attempt blocked due to configuration\n"
)
IN_A_CALL = LINE.replace("[2583]", "[2583][C-0000002f]")


def write(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log in which something stands already."""
    file = tmp_path / "asterisk.log"
    write(file, LINE.format("1000"))
    return file


@pytest.fixture
def watch(log: Path) -> BlockedTransfers:
    told: list[TransferBlocked] = []
    return BlockedTransfers(log, told.append)


def test_each_refusal_from_now_on_is_seen_once(log: Path, watch: BlockedTransfers) -> None:
    assert watch.look() == []
    write(log, LINE.format("1001") + "[x] NOTICE[1] loader.c: 82 modules\n")
    write(log, IN_A_CALL.format("1002"))
    assert watch.look() == ["1001", "1002"]
    assert watch.look() == []


def test_a_line_that_is_half_written_is_read_when_it_is_whole(
    log: Path, watch: BlockedTransfers
) -> None:
    write(log, LINE.format("1001")[:70])
    assert watch.look() == []
    write(log, LINE.format("1001")[70:])
    assert watch.look() == ["1001"]


def test_a_log_that_begins_anew_is_read_from_its_beginning(
    log: Path, watch: BlockedTransfers
) -> None:
    log.rename(log.with_suffix(".1"))
    write(log, LINE.format("1003"))
    assert watch.look() == ["1003"]
    log.unlink()
    assert watch.look() == []


def test_words_of_strangers_in_the_log_are_nobodys_refusal(
    log: Path, watch: BlockedTransfers
) -> None:
    said = "Endpoint 1001 transfer attempt blocked due to configuration"
    write(log, f"[t] WARNING[1] res_pjsip.c: From was '{said}'\n{said}\n[t] x res_pjsip_refer.c: ")
    write(log, f"{said} not\n")
    assert watch.look() == []
