"""Menus: what YAML they are read from, and that every caller gets out of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.domain.config import Choice, Menu
from ess_pbx.settings.menu_checks import Targets, check_menus
from ess_pbx.settings.menus import read_menus
from ess_pbx.settings.reading import render_errors

TARGETS = Targets(["umum", "medis"], ["lainnya"], ["menu-utama"], ["id", "en"])


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
        ("- utama", "1: something else; expected a YAML mapping"),
        ("", "1: an empty file; expected a YAML mapping"),
        ("utama: {}\nx: [", "2: "),
        ("a: &a {otherwise: {}}\nb: *a", "1: an alias (*name); expected every menu written out"),
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
    ],
)
def test_menus_that_do_not_fit_together_are_named_with_the_line(
    tmp_path: Path, source: str, expected: str
) -> None:
    found = problems_in(tmp_path, source)

    assert found.startswith(f"menus.yaml:{expected}")
    assert found.count("\n") == 0


def test_a_key_may_lead_back_to_a_menu_it_came_from(tmp_path: Path) -> None:
    source = (
        "utama:\n  keys:\n    9: {menu: dua}\n  otherwise: {queue: umum}\n"
        "dua:\n  keys:\n    9: {menu: utama}\n  otherwise: {menu: utama}\n"
    )

    assert problems_in(tmp_path, source) == ""


def test_a_menu_that_leads_to_a_wrong_one_is_not_reported_for_it(tmp_path: Path) -> None:
    source = "utama:\n  otherwise: {menu: dua}\ndua:\n  otherwise: {}\n  timeout: 0\n"

    assert problems_in(tmp_path, source).count("\n") == 0
