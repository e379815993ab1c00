"""A call's recording is sealed when it is over, provable, and leaves in a bundle for anyone."""

from __future__ import annotations

import asyncio
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import soundfile

from ess_pbx.demo.stage import operator_tone
from ess_pbx.domain.facts import FactKind
from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.archive import Archive, Asked
from ess_pbx.evidence.bundle import make_bundle
from ess_pbx.evidence.keys import load_keys

from .story import CALLER_TONE, SOON, GivenCentre, Story, assert_recorded

pytestmark = pytest.mark.asterisk


def archive_of(story: Story) -> Archive:
    keys = story.settings.recordings.keys
    assert keys is not None
    return Archive(story.settings.folders.recordings, load_keys(keys))


async def given_a_sealed_call(given_centre: GivenCentre) -> tuple[Story, str]:
    """Caller and operator talked; returns the call's id, which is its recording's too."""
    story = await given_centre(on_duty=("1001",), sealed=True)
    caller, operator = await story.given_talking()
    await asyncio.sleep(1.5)  # to be found in the recording
    await caller.call.hang_up()
    await operator.ended(SOON)
    sealed = await story.assert_fact(FactKind.RECORDING_SEALED)
    assert sealed.call is not None
    return story, sealed.call


async def test_a_recording_is_sealed_and_can_be_heard_by_who_has_the_keys(
    given_centre: GivenCentre,
) -> None:
    story, call = await given_a_sealed_call(given_centre)
    folder = story.settings.folders.recordings
    assert [path.suffix for path in folder.iterdir() if path.stem == call] == []
    archive = archive_of(story)
    stored = archive.kept()[call].stored
    assert (stored.centre, stored.category, stored.call) == ("contoh", "medis", call)

    sound, rate = soundfile.read(
        io.BytesIO(archive.open(call, Asked(by="3001", reason="uji"), "play")), dtype="int16"
    )

    assert rate == 8000
    assert_recorded(sound, CALLER_TONE, operator_tone("1001"))
    await story.engine.stored(SOON)
    record = await story.stored(call)
    assert record is not None
    (row,) = record.recordings
    assert (row["state"], row["sha256"], Path(row["path"]).exists()) == (  # noqa: ASYNC240
        "sealed",
        stored.sha256,
        True,
    )


async def test_one_byte_changed_is_found_and_there_is_no_bundle_of_it(
    given_centre: GivenCentre, tmp_path: Path
) -> None:
    story, call = await given_a_sealed_call(given_centre)
    await story.engine.stored(SOON)
    record = msgspec.to_builtins(await story.stored(call), str_keys=True)
    archive, now = archive_of(story), datetime.now(UTC)
    names = make_bundle(tmp_path / "b.zip", archive, record, Asked(by="x", reason="y"), now)
    assert f"recordings/{call}.flac" in names
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        assert "operator_answered" in bundle.read("index.html").decode()
    assert [entry.recording for entry in archive.verify()] == [call]

    place = archive.folder / archive.kept()[call].path
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)

    with pytest.raises(EvidenceError, match=f"{call}.flac.sealed: .*changed after it was stored"):
        list(archive.verify())
    with pytest.raises(EvidenceError, match="changed"):
        make_bundle(tmp_path / "c.zip", archive, record, Asked(by="x", reason="y"), now)
