"""The evidence of one call in one archive: readable without ess-pbx, checkable without it too.

A ZIP with the recordings as FLAC, ``call.json`` and ``index.html`` with timeline, reports and
audit, the manifest with its signed heads, ``SHA256SUMS`` signed with the same key, that key's
public part, and how to check it all with ``sha256sum`` and ``openssl``.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ess_pbx.evidence.archive import Archive, Asked, Kept
from ess_pbx.evidence.files import write_whole
from ess_pbx.evidence.manifest import Entry
from ess_pbx.evidence.page import HOW, PAGE


def make_bundle(
    target: Path, archive: Archive, record: Mapping[str, Any], asked: Asked, made_at: datetime
) -> list[str]:
    """Write the bundle of a call; returns the names in it. Opening its recordings is on record.

    ``record`` holds ``call``, ``legs``, ``events``, ``reports``, ``audit`` and whatever else is
    known, as plain values. Raises EvidenceError when a recording is not as it was stored: then
    there is no bundle.
    """
    call = str(record["call"]["id"])
    files: dict[str, bytes] = {}
    shown: list[dict[str, Any]] = []
    for recording, kept in list(archive.kept().items()):
        if kept.stored.call != call:
            continue
        name = f"recordings/{recording}.flac"
        if kept.destroyed is None:
            files[name] = archive.open(recording, asked, "evidence")
        shown.append(_shown(recording, kept, name))
    head = archive.manifest.sign_head()
    acts = [
        entry for entry, _ in archive.manifest.entries() if entry.call == call or _of(entry, shown)
    ]
    whole = {"reports": [], "audit": [], **record, "recordings": shown, "acts": acts}
    files["call.json"] = msgspec.json.format(msgspec.json.encode(whole))
    files["index.html"] = PAGE.render(
        **whole, by=asked.by, reason=asked.reason, made_at=made_at.isoformat(timespec="seconds")
    ).encode()
    if archive.manifest.path.exists():
        files["manifest/manifest.log"] = archive.manifest.path.read_bytes()
        for path in sorted(archive.manifest.heads.folder.iterdir()):
            files[f"manifest/heads/{path.name}"] = path.read_bytes()
    day = head.day if head is not None else f"{made_at:%Y-%m-%d}"
    files["README.txt"] = HOW.format(call=call, day=day).encode()
    files["public.pem"] = archive.public_pem
    files["SHA256SUMS"] = _sums(files)
    files["SHA256SUMS.sig"] = archive.sign(files["SHA256SUMS"])
    write_whole(target, _zipped(files, made_at))
    return list(files)


def _shown(recording: str, kept: Kept, file: str) -> dict[str, Any]:
    """A recording for people and programs: where it is, or why it is no more, and its proof."""
    stored, gone = kept.stored, kept.destroyed
    found: dict[str, Any] = {
        "recording": recording,
        "seconds": stored.seconds,
        "recorded_at": stored.recorded_at,
        "entry": stored.seq,
        "sha256": stored.sha256,
        "audio_sha256": stored.audio_sha256,
    }
    if gone is None:
        return {**found, "file": file}
    return {
        **found,
        "destroyed_at": gone.at,
        "destroyed_by": gone.by,
        "destroyed_reason": gone.reason,
        "destroyed_entry": gone.seq,
    }


def _of(entry: Entry, shown: Sequence[Mapping[str, Any]]) -> bool:
    return any(entry.recording == each["recording"] for each in shown)


def _sums(files: Mapping[str, bytes]) -> bytes:
    """As sha256sum writes and checks them."""
    return b"".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()
        for name, content in files.items()
    )


def _zipped(files: Mapping[str, bytes], made_at: datetime) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as bundle:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, made_at.timetuple()[:6])
            info.external_attr = 0o600 << 16
            bundle.writestr(info, content, zipfile.ZIP_DEFLATED)
    return target.getvalue()
