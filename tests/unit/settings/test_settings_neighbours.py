"""Neighbouring centres in the settings: what is wrong is named, and secrets' files are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.demo.stage import SAMPLE
from ess_pbx.domain.config import Neighbour
from ess_pbx.errors import SettingsError
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import CHECKOUT

RIGHT = 'centre = "utara", url = "https://112.utara.example:8443", secret = "rahasia/utara"'


def written(folder: Path, neighbour: str) -> Path:
    """The sample centre, whose last agency is a neighbour."""
    text = SAMPLE.read_text().replace('"../../', f'"{CHECKOUT}/')
    text = text.partition("# Bila tetangga memakai ess-pbx")[0]
    path = folder / "pusat.toml"
    path.write_text(f"{text}\nneighbour = {{{neighbour}}}\n")
    return path


def test_the_file_of_a_secret_is_found_from_the_settings(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, f'{RIGHT}, trunk = "telco-a"'))
    neighbour = settings.centre_named().agencies[-1].neighbour
    assert neighbour == Neighbour(
        centre="utara",
        url="https://112.utara.example:8443",
        secret=str(tmp_path / "rahasia" / "utara"),
        trunk="telco-a",
    )
    assert not [each for each in settings.warnings if "neighbour" in each]


def test_a_neighbour_to_which_calls_alone_go_needs_no_secret(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, 'centre = "utara"'))
    assert settings.centre_named().agencies[-1].neighbour == Neighbour(centre="utara")


@pytest.mark.parametrize(
    ("neighbour", "found", "expected"),
    [
        (RIGHT.replace("utara", "contoh", 1), 'neighbour.centre: "contoh", this', "another"),
        ('centre = "utara", url = "https://x"', "neighbour: url without secret", "neither"),
        ('centre = "utara", secret = "x"', "neighbour: no url", "neither"),
        (f'{RIGHT}, trunk = "telco-b"', 'neighbour.trunk: "telco-b"', "telco-a"),
        (RIGHT.replace("https", "ftp"), "neighbour.url", "https"),
        (RIGHT.replace("example:8443", "example/x"), "neighbour.url", "and a host"),
        (RIGHT.replace(":8443", ":99999"), "neighbour.url", "https:// and a host"),
        ('url = "https://x"', "neighbour.centre", ""),
    ],
)
def test_what_is_wrong_is_named(neighbour: str, found: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(written(tmp_path, neighbour))
    lines = [line for line in str(error.value).splitlines() if found in line]
    assert lines, error.value
    assert expected in lines[0]


def test_reports_in_the_clear_are_a_warning(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, RIGHT.replace("https", "http")))
    assert any("in the clear" in each and "neighbour.url" in each for each in settings.warnings)
    loopback = RIGHT.replace("https://112.utara.example", "http://127.0.0.1")
    assert not any(
        "neighbour" in each for each in load_settings(written(tmp_path, loopback)).warnings
    )
