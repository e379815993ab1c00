"""What the settings may say of surge mode, and what is said of what cannot be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.demo.stage import SAMPLE
from ess_pbx.domain.config import Surge
from ess_pbx.errors import SettingsError
from ess_pbx.installation import spoken_prompts
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import CHECKOUT, Settings

ADDRESS = '# url = "https://data.bmkg.go.id/'


def loaded(folder: Path, old: str = "", new: str = "") -> Settings:
    """The sample with a text replaced."""
    source = SAMPLE.read_text()
    assert old in source
    source = source.replace(old, new, 1).replace("../../", f"{CHECKOUT}/")
    path = folder / "centre.toml"
    path.write_text(source)
    return load_settings(path)


def wrong(folder: Path, old: str, new: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, old, new)
    [line] = str(caught.value).splitlines()
    return line.partition("centre.toml:")[2].partition(" ")[2]


def test_the_sample_listens_to_nobody_until_an_address_is_given(tmp_path: Path) -> None:
    feed = loaded(tmp_path).centres[0].surge.feed
    assert feed is not None
    assert feed.url == ""
    feed = loaded(tmp_path, "# url =", "url =").centres[0].surge.feed
    assert feed is not None
    assert feed.url == "https://data.bmkg.go.id/DataMKG/TEWS/autogempa.json"


def test_a_file_without_the_section_has_surge_mode_by_hand(tmp_path: Path) -> None:
    source = SAMPLE.read_text()
    section = source[source.index("[surge]") : source.index("[asterisk]")]
    centre = loaded(tmp_path, section, "").centres[0]
    assert centre.surge == Surge()
    assert centre.surge.feed is None


def test_every_prompt_of_surge_mode_is_built(tmp_path: Path) -> None:
    centre = loaded(tmp_path, 'ask_own_need = "wait"', 'ask_own_need = "inform"').centres[0]
    assert set(spoken_prompts(centre)) >= {
        "siaga-bencana",
        "siaga-gempa",
        "siaga-tsunami",
        "siaga-butuh-bantuan",
        "siaga-informasi",
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("announce = true", 'prompt = "x"', 'surge.prompt: "x"; expected a prompt in the catal'),
        ("announce = true", 'prompts = ["x"]', 'surge.prompts[0]: "x"; expected a prompt in th'),
        ('"bencana"\nring', '"banjir"\nring', 'surge.category: "banjir"; expected the id of a'),
        ("need_priority = 8", "need_priority = 2", "surge.other_priority: 3, above need_priority"),
        ('ask_own_need = "wait"', 'ask_own_need = "drop"', 'surge.ask_own_need: "drop"; expected'),
        (
            'ask_own_need = "wait"',
            'ask_own_need = "inform"\ninformation = []',
            "surge.information: none; expected a prompt",
        ),
        ("hurry = 2", "hurry = 0", "surge.hurry: 0; expected a number from 1 to 100"),
        ('# url = "https', 'url = "ftp', 'surge.feed.url: "ftp://data.bmkg.go.id/'),
        ('# url = "https://', 'url = "https://me:pw@', "surge.feed.url:"),
        (ADDRESS, 'url = "https://host:99999/', "surge.feed.url:"),
        ("latitude = -6.12", "latitude = -96.12", "surge.feed.region.latitude: -96.12"),
        ("max_age = 1800", "max_age = 30", "surge.feed.max_age: 30, no more than every"),
    ],
)
def test_what_cannot_be_right_is_an_error_with_its_field(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert wrong(tmp_path, old, new).startswith(said)


def test_an_address_that_anybody_can_answer_is_a_warning(tmp_path: Path) -> None:
    [warning] = loaded(tmp_path, '# url = "https', 'url = "http').warnings
    assert "surge.feed.url: http" in warning


def test_an_own_mirror_is_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, ADDRESS, 'url = "http://127.0.0.1:8000/').warnings == ()


def test_a_feed_that_can_begin_nothing_is_a_warning(tmp_path: Path) -> None:
    source = SAMPLE.read_text()
    listed = source[source.index("tsunami_within_km") : source.index("[asterisk]")]
    nothing = "tsunami_within_km = 0\nthresholds = []\n"
    [warning] = loaded(tmp_path, listed, nothing).warnings
    assert "surge.feed.thresholds" in warning


def test_operators_are_called_in_over_a_trunk_that_there_is(tmp_path: Path) -> None:
    found = wrong(tmp_path, '# call_in_trunk = "telco-a"', 'call_in_trunk = "telco-z"')
    assert found == ('surge.call_in_trunk: "telco-z"; expected the id of a trunk (telco-a)')
    settings = loaded(tmp_path, '# call_in_trunk = "telco-a"', 'call_in_trunk = "telco-a"')
    assert settings.centres[0].surge.call_in_trunk == "telco-a"


def test_a_number_that_nothing_rings_is_warned_of(tmp_path: Path) -> None:
    settings = loaded(tmp_path, 'extension = "1001"', 'extension = "1001"\nphone = "+62811"')
    (warning,) = settings.warnings
    assert 'operators[0].phone: "+62811", which nothing rings' in warning
