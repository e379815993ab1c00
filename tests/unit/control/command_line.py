"""Runs a command as from a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ess_pbx import cli

Asked = list[tuple[str, str, Any]]
"""Method, path and body of what a command asked of the service."""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["ess-pbx", *map(str, arguments)])
    return cli.main()
