"""``ess-pbx recordings`` and ``ess-pbx evidence``: prove, hear, hold and hand out recordings.

They need no service: the manifest in the recordings folder says at once who did what and why, and
the service that runs, or is started next, puts it into the audit log.
"""

from __future__ import annotations

import getpass
import io
import os
import pwd
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import soundfile
from cyclopts import App, Parameter
from rich.progress import track
from rich.table import Table

from ess_pbx.domain.commands import Via
from ess_pbx.domain.facts import FactKind
from ess_pbx.errors import SettingsError
from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.archive import Archive, Asked, Kept
from ess_pbx.evidence.files import write_whole
from ess_pbx.evidence.keys import load_keys, make_keys
from ess_pbx.evidence.on_record import lacking
from ess_pbx.evidence.retention import keep_days
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import Settings
from ess_pbx.terminal import err, out, print_json, run

recordings = App(name="recordings", help="Recordings as evidence: prove, hear, hold, destroy.")

SettingsFile = Annotated[Path, Parameter(help="The centre's TOML file.")]
Name = Annotated[str, Parameter(help="The recording, as 'recordings list' names it.")]
Held = Annotated[str, Parameter(help="A call, with all its recordings, or one of them.")]
By = Annotated[
    str,
    Parameter(
        help="Who wants it, a supervisor's extension or 'admin', whose PIN or password is asked "
        "for, or read from stdin. Stands in the manifest for ever."
    ),
]
Reason = Annotated[str, Parameter(help="What for: a case, a report's number.")]
RETENTION = "retention"


@recordings.command(name="list")
def list_(
    settings: SettingsFile,
    *,
    as_json: Annotated[bool, Parameter(name="--json", help="JSON on stdout.", negative="")] = False,
) -> int:
    """Every recording that was ever stored, oldest first."""
    kept = _archive(load_settings(settings)).kept()
    if as_json:
        print_json([_row(name, each) for name, each in kept.items()])
        return 0
    if not kept:
        err.print("No recording was stored yet.")
        return 0
    table = Table()
    # What is copied into the next command must be there whole, however narrow the window is.
    table.add_column("recording", no_wrap=True)
    for title in ("recorded (UTC)", "seconds", "category", "state"):
        table.add_column(title)
    for name, each in kept.items():
        row = _row(name, each)
        recorded = row["recorded_at"][:19].replace("T", " ")
        state = row["state"] if row["reason"] is None else f"{row['state']}: {row['reason']}"
        table.add_row(name, recorded, f"{row['seconds']:.1f}", row["category"], state)
    out.print(table)
    return 0


@recordings.command
def verify(settings: SettingsFile) -> int:
    """Prove that nothing was changed since it was stored, or name the first thing that was.

    The signed heads are held against the manifest, the files against it too, and it against what
    the journal was told was sealed.
    """
    loaded = load_settings(settings)
    archive = _archive(loaded)
    journal = loaded.folders.state / "journal"
    from ess_pbx.engine.segments import facts_of_kinds

    sealed = list(facts_of_kinds(journal, [FactKind.RECORDING_SEALED]))
    if sealed and not archive.manifest.path.exists():
        raise EvidenceError(
            f"{archive.manifest.path}: not there, and {journal} was told of {len(sealed)} "
            "recordings that were sealed; expected the manifest: put the folder back from a backup"
        )
    heads = archive.manifest.check_heads()
    total = sum(kept.destroyed is None for kept in archive.kept().values())
    checked = sum(
        1 for _ in track(archive.verify(), "verifying", total, console=err, transient=True)
    )
    missing = lacking(archive.kept(), sealed)
    for line in missing:
        err.print(line, markup=False)
    if missing:
        raise EvidenceError(
            f"{archive.manifest.path}: {len(missing)} recordings of {journal} are not in it as "
            "they were sealed"
        )
    out.print(
        f"{checked} recordings are as they were stored; {heads} signed heads fit the chain; the "
        f"journal knows of {len({fact.data.get('recording') for fact in sealed})} of "
        f"{len(archive.kept())} that were ever stored."
    )
    return 0


@recordings.command
def export(
    settings: SettingsFile,
    recording: Name,
    to: Annotated[Path, Parameter(help="A new file, .flac or .wav.")],
    *,
    by: By,
    reason: Reason,
) -> int:
    """Write a recording out so that it can be heard. That it was done is on record."""
    if to.exists():
        err.print(f"{to}: exists; expected a new file", markup=False)
        return 2
    if to.suffix not in (".flac", ".wav"):
        err.print(f"{to}: ends in {to.suffix or 'nothing'}; expected .flac or .wav", markup=False)
        return 2
    loaded = load_settings(settings)
    archive = _archive(loaded)
    audio = archive.open(recording, _allowed(loaded, archive, [recording], by, reason), "export")
    if to.suffix == ".wav":
        samples, rate = soundfile.read(io.BytesIO(audio), dtype="int16", always_2d=True)
        wav = io.BytesIO()
        soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_16")
        audio = wav.getvalue()
    write_whole(to, audio)
    err.print(f"{to}: {len(audio)} bytes", markup=False)
    return 0


@recordings.command
def hold(settings: SettingsFile, of: Held, *, by: By, reason: Reason) -> int:
    """Keep recordings beyond their time, for legal proceedings."""
    return _each(settings, of, by, reason, Archive.hold, "held until it is released")


@recordings.command
def release(settings: SettingsFile, of: Held, *, by: By, reason: Reason) -> int:
    """End a legal hold; from then on the time counts again."""
    return _each(settings, of, by, reason, Archive.release, "released", held=True)


@recordings.command
def expire(settings: SettingsFile) -> int:
    """Destroy what is older than it may be and not held; the service does so every day."""
    loaded = load_settings(settings)
    days = keep_days(loaded.centres)
    gone = _archive(loaded).destroy_expired(days, RETENTION, _system_user())
    err.print(f"{len(gone)} recordings destroyed; their proofs stay in the manifest")
    return 0


@recordings.command
def sign_heads(settings: SettingsFile, *, by: By, reason: Reason) -> int:
    """Vouch for days whose signed heads were lost: they are signed anew, which is on record.

    Without them the service seals nothing. A backup of the heads is the better way.
    """
    loaded = load_settings(settings)
    archive = _archive(loaded)
    centres = {centre.id for centre in loaded.centres}
    days = archive.vouch(_person(loaded, by, reason, centres))
    err.print(f"signed: {', '.join(days) or 'nothing was missing'}", markup=False)
    return 0


@recordings.command
def new_keys(file: Annotated[Path, Parameter(help="Where; outside the data folder.")]) -> int:
    """Make a key file; the service makes its own when there is none yet."""
    made = make_keys(file)
    err.print(
        f"{file}: made (sealing key {made.current}). Keep a copy of it in a safe place: without "
        "it nothing that it sealed can be heard again.",
        markup=False,
    )
    return 0


def evidence(
    settings: SettingsFile,
    call: Annotated[str, Parameter(help="The call's id.")],
    *,
    by: By,
    reason: Reason,
    to: Annotated[Path | None, Parameter(help="The archive; bukti-CALL.zip here.")] = None,
) -> int:
    """Make one archive of all that is known of a call, for a court or the police."""
    from ess_pbx.db.connect import create_engine
    from ess_pbx.db.queries import CallRecord, call_with_everything
    from ess_pbx.evidence.bundle import make_bundle

    loaded = load_settings(settings)
    target = to or Path(f"bukti-{call}.zip")
    if target.exists():
        err.print(f"{target}: exists; expected a new file", markup=False)
        return 2

    async def read() -> CallRecord | None:
        database = create_engine(loaded.database.url)
        try:
            return await call_with_everything(database, call)
        finally:
            await database.dispose()

    record = run(read())
    if record is None:
        err.print(f"{call}: no such call in the database; see 'ess-pbx calls'", markup=False)
        return 1
    archive = _archive(loaded)
    asked = _person(loaded, by, reason, {str(record.call["centre"])})
    plain: dict[str, Any] = msgspec.to_builtins(record, str_keys=True)
    names = make_bundle(target, archive, plain, asked, datetime.now(UTC))
    err.print(f"{target}: {len(names)} files", markup=False)
    sys.stdout.write(f"{target}\n")
    return 0


def _each(
    settings: Path,
    of: str,
    by: str,
    reason: str,
    act: Callable[[Archive, str, Asked], object],
    done: str,
    *,
    held: bool = False,
) -> int:
    """Do something with all recordings of a call, or with the one that is named."""
    loaded = load_settings(settings)
    archive = _archive(loaded)
    found = [name for name in archive.of_call(of) if not held or archive.kept()[name].held]
    asked = _allowed(loaded, archive, found or [of], by, reason)
    for recording in found or [of]:
        act(archive, recording, asked)
        err.print(f"{recording}: {done}", markup=False)
    return 0


def _allowed(
    settings: Settings, archive: Archive, wanted: list[str], by: str, reason: str
) -> Asked:
    """Who may do something with these recordings, and did prove to be that person."""
    known = (archive.find(name) for name in wanted)
    return _person(settings, by, reason, {each.stored.centre for each in known if each})


def _person(settings: Settings, by: str, reason: str, centres: set[str]) -> Asked:
    """A supervisor of the centres, or the administrator; raises EvidenceError for anybody else."""
    from ess_pbx.web.accounts import Accounts
    from ess_pbx.web.table import LEADERS

    asked = Asked(by=by, reason=reason, via=Via.CLI.value, user=_system_user())
    accounts = Accounts(settings)
    try:
        account = accounts.account(by)
        if account is None or account.role not in LEADERS:
            raise EvidenceError(
                f"--by {by}: may not hear or hold recordings; expected a supervisor's extension, "
                "or admin"
            )
        if account.centre and centres - {account.centre}:
            raise EvidenceError(
                f"--by {by}: belongs to {account.centre}; expected somebody of "
                f"{', '.join(sorted(centres))}"
            )
        if run(accounts.verified(by, _secret(by))) is None:
            raise EvidenceError(
                f"--by {by}: that is not their PIN or password; expected the one that they sign "
                "in with"
            )
    finally:
        accounts.close()
    return asked


def _secret(by: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"PIN or password of {by}: ", sys.stderr)
    return sys.stdin.readline().strip()


def _system_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def _row(name: str, kept: Kept) -> dict[str, Any]:
    stored, state, entry = kept.stored, "kept", None
    if kept.destroyed is not None:
        state, entry = f"destroyed {kept.destroyed.day}", kept.destroyed
    elif kept.held is not None:
        state, entry = f"held by {kept.held.by}", kept.held
    return {
        "recording": name,
        "call": stored.call,
        "centre": stored.centre,
        "category": stored.category,
        "categories_of_reports": list(kept.categories),
        "recorded_at": stored.recorded_at,
        "seconds": stored.seconds,
        "entry": stored.seq,
        "sha256": stored.sha256,
        "state": state,
        "reason": None if entry is None else entry.reason,
    }


def _archive(settings: Settings) -> Archive:
    if settings.recordings.keys is None:
        raise SettingsError(
            "[recordings] keys: not given; expected a key file: recordings of this centre stay "
            "plain WAV files, which cannot be proven"
        )
    return Archive(settings.folders.recordings, load_keys(settings.recordings.keys))
