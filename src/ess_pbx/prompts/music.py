"""Waiting music, composed by this code and so free of rights: eight soft bars that loop.

Notes ring on past the end into the beginning, so the loop has no seam, and something always
sounds: a caller never hears silence and thinks the line is dead. Every partial lies between 200 and
2100 Hz, well below half of either rate, so both are made directly, with no resampling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ess_pbx.prompts.loudness import limit_peaks, rms_dbov

MUSIC_LEVEL_DBOV = -30.0
"""7 dB under the announcements, so that these stand out."""

SECONDS = 32
RECIPE = "arpeggio-1"
"""Changes whenever the sound does, so that built files are renewed."""

_BAR_SECONDS = 4.0
_STEP_SECONDS = 0.5
# C - A minor - F - G - C - E minor - F - G, as MIDI notes within an octave and a half.
_CHORDS = (
    (60, 64, 67, 72),
    (57, 60, 64, 69),
    (65, 69, 72, 77),
    (62, 67, 71, 74),
    (64, 67, 72, 76),
    (64, 67, 71, 76),
    (60, 65, 69, 72),
    (59, 62, 67, 71),
)
_PATTERN = (0, 1, 2, 3, 2, 1, 2, 1)
_PARTIALS = (1.0, 0.35, 0.12)


def compose(rate: int, level_dbov: float = MUSIC_LEVEL_DBOV) -> NDArray[np.float32]:
    """The loop at ``rate`` Hz, 32 s, RMS at ``level_dbov``."""
    length = SECONDS * rate
    mix = np.zeros(length)
    for bar, chord in enumerate(_CHORDS):
        bar_start = bar * _BAR_SECONDS
        for note in chord[:3]:
            _add(mix, rate, bar_start, _pad(note, rate) * 0.12)
        for step, index in enumerate(_PATTERN):
            _add(mix, rate, bar_start + step * _STEP_SECONDS, _pluck(chord[index], rate))
    gain = 10 ** ((level_dbov - rms_dbov(mix)) / 20)
    return limit_peaks((mix * gain).astype(np.float32), rate)


def _pluck(note: int, rate: int) -> NDArray[np.float64]:
    time = np.arange(round(2.5 * rate)) / rate
    envelope = np.minimum(time / 0.015, 1.0) * np.exp(-time / 0.7)
    sound: NDArray[np.float64] = _tone(note, time) * envelope * _release(time, 0.3)
    return sound


def _pad(note: int, rate: int) -> NDArray[np.float64]:
    # Longer than its bar by the fade, so that one chord melts into the next.
    time = np.arange(round((_BAR_SECONDS + 0.8) * rate)) / rate
    return _tone(note, time) * np.minimum(time / 0.8, 1.0) * _release(time, 0.8)


def _tone(note: int, time: NDArray[np.float64]) -> NDArray[np.float64]:
    pitch = 440.0 * 2 ** ((note - 69) / 12)
    total = np.zeros_like(time)
    for order, strength in enumerate(_PARTIALS, start=1):
        total += strength * np.sin(2 * np.pi * order * pitch * time)
    return total


def _release(time: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    fade: NDArray[np.float64] = np.clip((time[-1] - time) / seconds, 0.0, 1.0)
    return fade


def _add(mix: NDArray[np.float64], rate: int, start: float, sound: NDArray[np.float64]) -> None:
    places = (round(start * rate) + np.arange(sound.size)) % mix.size
    mix[places] += sound
