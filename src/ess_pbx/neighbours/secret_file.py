"""The file with the secret that two installations share; read each time, so that it can change.

It is the same at both: made at one with ``ess-pbx neighbours secret``, and carried to the other by
a way that is not the network between them.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ess_pbx.errors import SettingsError

SHORTEST, LONGEST = 32, 1024
"""Bytes, without white space at the ends."""
MADE_BYTES = 32


def read_secret(path: Path) -> bytes:
    """The secret. Blocks. Raises SettingsError, which says what is wrong with the file."""
    expected = (
        f"a file of {SHORTEST} characters or more that its owner alone may read; "
        "make one with 'ess-pbx neighbours secret FILE'"
    )
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            content = file.read(LONGEST + 1).strip()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; expected {expected}") from error
    if mode & 0o077:
        raise SettingsError(f"{path}: others may read it (mode {mode:04o}); expected {expected}")
    if not SHORTEST <= len(content) <= LONGEST:
        raise SettingsError(f"{path}: {len(content)} bytes; expected {expected}")
    return content


def make_secret(path: Path) -> None:
    """Write a new secret of 256 bits. Raises SettingsError; one that is there is kept."""
    text = secrets.token_urlsafe(MADE_BYTES) + "\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(
            f"{path}: {error.strerror}; expected a name that is not taken, in a folder to write in"
        ) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
