"""``ess-pbx recordings`` and ``ess-pbx evidence``: prove, hear, hold and hand out recordings."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import soundfile
from cyclopts import App, Parameter
from rich.progress import track
from rich.table import Table

from ess_pbx.errors import SettingsError
from ess_pbx.evidence.archive import Archive
from ess_pbx.evidence.keys import load_keys, make_keys
from ess_pbx.evidence.manifest import write_whole
from ess_pbx.evidence.retention import keep_days
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import Settings
from ess_pbx.terminal import err, out, run

recordings = App(name="recordings", help="Recordings as evidence: prove, hear, hold, destroy.")

SettingsFile = Annotated[Path, Parameter(help="The centre's TOML file.")]
Name = Annotated[str, Parameter(help="The recording, as 'recordings list' names it.")]
By = Annotated[str, Parameter(help="Who wants it; stands in the manifest for ever.")]
Reason = Annotated[str, Parameter(help="What for: a case, a report's number.")]


@recordings.command(name="list")
def list_(settings: SettingsFile) -> int:
    """Every recording that was ever stored, oldest first."""
    table = Table("recording", "call", "recorded (UTC)", "seconds", "category", "state")
    for name, kept in _archive(load_settings(settings)).kept().items():
        stored = kept.stored
        state = "kept"
        if kept.destroyed is not None:
            state = f"destroyed {kept.destroyed.day}: {kept.destroyed.reason}"
        elif kept.held is not None:
            state = f"held by {kept.held.by}: {kept.held.reason}"
        row = (name, stored.call, stored.recorded_at, f"{stored.seconds:.1f}", stored.category)
        table.add_row(*row, state)
    if not table.row_count:
        err.print("No recording was stored yet.")
        return 0
    out.print(table)
    return 0


@recordings.command
def verify(settings: SettingsFile) -> int:
    """Prove that nothing was changed since it was stored, or name the first thing that was."""
    archive = _archive(load_settings(settings))
    heads = archive.manifest.check_heads()
    total = sum(kept.destroyed is None for kept in archive.kept().values())
    checked = sum(
        1 for _ in track(archive.verify(), "verifying", total, console=err, transient=True)
    )
    out.print(f"{checked} recordings are as they were stored; {heads} signed heads fit the chain.")
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
    audio = _archive(load_settings(settings)).open(recording, by, reason)
    if to.suffix == ".wav":
        samples, rate = soundfile.read(io.BytesIO(audio), dtype="int16", always_2d=True)
        wav = io.BytesIO()
        soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_16")
        audio = wav.getvalue()
    write_whole(to, audio)
    err.print(f"{to}: {len(audio)} bytes", markup=False)
    return 0


@recordings.command
def hold(settings: SettingsFile, recording: Name, *, by: By, reason: Reason) -> int:
    """Keep a recording beyond its time, for legal proceedings."""
    _archive(load_settings(settings)).hold(recording, by, reason)
    err.print(f"{recording}: held until it is released", markup=False)
    return 0


@recordings.command
def release(settings: SettingsFile, recording: Name, *, by: By, reason: Reason) -> int:
    """End a legal hold; from then on the recording's time counts again."""
    _archive(load_settings(settings)).release(recording, by, reason)
    err.print(f"{recording}: released", markup=False)
    return 0


@recordings.command
def expire(settings: SettingsFile, *, by: By = "retention") -> int:
    """Destroy what is older than it may be and not held; the service does so every day."""
    loaded = load_settings(settings)
    gone = _archive(loaded).destroy_expired(keep_days(loaded.centres), by)
    err.print(f"{len(gone)} recordings destroyed; their proofs stay in the manifest")
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
    plain: dict[str, Any] = msgspec.to_builtins(record, str_keys=True)
    now = datetime.now(UTC)
    archive = _archive(loaded)
    names = make_bundle(target, archive, plain, by=by, reason=reason, made_at=now)
    err.print(f"{target}: {len(names)} files", markup=False)
    sys.stdout.write(f"{target}\n")
    return 0


def _archive(settings: Settings) -> Archive:
    if settings.recordings.keys is None:
        raise SettingsError(
            "[recordings] keys: not given; expected a key file: recordings of this centre stay "
            "plain WAV files, which cannot be proven"
        )
    return Archive(settings.folders.recordings, load_keys(settings.recordings.keys))
