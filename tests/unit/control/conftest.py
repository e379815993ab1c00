from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ess_pbx.demo.stage import SAMPLE
from ess_pbx.web.control import Control

from .command_line import Asked


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    source = SAMPLE.read_text().replace("../../var/contoh", str(tmp_path / "state"))
    path = tmp_path / "centre.toml"
    path.write_text(source.replace("../../", f"{SAMPLE.parents[2]}/"))
    return path


@pytest.fixture
def answers() -> dict[str, Any]:
    """What the service answers, by path; it is done otherwise."""
    return {}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> Asked:
    found: Asked = []

    async def ask(control: Control, method: str, path: str, body: Any = None) -> Any:
        assert control.path.name == "control.sock"
        found.append((method, path, body))
        return answers.get(path, {"ok": True})

    monkeypatch.setattr(Control, "ask", ask)
    return found
