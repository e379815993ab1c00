"""The line of every value in TOML source."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ess_pbx.settings.toml_lines import Path as FieldPath
from ess_pbx.settings.toml_lines import locate, toml_lines

SOURCE = '''\
# [not.a.table]
title = "a # b [c]"

[centre]
id = 'x'   # comment = 1
text = """
[centre.fake]
id = "no" \\""""
still = 2
"quoted.key" = 1
"tab\\tkey" = 1
policy.ring = 3
policy.wrap = 4

[[trunks]]
id = "a"
numbers = [
  "112", # one ]
  "113",
  # nothing
  ["in", "side"],
]
[[trunks]]
port = 5080
codecs = { first = "alaw", second = { x = [1, 2] } }
[trunks.more]
deep = 07:00:00
[[trunks.parts]]
n = 1
[[trunks.parts]]
n = 2
list = [ { a = 1 },
         { a = 2 } ]
[last]
empty = []
none = {}
literal = \'\'\'it's [here]
"\'\'\'
end = 2025-01-01 07:00:00
'''

SAMPLE = Path(__file__).parents[3] / "deploy" / "sample" / "centre.toml"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("centre",), 4),
        (("centre", "id"), 5),
        (("centre", "text"), 6),
        (("centre", "still"), 9),
        (("centre", "quoted.key"), 10),
        (("centre", "tab\tkey"), 11),
        (("centre", "policy", "ring"), 12),
        (("centre", "policy", "wrap"), 13),
        (("trunks",), 15),
        (("trunks", 0), 15),
        (("trunks", 0, "numbers"), 17),
        (("trunks", 0, "numbers", 0), 18),
        (("trunks", 0, "numbers", 1), 19),
        (("trunks", 0, "numbers", 2, 1), 21),
        (("trunks", 1), 23),
        (("trunks", 1, "port"), 24),
        (("trunks", 1, "codecs", "second", "x", 1), 25),
        (("trunks", 1, "more", "deep"), 27),
        (("trunks", 1, "parts", 1, "n"), 31),
        (("trunks", 1, "parts", 1, "list", 1, "a"), 33),
        (("last", "literal"), 37),
        (("last", "end"), 39),
    ],
)
def test_a_value_is_found_on_its_line(path: FieldPath, line: int) -> None:
    assert toml_lines(SOURCE)[path] == line


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("trunks", 1, "name"), 23),
        (("trunks", 1, "more", "name"), 26),
        (("centre", "policy", "x"), 12),
        (("absent",), 1),
        ((), 1),
    ],
)
def test_a_missing_value_has_the_line_of_the_table_it_is_missing_from(
    path: FieldPath, line: int
) -> None:
    assert locate(toml_lines(SOURCE), path) == line


@pytest.mark.parametrize("source", [SOURCE, SAMPLE.read_text(), SOURCE.replace("\n", "\r\n")])
def test_every_value_that_tomllib_reads_has_a_line(source: str) -> None:
    paths = set(_paths(tomllib.loads(source)))

    assert len(paths) > 40
    assert paths == set(toml_lines(source))


def test_the_lines_of_the_sample_name_their_keys() -> None:
    source = SAMPLE.read_text()
    rows = source.splitlines()

    for path, line in toml_lines(source).items():
        names = [step for step in path if isinstance(step, str)]
        if isinstance(path[-1], int) and rows[line - 1].lstrip().startswith("{"):
            continue  # an inline table on a line of its own, below the line that names it
        if path[-2:-1] == ("ladder",):
            names = ["step"]  # an element of a list over several lines
        assert names[-1] in rows[line - 1], path


def _paths(value: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    if path:
        yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for step, each in items:
        yield from _paths(each, (*path, step))
