"""What ``./ess`` says before it sets anything up, and when it cannot."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ess_pbx.cli import app

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the wrapper alone, so that anything it sets up would be seen."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(CHECKOUT / "ess", folder / "ess")
    return folder


def ess(checkout: Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run(
        [bash, str(checkout / "ess"), *words],
        env={**os.environ, "PATH": path if path is not None else os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def given_programs(folder: Path, programs: dict[str, str]) -> str:
    folder.mkdir()
    for name, body in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    for name in ("cat", "sha256sum", "grep", "tail", "mktemp", "rm", "readlink"):
        real = shutil.which(name)
        assert real is not None
        (folder / name).symlink_to(real)
    return str(folder)


def test_a_link_to_it_finds_the_checkout(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "ess").symlink_to(checkout / "ess")
    path = given_programs(tmp_path / "bin", {})

    done = ess(tmp_path, "config", "check", "x.toml", path=path)

    assert str(tmp_path / "ess") not in done.stderr
    assert "no Python 3.11 or newer" in done.stderr or "lacks" in done.stderr


def test_whoever_asked_for_json_gets_json_when_the_set_up_fails(
    checkout: Path, tmp_path: Path
) -> None:
    path = given_programs(tmp_path / "bin", {})

    done = ess(checkout, "demo", "--json", path=path)

    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert "python3" in told["error"]


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_usage_is_told_without_setting_anything_up(checkout: Path, words: list[str]) -> None:
    done = ess(checkout, *words)

    assert done.returncode == 0
    assert done.stdout.startswith("usage: ./ess COMMAND")
    assert done.stderr == ""
    assert [file.name for file in checkout.iterdir()] == ["ess"]


def test_an_unknown_command_is_named_with_the_usage_and_exit_code_2(checkout: Path) -> None:
    done = ess(checkout, "dmeo")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith('ess: unknown command "dmeo"\n')
    assert "usage: ./ess COMMAND" in done.stderr
    assert [file.name for file in checkout.iterdir()] == ["ess"]


def test_without_a_python_new_enough_it_says_what_to_install(
    checkout: Path, tmp_path: Path
) -> None:
    path = given_programs(tmp_path / "bin", {"python3": "exit 1"})

    done = ess(checkout, "demo", path=path)

    assert done.returncode == 1
    assert done.stdout == ""
    assert "ess: this machine lacks: python3 python3-venv" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


@pytest.mark.root
def test_as_root_it_installs_what_is_lacking_and_quotes_apt_when_that_fails(
    checkout: Path, tmp_path: Path
) -> None:
    apt = f'echo "$@" >> {tmp_path}/asked; echo "E: no network"; [ "$2" = update ]'
    path = given_programs(tmp_path / "bin", {"python3": "exit 1", "apt-get": apt})

    done = ess(checkout, "demo", path=path)

    assert done.returncode == 1
    assert "E: no network" in done.stderr
    assert "could not install python3 python3-venv" in done.stderr
    assert (tmp_path / "asked").read_text().splitlines() == [
        "-q update",
        "-q install --yes --no-install-recommends python3 python3-venv",
    ]


def test_every_command_of_the_program_goes_through_the_wrapper() -> None:
    cases = re.findall(r"(?m)^    ([a-z][a-z| -]+)\)", (CHECKOUT / "ess").read_text())
    known = {name for case in cases for name in case.split(" | ")}
    commands = {name for name in app.resolved_commands() if not name.startswith("-")}
    assert commands - known == set()
