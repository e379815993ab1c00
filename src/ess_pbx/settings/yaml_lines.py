"""Reads a YAML file of settings from its node tree: with lines, and with keys that occur twice.

``safe_load`` would tell neither.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ess_pbx.settings.reading import Problems, shown
from ess_pbx.settings.toml_lines import Path as FieldPath


def read_mapping(path: Path, shown_as: str | None, expected: str) -> tuple[Any, Problems]:
    """The mapping that a file is, as plain data, and what is wrong in it; None when it is none.

    ``shown_as`` is the file's name in messages, ``expected`` what the file should be.
    """
    lines: dict[FieldPath, int] = {}
    problems = Problems(shown_as or str(path), lines)
    try:
        source = path.read_bytes().decode()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(source)):
            problems.add((), "an alias (*name)", "everything written out")
            return None, problems
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except OSError as error:
        problems.add((), f"cannot be read: {error.strerror}", expected)
        return None, problems
    except UnicodeDecodeError as error:
        lines[("",)] = error.object.count(b"\n", 0, error.start) + 1
        problems.add(("",), "bytes that are not UTF-8", expected)
        return None, problems
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        lines[("",)] = mark.line + 1 if mark else 1
        problems.add(("",), getattr(error, "problem", None) or "not YAML", expected)
        return None, problems
    if not isinstance(node, MappingNode):
        problems.add((), "an empty file" if node is None else "something else", expected)
        return None, problems
    return _value(node, (), problems, lines), problems  # a dict, as the node is a mapping


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
