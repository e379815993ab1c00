"""Finished recordings into the archive, and out of it when their time is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import soundfile
import structlog

from ess_pbx.domain.centres import Centres
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.domain.ids import CallId, call_of
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.kept_calls import KeptCalls
from ess_pbx.engine.segments import JournalError
from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.archive import About, Archive, KeepDays
from ess_pbx.evidence.files import write_whole
from ess_pbx.evidence.keys import load_keys, make_keys
from ess_pbx.evidence.manifest import MANIFEST, Act, Entry
from ess_pbx.settings.model import Settings

DAY_SECONDS = 86400.0
RETENTION = "retention"
"""Who destroys what is too old."""
ALARM = "recording-not-sealed"
LOOK_SECONDS = 1.0
LONGEST_CALL = 2 * DAY_SECONDS
"""How far back the journal is read for a call that an engine before this one began."""
TOLD = "told"
"""The file that says which of the manifest's entries are on record."""

REPORTS = frozenset(
    {
        FactKind.REPORT_OPENED,
        FactKind.REPORT_SAVED,
        FactKind.REPORT_LINKED,
        FactKind.REPORT_JOINED,
    }
)
KINDS = {
    Act.OPENED: FactKind.RECORDING_OPENED,
    Act.HELD: FactKind.RECORDING_HELD,
    Act.RELEASED: FactKind.RECORDING_RELEASED,
    Act.DESTROYED: FactKind.RECORDING_DESTROYED,
}


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


class Tell(Protocol):
    """How a fact is put on record, as ``Dispatcher.record`` does it."""

    def __call__(
        self,
        call: CallId | None,
        kind: FactKind,
        data: Mapping[str, JSON],
        centre: str | None = None,
        *,
        at: float | None = None,
        name: str | None = None,
    ) -> int:
        """The journal's sequence."""


class RecordingKeeper:
    """Seals each recording as it is finished; a WAV that a crash left behind, at the next start.

    What cannot be sealed stays as it is, and is an alarm: nothing is lost for it. What anybody does
    with a recording stands in the manifest first, whoever does it and whether a service runs or
    not; from there it becomes a fact, and so a line of the audit log.
    """

    def __init__(
        self,
        archive: Archive,
        keep_days: KeepDays,
        tell: Tell,
        *,
        centres: Centres | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.archive = archive
        self._keep_days = keep_days
        self._tell = tell
        self._journal = journal
        self._known = frozenset(each.config.id for each in centres or ())
        self._calls = KeptCalls(centres or (), None if journal is None else journal.folder)
        self._classify: set[CallId] = set()
        """Calls of whose reports something changed."""
        self._told_size = 0
        self._failing = False
        self._log = structlog.get_logger(__name__)

    def told(self, fact: Fact) -> None:
        """Facts of calls and reports, for what retention goes by: the centre and the category."""
        self._calls.told(fact)
        if fact.kind in REPORTS:
            self._classify |= self._calls.linked(str(fact.data["report"]))

    def forget(self, call: CallId) -> None:
        """All recordings of a call are kept."""
        self._calls.forget(call)

    async def seal(self, wav: Path, call: CallId) -> None:
        """Take a finished recording over. Never raises."""
        try:
            entry = await asyncio.to_thread(self._store, wav, call)
        except (EvidenceError, OSError, soundfile.SoundFileError) as error:
            self._log.error("recording.not_sealed", recording=wav.stem, error=str(error))
            self._fails(error)
            return
        self._works()
        self._classify.add(call)
        self._tell(
            call,
            FactKind.RECORDING_SEALED,
            {
                "recording": entry.recording,
                "path": str(self.archive.folder / entry.file),
                "sha256": entry.sha256,
                "bytes": entry.bytes,
                "entry": entry.seq,
            },
            entry.centre if entry.centre in self._known else None,
        )

    async def run(self) -> None:
        """Seal what was left behind; then tell what is done with recordings, and each day destroy
        what is too old.
        """
        for wav in sorted(await asyncio.to_thread(lambda: list(self.archive.folder.glob("*.wav")))):
            await self.seal(wav, call_of(wav.stem))
        # An engine before this one may have ended before it was classified.
        self._classify |= self._calls.linked()
        next_day = 0.0
        while True:
            # First, for what a report says may keep a recording longer.
            await self.look()
            if time.monotonic() >= next_day:
                next_day = time.monotonic() + DAY_SECONDS
                await self.daily()
            await asyncio.sleep(LOOK_SECONDS)

    async def daily(self) -> None:
        """One day's work. Never raises."""
        try:
            await asyncio.to_thread(self.archive.manifest.sign_head)
            gone = await asyncio.to_thread(self.archive.destroy_expired, self._keep_days, RETENTION)
        except (EvidenceError, OSError) as error:
            self._log.error("recordings.not_kept", error=str(error))
            self._fails(error)
            return
        for entry in gone:
            self._log.info("recording.destroyed", recording=entry.recording, entry=entry.seq)

    async def look(self) -> None:
        """Write down what reports say of recordings, and put on record what people did with them.

        Never raises.
        """
        changed, self._classify = self._classify, set()
        try:
            for call in changed:
                await asyncio.to_thread(self._classify_call, call)
            await self._tell_acts()
        except (EvidenceError, OSError, JournalError) as error:
            self._classify |= changed
            if not self._failing:
                self._log.error("recordings.not_told", error=str(error))
            self._fails(error)

    async def _tell_acts(self) -> None:
        mark = self.archive.folder / TOLD
        size = await asyncio.to_thread(_size, self.archive.manifest.path)
        if size == self._told_size:
            return
        before = await asyncio.to_thread(_read_told, mark)
        acts = await asyncio.to_thread(self.archive.acts, before)
        sequence = 0
        for entry, kept, found in acts:
            data: dict[str, JSON] = {
                "recording": entry.recording,
                "entry": entry.seq,
                "reason": entry.reason,
                "user": entry.user or None,
                "by": entry.by,
                "via": entry.via or "cli",
            }
            if entry.act is Act.OPENED:
                data["how"] = entry.how
            centre = kept.stored.centre
            sequence = self._tell(
                CallId(kept.stored.call),
                KINDS[entry.act],
                data,
                centre if centre in self._known else None,
                at=datetime.fromisoformat(entry.at).timestamp(),
                # The same however often it is told: a crash may come before the mark is written.
                name=f"recording-{found[:40]}",
            )
        if acts:
            if self._journal is not None:
                await self._journal.flushed(sequence)
            await asyncio.to_thread(write_whole, mark, b"%d\n" % acts[-1][0].seq)
        self._told_size = size

    def _store(self, wav: Path, call: CallId) -> Entry:
        written = wav.stat().st_mtime
        filed = self._calls.of(call, written - LONGEST_CALL)
        at = datetime.fromtimestamp(written, UTC)
        return self.archive.store(wav, About(wav.stem, call, filed.centre, filed.category, at))

    def _classify_call(self, call: CallId) -> None:
        categories = self._calls.categories(call)
        for recording in self.archive.of_call(call) if categories else ():
            for category, report in categories.items():
                self.archive.classify(recording, category, report)

    def _fails(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            self._tell(None, FactKind.ALARM_RAISED, {"alarm": ALARM, "detail": str(error)})

    def _works(self) -> None:
        if self._failing:
            self._failing = False
            self._tell(None, FactKind.ALARM_CLEARED, {"alarm": ALARM, "detail": ""})


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read_told(mark: Path) -> int:
    """The last entry that is on record; 0 where that is not known: all are told, and no harm."""
    try:
        return int(mark.read_bytes())
    except (FileNotFoundError, ValueError):
        return 0
