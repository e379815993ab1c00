"""Formats: A-law bit for bit, prompts that start at once, nothing folded into the band."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from ess_pbx.errors import PromptError
from ess_pbx.prompts.encoding import (
    NARROW_HZ,
    WIDE_HZ,
    encode_alaw,
    encode_linear,
    shape_speech,
)
from ess_pbx.prompts.loudness import active_level_dbov
from ess_pbx.prompts.synthesis import Speech

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)


def decode_alaw(encoded: bytes) -> NDArray[np.int16]:
    samples, _ = soundfile.read(
        io.BytesIO(encoded),
        format="RAW",
        subtype="ALAW",
        samplerate=8000,
        channels=1,
        dtype="int16",
    )
    return np.asarray(samples, dtype=np.int16)


def test_alaw_is_bit_exact_with_audioop_for_every_sample() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")

    assert encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE.tobytes(), 2)


def test_alaw_decodes_to_within_half_a_step() -> None:
    decoded = decode_alaw(encode_alaw(EVERY_SAMPLE)).astype(np.int32)

    error = np.abs(decoded - EVERY_SAMPLE.astype(np.int32))

    # G.711: 16 steps a segment, the segment of x being at most x wide: half a step is x/32.
    assert (error <= np.maximum(8, np.abs(EVERY_SAMPLE.astype(np.int32)) / 32) + 8).all()
    assert encode_alaw(np.zeros(1, dtype=np.int16)) == b"\xd5"


def test_linear_clips_instead_of_wrapping_round() -> None:
    encoded = encode_linear(np.array([1.5, 1.0, -1.0, -1.5, 0.0], dtype=np.float32))

    assert encoded.tolist() == [32767, 32767, -32768, -32768, 0]


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_shaped_speech_starts_and_ends_at_once_at_one_level(rate: int) -> None:
    silence = np.zeros(rate, dtype=np.float32)
    voice = np.random.default_rng(7).normal(0.0, 0.03, rate).astype(np.float32)
    rumble = 0.1 * np.sin(2 * np.pi * 20 * np.arange(3 * rate) / rate) + 0.05
    recording = np.concatenate([silence, voice, silence]) + rumble.astype(np.float32)

    shaped = shape_speech(Speech(samples=recording, rate=rate), "voice.wav")

    for made_rate in (NARROW_HZ, WIDE_HZ):
        samples = shaped[made_rate]
        assert active_level_dbov(samples, made_rate) == pytest.approx(-23.0, abs=0.05)
        assert 1.0 <= samples.size / made_rate <= 1.2
        heard = np.flatnonzero(np.abs(samples) > 0.01)
        assert heard[0] / made_rate <= 0.1
        assert (samples.size - heard[-1]) / made_rate <= 0.1
        assert abs(float(samples.mean())) < 0.001


@pytest.mark.parametrize(
    ("rate", "above_hertz", "made_rate", "folds_to_hertz"),
    [(WIDE_HZ, 5000, NARROW_HZ, 3000), (48000, 5000, NARROW_HZ, 3000), (48000, 11000, 16000, 5000)],
)
def test_tone_above_the_band_does_not_fold_into_it(
    rate: int, above_hertz: int, made_rate: int, folds_to_hertz: int
) -> None:
    time = np.arange(2 * rate) / rate
    kept, above = (np.sin(2 * np.pi * hertz * time) for hertz in (1000, above_hertz))

    made = shape_speech(Speech((0.2 * (kept + above)).astype(np.float32), rate), "x")[made_rate]

    spectrum = np.abs(np.fft.rfft(made * np.blackman(made.size)))
    hertz = np.fft.rfftfreq(made.size, 1 / made_rate)
    folded = spectrum[np.abs(hertz - folds_to_hertz) < 100].max()
    assert 20 * np.log10(folded / spectrum.max()) < -80


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 1.0])
def test_silence_names_where_it_came_from(seconds: float) -> None:
    silence = Speech(samples=np.zeros(round(22050 * seconds), dtype=np.float32), rate=22050)

    with pytest.raises(PromptError, match=r"id\.yaml:7: is silent"):
        shape_speech(silence, "id.yaml:7")
