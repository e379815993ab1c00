"""The catalogue: what is read, and that every mistake names its file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ess_pbx.domain import (
    comfort,
    desks,
    introduction,
    supervising,
    transfer_button,
    transfer_codes,
)
from ess_pbx.domain.config import BREAK_REASONS
from ess_pbx.errors import PromptError, SettingsError
from ess_pbx.prompts.catalogue import load_catalogue, read_recording

SHIPPED = Path(__file__).parents[3] / "ivr_prompts"
NAMES_THE_ENGINE_PLAYS = {
    "panggilan-uji",
    *transfer_codes.PROMPTS,
    *transfer_button.PROMPTS,
    *(introduction.OPENING_PROMPT, introduction.OPERATOR_PROMPT),
    *(f"kategori-{each}" for each in ("medis", "kebakaran", "bencana", "keamanan", "jalan")),
    *(f"kategori-{each}" for each in ("kekerasan", "pohon-tumbang", "lainnya")),
    "selamat-datang",
    "menu-utama",
    "mohon-tunggu",
    "antrean-lanjut",
    "tidak-ada-operator",
    "hubungkan-instansi",
    "instansi-tidak-menjawab",
    "operator-pergi",
    "gangguan",
    "telepon-kembali",
    "telepon-balik-tidak-dijawab",
    "telepon-balik-sibuk",
    "telepon-balik-ditolak",
    "telepon-balik-gagal",
    "menu-lainnya",
    "menu-bahasa",
    "menu-informasi",
    "menu-kantor",
    "info-darurat",
    "info-kantor-tutup",
    "terima-kasih",
    "tekan-lima-bila-diam",
    "diam-diterima",
    "penelepon-diam",
    "dicatat",
    "peringatan-iseng",
    *desks.PROMPTS,
    desks.APOLOGY_PROMPT,
    *(str(each.prompt) for each in BREAK_REASONS),
    "antrean-operator-lain",
    "antrean-semua-operator",
    "antrean-penyelia",
    "antrean-pusat-lain",
    "butuh-ambulans",
    *(comfort.position_prompt(place) for place in range(1, 22)),
    *comfort.KEY_PROMPTS.values(),
    *supervising.PROMPTS,
    "siaga-bencana",
    "siaga-gempa",
    "siaga-tsunami",
    "siaga-butuh-bantuan",
    "siaga-informasi",
    "siaga-panggilan",
}


def write_wav(
    path: Path, seconds: float = 1.0, rate: int = 16000, channels: int = 1, peak: float = 0.3
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = peak * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.column_stack([wave] * channels), rate, format="WAV")
    return path


def test_shipped_catalogue_has_every_prompt_in_both_languages() -> None:
    catalogue = load_catalogue(SHIPPED)

    assert catalogue.languages == ("id", "en", "jv")
    assert set(catalogue.prompts["id"]) == NAMES_THE_ENGINE_PLAYS
    assert set(catalogue.prompts["en"]) == NAMES_THE_ENGINE_PLAYS


def test_a_language_may_lack_prompts_and_be_spoken_by_anothers_voice() -> None:
    prompts = load_catalogue(SHIPPED).prompts

    assert set(prompts["jv"]) < NAMES_THE_ENGINE_PLAYS
    assert {prompt.voice for prompt in prompts["jv"].values()} == {"id"}
    assert {prompt.voice for prompt in prompts["en"].values()} == {"en"}


def test_a_voice_that_is_no_language_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "id.yaml").write_text("satu: Satu.\n_voice: [x]\n")

    with pytest.raises(SettingsError, match=r"id.yaml:2: _voice is not a language code"):
        load_catalogue(tmp_path)


def test_shipped_texts_spell_numbers_as_words() -> None:
    with_digits = [p for p in load_catalogue(SHIPPED) if any(c.isdigit() for c in p.text)]

    assert with_digits == []


def test_folded_text_becomes_one_line_and_a_recording_is_found(tmp_path: Path) -> None:
    (tmp_path / "id.yaml").write_text("halo: >-\n  Selamat\n  pagi.\ndua: Dua kata.\n")
    recording = write_wav(tmp_path / "id" / "halo.WAV")
    (tmp_path / "id" / ".gitkeep").touch()

    prompts = load_catalogue(tmp_path).prompts["id"]

    assert prompts["halo"].text == "Selamat pagi."
    assert prompts["halo"].recording == recording
    assert prompts["dua"].recording is None
    assert prompts["dua"].line == 4


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("- satu\n- dua\n", 1, "not a list of prompts"),
        ("", 1, "not a list of prompts"),
        ("satu: Satu.\nDua Kata: Dua.\n", 2, "bad prompt name 'Dua Kata'"),
        (f"{'a' * 61}: Panjang.\n", 1, "1 to 60 characters"),
        ("satu: Satu.\n[a]: Dua.\n", 2, "bad prompt name a list or mapping"),
        ("satu: Satu.\n\ndua:\n", 3, "prompt 'dua' has no words"),
        ('satu: "  "\n', 1, "prompt 'satu' has no words"),
        ('satu: "..."\n', 1, "prompt 'satu' has no words"),
        ("satu: Satu.\ndua: Dua.\nsatu: Lagi.\n", 3, "already given on line 1"),
        ("satu: 112\n", 1, "Put them in quotes"),
        ("satu: yes\n", 1, "Put them in quotes"),
        ("satu: [a, b]\n", 1, "Put them in quotes"),
        ("satu: Tekan: satu\n", 1, "Put the text in quotes"),
        ("satu: Satu.\ndua: 'tidak ditutup\n", 3, "not valid YAML"),
    ],
)
def test_wrong_text_file_names_file_and_line(
    tmp_path: Path, content: str, line: int, says: str
) -> None:
    file = tmp_path / "id.yaml"
    file.write_text(content)

    with pytest.raises(SettingsError) as caught:
        load_catalogue(tmp_path)

    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert says in str(caught.value)


def test_name_that_only_a_translation_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "id.yaml").write_text("satu: Satu.\n")
    (tmp_path / "en.yaml").write_text("satu: One.\ntwo: Two.\n")

    with pytest.raises(SettingsError, match=r"en\.yaml:2: prompt 'two' is not in id\.yaml"):
        load_catalogue(tmp_path)


def test_translation_may_lack_prompts(tmp_path: Path) -> None:
    (tmp_path / "id.yaml").write_text("satu: Satu.\ndua: Dua.\n")
    (tmp_path / "en.yaml").write_text("dua: Two.\n")

    assert set(load_catalogue(tmp_path).prompts["en"]) == {"dua"}


def test_catalogue_without_the_complete_language_is_refused(tmp_path: Path) -> None:
    (tmp_path / "en.yaml").write_text("satu: One.\n")

    with pytest.raises(SettingsError, match=r"id\.yaml: not found"):
        load_catalogue(tmp_path)


def test_text_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "id.yaml").write_bytes("satu: Café.\n".encode("latin-1"))

    with pytest.raises(SettingsError, match="Save the file as UTF-8"):
        load_catalogue(tmp_path)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("en.yml", r"en\.yml: would be ignored"),
        ("english.yaml", "'english' is not a language code"),
        ("id/stau.wav", "no prompt is called 'stau'.*expected one of: satu"),
        ("id/satu.mp3", r"satu\.mp3: not a recording that can be used"),
        ("jv/satu.wav", r"expected jv\.yaml beside the folder"),
    ],
)
def test_file_that_would_silently_not_be_used_is_refused(
    tmp_path: Path, extra: str, says: str
) -> None:
    (tmp_path / "id.yaml").write_text("satu: Satu.\n")
    (tmp_path / extra).parent.mkdir(exist_ok=True)
    (tmp_path / extra).write_text("satu: One.\n")

    with pytest.raises(SettingsError, match=says):
        load_catalogue(tmp_path)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (48000, 1)])
def test_recording_of_any_rate_is_read_as_mono(tmp_path: Path, rate: int, channels: int) -> None:
    speech = read_recording(write_wav(tmp_path / "a.wav", 0.5, rate, channels))

    assert (speech.samples.shape, speech.rate) == ((rate // 2,), rate)
    assert speech.samples.dtype == np.float32


def test_unusable_recording_names_file_expectation_and_remedy(tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("this is not sound")
    flac = tmp_path / "flac.wav"
    soundfile.write(flac, np.full(8000, 0.1), 8000, format="FLAC")
    cases = [
        (tmp_path / "absent.wav", "cannot be read as sound"),
        (text, "cannot be read as sound"),
        (flac, "is FLAC inside"),
        (write_wav(tmp_path / "short.wav", seconds=0.1), "is 0.10 s long; expected at least 0.3"),
        (write_wav(tmp_path / "silent.wav", peak=0.0), "is silent"),
        (write_wav(tmp_path / "faint.wav", peak=0.0005), "is silent"),
        (write_wav(tmp_path / "slow.wav", rate=6000), "at 6000 Hz; expected a WAV"),
        (write_wav(tmp_path / "many.wav", channels=3), "3 channel"),
    ]
    for path, says in cases:
        with pytest.raises(PromptError) as caught:
            read_recording(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert says in message
        assert "expected" in message
        assert "remove the file to have the text spoken" in message
