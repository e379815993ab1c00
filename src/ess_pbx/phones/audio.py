"""G.711 and levels: what a phone makes of samples, and how loud, how pure, how silent they are.

Samples are int16 at 8000 Hz. Levels are dBov (ITU-T G.100.1): 0 dBov is a full-scale square wave,
so a full-scale sine is -3.01 dBov; digital silence is reported as ``SILENCE_DBOV``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ess_pbx.phones import PhoneError

Samples = NDArray[np.int16]

SAMPLE_RATE = 8000
"""Hz, of G.711."""
SILENCE_DBOV = -127.0
"""The level of no sound at all, as RFC 6464 has it."""
QUIET_DBOV = -55.0
"""Below this nobody hears anything; A-law's own idle noise is at -72 dBov."""


def _alaw_levels() -> Samples:
    code = np.arange(256) ^ 0x55
    segment, mantissa = (code >> 4) & 7, code & 15
    level = (mantissa << 4) + 8 + np.where(segment > 0, 0x100, 0)
    level = level << np.maximum(segment - 1, 0)
    signed: Samples = np.where(code & 0x80, level, -level).astype(np.int16)
    return signed


def _ulaw_levels() -> Samples:
    code = ~np.arange(256) & 0xFF
    level = ((((code & 15) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84
    signed: Samples = np.where(code & 0x80, -level, level).astype(np.int16)
    return signed


ALAW = _alaw_levels()
"""The sample of each A-law octet (ITU-T G.711)."""
ULAW = _ulaw_levels()
"""The sample of each μ-law octet."""

_ALAW_ORDER = np.argsort(ALAW, kind="stable")
_ALAW_SORTED = ALAW[_ALAW_ORDER].astype(np.int32)
_ALAW_BORDERS = (_ALAW_SORTED[1:] + _ALAW_SORTED[:-1]) / 2


def alaw_encoded(samples: Samples) -> bytes:
    """Each sample as the nearest A-law octet."""
    nearest = np.searchsorted(_ALAW_BORDERS, samples)
    return bytes(_ALAW_ORDER[nearest].astype(np.uint8))


def g711_decoded(octets: bytes, table: Samples = ALAW) -> Samples:
    """The samples of G.711 octets; ``table`` is ALAW or ULAW."""
    return table[np.frombuffer(octets, dtype=np.uint8)]


def tone_samples(hertz: int, dbov: float, seconds: float = 1.0) -> Samples:
    """A sine of that frequency and level. Whole hertz, so that one second repeats without a seam.

    Raises PhoneError for a level that clips or a frequency that 8000 Hz cannot carry.
    """
    if dbov > -3.01 or not 0 < hertz < SAMPLE_RATE // 2:
        raise PhoneError(
            f"no tone of {hertz} Hz at {dbov} dBov: expected 1 to 3999 Hz, at most -3.01 dBov"
        )
    peak = 32767 * math.sqrt(2) * 10 ** (dbov / 20)
    time = np.arange(round(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    return np.rint(peak * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def wav_samples(path: Path) -> Samples:
    """A sound file of any rate and width as mono samples.

    Raises PhoneError when the file cannot be read as sound.
    """
    try:
        return _wav_samples(path, path.stat().st_mtime_ns)
    except (OSError, soundfile.SoundFileError) as error:
        raise PhoneError(f"{path} cannot be played: {error}; expected a WAV file") from error


@lru_cache(maxsize=64)
def _wav_samples(path: Path, _changed_at: int) -> Samples:
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(sound.mean(axis=1), rate, SAMPLE_RATE)
    samples: Samples = np.rint(np.clip(mono, -1, 1) * 32767).astype(np.int16)
    return samples


def save_wav(path: Path, samples: Samples) -> None:
    """Write samples as a 16-bit mono WAV file, 8000 Hz."""
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16", format="WAV")


def level_dbov(samples: Samples) -> float:
    """The RMS level, dBov."""
    if samples.size == 0:
        return SILENCE_DBOV
    return _dbov(float(np.sqrt(np.mean(np.square(samples.astype(np.float64))))))


def tone_level_dbov(samples: Samples, hertz: float) -> float:
    """The level of one frequency in the samples, dBov.

    One bin of a Hann-windowed Fourier transform, so that a neighbour 4/T Hz away does not count.
    """
    if samples.size == 0:
        return SILENCE_DBOV
    window = np.hanning(samples.size + 2)[1:-1]
    turn = np.exp(-2j * np.pi * hertz / SAMPLE_RATE * np.arange(samples.size))
    peak = 2 * abs(np.dot(samples * window, turn)) / window.sum()
    return _dbov(float(peak) / math.sqrt(2))


def hears_tone(samples: Samples, hertz: float, at_least_dbov: float = -45.0) -> bool:
    """Whether one frequency is there and is most of what is there (half the power)."""
    tone = tone_level_dbov(samples, hertz)
    return tone >= at_least_dbov and tone >= level_dbov(samples) - 3.0


def longest_silence(samples: Samples, below_dbov: float = QUIET_DBOV) -> float:
    """The longest stretch below that level, in seconds, to 20 ms."""
    frame = SAMPLE_RATE // 50
    whole = samples[: samples.size - samples.size % frame].reshape(-1, frame)
    power = np.mean(np.square(whole.astype(np.float64)), axis=1)
    quiet = power < (32768 * 10 ** (below_dbov / 20)) ** 2
    longest = current = 0
    for is_quiet in quiet.tolist():
        current = current + 1 if is_quiet else 0
        longest = max(longest, current)
    return longest / 50


def _dbov(rms: float) -> float:
    if rms <= 0:
        return SILENCE_DBOV
    return max(20 * math.log10(rms / 32768), SILENCE_DBOV)
