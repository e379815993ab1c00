"""The prompt catalogue: ``<language>.yaml`` gives each prompt's text, a WAV may override it.

::

    ivr_prompts/id.yaml                   name: text, the complete list
    ivr_prompts/en.yaml                   the same names, all or some of them
    ivr_prompts/id/selamat-datang.wav     a studio recording used instead of synthesis

``_voice: id`` in a text file has its texts spoken by the voice of another language, for one that
the synthesiser has no voice for.

A wrong text file is a SettingsError with file and line; a recording that cannot be used is a
PromptError that names the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import yaml

from ess_pbx.errors import PromptError, SettingsError
from ess_pbx.prompts.loudness import ABSOLUTE_GATE_DBOV, active_level_dbov
from ess_pbx.prompts.synthesis import Speech

COMPLETE_LANGUAGE = "id"
"""The language every prompt exists in; the others may only translate it."""

SHORTEST_RECORDING_SECONDS = 0.3
LOWEST_RECORDING_HZ = 8000

VOICE = "_voice"
"""Names the voice in a text file; no prompt can be called so."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_NAME_RULE = "1 to 60 characters of a-z, 0-9 and '-', not starting with '-'"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt in one language."""

    language: str
    name: str
    text: str
    recording: Path | None
    """The studio recording that overrides synthesis, if one lies there."""
    file: Path
    line: int
    voice: str
    """The language whose synthetic voice speaks it."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All prompts by language and name."""

    prompts: dict[str, dict[str, Prompt]]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages there are texts for, the complete one first."""
        return tuple(self.prompts)

    def __iter__(self) -> Iterator[Prompt]:
        for by_name in self.prompts.values():
            yield from by_name.values()


def load_catalogue(source: Path) -> Catalogue:
    """Read and check every text file in ``source`` and find the recordings beside them.

    Raises SettingsError with file and line for anything wrong. Recordings are found but not
    opened: ``read_recording`` does that.
    """
    complete_file = source / f"{COMPLETE_LANGUAGE}.yaml"
    if not complete_file.is_file():
        raise SettingsError(
            f"{complete_file}: not found; expected the complete list of prompts "
            "(one 'name: text' per line). Restore it from the project's ivr_prompts folder."
        )
    for misnamed in sorted(source.glob("*.yml")):
        raise SettingsError(
            f"{misnamed}: would be ignored; expected the ending .yaml. Rename the file."
        )
    others = sorted(path for path in source.glob("*.yaml") if path != complete_file)
    prompts: dict[str, dict[str, Prompt]] = {}
    for file in (complete_file, *others):
        if not _LANGUAGE.fullmatch(file.stem):
            raise SettingsError(
                f"{file}: '{file.stem}' is not a language code; expected a name such as "
                "id.yaml, en.yaml or jv.yaml. Rename the file or move it away."
            )
        prompts[file.stem] = _read_texts(file, _find_recordings(source / file.stem))
    complete = prompts[COMPLETE_LANGUAGE]
    for prompt in Catalogue(prompts):
        if prompt.name not in complete:
            raise SettingsError(
                f"{prompt.file}:{prompt.line}: prompt '{prompt.name}' is not in "
                f"{complete_file.name}; expected every prompt to exist there first. "
                f"Correct the name or add it to {complete_file}."
            )
    _refuse_folders_without_texts(source, prompts)
    return Catalogue(prompts)


def _read_texts(file: Path, recordings: dict[str, Path]) -> dict[str, Prompt]:
    # compose() keeps line numbers and duplicate keys, which load() loses.
    try:
        root = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else 1
        raise SettingsError(
            f"{file}:{line}: not valid YAML: {problem.problem or problem.context}; "
            "expected lines of 'name: text'. Put the text in quotes if it contains ': ' or '#'."
        ) from problem
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as problem:
        raise SettingsError(
            f"{file}: cannot be read: {problem}; expected UTF-8 text. "
            "Save the file as UTF-8, readable by this user."
        ) from problem
    if not isinstance(root, yaml.MappingNode):
        line = root.start_mark.line + 1 if root else 1
        raise SettingsError(
            f"{file}:{line}: not a list of prompts; expected lines of 'name: text'."
        )
    texts: dict[str, Prompt] = {}
    voice = _voice(file, root)
    for key, value in root.value:
        if key.value == VOICE:
            continue
        where = f"{file}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode) or not _NAME.fullmatch(key.value):
            given = f"'{key.value}'" if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            raise SettingsError(f"{where}: bad prompt name {given}; expected {_NAME_RULE}.")
        name = key.value
        if name in texts:
            raise SettingsError(
                f"{where}: prompt '{name}' is already given on line {texts[name].line}; "
                "expected each name once. Remove one of them."
            )
        texts[name] = Prompt(
            language=file.stem,
            name=name,
            text=_spoken_text(where, name, value),
            recording=recordings.pop(name, None),
            file=file,
            line=key.start_mark.line + 1,
            voice=voice,
        )
    for name, recording in recordings.items():
        raise SettingsError(
            f"{recording}: no prompt is called '{name}' in {file}; expected one of: "
            f"{', '.join(texts)}. Rename the recording or add the prompt."
        )
    return texts


def _voice(file: Path, root: yaml.MappingNode) -> str:
    voices = [value for key, value in root.value if key.value == VOICE]
    for value in voices:
        if not isinstance(value, yaml.ScalarNode) or not _LANGUAGE.fullmatch(value.value):
            raise SettingsError(
                f"{file}:{value.start_mark.line + 1}: {VOICE} is not a language code; expected a "
                "language the synthesiser has a voice for, such as id. Correct it."
            )
    return str(voices[-1].value) if voices else file.stem


def _spoken_text(where: str, name: str, value: yaml.Node) -> str:
    # "yes", 112 or 12:30 without quotes are not strings in YAML, and would be spoken otherwise.
    if not isinstance(value, yaml.ScalarNode) or value.tag not in (
        "tag:yaml.org,2002:str",
        "tag:yaml.org,2002:null",
    ):
        raise SettingsError(
            f"{where}: the text of prompt '{name}' is not a text; expected words to speak. "
            "Put them in quotes."
        )
    text = " ".join(value.value.split())
    if value.tag == "tag:yaml.org,2002:null" or not any(char.isalnum() for char in text):
        raise SettingsError(
            f"{where}: prompt '{name}' has no words; expected the text to speak. "
            "Write one or remove the line."
        )
    return text


def _find_recordings(folder: Path) -> dict[str, Path]:
    recordings: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(".") or path.suffix.lower() in (".md", ".txt"):
            continue
        if path.suffix.lower() != ".wav" or not path.is_file():
            raise SettingsError(
                f"{path}: not a recording that can be used; expected <prompt name>.wav. "
                "Convert it to WAV or move it away."
            )
        if path.stem in recordings:
            raise SettingsError(
                f"{path}: there is also {recordings[path.stem].name}; expected one recording "
                "of each prompt. Remove one of them."
            )
        recordings[path.stem] = path
    return recordings


def _refuse_folders_without_texts(source: Path, languages: dict[str, dict[str, Prompt]]) -> None:
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        if folder.name not in languages and _find_recordings(folder):
            raise SettingsError(
                f"{folder}: recordings without texts; expected {folder.name}.yaml beside the "
                "folder, saying what each recording says. Add it or rename the folder."
            )


def read_recording(path: Path) -> Speech:
    """Read a studio recording as mono.

    Raises PromptError if it is not a WAV of one or two channels at 8 kHz or more, shorter than
    0.3 s, or without any frame above -60 dBov.
    """
    expected = f"expected a WAV, mono or stereo, {LOWEST_RECORDING_HZ} Hz or more"
    instead = "or remove the file to have the text spoken by the computer"
    try:
        with soundfile.SoundFile(path) as file:
            form, rate, channels = file.format, file.samplerate, file.channels
            samples = file.read(dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as problem:
        raise PromptError(
            f"{path}: cannot be read as sound ({problem}); {expected}. Export it again, {instead}."
        ) from problem
    if form not in ("WAV", "WAVEX", "RF64"):
        raise PromptError(f"{path}: is {form} inside; {expected}. Export it as WAV, {instead}.")
    if rate < LOWEST_RECORDING_HZ or channels > 2:
        raise PromptError(
            f"{path}: has {channels} channel(s) at {rate} Hz; {expected}. "
            f"Export it again, {instead}."
        )
    mono = np.ascontiguousarray(samples.mean(axis=1), dtype=np.float32)
    seconds = len(mono) / rate
    if seconds < SHORTEST_RECORDING_SECONDS:
        raise PromptError(
            f"{path}: is {seconds:.2f} s long; expected at least {SHORTEST_RECORDING_SECONDS} s "
            f"of speech. Record it again, {instead}."
        )
    if not np.isfinite(mono).all() or active_level_dbov(mono, rate) < ABSOLUTE_GATE_DBOV:
        raise PromptError(
            f"{path}: is silent (nothing above {ABSOLUTE_GATE_DBOV:.0f} dBov); expected speech. "
            f"Check the microphone and record it again, {instead}."
        )
    return Speech(samples=mono, rate=rate)
