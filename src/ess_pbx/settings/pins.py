"""Operators' PINs for the codes on their phone: six digits, kept as an argon2 hash and never else.

They are told once, to whoever has them made; a lost one is made anew. Six digits are few: the hash
is slow by design and lies beside the phones' passwords, for the same eyes only. A running engine
takes a new one at once, for it reads the file at every check.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from msgspec.structs import replace

from ess_pbx.domain.desk_call import PIN_LENGTH
from ess_pbx.settings.credentials import load_credentials, read_credentials, write_credentials

# OWASP's argon2id minimum. One lane: RFC 9106's four would take four cores from calls for a PIN.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def make_pins(state: Path, extensions: Iterable[str], *, anew: bool = False) -> dict[str, str]:
    """Make PINs for those who have none, or with ``anew`` for all of these; returns the new ones.

    Takes some tens of milliseconds each. Raises SettingsError as ``load_credentials`` does.
    """
    extensions = tuple(extensions)
    known = load_credentials(state, extensions)
    made = {
        extension: f"{secrets.randbelow(10**PIN_LENGTH):0{PIN_LENGTH}}"
        for extension in extensions
        if anew or extension not in known.pins
    }
    if made:
        hashes = {extension: hashed(pin) for extension, pin in made.items()}
        write_credentials(state, replace(known, pins={**known.pins, **hashes}))
    return made


def pin_is_right(state: Path, extension: str, pin: str) -> bool:
    """Compare a PIN with the stored one; who has none has no right one. Slow: not on the loop."""
    stored = read_credentials(state)
    pins: Mapping[str, str] = {} if stored is None else stored.pins
    return extension in pins and is_of(pins[extension], pin)


def hashed(secret: str) -> str:
    """The argon2 hash of a PIN or password, in PHC's format, with a salt of its own. Slow."""
    return _HASHER.hash(secret)


def is_of(known: str, secret: str) -> bool:
    """Whether a hash is that of a PIN or password. Slow: not on the loop."""
    try:
        return _HASHER.verify(known, secret)
    except (Argon2Error, InvalidHashError):
        return False
