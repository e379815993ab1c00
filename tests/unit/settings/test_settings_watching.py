"""What the settings may say of metrics, alarms and webhooks; secrets are never among it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess_pbx.demo.stage import SAMPLE
from ess_pbx.domain.config import SyntheticCall
from ess_pbx.errors import SettingsError
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import CHECKOUT, Metrics, Settings, Watching
from ess_pbx.settings.webhook_checks import read_secret

SECRET = "0123456789abcdef"
HOOK = '\n[[webhook]]\nid = "jaga"\nurl = "https://jaga.example.go.id/alarm"\n'


def loaded(folder: Path, more: str = "") -> Settings:
    source = SAMPLE.read_text().replace("../../", f"{CHECKOUT}/")
    path = folder / "centre.toml"
    path.write_text(source + more)
    return load_settings(path)


def wrong(folder: Path, more: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, more)
    return str(caught.value)


def test_without_a_word_nobody_reads_metrics_and_nothing_is_sent(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    assert settings.metrics == Metrics(loopback=False, token=None)
    assert settings.webhook == ()
    assert settings.watching == Watching()
    assert all(trunk.qualify == 0 for trunk in settings.trunks)


def test_a_token_is_a_file_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}{SECRET}\n")
    settings = loaded(tmp_path, '\n[metrics]\nloopback = true\ntoken = "token"\n')
    assert settings.metrics == Metrics(loopback=True, token=tmp_path / "token")


@pytest.mark.parametrize("content", [None, "", "short"])
def test_a_token_that_is_not_there_or_too_short_is_named_and_not_repeated(
    content: str | None, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    text = wrong(tmp_path, '\n[metrics]\ntoken = "token"\n')
    assert "metrics.token" in text
    assert "20 characters or more" in text
    assert not content or f'"{content}"' not in text


def test_a_webhooks_secret_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(f"{SECRET}\n")
    (hook,) = loaded(tmp_path, HOOK + 'secret = "hook"\nalarms = ["database"]\n').webhook
    assert (hook.secret, hook.alarms) == (tmp_path / "hook", ("database",))
    assert read_secret(hook) == SECRET.encode()
    assert SECRET not in repr(hook)


def test_or_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESS_HOOK", SECRET)
    (hook,) = loaded(tmp_path, HOOK + 'secret_env = "ESS_HOOK"\n').webhook
    assert read_secret(hook) == SECRET.encode()
    monkeypatch.delenv("ESS_HOOK")
    text = wrong(tmp_path, HOOK + 'secret_env = "ESS_HOOK"\n')
    assert "webhook[0].secret_env: a secret of 0 characters" in text


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("", "neither of secret and secret_env"),
        ('secret = "hook"\nsecret_env = "X"\n', "both of secret and secret_env"),
        ('secret = "gone"\n', "which cannot be read"),
        ('secret = "hook"\nauthority = "hook"\n', "webhook[0].authority"),
        ('secret = "hook"\nkey = "0123456789abcdef"\n', "webhook[0].key: no such field"),
    ],
)
def test_what_cannot_be_right_is_named(more: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(SECRET)
    assert found in wrong(tmp_path, HOOK + more)


@pytest.mark.parametrize(
    "url",
    [
        "http://jaga.example.go.id/alarm",
        "https://user:password@jaga.example.go.id/",
        "ftp://127.0.0.1/",
        "https://",
        "https:// x/",
        "http://127.0.0.1.example.com/",
    ],
)
def test_only_https_or_this_machine_without_a_password_is_an_address(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "hook").write_text(SECRET)
    hook = HOOK.replace("https://jaga.example.go.id/alarm", url) + 'secret = "hook"\n'
    text = wrong(tmp_path, hook)
    assert "an https address without a password; http only for 127.0.0.1" in text
    assert ":password@" not in text


def test_a_kind_of_alarm_that_there_is_not_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(SECRET)
    settings = loaded(tmp_path, HOOK + 'secret = "hook"\nalarms = ["databse"]\n')
    (warning,) = [each for each in settings.warnings if "databse" in each]
    assert "webhook[0].alarms[0]" in warning
    assert "database" in warning


def test_two_webhooks_of_one_name_are_told(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(SECRET)
    one = HOOK + 'secret = "hook"\n'
    assert 'webhook[1].id: "jaga" as in webhook[0]' in wrong(tmp_path, one + one)


def test_a_centre_calls_itself_only_when_it_has_a_test_number(tmp_path: Path) -> None:
    assert loaded(tmp_path).centre_named().synthetic_call is None
    wanted = loaded(tmp_path, '\n[synthetic_call]\nnumber = "0254112999"\n')
    assert wanted.centre_named().synthetic_call == SyntheticCall(
        number="0254112999", every=60, within=5, failures=3
    )


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ('number = "112"\n', 'synthetic_call.number: "112", an entry number'),
        ('number = "+62112"\n', "an entry number"),
        ('number = "9"\n', "synthetic_call.number"),
        ('number = "0254112999"\nevery = 10\nwithin = 12\n', "less than every"),
        ('number = "0254112999"\nevery = 5\n', "synthetic_call.every"),
    ],
)
def test_a_test_number_means_nothing_else(more: str, found: str, tmp_path: Path) -> None:
    assert found in wrong(tmp_path, f"\n[synthetic_call]\n{more}")


@pytest.mark.parametrize(
    ("port", "found"), [("5060", "5060, as sip_port"), ("10100", "outside RTP's")]
)
def test_test_calls_leave_by_a_port_that_nobody_has(port: str, found: str, tmp_path: Path) -> None:
    source = SAMPLE.read_text().replace("../../", f"{CHECKOUT}/")
    at = source.index("[asterisk]\n") + len("[asterisk]\n")
    source = source[:at] + f"synthetic_port = {port}\n" + source[at:]
    path = tmp_path / "centre.toml"
    path.write_text(source)
    assert load_settings(path)  # without a test number it is nobody's matter
    path.write_text(source + '\n[synthetic_call]\nnumber = "0254112999"\n')
    with pytest.raises(SettingsError, match=f"asterisk.synthetic_port: .*{found}"):
        load_settings(path)
