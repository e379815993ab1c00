"""What the demo found, for people: timeline, recordings, database."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from ess_pbx.demo.call import DemoResult


def show(result: DemoResult, console: Console) -> None:
    """Print a result: one thing a line, so that it can be searched and copied."""
    say = console.print
    say(f"\n[bold]Call {result.call_id}[/] from {result.caller}: {result.category}")
    say(f"operator {result.operator}, passed over: {', '.join(result.missed_by)}")
    say(f"agency {result.agency}; Asterisk {result.asterisk_version}")
    steps = Table("step", "ms from INVITE", box=box.SIMPLE, pad_edge=False)
    steps.columns[1].justify = "right"
    for step, ms in result.timeline_ms.items():
        steps.add_row(step, f"{ms:,}")
    say(steps)
    for recording in result.recordings:
        levels = recording["rms_dbov"]
        caller, others = levels if isinstance(levels, list) else (levels, levels)
        say(f"recording  {recording['path']}", soft_wrap=True)
        say(
            f"           {recording['seconds']} s, {recording['sample_rate']} Hz; "
            f"caller {caller} dBov left, others {others} dBov right"
        )
        say(f"           sha256 {recording['sha256']}", soft_wrap=True)
    rows = ", ".join(f"{count} {table}" for table, count in sorted(result.database.items()))
    say(f"database   {rows}", soft_wrap=True)
    left = ", ".join(f"{count} {what}" for what, count in result.leftovers.items())
    say(f"left over  {left}")
    say(f"ended      {result.termination['result']}, {result.termination['reason']}")
    say(f"all of it  {result.folder}", soft_wrap=True)
