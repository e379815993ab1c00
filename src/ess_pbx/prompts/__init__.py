"""What callers hear: texts in ``ivr_prompts/``, spoken, level-matched, written for Asterisk.

``catalogue`` reads the texts and studio recordings, ``synthesis`` speaks a text, ``loudness``
measures and matches levels, ``music`` makes the waiting music, ``build`` writes the files.
Everything here blocks; callers on the event loop use a thread.
"""

from ess_pbx.prompts.build import BuildResult, BuiltPrompt, build_prompts, missing_prompts
from ess_pbx.prompts.catalogue import Catalogue, Prompt, load_catalogue, read_recording
from ess_pbx.prompts.loudness import active_level_dbov, rms_dbov
from ess_pbx.prompts.synthesis import EspeakSynthesiser, Speech, Synthesiser

__all__ = [
    "BuildResult",
    "BuiltPrompt",
    "Catalogue",
    "EspeakSynthesiser",
    "Prompt",
    "Speech",
    "Synthesiser",
    "active_level_dbov",
    "build_prompts",
    "load_catalogue",
    "missing_prompts",
    "read_recording",
    "rms_dbov",
]
