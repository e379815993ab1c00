"""Reads a centre's IVR menus from YAML.

The file is a mapping from a menu's id to the menu (``ess_pbx.domain.config.Menu``); beside them
``queue_keys`` says what keys do in the queue. ``menu_checks`` holds menus against each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ess_pbx.domain.config import Key, Menu, QueueKey
from ess_pbx.settings.reading import Problems, holds_invalid, read
from ess_pbx.settings.yaml_lines import read_mapping

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
    raw, problems = read_mapping(path, shown_as, "a YAML mapping from the id of a menu to the menu")
    if raw is None:
        return MenuFile(), problems
    in_queue = raw.pop(QUEUE_KEYS, {})
    menus: dict[str, Any] = read(raw, dict[str, Menu], (), problems)
    keys = read(in_queue, dict[Key, QueueKey], (QUEUE_KEYS,), problems)
    return MenuFile(
        {name: menu for name, menu in menus.items() if not holds_invalid(menu)},
        {} if holds_invalid(keys) else keys,
    ), problems
