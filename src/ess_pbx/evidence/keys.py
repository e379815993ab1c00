"""The keys that recordings are sealed and signed with: one file, outside the data folder.

Whoever copies the recordings without this file has nothing to hear, and whoever changes them cannot
sign what they made of them. A key is never thrown away while something is sealed with it: a new one
is added and becomes the current one.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import stat
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ess_pbx.evidence import EvidenceError

KEY_BYTES = 32
"""AES-256, and an Ed25519 seed (RFC 8032 §5.1.5)."""


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file spells it, keys in base64."""

    version: int
    signing: str
    sealing: tuple[str, ...]
    """The last one seals; the others still open what they sealed."""


class EvidenceKeys:
    """Sealing keys by their ids, and the key that signs."""

    def __init__(self, sealing: list[bytes], signing: bytes) -> None:
        self._sealing = {key_id(key): key for key in sealing}
        self.current = key_id(sealing[-1])
        self._signing = Ed25519PrivateKey.from_private_bytes(signing)

    def sealing_key(self, wanted: str) -> bytes:
        """The key with this id. Raises EvidenceError, naming those that are there."""
        if wanted not in self._sealing:
            known = ", ".join(self._sealing)
            raise EvidenceError(
                f"sealed with key {wanted}, and the key file has {known}; expected that key there: "
                "put it back from its backup"
            )
        return self._sealing[wanted]

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature, 64 bytes."""
        return self._signing.sign(message)

    @property
    def public(self) -> Ed25519PublicKey:
        """What others verify with."""
        return self._signing.public_key()

    @property
    def public_pem(self) -> bytes:
        """The public key as OpenSSL reads it."""
        return self.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def key_id(key: bytes) -> str:
    """A key's name: it tells nothing of the key, and the same key has the same name anywhere."""
    return hashlib.sha256(b"ess-pbx key id" + key).hexdigest()[:16]


def make_keys(path: Path) -> EvidenceKeys:
    """Make a new key file, readable by its owner only. Raises EvidenceError when there is one."""
    file = KeyFile(
        1, _text(secrets.token_bytes(KEY_BYTES)), (_text(secrets.token_bytes(KEY_BYTES)),)
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            target.write(msgspec.json.format(msgspec.json.encode(file)) + b"\n")
            target.flush()
            os.fsync(target.fileno())
    except FileExistsError:
        raise EvidenceError(
            f"{path}: exists; what is sealed with its keys could never be heard again without them"
        ) from None
    except OSError as error:
        raise EvidenceError(f"{path}: {error.strerror}; expected a place for a new file") from error
    return load_keys(path)


def load_keys(path: Path) -> EvidenceKeys:
    """Read a key file. Raises EvidenceError for one that others may read, or that is not one."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise EvidenceError(
            f"{path}: {error.strerror}; expected the key file of the recordings: put it back from "
            "its backup, or make one with 'ess-pbx recordings new-keys'"
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise EvidenceError(
            f"{path}: others may read it (mode {stat.S_IMODE(mode):o}); expected 600: "
            f"chmod 600 {path}"
        )
    try:
        file = msgspec.json.decode(content, type=KeyFile)
        sealing, signing = [_key(text) for text in file.sealing], _key(file.signing)
    except (msgspec.MsgspecError, ValueError) as error:
        raise EvidenceError(f"{path}: not a key file: {error}") from error
    if file.version != 1 or not sealing:
        raise EvidenceError(
            f"{path}: version {file.version} with {len(sealing)} sealing keys; expected version 1 "
            "with at least one"
        )
    return EvidenceKeys(sealing, signing)


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _key(text: str) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key of {len(key)} bytes; expected {KEY_BYTES}")
    return key
