"""The evidence of one call in one archive: readable without ess-pbx, checkable without it too.

A ZIP with the recordings as FLAC, ``call.json`` and ``index.html`` with timeline and audit,
the manifest with its signed heads and public key, ``SHA256SUMS``, and how to check it all with
``sha256sum`` and ``openssl``.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from ess_pbx.evidence.archive import Archive
from ess_pbx.evidence.manifest import Entry, write_whole

_HOW = """\
BUKTI PANGGILAN {call}                                  EVIDENCE OF CALL {call}

index.html       buka dengan peramban                     open in any browser
call.json        isi yang sama untuk program              the same for programs
recordings/      rekaman FLAC; kiri penelepon             FLAC; the caller on the left

Memeriksa bahwa tidak ada yang berubah / to check that nothing was changed:

1. sha256sum -c SHA256SUMS
2. Setiap baris manifest/manifest.log dimulai dengan SHA-256 dari isi sesudahnya, dan menyebut
   SHA-256 baris sebelumnya ("prev"). Rekaman di sini adalah "audio_sha256".
   Each line of manifest/manifest.log begins with the SHA-256 of what follows it, and names that of
   the line before ("prev"). The recordings here have "audio_sha256".
3. Kepala rantai hari itu ditandatangani / the head of each day is signed (Ed25519):
   cd manifest/heads
   openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in {day}.json -sigfile {day}.sig
   "hash" di berkas itu adalah SHA-256 baris nomor "seq" / its "hash" is that of line "seq".
   Kunci public.pem harus sama dengan yang dimiliki pusat / compare public.pem with the centre's.
"""

_PAGE = jinja2.Template(
    """\
<!DOCTYPE html>
<html lang="id"><head><meta charset="utf-8"><title>Panggilan {{ call.id }}</title>
<style>
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .6rem; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { word-break: break-all; }
</style></head><body>
<h1>Panggilan {{ call.id }}</h1>
<p>Dibuat {{ made_at }} oleh {{ by }}: {{ reason }}. Waktu dalam UTC.</p>
<table>{% for name, value in call.items() if value is not none %}
<tr><th>{{ name }}</th><td>{{ value }}</td></tr>{% endfor %}
</table>
<h2>Rekaman</h2>
{% for each in recordings %}
<p>{{ each.recording }}: {{ each.seconds }} detik, <code>{{ each.audio_sha256 }}</code><br>
<audio controls src="{{ each.file }}"></audio></p>
{% else %}<p>Tidak ada rekaman yang tersimpan.</p>{% endfor %}
<h2>Urutan kejadian</h2>
<table><tr><th>ms</th><th>waktu</th><th>kejadian</th><th>isi</th></tr>
{% for event in events %}<tr><td class="number">{{ event.ms if event.ms is not none else "" }}</td>
<td>{{ event.at }}</td><td>{{ event.kind }}</td>
<td>{% for name, value in event.data.items() %}{{ name }}: {{ value }}<br>{% endfor %}</td></tr>
{% endfor %}</table>
<h2>Siapa menyentuh rekaman</h2>
<table><tr><th>waktu</th><th>tindakan</th><th>oleh</th><th>alasan</th></tr>
{% for entry in acts %}<tr><td>{{ entry.at }}</td><td>{{ entry.act }}</td><td>{{ entry.by }}</td>
<td>{{ entry.reason }}</td></tr>{% endfor %}</table>
</body></html>
""",
    autoescape=True,
)


def make_bundle(
    target: Path,
    archive: Archive,
    record: Mapping[str, Any],
    *,
    by: str,
    reason: str,
    made_at: datetime,
) -> list[str]:
    """Write the bundle of a call; returns the names in it. Opening its recordings is on record.

    ``record`` holds ``call``, ``legs``, ``events`` and whatever else is known, as plain values.
    Raises EvidenceError when a recording is not as it was stored: then there is no bundle.
    """
    call = str(record["call"]["id"])
    files: dict[str, bytes] = {}
    shown: list[dict[str, Any]] = []
    for recording, kept in list(archive.kept().items()):
        if kept.stored.call != call or kept.destroyed is not None:
            continue
        name = f"recordings/{recording}.flac"
        files[name] = archive.open(recording, by, reason)
        stored = kept.stored
        shown.append(
            {
                "recording": recording,
                "file": name,
                "seconds": stored.seconds,
                "audio_sha256": stored.audio_sha256,
            }
        )
    head = archive.manifest.sign_head()
    acts = [
        entry for entry, _ in archive.manifest.entries() if entry.call == call or _of(entry, shown)
    ]
    files["call.json"] = msgspec.json.format(msgspec.json.encode({**record, "recordings": shown}))
    files["index.html"] = _PAGE.render(
        **{**record, "recordings": shown},
        acts=acts,
        by=by,
        reason=reason,
        made_at=made_at.isoformat(timespec="seconds"),
    ).encode()
    if archive.manifest.path.exists():
        files["manifest/manifest.log"] = archive.manifest.path.read_bytes()
        for path in sorted(archive.manifest.heads.iterdir()):
            files[f"manifest/heads/{path.name}"] = path.read_bytes()
    day = head.day if head is not None else f"{made_at:%Y-%m-%d}"
    files["README.txt"] = _HOW.format(call=call, day=day).encode()
    files["SHA256SUMS"] = _sums(files)
    write_whole(target, _zipped(files, made_at))
    return list(files)


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
