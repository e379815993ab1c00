"""A sealed file: AES-256-GCM (NIST SP 800-38D) with a key of its own, which a key file's key seals.

``ESSREC1\\n``, the id of the sealing key (16 characters), nonce (12 bytes) and sealed file key
(48), nonce (12) and sealed content. The recording's id is authenticated with both, so that a file
cannot stand in for another.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.keys import KEY_BYTES, EvidenceKeys

MAGIC = b"ESSREC1\n"
_ID, _NONCE, _TAG = 16, 12, 16
_HEAD = len(MAGIC) + _ID + _NONCE + KEY_BYTES + _TAG + _NONCE


def seal(content: bytes, recording: str, keys: EvidenceKeys) -> bytes:
    """The sealed file of some content."""
    key_id = keys.current.encode()
    bound = MAGIC + key_id + recording.encode()
    file_key = secrets.token_bytes(KEY_BYTES)
    key_nonce, nonce = secrets.token_bytes(_NONCE), secrets.token_bytes(_NONCE)
    sealed_key = AESGCM(keys.sealing_key(keys.current)).encrypt(key_nonce, file_key, bound)
    return b"".join(
        (
            MAGIC,
            key_id,
            key_nonce,
            sealed_key,
            nonce,
            AESGCM(file_key).encrypt(nonce, content, bound),
        )
    )


def unseal(sealed: bytes, recording: str, keys: EvidenceKeys) -> bytes:
    """The content. Raises EvidenceError when any bit was changed, or the key is not there."""
    if not is_sealed(sealed) or len(sealed) < _HEAD + _TAG:
        raise EvidenceError(f"{recording}: not a sealed recording")
    at = len(MAGIC)
    key_id, at = sealed[at : at + _ID], at + _ID
    bound = MAGIC + key_id + recording.encode()
    key_nonce, at = sealed[at : at + _NONCE], at + _NONCE
    sealed_key, at = sealed[at : at + KEY_BYTES + _TAG], at + KEY_BYTES + _TAG
    nonce, at = sealed[at : at + _NONCE], at + _NONCE
    key = keys.sealing_key(key_id.decode("ascii", "replace"))
    try:
        file_key = AESGCM(key).decrypt(key_nonce, sealed_key, bound)
        return AESGCM(file_key).decrypt(nonce, sealed[at:], bound)
    except InvalidTag:
        raise EvidenceError(
            f"{recording}: the sealed file was changed, or is another recording's"
        ) from None


def is_sealed(content: bytes) -> bool:
    """Whether this begins as a sealed file does."""
    return content.startswith(MAGIC)
