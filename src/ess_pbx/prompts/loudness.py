"""Levels in dBov, and bringing speech to one of them without clipping.

0 dBov is the RMS of a full-scale square wave (ITU-T G.100.1; RFC 3389 section 3): a full-scale
sine is -3.01 dBov. For A-law, 0 dBov is +6.15 dBm0.

The level of speech is its *active* level, pauses left out, so that a prompt with long pauses is
not made louder than one without. The meter follows the idea of ITU-T P.56 method B (margin
15.9 dB below the result, hangover 0.2 s) on 20 ms frames instead of an envelope.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOOR_DBOV = -96.0
"""Stands for silence, and for anything below the step of 16 bits."""

ABSOLUTE_GATE_DBOV = -60.0
"""A frame below this is never speech."""

SPEECH_LEVEL_DBOV = -23.0
"""What prompts are matched to; the reasons are in docs/decisions/0005-prompts-and-audio.md."""

PEAK_CEILING_DBOV = -3.0
"""No sample of a prompt goes above 10^(-3/20) = 0.71 of full scale."""

_FRAME_SECONDS = 0.020
_HANGOVER_FRAMES = 10
_MARGIN_DB = 15.9
_LOOK_SECONDS = 0.005
_TOLERANCE_DB = 0.02


def rms_dbov(samples: NDArray[Any]) -> float:
    """RMS level of one channel: signed integers or floats in -1..1; silence gives -96.0."""
    signal = _as_float(samples)
    return _dbov(float(np.mean(signal * signal))) if signal.size else FLOOR_DBOV


def active_level_dbov(samples: NDArray[Any], rate: int) -> float:
    """Active speech level of one channel at ``rate`` Hz; -96.0 if no frame is above -60 dBov."""
    signal = _as_float(samples)
    if not signal.size:
        return FLOOR_DBOV
    starts = np.arange(0, signal.size, max(1, round(rate * _FRAME_SECONDS)))
    lengths = np.diff(np.append(starts, signal.size))
    energies = np.add.reduceat(signal * signal, starts)
    powers = energies / lengths
    gate, level = ABSOLUTE_GATE_DBOV, FLOOR_DBOV
    for _ in range(20):  # settles in 3 or 4 rounds: the gate only depends on the level before
        active = _held(powers > 10 ** (gate / 10))
        if not active.any():
            return level
        before, level = level, _dbov(float(energies[active].sum() / lengths[active].sum()))
        if abs(level - before) < 1e-6:
            break
        gate = max(ABSOLUTE_GATE_DBOV, level - _MARGIN_DB)
    return level


def limit_peaks(
    samples: NDArray[np.float32], rate: int, ceiling_dbov: float = PEAK_CEILING_DBOV
) -> NDArray[np.float32]:
    """Turn the gain down smoothly around peaks, looking 5 ms both ways; nothing passes."""
    ceiling = 10 ** (ceiling_dbov / 20)
    magnitudes = np.abs(samples)
    if not samples.size or float(magnitudes.max()) <= ceiling:
        return samples
    allowed = ceiling / np.maximum(magnitudes, ceiling)
    reach = max(1, round(rate * _LOOK_SECONDS))
    # Lowest gain within reach, then a mean over the same reach: every term of the mean at a
    # sample already allows for that sample, so the mean does too.
    windows = np.lib.stride_tricks.sliding_window_view
    lowest = windows(np.pad(allowed, reach, mode="edge"), 2 * reach + 1).min(axis=1)
    smooth = np.hanning(2 * reach + 3)[1:-1]
    gains = np.convolve(np.pad(lowest, reach, mode="edge"), smooth / smooth.sum(), "valid")
    return np.clip(samples * gains, -ceiling, ceiling).astype(np.float32)


def match_level(
    samples: NDArray[np.float32],
    rate: int,
    level_dbov: float = SPEECH_LEVEL_DBOV,
    ceiling_dbov: float = PEAK_CEILING_DBOV,
) -> NDArray[np.float32]:
    """Bring speech to an active level, its peaks limited; silence is returned unchanged.

    Where peaks had to be limited a few rounds make up for the level that cost; a signal far
    peakier than speech may stay below ``level_dbov``.
    """
    matched, gain_db = samples, 0.0
    for _ in range(6):
        level = active_level_dbov(matched, rate)
        if level == FLOOR_DBOV or (gain_db and abs(level_dbov - level) < _TOLERANCE_DB):
            break
        gain_db += level_dbov - level
        louder = (samples * 10 ** (gain_db / 20)).astype(np.float32)
        matched = limit_peaks(louder, rate, ceiling_dbov)
    return matched


def _held(loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    held = loud.copy()
    for delay in range(1, min(_HANGOVER_FRAMES, loud.size - 1) + 1):
        held[delay:] |= loud[:-delay]
    return held


def _as_float(samples: NDArray[Any]) -> NDArray[np.float64]:
    if samples.ndim != 1:
        raise ValueError(f"one channel expected, got an array of shape {samples.shape}")
    if np.issubdtype(samples.dtype, np.signedinteger):
        return samples.astype(np.float64) / -float(np.iinfo(samples.dtype).min)
    if np.issubdtype(samples.dtype, np.floating):
        return samples.astype(np.float64)
    raise ValueError(f"signed integers or floats expected, got {samples.dtype}")


def _dbov(power: float) -> float:
    return max(FLOOR_DBOV, 10 * float(np.log10(power))) if power > 0 else FLOOR_DBOV
