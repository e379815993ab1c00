"""Which Debian mirror and which keys this machine uses: read from its own apt configuration.

No address of a mirror is written in the project; each machine has its own.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

AGAIN = "Then run the same command again."

_CODENAMES = ("bullseye", "bookworm", "trixie", "forky", "duke", "sid")
_ALIASES = ("oldoldstable", "oldstable", "stable", "testing", "unstable")


class FetchError(Exception):
    """The runtime cannot be fetched; the message says what was tried and what to do."""


@dataclass(frozen=True)
class Source:
    """One archive of the machine's apt configuration."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""

    def is_debian(self) -> bool:
        """Whether this is the Debian archive itself rather than somebody's packages for it."""
        if "main" not in self.components or self.uri.startswith("cdrom:"):
            return False
        releases = {suite.rstrip("/").removesuffix("-updates") for suite in self.suites}
        if releases & set(_CODENAMES):
            return True
        looks_debian = self.uri.rstrip("/").endswith("/debian") or "debian" in self.signed_by
        return bool(releases & set(_ALIASES)) and looks_debian

    def likeness(self) -> int:
        """How much it looks like the archive, when several call their suite by a release's name."""
        return ("debian-archive" in self.signed_by) * 2 + self.uri.rstrip("/").endswith("/debian")


def parse_deb822(text: str) -> list[Source]:
    """The sources of a ``*.sources`` file (sources.list(5), DEB822-STYLE FORMAT)."""
    sources = []
    for stanza in re.split(r"\n[ \t]*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        sources += [
            Source(
                uri,
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                fields.get("signed-by", ""),
            )
            for uri in fields.get("uris", "").split()
        ]
    return sources


def parse_one_line(text: str) -> list[Source]:
    """The sources of a ``sources.list`` file (sources.list(5), ONE-LINE-STYLE FORMAT)."""
    sources = []
    for line in text.splitlines():
        entry = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)([^#]*)", line)
        if entry is None:
            continue
        options, uri, suite, components = entry.groups()
        signed_by = re.search(r"signed-by=(\S+)", options or "")
        sources.append(
            Source(
                uri,
                (suite,),
                tuple(components.split()),
                signed_by.group(1) if signed_by else "",
            )
        )
    return sources


def find_mirror(apt_folder: Path = Path("/etc/apt")) -> str:
    """The address of the Debian mirror that this machine uses.

    Raises FetchError when no entry of its apt configuration is Debian's (on Ubuntu none is).
    """
    named = os.environ.get("ESS_PBX_DEBIAN_MIRROR")
    if named:
        return named
    one_line = [apt_folder / "sources.list", *sorted(apt_folder.glob("sources.list.d/*.list"))]
    deb822 = sorted(apt_folder.glob("sources.list.d/*.sources"))
    sources: list[Source] = []
    for files, parse in ((deb822, parse_deb822), (one_line, parse_one_line)):
        for file in files:
            with contextlib.suppress(OSError):
                sources += parse(file.read_text(errors="replace"))
    debian = [source for source in sources if source.is_debian()]
    if not debian:
        others = ", ".join(sorted({source.uri for source in sources})) or "none at all"
        raise FetchError(
            f"no Debian mirror is configured on this machine (looked in {apt_folder}/sources.list "
            f"and {apt_folder}/sources.list.d; archives found: {others}).\n"
            "Set ESS_PBX_DEBIAN_MIRROR to the address of a Debian mirror near you (what stands "
            f"after 'deb' in a Debian machine's sources, mostly ending in /debian). {AGAIN}"
        )
    return max(debian, key=Source.likeness).uri


def find_keyring(folder: Path = Path("/usr/share/keyrings")) -> Path:
    """The keys that Debian's archive is signed with. Raises FetchError when they are absent."""
    for suffix in ("gpg", "pgp"):
        keyring = folder / f"debian-archive-keyring.{suffix}"
        if keyring.is_file():
            return keyring
    raise FetchError(
        f"Debian's signing keys are not in {folder}.\n"
        f"Install them: apt-get install debian-archive-keyring. {AGAIN}"
    )
