"""``ess-pbx ivr``: the tree, and a walk through the menus, of the sample centre."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from ess_pbx.cli import app
from ess_pbx.errors import SettingsError
from ess_pbx.settings.model import CHECKOUT

SAMPLE = CHECKOUT / "deploy" / "sample" / "centre.toml"
MONDAY = "2026-01-05T10:00"
SUNDAY = "2026-01-04T10:00"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Run a command; returns its lines."""
    assert app(["ivr", *words], result_action="return_value") == 0
    return capsys.readouterr().out.splitlines()


def walked(capsys: pytest.CaptureFixture[str], keys: str, at: str = MONDAY) -> list[str]:
    return said(capsys, "simulate", str(SAMPLE), f"--keys={keys}", "--at", at)


def test_the_tree_shows_each_menu_once_with_its_keys_and_hours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = "\n".join(said(capsys, "show", str(SAMPLE)))

    for menu in ("utama", "bahasa", "informasi", "kantor"):
        assert lines.count(f"─ menu {menu} ") == 1
    assert "1: informasi info-darurat → selesai" in lines
    assert "buka jum 07:30-14:30" in lines
    assert "tutup: informasi info-kantor-tutup → selesai" in lines


def test_a_walk_ends_where_the_caller_would_be_queued(capsys: pytest.CaptureFixture[str]) -> None:
    assert walked(capsys, "1")[-1] == "antrean medis: kategori medis, prioritas 5, bahasa id"


def test_pressing_nothing_ends_in_the_queue_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert walked(capsys, "")[-1] == "antrean umum: kategori lainnya, prioritas 5, bahasa id"


def test_a_language_that_lacks_a_prompt_is_shown_in_the_centres_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = walked(capsys, "9,3,8,,")

    assert any(line.startswith("  [jv] menu-utama: Ambulans, pencet siji") for line in lines)
    assert any(line.startswith("  [id] menu-informasi: ") for line in lines)
    assert lines[-1].endswith("bahasa jv")


@pytest.mark.parametrize(
    ("at", "heard", "last"),
    [
        (MONDAY, "[id] menu-kantor", "antrean umum: kategori lainnya, prioritas 3, bahasa id"),
        (SUNDAY, "[id] info-kantor-tutup", "selesai: success, information"),
    ],
)
def test_opening_hours_are_those_of_the_time_given(
    capsys: pytest.CaptureFixture[str], at: str, heard: str, last: str
) -> None:
    lines = walked(capsys, "8,2," + ("1" if at == MONDAY else ""), at)

    assert any(heard in line for line in lines)
    assert lines[-1] == last


def test_keys_are_read_line_by_line_until_the_caller_hangs_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("9\nsatu\nq\n"))

    lines = said(capsys, "simulate", str(SAMPLE))

    assert "menu bahasa" in lines
    assert any(line.startswith("satu: bukan tombol") for line in lines)
    assert lines[-1] == "selesai: client, abandoned"


def test_a_centre_without_a_menu_queues_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = SAMPLE.read_text()
    source = re.sub(r"report_form = .*\n", "", source)
    for line in ('first_menu = "utama"\n', 'menus = "../../dialplan/menus.yaml"\n'):
        assert line in source
        source = source.replace(line, "")
    (tmp_path / "centre.toml").write_text(source)

    lines = said(capsys, "simulate", str(tmp_path / "centre.toml"))

    assert lines[-1].startswith("antrean umum: kategori lainnya")


def test_of_several_centres_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    province = str(SAMPLE.parent / "province" / "installation.toml")

    lines = said(capsys, "simulate", province, "--keys=", "--centre", "selatan")
    assert lines[-1].startswith("antrean umum: kategori lainnya")
    with pytest.raises(SettingsError, match="expected one of utara, selatan"):
        said(capsys, "show", province)
