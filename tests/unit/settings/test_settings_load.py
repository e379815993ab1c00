"""What a settings file may say, and what is said about one that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest

from ess_pbx.errors import SettingsError
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import Settings
from ess_pbx.settings.reading import Problem, render_errors

CHECKOUT = Path(__file__).parents[3]
SAMPLE = CHECKOUT / "deploy" / "sample" / "centre.toml"

Given = Callable[..., Path]


def errors_of(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    return str(caught.value).splitlines()


def test_the_sample_centre_loads_without_a_warning() -> None:
    settings = load_settings(SAMPLE)

    assert settings.warnings == ()
    assert settings.centre_named().first_menu == "utama"
    assert [settings.centre_named().menus["utama"].keys[key].category for key in "1234"] == [
        "medis",
        "kebakaran",
        "keamanan",
        "bencana",
    ]
    assert {agency.code for agency in settings.centre_named().agencies} >= {
        *("110", "113", "115", "117", "119", "123")
    }
    assert settings.centre_named().shifts[2].ends == time(7)
    assert settings.trunks[0].entry_numbers == ("112", "+62112", "0254112")
    assert settings.folders.templates == CHECKOUT / "asterisk"


def test_paths_are_relative_to_the_settings_file(given: Given, tmp_path: Path) -> None:
    settings = load_settings(given())

    assert settings.folders.state == tmp_path / "state"
    assert settings.folders.recordings == tmp_path / "state" / "recordings"
    assert settings.folders.prompts == tmp_path / "prompts"


def test_a_password_comes_from_the_environment_quoted_and_is_not_shown(given: Given) -> None:
    settings = load_settings(given())

    assert settings.database.url == "postgresql+psycopg://ess:p%40ss%2Fword@127.0.0.1/ess"
    assert "p%40ss" not in repr(settings)
    assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "sqlite+aiosqlite:///{base}/state/ess-pbx.sqlite3"),
        ('url = "sqlite+aiosqlite:///a/b.db?x=1"', "sqlite+aiosqlite:///{base}/a/b.db?x=1"),
        ('url = "sqlite+aiosqlite:////a/b.db"', "sqlite+aiosqlite:////a/b.db"),
        ('url = "sqlite+aiosqlite:///:memory:"', "sqlite+aiosqlite:///:memory:"),
    ],
)
def test_an_sqlite_file_lies_relative_to_the_settings_file(
    given: Given, tmp_path: Path, url: str, expected: str
) -> None:
    path = given(('url = "postgresql+psycopg://ess:${ESS_TEST_PASSWORD}@127.0.0.1/ess"', url))

    assert load_settings(path).database.url == expected.format(base=tmp_path)


def test_no_greeting_is_spelt_as_empty_text(given: Given) -> None:
    path = given(('area_code = "0254"', 'greeting = ""'))

    assert load_settings(path).centre_named().greeting is None


SHAPE = [
    ("port = 5080", "port = 99999", "27: trunks[0].port: 99999; expected a whole number from 1"),
    ("port = 5080", 'port = "5080"', '27: trunks[0].port: "5080"; expected a whole number'),
    ("port = 5080", "port = true", "27: trunks[0].port: true; expected a whole number"),
    ('name = "Telco A"\n', "", "23: trunks[0].name: missing; expected a name"),
    ("address", "adress", "23: trunks[0].address: missing; expected an IPv4 address"),
    ("address", "adress", "26: trunks[0].adress: no such field; expected address"),
    ("ring = 12", "zzz = 1", "10: policy.zzz: no such field; expected one of ring, rona_pause"),
    ("ring = 12", "ring = nan", "10: policy.ring: nan; expected a number above 0"),
    ("ring = 12", 'log_in = "x"', '10: policy.log_in: "x"; expected'),
    ("ring = 12", "silent_after = -1", "10: policy.silent_after: -1; expected a number from 0"),
    ("ring = 12", "redial_priority = 10", "10: policy.redial_priority: 10; expected a whole"),
    ("port = 5080", "priority = 10", "27: trunks[0].priority: 10; expected a whole number from 0"),
    ("ring = 12", "ring = -1", "10: policy.ring: -1; expected a number above 0"),
    ('"127.0.0.1"', '"127.0.0.256"', '26: trunks[0].address: "127.0.0.256"; expected an IPv4'),
    ('"Satu"', '"Sa\\ntu"', '51: operators[0].name: "Sa\\ntu"; expected a name'),
    ('= "1001"', '= "1001\\n"', '50: operators[0].extension: "1001\\n"; expected an extension'),
    ('= "1001"', "= 1001", "50: operators[0].extension: 1001; expected an extension in quotes"),
    ('ends = "19:00"', 'ends = "24:00"', '41: shifts[0].ends: "24:00"; expected a time of day'),
    ('ends = "19:00"', 'ends = "19:00Z"', '41: shifts[0].ends: "19:00Z"; expected a time of day'),
    ('"19:00"', '"19:00:00Z"', '41: shifts[0].ends: "19:00:00Z"; expected a time of day'),
    (
        '"Satu"',
        '"Satu"\nrole = "chief"',
        '52: operators[0].role: "chief"; expected one of operator',
    ),
    ('["1001"]', '"1001"', '32: queues[0].operators: "1001"; expected a list'),
    ('"0254"', '"254"', '8: centre.area_code: "254"; expected an area code with its zero'),
    ("[policy]", "[[policy]]", "9: policy: a list; expected a table with ring"),
    ("[[trunks]]", "[trunks]", "23: trunks: a table; expected a list"),
    ("[centre]", "[center]", "1: centre: missing; expected a table with id"),
    ("port = 5080", 'codecs = ["alaw", "g729"]', '27: trunks[0].codecs[1]: "g729"; expected one'),
    ("119@127.0.0.1:5090", "119", '59: agencies[0].contact: "sip:119"; expected a SIP URI'),
    ("sip_port", 'node = "Ess"\nsip_port', '12: asterisk.node: "Ess"; expected lower-case'),
    ("postgresql+psycopg", "mysql", "22: database.url: "),
    ('state = "state"', "state = 3", "17: folders.state: 3; expected a path in quotes"),
]

CONTACT = 'contact = "sip:119@127.0.0.1:5090"'
WRONG_AGENCIES = [
    (CONTACT, "", "55: agencies[0].contacts: none; expected one contact or more"),
    (
        CONTACT,
        CONTACT + '\ncontacts = [{extension = "1001"}]',
        "59: agencies[0].contact: contact and contacts; expected one of them",
    ),
    (
        CONTACT,
        'contacts = [{extension = "1001"}, {extension = "1009"}]',
        '59: agencies[0].contacts[1].extension: "1009"; expected an operator\'s extension',
    ),
    (
        CONTACT,
        'contacts = [{trunk = "telco-b", number = "0254"}]',
        '59: agencies[0].contacts[0].trunk: "telco-b"; expected the id of a trunk (telco-a)',
    ),
    (CONTACT, 'contacts = [{trunk = "telco-a"}]', "59: agencies[0].contacts[0]: trunk or number"),
    (
        CONTACT,
        'contacts = [{sip = "sip:1@127.0.0.1", extension = "1001"}]',
        "59: agencies[0].contacts[0]: none of the ways, or several; expected one of",
    ),
    (
        CONTACT,
        'contacts = [{sip = "sip:1@127.0.0.1:70000"}]',
        "59: agencies[0].contacts[0].sip: ",
    ),
    (
        'categories = ["lainnya"]',
        'categories = ["lainnya"]\n[[agencies]]\nid = "x"\nname = "X"\ncode = "8119"\n' + CONTACT,
        '64: agencies[1].code: "8119", also the blind transfer to 119',
    ),
    (
        'name = "Lainnya"',
        'name = "Lainnya"\nprompt = "apa"',
        '36: categories[0].prompt: "apa"; expected a prompt in the catalogue',
    ),
]


@pytest.mark.parametrize(("old", "new", "told"), WRONG_AGENCIES)
def test_what_is_wrong_of_an_agency_is_told_with_its_line(
    given: Given, old: str, new: str, told: str
) -> None:
    path = given((old, new))

    with pytest.raises(SettingsError) as raised:
        load_settings(path)

    assert any(line.startswith(f"{path}:{told}") for line in str(raised.value).splitlines()), (
        raised.value
    )


RUNG = '{after = 9, step = "ring-all"}'


def with_ladder(*rungs: str) -> str:
    return f"ladder = [{', '.join(rungs)}]"


TOGETHER = [
    (
        "ring = 12",
        with_ladder(RUNG, '{after = 9, step = "supervisors"}'),
        "10: policy.ladder[1].after: 9; expected above 9, for the step before it comes first",
    ),
    (
        "ring = 12",
        with_ladder('{after = 9, step = "ring-all", prompt = "selamat"}'),
        '10: policy.ladder[0].prompt: "selamat"; expected a prompt in the centre\'s catalogue',
    ),
    (
        "ring = 12",
        with_ladder('{after = 9, step = "overflow", to = "pks"}'),
        '10: policy.ladder[0].to: "pks"; expected the id of an agency (psc)',
    ),
    (
        "ring = 12",
        with_ladder('{after = 9, step = "overflow"}'),
        "10: policy.ladder[0].to: missing; expected the id of an agency (psc)",
    ),
    (
        "ring = 12",
        with_ladder('{after = 9, step = "ring-all", to = "psc"}'),
        '10: policy.ladder[0].to: "psc" with ring-all; expected nothing: only "overflow" has it',
    ),
    (
        '"Satu"',
        '"Satu"\nrole = "supervisor"',
        '32: queues[0].operators[0]: "1001", a supervisor; expected an operator',
    ),
    ('queue = "umum"\n[[s', 'queue = "um"\n[[s', '36: categories[0].queue: "um"; expected the id'),
    ('["1002"]', '["1002", "1009"]', '48: shifts[1].operators[1]: "1009"; expected an operator'),
    ('["1002"]', '["1002", "1002"]', '48: shifts[1].operators[1]: "1002" again; expected each'),
    ('["1001"]', '["77"]', '32: queues[0].operators[0]: "77"; expected an operator\'s extension'),
    ('["lainnya"]', '["x"]', '60: agencies[0].categories[0]: "x"; expected the id of a category'),
    ('id = "malam"', 'id = "pagi"', '44: shifts[1].id: "pagi" as in shifts[0]; expected one of'),
    ('= "1002"', '= "1001"', '53: operators[1].extension: "1001" as in operators[0]; expected'),
    ('= "1002"', '= "119"', '53: operators[1].extension: "119", also an agency'),
    ('code = "119"', 'code = "112"', '58: agencies[0].code: "112", also an entry number; exp'),
    ('queue = "umum"', 'queue = "x"', '6: centre.default_queue: "x"; expected the id of a queue'),
    ('y = "lainnya"', 'y = "x"', '7: centre.default_category: "x"; expected the id of a categ'),
    ('first_menu = "utama"', 'first_menu = "x"', '4: centre.first_menu: "x"; expected the id of'),
    ("menus.yaml", "none.yaml", "none.yaml:1: cannot be read: No such file"),
    ("area_code", 'time_zone = "Asia/Serang"\n#', '8: centre.time_zone: "Asia/Serang"; expected'),
    ("area_code", 'time_zone = "../x"\n#', '8: centre.time_zone: "../x"; expected a time zone'),
    ("area_code", 'country = "XX"\n#', '8: centre.country: "XX"; expected a country of ISO 3166'),
    ("area_code", 'language = "en"\n#', '8: centre.language: "en"; expected a language with a'),
    ("area_code", 'greeting = "hai"\n#', '8: centre.greeting: "hai"; expected a prompt in the'),
    ("ring = 12", 'prank_warning = "hai"', '10: policy.prank_warning: "hai"; expected a prompt'),
    ("8088", "5060", "13: asterisk.ari_port: 5060 as sip_port; expected a port of its own"),
    ("8088", "10500", "13: asterisk.ari_port: 10500; expected outside RTP's 10000 to 10999"),
    (
        "[folders]",
        "[web]\nport = 8088\n[folders]",
        "17: web.port: 8088 as ari_port; expected a port",
    ),
    (
        "[folders]",
        "[standby]\nfrozen_after = 0.1\n[folders]",
        "17: standby.frozen_after: 0.1; expected",
    ),
    ("10000", "10001", "14: asterisk.rtp_first: 10001; expected an even port"),
    ("10999", "10018", "15: asterisk.rtp_last: 10018; expected 10019 or above"),
    ("5080", "5060", "27: trunks[0].port: 5060, Asterisk's own; expected the telco's"),
    ('"telco-a"', '"1001"', '24: trunks[0].id: "1001"; expected not an extension nor'),
    ('"+62112"', '"+62112", "62112"', '28: trunks[0].entry_numbers[2]: "62112" again; expected'),
    ('["112", "+62112"]', "[]", "28: trunks[0].entry_numbers: none; expected one number or more"),
    (":5090", ":70000", "59: agencies[0].contact: "),
    ("@127.0.0.1:5090", "@127.0.0.999", "59: agencies[0].contact: "),
    ("${ESS_TEST_PASSWORD}", "${ESS_NOT_SET}", "22: database.url: ${ESS_NOT_SET}, which is not"),
    ('prompts = "prompts"', 'prompts = "gone"', "20: folders.prompts: "),
    ('state = "state"', 'state = "centre.toml"', "17: folders.state: "),
    (
        "ring = 12",
        'break_reasons = [{name = "tidak menjawab"}]',
        '10: policy.break_reasons[0].name: "tidak menjawab"; expected another',
    ),
    (
        "ring = 12",
        'break_reasons = [{name = "a", key = "1"}, {name = "b", key = "1"}]',
        '10: policy.break_reasons[1].key: "1" again; expected one of its own',
    ),
    (
        "ring = 12",
        'break_reasons = [{name = "a"}, {name = "a"}]',
        '10: policy.break_reasons[1].name: "a" again; expected each once',
    ),
    (
        "ring = 12",
        'break_reasons = [{name = "a", prompt = "hai"}]',
        '10: policy.break_reasons[0].prompt: "hai"; expected a prompt in the catalogue',
    ),
    (
        "[[queues]]",
        '[[trunks]]\nid = "b"\nname = "B"\naddress = "127.0.0.1"\nport = 5080\n'
        'entry_numbers = ["112"]\n[[queues]]',
        "33: trunks[1].port: 127.0.0.1:5080 as trunk telco-a; expected an address and port",
    ),
]


@pytest.mark.parametrize(("old", "new", "line"), [*SHAPE, *TOGETHER])
def test_a_wrong_field_is_named_with_file_line_and_what_was_expected(
    given: Given, old: str, new: str, line: str
) -> None:
    errors = errors_of(given((old, new)))

    start = line if line.startswith("none.yaml") else f"centre.toml:{line}"
    assert any(error.startswith(start) for error in errors), errors


def test_a_wrong_prompt_catalogue_is_named_with_file_and_line(given: Given, tmp_path: Path) -> None:
    path = given(('default_queue = "umum"', 'default_queue = "x"'))
    (tmp_path / "prompts" / "id.yaml").write_text("menu-utama: Tekan.\nselamat-datang: 112\n")

    own, catalogue = errors_of(path)

    assert own.startswith('centre.toml:6: centre.default_queue: "x"; expected the id of a queue')
    assert catalogue.startswith(f"{tmp_path}/prompts/id.yaml:2: the text of prompt 'selamat-datang")


def test_menus_may_only_play_prompts_of_the_catalogue(given: Given) -> None:
    path = given()
    Path("menus.yaml").write_text("utama: {prompts: [hai], otherwise: {queue: umum}}\n")

    (error,) = errors_of(path)

    assert error.startswith('menus.yaml:1: utama.prompts[0]: "hai"; expected a prompt in the cen')


def test_key_5_in_the_queue_belongs_to_callers_who_cannot_speak(given: Given) -> None:
    menus = "utama: {otherwise: {queue: umum}}\nqueue_keys:\n  5: {queue: umum}\n"
    path = given()
    Path("menus.yaml").write_text(menus)

    (error,) = errors_of(path)

    assert error == (
        "menus.yaml:3: queue_keys.5: the key of callers who cannot speak; "
        "expected another key, or silent_after = 0 in [policy]"
    )
    Path("menus.yaml").write_text(menus)
    assert load_settings(given(("ring = 12", "silent_after = 0"))).centre_named().queue_keys


def test_a_trunk_may_have_a_priority_of_its_own(given: Given) -> None:
    assert load_settings(given()).trunks[0].priority is None
    assert (
        load_settings(given(("port = 5080", "port = 5080\npriority = 7"))).trunks[0].priority == 7
    )


def test_every_error_is_reported_in_the_order_of_the_file(given: Given) -> None:
    path = given(
        ('code = "119"', 'code = "1"'),
        ("ring = 12", "ring = 0"),
        ('queue = "umum"\n[[shifts', 'queue = "x"\n[[shifts'),
        ("port = 5080", "port = 0"),
    )
    Path("menus.yaml").write_text("utama: {otherwise: {queue: y}, timeout: 0}\n")

    lines = [":".join(error.split(":")[:2]) for error in errors_of(path)]

    assert lines == [
        *("centre.toml:10", "centre.toml:27", "centre.toml:36", "centre.toml:58"),
        "menus.yaml:1",
    ]


def test_a_wrong_element_is_not_reported_again_by_what_refers_to_it(given: Given) -> None:
    errors = errors_of(given(('name = "Umum"', "name = 1")))

    assert len(errors) == 1


def test_a_password_in_the_file_is_refused_and_not_repeated(given: Given) -> None:
    for secret in ("hunter2", "hunter2${ESS_TEST_PASSWORD}", "hun/ter2", "hunt@er2"):
        (error,) = errors_of(given(("${ESS_TEST_PASSWORD}", secret)))

        assert "with its password in the file" in error
        assert "er2" not in error


@pytest.mark.parametrize(
    ("source", "start"),
    [
        (b"[centre]\nid = \n", "centre.toml:2: not TOML: Invalid value"),
        (b"[centre]\n[centre]\n", "centre.toml:2: not TOML: "),
        (b'a = 1\nb = "x', "centre.toml:2: not TOML: "),
        (b"a = 1\nb = \xff\n", "centre.toml:2: bytes that are not UTF-8"),
    ],
)
def test_what_is_not_toml_is_reported_with_its_line(
    given: Given, source: bytes, start: str
) -> None:
    path = given()
    path.write_bytes(source)

    assert errors_of(path)[0].startswith(start)


def test_a_file_that_is_not_there_is_an_error_with_what_to_give() -> None:
    (error,) = errors_of(Path("/nowhere/centre.toml"))

    assert error.startswith("/nowhere/centre.toml:1: cannot be read: No such file")


def test_errors_are_rendered_one_a_line() -> None:
    errors = [Problem("a.toml", 3, "x.y", "1", "2"), Problem("a.toml", 4, "", "no", "yes")]

    assert render_errors(errors) == "a.toml:3: x.y: 1; expected 2\na.toml:4: no; expected yes"


def test_settings_cannot_be_changed(given: Given) -> None:
    settings: Settings = load_settings(given())

    with pytest.raises(AttributeError):
        settings.trunks = ()  # type: ignore[misc]


def test_call_backs_need_a_delay_and_time_for_all_attempts(given: Given) -> None:
    (error,) = errors_of(given(("ring = 12", "ring = 12\ncall_back_delays = []")))
    assert "call_back_delays" in error
    assert "one delay or more" in error
    odd = "call_back_delays = [0, 1, 3600]\ncall_back_attempts = 2\ncall_back_expires = 0.0001"
    settings = load_settings(given(("ring = 12", odd)))
    found = [warning for warning in settings.warnings if "call_back" in warning]
    assert len(found) == 2
    assert "3 delays for 2 attempts" in found[0]
    assert "before the last attempt is due" in found[1]
