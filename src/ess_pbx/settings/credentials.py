"""The passwords that an installation makes for itself at its first start.

They lie in ``credentials.json`` in the state folder, for its owner only, and never in settings.
Phones' passwords are typed by hand: lower-case letters and digits that are not mistaken for others.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ess_pbx.domain.config import Extension
from ess_pbx.errors import SettingsError
from ess_pbx.log import get_logger

FILE_NAME = "credentials.json"
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""31 characters, 4.95 bits each; without i, l, o, 0 and 1."""
PHONE_LENGTH = 17
"""84 bits."""
ARI_LENGTH = 26
"""128.8 bits."""

# A file that was edited by hand still must not break out of its line in pjsip.conf.
Password = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+\Z", min_length=12, max_length=128)]

_log = get_logger(__name__)


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The passwords of ARI and of the operators' phones, these by extension."""

    ari_password: Password
    operators: dict[Extension, Password]
    pins: dict[Extension, str] = {}
    """Argon2 hashes of the operators' PINs; ``ess_pbx.settings.pins`` makes and compares them."""
    admin_password: Password | None = None
    """Of the account ``admin`` of the API; None only in files from before there was one."""

    def __repr__(self) -> str:
        """Without the passwords, for logs and tracebacks."""
        return f"Credentials(operators={sorted(self.operators)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # for rich's tracebacks
        return [("operators", sorted(self.operators))]


def load_credentials(state: Path, extensions: Iterable[str]) -> Credentials:
    """Load the credentials in the ``state`` folder, making what is missing.

    Operators who are no longer in the settings keep their password, so that taking one out and
    putting them back needs no visit to the phone. Raises SettingsError when the file cannot be
    read, written or understood.
    """
    path = state / FILE_NAME
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        stored = _read(path)
        ari_password = stored.ari_password if stored else _password(ARI_LENGTH)
        operators = dict(stored.operators) if stored else {}
        for extension in extensions:
            operators.setdefault(extension, _password(PHONE_LENGTH))
        credentials = Credentials(
            ari_password=ari_password,
            operators=operators,
            pins=stored.pins if stored else {},
            admin_password=(stored and stored.admin_password) or _password(PHONE_LENGTH),
        )
        if credentials != stored:
            _write(path, credentials)
    except OSError as error:
        raise _inaccessible(path, error) from error
    return credentials


def read_credentials(state: Path) -> Credentials | None:
    """The credentials in the ``state`` folder as they are; None when there are none yet.

    Raises SettingsError when the file cannot be read or understood.
    """
    path = state / FILE_NAME
    try:
        return _read(path)
    except OSError as error:
        raise _inaccessible(path, error) from error


def write_credentials(state: Path, credentials: Credentials) -> None:
    """Replace the credentials in the ``state`` folder. Raises SettingsError when it cannot be."""
    path = state / FILE_NAME
    try:
        _write(path, credentials)
    except OSError as error:
        raise _inaccessible(path, error) from error


def _inaccessible(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"{path}: {error.strerror}; expected a file that ess-pbx can read and write: "
        f"give the state folder to the user that runs it"
    )


def _password(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _read(path: Path) -> Credentials | None:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            os.fchmod(file.fileno(), 0o600)
            _log.warning("credentials.permissions_mended", file=str(path), found=f"{mode:04o}")
        data = file.read()
    try:
        return msgspec.json.decode(data, type=Credentials)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: {error}; expected the file that ess-pbx wrote: put a backup back, or move it "
            f"away to have new passwords made, which every phone then needs"
        ) from error


def _write(path: Path, credentials: Credentials) -> None:
    """Replace the file in one step: a crash leaves the old one or the new one, whole."""
    text = msgspec.json.format(msgspec.json.encode(credentials, order="sorted"), indent=2) + b"\n"
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE_NAME}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
