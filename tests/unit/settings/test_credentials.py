"""Passwords that an installation makes for itself, and how they are kept."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ess_pbx.errors import SettingsError
from ess_pbx.settings.credentials import (
    ALPHABET,
    load_credentials,
    read_credentials,
    write_credentials,
)

KEYS_BEFORE = ("ari_password", "operators")


def test_the_first_start_makes_passwords_that_cannot_be_guessed(tmp_path: Path) -> None:
    made = load_credentials(tmp_path / "state", ["1001", "1002"])

    bits = math.log2(len(ALPHABET))
    assert len(set(ALPHABET)) == len(ALPHABET)
    assert not set("0O1lIo") & set(ALPHABET)
    assert len(made.ari_password) * bits >= 128
    assert all(len(password) * bits >= 80 for password in made.operators.values())
    assert set("".join(made.operators.values()) + made.ari_password) <= set(ALPHABET)
    assert len({made.ari_password, *made.operators.values()}) == 3


def test_the_next_start_loads_the_same_passwords(tmp_path: Path) -> None:
    made = load_credentials(tmp_path, ["1001"])
    stamp = (tmp_path / "credentials.json").stat().st_mtime_ns

    assert load_credentials(tmp_path, ["1001"]) == made
    assert (tmp_path / "credentials.json").stat().st_mtime_ns == stamp


def test_a_new_operator_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    before = load_credentials(tmp_path, ["1001"])

    after = load_credentials(tmp_path, ["1002"])

    assert after.operators["1001"] == before.operators["1001"]
    assert after.ari_password == before.ari_password
    assert set(after.operators) == {"1001", "1002"}
    assert load_credentials(tmp_path, []) == after


def test_the_administrators_password_is_made_once_also_for_a_file_from_before_it(
    tmp_path: Path,
) -> None:
    made = load_credentials(tmp_path, ["1001"])
    assert made.admin_password is not None
    assert len(made.admin_password) * math.log2(len(ALPHABET)) >= 80
    assert load_credentials(tmp_path, ["1001"]).admin_password == made.admin_password

    file = tmp_path / "credentials.json"
    older = {key: each for key, each in json.loads(file.read_text()).items() if key in KEYS_BEFORE}
    file.write_text(json.dumps(older))
    assert load_credentials(tmp_path, ["1001"]).admin_password not in (None, made.admin_password)


def test_pins_are_kept_as_they_are_and_shown_nowhere(tmp_path: Path) -> None:
    made = load_credentials(tmp_path, ["1001"])
    write_credentials(tmp_path, replace(made, pins={"1001": "$argon2id$geheim"}))

    kept = load_credentials(tmp_path, ["1001", "1002"])

    assert kept.pins == {"1001": "$argon2id$geheim"}
    assert read_credentials(tmp_path) == kept
    assert "geheim" not in repr(kept)
    assert str(kept.admin_password) not in repr(kept)


def test_only_the_owner_may_read_the_file_and_the_folder(tmp_path: Path) -> None:
    load_credentials(tmp_path / "state", [])

    assert (tmp_path / "state" / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_could_read_is_mended_with_a_warning(tmp_path: Path) -> None:
    made = load_credentials(tmp_path, ["1001"])
    file = tmp_path / "credentials.json"
    file.chmod(0o644)

    with capture_logs() as logs:
        assert load_credentials(tmp_path, ["1001"]) == made

    assert file.stat().st_mode & 0o777 == 0o600
    assert [(log["event"], log["found"]) for log in logs] == [
        ("credentials.permissions_mended", "0644")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "\udcff",
        '{"ari_password": "short", "operators": {}}',
        '{"ari_password": "abcdefghijklmnop", "operators": {"x": "abcdefghijklmnop"}}',
        '{"ari_password": "abcdefghijklmnop\\n", "operators": {}}',
        '{"ari_password": "abcdefghijkl;mnop", "operators": {}}',
        '{"ari_password": "abcdefghijklmnop", "operators": {}, "more": 1}',
    ],
)
def test_a_file_that_is_not_understood_is_an_error_and_is_left_alone(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(text, errors="surrogateescape")
    before = file.read_bytes()

    with pytest.raises(SettingsError, match="put a backup back") as caught:
        load_credentials(tmp_path, ["1001"])

    assert "abcdefgh" not in str(caught.value)
    assert file.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    with pytest.raises(SettingsError, match="give the state folder to the user"):
        load_credentials(tmp_path / "state", [])


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_credentials(tmp_path, ["1001"])
    before = (tmp_path / "credentials.json").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingsError, match="No space left"):
        load_credentials(tmp_path, ["1001", "1002"])

    assert (tmp_path / "credentials.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["credentials.json"]


def test_the_passwords_do_not_show_in_a_log_or_traceback(tmp_path: Path) -> None:
    made = load_credentials(tmp_path, ["1001"])
    stored = json.loads((tmp_path / "credentials.json").read_text())

    assert made.operators["1001"] == stored["operators"]["1001"]
    assert made.operators["1001"] not in repr(made) + repr(made.__rich_repr__())
    assert made.ari_password not in repr(made)
