"""The figures of the ring benchmark and the centre that it measures."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ess_pbx.asterisk.render import AsteriskFolders, render
from ess_pbx.bench import BenchError
from ess_pbx.bench.plain_dial import PLAIN, stage
from ess_pbx.bench.ring import RingBench, Spread, Way
from ess_pbx.bench.ring import render as written
from ess_pbx.settings.credentials import Credentials

MS = 1_000_000


def test_percentiles_are_durations_that_were_measured() -> None:
    spread = Spread.of([n * MS for n in range(100, 0, -1)])

    assert (spread.min, spread.p50, spread.p95, spread.max) == (1, 50, 95, 100)


def test_one_call_is_its_own_spread() -> None:
    assert Spread.of([1_234_567]) == Spread(p50=1.235, p95=1.235, min=1.235, max=1.235)


def result() -> RingBench:
    return RingBench(
        asterisk_version="22.10.1",
        event_loop="uvloop",
        calls=100,
        engine=Way(
            ring_ms=Spread(p50=2.9, p95=3.6, min=2.1, max=4.5),
            asterisk_cpu_ms=5.0,
            engine_cpu_ms=20.0,
        ),
        dial=Way(
            ring_ms=Spread(p50=1.4, p95=1.9, min=0.9, max=2.1),
            asterisk_cpu_ms=3.0,
            engine_cpu_ms=0.4,
        ),
        difference_p50_ms=1.5,
        ratio_p50=2.07,
        requests_before_ringing=2,
        requests_per_call=7.0,
        leftover_channels=0,
        leftover_bridges=0,
    )


def test_the_table_shows_both_ways_side_by_side() -> None:
    lines = written(result()).splitlines()

    ours = next(line for line in lines if "ess-pbx " in line and "2.90" in line)
    plain = next(line for line in lines if "plain Dial()" in line)
    assert ours.split()[3:] != plain.split()[3:]
    assert all(figure in plain for figure in ("1.40", "1.90", "0.90", "2.10", "3.00"))
    assert any("+1.50 ms" in line and "2.07 times" in line and "uvloop" in line for line in lines)
    assert any("2 before ringing, 7.0 a call" in line for line in lines)


def test_the_result_is_one_json_object() -> None:
    read = msgspec.json.decode(msgspec.json.encode(result()), type=RingBench)

    assert read == result()


def test_the_second_trunk_reaches_the_phone_by_dial_alone(tmp_path: Path) -> None:
    settings, port = stage(tmp_path)
    credentials = Credentials(operators={"1001": "secret"}, ari_password="secret")
    etc = tmp_path / "etc"
    home = dict.fromkeys(("home", "varlib", "spool", "run", "log", "modules", "data"), tmp_path)
    home |= dict.fromkeys(("prompts", "recordings", "fallback", "unclaimed"), tmp_path)
    render(settings, credentials, AsteriskFolders(etc=etc, **home))

    extensions = (etc / "extensions.conf").read_text()
    assert f"[{PLAIN}]\nexten => 112,1,Dial(PJSIP/1001)\n" in extensions
    assert "StasisBroadcast" in extensions.partition(f"[{PLAIN}]")[0]
    trunk = (etc / "pjsip.conf").read_text().partition(f"[{PLAIN}](trunk)")[2]
    assert trunk.startswith(f"\ncontext = {PLAIN}\n")
    assert f"match = 127.0.0.1:{port}" in trunk


def test_the_measured_centre_has_no_menu_and_its_one_operator_always_on_duty(
    tmp_path: Path,
) -> None:
    centre = stage(tmp_path)[0].centre_named()

    assert centre.first_menu is None
    assert [operator.extension for operator in centre.operators] == ["1001"]
    assert [(shift.starts, shift.operators) for shift in centre.shifts] == [
        (centre.shifts[0].ends, ("1001",))
    ]


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()

    with pytest.raises(BenchError, match="is not empty"):
        stage(tmp_path)
