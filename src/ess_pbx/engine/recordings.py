"""Recordings as Asterisk leaves them, made into evidence: finished, measured, hashed.

The dialplan starts MixMonitor on the caller's channel before any engine is asked, so a recording
needs no engine to begin or to go on: raw 8 kHz 16-bit stereo, the caller left, what the caller
hears right. When the call is over the raw file becomes a WAV beside it.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ess_pbx.domain.ids import CallId
from ess_pbx.prompts.loudness import rms_dbov

SAMPLE_RATE = 8000
CHANNELS = 2
CLOSED_WITHIN = 10.0
"""Seconds that Asterisk is given to close a file after its channel went."""
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Recording:
    """A finished file. ``rms_dbov`` has one level per channel, 0 dBov being full scale's square."""

    path: Path
    seconds: float
    sample_rate: int
    channels: int
    sha256: str
    rms_dbov: tuple[float, ...]
    bytes: int


class RecordingError(Exception):
    """A recording could not be finished; the raw file, if there is one, stays where it is."""


def raw_path(folder: Path, call: CallId) -> Path:
    """Where the dialplan has a call recorded (``[emergency]`` in ``dialplan/``)."""
    return folder / f"{call}.raw"


def left_behind(folder: Path) -> list[CallId]:
    """The calls whose raw files lie there: calls in progress, and what an engine left undone."""
    return [CallId(raw.stem) for raw in sorted(folder.glob("*.raw"))]


async def finish(folder: Path, call: CallId) -> Recording | None:
    """Make a call's WAV once Asterisk has closed the raw file; None when nothing was recorded.

    The raw file stays: it is to be deleted when it is on record that the WAV took its place.
    Raises RecordingError with what was wrong.
    """
    raw = raw_path(folder, call)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CLOSED_WITHIN
    try:
        while await asyncio.to_thread(still_written, raw):
            if loop.time() > deadline:
                raise RecordingError(f"{raw}: Asterisk still writes it {CLOSED_WITHIN} s later")
            await asyncio.sleep(_POLL)
        return await asyncio.to_thread(_to_wav, raw)
    except (OSError, soundfile.SoundFileError) as error:
        raise RecordingError(f"{raw}: {error}") from error


def still_written(path: Path) -> bool:
    """Whether a program has the file open for writing: then no read lease can be had (fcntl(2))."""
    try:
        with path.open("rb") as file:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return True
        raise
    return False


def _to_wav(raw: Path) -> Recording | None:
    if not raw.exists():
        return None
    interleaved = np.fromfile(raw, dtype="<i2")
    # A crash may have left half a frame.
    whole = len(interleaved) - len(interleaved) % CHANNELS
    frames = interleaved[:whole].reshape(-1, CHANNELS)
    if not len(frames):
        raw.unlink()
        return None
    wav = raw.with_suffix(".wav")
    unfinished = raw.with_suffix(".wav.part")
    soundfile.write(unfinished, frames, SAMPLE_RATE, subtype="PCM_16", format="WAV")
    content = unfinished.read_bytes()
    unfinished.replace(wav)
    return Recording(
        path=wav,
        seconds=round(len(frames) / SAMPLE_RATE, 3),
        sample_rate=SAMPLE_RATE,
        channels=CHANNELS,
        sha256=hashlib.sha256(content).hexdigest(),
        rms_dbov=tuple(round(rms_dbov(frames[:, channel]), 1) for channel in range(CHANNELS)),
        bytes=len(content),
    )
