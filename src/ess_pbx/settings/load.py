"""Loads a settings file: TOML in, a checked ``Settings`` out, or every problem at once.

First each field is held against its shape (``reading``), then the parts against each other
(``checks``).
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from ess_pbx.domain.config import Centre
from ess_pbx.errors import SettingsError
from ess_pbx.settings.checks import SECTIONS, Checks
from ess_pbx.settings.model import CentreTable, Document, Settings
from ess_pbx.settings.reading import Problem, Problems, read_fields, render_errors
from ess_pbx.settings.roster import read_roster
from ess_pbx.settings.toml_lines import toml_lines


def load_settings(path: Path | str) -> Settings:
    """Load the settings file at ``path`` and the menus it names.

    Raises SettingsError, whose text has a line for every problem: file, line, field, what stands
    there and what was expected. Placeholders ``${NAME}`` in the database URL are read from the
    environment.
    """
    path = Path(path)
    source = _text(path)
    raw = _parsed(source, str(path))
    problems = Problems(str(path), toml_lines(source))
    values = read_fields(raw, Document, (), problems)
    checks = Checks(raw, values, problems, path.parent)
    checks.run()
    errors = list(map(str, problems.sorted() + checks.menu_problems.sorted()))
    if checks.catalogue_error is not None:
        errors.append(checks.catalogue_error)
    if errors:
        raise SettingsError("\n".join(errors))
    table: CentreTable = values["centre"]
    centre = Centre(
        id=table.id,
        name=table.name,
        time_zone=table.time_zone,
        language=table.language,
        greeting=table.greeting or None,
        first_menu=table.first_menu,
        default_queue=table.default_queue,
        default_category=table.default_category,
        policy=values["policy"],
        **{name: values[name] for name in SECTIONS if name != "trunks"},
        menus=checks.menus.menus,
        queue_keys=checks.menus.queue_keys,
    )
    roster = None if table.roster is None else (path.parent / table.roster).resolve()
    return Settings(
        centre=centre,
        asterisk=values["asterisk"],
        folders=checks.folders,
        database=checks.database,
        web=values["web"],
        recordings=checks.recordings,
        trunks=values["trunks"],
        country=table.country,
        area_code=table.area_code,
        roster=roster,
        warnings=tuple(
            f"{each.file}:{each.line}: warning: {each.field}: {each.found}; better {each.expected}"
            for each in checks.warnings.sorted()
        )
        + _roster_warnings(roster, centre),
    )


def _roster_warnings(path: Path | None, centre: Centre) -> tuple[str, ...]:
    """A wrong roster must not keep a centre from starting: it has its shift templates."""
    try:
        if path is not None:
            read_roster(path, centre)
    except SettingsError as error:
        return tuple(
            f"{line}; until then the shift templates hold" for line in str(error).splitlines()
        )
    return ()


def _fail(file: str, line: int, found: str, expected: str) -> SettingsError:
    return SettingsError(render_errors([Problem(file, line, "", found, expected)]))


def _text(path: Path) -> str:
    expected = "a TOML settings file such as deploy/sample/centre.toml"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _fail(str(path), 1, f"cannot be read: {error.strerror}", expected) from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _fail(str(path), line, "bytes that are not UTF-8", "TOML in UTF-8") from error


def _parsed(source: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        line = re.match(r"line ([0-9]+)", where)
        at = int(line.group(1)) if line else source.count("\n") + 1
        raise _fail(file, at, f"not TOML: {what}", "TOML (https://toml.io)") from error
