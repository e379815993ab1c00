"""What the demo found, for people: timeline, recordings, database."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from ess_pbx.demo.call import DemoResult


def show(result: DemoResult, console: Console) -> None:
    """Print a result as tables."""
    console.print(
        f"\n[bold]Call {result.call_id}[/] from {result.caller}, {result.category}, "
        f"operator {result.operator} (passed over: {', '.join(result.missed_by)}), "
        f"agency {result.agency}, Asterisk {result.asterisk_version}"
    )
    steps = Table("step", "ms from INVITE", title="Timeline")
    steps.columns[1].justify = "right"
    for step, ms in result.timeline_ms.items():
        steps.add_row(step, f"{ms:,}")
    console.print(steps)
    files = Table("file", "seconds", "Hz", "level of each channel (dBov)", title="Recordings")
    files.columns[0].overflow = "fold"
    for recording in result.recordings:
        levels = recording["rms_dbov"]
        shown = ", ".join(map(str, levels)) if isinstance(levels, list) else str(levels)
        files.add_row(
            str(recording["path"]), str(recording["seconds"]), str(recording["sample_rate"]), shown
        )
    console.print(files)
    rows = Table("table", "rows", title="Database")
    rows.columns[1].justify = "right"
    for table, count in result.database.items():
        rows.add_row(table, str(count))
    console.print(rows)
    left = ", ".join(f"{count} {what}" for what, count in result.leftovers.items())
    console.print(f"Ended: {result.termination['result']}, {result.termination['reason']}.")
    console.print(f"Left over: {left}. Everything of this run is in {result.folder}")
