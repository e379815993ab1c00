"""What operators may call by themselves: closed unless written, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.demo.stage import SAMPLE, sample
from ess_pbx.domain.config import OutboundRole
from ess_pbx.errors import SettingsError
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import CHECKOUT

CLOSED = "operator = {allow = [], per_day = 20}"


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = SAMPLE.read_text().replace('"../../', f'"{CHECKOUT}/')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "pusat.toml"
    path.write_text(text)
    return path


def opened(*numbers: str) -> tuple[str, str]:
    listed = ", ".join(f'"{each}"' for each in numbers)
    return CLOSED, f"operator = {{allow = [{listed}], per_day = 3}}"


TRUNK = ('# trunk = "telco-a"\nring', 'trunk = "telco-a"\nring')


def test_the_sample_centre_allows_nothing() -> None:
    outbound = sample().centre_named().outbound
    assert outbound.trunk is None
    assert outbound.operator.allow == outbound.supervisor.allow == ()


def test_what_is_allowed_is_read_by_role(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, TRUNK, opened("+622541234567", "108", "+62254*")))
    outbound = settings.centre_named().outbound
    assert outbound.trunk == "telco-a"
    assert outbound.operator == OutboundRole(allow=("+622541234567", "108", "+62254*"), per_day=3)
    assert outbound.supervisor.allow == ()


@pytest.mark.parametrize("number", ["*", "+*", "+62*", "0*", "sip:1@x", "+62 254", "1", ""])
def test_what_would_allow_too_much_or_nothing_is_refused(number: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(written(tmp_path, TRUNK, opened(number)))
    assert "outbound.operator.allow[0]" in str(error.value)


def test_numbers_need_a_trunk_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"outbound.trunk: missing; expected the trunk of what"):
        load_settings(written(tmp_path, opened("108")))
    wrong = TRUNK[0], TRUNK[1].replace("telco-a", "telco-b")
    with pytest.raises(SettingsError, match=r'outbound.trunk: "telco-b"; .*telco-a'):
        load_settings(written(tmp_path, wrong, opened("108")))
