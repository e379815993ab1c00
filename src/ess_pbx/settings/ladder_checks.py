"""Holds the ladder of waiting callers against the rest of the settings."""

from __future__ import annotations

from collections.abc import Collection

from ess_pbx.domain.config import Policy, Rung
from ess_pbx.settings.reading import Problems, shown
from ess_pbx.settings.toml_lines import Path as FieldPath

LADDER = ("policy", "ladder")


def check_ladder(
    policy: Policy,
    agencies: Collection[str],
    prompts: Collection[str] | None,
    problems: Problems,
) -> None:
    """Note steps out of order, and references to what is not there.

    ``prompts`` is None when the catalogue could not be read.
    """
    before = 0.0
    for at, rung in enumerate(policy.ladder):
        path = (*LADDER, at)
        if rung.after <= before:
            expected = f"above {before:g}, for the step before it comes first"
            problems.add((*path, "after"), f"{rung.after:g}", expected)
        before = max(before, rung.after)
        if rung.prompt is not None and prompts is not None and rung.prompt not in prompts:
            expected = "a prompt in the centre's catalogue"
            problems.add((*path, "prompt"), shown(rung.prompt), expected)
        _check_target(rung, path, agencies, problems)


def _check_target(
    rung: Rung, path: FieldPath, agencies: Collection[str], problems: Problems
) -> None:
    listed = ", ".join(agencies) or "there are none"
    expected = f"the id of an agency ({listed})"
    if rung.step != "overflow":
        if rung.to is not None:
            found = f"{shown(rung.to)} with {rung.step}"
            problems.add((*path, "to"), found, 'nothing: only "overflow" has it')
    elif rung.to is None:
        problems.add((*path, "to"), "missing", expected)
    elif rung.to not in agencies:
        problems.add((*path, "to"), shown(rung.to), expected)
