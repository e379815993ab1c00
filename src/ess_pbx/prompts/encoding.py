"""Speech made ready for Asterisk: cleaned, trimmed, level-matched, and encoded.

Two formats: A-law at 8 kHz as trunks carry it, and 16-bit linear at 16 kHz for wide-band phones.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from ess_pbx.errors import PromptError
from ess_pbx.prompts.loudness import FLOOR_DBOV, active_level_dbov, match_level
from ess_pbx.prompts.synthesis import Speech

NARROW_HZ, WIDE_HZ = 8000, 16000

_SILENCE_BELOW_ACTIVE_DB = 35.0
_LEAD_SECONDS, _TAIL_SECONDS = 0.05, 0.09
_FADE_SECONDS = 0.005


def shape_speech(speech: Speech, origin: str) -> dict[int, NDArray[np.float32]]:
    """Speech ready to encode, by rate: rumble and silence cut off, level matched, faded.

    Raises PromptError, naming ``origin``, if nothing is heard.
    """
    trimmed = speech.samples
    if trimmed.size:
        clean = soxr.resample(_high_pass(speech), speech.rate, WIDE_HZ, quality="VHQ")
        trimmed = _trim(clean)
    if not trimmed.size:
        raise PromptError(
            f"{origin}: is silent; expected speech. Check the text, or the recording."
        )
    fade = np.linspace(0.0, 1.0, round(WIDE_HZ * _FADE_SECONDS), dtype=np.float32)
    trimmed[: fade.size] *= fade
    trimmed[-fade.size :] *= fade[::-1]
    narrow = soxr.resample(trimmed, WIDE_HZ, NARROW_HZ, quality="VHQ")
    # Matched apart: without its upper octave the narrow one would be softer.
    return {NARROW_HZ: match_level(narrow, NARROW_HZ), WIDE_HZ: match_level(trimmed, WIDE_HZ)}


def encode_linear(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples in -1..1 as 16-bit integers, rounded; beyond full scale is clipped."""
    scaled = np.rint(samples.astype(np.float64) * 32768)
    return np.clip(scaled, -32768, 32767).astype("<i2")


def encode_alaw(samples: NDArray[np.int16]) -> bytes:
    """A-law bytes of 16-bit samples (ITU-T G.711), bit for bit what audioop.lin2alaw gives."""
    # libsndfile rounds 127 negative values to the neighbouring code, hence our own.
    linear = samples.astype(np.int32) >> 3
    magnitude = np.where(linear < 0, -linear - 1, linear)
    segment = np.maximum(np.frexp(magnitude.astype(np.float64))[1] - 5, 0)
    step = (magnitude >> np.maximum(segment, 1)) & 0x0F
    codes = ((segment << 4) | step) ^ np.where(linear < 0, 0x55, 0xD5)
    encoded: NDArray[np.uint8] = codes.astype(np.uint8)
    return encoded.tobytes()


def _high_pass(speech: Speech) -> NDArray[np.float32]:
    # Under 50 Hz nothing, from 120 Hz everything: DC, mains hum and rumble, not the voice.
    spectrum = np.fft.rfft(speech.samples)
    hertz = np.fft.rfftfreq(speech.samples.size, 1 / speech.rate)
    slope = np.clip((hertz - 50.0) / 70.0, 0.0, 1.0)
    passed = spectrum * np.sin(slope * np.pi / 2) ** 2
    return np.fft.irfft(passed, speech.samples.size).astype(np.float32)


def _trim(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    level = active_level_dbov(samples, WIDE_HZ)
    if level == FLOOR_DBOV:
        return samples[:0]
    heard = np.flatnonzero(np.abs(samples) > 10 ** ((level - _SILENCE_BELOW_ACTIVE_DB) / 20))
    first = max(0, int(heard[0]) - round(_LEAD_SECONDS * WIDE_HZ))
    return samples[first : int(heard[-1]) + round(_TAIL_SECONDS * WIDE_HZ)].copy()
