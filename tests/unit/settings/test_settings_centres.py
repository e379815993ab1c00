"""Several centres on one installation: what the files may say, and what each call rings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from ess_pbx.errors import SettingsError
from ess_pbx.settings.entry import Entry, numbers_of, trunks_of
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import CHECKOUT, Settings

PROVINCE = CHECKOUT / "deploy" / "sample" / "province" / "installation.toml"

INSTALLATION = """\
centres = ["serang.toml", "sub/cilegon.toml"]
[folders]
state = "state"
templates = "."
dialplan = "."
prompts = "prompts"
[[trunks]]
id = "telco-a"
name = "Telco A"
address = "127.0.0.1"
port = 5080
centre = "serang"
entry_numbers = ["112", "0254112"]
centres = {"+62255112" = "cilegon"}
"""
CENTRE = """\
[centre]
id = "serang"
name = "Pusat 112"
default_queue = "umum"
default_category = "lainnya"
area_code = "0254"
[[queues]]
id = "umum"
name = "Umum"
[[categories]]
id = "lainnya"
name = "Lainnya"
queue = "umum"
[[shifts]]
id = "selalu"
name = "Selalu"
starts = "00:00"
ends = "00:00"
operators = ["2001"]
[[operators]]
extension = "2001"
name = "Satu"
[[agencies]]
id = "psc"
name = "PSC"
code = "119"
contact = "sip:119@127.0.0.1:5090"
"""
CILEGON = (
    CENTRE.replace('"serang"', '"cilegon"')
    .replace("2001", "3001")
    .replace('area_code = "0254"', 'area_code = "0255"\nroster = "roster.csv"')
)
FILES = {"installation.toml": INSTALLATION, "serang.toml": CENTRE, "sub/cilegon.toml": CILEGON}
ALL, OWN, OTHER = FILES

Given = Callable[..., Path]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """Write the installation with texts replaced: ``(file, old, new)``."""
    monkeypatch.chdir(tmp_path)
    for folder in ("prompts", "sub"):
        Path(folder).mkdir()
    Path("prompts/id.yaml").write_text("selamat-datang: Halo.\n")
    Path("sub/roster.csv").write_text("tanggal,regu,operator,keterangan\n")

    def write(*changes: tuple[str, str, str]) -> Path:
        for name, text in FILES.items():
            for file, old, new in changes:
                if file == name:
                    assert old in text
                    text = text.replace(old, new, 1)
            Path(name).write_text(text)
        return Path(ALL)

    return write


def errors_of(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    return str(caught.value).splitlines()


def test_the_sample_of_a_province_loads_without_a_warning() -> None:
    settings = load_settings(PROVINCE)

    assert settings.warnings == ()
    assert [centre.id for centre in settings.centres] == ["utara", "selatan"]


def test_each_centre_has_what_its_own_file_says(given: Given, tmp_path: Path) -> None:
    settings = load_settings(given())

    serang, cilegon = settings.centres
    assert (serang.id, serang.area_code, cilegon.id, cilegon.area_code) == (
        *("serang", "0254"),
        *("cilegon", "0255"),
    )
    assert [each.extension for each in cilegon.operators] == ["3001"]
    assert settings.rosters == {"cilegon": tmp_path / "sub" / "roster.csv"}
    assert settings.folders.state == tmp_path / "state"
    assert settings.warnings == ()


def test_a_centre_is_found_by_its_id_and_the_ids_are_told(given: Given) -> None:
    settings = load_settings(given())

    assert settings.centre_named("cilegon").id == "cilegon"
    for wrong in (None, "x"):
        with pytest.raises(SettingsError, match="expected one of serang, cilegon"):
            settings.centre_named(wrong)
    assert replace(settings, centres=settings.centres[1:]).centre_named().id == "cilegon"


WRONG = [
    ((ALL, '["serang.toml", "sub/cilegon.toml"]', "[]"), "installation.toml:1: centres: none; exp"),
    (
        (ALL, '"sub/cilegon.toml"', '"./serang.toml"'),
        'installation.toml:1: centres[1]: "serang.toml" again; expected each file once',
    ),
    ((ALL, "sub/cilegon.toml", "no.toml"), "no.toml:1: cannot be read: No such file"),
    ((OTHER, "[centre]", "[centre"), "sub/cilegon.toml:1: not TOML"),
    ((OTHER, "[[queues]]", "[asterisk]\n[[queues]]"), "sub/cilegon.toml:8: asterisk: not of this "),
    (
        (ALL, "[folders]", "[policy]\n[folders]"),
        "installation.toml:2: policy: not of this file; exp",
    ),
    (
        (ALL, 'centre = "serang"', 'centre = "x"'),
        'installation.toml:12: trunks[0].centre: "x"; expected the id of a centre (serang, cil',
    ),
    (
        (ALL, 'centre = "serang"\n', ""),
        "installation.toml:7: trunks[0].centre: missing; expected the id of the centre that its",
    ),
    (
        (ALL, '= "cilegon"', '= "x"'),
        'installation.toml:14: trunks[0].centres.+62255112: "x"; expected the id of a centre (ser',
    ),
    (
        (ALL, "+62255112", "+0254112"),
        'installation.toml:14: trunks[0].centres.+0254112: "+0254112" again; expected each number',
    ),
    (
        (ALL, "+62255112", "x"),
        'installation.toml:14: trunks[0].centres.x: "x"; expected a number in',
    ),
    (
        (OTHER, 'id = "cilegon"', 'id = "serang"'),
        'sub/cilegon.toml:2: centre.id: "serang" as in serang.toml; expected an id of its own',
    ),
    (
        (OTHER, 'extension = "3001"', 'extension = "2001"'),
        'sub/cilegon.toml:22: operators[0].extension: "2001" as in serang.toml; expected an exte',
    ),
    (
        (OTHER, 'extension = "3001"', 'extension = "112"'),
        'sub/cilegon.toml:22: operators[0].extension: "112", also an entry number; expected one t',
    ),
    (
        (OTHER, 'code = "119"', 'code = "112"'),
        'sub/cilegon.toml:27: agencies[0].code: "112", also an entry number; expected one that me',
    ),
    (
        (ALL, 'id = "telco-a"', 'id = "3001"'),
        'installation.toml:8: trunks[0].id: "3001"; expected not an extension nor a reserved name',
    ),
    ((OTHER, '\nqueue = "umum"', '\nqueue = "x"'), 'sub/cilegon.toml:14: categories[0].queue: "x"'),
]


@pytest.mark.parametrize(("change", "line"), WRONG)
def test_a_wrong_field_is_named_with_the_file_it_stands_in(
    given: Given, change: tuple[str, str, str], line: str
) -> None:
    errors = errors_of(given(change))

    assert any(error.startswith(line) for error in errors), errors


def test_a_centre_that_cannot_be_read_is_not_missed_by_trunks(given: Given) -> None:
    assert len(errors_of(given((OTHER, "[centre]", "[centre")))) == 1


def test_codes_of_agencies_are_a_centres_own(given: Given) -> None:
    settings = load_settings(given())

    assert [centre.agencies[0].code for centre in settings.centres] == ["119", "119"]


def test_one_centre_in_a_file_of_its_own_needs_no_naming(given: Given) -> None:
    settings = load_settings(
        given(
            (ALL, ', "sub/cilegon.toml"', ""),
            (ALL, 'centre = "serang"\n', ""),
            (ALL, 'centres = {"+62255112" = "cilegon"}\n', ""),
        )
    )

    assert settings.centre_named().id == "serang"
    assert Entry(settings).rung("telco-a", "112") == ("serang", True)


def test_a_centre_that_no_number_rings_is_a_warning(given: Given) -> None:
    (warning,) = load_settings(given((ALL, '= "cilegon"', '= "serang"'))).warnings

    assert warning.startswith('sub/cilegon.toml:2: warning: centre.id: "cilegon", which no trunk')


RUNG = [
    ("112", "serang", True),
    ("0254112", "serang", True),
    ("62255112", "cilegon", True),
    ("+62255112", "cilegon", True),
    ("+62 255-112", "cilegon", True),
    ("sip:62255112@192.0.2.1", "cilegon", True),
    ("0255112", "serang", False),
    ("1123", "serang", False),
    ("12", "serang", False),
    ("", "serang", False),
    ("urn:service:sos", "serang", False),
]


@pytest.mark.parametrize(("called", "centre", "known"), RUNG)
def test_a_call_rings_the_centre_of_its_number_and_an_unknown_one_the_trunks(
    given: Given, called: str, centre: str, known: bool
) -> None:
    assert Entry(load_settings(given())).rung("telco-a", called) == (centre, known)


def test_a_trunk_without_a_centre_of_its_own_falls_to_its_first_number(given: Given) -> None:
    settings = load_settings(
        given(
            (ALL, 'centre = "serang"\nentry_numbers = ["112", "0254112"]\n', ""),
            (ALL, '"cilegon"}', '"cilegon", "112" = "serang"}'),
        )
    )

    assert Entry(settings).rung("telco-a", "999") == ("cilegon", False)
    assert Entry(settings).rung("telco-a", "112") == ("serang", True)


def test_a_phone_rings_its_own_centre_and_a_stranger_the_first(given: Given) -> None:
    entry = Entry(load_settings(given()))

    assert entry.rung("3001", "112") == ("cilegon", True)
    assert entry.rung("2001", "112") == ("serang", True)
    assert entry.rung("nobody", "112") == ("serang", True)


def test_numbers_and_trunks_are_known_by_centre(given: Given) -> None:
    settings: Settings = load_settings(given())

    assert numbers_of(settings, "serang") == ["0254112", "112"]
    assert numbers_of(settings, "cilegon") == ["+62255112"]
    assert [trunk.id for trunk in trunks_of(settings, "cilegon")] == ["telco-a"]
