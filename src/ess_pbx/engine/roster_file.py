"""The roster file as it is edited while the engine runs: read when it changed, never half."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ess_pbx.domain.config import Centre
from ess_pbx.domain.roster import Entry
from ess_pbx.errors import SettingsError
from ess_pbx.settings.roster import read_roster

SHOWN_ERRORS = 20


@dataclass(frozen=True, slots=True)
class RosterChange:
    """What a changed file says: its entries, or what is wrong with it."""

    entries: tuple[Entry, ...]
    error: str | None


class RosterFile:
    """Reads a centre's roster again whenever the file is another one than before."""

    def __init__(self, path: Path, centre: Centre) -> None:
        self._path = path
        self._centre = centre
        self._seen: tuple[int, ...] | None = None

    def read(self) -> RosterChange | None:
        """Read the file if it changed since the last time, else return None. Waits for the disk."""
        try:
            stat = self._path.stat()
            version: tuple[int, ...] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            version = ()
        if version == self._seen:
            return None
        self._seen = version
        try:
            return RosterChange(read_roster(self._path, self._centre), None)
        except SettingsError as error:
            lines = str(error).splitlines()
            if len(lines) > SHOWN_ERRORS:
                lines[SHOWN_ERRORS:] = [f"and {len(lines) - SHOWN_ERRORS} more"]
            return RosterChange((), "\n".join(lines))
