"""Holds what the settings say of webhooks, and of their secrets, against what is there."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from ess_pbx.domain.alarms import KINDS
from ess_pbx.settings.checks import SettingsFile
from ess_pbx.settings.model import Webhook
from ess_pbx.settings.reading import shown

LEAST_SECRET = 16
"""Bytes: RFC 2104 §3 advises against less than the hash has, and 128 bits are out of reach."""
SECRET = f"a secret of {LEAST_SECRET} characters or more, as 'openssl rand -hex 32' makes"


class SecretError(Exception):
    """A secret cannot be had; the text says what was found, never what it is."""


def read_secret(hook: Webhook) -> bytes:
    """The secret that signs what is sent; blocks. Raises SecretError."""
    try:
        text = (
            os.environ.get(hook.secret_env or "", "")
            if hook.secret is None
            else hook.secret.read_text()
        )
    except (OSError, UnicodeDecodeError):
        raise SecretError(f"{shown(str(hook.secret))}, which cannot be read") from None
    secret = text.strip().encode()
    if len(secret) < LEAST_SECRET:
        raise SecretError(f"a secret of {len(secret)} characters")
    return secret


def check_webhooks(file: SettingsFile) -> Iterator[Webhook]:
    """The webhooks with whole paths; what is wrong is noted."""
    file.unique("webhook")
    for at, given in file.each("webhook"):
        if (given.secret is None) is (given.secret_env is None):
            found = "neither" if given.secret is None else "both"
            file.problems.add(
                ("webhook", at, "secret"), f"{found} of secret and secret_env", "one of them"
            )
            continue
        hook = replace(
            given, secret=_whole(given.secret, file), authority=_whole(given.authority, file)
        )
        try:
            read_secret(hook)
        except SecretError as error:
            field = "secret_env" if hook.secret is None else "secret"
            file.problems.add(("webhook", at, field), str(error), SECRET)
        if hook.authority is not None:
            try:
                ssl.create_default_context(cafile=str(hook.authority))
            except (OSError, ssl.SSLError):
                found = shown(str(hook.authority))
                file.problems.add(("webhook", at, "authority"), found, "a file of PEM certificates")
        for index, kind in enumerate(hook.alarms):
            if kind not in KINDS:
                # Not an error: an alarm of a newer ess-pbx may be named already.
                expected = f"a kind of alarm ({', '.join(sorted(KINDS))})"
                file.warnings.add(("webhook", at, "alarms", index), shown(kind), expected)
        yield hook


def _whole(path: Path | None, file: SettingsFile) -> Path | None:
    return None if path is None else (file.base / path).resolve()
