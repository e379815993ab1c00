"""Where an installation keeps things: folders made whole, and the database's URL filled in."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from ess_pbx.settings.model import Database, Folders, Metrics, Recordings
from ess_pbx.settings.reading import Problems, shown

LEAST_TOKEN = 20
"""Characters; more than can be guessed over a network."""
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def place_folders(given: Folders, base: Path, problems: Problems) -> Folders:
    """Make every folder absolute, from ``base`` where it is relative, noting what cannot be."""
    recordings = given.state / "recordings" if given.recordings == Path() else given.recordings
    folders = Folders(
        state=_whole(given.state, base),
        recordings=_whole(recordings, base),
        templates=_whole(given.templates, base),
        dialplan=_whole(given.dialplan, base),
        prompts=_whole(given.prompts, base),
    )
    for name in ("templates", "dialplan", "prompts"):
        folder: Path = getattr(folders, name)
        if not folder.is_dir():
            problems.add(("folders", name), shown(str(folder)), "a folder that exists")
    for name in ("state", "recordings"):
        folder = getattr(folders, name)
        if folder.exists() and not folder.is_dir():
            problems.add(("folders", name), shown(str(folder)), "a folder, not a file")
    return folders


def place_keys(given: Recordings, folders: Folders, base: Path, problems: Problems) -> Recordings:
    """Make the key file's path whole; it must not lie where a copy of the data would hold it."""
    if given.keys is None:
        return given
    keys = _whole(given.keys, base)
    for folder in (folders.state, folders.recordings):
        if keys.is_relative_to(folder):
            problems.add(
                ("recordings", "keys"),
                f"{shown(str(keys))}, within {folder}",
                "a file outside the data: whoever copies the recordings must not have their keys",
            )
    return Recordings(keys=keys)


def place_token(given: Metrics, base: Path, problems: Problems) -> Metrics:
    """Make the path of the token's file whole; one that cannot be read is noted, never repeated."""
    if given.token is None:
        return given
    token = _whole(given.token, base)
    try:
        right = len(token.read_text().strip()) >= LEAST_TOKEN
    except (OSError, UnicodeDecodeError):
        right = False
    if not right:
        expected = f"a file with {LEAST_TOKEN} characters or more, as 'openssl rand -hex 20' makes"
        problems.add(("metrics", "token"), shown(str(token)), expected)
    return Metrics(loopback=given.loopback, token=token)


def expand_database(url: str, state: Path, base: Path, problems: Problems) -> Database:
    """Put the environment's values in place of ``${NAME}``, and make an SQLite file's path whole.

    A password that stands in the file itself is noted as wrong, and is not repeated.
    """
    path = ("database", "url")
    if not url:
        return Database(url=f"sqlite+aiosqlite:///{state / 'ess-pbx.sqlite3'}")
    secrets = re.findall(r"://[^:/@?]*:(.*)@", url) + re.findall(r"password=([^&]*)", url)
    if not all(_PLACEHOLDER.fullmatch(secret) for secret in secrets):
        found = f"{shown(url)}, with its password in the file"
        problems.add(path, found, "${NAME} in its place, read from the environment")
        return Database()
    for name in _PLACEHOLDER.findall(url):
        if name not in os.environ:
            problems.add(path, f"${{{name}}}, which is not set", "an environment variable")
    # Quoted, since a password may hold "@" or "/".
    url = _PLACEHOLDER.sub(lambda found: quote(os.environ.get(found[1], ""), safe=""), url)
    relative = re.fullmatch(r"sqlite\+aiosqlite:///(?![/:])([^?]+)(.*)", url)
    if relative:
        url = f"sqlite+aiosqlite:///{_whole(Path(relative[1]), base)}{relative[2]}"
    return Database(url=url)


def _whole(path: Path, base: Path) -> Path:
    return (base / path).resolve()
