"""Speaking a text: a protocol any speech engine can meet, and espeak-ng behind it.

espeak-ng is GPL-3: it runs as a program of its own, text in, WAV out, and is never loaded as a
library (docs/decisions/0005-prompts-and-audio.md).
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ess_pbx.errors import PromptError, RuntimeMissingError
from ess_pbx.runtime import Runtime

DEFAULT_VOICES: Mapping[str, str] = {"id": "id", "en": "en"}
DEFAULT_WORDS_PER_MINUTE = 150
"""Slower than espeak-ng's 175: callers are frightened, and the line is narrow."""

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Speech:
    """Mono sound: samples in -1.0..1.0 at ``rate`` Hz."""

    samples: NDArray[np.float32]
    rate: int


class Synthesiser(Protocol):
    """Anything that can speak a text; called from several threads at once."""

    def speak(self, text: str, language: str) -> Speech:
        """Speak ``text``; raises PromptError or RuntimeMissingError."""
        ...

    def signature(self, language: str) -> str:
        """What the sound depends on besides the text: engine, version, voice, rate.

        A prompt is built anew when this changes.
        """
        ...


class EspeakSynthesiser:
    """espeak-ng as a subprocess: text on its standard input, WAV from its standard output."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        voices: Mapping[str, str] = DEFAULT_VOICES,
        words_per_minute: int = DEFAULT_WORDS_PER_MINUTE,
    ) -> None:
        """``voices`` maps a language to an espeak-ng voice; one not in it uses its own code."""
        self._command = tuple(command)
        self._environment = {**os.environ, **(environment or {})}
        self._voices = dict(voices)
        self._words_per_minute = words_per_minute

    @classmethod
    def find(cls) -> EspeakSynthesiser:
        """The espeak-ng of the project's runtime; raises RuntimeMissingError if there is none."""
        runtime = Runtime.find()
        return cls(runtime.command("espeak-ng"), runtime.environment("espeak-ng"))

    def speak(self, text: str, language: str) -> Speech:
        """Speak ``text`` with the voice of ``language``.

        Raises PromptError if the voice does not exist or nothing was spoken, RuntimeMissingError
        if espeak-ng cannot be run.
        """
        voice = self._voice(language)
        # -D: the same text gives the same samples; -z: no pause at the end; -b 1: UTF-8.
        options = ("-v", voice, "-s", str(self._words_per_minute), "-b", "1", "-D", "-z")
        wav = self._run((*options, "--stdin", "--stdout"), text.encode(), f"voice '{voice}'")
        return _parse_wav(wav, f"espeak-ng voice '{voice}'")

    def signature(self, language: str) -> str:
        """The version line of espeak-ng with voice and rate; see Synthesiser."""
        return f"{self._version}; voice {self._voice(language)}; {self._words_per_minute} wpm"

    @cached_property
    def _version(self) -> str:
        # The line ends with the data folder, which may move without a change of sound.
        line = self._run(("--version",), b"", "--version").decode(errors="replace")
        return line.split("Data at:")[0].strip()

    def _voice(self, language: str) -> str:
        return self._voices.get(language, language)

    def _run(self, options: Sequence[str], text: bytes, doing: str) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 - no shell; the text goes to standard input
                (*self._command, *options),
                input=text,
                env=self._environment,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        except OSError as problem:
            raise RuntimeMissingError(
                f"espeak-ng cannot be run ({problem}); expected the program "
                f"'{self._command[-1]}'. Fetch the runtime again, or install espeak-ng."
            ) from problem
        except subprocess.TimeoutExpired as problem:
            raise PromptError(
                f"espeak-ng ({doing}) did not finish in {_TIMEOUT_SECONDS:.0f} s; expected less "
                "than one. Look at the machine's load and try again."
            ) from problem
        said = done.stderr.decode(errors="replace").strip()
        if "voice does not exist" in said:
            raise PromptError(
                f"espeak-ng has no {doing}; expected a voice it has for this language. "
                "See 'espeak-ng --voices', or record every prompt of this language as WAV."
            )
        if done.returncode == 127:
            # What a loader or wrapper exits with when the program itself is not there.
            raise RuntimeMissingError(
                f"espeak-ng cannot be run ({said}); expected the program '{self._command[-1]}'. "
                "Fetch the runtime again, or install espeak-ng."
            )
        if done.returncode != 0 or not done.stdout:
            raise PromptError(
                f"espeak-ng ({doing}) failed with exit status {done.returncode}: "
                f"{said or 'it said nothing'}; expected speech. "
                "Check that espeak-ng and its data folder are whole."
            )
        return done.stdout


def _parse_wav(wav: bytes, origin: str) -> Speech:
    # Written to a pipe, the header's lengths are placeholders: the samples run to the end.
    data = wav.find(b"data")
    if wav[:4] != b"RIFF" or wav[8:16] != b"WAVEfmt " or data < 36:
        raise PromptError(f"{origin}: gave no WAV; expected a RIFF header and 16-bit samples.")
    form, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", wav, 20)
    if (form, channels, bits) != (1, 1, 16):
        raise PromptError(
            f"{origin}: gave WAV form {form}, {channels} channels, {bits} bits; "
            "expected 16-bit mono PCM."
        )
    body = wav[data + 8 :]
    samples = np.frombuffer(body[: len(body) & ~1], dtype="<i2") / np.float32(32768)
    return Speech(samples=samples.astype(np.float32), rate=rate)
