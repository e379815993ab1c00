"""Reads a centre's IVR menus from YAML, and checks that every caller gets out of them.

The file is a mapping from a menu's id to the menu (``ess_pbx.domain.config.Menu``). It is read from
YAML's node tree rather than with ``safe_load``, for lines and for keys that occur twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ess_pbx.domain.config import Choice, Menu
from ess_pbx.settings.reading import Problems, holds_invalid, read, shown
from ess_pbx.settings.toml_lines import Path as FieldPath


@dataclass(frozen=True)
class Targets:
    """What menus may refer to. ``prompts`` is None when the catalogue could not be read."""

    queues: Collection[str]
    categories: Collection[str]
    prompts: Collection[str] | None
    languages: Collection[str]


def read_menus(path: Path, shown_as: str | None = None) -> tuple[dict[str, Menu], Problems]:
    """Read a menus file; returns the menus that are well-formed and what is wrong in the file.

    ``shown_as`` is the file's name in messages.
    """
    lines: dict[FieldPath, int] = {}
    problems = Problems(shown_as or str(path), lines)
    expected = "a YAML mapping from the id of a menu to the menu"
    try:
        source = path.read_bytes().decode()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(source)):
            problems.add((), "an alias (*name)", "every menu written out")
            return {}, problems
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except OSError as error:
        problems.add((), f"cannot be read: {error.strerror}", expected)
        return {}, problems
    except UnicodeDecodeError as error:
        lines[("",)] = error.object.count(b"\n", 0, error.start) + 1
        problems.add(("",), "bytes that are not UTF-8", expected)
        return {}, problems
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        lines[("",)] = mark.line + 1 if mark else 1
        problems.add(("",), getattr(error, "problem", None) or "not YAML", expected)
        return {}, problems
    if not isinstance(node, MappingNode):
        problems.add((), "an empty file" if node is None else "something else", expected)
        return {}, problems
    raw = _value(node, (), problems, lines)
    menus: dict[str, Any] = read(raw, dict[str, Menu], (), problems)
    return {name: menu for name, menu in menus.items() if not holds_invalid(menu)}, problems


def check_menus(
    menus: Mapping[str, Menu], first: str | None, targets: Targets, problems: Problems
) -> None:
    """Note references to what is not there, menus nobody can reach, and endless waiting."""
    whole = not problems.found  # a menu that was dropped as wrong must not be missed here
    for name, menu in menus.items():
        for at, prompt in enumerate(menu.prompts):
            if targets.prompts is not None and prompt not in targets.prompts:
                problems.add(
                    (name, "prompts", at), shown(prompt), "a prompt in the centre's catalogue"
                )
        for path, choice in _choices(name, menu):
            _check_choice(choice, path, menus if whole else None, targets, problems)
    if not whole:
        return
    reached = _reached(menus, first)
    for name in menus:
        if name not in reached:
            problems.add((name,), "no menu leads here", "a way to it from first_menu")
    for loop in _loops(menus):
        way = " → ".join((*loop, loop[0]))
        problems.add(
            (loop[0], "otherwise", "menu"),
            f"pressing nothing never ends: {way}",
            "a queue at the end of the way",
        )


def _check_choice(
    choice: Choice,
    path: FieldPath,
    menus: Mapping[str, Menu] | None,
    targets: Targets,
    problems: Problems,
) -> None:
    def known(field: str, name: str | None, names: Collection[str], what: str) -> None:
        if name is not None and name not in names:
            listed = ", ".join(sorted(names)) or "there are none"
            problems.add((*path, field), shown(name), f"{what} ({listed})")

    known("queue", choice.queue, targets.queues, "the id of a queue")
    known("category", choice.category, targets.categories, "the id of a category")
    known("language", choice.language, targets.languages, "a language with a prompt catalogue")
    if menus is not None:
        known("menu", choice.menu, menus, "the id of a menu")


def _choices(name: str, menu: Menu) -> Iterator[tuple[FieldPath, Choice]]:
    for key, choice in menu.keys.items():
        yield (name, "keys", key), choice
    yield (name, "otherwise"), menu.otherwise


def _reached(menus: Mapping[str, Menu], first: str | None) -> set[str]:
    reached: set[str] = set()
    ahead = [first]
    while ahead:
        name = ahead.pop()
        if name is None or name in reached or name not in menus:
            continue
        reached.add(name)
        ahead.extend(choice.menu for _, choice in _choices(name, menus[name]))
    return reached


def _loops(menus: Mapping[str, Menu]) -> Iterator[list[str]]:
    """Yield each circle of menus that a caller who presses nothing goes round."""
    done: set[str] = set()
    for start in menus:
        way: list[str] = []
        name: str | None = start
        while name is not None and name in menus and name not in done and name not in way:
            way.append(name)
            name = menus[name].otherwise.menu
        if name in way:
            yield way[way.index(name) :]
        done.update(way)


def _value(node: Node, path: FieldPath, problems: Problems, lines: dict[FieldPath, int]) -> object:
    """Turn a YAML node into plain data, noting the line of each value and keys used twice."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, SequenceNode):
        return [_value(each, (*path, at), problems, lines) for at, each in enumerate(node.value)]
    if isinstance(node, MappingNode):
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            # As it is written: an unquoted 1 is the key "1", and a menu may be called "on".
            key = key_node.value if isinstance(key_node, ScalarNode) else "?"
            line = key_node.start_mark.line + 1
            if key in values:
                lines[(*path, key, "")] = line
                problems.add((*path, key, ""), f"a second {shown(key)}", "each key once")
            else:
                lines[(*path, key)] = line
                values[key] = _value(value_node, (*path, key), problems, lines)
        return values
    try:
        return SafeConstructor().construct_object(node)
    except (ConstructorError, ValueError):
        return node.value
