"""A recording is heard by those who may, and that they heard it is in the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile
from msgspec.structs import replace

from ess_pbx.db.connect import create_engine
from ess_pbx.db.queries import audit_log, call_with_everything
from ess_pbx.domain.facts import FactKind
from ess_pbx.engine.keeping import RecordingKeeper
from ess_pbx.evidence.archive import About, Archive, Asked
from ess_pbx.settings.model import Recordings

from .story import CALL, SOON, SUPERVISOR, Person, Service, centre_settings

WHY = {"reason": "LP/7"}
PLAY = f"/recordings/{CALL}/play"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = centre_settings(tmp_path / "s")
    service = Service(replace(settings, recordings=Recordings(keys=tmp_path / "keys.json")))
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
def keeper(service: Service) -> RecordingKeeper:
    found = service.engine.recorder.keeper
    assert found is not None
    return found


@pytest.fixture
def archive(keeper: RecordingKeeper) -> Archive:
    given_recording(keeper.archive, CALL)
    return keeper.archive


def given_recording(archive: Archive, name: str, centre: str = "contoh") -> None:
    archive.folder.mkdir(parents=True, exist_ok=True)
    wav = archive.folder / f"{name}.wav.part"
    soundfile.write(wav, np.zeros((800, 2), np.int16), 8000, subtype="PCM_16", format="WAV")
    call = name.partition("~")[0]
    archive.store(wav, About(name, call, centre, "medis", datetime.now(UTC)))


async def audited(service: Service, count: int) -> list[dict[str, Any]]:
    """What was done with recordings, once so many rows are there."""
    database = create_engine(service.settings.database.url)
    try:
        async with asyncio.timeout(SOON):
            while True:
                await service.engine.stored(SOON)
                rows = [
                    row
                    for row in await audit_log(database, "contoh")
                    if row["action"].startswith("recording_")
                ]
                if len(rows) >= count:
                    return rows
                await asyncio.sleep(0.05)
    finally:
        await database.dispose()


async def heard(person: Person, path: str, reason: dict[str, str]) -> tuple[int, str, bytes]:
    url = f"{person.url}/api/v1{path}"
    async with person.session.post(url, json=reason, headers=person.headers) as answer:
        return answer.status, answer.content_type, await answer.read()


async def test_a_supervisor_hears_a_recording_and_the_audit_log_says_so(
    service: Service, archive: Archive, supervisor: Person
) -> None:
    status, listed = await supervisor.ask("GET", f"/calls/{CALL}/recordings")
    assert (status, [each["recording"] for each in listed]) == (200, [CALL])

    status, kind, sound = await heard(supervisor, PLAY, WHY)

    assert (status, kind, sound[:4]) == (200, "audio/flac", b"fLaC")
    assert len(list(archive.verify())) == 1
    (row,) = await audited(service, 1)
    assert (row["by"], row["via"], row["action"]) == (SUPERVISOR, "api", "recording_opened")
    assert row["call"] == CALL
    assert row["subject"] == {
        "recording": CALL,
        "entry": 2,
        "how": "play",
        "reason": "LP/7",
        "user": None,
    }


async def test_who_may_not_hears_nothing(
    archive: Archive, operator: Person, anyone: Person
) -> None:
    before = archive.manifest.path.read_bytes()
    assert (await heard(operator, PLAY, WHY))[0] == 403
    assert (await operator.ask("GET", f"/calls/{CALL}/recordings"))[0] == 403
    async with aiohttp.ClientSession() as session:
        stranger = Person(session, anyone.url)
        assert (await heard(stranger, PLAY, WHY))[0] == 401
    assert archive.manifest.path.read_bytes() == before


async def test_without_a_reason_of_another_centre_or_destroyed_it_is_not_heard(
    archive: Archive, supervisor: Person
) -> None:
    given_recording(archive, "ess1-9.9", centre="tetangga")
    assert (await heard(supervisor, PLAY, {"reason": ""}))[0] == 422
    assert (await heard(supervisor, "/recordings/ess1-9.9/play", WHY))[0] == 404
    assert (await heard(supervisor, "/recordings/ess1-8.8/play", WHY))[0] == 404
    assert await supervisor.ask("GET", "/calls/ess1-9.9/recordings") == (200, [])
    place = archive.folder / archive.kept()[CALL].path
    content = place.read_bytes()
    place.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    status, _, answer = await heard(supervisor, PLAY, WHY)
    assert (status, b"not-proven" in answer) == (409, True)
    archive.destroy_expired(lambda *_: 0, "retention")
    status, _, answer = await heard(supervisor, PLAY, WHY)
    assert (status, b"destroyed on" in answer) == (410, True)


async def test_what_the_command_line_does_and_retention_is_audited_too_and_once(
    service: Service, keeper: RecordingKeeper, archive: Archive
) -> None:
    keys = service.settings.recordings.keys
    assert keys is not None
    # As another process does it, which knows nothing of the service.
    other = Archive(archive.folder, archive._keys)
    police = Asked(by="1003", reason="LP/8", via="cli", user="root")
    other.open(CALL, police, "export")
    other.hold(CALL, police)
    other.release(CALL, police)
    other.destroy_expired(lambda *_: 0, "retention")
    rows = await audited(service, 4)
    assert [(row["action"], row["by"], row["via"]) for row in reversed(rows)] == [
        ("recording_opened", "1003", "cli"),
        ("recording_held", "1003", "cli"),
        ("recording_released", "1003", "cli"),
        ("recording_destroyed", "retention", "system"),
    ]
    assert rows[-1]["subject"]["user"] == "root"
    (archive.folder / "told").unlink()
    given_recording(archive, "ess1-2.2")
    await keeper.look()
    await service.engine.stored(SOON)
    assert len(await audited(service, 4)) == 4


async def test_a_destroyed_recording_is_no_more_where_the_database_said_it_is(
    service: Service, keeper: RecordingKeeper, archive: Archive
) -> None:
    entry = archive.kept()[CALL].stored
    sealed = {"recording": CALL, "path": entry.file, "sha256": entry.sha256}
    numbers = {"bytes": entry.bytes, "entry": entry.seq}
    service.engine.dispatcher.record(CALL, FactKind.RECORDING_SEALED, {**sealed, **numbers})
    archive.destroy_expired(lambda *_: 0, "retention")
    await keeper.look()
    await service.engine.stored(SOON)
    record = await call_with_everything(service.engine.database, CALL)
    assert record is not None
    (row,) = record.recordings
    assert (row["state"], row["path"], row["reason"]) == ("destroyed", None, "kept 0 days")
    assert row["sha256"] == entry.sha256
