"""Recordings as Asterisk leaves them, made into evidence: finished, measured, hashed.

The dialplan starts MixMonitor on the caller's channel before any engine is asked, so a recording
needs no engine to begin or to go on: raw 8 kHz 16-bit stereo, the caller left, what the caller
hears right. A recording that was paused, or stopped and was begun again, has further files,
``<recording>~2.raw`` and so on, with silence for what lies between. When the call is over they
become one WAV beside them. A recording has its call's id; that of a consulted agency has its leg's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import glob
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from ess_pbx.prompts.loudness import rms_dbov

SAMPLE_RATE = 8000
CHANNELS = 2
CLOSED_WITHIN = 10.0
"""Seconds that Asterisk is given to close a file after its channel went."""
LONGEST_GAP = 3600.0
"""Seconds of silence between two files of a recording, whatever a clock that was set says."""
_POLL = 0.05
_PART = re.compile(r"~([0-9]+)$")


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


def raw_path(folder: Path, recording: str) -> Path:
    """Where a recording begins; the dialplan has a call recorded there (``[emergency]``)."""
    return folder / f"{recording}.raw"


def parts(folder: Path, recording: str) -> list[Path]:
    """The raw files of a recording, in the order in which they were begun."""
    found = [raw_path(folder, recording), *folder.glob(f"{glob.escape(recording)}~*.raw")]
    of_it = [file for file in found if _recording_of(file) == recording and file.exists()]
    return sorted(of_it, key=_number)


def written(folder: Path) -> dict[str, tuple[Path, int]]:
    """Each raw recording's latest file, and its bytes."""
    latest: dict[str, tuple[Path, int]] = {}
    for raw in sorted(folder.glob("*.raw"), key=_number):
        with contextlib.suppress(FileNotFoundError):
            latest[_recording_of(raw)] = raw, raw.stat().st_size
    return latest


def next_part(folder: Path, recording: str) -> Path:
    """A raw file that the recording does not have yet."""
    found = parts(folder, recording)
    if not found:
        return raw_path(folder, recording)
    return folder / f"{recording}~{_number(found[-1]) + 1}.raw"


def last_written(folder: Path, recording: str) -> float | None:
    """When a recording was last written, in epoch seconds; None when there is none."""
    times = []
    for file in parts(folder, recording):
        with contextlib.suppress(FileNotFoundError):
            times.append(file.stat().st_mtime)
    return max(times, default=None)


def left_behind(folder: Path) -> list[str]:
    """The recordings that are raw: of calls in progress, and what an engine left undone."""
    return sorted({_recording_of(raw) for raw in folder.glob("*.raw")})


def discard_raw(folder: Path, recording: str) -> None:
    """Delete the raw files: the WAV has taken their place."""
    for file in parts(folder, recording):
        file.unlink(missing_ok=True)


def _recording_of(raw: Path) -> str:
    return _PART.sub("", raw.stem)


def _number(raw: Path) -> int:
    found = _PART.search(raw.stem)
    return int(found.group(1)) if found else 1


async def finish(folder: Path, recording: str) -> Recording | None:
    """Make the WAV once Asterisk has closed the raw files; None when nothing was recorded.

    The raw files stay: they are to be deleted when it is on record that the WAV took their place.
    Raises RecordingError with what was wrong.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CLOSED_WITHIN
    raw = raw_path(folder, recording)
    try:
        for raw in await asyncio.to_thread(parts, folder, recording):
            while await asyncio.to_thread(still_written, raw):
                if loop.time() > deadline:
                    raise RecordingError(f"{raw}: Asterisk still writes it {CLOSED_WITHIN} s later")
                await asyncio.sleep(_POLL)
        return await asyncio.to_thread(_to_wav, folder, recording)
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


def _to_wav(folder: Path, recording: str) -> Recording | None:
    stretches: list[npt.NDArray[np.int16]] = []
    ended = 0.0
    for raw in parts(folder, recording):
        interleaved = np.fromfile(raw, dtype="<i2")
        # A crash may have left half a frame.
        whole = len(interleaved) - len(interleaved) % CHANNELS
        frames = interleaved[:whole].reshape(-1, CHANNELS)
        if not len(frames):
            raw.unlink()
            continue
        closed = raw.stat().st_mtime
        if stretches:
            began = closed - len(frames) / SAMPLE_RATE
            between = min(max(began - ended, 0.0), LONGEST_GAP)
            stretches.append(np.zeros((round(between * SAMPLE_RATE), CHANNELS), dtype=np.int16))
        stretches.append(frames)
        ended = closed
    if not stretches:
        return None
    frames = np.concatenate(stretches)
    wav = folder / f"{recording}.wav"
    unfinished = folder / f"{recording}.wav.part"
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
