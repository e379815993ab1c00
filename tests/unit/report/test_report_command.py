"""``ess-pbx report`` as a person runs it, on a database of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx import cli
from ess_pbx.db import migrate
from ess_pbx.errors import SettingsError
from ess_pbx.report.write import ReportError
from ess_pbx.settings.model import CHECKOUT


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The sample centre with an empty database."""
    text = (CHECKOUT / "deploy" / "sample" / "centre.toml").read_text()
    text = text.replace('"../../dialplan', f'"{CHECKOUT}/dialplan')
    text = text.replace('"../../var/contoh"', f'"{tmp_path}"')
    migrate.upgrade(f"sqlite:///{tmp_path}/ess-pbx.sqlite3")
    path = tmp_path / "centre.toml"
    path.write_text(text)
    return path


def report(*arguments: object) -> object:
    return cli.app(["report", *map(str, arguments)], result_action="return_value")


@pytest.mark.parametrize("by", ["category", "trunk", "operator", "shift"])
def test_a_period_without_calls_exits_0_and_says_so(
    settings: Path, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    assert report(settings, "--day", "2026-11-21", "--by", by) == 0
    assert "Tidak ada panggilan pada periode ini." in capsys.readouterr().out


def test_of_several_centres_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate.upgrade(f"sqlite:///{tmp_path}/ess-pbx.sqlite3")
    province = CHECKOUT / "deploy" / "sample" / "province"
    text = (province / "installation.toml").read_text()
    for name in ("utara", "selatan"):
        text = text.replace(f'"{name}.toml"', f'"{province}/{name}.toml"')
    path = tmp_path / "installation.toml"
    path.write_text(text.replace('"../../../var/provinsi"', f'"{tmp_path}"'))

    with pytest.raises(SettingsError, match="no centre was named; expected one of utara, selatan"):
        report(path)
    assert report(path, "--centre", "selatan") == 0
    assert "Pusat 112 Kabupaten Contoh Selatan" in capsys.readouterr().out


def test_files_are_written_instead_of_tables(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv, xlsx = settings.parent / "a.csv", settings.parent / "a.xlsx"
    arguments = ("--week", "2026-W47", "--within", "15", "--csv", csv, "--xlsx", xlsx)
    assert report(settings, *arguments) == 0
    assert "Dijawab ≤ 15 detik" in csv.read_text(encoding="utf-8-sig")
    assert xlsx.read_bytes().startswith(b"PK")
    assert capsys.readouterr().out == ""


def test_a_period_that_cannot_be_read_exits_2(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(settings, "--month", "november") == 2
    assert "expected the form 2026-11" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_an_error_of_the_tree(settings: Path) -> None:
    with pytest.raises(ReportError, match=r"a\.csv cannot be written"):
        report(settings, "--csv", settings.parent / "missing" / "a.csv")
