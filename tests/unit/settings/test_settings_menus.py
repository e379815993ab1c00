"""Menus: what YAML they are read from, and that every caller gets out of them."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from ess_pbx.domain.config import Choice, Hours, Menu, OpenPeriod, QueueKey
from ess_pbx.settings.menu_checks import Targets, check_menus
from ess_pbx.settings.menus import read_menus
from ess_pbx.settings.reading import render_errors

TARGETS = Targets(["umum", "medis"], ["lainnya"], ["menu-utama", "terima-kasih"], ["id", "en"])


OPEN = "utama:\n  otherwise: {}\n  hours:\n    open: [{from: 07:00, to: 15:00}]\n"


def problems_in(folder: Path, source: str | bytes, first: str | None = "utama") -> str:
    """Read and check a menus file; returns its problems with the folder left out."""
    path = folder / "menus.yaml"
    path.write_bytes(source.encode() if isinstance(source, str) else source)
    file, problems = read_menus(path, "menus.yaml")
    check_menus(file, first, TARGETS, problems)
    return render_errors(problems.sorted())


def test_menus_are_read_with_keys_quoted_or_not(tmp_path: Path) -> None:
    path = tmp_path / "menus.yaml"
    path.write_text(
        'utama:\n  prompts: [menu-utama]\n  keys:\n    1: {queue: medis}\n    "*": {language: en}\n'
        "  otherwise: {category: lainnya, priority: 3}\n  timeout: 5\n"
    )

    file, problems = read_menus(path)

    assert not problems.found
    assert file.menus == {
        "utama": Menu(
            prompts=("menu-utama",),
            keys={"1": Choice(queue="medis"), "*": Choice(language="en")},
            otherwise=Choice(category="lainnya", priority=3),
            timeout=5.0,
        )
    }


def test_a_menu_may_be_called_by_a_word_that_yaml_takes_for_another_type(tmp_path: Path) -> None:
    assert problems_in(tmp_path, "on:\n  otherwise: {}\n", "on") == ""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("utama:\n  keys:\n    12: {}\n  otherwise: {}", "3: utama.keys.12: "),
        ("utama:\n  keys:\n    1: {}\n    1: {}\n  otherwise: {}", '4: utama.keys.1: a second "1"'),
        (
            "utama:\n  keys:\n    1: {}\n    '1': {}\n  otherwise: {}",
            '4: utama.keys.1: a second "1"; expected each key once',
        ),
        ("utama:\n  otherwise: {}\nutama:\n  otherwise: {}", '3: utama: a second "utama"; exp'),
        ("utama:\n  prompts: []\n", "1: utama.otherwise: missing; expected a table with category"),
        ("utama:\n  otherwise: {}\n  prompt: [x]", "3: utama.prompt: no such field; expected prom"),
        ("utama:\n  otherwise: {}\n  timeout: 0", "3: utama.timeout: 0; expected a number above 0"),
        ("utama:\n  otherwise: {}\n  timeout: .inf", "3: utama.timeout: inf; expected a number"),
        ("utama:\n  otherwise: {}\n  timeout: '4'", '3: utama.timeout: "4"; expected a number'),
        (
            "utama:\n  otherwise:\n    priority: 10",
            "3: utama.otherwise.priority: 10; expected a wh",
        ),
        ("utama:\n  otherwise:\n    language: no", "3: utama.otherwise.language: false; expected"),
        ("utama:\n  otherwise: umum", '2: utama.otherwise: "umum"; expected a table with'),
        ("Utama:\n  otherwise: {}", "1: Utama: "),
        (
            "utama:\n  otherwise: {}\n  hours:\n    open: [{days: [mon], from: 07:00, to: 15:00}]\n"
            "    closed: {}",
            '4: utama.hours.open[0].days[0]: "mon"; expected one of jum, kam, min, ra',
        ),
        (
            "utama:\n  otherwise: {}\n  hours:\n    open: [{from: 07:00Z, to: 15:00}]\n"
            "    closed: {}",
            '4: utama.hours.open[0].from: "07:00Z"; expected a time of day',
        ),
        (
            "utama:\n  otherwise: {}\n  hours:\n    open: [{to: 15:00}]\n    closed: {}",
            "4: utama.hours.open[0].from: missing; expected a time of day",
        ),
        ("utama:\n  otherwise: {}\n  repeats: 10", "3: utama.repeats: 10; expected a whole number"),
        ("queue_keys:\n  3: {menu: utama}", "2: queue_keys.3.menu: no such field"),
        ("queue_keys: [3]", "1: queue_keys: a list; expected a table"),
        ("- utama", "1: something else; expected a YAML mapping"),
        ("", "1: an empty file; expected a YAML mapping"),
        ("utama: {}\nx: [", "2: "),
        ("a: &a {otherwise: {}}\nb: *a", "1: an alias (*name); expected everything written out"),
        ("a: &a [*a]", "1: an alias (*name)"),
        ("a: !!python/object:x.Y {}", "1: a.otherwise: missing"),
        ("a: !!int x", '1: a: "x"; expected a table'),
        (b"a: 1\nb: \xff", "2: bytes that are not UTF-8"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(
    tmp_path: Path, source: str | bytes, expected: str
) -> None:
    assert f"menus.yaml:{expected}" in problems_in(tmp_path, source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "utama:\n  prompts:\n    - menu-utama\n    - hai\n  otherwise: {}",
            '4: utama.prompts[1]: "hai"; expected a prompt in the centre\'s catalogue',
        ),
        (
            "utama:\n  otherwise:\n    queue: um",
            '3: utama.otherwise.queue: "um"; expected the id of a queue (medis, umum)',
        ),
        (
            "utama:\n  keys:\n    3: {category: medis}\n  otherwise: {}",
            '3: utama.keys.3.category: "medis"; expected the id of a category (lainnya)',
        ),
        (
            "utama:\n  otherwise: {menu: dua}",
            '2: utama.otherwise.menu: "dua"; expected the id of a menu (utama)',
        ),
        (
            "utama:\n  otherwise: {language: jv}",
            '2: utama.otherwise.language: "jv"; expected a language with a prompt catalogue (en',
        ),
        (
            "utama:\n  otherwise: {}\ndua:\n  otherwise: {menu: utama}",
            "3: dua: no menu leads here; expected a way to it from first_menu",
        ),
        (
            "utama:\n  otherwise: {menu: dua}\ndua:\n  otherwise: {menu: tiga}\n"
            "tiga:\n  otherwise: {menu: dua}",
            "4: dua.otherwise.menu: pressing nothing never ends: dua → tiga → dua; expected a q",
        ),
        ("utama:\n  otherwise: {menu: utama}", "2: utama.otherwise.menu: pressing nothing never"),
        ("utama:\n  otherwise: {back: true}", "2: utama.otherwise.back: back in the first menu"),
        ("utama:\n  keys:\n    1: {back: true}\n  otherwise: {}", "3: utama.keys.1.back: back in"),
        (
            "utama:\n  otherwise: {repeat: true}",
            "2: utama.otherwise.repeat: pressing nothing",
        ),
        (
            "utama:\n  otherwise: {play: [menu-utama]}",
            "2: utama.otherwise.play: pressing nothing never ends; expected repeats, and then a m",
        ),
        (
            "utama:\n  otherwise: {information: [menu-utama], then: end}",
            '2: utama.otherwise.then: "end": pressing nothing would end the call; expected "queue"',
        ),
        (
            "utama:\n  keys:\n    1: {information: [x]}\n  otherwise: {}",
            '3: utama.keys.1.information[0]: "x"; expected a prompt in the',
        ),
        (
            "utama:\n  keys:\n    1: {play: [x]}\n  otherwise: {}",
            '3: utama.keys.1.play[0]: "x"; expected a prompt in the',
        ),
        (
            "utama:\n  keys:\n    1: {repeat: true, menu: utama}\n  otherwise: {}",
            "3: utama.keys.1.repeat: repeat beside menu; expected one way on",
        ),
        (
            "utama:\n  keys:\n    1: {then: end}\n  otherwise: {}",
            "3: utama.keys.1.then: no information before it; expected information",
        ),
        (
            "utama:\n  keys:\n    1: {menu: dua}\n  otherwise: {menu: dua}\n"
            "dua:\n  otherwise: {back: true}",
            "4: utama.otherwise.menu: pressing nothing never ends: utama → dua → utama",
        ),
        (
            "utama:\n  otherwise: {}\n  hours:\n    open: []\n    closed: {}",
            "4: utama.hours.open: none; expected one period or more",
        ),
        (
            f"{OPEN}    closed: {{menu: tiga}}",
            '5: utama.hours.closed.menu: "tiga"; expected the id of a menu (utama)',
        ),
        (
            f"{OPEN}    closed: {{play: [menu-utama]}}",
            "5: utama.hours.closed.play: no menu to go on to; expected a menu",
        ),
        (
            f"{OPEN}    closed: {{information: [menu-utama], then: end}}",
            '5: utama.hours.closed.then: "end", though a caller comes here without pressing',
        ),
        (
            "utama:\n  otherwise: {}\nqueue_keys:\n  3: {category: medis}",
            '4: queue_keys.3.category: "medis"; expected the id of a category (lainnya)',
        ),
        (
            "utama:\n  otherwise: {}\nqueue_keys:\n  3: {priority: 8, hint: x}",
            '4: queue_keys.3.hint: "x"; expected a prompt in the centre\'s catalogue',
        ),
    ],
)
def test_menus_that_do_not_fit_together_are_named_with_the_line(
    tmp_path: Path, source: str, expected: str
) -> None:
    found = problems_in(tmp_path, source)

    assert found.startswith(f"menus.yaml:{expected}")
    assert found.count("\n") == 0


def test_hours_information_and_keys_of_the_queue_are_read(tmp_path: Path) -> None:
    path = tmp_path / "menus.yaml"
    path.write_text(
        f"{OPEN}    closed: {{back: true}}\n  keys:\n    1: {{information: [a], then: end}}\n"
        "queue_keys:\n  3: {category: medis, play: [b], hint: c}\n"
    )

    file, problems = read_menus(path)

    assert not problems.found
    menu = file.menus["utama"]
    assert menu.hours == Hours(
        open=(OpenPeriod(since=time(7), to=time(15)),), closed=Choice(back=True)
    )
    assert menu.keys["1"] == Choice(information=("a",), then="end")
    assert file.queue_keys == {"3": QueueKey(category="medis", play=("b",), hint="c")}


def test_a_menu_behind_a_key_may_end_the_call_when_closed_and_lead_back(tmp_path: Path) -> None:
    source = (
        "utama:\n  keys:\n    2: {menu: kantor}\n    0: {repeat: true}\n  otherwise: {}\n"
        "kantor:\n  keys:\n    '*': {back: true}\n  otherwise: {back: true}\n  hours:\n"
        "    open: [{from: 07:00, to: 15:00}]\n"
        "    closed: {information: [menu-utama], then: end}\n"
    )

    assert problems_in(tmp_path, source) == ""


def test_a_key_may_lead_back_to_a_menu_it_came_from(tmp_path: Path) -> None:
    source = (
        "utama:\n  keys:\n    9: {menu: dua}\n  otherwise: {queue: umum}\n"
        "dua:\n  keys:\n    9: {menu: utama}\n  otherwise: {menu: utama}\n"
    )

    assert problems_in(tmp_path, source) == ""


def test_a_menu_that_leads_to_a_wrong_one_is_not_reported_for_it(tmp_path: Path) -> None:
    source = "utama:\n  otherwise: {menu: dua}\ndua:\n  otherwise: {}\n  timeout: 0\n"

    assert problems_in(tmp_path, source).count("\n") == 0
