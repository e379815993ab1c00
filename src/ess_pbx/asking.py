"""How commands ask a running service, through its control socket, and show what it says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from cyclopts import Parameter

from ess_pbx.settings.load import load_settings
from ess_pbx.terminal import err, print_json, print_rows, run

SettingsFile = Annotated[Path, Parameter(help="The centre's TOML file.")]
AsJson = Annotated[bool, Parameter(name="--json", help="JSON on stdout.", negative="")]
# The command line takes members of an enum by their names; people write the values.
Kind = Literal["normal", "ghost", "prank", "informasi"]
TIMES = frozenset({"since", "until", "due", "created", "acknowledged_at", "at"})


def of_centre(path: str, centre: str | None) -> str:
    """A path, of a centre where one is named."""
    return path if centre is None else f"{path}?centre={part(centre)}"


def ask(settings: Path, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The service's answer. Raises ControlError, which says what was expected."""
    from ess_pbx.web.control import Control, control_socket

    return run(Control(control_socket(load_settings(settings))).ask(method, path, body))


def show(settings: Path, path: str, columns: Sequence[str], *, as_json: bool) -> int:
    """A list, as a table of these columns or as JSON."""
    found = ask(settings, "GET", path)
    if as_json:
        print_json(found)
    else:
        rows = [{name: local(row.get(name), name) for name in columns} for row in found]
        print_rows(rows, columns)
    return 0


def local(value: Any, name: str = "until") -> Any:
    """Epoch seconds as this machine's time of day; other fields as they are."""
    if name not in TIMES or not isinstance(value, int | float):
        return value
    return f"{datetime.fromtimestamp(value).astimezone():%Y-%m-%d %H:%M:%S}"


def do(settings: Path, path: str, body: dict[str, Any] | None, done: str) -> int:
    """Have something done, and say on stderr that it was."""
    ask(settings, "POST", path, body)
    err.print(done, markup=False)
    return 0


def part(value: str) -> str:
    """A value as a part of a path."""
    return quote(value, safe="")
