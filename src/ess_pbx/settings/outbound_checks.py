"""Holds what operators may call by themselves against the trunks that there are."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ess_pbx.settings.reading import Problems, holds_invalid, shown


def check_outbound(outbound: Any, trunks: Collection[str], problems: Problems) -> None:
    """Note numbers that are allowed over no trunk, and a trunk that there is not."""
    if holds_invalid(outbound):
        return
    listed = ", ".join(trunks) or "there are none"
    path = ("outbound", "trunk")
    if outbound.trunk is not None and outbound.trunk not in trunks:
        problems.add(path, shown(outbound.trunk), f"the id of a trunk ({listed})")
    elif outbound.trunk is None and (outbound.operator.allow or outbound.supervisor.allow):
        problems.add(path, "missing", f"the trunk of what is allowed ({listed})")
