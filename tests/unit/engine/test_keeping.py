"""Recordings are sealed as they are finished; what cannot be sealed stays, and is an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ess_pbx.domain.facts import JSON, Fact, FactKind, fields_differ
from ess_pbx.domain.ids import CallId
from ess_pbx.engine.keeping import RecordingKeeper
from ess_pbx.evidence.archive import Archive
from ess_pbx.evidence.keys import make_keys

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


async def test_each_day_what_is_too_old_goes_and_the_head_is_signed(archive: Archive) -> None:
    told = Told()
    await keeper(archive, told).seal(a_wav(archive), CALL)
    later = Archive(archive.folder, archive._keys, lambda: datetime.now(UTC) + timedelta(days=31))
    await keeper(later, told, days=30).daily()
    assert later.kept()[CALL].destroyed is not None
    assert later.manifest.check_heads() == 2
