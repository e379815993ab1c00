"""Texts that no catalogue can hold, such as the name of a place: spoken once, and kept."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from ess_pbx.prompts.encoding import NARROW_HZ, encode_alaw, encode_linear, shape_speech
from ess_pbx.prompts.synthesis import EspeakSynthesiser, Synthesiser


class SpokenTexts:
    """Files of spoken texts in ``folder``; to be asked in a thread, since speaking takes time."""

    def __init__(self, folder: Path, synthesiser: Synthesiser | None = None) -> None:
        """Without a ``synthesiser`` espeak-ng is looked for when the first text is spoken."""
        self._folder = folder
        self._synthesiser = synthesiser

    def file(self, text: str, language: str) -> Path:
        """The sound of a text, without its ending, as Asterisk is told of it.

        Raises PromptError, RuntimeMissingError or OSError.
        """
        if self._synthesiser is None:
            self._synthesiser = EspeakSynthesiser.find()
        wanted = f"{self._synthesiser.signature(language)}\n{language}\n{text}"
        sound = self._folder / hashlib.sha256(wanted.encode()).hexdigest()[:32]
        kept = sound.with_suffix(".alaw")
        if not kept.is_file():
            shaped = shape_speech(self._synthesiser.speak(text, language), "a spoken text")
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = sound.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
            part.write_bytes(encode_alaw(encode_linear(shaped[NARROW_HZ])))
            part.replace(kept)
        return sound
