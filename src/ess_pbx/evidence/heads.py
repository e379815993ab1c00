"""The signed heads of the manifest: the last entry of each day, under Ed25519.

``heads/<date>.json`` says which entry that is and its hash, ``<date>.sig`` is the signature of that
file. The head of the day that goes on is signed anew with each entry. So every entry is below a
signature at once, and none of them can be changed, left out or made anew without the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.files import write_whole
from ess_pbx.evidence.keys import EvidenceKeys


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The last entry of a day, as it is signed."""

    day: str
    seq: int
    hash: str

    @property
    def text(self) -> bytes:
        """What is signed, byte for byte."""
        return msgspec.json.encode(self) + b"\n"


class Heads:
    """The heads in one folder."""

    def __init__(self, folder: Path, keys: EvidenceKeys) -> None:
        self.folder = folder
        self._keys = keys

    def sign(self, head: Head) -> None:
        """Sign a day's newest entry; what was signed for that day before makes room."""
        self.folder.mkdir(exist_ok=True, mode=0o700)
        path, public = self._path(head.day), self.folder / "public.pem"
        # The signature first: after a crash in between it says which head was meant.
        write_whole(path.with_suffix(".sig"), self._keys.sign(head.text))
        write_whole(path, head.text)
        if not public.exists() or public.read_bytes() != self._keys.public_pem:
            write_whole(public, self._keys.public_pem)

    def cover(self, last: Head, before: Head | None) -> None:
        """See that the newest entry is signed before another follows it.

        A crash may have come between the entry and its signature, never between two entries: who
        is not signed follows one that is. Raises EvidenceError otherwise.
        """
        if self._is_signed(last):
            return
        follows = not self._any() if before is None else self._is_signed(before)
        if follows or self._was_meant(last):
            self.sign(last)
        else:
            raise EvidenceError(
                f"{self._path(last.day)}: does not sign entry {last.seq}, the manifest's last, nor "
                "the one before: the manifest was made anew or cut off, or heads were taken away; "
                "expected manifest.log and heads as they were: put both back from one backup"
            )

    def require_none(self) -> None:
        """See that a manifest without entries never had any. Raises EvidenceError."""
        if self._any():
            raise EvidenceError(
                f"{self.folder}: heads of a manifest that is not there; expected manifest.log "
                "beside them: put both back from one backup"
            )

    def check(self, wanted: Mapping[str, Head], hashes: Mapping[int, str]) -> int:
        """Hold the heads against the last entry of each day; returns how many fit.

        ``hashes`` are those of all entries. Raises EvidenceError naming the first that does not
        fit, or the day that has entries and no head.
        """
        found = self.require_fitting(hashes)
        for day, last in wanted.items():
            path = self._path(day)
            if day not in found:
                raise EvidenceError(
                    f"{path}: not there; the manifest has entries of that day up to {last.seq}, "
                    "which nothing signed proves: the head was taken away, or the manifest was "
                    "made anew without the key"
                )
            head = msgspec.json.decode(path.read_bytes(), type=Head)
            if head != last:
                raise EvidenceError(
                    f"{path}: signs entry {head.seq}, and entry {last.seq} is the last of that "
                    "day: what follows was added without the key, or the service ended in that "
                    "very moment; then it signs it at its next start"
                )
        return len(found)

    def sign_missing(self, wanted: Mapping[str, Head], hashes: Mapping[int, str]) -> list[str]:
        """Sign the last entry of each day that has no fitting head; returns these days.

        Raises EvidenceError when a head that is there says otherwise.
        """
        self.require_fitting(hashes)
        missing = [head for head in wanted.values() if not self._is_signed(head)]
        for head in missing:
            self.sign(head)
        return [head.day for head in missing]

    def require_fitting(self, hashes: Mapping[int, str]) -> frozenset[str]:
        """The days whose heads are there; raises EvidenceError when one is not of this chain."""
        found = sorted(self.folder.glob("*.json"))
        for path in found:
            signed = path.read_bytes()
            check_signature(self._keys.public, path, signed)
            head = msgspec.json.decode(signed, type=Head)
            if hashes.get(head.seq) != head.hash:
                there = hashes.get(head.seq, "nothing")[:12]
                raise EvidenceError(
                    f"{path}: entry {head.seq} had the hash {head.hash[:12]}… on {head.day} and "
                    f"has {there} now: the manifest was made anew or cut off"
                )
        return frozenset(path.stem for path in found)

    def _path(self, day: str) -> Path:
        return self.folder / f"{day}.json"

    def _any(self) -> bool:
        return any(self.folder.glob("*.json"))

    def _is_signed(self, head: Head) -> bool:
        try:
            same = self._path(head.day).read_bytes() == head.text
        except OSError:
            return False
        return same and self._was_meant(head)

    def _was_meant(self, head: Head) -> bool:
        """Whether the day's signature is that of this head, whatever its file says."""
        try:
            signature = self._path(head.day).with_suffix(".sig").read_bytes()
            self._keys.public.verify(signature, head.text)
        except (OSError, InvalidSignature):
            return False
        return True


def check_signature(public: Ed25519PublicKey, path: Path, signed: bytes) -> None:
    """Raise EvidenceError unless ``path``'s ``.sig`` is this key's signature of its content."""
    try:
        public.verify(path.with_suffix(".sig").read_bytes(), signed)
    except OSError as error:
        raise EvidenceError(f"{path}: its signature cannot be read: {error.strerror}") from error
    except InvalidSignature:
        raise EvidenceError(f"{path}: not what was signed, or signed with another key") from None


def read_public(pem: bytes) -> Ed25519PublicKey:
    """A public key in PEM. Raises EvidenceError for any other kind."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise EvidenceError(f"a public key of {type(key).__name__}; expected Ed25519")
    return key
