"""The journal's bench measures what it says, of facts that the journal really kept."""

from __future__ import annotations

from pathlib import Path

from ess_pbx.bench.journal import MODES, ROUNDS, SLOW_FSYNC_SECONDS, render, run_journal_bench
from ess_pbx.engine.journal import Journal


async def test_all_facts_are_kept_and_a_slow_disk_shows_in_the_latency_alone(
    tmp_path: Path,
) -> None:
    bench = await run_journal_bench(200, 2000, tmp_path)

    assert [each.mode for each in bench.modes] == list(MODES)
    by_mode = {each.mode: each for each in bench.modes}
    slow, usual = by_mode[MODES[2]], by_mode[MODES[0]]
    assert slow.durable_p50_ms > 1e3 * SLOW_FSYNC_SECONDS / 2
    assert slow.append_p50_us < 1e6 * SLOW_FSYNC_SECONDS / 10
    assert 1 <= usual.facts_per_commit <= 200
    assert 150 < bench.bytes_a_fact < 400
    assert all(name in render(bench) for name in MODES)
    for number in range(ROUNDS):
        for mode in range(len(MODES)):
            for part in ("burst", "paced"):
                journal = Journal(tmp_path / f"{number}-{mode}" / part, reserve_bytes=0)
                assert len(list(journal.read())) == 200
                await journal.close()
