"""A bundle can be read and checked by anybody who has a browser, sha256sum and openssl."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.archive import About, Archive, Asked
from ess_pbx.evidence.bundle import make_bundle
from ess_pbx.evidence.keys import make_keys

AT = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
CALL = "ess1-1.1"
RECORD: dict[str, Any] = {
    "call": {"id": CALL, "caller_display": "0812-345 <script>", "agency": None},
    "legs": [],
    "events": [{"ms": 14, "at": "2026-11-22", "kind": "offered", "data": {"agent": "1001"}}],
}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "recordings", make_keys(tmp_path / "keys.json"), lambda: AT)
    archive.folder.mkdir()
    for name, call in ((CALL, CALL), ("other-2.2", "other-2.2")):
        wav = archive.folder / f"{name}.wav"
        soundfile.write(wav, np.zeros((800, 2), np.int16), 8000, subtype="PCM_16")
        archive.store(wav, About(name, call, "contoh", "medis", AT))
    return archive


def given_bundle(folder: Path, archive: Archive) -> Path:
    target = folder / "bukti.zip"
    make_bundle(target, archive, RECORD, Asked(by="3001", reason="LP/7"), AT)
    out = folder / "out"
    with zipfile.ZipFile(target) as bundle:
        bundle.extractall(out)
    return out


def test_it_holds_the_calls_recordings_and_no_others(archive: Archive, tmp_path: Path) -> None:
    out = given_bundle(tmp_path, archive)
    assert [path.name for path in (out / "recordings").iterdir()] == [f"{CALL}.flac"]
    samples, rate = soundfile.read(out / "recordings" / f"{CALL}.flac")
    assert (len(samples), rate) == (800, 8000)


def test_page_and_json_tell_the_same_and_nothing_of_it_is_code(
    archive: Archive, tmp_path: Path
) -> None:
    out = given_bundle(tmp_path, archive)
    page = (out / "index.html").read_text()
    assert "<script>" not in page
    assert "0812-345 &lt;script&gt;" in page
    assert "agent: 1001" in page
    assert f'src="recordings/{CALL}.flac"' in page
    told = json.loads((out / "call.json").read_text())
    assert told["call"]["id"] == CALL
    (recording,) = told["recordings"]
    content = (out / recording["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == recording["audio_sha256"]


def test_sha256sum_accepts_it_and_finds_a_change(archive: Archive, tmp_path: Path) -> None:
    out = given_bundle(tmp_path, archive)
    subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=out, check=True, capture_output=True)
    (out / "call.json").write_text("{}")
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=out, check=False, capture_output=True, text=True
    )
    assert "call.json: FAILED" in done.stdout


def test_the_signed_head_covers_the_making_of_the_bundle(archive: Archive, tmp_path: Path) -> None:
    out = given_bundle(tmp_path, archive)
    head = json.loads((out / "manifest/heads/2026-11-22.json").read_text())
    lines = (out / "manifest/manifest.log").read_bytes().splitlines()
    assert head["seq"] == len(lines) == 3
    assert lines[-1].startswith(head["hash"].encode())
    opened = json.loads(lines[-1][65:])
    assert (opened["act"], opened["by"], opened["reason"]) == ("opened", "3001", "LP/7")
    assert f"{head['day']}.json" in (out / "README.txt").read_text()


def test_of_a_recording_that_was_changed_there_is_no_bundle(
    archive: Archive, tmp_path: Path
) -> None:
    place = archive.folder / archive.kept()[CALL].path
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(EvidenceError, match="changed after it was stored"):
        make_bundle(tmp_path / "bukti.zip", archive, RECORD, Asked(by="x", reason="y"), AT)
    assert not (tmp_path / "bukti.zip").exists()


def test_a_call_without_recordings_has_a_bundle_too(archive: Archive, tmp_path: Path) -> None:
    record = {**RECORD, "call": {"id": "none-3.3"}}
    names = make_bundle(tmp_path / "b.zip", archive, record, Asked(by="x", reason="y"), AT)
    assert "index.html" in names
    content = zipfile.ZipFile(io.BytesIO((tmp_path / "b.zip").read_bytes())).read("index.html")
    assert "Tidak ada rekaman" in content.decode()
