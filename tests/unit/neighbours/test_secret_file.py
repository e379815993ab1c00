"""The file with the secret: made for its owner, and refused when it could be known to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.errors import SettingsError
from ess_pbx.neighbours.secret_file import make_secret, read_secret


def test_a_secret_that_is_made_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    make_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_secret(path)) >= 43
    with pytest.raises(SettingsError, match="not taken"):
        make_secret(path)


def test_two_secrets_differ(tmp_path: Path) -> None:
    for name in "ab":
        make_secret(tmp_path / name)
    assert read_secret(tmp_path / "a") != read_secret(tmp_path / "b")


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"x" * 40, 0o640, "others may read it"),
        (b"x" * 31 + b" \n", 0o600, "31 bytes"),
        (b"x" * 2000, 0o600, "1025 bytes"),
    ],
)
def test_a_file_that_is_none_says_why(content: bytes, mode: int, why: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=why):
        read_secret(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere: No such file"):
        read_secret(tmp_path / "nowhere")
