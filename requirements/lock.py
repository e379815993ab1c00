#!/usr/bin/env python3
"""Write ``product.txt`` and ``dev.txt`` anew from pyproject.toml: ``./ess lock``.

pip-compile resolves for the Python that runs it and leaves out what only another needs, so it runs
on the oldest Python supported, whose pins hold, and on a newer one, whose extra packages are added
with their markers. Needs both on PATH; takes some minutes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OLDEST, NEWER = "python3.11", "python3.13"
PIP_TOOLS = "pip-tools>=7.5"
EXTRAS = {"dev.txt": ("phones", "dev"), "product.txt": ()}
OPTIONS = (
    *("--quiet", "--generate-hashes", "--strip-extras", "--allow-unsafe"),
    # setuptools, which the editable install needs when it may fetch nothing itself.
    *("--build-deps-for", "editable"),
    *("--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"),
)


def blocks(lock: str) -> dict[str, str]:
    """The text of each pinned package with its hashes and comment, by name."""
    found = re.findall(r"(?m)^[a-z0-9].*\n(?:[ \t]+.*\n)*", lock)
    return {re.split(r"[=\[ ]", block, maxsplit=1)[0]: block for block in found}


def merge(oldest: str, newer: str) -> str:
    """``oldest`` with the packages that only ``newer`` has; each must carry a marker.

    Raises ValueError when one has no marker, as it would then be installed everywhere.
    """
    for name, block in blocks(newer).items():
        pinned = blocks(oldest)
        if name in pinned:
            continue
        if ";" not in block.splitlines()[0]:
            raise ValueError(f"{NEWER} needs {name} without a marker that says so: {block}")
        following = next((text for other, text in pinned.items() if other > name), None)
        at = oldest.index(following) if following else len(oldest)
        oldest = oldest[:at] + block + oldest[at:]
    return oldest


def compile_lock(python: str, folder: Path, name: str, preferred: str) -> str:
    """What pip-compile on ``python`` makes of pyproject.toml; pins of ``preferred`` are kept."""
    lock = folder / name
    lock.write_text(preferred)
    extras = [word for extra in EXTRAS[name] for word in ("--extra", extra)]
    subprocess.run(  # noqa: S603 - fixed words
        [
            *(str(folder / python / "bin/pip-compile"), *OPTIONS, *extras),
            *("--output-file", str(lock), "pyproject.toml"),
        ],
        cwd=folder / "project",
        env={**os.environ, "CUSTOM_COMPILE_COMMAND": "./ess lock"},
        check=True,
    )
    return lock.read_text()


def main() -> int:
    """Write both locks; 1 with what to do when a Python is missing."""
    here = Path(__file__).resolve().parent
    for python in (OLDEST, NEWER):
        if shutil.which(python) is None:
            print(f"ess lock: {python} is not on PATH; both {OLDEST} and {NEWER} are needed.")
            return 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # A copy, so that no path of this machine can reach a comment of the lock.
        (folder / "project/src/ess_pbx").mkdir(parents=True)
        for file in ("pyproject.toml", "README.md", "src/ess_pbx/__init__.py"):
            shutil.copy(here.parent / file, folder / "project" / file)
        for python in (OLDEST, NEWER):
            subprocess.run([python, "-m", "venv", str(folder / python)], check=True)  # noqa: S603
            pip = [str(folder / python / "bin/pip"), "install", "--quiet", PIP_TOOLS]
            subprocess.run(pip, check=True)  # noqa: S603
        preferred = ""
        for name in EXTRAS:
            print(f"ess lock: resolving {name} …", file=sys.stderr, flush=True)
            oldest = compile_lock(OLDEST, folder, name, preferred)
            lock = merge(oldest, compile_lock(NEWER, folder, name, oldest))
            (here / name).write_text(lock)
            preferred = lock
    return 0


if __name__ == "__main__":
    sys.exit(main())
