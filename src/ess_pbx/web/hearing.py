"""Sealed recordings over the API: which a call has, and one to be heard. Who hears one is on record
in the manifest before the sound leaves, and from there in the audit log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from aiohttp import web

from ess_pbx.engine.service import Engine
from ess_pbx.evidence import EvidenceError
from ess_pbx.evidence.archive import Archive, Asked, Kept
from ess_pbx.log import get_logger
from ess_pbx.web.accounts import Account
from ess_pbx.web.answers import ApiError
from ess_pbx.web.models import RecordingView

AUDIO = "audio/flac"

_log = get_logger(__name__)


async def of_call(engine: Engine, centres: Collection[str], call: str) -> list[RecordingView]:
    """The recordings of a call of these centres, destroyed ones too. Raises ApiError."""
    archive = _archive(engine)
    kept = await asyncio.to_thread(_read, archive)
    return [
        _view(name, each)
        for name, each in kept.items()
        if each.stored.call == call and each.stored.centre in centres
    ]


async def play(
    engine: Engine, centres: Collection[str], account: Account, recording: str, reason: str
) -> web.Response:
    """A recording of these centres as FLAC. Raises ApiError (404, 409, 410)."""
    archive = _archive(engine)
    found = (await asyncio.to_thread(_read, archive)).get(recording)
    if found is None or found.stored.centre not in centres:
        raise ApiError(
            404, "unknown-recording", "no such recording", "one of GET /calls/{call}/recordings"
        )
    if found.destroyed is not None:
        day, why = found.destroyed.day, found.destroyed.reason
        raise ApiError(410, "destroyed", f"destroyed on {day}: {why}")
    asked = Asked(by=account.name, reason=reason, via=account.via.value)
    try:
        audio = await asyncio.to_thread(archive.open, recording, asked, "play")
    except (EvidenceError, OSError) as error:
        _log.error("web.recording_not_opened", recording=recording, error=str(error))
        raise ApiError(
            409, "not-proven", "it cannot be opened as it was stored", "see 'recordings verify'"
        ) from error
    return web.Response(body=audio, content_type=AUDIO)


def _archive(engine: Engine) -> Archive:
    keeper = engine.recorder.keeper
    if keeper is None:
        raise ApiError(409, "not-sealed", "this centre does not seal recordings", "[recordings]")
    return keeper.archive


def _read(archive: Archive) -> dict[str, Kept]:
    try:
        return dict(archive.kept())
    except (EvidenceError, OSError) as error:
        _log.error("web.manifest_not_read", error=str(error))
        raise ApiError(
            409, "not-proven", "the manifest is not whole", "see 'recordings verify'"
        ) from error


def _view(name: str, kept: Kept) -> RecordingView:
    stored = kept.stored
    return RecordingView(
        recording=name,
        call=stored.call,
        recorded_at=stored.recorded_at,
        seconds=stored.seconds,
        category=stored.category,
        held=kept.held is not None,
        destroyed=None if kept.destroyed is None else kept.destroyed.at,
    )
