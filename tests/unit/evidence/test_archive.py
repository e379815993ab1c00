"""A recording taken over is sealed, provable and destroyed in its time; any change is named."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.archive import About, Archive, Asked
from ess_pbx.evidence.heads import check_signature, read_public
from ess_pbx.evidence.keys import EvidenceKeys, load_keys, make_keys
from ess_pbx.evidence.manifest import Act, Manifest
from ess_pbx.evidence.sealing import seal, unseal

START = datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
POLICE = Asked(by="3001", reason="laporan polisi 7", via="cli", user="root")


class Clock:
    """Stands where a test puts it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path) -> EvidenceKeys:
    return make_keys(tmp_path / "elsewhere" / "keys.json")


@pytest.fixture
def archive(tmp_path: Path, keys: EvidenceKeys, clock: Clock) -> Archive:
    return Archive(tmp_path / "recordings", keys, clock)


def a_wav(folder: Path, name: str, seconds: float = 1.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.wav"
    noise = np.random.default_rng(len(name)).integers(-9000, 9000, (round(8000 * seconds), 2))
    soundfile.write(path, noise.astype(np.int16), 8000, subtype="PCM_16")
    return path


def about(name: str, at: datetime = START, category: str = "medis") -> About:
    return About(name, name, "contoh", category, at)


def given_stored(archive: Archive, *names: str, at: datetime = START) -> None:
    for name in names:
        archive.store(a_wav(archive.folder, name), about(name, at))


def verified(archive: Archive) -> list[str]:
    return [entry.recording for entry in archive.verify()]


def test_what_is_stored_is_sealed_and_sounds_the_same(archive: Archive) -> None:
    wav = a_wav(archive.folder, "ess1-1.1", 2.0)
    samples, _ = soundfile.read(wav, dtype="int16")

    entry = archive.store(wav, about("ess1-1.1"))

    assert not wav.exists()
    sealed = (archive.folder / entry.file).read_bytes()
    assert b"fLaC" not in sealed
    assert (archive.folder / entry.file).stat().st_mode & 0o077 == 0
    heard, rate = soundfile.read(
        io.BytesIO(archive.open("ess1-1.1", POLICE, "play")), dtype="int16"
    )
    assert rate == 8000
    assert np.array_equal(heard, samples)
    assert entry.seconds == 2.0
    assert verified(archive) == ["ess1-1.1"]


def test_who_heard_it_and_why_is_in_the_manifest(archive: Archive) -> None:
    given_stored(archive, "a.1")
    archive.open("a.1", POLICE, "export")
    last = list(archive.manifest.entries())[-1][0]
    assert (last.act, last.recording, last.by, last.reason) == (
        Act.OPENED,
        "a.1",
        "3001",
        "laporan polisi 7",
    )


def test_taking_over_again_after_a_crash_changes_nothing(archive: Archive) -> None:
    first = archive.store(a_wav(archive.folder, "a.1"), about("a.1"))
    again = a_wav(archive.folder, "a.1")
    assert archive.store(again, about("a.1")) == first
    assert not again.exists()
    assert len(list(archive.manifest.entries())) == 1


def test_one_byte_changed_is_found_and_the_file_named(archive: Archive) -> None:
    given_stored(archive, "a.1", "b.2", "c.3")
    entry = archive.kept()["b.2"].stored
    place = archive.folder / entry.file
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)

    with pytest.raises(EvidenceError, match=r"b\.2\.flac\.sealed: .* changed after it was stored"):
        verified(archive)
    with pytest.raises(EvidenceError, match=r"b\.2\.flac\.sealed"):
        archive.open("b.2", POLICE, "play")


def test_a_file_taken_away_is_named(archive: Archive) -> None:
    given_stored(archive, "a.1", "b.2")
    (archive.folder / archive.kept()["a.1"].path).unlink()
    with pytest.raises(EvidenceError, match=r"a\.1\.flac\.sealed: No such file.*not destroyed"):
        verified(archive)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda lines: [lines[0], lines[2]], r"manifest\.log:2: follows entry 2"),
        (lambda lines: [lines[0], lines[1].replace(b"b.2", b"b.9"), lines[2]], r":2: its hash"),
        (lambda lines: [lines[1], lines[0], lines[2]], r":1: follows entry 1"),
        (lambda lines: [lines[0], b"junk\n", lines[2]], r":2: its hash"),
    ],
    ids=["taken away", "changed", "swapped", "junk"],
)
def test_a_changed_manifest_is_found_and_the_line_named(
    archive: Archive, change: Callable[[list[bytes]], list[bytes]], named: str
) -> None:
    given_stored(archive, "a.1", "b.2", "c.3")
    path = archive.manifest.path
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(EvidenceError, match=named):
        verified(Archive(archive.folder, archive._keys))


def test_a_manifest_made_anew_does_not_fit_the_signed_heads(
    archive: Archive, tmp_path: Path, clock: Clock
) -> None:
    given_stored(archive, "a.1", "b.2")
    clock.now += timedelta(days=1)
    given_stored(archive, "c.3")
    assert verified(archive) == ["a.1", "b.2", "c.3"]
    heads = archive.manifest.heads.folder
    assert sorted(path.stem for path in heads.glob("*.json")) == ["2026-11-21", "2026-11-22"]

    archive.manifest.path.unlink()
    (archive.folder / "again").mkdir()
    forged = Archive(archive.folder, make_keys(tmp_path / "forged.json"), clock)
    wav = a_wav(archive.folder / "again", "c.3")
    with pytest.raises(EvidenceError, match="heads of a manifest that is not there"):
        forged.store(wav, about("c.3"))
    old = heads.rename(archive.folder / "old")
    forged.store(wav, about("c.3"))
    with pytest.raises(EvidenceError, match="signed with another key"):
        verified(Archive(archive.folder, archive._keys))
    shutil.rmtree(heads)
    old.rename(heads)
    with pytest.raises(EvidenceError, match="made anew or cut off"):
        verified(Archive(archive.folder, archive._keys))


def test_a_manifest_cut_off_is_found_by_its_signed_head(archive: Archive, clock: Clock) -> None:
    given_stored(archive, "a.1", "b.2")
    archive.manifest.sign_head()
    path = archive.manifest.path
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(EvidenceError, match="cut off"):
        verified(Archive(archive.folder, archive._keys, clock))


def test_a_line_that_a_crash_left_unfinished_is_cut_and_the_chain_goes_on(archive: Archive) -> None:
    given_stored(archive, "a.1")
    with archive.manifest.path.open("ab") as file:
        file.write(b"0123 torn")
    fresh = Archive(archive.folder, archive._keys)
    fresh.manifest.append(START, Act.HELD, "a.1", by="x", reason="y")
    assert verified(fresh) == ["a.1"]


def test_signatures_and_hashes_are_those_of_standard_tools(archive: Archive) -> None:
    given_stored(archive, "a.1")
    archive.manifest.sign_head()
    heads = archive.manifest.heads.folder
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin"]
    command += ["-in", "2026-11-21.json", "-sigfile", "2026-11-21.sig"]
    if shutil.which("openssl") is None:
        # A machine without it still checks that the PEM file is what verifies the signature.
        public = read_public((heads / "public.pem").read_bytes())
        head = heads / "2026-11-21.json"
        check_signature(public, head, head.read_bytes())
    else:
        done = subprocess.run(command, cwd=heads, capture_output=True, text=True, check=False)
        assert "Signature Verified Successfully" in done.stdout
    line = archive.manifest.path.read_bytes().rstrip(b"\n")
    tool = subprocess.run(["sha256sum"], input=line[65:], capture_output=True, check=True)
    assert tool.stdout.split()[0] == line[:64]


def test_a_sealed_file_cannot_stand_in_for_another(keys: EvidenceKeys) -> None:
    sealed = seal(b"sound", "a.1", keys)
    assert unseal(sealed, "a.1", keys) == b"sound"
    with pytest.raises(EvidenceError, match=r"b\.2"):
        unseal(sealed, "b.2", keys)


def test_without_its_key_nothing_is_heard(archive: Archive, tmp_path: Path) -> None:
    given_stored(archive, "a.1")
    other = Archive(archive.folder, make_keys(tmp_path / "other.json"))
    with pytest.raises(EvidenceError, match="sealed with key"):
        other.open("a.1", POLICE, "play")


def test_expired_recordings_are_destroyed_and_their_proof_stays(
    archive: Archive, clock: Clock
) -> None:
    given_stored(archive, "old.1", at=START - timedelta(days=40))
    given_stored(archive, "held.2", at=START - timedelta(days=40))
    given_stored(archive, "young.3", at=START - timedelta(days=5))
    archive.hold("held.2", POLICE)

    gone = archive.destroy_expired(lambda _centre, _category: 30, "retention")

    assert [(entry.recording, entry.reason) for entry in gone] == [("old.1", "kept 30 days")]
    assert not (archive.folder / archive.kept()["old.1"].path).exists()
    assert verified(archive) == ["held.2", "young.3"]
    with pytest.raises(EvidenceError, match="destroyed on 2026-11-21 by retention: kept 30 days"):
        archive.open("old.1", POLICE, "play")
    archive.release("held.2", POLICE)
    clock.now += timedelta(days=1)
    assert [e.recording for e in archive.destroy_expired(lambda *_: 30, "retention")] == ["held.2"]


def test_a_destruction_that_a_crash_interrupted_is_finished(archive: Archive) -> None:
    given_stored(archive, "a.1")
    place = archive.folder / archive.kept()["a.1"].path
    archive.manifest.append(START, Act.DESTROYED, "a.1", by="retention", reason="kept 30 days")
    assert archive.destroy_expired(lambda *_: 30, "retention") == []
    assert not place.exists()


def test_what_was_never_stored_is_named(archive: Archive) -> None:
    with pytest.raises(EvidenceError, match=r"x\.9: no recording of this name"):
        archive.open("x.9", POLICE, "play")
    with pytest.raises(EvidenceError, match=r"x\.9"):
        archive.hold("x.9", POLICE)


def test_two_processes_append_to_one_chain(archive: Archive) -> None:
    given_stored(archive, "a.1")
    other = Archive(archive.folder, archive._keys)
    other.hold("a.1", POLICE)
    archive.release("a.1", POLICE)
    assert [entry.seq for entry, _ in Manifest(archive.folder, archive._keys).entries()] == [
        1,
        2,
        3,
    ]


def test_each_entry_signs_the_head_of_its_day(archive: Archive, clock: Clock) -> None:
    given_stored(archive, "a.1")
    assert archive.manifest.check_heads() == 1
    clock.now += timedelta(hours=2)
    given_stored(archive, "b.2")
    assert archive.manifest.check_heads() == 2
    (archive.manifest.heads.folder / "2026-11-21.json").write_bytes(b"{}")
    with pytest.raises(EvidenceError, match="not what was signed"):
        archive.manifest.check_heads()


def test_key_files_that_others_may_read_or_that_exist_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made = make_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(EvidenceError, match="exists"):
        make_keys(path)
    path.chmod(0o640)
    with pytest.raises(EvidenceError, match=r"chmod 600"):
        load_keys(path)
    assert made.current not in path.read_text()


def given_crash(archive: Archive, *, before: str) -> None:
    """A line was written, and the engine ended before its signature, or before the head's file."""
    heads = archive.manifest.heads.folder
    kept = {path: path.read_bytes() for path in heads.glob("2026-*")}
    archive.manifest.append(START, Act.HELD, "a.1", **POLICE.fields)
    for path, content in kept.items():
        if before == "signature" or path.suffix == ".json":
            path.write_bytes(content)


@pytest.mark.parametrize("before", ["signature", "file"])
def test_what_a_crash_left_unsigned_is_not_accepted_and_signed_at_the_next_start(
    archive: Archive, before: str
) -> None:
    given_stored(archive, "a.1")
    given_crash(archive, before=before)
    fresh = Archive(archive.folder, archive._keys)
    with pytest.raises(EvidenceError, match=r"ended in that very moment|not what was signed"):
        verified(fresh)
    assert fresh.manifest.sign_head() is not None
    assert verified(fresh) == ["a.1"]


def test_nothing_is_added_to_a_chain_that_was_made_anew(archive: Archive) -> None:
    given_stored(archive, "a.1", "b.2", "c.3")
    path = archive.manifest.path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    for head in archive.manifest.heads.folder.glob("2026-*"):
        head.unlink()
    (archive.manifest.heads.folder / "2026-11-20.json").write_bytes(b"{}")
    before = path.read_bytes()
    with pytest.raises(EvidenceError, match="made anew or cut off"):
        archive.hold("a.1", POLICE)
    with pytest.raises(EvidenceError, match="made anew or cut off"):
        archive.manifest.sign_head()
    assert path.read_bytes() == before


@pytest.mark.parametrize("field", ["by", "reason"])
def test_nobody_and_nothing_are_no_reason(field: str) -> None:
    values = {"by": "3001", "reason": "LP/7", field: "  "}
    with pytest.raises(EvidenceError, match=f"{field}: empty; expected"):
        Asked(**values)


def test_the_longest_of_the_categories_that_reports_gave_it_counts(archive: Archive) -> None:
    given_stored(archive, "a.1", at=START - timedelta(days=40))
    given_stored(archive, "b.2", at=START - timedelta(days=40))
    archive.classify("a.1", "kekerasan", "contoh-20261012-0001")
    archive.classify("a.1", "kekerasan", "contoh-20261012-0001")
    days = {"medis": 30, "kekerasan": 3650}

    gone = archive.destroy_expired(lambda _, category: days[category], "retention")

    assert [entry.recording for entry in gone] == ["b.2"]
    assert [entry.act for entry, _ in archive.manifest.entries()].count(Act.CLASSIFIED) == 1
    assert (gone[0].by, gone[0].via) == ("retention", "system")
