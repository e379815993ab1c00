"""Finished recordings into the archive, and out of it when their time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import soundfile
import structlog

from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.ids import CallId, call_of
from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.archive import About, Archive, KeepDays
from ess_pbx.evidence.keys import load_keys, make_keys
from ess_pbx.evidence.manifest import MANIFEST
from ess_pbx.settings.model import Settings

DAY_SECONDS = 86400.0
RETENTION = "retention"
"""Who destroys what is too old."""
ALARM = "recording-not-sealed"

Tell: TypeAlias = Callable[[CallId | None, FactKind, Mapping[str, JSON]], object]


def open_archive(settings: Settings) -> Archive | None:
    """The archive that the settings name, its keys made at the very first start; None without one.

    Blocks. Raises EvidenceError: a lost key file is never made anew over recordings that need it.
    """
    keys, folder = settings.recordings.keys, settings.folders.recordings
    if keys is None:
        return None
    if not keys.exists() and not (folder / MANIFEST).exists():
        return Archive(folder, make_keys(keys))
    return Archive(folder, load_keys(keys))


class RecordingKeeper:
    """Seals each recording as it is finished; a WAV that a crash left behind, at the next start.

    What cannot be sealed stays as it is, and is an alarm: nothing is lost for it.
    """

    def __init__(self, archive: Archive, keep_days: KeepDays, tell: Tell) -> None:
        self._archive = archive
        self._keep_days = keep_days
        self._tell = tell
        self._calls: dict[str, tuple[str, str]] = {}
        self._failing = False
        self._log = structlog.get_logger(__name__)

    def told(self, fact: Fact) -> None:
        """Facts of calls, for what retention goes by: the centre and the category."""
        if fact.call is not None and fact.kind == FactKind.CLASSIFIED:
            self._calls[fact.call] = fact.centre, str(fact.data["category"])

    def forget(self, call: CallId) -> None:
        """All recordings of a call are kept."""
        self._calls.pop(call, None)

    async def seal(self, wav: Path, call: CallId) -> None:
        """Take a finished recording over. Never raises."""
        centre, category = self._calls.get(call, ("", ""))
        try:
            at = datetime.fromtimestamp((await asyncio.to_thread(wav.stat)).st_mtime, UTC)
            about = About(wav.stem, call, centre, category, at)
            entry = await asyncio.to_thread(self._archive.store, wav, about)
        except (EvidenceError, OSError, soundfile.SoundFileError) as error:
            self._log.error("recording.not_sealed", recording=wav.stem, error=str(error))
            if not self._failing:
                self._failing = True
                self._tell(None, FactKind.ALARM_RAISED, {"alarm": ALARM, "detail": str(error)})
            return
        if self._failing:
            self._failing = False
            self._tell(None, FactKind.ALARM_CLEARED, {"alarm": ALARM, "detail": ""})
        self._tell(
            call,
            FactKind.RECORDING_SEALED,
            {
                "recording": entry.recording,
                "path": str(self._archive.folder / entry.file),
                "sha256": entry.sha256,
                "bytes": entry.bytes,
                "entry": entry.seq,
            },
        )

    async def run(self) -> None:
        """Seal what was left behind; then, each day, destroy what is too old and sign the head."""
        for wav in sorted(
            await asyncio.to_thread(lambda: list(self._archive.folder.glob("*.wav")))
        ):
            await self.seal(wav, call_of(wav.stem))
        while True:
            await self.daily()
            await asyncio.sleep(DAY_SECONDS)

    async def daily(self) -> None:
        """One day's work. Never raises."""
        try:
            gone = await asyncio.to_thread(
                self._archive.destroy_expired, self._keep_days, RETENTION
            )
            await asyncio.to_thread(self._archive.manifest.sign_head)
        except (EvidenceError, OSError) as error:
            self._log.error("recordings.not_kept", error=str(error))
            self._tell(None, FactKind.ALARM_RAISED, {"alarm": ALARM, "detail": str(error)})
            self._failing = True
            return
        for entry in gone:
            self._log.info("recording.destroyed", recording=entry.recording, entry=entry.seq)
