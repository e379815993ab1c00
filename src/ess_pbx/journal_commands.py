"""``ess-pbx journal``: whether the journal is whole, and the tables made anew from it."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import Progress as Bar
from rich.table import Table

from ess_pbx.settings.load import load_settings
from ess_pbx.terminal import err, out, run

journal = App(name="journal", help="The record of all that was decided, before any database.")

SettingsFile = Annotated[Path, Parameter(help="The centre's TOML file.")]


@journal.command
def verify(settings: SettingsFile) -> int:
    """Check every record's checksum and that none is missing; the engine may be running."""
    from ess_pbx.db.replay import read_journal
    from ess_pbx.engine.segments import Damage

    folder = load_settings(settings).folders.state / "journal"
    kinds: Counter[str] = Counter()
    expected, wrong = 1, 0
    first: float | None = None
    last = 0.0
    for item in read_journal(folder):
        if isinstance(item, Damage):
            wrong += 1
            err.print(str(item), markup=False)
            continue
        sequence, fact = item
        if sequence != expected:
            wrong += 1
            err.print(f"{folder}: record {sequence} follows {expected - 1}", markup=False)
        expected = sequence + 1
        kinds[fact.kind] += 1
        first, last = fact.at if first is None else first, fact.at
    if first is None and not wrong:
        err.print(f"{folder}: nothing is in it yet", markup=False)
        return 0
    table = Table("fact", "records")
    for kind, count in sorted(kinds.items()):
        table.add_row(kind, str(count))
    out.print(table)
    if wrong:
        err.print(
            f"{wrong} places are damaged. What is whole is used; what is missing may be in a "
            "backup of the folder.",
            markup=False,
        )
        return 1
    if first is not None:
        since, until = (datetime.fromtimestamp(at, UTC) for at in (first, last))
        err.print(
            f"{kinds.total()} records, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC: whole"
        )
    return 0


@journal.command
def replay(
    settings: SettingsFile,
    *,
    to: Annotated[
        str | None, Parameter(help="A database URL to fill; without it one is made and compared.")
    ] = None,
) -> int:
    """Make the tables anew from the journal, and show where those in use differ.

    Stop the engine first, or wait until its database has caught up: what comes in between differs.
    """
    from ess_pbx.db import migrate
    from ess_pbx.db.connect import create_engine
    from ess_pbx.db.replay import differences, read_journal
    from ess_pbx.db.replay import replay as replay_into
    from ess_pbx.engine.segments import Damage

    loaded = load_settings(settings)
    folder = loaded.folders.state / "journal"
    identity = folder / "id"
    name = identity.read_text().strip() if identity.exists() else "replay"

    damaged, total = 0, 0
    for item in read_journal(folder):
        if isinstance(item, Damage):
            damaged += 1
            err.print(str(item), markup=False)
        else:
            total += 1

    async def into(url: str, compare: bool) -> list[str]:
        migrate.upgrade(url)
        fresh = create_engine(url)
        used = create_engine(loaded.database.url)
        try:
            with Bar(console=err, transient=True) as bar:
                task = bar.add_task("replaying", total=total)
                count = await replay_into(
                    folder, fresh, name, lambda done: bar.update(task, completed=done)
                )
            err.print(f"{count} facts replayed")
            return await differences(fresh, used) if compare else []
        finally:
            await fresh.dispose()
            await used.dispose()

    if to is not None:
        run(into(to, compare=False))
        return _whole(damaged)
    with tempfile.TemporaryDirectory() as temporary:
        found = run(into(f"sqlite+aiosqlite:///{temporary}/replay.sqlite3", compare=True))
    for line in found:
        out.print(line, markup=False)
    if found:
        err.print("The database differs from what its journal says (first: journal).")
        return 1
    out.print("The tables are what the journal says.")
    return _whole(damaged)


def _whole(damaged: int) -> int:
    """The exit status; says that something is missing, if it is."""
    if damaged:
        err.print(
            f"{damaged} places of the journal are damaged, and what they held is in no table; "
            "ess-pbx journal verify names what is missing."
        )
    return int(damaged > 0)
