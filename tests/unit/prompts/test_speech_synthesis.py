"""espeak-ng as a program: what it is told, what it gives, and how its absence is told."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ess_pbx.errors import PromptError, RuntimeMissingError
from ess_pbx.prompts import synthesis
from ess_pbx.prompts.build import MUSIC, build_prompts
from ess_pbx.prompts.catalogue import load_catalogue
from ess_pbx.prompts.loudness import active_level_dbov
from ess_pbx.prompts.synthesis import EspeakSynthesiser

SHIPPED = Path(__file__).parents[3] / "ivr_prompts"
SENTENCE = "Seratus dua belas, layanan darurat."

ECHO_ARGUMENTS = """
import struct, sys
body = sys.stdin.buffer.read() + b"|" + "|".join(sys.argv[1:]).encode()
body += b" " * (len(body) % 2)
header = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 0x7FFFF024, b"WAVEfmt ", 16, 1, 1, 22050, 44100,
                     2, 16, b"data", 0x7FFFF000)
sys.stdout.buffer.write(header + body)
"""


def pretending(program: str) -> EspeakSynthesiser:
    return EspeakSynthesiser([sys.executable, "-c", program])


@pytest.fixture(scope="module")
def espeak() -> EspeakSynthesiser:
    try:
        return EspeakSynthesiser.find()
    except RuntimeMissingError as missing:
        pytest.skip(str(missing))


def test_sentence_is_spoken_in_about_its_time(espeak: EspeakSynthesiser) -> None:
    speech = espeak.speak(SENTENCE, "id")

    assert speech.rate == 22050
    assert speech.samples.dtype == np.float32
    assert 1.5 < speech.samples.size / speech.rate < 4.0
    assert -35 < active_level_dbov(speech.samples, speech.rate) < -10


def test_same_text_gives_the_same_samples(espeak: EspeakSynthesiser) -> None:
    first, second = (espeak.speak(SENTENCE, "id").samples for _ in range(2))

    np.testing.assert_array_equal(first, second)


def test_languages_are_spoken_by_different_voices(espeak: EspeakSynthesiser) -> None:
    indonesian, english = (espeak.speak("Satu", language) for language in ("id", "en"))

    assert not np.array_equal(indonesian.samples, english.samples)
    assert espeak.signature("id") != espeak.signature("en")
    assert "1." in espeak.signature("id")


def test_text_that_looks_like_options_or_shell_is_only_spoken(
    espeak: EspeakSynthesiser, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"

    speech = espeak.speak(f'--version; $(touch {trap}) `touch {trap}` "', "id")

    assert speech.samples.size > speech.rate
    assert not trap.exists()


def test_unknown_voice_names_the_voice_and_what_to_do(espeak: EspeakSynthesiser) -> None:
    with pytest.raises(PromptError, match=r"no voice 'xx'.*--voices"):
        espeak.speak("Halo.", "xx")


def test_all_shipped_prompts_come_out_at_one_level(
    espeak: EspeakSynthesiser, tmp_path: Path
) -> None:
    result = build_prompts(SHIPPED, tmp_path, espeak)

    spoken = [prompt for key, prompt in result.prompts.items() if key != MUSIC]
    levels = [prompt.level_dbov for prompt in spoken]
    assert len(spoken) == len(list(load_catalogue(SHIPPED)))
    assert max(levels) - min(levels) < 0.1
    assert max(prompt.seconds for prompt in spoken) < 15


def test_text_goes_to_standard_input_and_the_voice_to_the_options() -> None:
    speech = pretending(ECHO_ARGUMENTS).speak("Halo ñ", "jv")

    said = (speech.samples * 32768).astype("<i2").tobytes().decode().split("|")
    assert said[0] == "Halo ñ"
    assert said[1:5] == ["-v", "jv", "-s", "150"]
    assert {"-D", "-z", "--stdin", "--stdout"} <= set(said[5:])


@pytest.mark.parametrize("command", [["/nowhere/espeak-ng"], ["sh", "-c", "exit 127", "x"]])
def test_absent_program_is_a_missing_runtime(command: list[str]) -> None:
    with pytest.raises(RuntimeMissingError, match="Fetch the runtime again"):
        EspeakSynthesiser(command).speak("Halo.", "id")


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import sys; sys.exit('phontab: No such file')", "exit status 1: phontab"),
        ("pass", "it said nothing"),
        ("print('hello, I am not a WAV ' * 4)", "gave no WAV"),
        (ECHO_ARGUMENTS.replace("16, 1, 1, 22050", "16, 1, 2, 22050"), "2 channels"),
    ],
)
def test_program_that_goes_wrong_is_told_with_what_it_said(program: str, says: str) -> None:
    with pytest.raises(PromptError, match=says):
        pretending(program).speak("Halo.", "id")


def test_program_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "_TIMEOUT_SECONDS", 0.2)

    with pytest.raises(PromptError, match="did not finish"):
        pretending("import time; time.sleep(60)").speak("Halo.", "id")
