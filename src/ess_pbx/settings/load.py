"""Loads a settings file: TOML in, a checked ``Settings`` out, or every problem at once.

First each field is held against its shape (``reading``), then the parts against each other
(``checks`` within a centre, ``installation_checks`` beside and between centres).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import fields

from ess_pbx.domain.config import Centre, Shape
from ess_pbx.errors import SettingsError
from ess_pbx.settings.checks import SECTIONS, CentreChecks, SettingsFile
from ess_pbx.settings.installation_checks import InstallationChecks
from ess_pbx.settings.model import CentreDocument, CentreTable, InstallationDocument, Settings
from ess_pbx.settings.neighbour_checks import with_whole_paths
from ess_pbx.settings.reading import (
    INVALID,
    Problem,
    Problems,
    read_fields,
    render_errors,
    shown,
)
from ess_pbx.settings.roster import read_roster
from ess_pbx.settings.toml_lines import toml_lines


def load_settings(path: Path | str) -> Settings:
    """Load the settings file at ``path``, the centres' files and the menus that it names.

    Raises SettingsError, whose text has a line for every problem: file, line, field, what stands
    there and what was expected. Placeholders ``${NAME}`` in the database URL are read from the
    environment.
    """
    path = Path(path)
    raw, problems = _parsed(_text(path), str(path))
    errors: list[str] = []
    if "centres" in raw:
        file = _read(raw, problems, path.parent, InstallationDocument, CentreDocument)
        centres = [CentreChecks(each) for each in _centre_files(file, errors)]
    else:
        file = _read(raw, problems, path.parent, InstallationDocument, also=CentreDocument)
        centres = [CentreChecks(file)]
    checks = InstallationChecks(file, centres, whole=not errors)
    checks.run()
    errors = [*map(str, problems.sorted()), *errors]
    for centre in centres:
        of_centre = [] if centre.file is file else centre.problems.sorted()
        of_centre += centre.form_problems.sorted() + centre.menu_problems.sorted()
        errors += map(str, of_centre)
    errors += (each.catalogue_error for each in centres if each.catalogue_error is not None)
    if errors or checks.folders is None:
        raise SettingsError("\n".join(dict.fromkeys(errors)))
    made = [(_centre(each), _roster(each)) for each in centres]
    own = [each.warnings for each in centres if each.file is not file]
    return Settings(
        centres=tuple(centre for centre, _ in made),
        asterisk=file.values["asterisk"],
        folders=checks.folders,
        database=checks.database,
        web=file.values["web"],
        metrics=checks.metrics,
        watching=file.values["watching"],
        webhook=checks.webhooks,
        recordings=checks.recordings,
        standby=file.values["standby"],
        trunks=file.values["trunks"],
        rosters={centre.id: roster for centre, roster in made if roster is not None},
        warnings=(
            *(
                f"{each.file}:{each.line}: warning: {each.field}: {each.found}; "
                f"better {each.expected}"
                for warnings in (file.warnings, *own)
                for each in warnings.sorted()
            ),
            *(line for centre, roster in made for line in _roster_warnings(roster, centre)),
        ),
    )


def _read(
    raw: dict[str, Any],
    problems: Problems,
    base: Path,
    shape: type[Shape],
    other: type[Shape] | None = None,
    *,
    also: type[Shape] | None = None,
) -> SettingsFile:
    """Read a file of one shape, or of two; fields of ``other`` belong into another file."""
    elsewhere = [] if other is None else [each.encode_name for each in fields(other)]
    for name in raw.keys() & elsewhere:
        where = "the installation's file" if shape is CentreDocument else "the file of a centre"
        problems.add((name,), "not of this file", where)
    own = {name: value for name, value in raw.items() if name not in elsewhere}
    shapes = [each for each in (shape, also) if each is not None]
    return SettingsFile(own, read_fields(own, shapes, (), problems), problems, base)


def _centre_files(file: SettingsFile, errors: list[str]) -> Iterator[SettingsFile]:
    """Read the files of the centres that an installation names, noting those that cannot be."""
    names = file.values["centres"]
    if names == ():
        file.problems.add(("centres",), "none", "the file of one centre or more")
    seen: set[Path] = set()
    for at, name in enumerate(() if names is INVALID else names):
        if name is INVALID:
            continue
        path = Path(os.path.normpath(file.base / name))
        if path in seen:
            file.problems.add(("centres", at), f"{shown(str(name))} again", "each file once")
            continue
        seen.add(path)
        try:
            raw, problems = _parsed(_text(path), str(path))
        except SettingsError as error:
            errors.append(str(error))
            continue
        yield _read(raw, problems, path.parent, CentreDocument, InstallationDocument)


def _centre(checks: CentreChecks) -> Centre:
    table: CentreTable = checks.values["centre"]
    sections = {name: checks.values[name] for name in SECTIONS}
    sections["agencies"] = with_whole_paths(sections["agencies"], checks.base)
    return Centre(
        id=table.id,
        name=table.name,
        time_zone=table.time_zone,
        language=table.language,
        country=table.country,
        area_code=table.area_code,
        greeting=table.greeting or None,
        first_menu=table.first_menu,
        default_queue=table.default_queue,
        default_category=table.default_category,
        policy=checks.values["policy"],
        surge=checks.values["surge"],
        synthetic_call=checks.values["synthetic_call"],
        outbound=checks.values["outbound"],
        **sections,
        report_form=checks.report_form,
        menus=checks.menus.menus,
        queue_keys=checks.menus.queue_keys,
    )


def _roster(checks: CentreChecks) -> Path | None:
    table: CentreTable = checks.values["centre"]
    return None if table.roster is None else (checks.base / table.roster).resolve()


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


def _parsed(source: str, file: str) -> tuple[dict[str, Any], Problems]:
    try:
        return tomllib.loads(source), Problems(file, toml_lines(source))
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        line = re.match(r"line ([0-9]+)", where)
        at = int(line.group(1)) if line else source.count("\n") + 1
        raise _fail(file, at, f"not TOML: {what}", "TOML (https://toml.io)") from error
