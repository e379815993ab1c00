"""Recordings are sealed as they are finished; what cannot be sealed stays, and is an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from msgspec.structs import replace
from tests.unit.domain.centre import CENTRE

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.centres import Centres
from ess_pbx.domain.facts import FIELDS, JSON, Fact, FactKind, fields_differ
from ess_pbx.domain.ids import CallId
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.keeping import TOLD, RecordingKeeper
from ess_pbx.engine.recall import recall
from ess_pbx.evidence.archive import Archive, Asked
from ess_pbx.evidence.keys import make_keys
from ess_pbx.evidence.retention import keep_days

CALL = CallId("ess1-1.1")


class Told:
    """Facts in order."""

    def __init__(self) -> None:
        self.facts: list[tuple[FactKind, Mapping[str, JSON]]] = []
        self.names: list[str | None] = []

    def __call__(
        self,
        call: CallId | None,
        kind: FactKind,
        data: Mapping[str, JSON],
        centre: str | None = None,  # noqa: ARG002
        *,
        at: float | None = None,  # noqa: ARG002
        name: str | None = None,
    ) -> int:
        fact = Fact(id="1", centre="contoh", call=call, kind=kind, at=0.0, ms=None, data=data)
        assert fields_differ(fact) is None
        self.facts.append((kind, data))
        self.names.append(name)
        return len(self.facts)

    @property
    def kinds(self) -> list[FactKind]:
        return [kind for kind, _ in self.facts]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "recordings", make_keys(tmp_path / "keys.json"))
    archive.folder.mkdir()
    return archive


def a_wav(archive: Archive, name: str = CALL) -> Path:
    wav = archive.folder / f"{name}.wav"
    soundfile.write(wav, np.zeros((800, 2), np.int16), 8000, subtype="PCM_16")
    return wav


def keeper(archive: Archive, told: Told, days: int = 365) -> RecordingKeeper:
    return RecordingKeeper(archive, lambda *_: days, told)


async def test_a_finished_recording_is_sealed_under_its_calls_centre_and_category(
    archive: Archive,
) -> None:
    told = Told()
    kept = keeper(archive, told)
    data: Mapping[str, JSON] = {
        "category": "medis",
        "queue": "medis",
        "priority": 5,
        "language": "id",
    }
    kept.told(
        Fact(
            id="1",
            centre="contoh",
            call=CALL,
            kind=FactKind.CLASSIFIED,
            at=0.0,
            ms=None,
            data=data,
        )
    )
    await kept.seal(a_wav(archive), CALL)

    ((kind, fact),) = told.facts
    assert kind is FactKind.RECORDING_SEALED
    stored = archive.kept()[CALL].stored
    assert fact["path"] == str(archive.folder / stored.file)
    assert (stored.centre, stored.category, stored.seq) == ("contoh", "medis", fact["entry"])


async def test_what_cannot_be_sealed_stays_and_is_one_alarm_until_it_works_again(
    archive: Archive,
) -> None:
    told = Told()
    kept = keeper(archive, told)
    wav = a_wav(archive)
    archive.folder.chmod(0o700)
    blocked = archive.manifest.path
    blocked.mkdir()
    await kept.seal(wav, CALL)
    await kept.seal(wav, CALL)
    assert wav.exists()
    assert told.kinds == [FactKind.ALARM_RAISED]

    blocked.rmdir()
    await kept.seal(wav, CALL)
    assert told.kinds[1:] == [FactKind.ALARM_CLEARED, FactKind.RECORDING_SEALED]
    assert not wav.exists()


DAYS = keep_days(
    [
        replace(
            CENTRE,
            policy=replace(CENTRE.policy, recording_days=30),
            categories=tuple(
                replace(each, recording_days=900) if each.id == "lainnya" else each
                for each in CENTRE.categories
            ),
        ),
        replace(CENTRE, id="lain", policy=replace(CENTRE.policy, recording_days=3650)),
    ]
)
"""30 days here, 900 for what is none of it; another centre of the installation keeps ten years."""
CLASSIFIED: Mapping[str, JSON] = {
    "category": "medis",
    "queue": "medis",
    "priority": 5,
    "language": "id",
}
BY: Mapping[str, JSON] = {"by": "1001", "via": "api"}
ARRIVED: Mapping[str, JSON] = {
    **dict.fromkeys(FIELDS[FactKind.CALL_ARRIVED]),
    "invited_at": 0.0,
    "callable": True,
}


class Engine:
    """The part of an engine that a keeper knows: centres, and a journal that they write."""

    def __init__(self, folder: Path, archive: Archive) -> None:
        self.folder = folder
        self.archive = archive
        self.journal = Journal(folder / "journal")
        self.centres = Centres([CallCentre(CENTRE)])
        self.sequence = 0
        self.keeper = RecordingKeeper(
            archive, DAYS, Told(), centres=self.centres, journal=self.journal
        )

    def says(self, kind: FactKind, call: str | None, data: Mapping[str, JSON]) -> None:
        self.sequence += 1
        fact = Fact(
            id=f"f-{self.sequence}-{id(self)}",
            centre=CENTRE.id,
            call=call,
            kind=kind,
            at=float(self.sequence),
            ms=None,
            data=data,
        )
        assert fields_differ(fact) is None
        self.journal.append(fact)
        next(iter(self.centres)).recall(fact)
        self.keeper.told(fact)

    def dies(self) -> Engine:
        """Another engine begins, and is told what the journal has."""
        self.journal.close_now()
        after = Engine(self.folder, Archive(self.archive.folder, self.archive._keys))
        recall(after.journal, after.centres)
        return after

    def days(self) -> int:
        """How long the call's recording is kept."""
        kept = self.archive.kept()[CALL]
        of = (kept.stored.category, *kept.categories)
        return max(DAYS(kept.stored.centre, each) for each in of)


@pytest.fixture
def engine(tmp_path: Path, archive: Archive) -> Engine:
    return Engine(tmp_path, archive)


@pytest.mark.parametrize("when", ["in the call", "after it", "not at all"])
async def test_a_call_is_filed_under_its_own_centre_and_category_also_after_a_restart(
    engine: Engine, when: str
) -> None:
    engine.says(FactKind.CALL_ARRIVED, CALL, ARRIVED)
    engine.says(FactKind.CLASSIFIED, CALL, CLASSIFIED)
    ended = dict.fromkeys(FIELDS[FactKind.CALL_ENDED])
    gone = {"leg": CALL, "role": "caller", "party": None, "cause": 16}
    if when == "in the call":
        engine = engine.dies()
        engine.says(FactKind.CALL_ENDED, CALL, ended)
    else:
        # With its last leg the centre forgets a call that is over.
        engine.says(FactKind.LEG_ENDED, CALL, gone)
        engine.says(FactKind.CALL_ENDED, CALL, ended)
        engine = engine.dies() if when == "after it" else engine
    await engine.keeper.seal(a_wav(engine.archive), CALL)
    stored = engine.archive.kept()[CALL].stored
    assert (stored.centre, stored.category, engine.days()) == (CENTRE.id, "medis", 30)


async def test_a_call_that_nobody_classified_is_kept_as_its_centre_says(engine: Engine) -> None:
    engine.says(FactKind.CALL_ARRIVED, CALL, ARRIVED)
    await engine.keeper.seal(a_wav(engine.archive), CALL)
    assert (engine.archive.kept()[CALL].stored.centre, engine.days()) == (CENTRE.id, 30)


@pytest.mark.parametrize("written", ["before", "after", "after a restart"])
async def test_a_report_of_another_category_keeps_its_calls_recordings_longer(
    engine: Engine, written: str
) -> None:
    engine.says(FactKind.CALL_ARRIVED, CALL, ARRIVED)
    engine.says(FactKind.CLASSIFIED, CALL, CLASSIFIED)
    report = "contoh-20261122-0001"
    opened = {"report": report, "linked": CALL, "fields": {}, **BY}
    saved = {"report": report, "fields": {"category": "lainnya"}, **BY}
    engine.says(FactKind.REPORT_OPENED, None, opened)
    if written == "before":
        engine.says(FactKind.REPORT_SAVED, None, saved)
    await engine.keeper.seal(a_wav(engine.archive), CALL)
    await engine.keeper.look()
    if written != "before":
        assert engine.days() == 30
        engine = engine.dies() if written == "after a restart" else engine
        engine.says(FactKind.REPORT_SAVED, None, saved)
        await engine.keeper.look()
    assert engine.days() == 900
    assert engine.archive.kept()[CALL].categories == ("lainnya",)


async def test_what_was_done_with_a_recording_is_told_once_with_its_own_name(
    engine: Engine,
) -> None:
    told = Told()
    keeper = RecordingKeeper(engine.archive, DAYS, told)
    await keeper.seal(a_wav(engine.archive), CALL)
    police = Asked(by="3001", reason="LP/7", via="cli", user="root")
    Archive(engine.archive.folder, engine.archive._keys).hold(CALL, police)
    await keeper.look()
    await keeper.look()
    again = RecordingKeeper(engine.archive, DAYS, told)
    await again.look()
    assert told.kinds == [FactKind.RECORDING_SEALED, FactKind.RECORDING_HELD]
    (engine.archive.folder / TOLD).unlink()
    await RecordingKeeper(engine.archive, DAYS, told).look()
    # A crash before the mark was written: the same fact again, which the database has already.
    assert told.kinds[2:] == [FactKind.RECORDING_HELD]
    assert told.names[1] == told.names[2] is not None


async def test_each_day_what_is_too_old_goes_and_the_head_is_signed(archive: Archive) -> None:
    told = Told()
    await keeper(archive, told).seal(a_wav(archive), CALL)
    later = Archive(archive.folder, archive._keys, lambda: datetime.now(UTC) + timedelta(days=31))
    await keeper(later, told, days=30).daily()
    assert later.kept()[CALL].destroyed is not None
    assert later.manifest.check_heads() == 2
