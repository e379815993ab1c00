"""Operators' PINs: made once, kept as a hash, compared slowly."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.errors import SettingsError
from ess_pbx.settings.credentials import FILE_NAME, load_credentials
from ess_pbx.settings.pins import make_pins, pin_is_right


def test_a_pin_is_told_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    made = make_pins(tmp_path, ["1001", "1002"])

    assert made.keys() == {"1001", "1002"}
    assert all(len(pin) == 6 and pin.isdigit() for pin in made.values())
    assert make_pins(tmp_path, ["1001", "1002"]) == {}
    text = (tmp_path / FILE_NAME).read_text()
    assert text.count("$argon2id$") == 2
    assert not any(pin in text for pin in made.values())
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_only_the_own_pin_is_right(tmp_path: Path) -> None:
    made = make_pins(tmp_path, ["1001", "1002"])

    assert pin_is_right(tmp_path, "1001", made["1001"])
    assert not pin_is_right(tmp_path, "1001", made["1002"])
    assert not pin_is_right(tmp_path, "1001", "")
    assert not pin_is_right(tmp_path, "1003", made["1001"])


def test_a_pin_made_anew_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    old = make_pins(tmp_path, ["1001"])["1001"]
    new = make_pins(tmp_path, ["1001"], anew=True)["1001"]

    assert pin_is_right(tmp_path, "1001", new)
    assert old == new or not pin_is_right(tmp_path, "1001", old)


def test_passwords_stay_when_pins_are_made_and_pins_when_passwords_are(tmp_path: Path) -> None:
    before = load_credentials(tmp_path, ["1001"])
    pin = make_pins(tmp_path, ["1001"])["1001"]

    after = load_credentials(tmp_path, ["1001", "1002"])

    assert after.operators["1001"] == before.operators["1001"]
    assert pin_is_right(tmp_path, "1001", pin)
    assert "argon2" not in repr(after)


def test_without_the_file_and_with_a_broken_hash_no_pin_is_right(tmp_path: Path) -> None:
    assert not pin_is_right(tmp_path, "1001", "123456")
    make_pins(tmp_path, ["1001"])
    path = tmp_path / FILE_NAME
    path.write_text(path.read_text().replace("$argon2id$", "$nothing$"))
    assert not pin_is_right(tmp_path, "1001", "123456")


def test_a_file_that_cannot_be_understood_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(SettingsError):
        pin_is_right(tmp_path, "1001", "123456")
