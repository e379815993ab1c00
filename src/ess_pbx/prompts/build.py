"""Building the catalogue into files that Asterisk plays as they are.

``target/<language>/<name>.alaw`` is raw A-law at 8 kHz, for trunks (format_pcm);
``target/<language>/<name>.sln16`` raw 16-bit little-endian at 16 kHz, for wide-band phones
(format_sln). ``target/music/tunggu`` is the waiting music in both. ``target/manifest.json`` says
what each file was made from, so that only what changed is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ess_pbx.errors import PromptError, SettingsError
from ess_pbx.prompts import music
from ess_pbx.prompts.catalogue import Prompt, load_catalogue, read_recording
from ess_pbx.prompts.encoding import (
    NARROW_HZ,
    WIDE_HZ,
    encode_alaw,
    encode_linear,
    shape_speech,
)
from ess_pbx.prompts.loudness import PEAK_CEILING_DBOV, SPEECH_LEVEL_DBOV, active_level_dbov
from ess_pbx.prompts.synthesis import Synthesiser

SUFFIXES = (".alaw", ".sln16")
MUSIC = "music/tunggu"

Progress = Callable[[int, int, str], None]
"""Called with how many prompts are done, how many there are, and the one just done."""

_RECIPE = f"speech-1 {SPEECH_LEVEL_DBOV} {PEAK_CEILING_DBOV}"
_MUSIC_RECIPE = f"{music.RECIPE} {music.SECONDS} {music.MUSIC_LEVEL_DBOV}"


class BuiltPrompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One prompt as it lies in the target; also an entry of the manifest."""

    digest: str
    """Of everything the sound is made from."""
    files: dict[str, str]
    """SHA-256 of each file, by suffix."""
    seconds: float
    level_dbov: float
    """Active speech level of the 16 kHz file."""
    origin: str
    """"recording", "synthesis" or "music"."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build did; keys are ``<language>/<name>``."""

    prompts: dict[str, BuiltPrompt]
    """All that were asked for, built now or before."""
    built: tuple[str, ...]
    removed: tuple[str, ...]
    elapsed_seconds: float


@dataclass(frozen=True, slots=True)
class _Job:
    key: str
    digest: str
    origin: str
    render: Callable[[], dict[int, NDArray[np.float32]]]


def build_prompts(
    source: Path,
    target: Path,
    synthesiser: Synthesiser,
    languages: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Bring ``target`` up to date with the catalogue in ``source``.

    Files are replaced one by one, each whole, so calls can go on meanwhile. ``languages`` limits
    the build and leaves the others alone. Raises SettingsError for a wrong catalogue (before
    anything is written) and PromptError listing every prompt that could not be made; the others
    are built, and the old files of the failed ones stay.
    """
    started = time.monotonic()
    catalogue = load_catalogue(source)
    wanted = tuple(catalogue.languages if languages is None else languages)
    for language in wanted:
        if language not in catalogue.prompts:
            raise SettingsError(
                f"{source / language}.yaml: not found; expected texts for language '{language}'. "
                f"There are: {', '.join(catalogue.languages)}."
            )
    jobs = [_music_job()]
    jobs += [_speech_job(prompt, synthesiser) for prompt in catalogue if prompt.language in wanted]
    target.mkdir(parents=True, exist_ok=True)
    with _locked(target):
        for abandoned in target.glob("*/.*.tmp"):  # by a build that was killed
            abandoned.unlink()
        manifest = _read_manifest(target)
        due = [job for job in jobs if not _is_current(target, job, manifest.get(job.key))]
        for done, job in enumerate((job for job in jobs if job not in due), start=1):
            if progress:
                progress(done, len(jobs), job.key)
        problems: list[str] = []
        built: list[str] = []
        try:
            with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
                results = [(job, pool.submit(_make, target, job)) for job in due]
                for done, (job, result) in enumerate(results, start=len(jobs) - len(due) + 1):
                    try:
                        manifest[job.key] = result.result()
                        built.append(job.key)
                    except PromptError as problem:
                        problems.append(f"{job.key}: {problem}")
                    if progress:
                        progress(done, len(jobs), job.key)
            kept = {f"{prompt.language}/{prompt.name}" for prompt in catalogue} | {MUSIC}
            gone = [key for key in manifest if key not in kept]
            for key in gone:
                _remove(target, key)
                del manifest[key]
        finally:
            encoded = msgspec.json.format(msgspec.json.encode(dict(sorted(manifest.items()))))
            _write(target / "manifest.json", encoded)
    if problems:
        raise PromptError("\n".join(problems))
    return BuildResult(
        prompts={job.key: manifest[job.key] for job in jobs},
        built=tuple(built),
        removed=tuple(gone),
        elapsed_seconds=time.monotonic() - started,
    )


def missing_prompts(target: Path, names: Iterable[str], language: str) -> list[str]:
    """Those of ``names`` that cannot be played in ``language``: a file is absent or empty."""

    def playable(path: Path) -> bool:
        return path.is_file() and path.stat().st_size > 0

    folder = target / language
    return [
        name
        for name in names
        if not all(playable(folder / f"{name}{suffix}") for suffix in SUFFIXES)
    ]


def _speech_job(prompt: Prompt, synthesiser: Synthesiser) -> _Job:
    key = f"{prompt.language}/{prompt.name}"
    recording = prompt.recording
    if recording is not None:
        try:
            made_from = hashlib.sha256(recording.read_bytes()).hexdigest()
        except OSError as problem:
            raise PromptError(
                f"{recording}: cannot be read ({problem}); expected a file this user may read. "
                "Correct its owner or permissions."
            ) from problem
        return _Job(
            key=key,
            digest=_digest(_RECIPE, "recording", made_from),
            origin="recording",
            render=lambda: shape_speech(read_recording(recording), str(recording)),
        )

    def speak() -> dict[int, NDArray[np.float32]]:
        speech = synthesiser.speak(prompt.text, prompt.voice)
        return shape_speech(speech, f"{prompt.file}:{prompt.line}")

    signature = synthesiser.signature(prompt.voice)
    digest = _digest(_RECIPE, "synthesis", signature, prompt.text)
    return _Job(key=key, digest=digest, origin="synthesis", render=speak)


def _music_job() -> _Job:
    def compose() -> dict[int, NDArray[np.float32]]:
        return {rate: music.compose(rate) for rate in (NARROW_HZ, WIDE_HZ)}

    return _Job(key=MUSIC, digest=_digest(_MUSIC_RECIPE), origin="music", render=compose)


def _make(target: Path, job: _Job) -> BuiltPrompt:
    rendered = job.render()
    wide = encode_linear(rendered[WIDE_HZ])
    contents = {
        ".alaw": encode_alaw(encode_linear(rendered[NARROW_HZ])),
        ".sln16": wide.tobytes(),
    }
    for suffix, content in contents.items():
        _write(target / f"{job.key}{suffix}", content)
    return BuiltPrompt(
        digest=job.digest,
        files={suffix: hashlib.sha256(content).hexdigest() for suffix, content in contents.items()},
        seconds=round(wide.size / WIDE_HZ, 3),
        level_dbov=round(active_level_dbov(wide, WIDE_HZ), 2),
        origin=job.origin,
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _is_current(target: Path, job: _Job, entry: BuiltPrompt | None) -> bool:
    if entry is None or entry.digest != job.digest or set(entry.files) != set(SUFFIXES):
        return False
    paths = {suffix: target / f"{job.key}{suffix}" for suffix in SUFFIXES}
    return all(
        path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == entry.files[suffix]
        for suffix, path in paths.items()
    )


def _read_manifest(target: Path) -> dict[str, BuiltPrompt]:
    # A manifest that is absent, damaged or of another version only means building again.
    try:
        content = (target / "manifest.json").read_bytes()
        return msgspec.json.decode(content, type=dict[str, BuiltPrompt])
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(".tmp", f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _remove(target: Path, key: str) -> None:
    # The manifest is data: a key that leads out of the target must not delete anything there.
    for suffix in SUFFIXES:
        path = target / f"{key}{suffix}"
        if path.resolve().is_relative_to(target.resolve()):
            path.unlink(missing_ok=True)
    folder = (target / key).parent
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    # Two builds at once would remove each other's work from the manifest.
    with (target / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
