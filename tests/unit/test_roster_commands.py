"""``ess-pbx roster`` as a person runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx import cli
from ess_pbx.demo.stage import SAMPLE

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")

HEADER = "tanggal,regu,operator,keterangan\n"


@pytest.fixture
def centre(tmp_path: Path) -> Path:
    source = SAMPLE.read_text().replace("../../", f"{SAMPLE.parents[2]}/")
    path = tmp_path / "centre.toml"
    path.write_text(source.replace('id = "contoh"\n', 'id = "contoh"\nroster = "roster.csv"\n', 1))
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["ess-pbx", "roster", *map(str, arguments)])
    return cli.main()


Run = pytest.MonkeyPatch


def test_import_says_what_changes_and_keeps_the_file_before(
    centre: Path, tmp_path: Path, monkeypatch: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh, roster = tmp_path / "new.csv", tmp_path / "roster.csv"
    fresh.write_text(HEADER + "2026-01-31,pagi,1003,tugas\n")
    assert run(monkeypatch, "import", centre, fresh) == 0
    assert not (tmp_path / "roster.csv.bak").exists()
    before = roster.read_text()
    fresh.write_text(HEADER + "2026-01-31,pagi,1004,tugas\n")
    capsys.readouterr()

    assert run(monkeypatch, "import", centre, fresh) == 0

    told = capsys.readouterr()
    assert told.out == "- 2026-01-31,pagi,1003,tugas\n+ 2026-01-31,pagi,1004,tugas\n"
    assert "1 rows added, 1 taken away" in told.err
    assert roster.read_text() == HEADER + "2026-01-31,pagi,1004,tugas\n"
    assert (tmp_path / "roster.csv.bak").read_text() == before
    assert not (tmp_path / "roster.csv.new").exists()


def test_nothing_is_taken_over_of_a_file_with_a_wrong_row(
    centre: Path, tmp_path: Path, monkeypatch: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh, roster = tmp_path / "new.csv", tmp_path / "roster.csv"
    roster.write_text(HEADER)
    fresh.write_text(HEADER + "2026-01-31,pagi,1003,tugas\n2026-01-31,pagi,9,tugas\n")

    assert run(monkeypatch, "import", centre, fresh) == 2

    assert 'new.csv:3: operator: "9"; expected' in capsys.readouterr().err.replace("\n", "")
    assert roster.read_text() == HEADER
    assert not (tmp_path / "roster.csv.bak").exists()


def test_a_wrong_roster_can_be_replaced(centre: Path, tmp_path: Path, monkeypatch: Run) -> None:
    (tmp_path / "roster.csv").write_text("rubbish")
    (tmp_path / "new.csv").write_text(HEADER)
    assert run(monkeypatch, "import", centre, tmp_path / "new.csv") == 0
    assert (tmp_path / "roster.csv").read_text() == HEADER
    assert (tmp_path / "roster.csv.bak").read_text() == "rubbish"


def test_import_needs_a_roster_in_the_settings(
    tmp_path: Path, monkeypatch: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "import", SAMPLE, tmp_path / "new.csv") == 2
    assert "[centre] has no roster" in capsys.readouterr().err


def test_export_writes_the_dates_asked_for_and_import_takes_them(
    centre: Path, tmp_path: Path, monkeypatch: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    row = "2026-01-31,pagi,1003,tugas\n"
    (tmp_path / "roster.csv").write_text(HEADER + row + "2026-02-01,pagi,1004,tugas\n")
    days = ("--from", "2026-01-31", "--to", "2026-01-31")
    assert run(monkeypatch, "export", centre, *days) == 0
    assert capsys.readouterr().out == HEADER + row

    out = tmp_path / "out.csv"
    assert run(monkeypatch, "export", centre, *days, "--filled", "--semicolon", "--out", out) == 0
    assert out.read_text("utf-8-sig").splitlines() == [
        "tanggal;regu;operator;keterangan",
        "2026-01-31;malam;1005;tugas",
        "2026-01-31;malam;1006;tugas",
        "2026-01-31;pagi;1003;tugas",
        "2026-01-31;siang;1003;tugas",
        "2026-01-31;siang;1004;tugas",
    ]
    assert run(monkeypatch, "import", centre, out) == 0
    assert run(monkeypatch, "export", centre, "--from", "2026-02-01", "--to", "2026-01-31") == 2


def test_show_tells_who_is_on_duty_on_a_date_and_why(
    centre: Path, tmp_path: Path, monkeypatch: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "roster.csv").write_text(
        HEADER + "2026-01-31,pagi,1003,tugas\n2026-01-31,siang,1006,ganti:1004\n"
        "2026-01-31,,,libur:Natal\n2026-01-31,,1005,libur:sakit\n"
    )
    monkeypatch.setattr("ess_pbx.roster_commands.out.width", 160)
    assert run(monkeypatch, "show", centre, "--date", "2026-01-31") == 0
    told = capsys.readouterr().out
    for text in ("1003 Contoh Operator Tiga", "1006 ganti 1004", "menurut templat", "(Natal)"):
        assert text in told
    assert "1005 libur (sakit)" in told
    assert "1001" not in told.partition("On duty now")[0]
    assert "On duty now" in told


PROVINCE = SAMPLE.parent / "province" / "installation.toml"


def test_of_several_centres_one_is_named(
    monkeypatch: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "show", PROVINCE) == 2
    assert (
        "--centre: no centre was named; expected one of utara, selatan" in capsys.readouterr().err
    )
    assert run(monkeypatch, "show", PROVINCE, "--centre", "selatan") == 0
    assert "Operator Selatan" in capsys.readouterr().out
