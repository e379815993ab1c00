"""Building: what is written, what is left alone, and that trouble leaves old files in place."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from ess_pbx.errors import PromptError, RuntimeMissingError, SettingsError
from ess_pbx.prompts.build import MUSIC, build_prompts, missing_prompts
from ess_pbx.prompts.synthesis import Speech


class HummingSynthesiser:
    """Hums a second for any text, at a pitch that depends on it; remembers what it spoke."""

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.spoken: list[str] = []
        self.failing: dict[str, Exception] = {}

    def speak(self, text: str, language: str) -> Speech:
        self.spoken.append(f"{language}: {text}")
        if text in self.failing:
            raise self.failing[text]
        hertz = 300 + 10 * len(text)
        wave = 0.2 * np.sin(2 * np.pi * hertz * np.arange(22050) / 22050)
        return Speech(samples=wave.astype(np.float32), rate=22050)

    def signature(self, language: str) -> str:
        return f"hum {self.version} {language}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "id.yaml").write_text("satu: Satu.\ndua: Dua kata.\n")
    (folder / "en.yaml").write_text("satu: One.\n")
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def files_in(target: Path) -> set[str]:
    return {
        str(path.relative_to(target))
        for path in target.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def record(path: Path, hertz: float = 500.0) -> None:
    path.parent.mkdir(exist_ok=True)
    wave = 0.02 * np.sin(2 * np.pi * hertz * np.arange(48000) / 48000)
    soundfile.write(path, np.column_stack([wave, wave]), 48000)


def test_every_prompt_and_the_music_are_written_in_both_formats(source: Path, target: Path) -> None:
    seen: list[tuple[int, int, str]] = []

    result = build_prompts(
        source, target, HummingSynthesiser(), progress=lambda *step: seen.append(step)
    )

    keys = ("id/satu", "id/dua", "en/satu", MUSIC)
    assert files_in(target) == {
        "manifest.json",
        *(f"{key}{suffix}" for key in keys for suffix in (".alaw", ".sln16")),
    }
    assert set(result.built) == set(result.prompts) == set(keys)
    assert sorted(step[0] for step in seen) == [1, 2, 3, 4]
    assert {step[2] for step in seen} == set(keys)
    for key in keys:
        seconds = result.prompts[key].seconds
        assert (target / f"{key}.alaw").stat().st_size == pytest.approx(8000 * seconds, abs=2)
        assert (target / f"{key}.sln16").stat().st_size == pytest.approx(32000 * seconds, abs=32)
    assert result.prompts["id/satu"].level_dbov == pytest.approx(-23.0, abs=0.05)


def test_second_build_makes_nothing_and_touches_nothing(source: Path, target: Path) -> None:
    build_prompts(source, target, HummingSynthesiser())
    before = {path: (target / path).stat().st_mtime_ns for path in files_in(target)}
    synthesiser = HummingSynthesiser()

    result = build_prompts(source, target, synthesiser)

    assert (result.built, result.removed, synthesiser.spoken) == ((), (), [])
    del before["manifest.json"]
    assert before == {path: (target / path).stat().st_mtime_ns for path in before}


def test_only_a_changed_text_is_spoken_again(source: Path, target: Path) -> None:
    build_prompts(source, target, HummingSynthesiser())
    (source / "id.yaml").write_text("satu: Satu.\ndua: Dua kata lain.\n")
    synthesiser = HummingSynthesiser()

    result = build_prompts(source, target, synthesiser)

    assert (result.built, synthesiser.spoken) == (("id/dua",), ["id: Dua kata lain."])


def test_another_voice_or_version_speaks_everything_again(source: Path, target: Path) -> None:
    build_prompts(source, target, HummingSynthesiser())

    result = build_prompts(source, target, HummingSynthesiser(version="2"))

    assert set(result.built) == {"id/satu", "id/dua", "en/satu"}


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_damaged_or_lost_file_is_made_again(
    source: Path, target: Path, damage: bytes | None
) -> None:
    build_prompts(source, target, HummingSynthesiser())
    file = target / "id" / "satu.alaw"
    whole = file.read_bytes()
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)

    result = build_prompts(source, target, HummingSynthesiser())

    assert result.built == ("id/satu",)
    assert file.read_bytes() == whole


def test_damaged_manifest_means_building_everything_again(source: Path, target: Path) -> None:
    build_prompts(source, target, HummingSynthesiser())
    (target / "manifest.json").write_text('{"id/satu": 1}')

    assert len(build_prompts(source, target, HummingSynthesiser()).built) == 4
    assert "id/satu" in msgspec.json.decode((target / "manifest.json").read_bytes())


def test_recording_overrides_synthesis_until_it_is_removed(source: Path, target: Path) -> None:
    spoken = build_prompts(source, target, HummingSynthesiser())
    recording = source / "id" / "satu.wav"
    record(recording)
    synthesiser = HummingSynthesiser()

    recorded = build_prompts(source, target, synthesiser)

    assert (recorded.built, synthesiser.spoken) == (("id/satu",), [])
    assert recorded.prompts["id/satu"].origin == "recording"
    assert recorded.prompts["id/satu"].level_dbov == pytest.approx(-23.0, abs=0.05)
    wide = np.fromfile(target / "id" / "satu.sln16", dtype="<i2")
    peak_hertz = int(np.argmax(np.abs(np.fft.rfft(wide)))) * 16000 / wide.size
    assert peak_hertz == pytest.approx(500, abs=2)

    record(recording, hertz=700.0)
    assert build_prompts(source, target, HummingSynthesiser()).built == ("id/satu",)
    recording.unlink()
    again = build_prompts(source, target, HummingSynthesiser())
    assert again.prompts["id/satu"] == spoken.prompts["id/satu"]


def test_what_left_the_catalogue_is_removed_and_strangers_stay(source: Path, target: Path) -> None:
    build_prompts(source, target, HummingSynthesiser())
    (target / "id" / "bukan-milik-kami.alaw").write_bytes(b"x")
    (source / "id.yaml").write_text("satu: Satu.\n")
    (source / "en.yaml").unlink()

    result = build_prompts(source, target, HummingSynthesiser())

    assert set(result.removed) == {"id/dua", "en/satu"}
    assert not (target / "en").exists()
    assert {path for path in files_in(target) if path.startswith("id/")} == {
        "id/satu.alaw",
        "id/satu.sln16",
        "id/bukan-milik-kami.alaw",
    }


def test_manifest_cannot_have_files_outside_the_target_removed(source: Path, target: Path) -> None:
    build_prompts(source, target, HummingSynthesiser())
    outside = target.parent / "precious.alaw"
    outside.write_bytes(b"x")
    manifest = msgspec.json.decode((target / "manifest.json").read_bytes())
    manifest["../precious"] = manifest["id/satu"]
    (target / "manifest.json").write_bytes(msgspec.json.encode(manifest))

    build_prompts(source, target, HummingSynthesiser())

    assert outside.exists()


def test_building_one_language_leaves_the_others_alone(source: Path, target: Path) -> None:
    build_prompts(source, target, HummingSynthesiser())
    (source / "id.yaml").write_text("satu: Satu lagi.\ndua: Dua lagi.\n")
    (source / "en.yaml").write_text("satu: One more.\n")

    result = build_prompts(source, target, HummingSynthesiser(), languages=["en"])

    assert (result.built, result.removed) == (("en/satu",), ())
    assert (target / "id" / "dua.alaw").exists()
    with pytest.raises(SettingsError, match=r"jv\.yaml: not found.*There are: id, en"):
        build_prompts(source, target, HummingSynthesiser(), languages=["jv"])


def test_all_prompts_that_fail_are_named_and_the_rest_is_built(source: Path, target: Path) -> None:
    build_prompts(source, target, HummingSynthesiser())
    old = (target / "id" / "satu.alaw").read_bytes()
    (source / "id").mkdir()
    (source / "id" / "satu.wav").write_text("not a recording")
    (source / "id.yaml").write_text("satu: Satu.\ndua: Dua kata.\ntiga: Tiga.\n")
    (source / "en.yaml").write_text("satu: Bad.\n")
    synthesiser = HummingSynthesiser()
    synthesiser.failing["Bad."] = PromptError("no such voice")

    with pytest.raises(PromptError) as caught:
        build_prompts(source, target, synthesiser)

    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["id/satu", "en/satu"]
    assert (target / "id" / "satu.alaw").read_bytes() == old
    assert (target / "id" / "tiga.alaw").exists()
    (source / "id" / "satu.wav").unlink()
    (source / "en.yaml").unlink()
    assert build_prompts(source, target, HummingSynthesiser()).built == ()


def test_missing_engine_is_told_as_such_and_the_manifest_stays_true(
    source: Path, target: Path
) -> None:
    synthesiser = HummingSynthesiser()
    synthesiser.failing["Dua kata."] = RuntimeMissingError("espeak-ng is absent")

    with pytest.raises(RuntimeMissingError, match="espeak-ng is absent"):
        build_prompts(source, target, synthesiser)

    repaired = build_prompts(source, target, HummingSynthesiser())
    assert repaired.built == ("id/dua", "en/satu")
    assert missing_prompts(target, ["satu", "dua"], "id") == []


def test_half_written_file_of_a_killed_build_is_swept_away(source: Path, target: Path) -> None:
    (target / "id").mkdir(parents=True)
    (target / "id" / ".satu.alaw.abc.tmp").write_bytes(b"half")

    build_prompts(source, target, HummingSynthesiser())

    assert not [path for path in files_in(target) if path.endswith(".tmp")]


def test_missing_prompts_are_those_absent_or_empty_in_either_format(
    source: Path, target: Path
) -> None:
    names = ["satu", "dua", "tiga"]
    assert missing_prompts(target, names, "id") == names

    build_prompts(source, target, HummingSynthesiser())

    assert missing_prompts(target, names, "id") == ["tiga"]
    assert missing_prompts(target, names, "en") == ["dua", "tiga"]
    (target / "id" / "satu.sln16").unlink()
    (target / "id" / "dua.alaw").write_bytes(b"")
    assert missing_prompts(target, names, "id") == names
