"""Waiting music: its level, that it never falls silent, and that it loops without a click."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ess_pbx.prompts.loudness import rms_dbov
from ess_pbx.prompts.music import SECONDS, compose


@pytest.fixture(scope="module", params=[8000, 16000])
def loop(request: pytest.FixtureRequest) -> tuple[NDArray[np.float32], int]:
    return compose(request.param), request.param


def test_music_is_about_half_a_minute_at_its_level(loop: tuple[NDArray[np.float32], int]) -> None:
    samples, rate = loop

    assert samples.size == SECONDS * rate
    assert rms_dbov(samples) == pytest.approx(-30.0, abs=0.05)
    assert np.abs(samples).max() < 0.5


def test_music_is_never_silent_for_a_tenth_of_a_second(
    loop: tuple[NDArray[np.float32], int],
) -> None:
    samples, rate = loop

    levels = [rms_dbov(part) for part in samples.reshape(-1, rate // 10)]

    assert min(levels) > -40


def test_loop_has_no_click_at_its_seam(loop: tuple[NDArray[np.float32], int]) -> None:
    samples, rate = loop
    beside = rate // 200

    joined = np.concatenate([samples[-beside:], samples[:beside]])

    steps = np.abs(np.diff(joined))
    at_the_seam = steps[beside - 1]
    assert at_the_seam <= 1.2 * np.delete(steps, beside - 1).max()


def test_music_stays_in_the_telephone_band(loop: tuple[NDArray[np.float32], int]) -> None:
    samples, rate = loop

    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(samples.size, 1 / rate)

    assert power[hertz > 3400].sum() / power.sum() < 1e-4
    assert power[hertz < 200].sum() / power.sum() < 1e-3


def test_last_chord_rings_on_into_the_beginning(loop: tuple[NDArray[np.float32], int]) -> None:
    samples, rate = loop

    assert rms_dbov(samples[: rate // 200]) > -40
