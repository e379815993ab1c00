"""Levels: the reference point of dBov, the gate of active speech, matching without clipping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ess_pbx.prompts.loudness import (
    FLOOR_DBOV,
    active_level_dbov,
    limit_peaks,
    match_level,
    rms_dbov,
)

RATE = 8000


def tone(seconds: float, peak: float, hertz: float = 440.0) -> NDArray[np.float32]:
    wave = peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return wave.astype(np.float32)


def noise(seconds: float, rms: float, seed: int = 1) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(0.0, rms, round(seconds * RATE))
    return np.clip(drawn, -1, 1).astype(np.float32)


def test_full_scale_square_is_zero_dbov_and_sine_three_below() -> None:
    square = np.tile(np.array([-32768, -32768, 32767, 32767], dtype=np.int16), 1000)
    sine = (tone(1.0, 1.0) * 32767).astype(np.int16)

    assert rms_dbov(square) == pytest.approx(0.0, abs=0.001)
    assert rms_dbov(sine) == pytest.approx(-3.01, abs=0.01)
    assert rms_dbov(tone(1.0, 1.0)) == pytest.approx(-3.01, abs=0.01)


def test_silence_and_nothing_are_at_the_floor() -> None:
    for samples in (np.zeros(800, dtype=np.int16), np.zeros(0, dtype=np.int16)):
        assert rms_dbov(samples) == FLOOR_DBOV == -96.0
        assert active_level_dbov(samples, RATE) == FLOOR_DBOV


def test_two_channels_at_once_or_unsigned_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="one channel expected"):
        rms_dbov(np.zeros((10, 2), dtype=np.int16))
    with pytest.raises(ValueError, match="uint8"):
        rms_dbov(np.zeros(10, dtype=np.uint8))


def test_long_pauses_change_rms_but_not_active_level() -> None:
    word, pause = noise(2.0, 0.1), noise(8.0, 0.0001)

    with_pauses = np.concatenate([word, pause, word])

    assert rms_dbov(with_pauses) < rms_dbov(word) - 4
    assert active_level_dbov(with_pauses, RATE) == pytest.approx(rms_dbov(word), abs=0.4)


def test_background_noise_above_the_absolute_gate_is_gated_out_relatively() -> None:
    # -50 dBov of noise passes the absolute gate; only the margin of 15.9 dB keeps it out.
    word, background = noise(2.0, 0.1), noise(20.0, 0.00316)

    level = active_level_dbov(np.concatenate([word, background]), RATE)

    assert level == pytest.approx(rms_dbov(word), abs=0.5)


def test_sound_under_the_absolute_gate_is_not_speech() -> None:
    assert active_level_dbov(noise(1.0, 0.0005), RATE) == FLOOR_DBOV


@settings(max_examples=40, deadline=None)
@given(
    gain_db=st.floats(-30, 12),
    seed=st.integers(0, 10_000),
    seconds=st.floats(0.4, 3.0),
)
def test_matching_reaches_the_level_and_never_passes_the_ceiling(
    gain_db: float, seed: int, seconds: float
) -> None:
    speech = noise(seconds, 0.1 * 10 ** (gain_db / 20), seed)

    matched = match_level(speech, RATE)

    assert active_level_dbov(matched, RATE) == pytest.approx(-23.0, abs=0.1)
    assert np.abs(matched).max() <= 10 ** (-3 / 20) + 1e-6


def test_matching_makes_up_for_what_limiting_took() -> None:
    speech = noise(2.0, 0.02)
    speech[::400] = 0.9

    matched = match_level(speech, RATE)

    assert np.abs(matched).max() <= 10 ** (-3 / 20) + 1e-6
    assert active_level_dbov(matched, RATE) == pytest.approx(-23.0, abs=0.1)


def test_limiter_lowers_the_peak_smoothly_and_leaves_the_rest_alone() -> None:
    sound = tone(1.0, 0.2)
    sound[4000:4020] = tone(1.0, 0.95)[10:30]

    limited = limit_peaks(sound, RATE, ceiling_dbov=-6.0)

    assert np.abs(limited).max() <= 10 ** (-6 / 20) + 1e-6
    np.testing.assert_array_equal(limited[:3900], sound[:3900])
    np.testing.assert_array_equal(limited[4120:], sound[4120:])
    gains = limited[sound != 0] / sound[sound != 0]
    assert np.abs(np.diff(gains)).max() < 0.05


def test_silence_cannot_be_matched_and_stays_silence() -> None:
    assert not match_level(np.zeros(8000, dtype=np.float32), RATE).any()
