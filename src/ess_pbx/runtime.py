"""Where the programs lie that ess-pbx drives: Asterisk, SIPp, espeak-ng, PostgreSQL.

``deploy/fetch_runtime.py`` unpacks them from Debian into ``.runtime/root`` of the checkout. They
need a newer libc than the machine may have, so each is started through that folder's own loader;
no chroot, no root, nothing installed. A program the folder lacks is taken from the machine itself.

``ESS_PBX_RUNTIME`` names another such folder (the one that holds ``usr/``).
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ess_pbx.errors import RuntimeMissingError

MINIMUM_ASTERISK = (22, 10, 1)
"""Older ones let a single NOTIFY kill PJSIP (CVE-2026-57191) or slip past ARI's read-only users."""

SYSTEM_ROOT = Path("/")
_WHAT_TO_DO = "Run ./ess in the checkout, which fetches it, or install it on this machine."
_PROGRAM_FOLDERS = ("usr/sbin", "usr/bin")
_PROBE_SECONDS = 20


@dataclass(frozen=True)
class Runtime:
    """One place to ask for a program: the private folder first, then the machine.

    ``root`` is the private folder, or ``/`` when there is none.
    """

    root: Path

    @classmethod
    def find(cls) -> Runtime:
        """The runtime of this checkout, or of ``ESS_PBX_RUNTIME``, or the machine's own programs.

        Raises RuntimeMissingError when ``ESS_PBX_RUNTIME`` names a folder without ``usr/``.
        """
        named = os.environ.get("ESS_PBX_RUNTIME")
        if named:
            root = Path(named).absolute()
            if not (root / "usr").is_dir():
                raise RuntimeMissingError(
                    f"ESS_PBX_RUNTIME is {root}, which holds no usr/ folder; expected a folder as "
                    "deploy/fetch_runtime.py makes it. Correct it or unset it."
                )
            return cls(root)
        for checkout in (Path(__file__).parents[2], Path.cwd()):
            root = checkout / ".runtime" / "root"
            if (root / "usr").is_dir():
                return cls(root.absolute())
        return cls(SYSTEM_ROOT)

    def command(self, name: str) -> list[str]:
        """The argv prefix that starts ``name``; append the program's own arguments.

        Raises RuntimeMissingError when neither the private folder nor the machine has it.
        """
        program = self._private_program(name)
        if program is not None:
            return [*self._loader(), str(program)]
        found = _system_program(name)
        if found is None:
            raise RuntimeMissingError(
                f"{name} was not found: looked under {self.root} and on PATH. {_WHAT_TO_DO}"
            )
        return [str(found)]

    def environment(self, name: str) -> dict[str, str]:
        """Variables that ``name`` needs on top of the caller's environment; empty for most."""
        if name == "espeak-ng" and self._private_program(name) is not None:
            return {"ESPEAK_DATA_PATH": str(self._library_folder())}
        return {}

    def program(self, name: str) -> Path:
        """The file of ``name`` itself, which only ``command`` knows how to start.

        Raises RuntimeMissingError as ``command`` does.
        """
        return Path(self.command(name)[-1])

    def data_dir(self, name: str) -> Path:
        """The folder of data installed with ``name``: ``usr/share/asterisk`` holds ``rest-api``.

        Raises RuntimeMissingError when there is none.
        """
        relative = f"usr/share/{name}"
        for base in self._bases(name):
            if (base / relative).is_dir():
                return base / relative
        raise RuntimeMissingError(
            f"no {relative} under {self.root}, nor on the machine. {_WHAT_TO_DO}"
        )

    def modules_dir(self) -> Path:
        """The folder of Asterisk's loadable modules (``astmoddir``).

        Raises RuntimeMissingError when there is none.
        """
        places = ("*/asterisk/modules", "asterisk/modules")
        for base in self._bases("asterisk"):
            for library in ("usr/lib", "usr/lib64"):
                for place in places:
                    for folder in sorted((base / library).glob(place)):
                        return folder
        raise RuntimeMissingError(f"no Asterisk modules under {self.root}/usr/lib. {_WHAT_TO_DO}")

    def asterisk_version(self) -> tuple[int, int, int]:
        """What ``asterisk -V`` says, as (major, minor, patch).

        Raises RuntimeMissingError when Asterisk is absent, does not start or says something else.
        """
        command = self.command("asterisk")
        try:
            said = subprocess.run(  # noqa: S603 - our own program
                [*command, "-V"],
                env={**os.environ, **self.environment("asterisk")},
                capture_output=True,
                text=True,
                timeout=_PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeMissingError(
                f"{command[-1]} -V did not run: {error}. {_WHAT_TO_DO}"
            ) from error
        version = re.search(r"Asterisk (?:certified[-/])?(\d+)\.(\d+)\.(\d+)", said.stdout)
        if said.returncode != 0 or version is None:
            words = (said.stdout + said.stderr).strip()
            raise RuntimeMissingError(
                f"{command[-1]} -V ended with {said.returncode} and said {words!r}; expected "
                f"'Asterisk 22.10.1' or newer. {_WHAT_TO_DO}"
            )
        major, minor, patch = (int(part) for part in version.groups())
        return major, minor, patch

    def require_asterisk(self) -> tuple[int, int, int]:
        """The version of Asterisk, when it is one that ess-pbx may run on.

        Raises RuntimeMissingError when it is absent or older than ``MINIMUM_ASTERISK``.
        """
        version = self.asterisk_version()
        if version < MINIMUM_ASTERISK:
            raise RuntimeMissingError(
                f"{self.program('asterisk')} is Asterisk {_dotted(version)}; ess-pbx needs "
                f"{_dotted(MINIMUM_ASTERISK)} or newer (older ones can be crashed from outside, "
                "CVE-2026-57191). Delete .runtime and run ./ess again, or upgrade Asterisk."
            )
        return version

    def _bases(self, name: str) -> tuple[Path, ...]:
        """Where ``name``'s data may lie; never the machine's data for the private program."""
        if self._private_program(name) is not None:
            return (self.root,)
        return (SYSTEM_ROOT, SYSTEM_ROOT / "usr/local")

    def _private_program(self, name: str) -> Path | None:
        if self.root == SYSTEM_ROOT:
            return None
        for folder in (*(self.root / f for f in _PROGRAM_FOLDERS), *_postgres_folders(self.root)):
            if (folder / name).is_file():
                return folder / name
        return None

    def _library_folder(self) -> Path:
        """``usr/lib/<triplet>`` of the private folder: the one that holds its loader."""
        return self._loader_file().parent

    def _loader_file(self) -> Path:
        for pattern in ("usr/lib/*/ld-linux*.so.*", "usr/lib/*/ld64.so.*"):
            for loader in sorted(self.root.glob(pattern)):
                return loader
        raise RuntimeMissingError(
            f"no loader (usr/lib/*/ld-linux*.so.*) under {self.root}: it was not unpacked whole. "
            "Delete .runtime and run ./ess again."
        )

    def _loader(self) -> list[str]:
        libraries = self._library_folder()
        path = [libraries, *(f for f in (libraries / "pulseaudio",) if f.is_dir())]
        return [
            str(self._loader_file()),
            # Else a library the folder lacks would silently come from the machine's older set.
            "--inhibit-cache",
            "--library-path",
            ":".join(map(str, path)),
        ]


def unprivileged(argv: Sequence[str]) -> list[str]:
    """``argv`` so that it does not run as uid 0, which PostgreSQL refuses; as it is when not root.

    First choice is a user namespace in which root is mapped to nobody: files stay root's outside.
    Where namespaces are forbidden (most containers) it runs as nobody, allowed past file modes so
    that a checkout under /root works; what it writes then belongs to nobody.
    The process keeps its pid: each wrapper replaces itself by the program.

    Raises RuntimeMissingError when the machine (as root) allows neither.
    """
    if os.geteuid() != 0:
        return list(argv)
    return [*_drop_root(), *argv]


@functools.cache
def _drop_root() -> tuple[str, ...]:
    ways = (
        ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--"),
        (
            *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
            # Without this bit access(2) sets the capability aside, and PostgreSQL asks access(2).
            "--securebits=+no_setuid_fixup",
            *("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"),
        ),
        ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"),
    )
    for way in ways:
        if shutil.which(way[0]) is None:
            continue
        tried = subprocess.run([*way, "true"], capture_output=True, check=False)  # noqa: S603
        if tried.returncode == 0:
            return way
    raise RuntimeMissingError(
        "PostgreSQL must not run as root, and neither unshare nor setpriv (package util-linux) can "
        "leave root here. Run ./ess as an ordinary user."
    )


def _system_program(name: str) -> Path | None:
    search = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
    search += map(str, _postgres_folders(SYSTEM_ROOT))
    found = shutil.which(name, path=os.pathsep.join(search))
    return Path(found) if found else None


def _postgres_folders(root: Path) -> list[Path]:
    """Debian keeps each PostgreSQL in a folder of its own version; the newest comes first."""
    folders = (root / "usr/lib/postgresql").glob("[0-9]*/bin")
    return sorted(folders, key=lambda f: int(f.parent.name.split(".")[0]), reverse=True)


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
