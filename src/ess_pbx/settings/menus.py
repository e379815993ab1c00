"""Reads a centre's IVR menus from YAML.

The file is a mapping from a menu's id to the menu (``ess_pbx.domain.config.Menu``); beside them
``queue_keys`` says what keys do in the queue. It is read from YAML's node tree rather than with
``safe_load``, for lines and for keys that occur twice. ``menu_checks`` holds menus against each
other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ess_pbx.domain.config import Key, Menu, QueueKey
from ess_pbx.settings.reading import Problems, holds_invalid, read, shown
from ess_pbx.settings.toml_lines import Path as FieldPath

QUEUE_KEYS = "queue_keys"
"""Stands among the menus of a file; no menu can be called so."""


@dataclass(frozen=True)
class MenuFile:
    """What a menus file says."""

    menus: dict[str, Menu] = field(default_factory=dict)
    queue_keys: dict[str, QueueKey] = field(default_factory=dict)


def read_menus(path: Path, shown_as: str | None = None) -> tuple[MenuFile, Problems]:
    """Read a menus file; returns what is well-formed and what is wrong in the file.

    ``shown_as`` is the file's name in messages.
    """
    lines: dict[FieldPath, int] = {}
    problems = Problems(shown_as or str(path), lines)
    expected = "a YAML mapping from the id of a menu to the menu"
    try:
        source = path.read_bytes().decode()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(source)):
            problems.add((), "an alias (*name)", "every menu written out")
            return MenuFile(), problems
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except OSError as error:
        problems.add((), f"cannot be read: {error.strerror}", expected)
        return MenuFile(), problems
    except UnicodeDecodeError as error:
        lines[("",)] = error.object.count(b"\n", 0, error.start) + 1
        problems.add(("",), "bytes that are not UTF-8", expected)
        return MenuFile(), problems
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        lines[("",)] = mark.line + 1 if mark else 1
        problems.add(("",), getattr(error, "problem", None) or "not YAML", expected)
        return MenuFile(), problems
    if not isinstance(node, MappingNode):
        problems.add((), "an empty file" if node is None else "something else", expected)
        return MenuFile(), problems
    raw: Any = _value(node, (), problems, lines)  # a dict, as the node is a mapping
    in_queue = raw.pop(QUEUE_KEYS, {})
    menus: dict[str, Any] = read(raw, dict[str, Menu], (), problems)
    keys = read(in_queue, dict[Key, QueueKey], (QUEUE_KEYS,), problems)
    return MenuFile(
        {name: menu for name, menu in menus.items() if not holds_invalid(menu)},
        {} if holds_invalid(keys) else keys,
    ), problems


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
    if re.fullmatch("[0-9]{2}:[0-9]{2}", node.value):
        return node.value  # YAML 1.1 takes an unquoted 15:00 for the number 900
    try:
        return SafeConstructor().construct_object(node)
    except (ConstructorError, ValueError):
        return node.value
