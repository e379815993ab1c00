"""Where finished recordings go: FLAC, sealed, in the manifest, until their time is over.

A recording is taken over in an order in which a crash at any point loses nothing: the sealed file
is on disk, read back and heard to be the same, then the manifest says so, then the WAV goes.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.files import write_whole
from ess_pbx.evidence.keys import EvidenceKeys
from ess_pbx.evidence.manifest import Act, Chain, Entry, Manifest
from ess_pbx.evidence.sealing import seal, unseal

ENDING = ".flac.sealed"
OF_PEOPLE = frozenset({Act.OPENED, Act.HELD, Act.RELEASED, Act.DESTROYED})
"""What belongs in the audit log."""
KeepDays = Callable[[str, str], int]
"""How many days recordings of a centre and category are kept."""


@dataclass(frozen=True, slots=True)
class About:
    """What a recording is of."""

    recording: str
    call: str
    centre: str
    category: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who wants something with a recording, and what for. Neither may be empty."""

    by: str
    """An extension, ``admin``, or the name of a rule of the centre."""
    reason: str
    via: str = ""
    """``api``, ``cli`` or ``system``."""
    user: str = ""
    """The system's user, on the command line."""

    def __post_init__(self) -> None:
        for name in ("by", "reason"):
            if not getattr(self, name).strip():
                raise EvidenceError(
                    f"{name}: empty; expected {_WANTED[name]}, which stays on record"
                )

    @property
    def fields(self) -> dict[str, str]:
        """As an entry has them."""
        return {name: getattr(self, name) for name in ("by", "reason", "via", "user")}


_WANTED = {"by": "who wants it", "reason": "what for, a case or a report's number"}


@dataclass(slots=True)
class Kept:
    """What the manifest says of one recording by now."""

    stored: Entry
    held: Entry | None = None
    destroyed: Entry | None = None
    categories: tuple[str, ...] = ()
    """Those that reports gave it beside its call's own."""

    @property
    def path(self) -> str:
        """Relative to the recordings folder."""
        return self.stored.file


class Archive:
    """The sealed recordings in one folder. Every method blocks on the disk."""

    def __init__(
        self,
        folder: Path,
        keys: EvidenceKeys,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.folder = folder
        self.manifest = Manifest(folder, keys)
        self._keys = keys
        self._clock = clock
        self._chain = Chain(self.manifest.path)
        self._kept: dict[str, Kept] = {}
        self._acts: list[tuple[Entry, str]] = []
        self._reading = threading.Lock()

    @property
    def public_pem(self) -> bytes:
        """What others verify signatures of this archive with."""
        return self._keys.public_pem

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature, with the key that signs the heads."""
        return self._keys.sign(message)

    def store(self, wav: Path, about: About) -> Entry:
        """Take a finished WAV over; it is gone when this returns. Safe to repeat after a crash.

        Raises EvidenceError or OSError; the WAV is still there then.
        """
        known = self.find(about.recording)
        if known is not None:
            wav.unlink(missing_ok=True)
            return known.stored
        samples, rate = soundfile.read(wav, dtype="int16", always_2d=True)
        flac = io.BytesIO()
        soundfile.write(flac, samples, rate, format="FLAC", subtype="PCM_16")
        audio = flac.getvalue()
        file = Path(f"{about.recorded_at:%Y/%m/%d}") / f"{about.recording}{ENDING}"
        place = self.folder / file
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(place, seal(audio, about.recording, self._keys))
        sealed = place.read_bytes()
        self._require_same(sealed, about.recording, samples)
        entry = self.manifest.append(
            self._clock(),
            Act.STORED,
            about.recording,
            call=about.call,
            centre=about.centre,
            category=about.category,
            recorded_at=about.recorded_at.astimezone(UTC).isoformat(timespec="milliseconds"),
            file=str(file),
            bytes=len(sealed),
            sha256=hashlib.sha256(sealed).hexdigest(),
            audio_sha256=hashlib.sha256(audio).hexdigest(),
            seconds=round(len(samples) / rate, 3),
        )
        wav.unlink(missing_ok=True)
        return entry

    def open(self, recording: str, asked: Asked, how: str) -> bytes:
        """The FLAC of a recording; who opened it and why is in the manifest before it is given out.

        ``how`` is ``play``, ``export`` or ``evidence``. Raises EvidenceError when it is not there,
        was destroyed, or is not what was stored.
        """
        kept = self._require(recording)
        audio = self._content(kept)
        self._act(Act.OPENED, recording, asked, how=how)
        return audio

    def hold(self, recording: str, asked: Asked) -> Entry:
        """Keep a recording beyond its time, for legal proceedings."""
        self._require(recording)
        return self._act(Act.HELD, recording, asked)

    def release(self, recording: str, asked: Asked) -> Entry:
        """End a legal hold. Raises EvidenceError when there is none."""
        if self._require(recording).held is None:
            raise EvidenceError(f"{recording}: not held; nothing to release")
        return self._act(Act.RELEASED, recording, asked)

    def of_call(self, call: str) -> list[str]:
        """The recordings of a call that were stored and not destroyed, oldest first."""
        return [
            name
            for name, kept in self.kept().items()
            if kept.stored.call == call and kept.destroyed is None
        ]

    def classify(self, recording: str, category: str, report: str) -> None:
        """A report says that a recording is of this category too: the longer time counts."""
        kept = self.find(recording)
        if kept is None or kept.destroyed is not None:
            return
        if category in (kept.stored.category, *kept.categories):
            return
        self.manifest.append(
            self._clock(),
            Act.CLASSIFIED,
            recording,
            category=category,
            reason=report,
            via="system",
        )

    def vouch(self, asked: Asked) -> list[str]:
        """Sign the days whose heads were lost, on record in the manifest; returns these days."""
        days = self.manifest.sign_missing()
        if days:
            self._act(Act.SIGNED, "", asked, how=" ".join(days))
        return days

    def destroy_expired(self, keep_days: KeepDays, by: str, user: str = "") -> list[Entry]:
        """Destroy what is older than it may be and not held; what was proves that it existed.

        Of several categories the one that is kept longest counts. The manifest says so first: a
        file that is left over by a crash is destroyed the next time.
        """
        via = "cli" if user else "system"
        now, entries = self._clock(), []
        for recording, kept in list(self.kept().items()):
            place = self.folder / kept.path
            if kept.destroyed is not None:
                place.unlink(missing_ok=True)
                continue
            categories = (kept.stored.category, *kept.categories)
            days = max(keep_days(kept.stored.centre, each) for each in categories)
            until = datetime.fromisoformat(kept.stored.recorded_at) + timedelta(days=days)
            if kept.held is None and until <= now:
                asked = Asked(by=by, reason=f"kept {days} days", via=via, user=user)
                entries.append(self._act(Act.DESTROYED, recording, asked))
                place.unlink(missing_ok=True)
        return entries

    def verify(self) -> Iterator[Entry]:
        """Every recording that is as it was stored, oldest first.

        Raises EvidenceError naming the first line, signature or file that does not fit. Files are
        held against the manifest as they lie there: no key is needed but the public one.
        """
        self.manifest.check_heads()
        anew: dict[str, Kept] = {}
        for entry, _ in self.manifest.entries():
            _note(anew, entry)
        for kept in anew.values():
            if kept.destroyed is None:
                self._sealed(kept)
                yield kept.stored

    def kept(self) -> dict[str, Kept]:
        """All recordings ever stored, oldest first; reads only what the manifest has got since.

        Raises EvidenceError as ``Chain.read_on`` does.
        """
        with self._reading:
            for entry, found in self._chain.read_on():
                _note(self._kept, entry)
                if entry.act in OF_PEOPLE:
                    self._acts.append((entry, found))
            return self._kept

    def acts(self, after: int) -> list[tuple[Entry, Kept, str]]:
        """What was done with recordings since entry ``after``: who opened, held, released or
        destroyed them. With each the recording, and the entry's hash.
        """
        kept = self.kept()
        return [(one, kept[one.recording], found) for one, found in self._acts if one.seq > after]

    def find(self, recording: str) -> Kept | None:
        """What the manifest says of a recording; None when it was never stored."""
        return self.kept().get(recording)

    def _act(self, act: Act, recording: str, asked: Asked, **more: str) -> Entry:
        return self.manifest.append(self._clock(), act, recording, **asked.fields, **more)

    def _require(self, recording: str) -> Kept:
        kept = self.find(recording)
        if kept is None:
            raise EvidenceError(f"{recording}: no recording of this name in {self.manifest.path}")
        if kept.destroyed is not None:
            gone = kept.destroyed
            raise EvidenceError(f"{recording}: destroyed on {gone.day} by {gone.by}: {gone.reason}")
        return kept

    def _sealed(self, kept: Kept) -> bytes:
        """The file as it lies there. Raises EvidenceError unless it is byte for byte as stored."""
        entry, place = kept.stored, self.folder / kept.path
        try:
            sealed = place.read_bytes()
        except OSError as error:
            raise EvidenceError(
                f"{place}: {error.strerror}; entry {entry.seq} of the manifest says that it was "
                f"stored on {entry.day} and not destroyed"
            ) from error
        found = hashlib.sha256(sealed).hexdigest()
        if len(sealed) != entry.bytes or found != entry.sha256:
            raise EvidenceError(
                f"{place}: {len(sealed)} bytes with SHA-256 {found[:12]}…; expected {entry.bytes} "
                f"bytes with {entry.sha256[:12]}… (entry {entry.seq} of the manifest): the file "
                "was changed after it was stored"
            )
        return sealed

    def _content(self, kept: Kept) -> bytes:
        audio = unseal(self._sealed(kept), kept.stored.recording, self._keys)
        if hashlib.sha256(audio).hexdigest() != kept.stored.audio_sha256:
            raise EvidenceError(f"{kept.path}: its sound is not what was stored")
        return audio

    def _require_same(self, sealed: bytes, recording: str, samples: npt.NDArray[np.int16]) -> None:
        audio = io.BytesIO(unseal(sealed, recording, self._keys))
        again, _ = soundfile.read(audio, dtype="int16", always_2d=True)
        if not np.array_equal(again, samples):
            raise EvidenceError(
                f"{recording}: the FLAC does not sound as the WAV does; WAV is kept"
            )


def _note(kept: dict[str, Kept], entry: Entry) -> None:
    if entry.act is Act.STORED:
        kept[entry.recording] = Kept(entry)
        return
    if entry.act is Act.SIGNED:
        return
    one = kept.get(entry.recording)
    if one is None:
        raise EvidenceError(
            f"entry {entry.seq} of the manifest is of {entry.recording}, which was never stored"
        )
    match entry.act:
        case Act.HELD:
            one.held = entry
        case Act.RELEASED:
            one.held = None
        case Act.DESTROYED:
            one.destroyed = entry
        case Act.CLASSIFIED:
            one.categories = (*one.categories, entry.category)
        case _:
            pass
