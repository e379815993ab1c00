import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ess_pbx.phones import PhoneError, audio


def test_the_alaw_octets_of_known_samples_are_those_of_g711() -> None:
    assert audio.ALAW[0xD5] == 8
    assert audio.ALAW[0x55] == -8
    assert audio.ALAW[0xAA] == 32256
    assert audio.ALAW[0x2A] == -32256


def test_the_mulaw_octets_of_known_samples_are_those_of_g711() -> None:
    assert audio.ULAW[0xFF] == 0
    assert audio.ULAW[0x80] == 32124
    assert audio.ULAW[0x00] == -32124


def test_each_alaw_level_is_encoded_to_its_own_octet() -> None:
    assert audio.alaw_encoded(audio.ALAW) == bytes(range(256))


def test_a_full_scale_sine_is_3_db_below_overload() -> None:
    assert audio.level_dbov(audio.tone_samples(1000, -3.02)) == pytest.approx(-3.02, abs=0.05)


@pytest.mark.parametrize("dbov", [-10.0, -25.0, -40.0])
def test_a_tone_is_measured_at_its_level_through_alaw(dbov: float) -> None:
    sent = audio.tone_samples(440, dbov)
    heard = audio.g711_decoded(audio.alaw_encoded(sent))
    assert audio.tone_level_dbov(heard, 440) == pytest.approx(dbov, abs=0.5)


def test_another_frequency_is_not_taken_for_the_tone() -> None:
    heard = audio.tone_samples(440, -10, seconds=0.2)
    assert audio.tone_level_dbov(heard, 620) < -50
    assert audio.hears_tone(heard, 440)
    assert not audio.hears_tone(heard, 620)


def test_a_tone_under_louder_sound_is_not_heard_as_the_tone() -> None:
    both = audio.tone_samples(440, -30) + audio.tone_samples(800, -12)
    assert not audio.hears_tone(both, 440)


def test_nothing_at_all_has_the_level_of_silence() -> None:
    assert audio.level_dbov(np.zeros(800, np.int16)) == audio.SILENCE_DBOV
    assert audio.tone_level_dbov(np.zeros(0, np.int16), 440) == audio.SILENCE_DBOV


def test_the_longest_of_several_silences_is_measured() -> None:
    speech, pause = audio.tone_samples(300, -20, 0.5), np.zeros(8000, np.int16)
    heard = np.concatenate([pause[:2000], speech, pause[:6000], speech, pause[:1600]])
    assert audio.longest_silence(heard) == pytest.approx(0.75, abs=0.021)


def test_alaw_idle_noise_counts_as_silence() -> None:
    assert audio.longest_silence(audio.g711_decoded(b"\xd5" * 8000)) == 1.0


def test_a_tone_that_would_clip_is_refused() -> None:
    with pytest.raises(PhoneError, match=r"at most -3\.01 dBov"):
        audio.tone_samples(440, 0.0)


def test_a_stereo_file_of_another_rate_becomes_mono_at_8000_hz(tmp_path: Path) -> None:
    time = np.arange(44100) / 44100
    sine = 0.25 * np.sin(2 * math.pi * 500 * time)
    soundfile.write(tmp_path / "hifi.wav", np.stack([sine, sine], axis=1), 44100)
    heard = audio.wav_samples(tmp_path / "hifi.wav")
    assert heard.size == pytest.approx(8000, abs=10)
    assert audio.tone_level_dbov(heard, 500) == pytest.approx(20 * math.log10(0.25 / 2**0.5), abs=1)


def test_a_file_that_is_no_sound_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "note.wav").write_text("halo")
    with pytest.raises(PhoneError, match=r"note\.wav cannot be played"):
        audio.wav_samples(tmp_path / "note.wav")
