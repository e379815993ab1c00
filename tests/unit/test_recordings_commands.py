"""What the commands about recordings prove, refuse and put on record, as a person runs them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from argon2 import PasswordHasher
from msgspec.structs import replace

from ess_pbx import cli
from ess_pbx.db import migrate
from ess_pbx.db.connect import create_engine
from ess_pbx.db.projector import project
from ess_pbx.demo.stage import SAMPLE
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.engine.journal import Journal
from ess_pbx.evidence.archive import About, Archive
from ess_pbx.evidence.keys import load_keys, make_keys
from ess_pbx.evidence.manifest import Act
from ess_pbx.settings.credentials import load_credentials, write_credentials
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import Settings
from ess_pbx.terminal import run as run_async

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")

FIRST_DAY = datetime(2026, 11, 20, 3, tzinfo=UTC)
CALL, CONSULT, OTHER = "ess1-1795332165.0", "ess1-1795332165.0~ag3", "ess1-1795332200.1"
REPORT = "contoh-20261120-0001"
SUPERVISOR, PIN = "1007", "975310"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
WHY = ("--by", SUPERVISOR, "--reason", "LP/7/XI/2026")


class Given:
    """An installation whose recordings were sealed, and whose journal was told of it."""

    def __init__(self, folder: Path) -> None:
        source = SAMPLE.read_text().replace("../../var/contoh", str(folder / "state"))
        source = source.replace("../../var/kunci", str(folder / "keys"))
        source = source.replace("../../", f"{SAMPLE.parents[2]}/")
        self.file = folder / "centre.toml"
        self.file.write_text(source)
        self.settings: Settings = load_settings(self.file)
        assert self.settings.recordings.keys is not None
        self.keys = self.settings.recordings.keys
        make_keys(self.keys)
        state = self.settings.folders.state
        known = load_credentials(state, [SUPERVISOR, "1001"])
        pins = {each: QUICK.hash(PIN) for each in (SUPERVISOR, "1001")}
        write_credentials(state, replace(known, pins=pins))
        self.now = FIRST_DAY
        self.archive = Archive(self.settings.folders.recordings, load_keys(self.keys), self.clock)
        self.archive.folder.mkdir(parents=True, exist_ok=True)
        self.facts = 0

    def clock(self) -> datetime:
        return self.now

    @property
    def folder(self) -> Path:
        return self.archive.folder

    @property
    def heads(self) -> Path:
        return self.archive.manifest.heads.folder

    def file_of(self, recording: str) -> Path:
        return self.folder / self.archive.kept()[recording].path

    def stored(self, recording: str, days_later: int = 0) -> None:
        self.now = FIRST_DAY + timedelta(days=days_later)
        wav = self.folder / f"{recording}.wav"
        soundfile.write(wav, np.zeros((800, 2), np.int16), 8000, subtype="PCM_16")
        call = recording.partition("~")[0]
        entry = self.archive.store(wav, About(recording, call, "contoh", "medis", self.now))
        self.told(
            FactKind.RECORDING_SEALED,
            call,
            recording=recording,
            path=entry.file,
            sha256=entry.sha256,
            bytes=entry.bytes,
            entry=entry.seq,
        )

    def told(self, kind: FactKind, call: str | None, /, **data: JSON) -> Fact:
        self.facts += 1
        at = self.now.timestamp()
        fact = Fact(
            id=f"b-{self.facts}", centre="contoh", call=call, kind=kind, at=at, ms=0, data=data
        )
        journal = Journal(self.settings.folders.state / "journal")
        journal.append(fact)
        journal.close_now()
        return fact

    def in_database(self, *facts: Fact) -> None:
        url = self.settings.database.url
        migrate.upgrade(url)

        async def store() -> None:
            engine = create_engine(url)
            async with engine.begin() as connection:
                await project(connection, list(enumerate(facts, 1)), "journal")
            await engine.dispose()

        run_async(store())

    def acts(self) -> list[tuple[str, str, str, str, str]]:
        """Recording, act, by, reason and way of what people did, by the manifest."""
        return [
            (one.recording, one.act.value, one.by, one.reason, one.via)
            for one, _ in self.archive.manifest.entries()
            if one.act is not Act.STORED
        ]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    monkeypatch.setattr("ess_pbx.settings.pins._HASHER", QUICK)
    monkeypatch.chdir(tmp_path)
    return Given(tmp_path)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, given: Given) -> Callable[..., int]:
    """Runs ``ess-pbx`` with the settings after the command's name; ``pin`` is typed."""

    def run(*words: str | Path, of: int = 2, pin: str = PIN) -> int:
        arguments = [*map(str, words[:of]), str(given.file), *map(str, words[of:])]
        monkeypatch.setattr("sys.argv", ["ess-pbx", *arguments])
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{pin}\n"))
        return cli.main()

    return run


@pytest.fixture
def four(given: Given) -> Given:
    """Four recordings of three days."""
    for recording, day in ((CALL, 0), (CONSULT, 0), (OTHER, 1), ("ess1-1795332300.2", 2)):
        given.stored(recording, day)
    return given


def when_forged(given: Given) -> None:
    """A file is altered and the chain made anew without the key, with no heads any more."""
    place = given.file_of(CALL)
    altered = bytearray(place.read_bytes())
    altered[-1] ^= 1
    place.write_bytes(altered)
    path = given.archive.manifest.path
    before, out = "0" * 64, b""
    for line in path.read_bytes().splitlines():
        entry = json.loads(line[65:])
        entry["prev"] = before
        if entry["recording"] == CALL:
            entry["sha256"] = hashlib.sha256(altered).hexdigest()
        body = json.dumps(entry).encode()
        before = hashlib.sha256(body).hexdigest()
        out += before.encode() + b" " + body + b"\n"
    path.write_bytes(out)
    shutil.rmtree(given.heads)


def when_the_last_is_cut_off(given: Given) -> None:
    given.file_of("ess1-1795332300.2").unlink()
    path = given.archive.manifest.path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def when_a_day_is_cut_off(given: Given) -> None:
    """With its head: nothing that is left says that there ever was more."""
    when_the_last_is_cut_off(given)
    for head in given.heads.glob("2026-11-22.*"):
        head.unlink()


def when_a_head_is_taken(given: Given) -> None:
    (given.heads / "2026-11-20.json").unlink()


def when_emptied(given: Given) -> None:
    shutil.rmtree(given.folder)
    given.folder.mkdir()


def when_one_byte_is_changed(given: Given) -> None:
    place = given.file_of(OTHER)
    altered = bytearray(place.read_bytes())
    altered[-1] ^= 1
    place.write_bytes(altered)


@pytest.mark.parametrize(
    ("tampered", "named"),
    [
        (when_forged, r"heads/2026-11-20.json: not there; the manifest has entries of that day"),
        (when_the_last_is_cut_off, r"heads/2026-11-22.json: entry 4 had the hash"),
        (when_a_day_is_cut_off, r"ess1-1795332300.2: the journal has it as entry 4"),
        (when_a_head_is_taken, r"heads/2026-11-20.json: not there"),
        (when_emptied, r"manifest.log: not there, and .* was told of 4 recordings"),
        (when_one_byte_is_changed, rf"{OTHER}.flac.sealed: .*changed after it was stored"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_verify_names_what_was_tampered_with(
    four: Given,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    tampered: Callable[[Given], None],
    named: str,
) -> None:
    assert command("recordings", "verify") == 0
    told = capsys.readouterr().out.replace("\n", " ")
    assert "4 recordings are as they were stored; 3 signed heads" in told
    assert "knows of 4 of 4" in told

    tampered(four)

    assert command("recordings", "verify") == 1
    assert re.search(named, capsys.readouterr().err)


def test_lost_heads_are_signed_anew_on_record_and_a_forged_chain_is_not(
    four: Given, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    when_a_head_is_taken(four)
    for head in four.heads.glob("2026-11-2[12].*"):
        head.unlink()
    assert command("recordings", "hold", CALL, *WHY) == 1
    assert "heads were taken away" in capsys.readouterr().err

    assert command("recordings", "sign-heads", *WHY) == 0

    assert "2026-11-20, 2026-11-21, 2026-11-22" in capsys.readouterr().err
    assert command("recordings", "verify") == 0
    assert four.acts() == [("", "signed", SUPERVISOR, "LP/7/XI/2026", "cli")]
    assert command("recordings", "hold", CALL, *WHY) == 0

    when_the_last_is_cut_off(four)
    assert command("recordings", "sign-heads", *WHY) == 1
    assert "made anew or cut off" in capsys.readouterr().err


def test_with_nothing_stored_there_is_nothing_wrong(
    given: Given, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert given.facts == 0
    assert command("recordings", "verify") == 0
    assert command("recordings", "list") == 0
    assert "No recording was stored yet" in capsys.readouterr().err


def test_list_shows_names_whole_in_a_narrow_window_and_all_of_it_as_json(
    four: Given,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert command("recordings", "hold", CALL, *WHY) == 0
    assert command("recordings", "list") == 0
    told = capsys.readouterr().out
    assert CONSULT in told
    assert max(map(len, told.splitlines())) <= 80
    assert command("recordings", "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["recording"] for row in rows] == list(four.archive.kept())
    assert (rows[0]["state"], rows[0]["reason"]) == ("held by 1007", "LP/7/XI/2026")


def test_export_gives_the_sound_to_a_supervisor_and_says_who_it_was(
    four: Given, command: Callable[..., int], tmp_path: Path
) -> None:
    target = tmp_path / "x.wav"
    assert command("recordings", "export", CALL, target, *WHY) == 0
    assert soundfile.info(target).frames == 800
    assert four.acts() == [(CALL, "opened", SUPERVISOR, "LP/7/XI/2026", "cli")]
    last = list(four.archive.manifest.entries())[-1][0]
    assert last.how == "export"
    assert last.user
    assert command("recordings", "verify") == 0


@pytest.mark.parametrize(
    ("words", "pin", "why"),
    [
        (("--by", SUPERVISOR, "--reason", "LP/7"), "000000", "not their PIN or password"),
        (("--by", "1001", "--reason", "LP/7"), PIN, "expected a supervisor's extension"),
        (("--by", "siapa-saja", "--reason", "LP/7"), PIN, "expected a supervisor's extension"),
        (("--by", "", "--reason", "LP/7"), PIN, "by: empty; expected who wants it"),
        (("--by", SUPERVISOR, "--reason", " "), PIN, "reason: empty; expected what for"),
    ],
    ids=["wrong PIN", "an operator", "nobody known", "nobody", "no reason"],
)
@pytest.mark.parametrize("act", ["export", "hold", "release"])
def test_who_may_not_or_does_not_say_why_is_refused(
    four: Given,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    act: str,
    words: tuple[str, ...],
    pin: str,
    why: str,
) -> None:
    target = [tmp_path / "x.flac"] if act == "export" else []
    assert command("recordings", act, CALL, *target, *words, pin=pin) == 1
    assert why in capsys.readouterr().err
    assert not (tmp_path / "x.flac").exists()
    assert four.acts() == []


def test_a_call_is_held_with_all_its_recordings_and_released_again(
    four: Given, command: Callable[..., int]
) -> None:
    assert command("recordings", "hold", CALL, *WHY) == 0
    held = [name for name, each in four.archive.kept().items() if each.held]
    assert held == [CALL, CONSULT]
    assert command("recordings", "release", CALL, *WHY) == 0
    assert not any(each.held for each in four.archive.kept().values())
    assert command("recordings", "release", CALL, *WHY) == 1
    assert command("recordings", "hold", CONSULT, *WHY) == 0
    assert [name for name, each in four.archive.kept().items() if each.held] == [CONSULT]


def test_expire_destroys_what_is_too_old_and_not_held(
    given: Given, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for recording in (CALL, OTHER):
        given.stored(recording, -400)
    assert command("recordings", "hold", OTHER, *WHY) == 0
    assert command("recordings", "expire") == 0
    assert "1 recordings destroyed" in capsys.readouterr().err
    destroyed = given.archive.kept()[CALL].destroyed
    assert destroyed is not None
    assert (destroyed.by, destroyed.via) == ("retention", "cli")
    assert destroyed.user
    assert command("recordings", "verify") == 0


def test_new_keys_are_made_once(
    given: Given,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert given.keys.exists()
    monkeypatch.setattr("sys.argv", ["ess-pbx", "recordings", "new-keys", str(tmp_path / "k")])
    assert cli.main() == 0
    assert "Keep a copy" in capsys.readouterr().err
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    assert cli.main() == 1
    assert "exists" in capsys.readouterr().err


def given_a_whole_case(given: Given) -> list[Fact]:
    """A call with a report, something that was asked for, and two recordings: one destroyed."""
    for recording in (CALL, CONSULT):
        given.stored(recording, -400 if recording == CALL else 0)
    given.now = datetime.now(UTC)
    given.archive.destroy_expired(lambda *_: 365, "retention")
    by: dict[str, JSON] = {"by": "1001", "via": "api", "report": REPORT}
    wrote = {"narrative": "Asap tebal", "caller_name": "Ibu <b>Siti</b>", "category": "medis"}
    marked = {"mark": "prank", "note": "x", "number": "+6281234567890"}
    return [
        given.told(FactKind.CALL_ANSWERED, CALL),
        given.told(FactKind.REPORT_OPENED, None, linked=CALL, fields=wrote, **by),
        given.told(FactKind.REPORT_SAVED, None, fields={"narrative": "Api padam"}, **by),
        given.told(FactKind.REPORT_STEP, None, agency="psc-119", step="diserahkan", **by),
        given.told(FactKind.CALL_MARKED, CALL, **marked, by="1001", via="phone"),
        given.told(FactKind.REPORT_OPENED, None, linked=OTHER, fields={}, **{**by, "report": "x"}),
    ]


def test_evidence_holds_report_audit_and_proof_and_can_be_checked_by_hand(
    given: Given, command: Callable[..., int], tmp_path: Path
) -> None:
    given.in_database(*given_a_whole_case(given))

    assert command("evidence", CALL, *WHY, of=1) == 0

    out = tmp_path / "out"
    with zipfile.ZipFile(tmp_path / f"bukti-{CALL}.zip") as bundle:
        bundle.extractall(out)
    page, told = (out / "index.html").read_text(), json.loads((out / "call.json").read_text())
    (report,) = told["reports"]
    assert (report["number"], report["narrative"]) == (REPORT, "Api padam")
    assert [each["kind"] for each in report["versions"]] == [
        "report_opened",
        "report_saved",
        "report_step",
    ]
    assert report["steps"][0]["agency"] == "psc-119"
    assert [row["action"] for row in told["audit"]] == [
        "report_opened",
        "report_saved",
        "report_step",
        "call_marked",
    ]
    for text in ("Api padam", "Asap tebal", "Ibu &lt;b&gt;Siti", "diserahkan", "call_marked"):
        assert text in page
    gone = next(each for each in told["recordings"] if each["recording"] == CALL)
    assert (gone["destroyed_by"], gone["destroyed_reason"]) == ("retention", "kept 365 days")
    assert "Dihancurkan" in page
    assert gone["sha256"] in page
    assert [path.name for path in (out / "recordings").iterdir()] == [f"{CONSULT}.flac"]
    # Exactly what the bundle's own README says, with nothing of ess-pbx.
    steps = [
        line.strip()
        for line in (out / "README.txt").read_text().splitlines()
        if line.strip().startswith(("openssl", "sha256sum", "cd "))
    ]
    assert len(steps) == 4
    script = "set -e\n" + "\n".join(steps)
    subprocess.run(["bash", "-c", script], cwd=out, check=True, capture_output=True)
    (out / "index.html").write_text(page.replace("Api padam", "Tidak apa-apa"))
    sums = (out / "SHA256SUMS").read_text().splitlines()
    altered = hashlib.sha256((out / "index.html").read_bytes()).hexdigest()
    mended = [f"{altered}  index.html" if "index.html" in line else line for line in sums]
    (out / "SHA256SUMS").write_text("\n".join(mended) + "\n")
    done = subprocess.run(["bash", "-c", script], cwd=out, check=False, capture_output=True)
    assert done.returncode != 0


def test_evidence_is_for_those_who_may_hear_it(
    given: Given, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    given.in_database(*given_a_whole_case(given))
    assert command("evidence", CALL, *WHY, of=1, pin="111111") == 1
    assert "not their PIN" in capsys.readouterr().err
    assert command("evidence", "ess1-9.9", *WHY, of=1) == 1
    assert "no such call" in capsys.readouterr().err


def test_audit_hides_what_was_written_of_callers_unless_all_is_asked_for(
    given: Given, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    given.in_database(*given_a_whole_case(given))

    assert command("audit", "--json", of=1) == 0
    told = capsys.readouterr().out
    for secret in ("Asap tebal", "Siti", "+6281234567890"):
        assert secret not in told
    opened = next(row for row in json.loads(told) if row["subject"].get("linked") == CALL)
    assert opened["subject"]["fields"] == {
        "narrative": "***",
        "caller_name": "***",
        "category": "medis",
    }

    assert command("audit", "--json", "--whole", of=1) == 0
    assert "Asap tebal" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [("audit",), ("calls",), ("evidence", CALL, *WHY), ("report",)],
    ids=lambda words: words[0],
)
def test_without_tables_it_is_said_what_to_do(
    given: Given,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    assert given.facts == 0
    assert command(*words, of=1) == 1
    told = capsys.readouterr().err
    assert "cannot be read" in told
    assert "ess-pbx migrate" in told
